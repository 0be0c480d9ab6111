//! `$batch` in JSON (vendor notes, section 7).
//!
//! With `Isolation: snapshot` the requests are one transaction: when one fails, nothing of the batch stays, although the answers before it
//! say that they succeeded (the vendor's page "Using OData transactional $batch requests" shows this). An action that posts commits: what
//! went before it in the batch stays, and a later failure undoes only what came after. So a post inside a snapshot batch is carried out, and
//! is *not* atomic.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::ask::Ask;
use super::company::Company;
use super::reply::Refusal;
use super::world;
use crate::skeleton::answer::Reply;
use crate::skeleton::ids::Ids;

/// Most operations (section 7).
const MOST: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch<'body> {
    #[serde(borrow)]
    requests: Vec<Inner<'body>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Inner<'body> {
    #[serde(default)]
    id: Option<String>,
    method: String,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(borrow, default)]
    body: Option<&'body RawValue>,
    #[serde(default)]
    depends_on: Option<Vec<String>>,
    #[serde(default)]
    atomicity_group: Option<String>,
}

fn read(body: &[u8]) -> Result<Batch<'_>, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::bad_request(format!("Invalid Request Body: {error}")))
}

/// How many requests a batch holds, for the rate limit. Whether the vendor counts the inner ones is not documented; here they count.
pub(crate) fn count(body: &[u8]) -> usize {
    read(body).map_or(0, |batch| batch.requests.len())
}

/// The company that every request of a batch names, for the log.
pub(crate) fn company(body: &[u8]) -> Option<String> {
    let batch = read(body).ok()?;
    let mut named = batch.requests.iter().map(|inner| {
        let segment = inner.url.trim_start_matches('/').split('/').next().unwrap_or_default();
        segment.strip_prefix("companies(").and_then(|rest| rest.strip_suffix(')')).map(str::to_owned)
    });
    let first = named.next().flatten()?;
    named.all(|other| other.as_deref() == Some(first.as_str())).then_some(first)
}

/// Answers a batch; `companies` are those of the environment that the user may see.
pub(crate) fn answer(
    companies: &mut [Company],
    visible: &world::Visible<'_>,
    ids: &mut Ids,
    ask: &Ask,
    now: jiff::Timestamp,
) -> Result<Reply, Refusal> {
    ask.json()?;
    ask.only(&[])?;
    let batch = read(&ask.body)?;
    if batch.requests.len() > MOST {
        return Err(Refusal::bad_request(format!("The number of operations in the batch exceeds the maximum of {MOST}.")));
    }
    let snapshot = match ask.header("isolation") {
        None => false,
        Some("snapshot") => true,
        Some(_) => return Err(Refusal::not_modelled("an Isolation other than snapshot")),
    };
    let goes_on = ask.header("prefer").is_some_and(|preference| preference.contains("odata.continue-on-error"));
    if snapshot && goes_on {
        return Err(Refusal::not_modelled("Isolation: snapshot together with odata.continue-on-error"));
    }
    // What a failure goes back to.
    let untouched = companies.to_vec();
    let mut before = snapshot.then(|| untouched.clone());
    let mut responses = Vec::new();
    for inner in &batch.requests {
        let reply = match one(companies, visible, ids, ask, inner, now) {
            Ok(reply) => reply,
            Err(refusal @ Refusal::NotModelled(_)) => {
                // Not an answer of the vendor's: the whole batch says so, and nothing of it stays.
                companies.clone_from_slice(&untouched);
                return Err(refusal);
            }
            Err(refusal) => refusal.reply(ids.uuid()),
        };
        let failed = reply.status >= 400;
        responses.push(response(inner, &reply));
        if failed {
            if let Some(before) = &before {
                companies.clone_from_slice(before);
            }
            // From memory (section 7): processing ends at the first failure unless the caller prefers to go on.
            if !goes_on {
                break;
            }
        } else if snapshot && commits(&inner.url) {
            before = Some(companies.to_vec());
        }
    }
    let body = serde_json::to_string(&Responses { responses });
    let body = body.map_err(|error| Refusal::error(500, "Internal_ServerError", error.to_string()))?;
    Ok(Reply::new(200, "application/json; odata.metadata=minimal", body).with("odata-version", "4.0"))
}

#[derive(Serialize)]
struct Responses<'batch> {
    responses: Vec<Response<'batch>>,
}

/// Whether a request commits in the middle of a transaction.
fn commits(url: &str) -> bool {
    url.ends_with("/Microsoft.NAV.post") || url.ends_with("/Microsoft.NAV.cancel")
}

/// One answer. Its body is kept as text: numbers keep their digits.
#[derive(Serialize)]
struct Response<'batch> {
    id: Option<&'batch str>,
    status: u16,
    headers: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Box<RawValue>>,
}

fn response<'batch>(inner: &'batch Inner<'_>, reply: &Reply) -> Response<'batch> {
    let body = RawValue::from_string(reply.body.clone()).ok();
    let mut headers = BTreeMap::new();
    if body.is_some() {
        headers.insert("content-type", "application/json; odata.metadata=minimal".to_owned());
        headers.insert("odata-version", "4.0".to_owned());
    }
    if let Some((_, etag)) = reply.headers.iter().find(|(name, _)| name == "etag") {
        headers.insert("etag", etag.clone());
    }
    Response { id: inner.id.as_deref(), status: reply.status, headers, body }
}

fn one(
    companies: &mut [Company],
    visible: &world::Visible<'_>,
    ids: &mut Ids,
    outer: &Ask,
    inner: &Inner<'_>,
    now: jiff::Timestamp,
) -> Result<Reply, Refusal> {
    if inner.depends_on.is_some() || inner.atomicity_group.is_some() || inner.url.starts_with('$') {
        return Err(Refusal::not_modelled("dependsOn, atomicityGroup and references between the requests of a batch"));
    }
    if inner.url.starts_with("http") || inner.url.starts_with('/') {
        return Err(Refusal::not_modelled("an inner url that is not relative to the API's root"));
    }
    if inner.headers.keys().any(|name| name.eq_ignore_ascii_case("company")) {
        return Err(Refusal::not_modelled("the header Company"));
    }
    let headers = inner.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let body = inner.body.map(|raw| raw.get().as_bytes().to_vec()).unwrap_or_default();
    let ask = Ask::inner(&outer.root, &inner.method, &inner.url, headers, body);
    world::api(companies, visible, ids, &ask, now)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_company_of_a_batch_is_that_of_all_its_requests() {
        let body = |second: &str| {
            let request = |id: &str| json!({ "method": "GET", "id": "1", "url": format!("companies({id})/customers") });
            json!({ "requests": [request("a"), request(second)] }).to_string()
        };
        assert_eq!(company(body("a").as_bytes()).as_deref(), Some("a"));
        assert_eq!(company(body("b").as_bytes()), None);
        assert_eq!(count(body("b").as_bytes()), 2);
    }
}
