//! Creating, replacing, sending, voiding, paying.

use coportal_aws::keys;
use coportal_core::id::{ClientId, InvoiceId, LineId};
use coportal_core::workspace::{Plan, TaxRounding, Workspace};
use http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{case, client, issues, refused};

#[tokio::test]
async fn r48_r49_r50_an_invoice_is_made_with_totals_to_the_cent() {
    let case = case().await;
    let (path, made) = case.draft().await;
    assert_eq!(made.headers["location"].to_str().unwrap(), path);
    let read = case.get(&path).await;
    assert_eq!(read.status, 200);
    let money = |amount: &str| json!({"amount": amount, "currency": "GBP"});
    assert_eq!(read.body["totals"], json!({"subtotal": money("200.00"), "tax": money("40.00"), "total": money("240.00")}));
    assert_eq!(read.body["outstanding"], money("240.00"));
    assert_eq!((&read.body["status"], &read.body["version"], &read.body["tax_mode"]), (&"draft".into(), &1.into(), &"exclusive".into()));
    assert_eq!((&read.body["issue_date"], &read.body["due_date"]), (&"2026-03-01".into(), &"2026-03-31".into()));
    let line = &read.body["lines"][0];
    assert_eq!((&line["quantity"], &line["unit_price"], &line["tax_rate"]), (&"2.5".into(), &"80.00".into(), &"20".into()));
    assert_eq!(read.headers["etag"], "\"1\"");
    assert_eq!(read.body["ledgers"], json!([]));
}

/// Numbers: unique in the workspace (another spelling is the same one), or the next of the counter.
#[tokio::test]
async fn numbers_are_unique_or_drawn() {
    let case = case().await;
    let (_, first) = case.draft().await;
    let (_, second) = case.draft().await;
    assert_eq!((&first.body["number"], &second.body["number"]), (&"INV-0001".into(), &"INV-0002".into()));
    let taken = case.post("/v1/invoices", &case.with(json!({"number": " inv-0002 "}))).await;
    refused(&taken, 409, "number_taken");
    assert_eq!(taken.body["fix"]["retry_helps"], false);
    // What a user typed is jumped over.
    assert_eq!(case.post("/v1/invoices", &case.with(json!({"number": "INV-0003"}))).await.status, 201);
    assert_eq!(case.draft().await.1.body["number"], "INV-0004");
    // Another workspace counts for itself.
    let other = case.bench.workspace(Plan::Studio).await;
    let token = case.bench.token(other, "member");
    let their_client = client(&case.bench, other).await;
    let body = case.with(json!({"client_id": their_client, "number": "INV-0001"}));
    assert_eq!(case.bench.call(&case.router, &token, Method::POST, "/v1/invoices", &[], Some(&body)).await.status, 201);
}

#[tokio::test]
async fn many_at_once_get_a_number_each() {
    let case = case().await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (bench, router, token, body) = (case.bench.clone(), case.router.clone(), case.token.clone(), case.body());
        tasks.spawn(async move { bench.call(&router, &token, Method::POST, "/v1/invoices", &[], Some(&body)).await });
    }
    let mut numbers: Vec<String> =
        tasks.join_all().await.into_iter().map(|made| made.body["number"].as_str().unwrap().to_owned()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 20);
}

