//! Reading sales invoices.

use std::cmp::Ordering;

use rust_decimal::Decimal;

use super::business::Business;
use super::contact::{self, word};
use super::invoice::{Invoice, Line, Status};
use super::json::{Json, Members, amount, base};
use super::payment;
use super::price::Discount;
use super::query::{Key, Query, contains, id};
use super::reply::{self, Refusal};
use crate::skeleton::answer::Reply;

/// What a call wants to see beside the invoice's own members.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Detail {
    /// `show_payments_allocations`.
    pub(crate) allocations: bool,
    /// The contact with its own members, for `nested_attributes`.
    pub(crate) contact: bool,
}

fn line(business: &Business, invoice: &Invoice, line: &Line) -> Json {
    let account = business.ledger_account(line.ledger_account);
    let rate = line.tax_rate.as_deref().and_then(|id| business.tax_rate(id));
    let percent = match line.discount {
        Discount::Percent(percent) => Some(percent),
        Discount::None | Discount::Amount(_) => None,
    };
    Json::Object(vec![
        ("id", line.id.simple().to_string().into()),
        ("displayed_as", line.description.as_str().into()),
        ("description", line.description.as_str().into()),
        ("product", Json::Null),
        ("service", Json::Null),
        (
            "ledger_account",
            account.map(|account| base(&account.id.simple().to_string(), &account.displayed_as(), "ledger_accounts")).into(),
        ),
        ("quantity", amount(line.quantity)),
        ("unit_price", amount(line.unit_price)),
        ("net_amount", amount(line.net())),
        ("tax_rate", rate.map(|rate| rate.base(invoice.date)).into()),
        ("tax_amount", amount(line.tax_amount)),
        ("total_amount", amount(line.net() + line.tax_amount)),
        ("unit_price_includes_tax", line.unit_price_includes_tax.into()),
        ("discount_amount", amount(line.discount_amount())),
        ("discount_percentage", percent.map(amount).into()),
        ("eu_goods_services_type", Json::Null),
    ])
}

fn tax_analysis(business: &Business, invoice: &Invoice) -> Json {
    let mut sums: Vec<(Option<&str>, Decimal, Decimal)> = Vec::new();
    for line in &invoice.lines {
        let rate = line.tax_rate.as_deref();
        match sums.iter_mut().find(|(known, _, _)| *known == rate) {
            Some((_, net, tax)) => {
                *net += line.net();
                *tax += line.tax_amount;
            }
            None => sums.push((rate, line.net(), line.tax_amount)),
        }
    }
    let entries = sums.into_iter().map(|(rate, net, tax)| {
        let rate = rate.and_then(|id| business.tax_rate(id)).map(|rate| rate.base(invoice.date));
        Json::Object(vec![
            ("tax_rate", rate.into()),
            ("net_amount", amount(net)),
            ("tax_amount", amount(tax)),
            ("total_amount", amount(net + tax)),
        ])
    });
    Json::List(entries.collect())
}

fn allocations(business: &Business, invoice: &Invoice) -> Json {
    let own = || base(&invoice.id.simple().to_string(), &invoice.displayed_as(), "sales_invoices");
    let entries = business.allocations(invoice.id).map(|(payment, allocated)| {
        Json::Object(vec![
            ("links", Json::List(Vec::new())),
            ("date", payment.date.into()),
            ("type", "Customer Receipt".into()),
            ("reference", payment.reference.as_deref().into()),
            ("amount", amount(allocated)),
            ("discount", amount(Decimal::ZERO)),
            ("artefact", own()),
            ("contact_payment", payment::view(business, payment)),
            ("displayed_as", "Customer Receipt".into()),
        ])
    });
    Json::List(entries.collect())
}

