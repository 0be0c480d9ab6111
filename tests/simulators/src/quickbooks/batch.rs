//! `POST /batch` (section 5): items succeed or fail alone, each on what the ones before it left.

use jiff::Timestamp;
use serde::Serialize;

use super::company::Company;
use super::fault::{FaultBody, Refusal};
use super::invoice_write::Writing;
use super::route::{Operation, Written, carry_out};
use super::select::{self, raw};
use crate::skeleton::fields::Fields;

/// Most items of a batch.
const LARGEST: usize = 30;
/// Longest `bId` beside a request id, in characters (section 3).
const LONGEST_ID: usize = 10;
/// What an item can carry.
const ENTITIES: [&str; 4] = ["Invoice", "Customer", "Payment", "Item"];

#[derive(Serialize)]
struct Failed<'fault> {
    #[serde(rename = "bId")]
    id: &'fault str,
    #[serde(rename = "Fault")]
    fault: FaultBody<'fault>,
}

/// Carries out a batch and answers the text of `BatchItemResponse`.
pub(crate) fn run(company: &mut Company, body: &Fields, has_request_id: bool, now: Timestamp) -> Result<String, Refusal> {
    if let Some(other) = body.unknown(&["BatchItemRequest"]) {
        return Err(Refusal::NotModelled(format!("the member {other} beside BatchItemRequest")));
    }
    let items = body.objects("BatchItemRequest")?.ok_or_else(|| Refusal::missing("BatchItemRequest"))?;
    if items.len() > LARGEST {
        return Err(Refusal::batch_too_large(LARGEST));
    }
    let mut ids: Vec<String> = Vec::with_capacity(items.len());
    for item in &items {
        let id = item.text("bId")?.filter(|id| !id.is_empty()).ok_or_else(|| Refusal::missing("bId"))?;
        if ids.contains(&id) {
            return Err(Refusal::not_modelled("the same bId twice"));
        }
        let length = id.chars().count();
        if has_request_id && length > LONGEST_ID {
            return Err(Refusal::too_long("bId", LONGEST_ID, length));
        }
        ids.push(id);
    }
    // One item that is beyond the simulator makes the whole batch 501: it must leave nothing behind then.
    let before = items.iter().any(|item| !item.has("Query")).then(|| company.clone());
    let mut answers = Vec::with_capacity(items.len());
    for (id, item) in ids.iter().zip(&items) {
        answers.push(match one(company, item, now) {
            Ok((name, record)) => format!("{{\"bId\":{},\"{name}\":{record}}}", raw(id)?),
            Err(Refusal::Fault(error)) => raw(&Failed { id, fault: FaultBody::of(&error) })?.get().to_owned(),
            Err(refusal @ Refusal::NotModelled(_)) => {
                if let Some(before) = before {
                    *company = before;
                }
                return Err(refusal);
            }
        });
    }
    Ok(format!("[{}]", answers.join(",")))
}

fn one(company: &mut Company, item: &Fields, now: Timestamp) -> Result<(&'static str, String), Refusal> {
    if let Some(text) = item.text("Query")? {
        return Ok(("QueryResponse", select::run(company, &text)?));
    }
    let entity = ENTITIES.into_iter().find(|entity| item.has(entity));
    let Some(entity) = entity else { return Err(Refusal::not_modelled("a batch item of another entity")) };
    if let Some(other) = item.unknown(&["bId", "operation", "optionsData", entity]) {
        return Err(Refusal::NotModelled(format!("the member {other} of a batch item")));
    }
    let fields = item.object(entity)?.ok_or_else(|| Refusal::missing(entity))?;
    let (named, options) = (item.text("operation")?, item.text("optionsData")?);
    let (operation, allow_duplicate) = match (named.as_deref(), options.as_deref()) {
        (None, _) => return Err(Refusal::missing("operation")),
        (Some("create"), _) if fields.has("Id") => return Err(Refusal::not_modelled("creating a record that carries an Id")),
        (Some("update"), _) if !fields.has("Id") => return Err(Refusal::missing("Id")),
        (Some("create" | "update"), None) => (Operation::Write, false),
        (Some("create" | "update"), Some("allowduplicatedocnum")) if entity == "Invoice" => (Operation::Write, true),
        (Some("update"), Some("void")) => (Operation::Void, false),
        (Some("delete"), None) => (Operation::Delete, false),
        (Some(other), _) => return Err(Refusal::NotModelled(format!("the operation {other} with these options in a batch"))),
    };
    let writing = Writing { now, allow_duplicate, by_app: true };
    let Written { entity, record } = carry_out(company, &entity.to_lowercase(), operation, &fields, writing)?;
    Ok((entity, record.get().to_owned()))
}