#[tokio::test]
async fn what_is_wrong_is_said_all_at_once() {
    let case = case().await;
    let nobody = ClientId::new(case.bench.ctx().uuid());
    let wrong = json!({
        "client_id": nobody, "issue_date": "2026-03-01", "due_date": "2026-02-01", "number": "#1",
        "lines": [{"description": " ", "quantity": "1.00001", "unit_price": "1", "discount_percent": "101"}, {"id": LineId::new(case.bench.ctx().uuid()), "description": "x", "quantity": "1", "unit_price": "1"}],
    });
    let answer = case.post("/v1/invoices", &wrong).await;
    refused(&answer, 422, "invalid_request");
    assert_eq!(
        issues(&answer),
        [
            ("/lines/1/id", "unknown_line"),
            ("/number", "invalid"),
            ("/due_date", "before_issue_date"),
            ("/lines/0/description", "invalid"),
            ("/lines/0/quantity", "invalid"),
            ("/lines/0/discount_percent", "invalid"),
            ("/client_id", "unknown_client"),
        ]
    );
    for (change, pointer, code) in [
        (json!({"lines": [{"description": "x", "quantity": 1, "unit_price": "1"}]}), "/lines/0/quantity", "wrong_type"),
        (json!({"lines": [{"description": "x", "quantity": "1", "unit_price": 0.1}]}), "/lines/0/unit_price", "wrong_type"),
        (json!({"lines": [{"description": "x", "quantity": "1", "unit_price": "1", "tax_rate": 20}]}), "/lines/0/tax_rate", "wrong_type"),
        (json!({"lines": [{"description": "x", "quantity": "1", "unit_price": "1", "tax_rate": "101"}]}), "/lines/0/tax_rate", "invalid"),
        (json!({"lines": []}), "/lines", "required"),
        (json!({"currency": "XXX"}), "/currency", "invalid"),
        (json!({"status": "paid"}), "/status", "unknown_field"),
        (json!({"tax_mode": "none"}), "/tax_mode", "unknown_value"),
        (json!({"lines": [{"description": "refund", "quantity": "-1", "unit_price": "1"}]}), "/lines", "negative_total"),
    ] {
        let answer = case.post("/v1/invoices", &case.with(change)).await;
        assert_eq!((answer.status, issues(&answer)), (422, vec![(pointer, code)]), "{answer:?}");
    }
    let long = "x".repeat(4_000);
    let lines: Vec<Value> = (0..70).map(|_| json!({"description": long, "quantity": "1", "unit_price": "1"})).collect();
    let answer = case.post("/v1/invoices", &case.with(json!({"lines": lines}))).await;
    assert_eq!((answer.status, issues(&answer)), (422, vec![("/lines", "too_large")]));
}

#[tokio::test]
async fn a_put_states_the_version_it_saw() {
    let case = case().await;
    let (path, made) = case.draft().await;
    let body = case.with(json!({"due_date": null}));
    refused(&case.call(Method::PUT, &path, &[], Some(&body)).await, 428, "precondition_required");
    let changed = case.put(&path, "1", &body).await;
    assert_eq!((changed.status, &changed.body["version"], &changed.body["due_date"]), (200, &2.into(), &Value::Null), "{changed:?}");
    assert_eq!(changed.body["number"], made.body["number"]);
    assert_eq!(changed.body["created_at"], made.body["created_at"]);
    let stale = case.put(&path, "1", &body).await;
    refused(&stale, 412, "stale_version");
    assert!(stale.body["detail"].as_str().unwrap().contains("version 2"));
    assert_eq!(case.put(&path, "\"2\"", &body).await.status, 200);
    refused(&case.put(&path, "*", &body).await, 422, "invalid_request");
}

#[tokio::test]
async fn of_two_edits_of_one_version_one_wins() {
    let case = case().await;
    let (path, _) = case.draft().await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..8 {
        let body = case.with(json!({"lines": [{"description": format!("edit {n}"), "quantity": "1", "unit_price": "1"}]}));
        let (bench, router, token, path) = (case.bench.clone(), case.router.clone(), case.token.clone(), path.clone());
        tasks.spawn(async move { bench.call(&router, &token, Method::PUT, &path, &[("if-match", "1")], Some(&body)).await });
    }
    let answers = tasks.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 412).count(), 7);
    assert_eq!(case.get(&path).await.body["version"], 2);
}

/// A line's id survives edits, so that a ledger's line can be matched to ours.
#[tokio::test]
async fn lines_keep_their_ids() {
    let case = case().await;
    let (path, made) = case.draft().await;
    let kept = made.body["lines"][0]["id"].clone();
    let lines = json!([
        {"description": "New first", "quantity": "1", "unit_price": "10"},
        {"id": kept, "description": "Design, renamed", "quantity": "3", "unit_price": "80"},
    ]);
    let changed = case.put(&path, "1", &case.with(json!({"lines": lines}))).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(changed.body["lines"][1]["id"], kept);
    assert_ne!(changed.body["lines"][0]["id"], kept);
    let twice = json!([
        {"id": kept, "description": "a", "quantity": "1", "unit_price": "1"},
        {"id": kept, "description": "b", "quantity": "1", "unit_price": "1"},
    ]);
    let answer = case.put(&path, "2", &case.with(json!({"lines": twice}))).await;
    assert_eq!(issues(&answer), [("/lines", "duplicate_id")]);
}

