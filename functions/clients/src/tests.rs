//! The routes over the real SDK and an embedded table.

use axum::Router;
use coportal_core::id::{ClientId, WorkspaceId};
use coportal_core::workspace::Plan;
use coportal_lambda::testing::{Answered, Bench};
use http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};

mod contacts;

struct Case {
    bench: Bench,
    router: Router,
    ws: WorkspaceId,
    token: String,
}

async fn case() -> Case {
    let bench = Bench::new(crate::NAME);
    let router = crate::router(bench.shell.clone());
    let ws = bench.workspace(Plan::Solo).await;
    let token = bench.token(ws, "member");
    Case { bench, router, ws, token }
}

impl Case {
    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Answered {
        self.bench.call(&self.router, &self.token, method, path, &[], body).await
    }

    async fn post(&self, body: &Value) -> Answered {
        self.call(Method::POST, "/v1/clients", Some(body)).await
    }

    async fn keyed(&self, key: &str, body: &Value) -> Answered {
        self.bench.call(&self.router, &self.token, Method::POST, "/v1/clients", &[("idempotency-key", key)], Some(body)).await
    }

    async fn names(&self, query: &str) -> Vec<String> {
        let page = self.call(Method::GET, &format!("/v1/clients{query}"), None).await;
        page.body["items"].as_array().unwrap().iter().map(|client| client["name"].as_str().unwrap().to_owned()).collect()
    }
}

fn ann() -> Value {
    json!({"name": "Ann Archer", "email": "ann@example.com"})
}

