//! `GET /cdc`: what changed since, deletions included (section 8).

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::value::RawValue;

use super::company::Company;
use super::fault::Refusal;
use super::person::PersonKind;
use super::select::raw;
use super::wire::{MetaData, Version, parse_instant};
use crate::skeleton::clock::plus;
use crate::skeleton::incoming::Incoming;

/// How far back it looks.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Most records of one entity.
const LARGEST: usize = 1000;

#[derive(Serialize)]
struct Gone<'id> {
    domain: &'static str,
    status: &'static str,
    #[serde(rename = "Id")]
    id: &'id str,
    #[serde(rename = "MetaData")]
    meta_data: MetaData,
}

fn gone(id: &str, version: &Version) -> Result<Box<RawValue>, Refusal> {
    raw(&Gone { domain: "QBO", status: "Deleted", id, meta_data: version.meta() })
}

/// The text of `CDCResponse`.
pub(crate) fn run(company: &Company, call: &Incoming, now: Timestamp) -> Result<String, Refusal> {
    let entities = call.parameter("entities").ok_or_else(|| Refusal::missing("entities"))?;
    let since = call.parameter("changedSince").ok_or_else(|| Refusal::missing("changedSince"))?;
    let since = parse_instant(since).ok_or_else(|| Refusal::query(format!("QueryValidationError: {since} is no instant")))?;
    if since < plus(now, -LOOK_BACK) {
        return Err(Refusal::not_modelled("changes of more than 30 days ago"));
    }
    let mut answers = Vec::new();
    for entity in entities.split(',').map(str::trim) {
        let found = changed(company, entity, since)?;
        if found.len() > LARGEST {
            return Err(Refusal::not_modelled("more than 1000 changes of one entity"));
        }
        answers.push(if found.is_empty() {
            "{}".to_owned()
        } else {
            format!("{{\"{entity}\":{},\"startPosition\":1,\"maxResults\":{}}}", raw(&found)?, found.len())
        });
    }
    Ok(format!("[{{\"QueryResponse\":[{}]}}]", answers.join(",")))
}

fn changed(company: &Company, entity: &str, since: Timestamp) -> Result<Vec<Box<RawValue>>, Refusal> {
    let fresh = |version: &Version| version.updated >= since;
    match entity {
        "Customer" => {
            let all = company.people.all().iter().filter(|person| person.kind == PersonKind::Customer && fresh(&person.version));
            all.map(|person| if person.merged_into.is_some() { gone(&person.id, &person.version) } else { raw(&person.view()) }).collect()
        }
        "Invoice" => {
            let all = company.invoices.all().iter().filter(|invoice| fresh(&invoice.version));
            all.map(|invoice| if invoice.deleted { gone(&invoice.id, &invoice.version) } else { raw(&invoice.view(company)) }).collect()
        }
        "Payment" => {
            let all = company.payments.all().iter().filter(|payment| fresh(&payment.version));
            all.map(|payment| if payment.deleted { gone(&payment.id, &payment.version) } else { raw(&payment.view(company)) }).collect()
        }
        other => Err(Refusal::NotModelled(format!("changes of {other}"))),
    }
}