#[tokio::test]
async fn a_renumbered_invoice_frees_its_old_number() {
    let case = case().await;
    let (path, _) = case.draft().await;
    let (other, _) = case.draft().await;
    refused(&case.put(&path, "1", &case.with(json!({"number": "inv-0002"}))).await, 409, "number_taken");
    assert_eq!(case.put(&path, "1", &case.with(json!({"number": "A-1"}))).await.body["number"], "A-1");
    assert_eq!(case.put(&other, "1", &case.with(json!({"number": "INV-0001"}))).await.status, 200);
    // Only the spelling changes: the claim stays.
    assert_eq!(case.put(&path, "2", &case.with(json!({"number": "a-1"}))).await.body["number"], "a-1");
    refused(&case.post("/v1/invoices", &case.with(json!({"number": "A-1"}))).await, 409, "number_taken");
}

/// C11: a line without a rate is settled when the invoice is sent, never at the push.
#[tokio::test]
async fn c11_sending_fills_missing_rates_from_the_workspaces_default() {
    let case = case().await;
    let bare = case.with(json!({"lines": [{"description": "x", "quantity": "1", "unit_price": "100"}]}));
    let path = |answer: &coportal_lambda::testing::Answered| format!("/v1/invoices/{}", answer.body["id"].as_str().unwrap());
    let without_default = path(&case.post("/v1/invoices", &bare).await);
    let sent = case.call(Method::POST, &format!("{without_default}/send"), &[], None).await;
    assert_eq!((sent.status, &sent.body["lines"][0]["tax_rate"]), (200, &Value::Null));
    let ctx = case.bench.ctx();
    let workspace = case.bench.store().workspace(case.ws).await.unwrap().unwrap();
    let fifteen = Workspace {
        country: "ZA".to_owned(),
        tax_rounding: TaxRounding::Document,
        default_tax_rate: Some(rust_decimal::Decimal::from(15).try_into().unwrap()),
        ..workspace
    };
    let _ = case.bench.store().put_workspace(&ctx, &fifteen).await.unwrap();
    let with_default = path(&case.post("/v1/invoices", &bare).await);
    let sent = case.call(Method::POST, &format!("{with_default}/send"), &[], None).await;
    assert_eq!((&sent.body["status"], &sent.body["lines"][0]["tax_rate"]), (&"sent".into(), &"15".into()));
    assert_eq!(sent.body["totals"]["total"]["amount"], "115.00");
    // An edit of a sent invoice is settled in the same way.
    let edited = case.put(&with_default, "2", &bare).await;
    assert_eq!(edited.body["lines"][0]["tax_rate"], "15", "{edited:?}");
    // The counter of numbers is not touched by the backend's write.
    assert_eq!(case.draft().await.1.body["number"], "INV-0003");
}

