//! Contact persons, the archive and the overview.

use super::*;
use coportal_aws::records::invoices::Written;
use coportal_core::id::{ContactPersonId, InvoiceId, LineId};
use coportal_core::invoice::{Invoice, InvoiceStatus, LineItem, Payment, TaxMode};
use coportal_core::money::Money;
use coportal_core::workspace::TaxRounding;
use uuid::Uuid;

impl Case {
    async fn path_of_ann(&self) -> String {
        format!("/v1/clients/{}", id_of(&self.post(&ann()).await))
    }
}

fn fay() -> Value {
    json!({"name": "Fay  Finch", "email": " fay@example.com "})
}

/// R117 to R119: a client has many contact persons, each with a name and an address of its own.
#[tokio::test]
async fn r117_r118_r119_contact_persons_are_added_listed_and_removed() {
    let case = case().await;
    let contacts = format!("{}/contacts", case.path_of_ann().await);
    let made = case.call(Method::POST, &contacts, Some(&fay())).await;
    assert_eq!((made.status, &made.body["name"], &made.body["email"]), (201, &"Fay Finch".into(), &"fay@example.com".into()));
    let path = made.headers["location"].to_str().unwrap().to_owned();
    assert_eq!(case.call(Method::GET, &path, None).await.body, made.body);
    for n in 0..3 {
        let body = json!({"name": format!("Person {n}"), "email": format!("p{n}@example.com")});
        case.bench.clock.advance(SignedDuration::from_secs(1));
        assert_eq!(case.call(Method::POST, &contacts, Some(&body)).await.status, 201);
    }
    let first = case.call(Method::GET, &format!("{contacts}?limit=3"), None).await;
    assert_eq!(first.body["items"].as_array().unwrap().len(), 3);
    let rest = case.call(Method::GET, &format!("{contacts}?cursor={}", first.body["next_cursor"].as_str().unwrap()), None).await;
    assert_eq!((&rest.body["items"][0]["name"], &rest.body["next_cursor"]), (&"Person 2".into(), &Value::Null));
    assert_eq!(case.call(Method::DELETE, &path, None).await.body, made.body);
    assert_eq!(case.call(Method::DELETE, &path, None).await.status, 404);
    assert_eq!(case.call(Method::GET, &path, None).await.status, 404);
    for wrong in [json!({"name": "", "email": "no"}), json!({"name": "Fay"}), json!({"name": "F", "email": "f@example.com", "phone": "1"})]
    {
        assert_eq!(case.call(Method::POST, &contacts, Some(&wrong)).await.status, 422, "{wrong}");
    }
}

#[tokio::test]
async fn the_same_key_adds_one_contact_person() {
    let case = case().await;
    let contacts = format!("{}/contacts", case.path_of_ann().await);
    let add = || case.bench.call(&case.router, &case.token, Method::POST, &contacts, &[("idempotency-key", "k")], None);
    assert_eq!(add().await.status, 422, "a body is needed");
    let mut ids = Vec::new();
    for _ in 0..2 {
        let body = fay();
        let headers = [("idempotency-key", "k")];
        let answer = case.bench.call(&case.router, &case.token, Method::POST, &contacts, &headers, Some(&body)).await;
        assert_eq!(answer.status, 201);
        ids.push(answer.body["id"].clone());
    }
    assert_eq!(ids[0], ids[1]);
    assert_eq!(case.call(Method::GET, &contacts, None).await.body["items"].as_array().unwrap().len(), 1);
}

/// I13: by another workspace, by a client that is not theirs, and by a malformed id, a contact person is not there.
#[tokio::test]
async fn another_workspaces_or_clients_contact_person_is_not_there() {
    let case = case().await;
    let (ann, other) = (case.path_of_ann().await, case.path_of_ann().await);
    let made = case.call(Method::POST, &format!("{ann}/contacts"), Some(&fay())).await;
    let id = id_of(&made);
    let stranger = case.bench.token(case.bench.workspace(Plan::Solo).await, "owner");
    let nobody = ContactPersonId::new(case.bench.ctx().uuid());
    for method in [Method::GET, Method::DELETE] {
        let mut answers = Vec::new();
        for (token, path) in [
            (&stranger, format!("{ann}/contacts/{id}")),
            (&case.token, format!("{other}/contacts/{id}")),
            (&case.token, format!("{ann}/contacts/{nobody}")),
        ] {
            let mut answer = case.bench.call(&case.router, token, method.clone(), &path, &[], None).await;
            answer.body.as_object_mut().unwrap().remove("request_id");
            answers.push((answer.status, answer.body));
        }
        assert_eq!(answers[0].0, 404);
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    }
    for path in [format!("{ann}/contacts"), format!("{ann}/overview"), format!("{ann}/archive"), format!("{ann}/unarchive")] {
        let method = if path.ends_with("archive") { Method::POST } else { Method::GET };
        assert_eq!(case.bench.call(&case.router, &stranger, method, &path, &[], None).await.status, 404, "{path}");
    }
    let add = case.bench.call(&case.router, &stranger, Method::POST, &format!("{ann}/contacts"), &[], Some(&fay())).await;
    assert_eq!(add.status, 404);
    assert_eq!(case.call(Method::GET, &format!("{ann}/contacts"), None).await.body["items"].as_array().unwrap().len(), 1);
}

