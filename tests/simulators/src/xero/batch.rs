//! PUT and POST of contacts, invoices and payments: one element or many (vendor notes, section 5).

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Serialize;
use uuid::Uuid;

use super::contact::{self, Aim, ContactInput};
use super::contact_reply::{self, Detail, FailedContact};
use super::invoice_input::InvoiceInput;
use super::invoice_reply::{self, FailedInvoice, Shown};
use super::invoice_write::{self, Writing};
use super::organisation::Organisation;
use super::payment::{self, FailedPayment, PaymentInput};
use super::query::Query;
use super::reply::{self, Envelope, Refusal};
use crate::skeleton::answer::Reply;
use crate::skeleton::fields::Fields;
use crate::skeleton::ids::Ids;
use crate::skeleton::incoming::Incoming;
use crate::skeleton::number::Exact;

/// A record in a reply: saved or not.
#[derive(Serialize)]
#[serde(untagged)]
enum Element<Saved, Failed> {
    Saved(Saved),
    Failed(Failed),
}

/// What writes need.
pub(crate) struct Desk<'world> {
    pub(crate) organisation: &'world mut Organisation,
    pub(crate) ids: &'world mut Ids,
    pub(crate) envelope: Envelope<'world>,
    pub(crate) now: Timestamp,
}

/// The elements of a body: a list under `name`, or one object.
fn elements(call: &Incoming, name: &str) -> Result<Vec<Fields>, Refusal> {
    if !call.header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
        return Err(Refusal::not_modelled("a body that is not application/json"));
    }
    let body = Fields::parse(&call.body)?;
    if !body.has(name) {
        return Ok(vec![body]);
    }
    if let Some(other) = body.unknown(&[name]) {
        return Err(Refusal::NotModelled(format!("the member {other} beside {name}")));
    }
    match body.objects(name)? {
        Some(list) if !list.is_empty() => Ok(list),
        _ => Err(Refusal::not_modelled("an empty list of elements")),
    }
}

/// One outcome per element, in order.
type Outcomes = Vec<Result<Uuid, Vec<String>>>;