#[tokio::test]
async fn payments_add_up_and_the_same_one_counts_once() {
    let case = case().await;
    let path = case.sent().await;
    let pay = |id: &str, amount: &str| json!({"payment_id": id, "amount": amount, "date": "2026-03-05"});
    let at = format!("{path}/pay");
    let first = case.post(&at, &pay("p1", "100.00")).await;
    assert_eq!((first.status, &first.body["status"], &first.body["outstanding"]["amount"]), (200, &"sent".into(), &"140.00".into()));
    let again = case.post(&at, &pay("p1", "100.00")).await;
    assert_eq!((again.status, &again.body["version"]), (200, &first.body["version"]));
    refused(&case.post(&at, &pay("p1", "99.00")).await, 409, "invoice_state");
    let too_much = case.post(&at, &pay("p2", "140.01")).await;
    assert_eq!(issues(&too_much), [("/amount", "more_than_outstanding")]);
    for wrong in ["0", "-1", "1.001"] {
        assert_eq!(issues(&case.post(&at, &pay("p2", wrong)).await), [("/amount", "invalid")], "{wrong}");
    }
    assert_eq!(issues(&case.post(&at, &json!({"payment_id": "p2", "amount": 1, "date": "2026-03-05"})).await), [("/amount", "wrong_type")]);
    let last = case.post(&at, &pay("p2", "140.00")).await;
    assert_eq!((last.status, &last.body["status"], &last.body["outstanding"]["amount"]), (200, &"paid".into(), &"0.00".into()));
    refused(&case.post(&at, &pay("p3", "1.00")).await, 409, "invoice_state");
    assert_eq!(case.get(&path).await.body["payments"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn payments_at_once_never_exceed_the_total() {
    let case = case().await;
    let path = case.sent().await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..6 {
        let body = json!({"payment_id": format!("p{n}"), "amount": "100.00", "date": "2026-03-05"});
        let (bench, router, token, path) = (case.bench.clone(), case.router.clone(), case.token.clone(), format!("{path}/pay"));
        tasks.spawn(async move { bench.call(&router, &token, Method::POST, &path, &[], Some(&body)).await });
    }
    let answers = tasks.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 2, "{answers:?}");
    assert_eq!(case.get(&path).await.body["outstanding"]["amount"], "40.00");
}

#[tokio::test]
async fn states_allow_what_they_allow() {
    let case = case().await;
    let act = async |path: &str, action: &str| case.call(Method::POST, &format!("{path}/{action}"), &[], None).await;
    let pay = json!({"payment_id": "p", "amount": "240.00", "date": "2026-03-05"});
    let (draft, _) = case.draft().await;
    refused(&case.post(&format!("{draft}/pay"), &pay).await, 409, "invoice_state");
    let sent = case.sent().await;
    // Sending again changes nothing.
    assert_eq!(act(&sent, "send").await.body["version"], 2);
    assert_eq!(case.put(&sent, "2", &case.body()).await.status, 200);
    let voided = act(&sent, "void").await;
    assert_eq!((&voided.body["status"], &voided.body["outstanding"]["amount"]), (&"void".into(), &"0.00".into()));
    assert_eq!(act(&sent, "void").await.body["version"], voided.body["version"]);
    refused(&act(&sent, "send").await, 409, "invoice_state");
    refused(&case.post(&format!("{sent}/pay"), &pay).await, 409, "invoice_state");
    refused(&case.put(&sent, "4", &case.body()).await, 409, "invoice_state");
    let paid = case.sent().await;
    assert_eq!(case.post(&format!("{paid}/pay"), &pay).await.body["status"], "paid");
    refused(&case.put(&paid, "3", &case.body()).await, 409, "invoice_state");
    refused(&act(&paid, "void").await, 409, "invoice_state");
    refused(&case.post(&format!("{draft}/send"), &json!({"force": true})).await, 422, "invalid_request");
}

#[tokio::test]
async fn the_same_key_and_body_get_the_same_answer_and_one_effect() {
    let case = case().await;
    let keyed = async |path: &str, key: &str, body: &Value| case.call(Method::POST, path, &[("idempotency-key", key)], Some(body)).await;
    let first = keyed("/v1/invoices", "k", &case.body()).await;
    let again = keyed("/v1/invoices", "k", &case.body()).await;
    assert_eq!((first.status, again.status, &first.body), (201, 201, &again.body));
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(case.get("/v1/invoices").await.body["items"].as_array().unwrap().len(), 1);
    refused(&keyed("/v1/invoices", "k", &case.with(json!({"due_date": null}))).await, 422, "idempotency_key_reused");
    // A number that was refused leaves the key free for the corrected request.
    let number = json!({"number": "INV-0001"});
    refused(&keyed("/v1/invoices", "k2", &case.with(number)).await, 409, "number_taken");
    assert_eq!(keyed("/v1/invoices", "k2", &case.with(json!({"number": "INV-1000"}))).await.status, 201);
    // The same key on an action of one invoice and of another are two requests.
    let (one, _) = case.draft().await;
    let (two, _) = case.draft().await;
    for path in [&one, &two] {
        let answer = keyed(&format!("{path}/send"), "k3", &json!({})).await;
        assert_eq!((answer.status, &answer.body["status"]), (200, &"sent".into()));
    }
    // The kept answer is the one that was given, whatever came after.
    assert_eq!(case.call(Method::POST, &format!("{one}/void"), &[], None).await.body["status"], "void");
    assert_eq!(keyed(&format!("{one}/send"), "k3", &json!({})).await.body["status"], "sent");
}

/// The write is the event: each change leaves a due mark for the fan-out, on the version that it brought.
#[tokio::test]
async fn each_change_leaves_a_due_mark() {
    let case = case().await;
    let (path, made) = case.draft().await;
    let id: InvoiceId = made.body["id"].as_str().unwrap().parse().unwrap();
    let marks = async || {
        let item = case.bench.store().get(&keys::invoice(case.ws, id)).await.unwrap().unwrap();
        let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
        let version = item.get("autosync_version").and_then(|value| value.as_n().ok()).cloned().unwrap_or_default();
        (version, text("due_pk"), text("due_sk"), text("ix_pk"), text("ix_sk"), text("total"))
    };
    let (version, due_pk, due_sk, ix_pk, ix_sk, total) = marks().await;
    assert_eq!((version.as_str(), total.as_str()), ("1", "240.00"));
    assert!(due_pk.starts_with("DUE#"), "{due_pk}");
    assert_eq!(due_sk, format!("2026-03-01T09:00:00.000Z#{}#invoice#{id}", case.ws));
    assert_eq!((ix_pk, ix_sk), (format!("CLI#{}#{}", case.ws, case.client), format!("2026-03-01#{id}")));
    case.bench.clock.advance(SignedDuration::from_secs(60));
    assert_eq!(case.call(Method::POST, &format!("{path}/send"), &[], None).await.status, 200);
    let (version, _, due_sk, ..) = marks().await;
    assert_eq!(version, "2");
    assert!(due_sk.starts_with("2026-03-01T09:01:00.000Z#"));
}

/// I13: an id of another workspace answers exactly like a missing one, and a malformed one too.
#[tokio::test]
async fn another_workspaces_invoice_is_not_there() {
    let case = case().await;
    let (path, _) = case.draft().await;
    let other = case.bench.workspace(Plan::Studio).await;
    let stranger = case.bench.token(other, "owner");
    let missing = format!("/v1/invoices/{}", InvoiceId::new(case.bench.ctx().uuid()));
    let pay = json!({"payment_id": "p", "amount": "1.00", "date": "2026-03-05"});
    let requests = [
        (Method::GET, "", None),
        (Method::PUT, "", Some(case.body())),
        (Method::POST, "/send", None),
        (Method::POST, "/void", None),
        (Method::POST, "/pay", Some(pay)),
    ];
    for (method, suffix, body) in requests {
        let mut answers = Vec::new();
        for at in [path.as_str(), missing.as_str(), "/v1/invoices/inv_7"] {
            let at = format!("{at}{suffix}");
            let mut answer = case.bench.call(&case.router, &stranger, method.clone(), &at, &[("if-match", "1")], body.as_ref()).await;
            answer.body.as_object_mut().unwrap().remove("request_id");
            answers.push((answer.status, answer.body));
        }
        assert_eq!(answers[0].0, 404);
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    }
    assert_eq!(case.get(&path).await.body["version"], 1);
}

#[tokio::test]
async fn pages_of_invoices() {
    let case = case().await;
    for _ in 0..5 {
        let _ = case.draft().await;
        case.bench.clock.advance(SignedDuration::from_secs(1));
    }
    let first = case.get("/v1/invoices?limit=3").await;
    let numbers = |answer: &coportal_lambda::testing::Answered| {
        answer.body["items"].as_array().unwrap().iter().map(|invoice| invoice["number"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&first), ["INV-0005", "INV-0004", "INV-0003"]);
    let next = first.body["next_cursor"].as_str().unwrap();
    let second = case.get(&format!("/v1/invoices?limit=3&cursor={next}")).await;
    assert_eq!((numbers(&second), &second.body["next_cursor"]), (vec!["INV-0002".to_owned(), "INV-0001".to_owned()], &Value::Null));
}

/// Money is what was written, and days are days of our time: anything else is named, not guessed.
#[tokio::test]
async fn numbers_and_dates_are_not_guessed() {
    let case = case().await;
    for (field, value) in [
        ("quantity", "1e5"),
        ("quantity", "1_000"),
        ("quantity", "1.00000000000000000000000000000000000001"),
        ("quantity", "0.00000000000000000000000000000000000001"),
        ("unit_price", "0x1"),
        ("unit_price", "1e400"),
        ("unit_price", "99999999999999999999999999999999999999"),
        ("discount_percent", ".5"),
        ("tax_rate", "2_0"),
        ("tax_rate", "20.00001"),
    ] {
        let mut line = case.body()["lines"][0].clone();
        line[field] = value.into();
        let answer = case.post("/v1/invoices", &case.with(json!({"lines": [line]}))).await;
        refused(&answer, 422, "invalid_request");
        assert_eq!(issues(&answer), [(format!("/lines/0/{field}").as_str(), "invalid")], "{value}");
    }
    for day in ["-009999-01-01", "0000-01-01", "1899-12-31", "3000-01-01", "9999-12-31"] {
        let answer = case.post("/v1/invoices", &case.with(json!({"issue_date": day, "due_date": null}))).await;
        refused(&answer, 422, "invalid_request");
        assert_eq!(issues(&answer), [("/issue_date", "out_of_range")], "{day}");
    }
    let path = case.sent().await;
    let body = json!({"payment_id": "p1", "amount": "1e1", "date": "2026-03-02"});
    let answer = case.post(&format!("{path}/pay"), &body).await;
    assert_eq!(issues(&answer), [("/amount", "invalid")]);
}