/// An invoice, whole.
pub(crate) fn view(business: &Business, invoice: &Invoice, detail: Detail) -> Json {
    let contact = business.contacts.known(invoice.contact);
    let contact = contact.map(|contact| if detail.contact { contact::view(business, contact, false) } else { contact.base() });
    let paid = business.paid(invoice.id);
    let last_paid = business.allocations(invoice.id).map(|(payment, _)| payment.date).max();
    let address = |address: &contact::Address| contact::address(address, "addresses");
    let taken_off: Decimal = invoice.lines.iter().map(Line::discount_amount).sum();
    let quantity: Decimal = invoice.lines.iter().map(|line| line.quantity).sum();
    let mut members = vec![
        ("id", invoice.id.simple().to_string().into()),
        ("displayed_as", invoice.displayed_as().into()),
        ("$path", format!("/sales_invoices/{}", invoice.id.simple()).into()),
        ("created_at", invoice.created.into()),
        ("updated_at", invoice.updated.into()),
        ("links", Json::List(Vec::new())),
        ("editable", invoice.is_editable(business).into()),
        ("tax_calculation_method", "invoice".into()),
        ("transaction_type", word("SALES_INVOICE", "transaction_types")),
        ("deleted_at", invoice.deleted.into()),
        ("contact", contact.into()),
        ("invoice_number_prefix", invoice.number.as_ref().map(|number| number.prefix.as_str()).into()),
        ("invoice_number", invoice.number.as_ref().map(|number| number.number.as_str()).into()),
        ("contact_name", invoice.contact_name.as_str().into()),
        ("contact_reference", invoice.contact_reference.as_deref().into()),
        ("date", invoice.date.into()),
        ("due_date", invoice.due_date.into()),
        ("reference", invoice.reference.as_deref().into()),
        ("main_address", invoice.main_address.as_ref().map(address).into()),
        ("delivery_address", invoice.delivery_address.as_ref().map(address).into()),
        ("notes", invoice.notes.as_deref().into()),
        ("terms_and_conditions", invoice.terms_and_conditions.as_deref().into()),
        ("shipping_net_amount", amount(Decimal::ZERO)),
        ("shipping_tax_amount", amount(Decimal::ZERO)),
        ("shipping_total_amount", amount(Decimal::ZERO)),
        ("net_amount", amount(invoice.totals.net)),
        ("tax_amount", amount(invoice.totals.tax)),
        ("total_amount", amount(invoice.totals.total)),
        ("payments_allocations_total_amount", amount(paid)),
        ("payments_allocations_total_discount", amount(Decimal::ZERO)),
        ("total_paid", amount(paid)),
        ("outstanding_amount", amount(invoice.outstanding(business))),
        ("currency", word(&invoice.currency, "currencies")),
        ("exchange_rate", amount(invoice.exchange_rate)),
        ("total_quantity", amount(quantity)),
        ("total_discount_amount", amount(taken_off)),
        ("status", base(invoice.status.id(), invoice.status.displayed_as(), "artefact_statuses")),
        ("sent", invoice.sent.into()),
        ("sent_by_email", false.into()),
        ("void_reason", invoice.void_reason.as_deref().into()),
        ("invoice_lines", Json::List(invoice.lines.iter().map(|one| line(business, invoice, one)).collect())),
        ("tax_analysis", tax_analysis(business, invoice)),
        ("last_paid", last_paid.into()),
        ("tax_reconciled", invoice.tax_reconciled.into()),
        ("migrated", false.into()),
    ];
    if detail.allocations {
        members.push(("payments_allocations", allocations(business, invoice)));
    }
    Json::Object(members)
}

const LIST: [&str; 12] = [
    "show_payments_allocations",
    "search",
    "contact_id",
    "status_id",
    "from_date",
    "to_date",
    "updated_or_created_since",
    "deleted_since",
    "items_per_page",
    "page",
    "attributes",
    "sort",
];

/// `GET /sales_invoices`. `search` is a substring of reference or contact name. The published schema has no `nested_attributes` here: lines
/// show their base members alone. A list flags nothing as sent.
pub(crate) fn list(business: &Business, query: &Query<'_>) -> Result<Reply, Refusal> {
    query.only(&LIST)?;
    let status = match query.text("status_id") {
        None => None,
        Some(wanted) => {
            let status = Status::ALL.into_iter().find(|status| status.id() == wanted);
            Some(status.ok_or_else(|| Refusal::NotModelled(format!("status_id={wanted}")))?)
        }
    };
    let contact = query.id("contact_id")?;
    let (from, to) = (query.date("from_date")?, query.date("to_date")?);
    let (updated, deleted) = (query.instant("updated_or_created_since")?, query.instant("deleted_since")?);
    let detail = Detail { allocations: query.flag("show_payments_allocations")?.unwrap_or(false), contact: false };
    let mut found: Vec<&Invoice> = business
        .invoices
        .all()
        .iter()
        .filter(|invoice| match deleted {
            Some(since) => invoice.deleted.is_some_and(|at| at > since),
            None => invoice.deleted.is_none(),
        })
        .filter(|invoice| updated.is_none_or(|since| invoice.updated >= since))
        .filter(|invoice| status.is_none_or(|status| invoice.status == status))
        .filter(|invoice| contact.is_none_or(|contact| invoice.contact == contact))
        .filter(|invoice| from.is_none_or(|from| invoice.date >= from) && to.is_none_or(|to| invoice.date <= to))
        .filter(|invoice| {
            query.text("search").is_none_or(|wanted| {
                contains(&invoice.contact_name, wanted) || invoice.reference.as_deref().is_some_and(|one| contains(one, wanted))
            })
        })
        .collect();
    if let Some((key, descending)) = query.sort()? {
        found.sort_by(|a, b| {
            let order = in_order(key, a, b);
            if descending { order.reverse() } else { order }
        });
    }
    let shown = found.into_iter().map(|invoice| view(business, invoice, detail)).collect();
    reply::list(query, "sales_invoices", shown, &Members::Base)
}

fn in_order(key: Key, a: &Invoice, b: &Invoice) -> Ordering {
    match key {
        Key::Created => a.created.cmp(&b.created),
        Key::Updated => a.updated.cmp(&b.updated),
        Key::Date => a.date.cmp(&b.date),
        Key::DueDate => a.due_date.cmp(&b.due_date),
    }
}

/// `GET /sales_invoices/{key}`. Flags the invoice as sent unless `mark_as_sent=false` (published schema: "Defaulted to 'true'").
pub(crate) fn one(business: &mut Business, query: &Query<'_>, key: &str) -> Result<Reply, Refusal> {
    query.only(&["show_payments_allocations", "nested_attributes", "mark_as_sent", "attributes"])?;
    let mut invoice = id(key).and_then(|id| business.invoices.get(id)).cloned().ok_or(Refusal::NotFound)?;
    let detail = Detail {
        allocations: query.flag("show_payments_allocations")?.unwrap_or(false),
        contact: query.text("nested_attributes").is_some(),
    };
    if query.flag("mark_as_sent")?.unwrap_or(true) {
        invoice.sent = true;
        business.invoices.put(invoice.clone());
    }
    Ok(reply::one(query, view(business, &invoice, detail)))
}