/// Writes every element. `summarizeErrors`: `true`, `false`, or not said (then failures answer 400, as the vendor's prose has it; its
/// published schema says otherwise, section 13).
fn write_all(
    desk: &mut Desk<'_>,
    count: usize,
    summarize: Option<bool>,
    mut write: impl FnMut(&mut Desk<'_>, usize) -> Result<Result<Uuid, Vec<String>>, Refusal>,
) -> Result<Outcomes, Refusal> {
    // A refusal in the middle of a batch must leave nothing behind.
    let before = (count > 1).then(|| desk.organisation.clone());
    let mut outcomes = Vec::with_capacity(count);
    let mut refused = None;
    for position in 0..count {
        match write(desk, position) {
            Ok(outcome) => outcomes.push(outcome),
            Err(refusal) => {
                refused = Some(refusal);
                break;
            }
        }
    }
    if refused.is_none() && count > 1 && summarize != Some(false) && outcomes.iter().any(Result::is_err) {
        let what =
            "a batch with a failing element under summarizeErrors=true (the vendor does not say whether its valid siblings are saved)";
        refused = Some(Refusal::not_modelled(what));
    }
    match refused {
        None => Ok(outcomes),
        Some(refusal) => {
            if let Some(before) = before {
                *desk.organisation = before;
            }
            Err(refusal)
        }
    }
}

fn answer<Saved: Serialize, Failed: Serialize>(
    envelope: &Envelope<'_>,
    name: &str,
    shown: &[Element<Saved, Failed>],
    summarize: Option<bool>,
) -> Reply {
    let failed: Vec<_> = shown.iter().filter(|element| matches!(element, Element::Failed(_))).collect();
    if failed.is_empty() || summarize == Some(false) { envelope.reply(name, shown, None) } else { reply::validation(&failed) }
}

/// `PUT` and `POST /Contacts`, `POST /Contacts/{id}`.
pub(crate) fn contacts(desk: &mut Desk<'_>, call: &Incoming, aim: Aim) -> Result<Reply, Refusal> {
    let query = Query(call);
    query.only(&["summarizeErrors"])?;
    let summarize = query.optional_flag("summarizeErrors")?;
    let inputs = elements(call, "Contacts")?.iter().map(ContactInput::read).collect::<Result<Vec<_>, _>>()?;
    one_only(aim, inputs.len())?;
    let names: Vec<Option<String>> = inputs.iter().map(|input| input.name.clone()).collect();
    let mut queue = inputs.into_iter();
    let outcomes = write_all(desk, names.len(), summarize, |desk, _| match queue.next() {
        Some(input) => contact::write(&mut desk.organisation.contacts, desk.ids, desk.now, aim, input),
        None => Err(Refusal::not_modelled("an element that is not there")),
    })?;
    let organisation = &*desk.organisation;
    let shown: Vec<_> = outcomes
        .iter()
        .zip(names)
        .filter_map(|(outcome, name)| match outcome {
            Ok(id) => organisation.contacts.get(*id).map(|contact| Element::Saved(contact_reply::view(contact, Detail::Written))),
            Err(faults) => Some(Element::Failed(FailedContact {
                contact_id: Uuid::nil(),
                name,
                addresses: [],
                phones: [],
                contact_groups: [],
                contact_persons: [],
                has_validation_errors: true,
                status_attribute_string: "ERROR",
                validation_errors: reply::messages(faults),
            })),
        })
        .collect();
    Ok(answer(&desk.envelope, "Contacts", &shown, summarize))
}

/// `PUT` and `POST /Invoices`, `POST /Invoices/{id}`.
pub(crate) fn invoices(desk: &mut Desk<'_>, call: &Incoming, aim: Aim) -> Result<Reply, Refusal> {
    let query = Query(call);
    query.only(&["summarizeErrors", "unitdp"])?;
    let (summarize, places) = (query.optional_flag("summarizeErrors")?, query.unitdp()?);
    let inputs = elements(call, "Invoices")?.iter().map(InvoiceInput::read).collect::<Result<Vec<_>, _>>()?;
    one_only(aim, inputs.len())?;
    let marks: Vec<_> = inputs.iter().map(|input| (input.number.clone(), input.reference.clone())).collect();
    let mut queue = inputs.into_iter();
    let outcomes = write_all(desk, marks.len(), summarize, |desk, _| match queue.next() {
        Some(input) => {
            let mut writing = Writing { ids: desk.ids, now: desk.now, places, by_app: true };
            invoice_write::write(desk.organisation, &mut writing, aim, input)
        }
        None => Err(Refusal::not_modelled("an element that is not there")),
    })?;
    let organisation = &*desk.organisation;
    let shown: Vec<_> = outcomes
        .iter()
        .zip(marks)
        .filter_map(|(outcome, (invoice_number, reference))| match outcome {
            Ok(id) => organisation
                .invoices
                .get(*id)
                .map(|invoice| Element::Saved(invoice_reply::view(organisation, invoice, Shown::Written, places))),
            Err(faults) => Some(Element::Failed(FailedInvoice {
                kind: "ACCREC",
                invoice_id: Uuid::nil(),
                invoice_number,
                reference,
                has_errors: true,
                line_items: [],
                status_attribute_string: "ERROR",
                validation_errors: reply::messages(faults),
            })),
        })
        .collect();
    Ok(answer(&desk.envelope, "Invoices", &shown, summarize))
}

fn failed_payment(amount: Decimal, reference: Option<String>, faults: &[String]) -> FailedPayment {
    FailedPayment {
        payment_id: Uuid::nil(),
        amount: Exact(amount),
        reference,
        has_validation_errors: true,
        status_attribute_string: "ERROR",
        validation_errors: reply::messages(faults),
    }
}

/// `PUT` and `POST /Payments`; POST takes a single one.
pub(crate) fn payments(desk: &mut Desk<'_>, call: &Incoming) -> Result<Reply, Refusal> {
    let query = Query(call);
    query.only(&["summarizeErrors"])?;
    let summarize = query.optional_flag("summarizeErrors")?;
    let inputs = elements(call, "Payments")?.iter().map(PaymentInput::read).collect::<Result<Vec<_>, _>>()?;
    if call.method == "POST" && inputs.len() > 1 {
        return Err(Refusal::not_modelled("POST /Payments with several payments"));
    }
    let outcomes = write_all(desk, inputs.len(), summarize, |desk, position| match inputs.get(position) {
        Some(input) => Ok(payment::apply(desk.organisation, desk.ids, desk.now, input)),
        None => Err(Refusal::not_modelled("an element that is not there")),
    })?;
    let organisation = &*desk.organisation;
    let shown: Vec<_> = outcomes
        .iter()
        .zip(&inputs)
        .filter_map(|(outcome, input)| match outcome {
            Ok(id) => organisation
                .payments
                .iter()
                .find(|payment| payment.id == *id)
                .map(|payment| Element::Saved(payment::view(organisation, payment, true))),
            Err(faults) => Some(Element::Failed(failed_payment(input.amount, input.reference.clone(), faults))),
        })
        .collect();
    Ok(answer(&desk.envelope, "Payments", &shown, summarize))
}

/// `POST /Payments/{PaymentID}` with `{"Status":"DELETED"}`: the only edit there is.
pub(crate) fn delete_payment(desk: &mut Desk<'_>, call: &Incoming, key: &str) -> Result<Reply, Refusal> {
    Query(call).only(&[])?;
    let id = Uuid::parse_str(key).map_err(|_| Refusal::NotFound)?;
    let sent = elements(call, "Payments")?;
    let deletes =
        |fields: &Fields| fields.unknown(&["Status", "PaymentID"]).is_none() && fields.text("Status") == Ok(Some("DELETED".to_owned()));
    if sent.len() != 1 || !sent.iter().all(deletes) {
        return Err(Refusal::not_modelled("a change of a payment other than Status DELETED"));
    }
    let outcome = payment::delete(desk.organisation, desk.now, id)?;
    let organisation = &*desk.organisation;
    let payment = organisation.payments.iter().find(|payment| payment.id == id).ok_or(Refusal::NotFound)?;
    let shown = match outcome {
        Ok(()) => Element::Saved(payment::view(organisation, payment, true)),
        Err(faults) => Element::Failed(failed_payment(payment.amount, Some(payment.reference.clone()), &faults)),
    };
    Ok(answer(&desk.envelope, "Payments", &[shown], None))
}

fn one_only(aim: Aim, count: usize) -> Result<(), Refusal> {
    match aim {
        Aim::Update(_) if count != 1 => Err(Refusal::not_modelled("several elements on a path that names one record")),
        Aim::Update(_) | Aim::Create | Aim::Upsert => Ok(()),
    }
}
