//! The routes over the real SDK and an embedded table.

mod ledgers;
mod writes;

use axum::Router;
use coportal_core::client::Client;
use coportal_core::id::{ClientId, WorkspaceId};
use coportal_core::workspace::Plan;
use coportal_lambda::testing::{Answered, Bench};
use http::Method;
use serde_json::{Value, json};

struct Case {
    bench: Bench,
    router: Router,
    ws: WorkspaceId,
    client: ClientId,
    token: String,
}

async fn case() -> Case {
    let bench = Bench::new(crate::NAME);
    let router = crate::router(bench.shell.clone());
    let ws = bench.workspace(Plan::Studio).await;
    let token = bench.token(ws, "member");
    let client = client(&bench, ws).await;
    Case { bench, router, ws, client, token }
}

async fn client(bench: &Bench, ws: WorkspaceId) -> ClientId {
    let ctx = bench.ctx();
    let client = Client {
        id: ClientId::new(ctx.uuid()),
        name: "Ann".to_owned(),
        email: "ann@example.com".to_owned(),
        company: None,
        phone: None,
        billing_address: None,
        notes: None,
        archived: false,
    };
    let _ = bench.store().create_client(&ctx, ws, &client, None).await.unwrap();
    client.id
}

impl Case {
    async fn call(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answered {
        self.bench.call(&self.router, &self.token, method, path, headers, body).await
    }

    async fn get(&self, path: &str) -> Answered {
        self.call(Method::GET, path, &[], None).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answered {
        self.call(Method::POST, path, &[], Some(body)).await
    }

    async fn put(&self, path: &str, version: &str, body: &Value) -> Answered {
        self.call(Method::PUT, path, &[("if-match", version)], Some(body)).await
    }

    fn body(&self) -> Value {
        json!({
            "client_id": self.client, "issue_date": "2026-03-01", "due_date": "2026-03-31",
            "lines": [{"description": "Design", "quantity": "2.5", "unit_price": "80.00", "tax_rate": "20"}],
        })
    }

    fn with(&self, changes: Value) -> Value {
        let mut body = self.body();
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    }

    /// A fresh draft: its path and answer.
    async fn draft(&self) -> (String, Answered) {
        let made = self.post("/v1/invoices", &self.body()).await;
        assert_eq!(made.status, 201, "{made:?}");
        (format!("/v1/invoices/{}", made.body["id"].as_str().unwrap()), made)
    }

    /// A fresh sent invoice of 240.00.
    async fn sent(&self) -> String {
        let (path, _) = self.draft().await;
        assert_eq!(self.call(Method::POST, &format!("{path}/send"), &[], None).await.status, 200);
        path
    }
}

fn refused(answer: &Answered, status: u16, code: &str) {
    assert_eq!((answer.status, answer.body["code"].as_str()), (status, Some(code)), "{answer:?}");
}

fn issues(answer: &Answered) -> Vec<(&str, &str)> {
    let listed = answer.body["issues"].as_array().map(Vec::as_slice).unwrap_or_default();
    listed.iter().map(|issue| (issue["pointer"].as_str().unwrap(), issue["code"].as_str().unwrap())).collect()
}