fn id_of(answer: &Answered) -> String {
    answer.body["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn r110_a_client_is_made_and_read_again() {
    let case = case().await;
    let body = json!({
        "name": " Ann  Archer ", "email": " ann@example.com ", "company": "Archer Ltd", "phone": "",
        "billing_address": {"line1": "1 High Street", "city": "Leeds", "country": " "}, "notes": "pays late\nalways",
    });
    let made = case.post(&body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let path = format!("/v1/clients/{}", id_of(&made));
    assert_eq!(made.headers["location"].to_str().unwrap(), path);
    let read = case.call(Method::GET, &path, None).await;
    assert_eq!((read.status, &read.body), (200, &made.body));
    assert_eq!(read.body["name"], "Ann Archer");
    assert_eq!(read.body["email"], "ann@example.com");
    assert_eq!(read.body["phone"], Value::Null);
    assert_eq!(read.body["billing_address"], json!({"line1": "1 High Street", "city": "Leeds"}));
    assert_eq!(read.body["notes"], "pays late\nalways");
}

#[tokio::test]
async fn r111_r112_name_and_email_are_required_and_all_issues_come_at_once() {
    let case = case().await;
    let answer = case.post(&json!({"name": " ", "email": "ann"})).await;
    assert_eq!((answer.status, &answer.body["code"]), (422, &"invalid_request".into()));
    let pointers: Vec<&str> = answer.body["issues"].as_array().unwrap().iter().map(|i| i["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/name", "/email"]);
    for (body, pointer) in [
        (json!({"email": "ann@example.com"}), "/name"),
        (json!({"name": "Ann", "email": "ann@example.com", "vat": "1"}), "/vat"),
        (json!({"name": "Ann", "email": "ann@example.com", "id": "cl_1"}), "/id"),
        (json!({"name": "Ann", "email": "ann@example.com", "billing_address": {"zip": "1"}}), "/billing_address/zip"),
    ] {
        let answer = case.post(&body).await;
        assert_eq!((answer.status, answer.body["issues"][0]["pointer"].as_str()), (422, Some(pointer)), "{answer:?}");
    }
}

#[tokio::test]
async fn r133_the_list_hides_archived_clients_and_keeps_them() {
    let case = case().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(id_of(&case.post(&json!({"name": format!("Client {n}"), "email": "a@example.com"})).await));
        case.bench.clock.advance(SignedDuration::from_secs(1));
    }
    let archived = case.call(Method::PATCH, &format!("/v1/clients/{}", ids[2]), Some(&json!({"archived": true}))).await;
    assert_eq!((archived.status, &archived.body["archived"]), (200, &true.into()));
    assert_eq!(case.names("").await, ["Client 4", "Client 3", "Client 1", "Client 0"]);
    assert_eq!(case.names("?archived=true").await.len(), 5);
    assert_eq!(case.call(Method::GET, &format!("/v1/clients/{}", ids[2]), None).await.status, 200);
    // R134: unarchived at any time.
    let _ = case.call(Method::PATCH, &format!("/v1/clients/{}", ids[2]), Some(&json!({"archived": false}))).await;
    assert_eq!(case.names("").await.len(), 5);
}

#[tokio::test]
async fn pages_go_on_where_the_last_one_ended_and_the_last_one_says_so() {
    let case = case().await;
    for n in 0..7 {
        let body = json!({"name": format!("Client {n}"), "email": "a@example.com", "archived": n == 3});
        assert_eq!(case.post(&body).await.status, 201);
        case.bench.clock.advance(SignedDuration::from_secs(1));
    }
    let mut seen = Vec::new();
    let mut query = "?limit=2".to_owned();
    for _ in 0..3 {
        let page = case.call(Method::GET, &format!("/v1/clients{query}"), None).await;
        seen.extend(page.body["items"].as_array().unwrap().iter().map(|client| client["name"].as_str().unwrap().to_owned()));
        match page.body["next_cursor"].as_str() {
            Some(next) => query = format!("?limit=2&cursor={next}"),
            None => query.clear(),
        }
    }
    assert_eq!(seen, ["Client 6", "Client 5", "Client 4", "Client 2", "Client 1", "Client 0"]);
    assert_eq!(query, "");
    for wrong in ["?limit=0", "?limit=101", "?cursor=WS%23x", "?unknown=1", "?limit=many"] {
        assert_eq!(case.call(Method::GET, &format!("/v1/clients{wrong}"), None).await.status, 422, "{wrong}");
    }
}

#[tokio::test]
async fn a_patch_changes_what_it_names_and_null_empties() {
    let case = case().await;
    let made = case.post(&json!({"name": "Ann", "email": "ann@example.com", "phone": "1", "company": "A", "notes": "n"})).await;
    let path = format!("/v1/clients/{}", id_of(&made));
    let changed = case.call(Method::PATCH, &path, Some(&json!({"phone": null, "email": "ann@example.org"}))).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!((&changed.body["phone"], &changed.body["company"]), (&Value::Null, &"A".into()));
    assert_eq!(case.call(Method::GET, &path, None).await.body, changed.body);
    assert_eq!(case.call(Method::PATCH, &path, Some(&json!({"email": "no"}))).await.status, 422);
    assert_eq!(case.call(Method::GET, &path, None).await.body, changed.body);
}

/// R111, R112: a name and an address cannot be taken away; that is said, and not done silently.
#[tokio::test]
async fn r111_r112_a_patch_cannot_empty_what_is_required() {
    let case = case().await;
    let made = case.post(&ann()).await;
    let path = format!("/v1/clients/{}", id_of(&made));
    for field in ["name", "email", "archived"] {
        let refused = case.call(Method::PATCH, &path, Some(&json!({field: null, "phone": "2"}))).await;
        assert_eq!((refused.status, &refused.body["code"]), (422, &"invalid_request".into()), "{field}: {refused:?}");
        assert_eq!(refused.body["issues"][0]["pointer"], format!("/{field}"), "{refused:?}");
    }
    assert_eq!(case.call(Method::GET, &path, None).await.body, made.body, "nothing was changed");
}

/// R149: an address leads to its clients, also after it moved.
#[tokio::test]
async fn addresses_know_their_clients() {
    let case = case().await;
    let one = id_of(&case.post(&ann()).await);
    let two = id_of(&case.post(&json!({"name": "Ann Again", "email": " ANN@example.com"})).await);
    let owners = |email: &'static str| {
        let (bench, ws) = (case.bench.clone(), case.ws);
        async move {
            let owners = bench.store().email_owners(ws, email).await.unwrap().value;
            owners.iter().map(|owner| owner.cl.to_string()).collect::<Vec<_>>()
        }
    };
    assert_eq!(owners("ann@example.com").await, [one.clone(), two.clone()]);
    let _ = case.call(Method::PATCH, &format!("/v1/clients/{one}"), Some(&json!({"email": "new@example.com"}))).await;
    assert_eq!(owners("ann@example.com").await, std::slice::from_ref(&two));
    assert_eq!(owners("new@example.com").await, [one]);
    // Another spelling is the same address.
    let _ = case.call(Method::PATCH, &format!("/v1/clients/{two}"), Some(&json!({"email": "Ann@Example.com"}))).await;
    assert_eq!(owners("ann@example.com").await, [two]);
}

