//! The routes below `/v3/company/{realmId}/`.

use jiff::Timestamp;
use serde_json::json;
use serde_json::value::RawValue;

use super::company::Company;
use super::fault::Refusal;
use super::invoice_write::{self, Writing};
use super::person::PersonKind;
use super::replay::Replies;
use super::select::{self, raw};
use super::wire::stamp;
use super::{batch, cdc, facts, item, payment, person_write};
use crate::skeleton::answer::Reply;
use crate::skeleton::fields::Fields;
use crate::skeleton::incoming::Incoming;
use jiff::SignedDuration;

/// What is done to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Write,
    Void,
    Delete,
}

/// A record as it is after a write.
pub(crate) struct Written {
    pub(crate) entity: &'static str,
    pub(crate) record: Box<RawValue>,
}

/// One call of a company.
pub(crate) struct Call<'call> {
    pub(crate) incoming: &'call Incoming,
    pub(crate) now: Timestamp,
    /// How long replies are kept under their request ids.
    pub(crate) kept_for: SignedDuration,
}

/// Answers a call that has passed the gate.
pub(crate) fn answer(company: &mut Company, call: &Call<'_>) -> Reply {
    try_answer(company, call).unwrap_or_else(|refusal| refusal.reply(call.now))
}

fn try_answer(company: &mut Company, call: &Call<'_>) -> Result<Reply, Refusal> {
    let incoming = call.incoming;
    if !incoming.header("accept").is_some_and(|accept| accept.contains("application/json")) {
        return Err(Refusal::not_modelled("XML, which the vendor sends without Accept: application/json"));
    }
    // Values below 75 are ignored, not refused (section 8).
    if let Some(version) = incoming.parameter("minorversion")
        && version.parse::<u32>().is_err()
    {
        return Err(Refusal::NotModelled(format!("minorversion={version}")));
    }
    let segments = incoming.segments();
    let path: Vec<&str> = segments.iter().skip(3).map(String::as_str).collect();
    match incoming.method.as_str() {
        "GET" => read(company, call, &path),
        "POST" => match path.as_slice() {
            ["query"] => {
                if !incoming.header("content-type").is_some_and(|kind| kind.starts_with("application/text")) {
                    return Err(Refusal::not_modelled("a query whose body is not application/text"));
                }
                only(incoming, &[])?;
                let text = std::str::from_utf8(&incoming.body).map_err(|_| Refusal::query("QueryParserError: not UTF-8"))?;
                response("QueryResponse", &select::run(company, text)?, call.now)
            }
            _ => keyed(company, call, &path),
        },
        other => Err(Refusal::unsupported(other)),
    }
}

/// Refuses query parameters that the route does not read.
fn only(incoming: &Incoming, known: &[&str]) -> Result<(), Refusal> {
    let read = |name: &str| matches!(name, "minorversion" | "requestid") || known.contains(&name);
    match incoming.query.iter().find(|(name, _)| !read(name)) {
        None => Ok(()),
        Some((name, _)) => Err(Refusal::NotModelled(format!("the parameter {name} of {} {}", incoming.method, incoming.path))),
    }
}

/// A 200 with one record, or one answer, under its name.
fn response(name: &str, record: &str, now: Timestamp) -> Result<Reply, Refusal> {
    Ok(Reply::json(200, format!("{{\"{name}\":{record},\"time\":\"{}\"}}", stamp(now))))
}

fn shown(name: &str, view: &impl serde::Serialize, now: Timestamp) -> Result<Reply, Refusal> {
    response(name, raw(view)?.get(), now)
}

fn read(company: &Company, call: &Call<'_>, path: &[&str]) -> Result<Reply, Refusal> {
    let now = call.now;
    let none = || Refusal::not_found();
    match path {
        ["query"] => {
            only(call.incoming, &["query"])?;
            let text = call.incoming.parameter("query").ok_or_else(|| Refusal::missing("query"))?;
            return response("QueryResponse", &select::run(company, text)?, now);
        }
        ["cdc"] => {
            only(call.incoming, &["entities", "changedSince"])?;
            return response("CDCResponse", &cdc::run(company, call.incoming, now)?, now);
        }
        _ => only(call.incoming, &[])?,
    }
    match path {
        ["companyinfo", realm] if *realm == company.realm => shown("CompanyInfo", &company.info(), now),
        ["preferences"] => shown("Preferences", &facts::preferences(company), now),
        ["customer", id] => shown("Customer", &company.person(PersonKind::Customer, id)?.view(), now),
        ["vendor", id] => shown("Vendor", &company.person(PersonKind::Vendor, id)?.view(), now),
        ["employee", id] => shown("Employee", &company.person(PersonKind::Employee, id)?.view(), now),
        ["invoice", id] => shown("Invoice", &company.invoice(id)?.view(company), now),
        ["payment", id] => shown("Payment", &company.payment(id)?.view(company), now),
        ["item", id] => shown("Item", &company.item(id).ok_or_else(none)?.view(company), now),
        ["account", id] => {
            let account = company.accounts.iter().find(|account| account.id == *id).ok_or_else(none)?;
            shown("Account", &account.view(company), now)
        }
        ["class", id] => shown("Class", &company.classes.iter().find(|class| class.id == *id).ok_or_else(none)?.view(), now),
        ["taxcode", id] => shown("TaxCode", &company.tax_code(id).ok_or_else(none)?.view(&company.tax_rates), now),
        ["taxrate", id] => shown("TaxRate", &company.tax_rates.iter().find(|rate| rate.id == *id).ok_or_else(none)?.view(), now),
        _ => Err(Refusal::NotModelled(format!("GET {}", call.incoming.path))),
    }
}