/// R133, R134: archiving hides and keeps; both ways may be done twice.
#[tokio::test]
async fn r133_r134_archive_and_unarchive() {
    let case = case().await;
    let ann = case.path_of_ann().await;
    let _ = case.call(Method::POST, &format!("{ann}/contacts"), Some(&fay())).await;
    for _ in 0..2 {
        let answer = case.call(Method::POST, &format!("{ann}/archive"), None).await;
        assert_eq!((answer.status, &answer.body["archived"]), (200, &true.into()));
    }
    assert!(case.names("").await.is_empty());
    let overview = case.call(Method::GET, &format!("{ann}/overview"), None).await;
    assert_eq!((overview.status, &overview.body["contacts"][0]["name"]), (200, &"Fay Finch".into()));
    // R149: archived or not, both addresses lead to the client.
    for email in ["ann@example.com", "fay@example.com"] {
        assert_eq!(case.bench.store().email_owners(case.ws, email).await.unwrap().value.len(), 1);
    }
    for _ in 0..2 {
        assert_eq!(case.call(Method::POST, &format!("{ann}/unarchive"), None).await.body["archived"], false);
    }
    assert_eq!(case.names("").await, ["Ann Archer"]);
    let missing = format!("/v1/clients/{}/archive", ClientId::new(case.bench.ctx().uuid()));
    assert_eq!(case.call(Method::POST, &missing, None).await.status, 404);
}

async fn bill(case: &Case, client: &str, n: u128, status: InvoiceStatus, payments: Vec<Payment>) {
    let invoice = Invoice {
        id: InvoiceId::new(Uuid::from_u128(n)),
        number: format!("INV-{n}"),
        client_id: client.parse().unwrap(),
        currency: "GBP".parse().unwrap(),
        issue_date: "2026-03-01".parse().unwrap(),
        due_date: None,
        status,
        tax_mode: TaxMode::Exclusive,
        lines: vec![LineItem {
            id: LineId::new(Uuid::from_u128(9)),
            description: "Work".to_owned(),
            quantity: 1.into(),
            unit_price: 100.into(),
            tax_rate: None,
            discount_percent: None,
        }],
        payments,
        version: 1,
        created_at: "2026-03-01T09:00:00Z".parse().unwrap(),
    };
    let total = Money::new(invoice.totals(TaxRounding::Line).total, invoice.currency);
    let written = Written { invoice: &invoice, total };
    let _ = case.bench.store().create_invoice(&case.bench.ctx(), case.ws, written, None).await.unwrap();
}

/// R115, R117, R129: what was billed, what is open, what was paid, who is to be spoken to, and the team's notes; nobody else's.
#[tokio::test]
async fn r129_the_overview_has_figures_contacts_and_notes() {
    let case = case().await;
    let made = case.post(&json!({"name": "Ann", "email": "ann@example.com", "notes": "pays late"})).await;
    let other = id_of(&case.post(&ann()).await);
    let id = id_of(&made);
    let paid = Payment { payment_id: "p1".to_owned(), amount: 100.into(), date: "2026-03-05".parse().unwrap() };
    bill(&case, &id, 1, InvoiceStatus::Sent, Vec::new()).await;
    bill(&case, &id, 2, InvoiceStatus::Paid, vec![paid]).await;
    bill(&case, &id, 3, InvoiceStatus::Draft, Vec::new()).await;
    bill(&case, &other, 4, InvoiceStatus::Sent, Vec::new()).await;
    let view = case.call(Method::GET, &format!("/v1/clients/{id}/overview"), None).await;
    assert_eq!(view.status, 200, "{view:?}");
    let invoices = &view.body["invoices"];
    assert_eq!(invoices["count"], 2);
    assert_eq!(invoices["total"], json!([{"amount": "200.00", "currency": "GBP"}]));
    assert_eq!(invoices["outstanding"], json!([{"amount": "100.00", "currency": "GBP"}]));
    assert_eq!(invoices["payments"][0]["number"], "INV-2");
    assert_eq!(invoices["payments"][0]["amount"], json!({"amount": "100.00", "currency": "GBP"}));
    assert_eq!((&view.body["notes"], &view.body["client"]["id"], &view.body["contacts"]), (&"pays late".into(), &id.into(), &json!([])));
}