/// I13: an id of another workspace answers exactly like a missing one, and a malformed one too.
#[tokio::test]
async fn another_workspaces_client_is_not_there() {
    let case = case().await;
    let id = id_of(&case.post(&ann()).await);
    let other = case.bench.workspace(Plan::Solo).await;
    let stranger = case.bench.token(other, "owner");
    let missing = ClientId::new(case.bench.ctx().uuid()).to_string();
    let without_id = |mut answer: Answered| {
        answer.body.as_object_mut().unwrap().remove("request_id");
        (answer.status, answer.body)
    };
    for (method, body) in [(Method::GET, None), (Method::PATCH, Some(json!({"name": "Mine now"})))] {
        let mut answers = Vec::new();
        for id in [id.as_str(), missing.as_str(), "cl_1", "inv_00000000000000000000000000000007"] {
            let path = format!("/v1/clients/{id}");
            answers.push(without_id(case.bench.call(&case.router, &stranger, method.clone(), &path, &[], body.as_ref()).await));
        }
        assert_eq!(answers[0].0, 404);
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    }
    assert_eq!(case.names("").await, ["Ann Archer"]);
}

#[tokio::test]
async fn the_same_key_and_body_get_the_same_answer_and_one_client() {
    let case = case().await;
    let first = case.keyed("k-1", &ann()).await;
    let again = case.keyed("k-1", &ann()).await;
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.body, again.body);
    assert_eq!(first.headers["location"], again.headers["location"]);
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(case.names("").await.len(), 1);
    let other = case.keyed("k-1", &json!({"name": "Bob", "email": "bob@example.com"})).await;
    assert_eq!((other.status, &other.body["code"]), (422, &"idempotency_key_reused".into()));
    // Another person's key of the same spelling is another key.
    let admin = case.bench.token(case.ws, "admin");
    let theirs = case.bench.call(&case.router, &admin, Method::POST, "/v1/clients", &[("idempotency-key", "k-1")], Some(&ann())).await;
    assert_eq!(theirs.status, 201);
    assert_ne!(theirs.body["id"], first.body["id"]);
    // After a day the key is free again.
    case.bench.clock.advance(SignedDuration::from_hours(24));
    let next_day = case.bench.token(case.ws, "member");
    let later = case.bench.call(&case.router, &next_day, Method::POST, "/v1/clients", &[("idempotency-key", "k-1")], Some(&ann())).await;
    assert_ne!(later.body["id"], first.body["id"]);
}

#[tokio::test]
async fn a_refused_request_leaves_its_key_free() {
    let case = case().await;
    assert_eq!(case.keyed("k-2", &json!({"name": "Ann", "email": "no"})).await.status, 422);
    assert_eq!(case.keyed("k-2", &ann()).await.status, 201);
    for wrong in ["", "two words", &"x".repeat(256)] {
        assert_eq!(case.keyed(wrong, &ann()).await.status, 422, "{wrong:?}");
    }
}

#[tokio::test]
async fn while_a_request_is_worked_on_its_repeat_waits_and_a_dead_one_is_taken_over() {
    use coportal_aws::keys;
    use coportal_core::text;
    let case = case().await;
    let ctx = case.bench.ctx();
    let body = ann().to_string();
    let record = keys::idempotency(case.ws, "member", "POST /v1/clients", "k-3");
    let _ = case.bench.store().begin_idempotent(&ctx, record, &text::digest([body.as_bytes()])).await.unwrap();
    let meanwhile = case.keyed("k-3", &ann()).await;
    assert_eq!((meanwhile.status, &meanwhile.body["code"]), (409, &"idempotency_in_progress".into()));
    assert_eq!(meanwhile.headers["retry-after"], "2");
    case.bench.clock.advance(SignedDuration::from_secs(33));
    assert_eq!(case.keyed("k-3", &ann()).await.status, 201);
    assert_eq!(case.names("").await.len(), 1);
}

#[tokio::test]
async fn many_at_once_with_one_key_make_one_client() {
    let case = case().await;
    let answers = futures(&case, 12).await;
    let made: Vec<&Answered> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert!(!made.is_empty());
    assert!(made.iter().all(|answer| answer.body["id"] == made[0].body["id"]));
    assert!(answers.iter().all(|answer| answer.status == 201 || answer.status == 409), "{answers:?}");
    assert_eq!(case.names("").await.len(), 1);
}

async fn futures(case: &Case, count: usize) -> Vec<Answered> {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..count {
        let (bench, router, token) = (case.bench.clone(), case.router.clone(), case.token.clone());
        tasks.spawn(
            async move { bench.call(&router, &token, Method::POST, "/v1/clients", &[("idempotency-key", "k-4")], Some(&ann())).await },
        );
    }
    tasks.join_all().await
}