/// Writes pass the request ids.
fn keyed(company: &mut Company, call: &Call<'_>, path: &[&str]) -> Result<Reply, Refusal> {
    let of_batch = path == ["batch"];
    let id = call.incoming.parameter("requestid");
    if let Some(id) = id {
        Replies::check(id, of_batch)?;
        if let Some(kept) = company.replies.replay(id, call.kept_for, call.now)? {
            return Ok(kept);
        }
    }
    let reply = write(company, call, path).unwrap_or_else(|refusal| refusal.reply(call.now));
    if let Some(id) = id {
        company.replies.keep(id, of_batch, &reply, call.now);
    }
    Ok(reply)
}

fn write(company: &mut Company, call: &Call<'_>, path: &[&str]) -> Result<Reply, Refusal> {
    let incoming = call.incoming;
    if !incoming.header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
        return Err(Refusal::not_modelled("a body that is not application/json"));
    }
    let fields = Fields::parse(&incoming.body)?;
    match path {
        ["batch"] => {
            only(incoming, &[])?;
            let items = batch::run(company, &fields, incoming.parameter("requestid").is_some(), call.now)?;
            response("BatchItemResponse", &items, call.now)
        }
        [entity] => {
            only(incoming, &["operation", "include"])?;
            let include = incoming.parameter("include");
            let (operation, allow_duplicate) = match (incoming.parameter("operation"), include) {
                (None | Some("create" | "update"), None) => (Operation::Write, false),
                (None | Some("create" | "update"), Some("allowduplicatedocnum")) if *entity == "invoice" => (Operation::Write, true),
                (Some("void"), None) if *entity == "invoice" => (Operation::Void, false),
                (Some("update"), Some("void")) if *entity == "payment" => (Operation::Void, false),
                (Some("delete"), None) => (Operation::Delete, false),
                (operation, include) => {
                    let named = (operation.unwrap_or_default(), include.unwrap_or_default());
                    return Err(Refusal::NotModelled(format!("operation={} include={} of {entity}", named.0, named.1)));
                }
            };
            let writing = Writing { now: call.now, allow_duplicate, by_app: true };
            let written = carry_out(company, entity, operation, &fields, writing)?;
            response(written.entity, written.record.get(), call.now)
        }
        _ => Err(Refusal::NotModelled(format!("POST {}", incoming.path))),
    }
}

/// Writes one record; `entity` in lower case.
pub(crate) fn carry_out(
    company: &mut Company,
    entity: &str,
    operation: Operation,
    fields: &Fields,
    writing: Writing,
) -> Result<Written, Refusal> {
    let now = writing.now;
    let gone = |entity: &'static str, id: &str| {
        let record = raw(&json!({ "status": "Deleted", "domain": "QBO", "Id": id }))?;
        Ok(Written { entity, record })
    };
    match (entity, operation) {
        ("customer", Operation::Write) => {
            let id = person_write::write(company, fields, now)?;
            Ok(Written { entity: "Customer", record: raw(&company.person(PersonKind::Customer, &id)?.view())? })
        }
        // A customer can only be made inactive (section 2).
        ("customer", Operation::Delete) => Err(Refusal::unsupported("delete")),
        ("item", Operation::Write) => {
            let id = item::create(company, fields, now)?;
            Ok(Written { entity: "Item", record: raw(&company.item(&id).ok_or_else(Refusal::not_found)?.view(company))? })
        }
        ("invoice", Operation::Write | Operation::Void) => {
            let id = match operation {
                Operation::Void => invoice_write::void(company, fields, now)?,
                Operation::Write | Operation::Delete => invoice_write::write(company, fields, writing)?,
            };
            Ok(Written { entity: "Invoice", record: raw(&company.invoice(&id)?.view(company))? })
        }
        ("invoice", Operation::Delete) => gone("Invoice", &invoice_write::delete(company, fields, now)?),
        ("payment", Operation::Write | Operation::Void) => {
            let id = match operation {
                Operation::Void => payment::void(company, fields, now)?,
                Operation::Write | Operation::Delete => payment::create(company, fields, now)?,
            };
            Ok(Written { entity: "Payment", record: raw(&company.payment(&id)?.view(company))? })
        }
        ("payment", Operation::Delete) => gone("Payment", &payment::delete(company, fields, now)?),
        _ => Err(Refusal::NotModelled(format!("{operation:?} of {entity}"))),
    }
}
