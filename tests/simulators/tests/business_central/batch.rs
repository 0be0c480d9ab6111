//! `$batch` (vendor notes, section 7).

use http::Response;
use serde_json::{Value, json};

use crate::support::*;

async fn batch(caller: &Caller, headers: &[(&str, &str)], requests: &Value) -> Response<bytes::Bytes> {
    let mut request = caller.raw("POST", &format!("{}/$batch", caller.root()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    whole(answer(&caller.simulator, request, &ordered(&json!({ "requests": requests }))).await)
}

const SNAPSHOT: [(&str, &str); 1] = [("isolation", "snapshot")];

impl Caller {
    /// A request of a batch.
    fn inner(&self, id: &str, method: &str, path: &str, body: Value) -> Value {
        let mut inner = json!({
            "id": id, "method": method, "url": format!("companies({})/{path}", self.company),
            "headers": { "Content-Type": "application/json", "If-Match": "*" },
        });
        if !body.is_null() {
            inner["body"] = body;
        }
        inner
    }
}

fn statuses(response: &Response<bytes::Bytes>) -> Vec<u64> {
    assert_eq!(response.status(), 200, "{}", text(response));
    value(response)["responses"].as_array().unwrap().iter().map(|one| one["status"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn lines_travel_together_with_their_etags_and_digits() {
    let caller = connected().await;
    let customer = caller.customer("Acme").await;
    let invoice = caller.draft(&customer, "CP-1").await;
    let lines = format!("salesInvoices({invoice})/salesInvoiceLines");
    let requests = json!([
        caller.inner("1", "POST", &lines, line(10_000, "10.10")),
        caller.inner("2", "POST", &lines, line(20_000, "20.20")),
        caller.inner("3", "GET", &format!("salesInvoices({invoice})?$expand=salesInvoiceLines"), Value::Null),
    ]);
    let response = batch(&caller, &SNAPSHOT, &requests).await;
    assert_eq!(statuses(&response), [201, 201, 200]);
    let body = value(&response);
    assert_eq!(body["responses"][0]["id"], "1");
    assert_eq!(body["responses"][1]["headers"]["etag"], body["responses"][1]["body"]["@odata.etag"]);
    assert_eq!(body["responses"][2]["body"]["totalAmountIncludingTax"], 36.36);
    assert!(text(&response).contains("\"totalAmountIncludingTax\":36.36,"));
    let call = caller.simulator.calls().pop().unwrap();
    assert_eq!((call.organisation.as_deref(), call.status), (Some(caller.company.as_str()), Some(200)));
}

/// The vendor's page shows it: what came before the failure says that it succeeded, and is gone all the same.
#[tokio::test]
async fn a_snapshot_batch_is_all_or_nothing() {
    let caller = connected().await;
    let invoice = caller.invoice("CP-1", &["10"]).await;
    let lines = format!("salesInvoices({invoice})/salesInvoiceLines");
    let requests = json!([
        caller.inner("1", "POST", &lines, line(20_000, "20")),
        caller.inner("2", "POST", &lines, line(10_000, "30")),
        caller.inner("3", "POST", &lines, line(30_000, "40")),
    ]);
    let response = batch(&caller, &SNAPSHOT, &requests).await;
    assert_eq!(statuses(&response), [201, 400], "it ends at the failure");
    assert_eq!(value(&response)["responses"][1]["body"]["error"]["code"], "Internal_EntityWithSameKeyExists");
    assert_eq!(caller.simulator.state().documents[0].lines.len(), 1);
}

#[tokio::test]
async fn without_isolation_each_stands_alone() {
    let caller = connected().await;
    let invoice = caller.invoice("CP-1", &["10"]).await;
    let lines = format!("salesInvoices({invoice})/salesInvoiceLines");
    let requests = json!([
        caller.inner("1", "POST", &lines, line(20_000, "20")),
        caller.inner("2", "POST", &lines, line(10_000, "30")),
        caller.inner("3", "POST", &lines, line(30_000, "40")),
    ]);
    assert_eq!(statuses(&batch(&caller, &[], &requests).await), [201, 400]);
    assert_eq!(caller.simulator.state().documents[0].lines.len(), 2);
    let requests = json!([caller.inner("1", "POST", &lines, line(10_000, "20")), caller.inner("2", "POST", &lines, line(40_000, "30")),]);
    assert_eq!(statuses(&batch(&caller, &[("prefer", "odata.continue-on-error")], &requests).await), [400, 201]);
    assert_eq!(caller.simulator.state().documents[0].lines.len(), 3);
}

#[tokio::test]
async fn an_inner_change_needs_its_etag() {
    let caller = connected().await;
    let invoice = caller.invoice("CP-1", &["10", "20"]).await;
    let lines = caller.get(&format!("salesInvoices({invoice})/salesInvoiceLines")).await;
    let path = |position: usize| format!("salesInvoiceLines({})", lines["value"][position]["id"].as_str().unwrap());
    let mut first = caller.inner("1", "PATCH", &path(0), json!({ "unitPrice": 11 }));
    let stale = lines["value"][0]["@odata.etag"].clone();
    first["headers"]["If-Match"] = stale.clone();
    let mut again = first.clone();
    again["id"] = json!("2");
    let response = batch(&caller, &SNAPSHOT, &json!([first, again])).await;
    assert_eq!(statuses(&response), [200, 409]);
    first["headers"].as_object_mut().unwrap().remove("If-Match");
    assert_eq!(statuses(&batch(&caller, &SNAPSHOT, &json!([first])).await), [400]);
    let delete = caller.inner("1", "DELETE", &path(1), Value::Null);
    assert_eq!(statuses(&batch(&caller, &SNAPSHOT, &json!([delete])).await), [204]);
    assert_eq!(caller.simulator.state().documents[0].total.to_string(), "12.00");
}

/// A post commits: it is carried out inside a snapshot batch, and what went before it stays whatever comes after.
#[tokio::test]
async fn a_post_inside_a_snapshot_batch_is_not_atomic() {
    let caller = connected().await;
    let invoice = caller.invoice("CP-1", &["10"]).await;
    let lines = format!("salesInvoices({invoice})/salesInvoiceLines");
    let requests = json!([
        caller.inner("1", "POST", &lines, line(20_000, "20")),
        caller.inner("2", "POST", &format!("salesInvoices({invoice})/Microsoft.NAV.post"), Value::Null),
        caller.inner("3", "POST", "customers", json!({ "displayName": "After" })),
        caller.inner("4", "POST", "customers", json!({})),
    ]);
    assert_eq!(statuses(&batch(&caller, &SNAPSHOT, &requests).await), [201, 204, 201, 400]);
    let state = caller.simulator.state();
    assert_eq!((state.documents[0].status.as_str(), state.documents[0].lines.len(), state.contacts.len()), ("approved", 2, 1));
}

#[tokio::test]
async fn a_batch_has_its_limits() {
    let caller = connected().await;
    let many = |count: usize| -> Value { (0..count).map(|id| caller.inner(&id.to_string(), "GET", "customers", Value::Null)).collect() };
    assert_eq!(statuses(&batch(&caller, &[], &many(100)).await).len(), 100);
    let refused = batch(&caller, &[], &many(101)).await;
    assert_eq!((refused.status().as_u16(), value(&refused)["error"]["code"].as_str().unwrap()), (400, "BadRequest"));
    let broken = whole(answer(&caller.simulator, caller.raw("POST", &format!("{}/$batch", caller.root())), "{").await);
    assert_eq!(broken.status(), 400);
    let mut depends = caller.inner("2", "GET", "customers", Value::Null);
    depends["dependsOn"] = json!(["1"]);
    let mut absolute = caller.inner("1", "GET", "customers", Value::Null);
    absolute["url"] = json!(format!("/v2.0/{}/Production/api/v2.0/companies", caller.tenant));
    let mut reference = caller.inner("1", "GET", "customers", Value::Null);
    reference["url"] = json!("$1/salesInvoiceLines");
    let journal = caller.inner("1", "GET", "journals", Value::Null);
    for inner in [depends, absolute, reference, journal] {
        let made = caller.inner("0", "POST", "customers", json!({ "displayName": "x" }));
        assert_eq!(batch(&caller, &[], &json!([made, inner])).await.status(), 501, "{inner}");
    }
    assert!(caller.simulator.state().contacts.is_empty(), "what is not modelled leaves nothing behind");
    assert_eq!(batch(&caller, &[("isolation", "serializable")], &many(1)).await.status(), 501);
}
