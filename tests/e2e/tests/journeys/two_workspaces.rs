//! Two workspaces: every route with the other's ids answers as for ids that are nobody's. The list of routes is the template's.

use coportal_core::ledger::Ledger;
use coportal_local::caller::Reply;
use coportal_local::run::{LocalRun, RunOptions};
use coportal_local::studio::{Studio, text};
use coportal_local::template::Route;
use http::Method;
use serde_json::{Value, json};

use crate::support::{connect, lines};

const NOBODYS: &str = "0123456789ab7cde8f00112233445566";

/// The ids that a workspace's records go by.
struct Ids {
    workspace: String,
    client: String,
    contact: String,
    preview: String,
    invoice: Value,
    hold: String,
    user: String,
}

impl Ids {
    fn nobodys(like: &Self) -> Self {
        let mut invoice = like.invoice.clone();
        invoice["id"] = json!(format!("inv_{NOBODYS}"));
        Self {
            workspace: format!("ws_{NOBODYS}"),
            client: format!("cl_{NOBODYS}"),
            contact: format!("ct_{NOBODYS}"),
            preview: format!("prv_{NOBODYS}"),
            invoice,
            hold: format!("hld_{NOBODYS}"),
            user: format!("owner@ws_{NOBODYS}"),
        }
    }

    /// The route's path with these ids in it.
    fn path(&self, route: &Route) -> String {
        let id = match route.path.split('/').nth(2).unwrap_or_default() {
            "clients" => &self.client,
            "invoices" => text(&self.invoice, "/id"),
            "workspaces" => &self.workspace,
            "integrations" if route.path.contains("/import/") => &self.preview,
            _ => "",
        };
        let path =
            route.path.replace("{id}", id).replace("{ledger}", "xero").replace("{user}", &self.user).replace("{name}", "nothing.css");
        let path = path.replace("{contact}", &self.contact);
        assert!(!path.contains('{') && !path.contains("//"), "{}: say here which id its path takes", route.key);
        path
    }

    /// A body that the route would accept, with these ids in it.
    fn body(&self, route: &Route) -> Option<Value> {
        let invoice = |client: &str| {
            json!({"client_id": client, "issue_date": "2026-03-01", "lines": [
                {"description": "Work", "quantity": "1", "unit_price": "1.00", "tax_rate": "20"}]})
        };
        Some(match route.key.as_str() {
            "PATCH /v1/clients/{id}" => json!({"name": "Taken over"}),
            "POST /v1/clients/{id}/contacts" => json!({"name": "Mallory", "email": "mallory@example.com"}),
            "POST /v1/invoices" | "PUT /v1/invoices/{id}" => invoice(&self.client),
            "POST /v1/invoices/{id}/pay" => json!({"payment_id": "p1", "amount": "1.00", "date": "2026-03-02"}),
            "POST /v1/invoices/{id}/sync/{ledger}/resolve" => json!({"hold_id": self.hold, "choice": "leave"}),
            "POST /v1/invoices/{id}/sync/{ledger}/link" => json!({"external_id": "5ab3b5d4-9a4b-4d6e-9d4e-0a5f0f3f8a11"}),
            "POST /v1/integrations/{ledger}/import" => json!({"preview_id": self.preview, "all_new": true}),
            "PUT /v1/workspaces/{id}" => json!({"name": "Taken over", "plan": "solo", "currency": "GBP", "country": "GB"}),
            "PUT /v1/workspaces/{id}/members/{user}" => json!({"role": "owner"}),
            _ => return None,
        })
    }
}

/// Whether a route's answer depends on somebody's ids at all.
fn names_a_record(route: &Route) -> bool {
    // Sign-in has connections, domains and approvals of its own: tests/sign_in asks those routes. Pages and their forms want a session and a
    // form's token: tests/connect/pages asks them.
    if route.path.starts_with("/v1/sso/") || !route.path.starts_with("/v1/") {
        return false;
    }
    route.path.contains("{id}") || route.key == "POST /v1/invoices" || route.key == "POST /v1/integrations/{ledger}/import"
}

async fn ask(studio: &Studio, route: &Route, ids: &Ids) -> Reply {
    let method: Method = route.method.parse().unwrap();
    let headers: &[(&str, &str)] = if route.method == "PUT" { &[("if-match", "1")] } else { &[] };
    studio.owner.send(method, &ids.path(route), ids.body(route).as_ref(), headers).await.unwrap()
}

/// An answer without what differs by nature: the request's own id.
fn compared(reply: &Reply) -> (u16, String, Value) {
    let mut body = reply.json();
    if let Some(members) = body.as_object_mut() {
        members.remove("request_id");
    }
    (reply.status.as_u16(), reply.header("content-type").to_owned(), body)
}

/// A workspace that is connected and has one synced and one held invoice.
async fn furnished(local: &LocalRun, name: &str) -> (Studio, Ids) {
    let studio = Studio::open(local, name).await.unwrap();
    connect(&studio).await;
    let client = studio.add_client(&format!("Client of {name}"), &format!("accounts@{name}.example").to_lowercase()).await.unwrap();
    let invoice = studio.send_invoice(&client, &lines()).await.unwrap();
    studio.at(Ledger::Xero).synced(&invoice).await.unwrap();
    // Xero's organisation has no tax rate of 17%: the sync asks.
    let odd = json!([{"description": "Work", "quantity": "1", "unit_price": "10.00", "tax_rate": "17"}]);
    let held = studio.send_invoice(&client, &odd).await.unwrap();
    let question = studio.at(Ledger::Xero).sync(&held).await.unwrap();
    let hold = text(&question.json(), "/hold/id").to_owned();
    assert!(hold.starts_with("hld_"), "{}", question.text());
    let person = json!({"name": "Fay", "email": "fay@theirs.example"});
    let person = studio.owner.post(&format!("/v1/clients/{client}/contacts"), &person).await.unwrap();
    let contact = text(&person.json(), "/id").to_owned();
    assert!(contact.starts_with("ct_"), "{}", person.text());
    let preview = studio.owner.post("/v1/integrations/xero/import/preview", &json!({})).await.unwrap();
    let preview = text(&preview.json(), "/id").to_owned();
    assert!(preview.starts_with("prv_"), "the preview has no id");
    let user = format!("owner@{}", studio.workspace_id);
    (studio.clone(), Ids { workspace: studio.workspace_id, client, contact, preview, invoice, hold, user })
}

/// Everything that a workspace sees of itself.
async fn seen(studio: &Studio) -> Vec<Value> {
    let mut all = Vec::new();
    for path in ["/v1/clients", "/v1/invoices", "/v1/integrations", "/v1/integrations/xero/choices", "/v1/sync/attention", "/v1/audit"] {
        let reply = studio.owner.get(path).await.unwrap();
        assert_eq!(reply.status.as_u16(), 200, "{path}: {}", reply.text());
        all.push(reply.json());
    }
    all
}

#[tokio::test]
async fn every_route_with_the_other_workspaces_ids_answers_as_for_a_missing_id() {
    let local = LocalRun::start(RunOptions::default()).await.unwrap();
    let (theirs, their_ids) = furnished(&local, "Theirs").await;
    let ours = Studio::open(&local, "Ours").await.unwrap();
    connect(&ours).await;
    let nobodys = Ids::nobodys(&their_ids);
    let (before, in_xero) = (seen(&theirs).await, theirs.at(Ledger::Xero).state().await.unwrap());

    let mut compared_routes = 0;
    for route in local.cloud.template.routes.iter().filter(|route| names_a_record(route)) {
        let (foreign, missing) = (ask(&ours, route, &their_ids).await, ask(&ours, route, &nobodys).await);
        assert_eq!(compared(&foreign), compared(&missing), "{}", route.key);
        let status = foreign.status.as_u16();
        // The service routes refuse a member before they look at an id; the rest looks and finds nothing of ours.
        let expected = if route.path.starts_with("/v1/workspaces/") { 401 } else { 404 };
        let names_in_body = route.key == "POST /v1/invoices";
        assert!(status == expected || names_in_body && status == 422, "{}: {}", route.key, foreign.text());
        assert_ne!(foreign.json()["detail"], "There is nothing at this address.", "{}: no function answers it", route.key);
        compared_routes += 1;
    }
    assert!(compared_routes >= 25, "only {compared_routes} routes were compared");

    // Routes without ids show nothing of the other workspace.
    let secret_of_theirs = [
        their_ids.workspace.clone(),
        their_ids.client.clone(),
        their_ids.contact.clone(),
        their_ids.preview.clone(),
        text(&their_ids.invoice, "/id").to_owned(),
        their_ids.hold.clone(),
        "Theirs".to_owned(),
    ];
    let mut read = 0;
    for route in local.cloud.template.routes.iter().filter(|route| route.method == "GET" && !route.path.contains("{id}")) {
        if route.path.contains("callback") || route.path.starts_with("/v1/sso/saml/") {
            continue;
        }
        let reply = ask(&ours, route, &nobodys).await;
        for secret in &secret_of_theirs {
            assert!(!reply.text().contains(secret.as_str()), "{} shows {secret}", route.key);
        }
        read += 1;
    }
    assert!(read >= 8, "only {read} routes were read");

    assert_eq!(seen(&theirs).await, before, "something of theirs has changed");
    assert_eq!(theirs.at(Ledger::Xero).state().await.unwrap()["documents"][0], in_xero["documents"][0]);
    local.shutdown().await.unwrap();
}

/// With their own ids the same requests find something: the comparison above is not of two answers that nobody could avoid.
#[tokio::test]
async fn the_same_requests_find_the_records_of_their_own_workspace() {
    let local = LocalRun::start(RunOptions::default()).await.unwrap();
    let (theirs, ids) = furnished(&local, "Theirs").await;
    for route in local.cloud.template.routes.iter().filter(|route| names_a_record(route)) {
        if route.path.starts_with("/v1/workspaces/") {
            continue;
        }
        let own = ask(&theirs, route, &ids).await;
        assert!(own.json()["code"] != "not_found", "{}: {}", route.key, own.text());
    }
    local.shutdown().await.unwrap();
}
