//! `/__sim` and the facts of the organisations out of the box.

use http::Request;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use simulators::skeleton::calls::Kind;
use simulators::xero::{Action, Simulator, Which};

use crate::support::{Caller, answer, body, connected, simulator, text, value, whole};

async fn control(simulator: &Simulator, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let response = whole(answer(simulator, Request::builder().method(method).uri(format!("/__sim/{path}")), &body).await);
    (response.status().as_u16(), value(&response))
}

async fn revenue(caller: &Caller) -> (Vec<String>, Vec<String>) {
    let accounts = caller.get("/Accounts?where=Status%3D%3D%22ACTIVE%22").await;
    let sales = accounts["Accounts"].as_array().unwrap().iter().filter(|account| account["Type"] == "REVENUE");
    let rates = caller.get("/TaxRates").await;
    let rates = rates["TaxRates"].as_array().unwrap().iter().filter(|rate| rate["Status"] == "ACTIVE" && rate["CanApplyToRevenue"] == true);
    let mut percents: Vec<String> = rates.map(|rate| rate["EffectiveRate"].to_string()).collect();
    percents.sort();
    (sales.map(|account| account["Name"].as_str().unwrap().to_owned()).collect(), percents)
}

/// The first organisation needs no choice, the second one does.
#[tokio::test]
async fn facts_of_the_two_organisations() {
    let uk = connected().await;
    assert_eq!(revenue(&uk).await, (vec!["Sales".to_owned()], ["0.0", "20.0", "5.0"].map(str::to_owned).to_vec()));
    let za = uk.at(1);
    let (sales, percents) = revenue(&za).await;
    assert_eq!((sales.len(), percents), (2, ["0.0", "15.0"].map(str::to_owned).to_vec()));
    let organisation = uk.get("/Organisation").await["Organisations"][0].clone();
    assert_eq!(
        (&organisation["BaseCurrency"], &organisation["Version"], &organisation["PaysTax"]),
        (&json!("GBP"), &json!("UK"), &json!(true))
    );
    assert!(organisation["ShortCode"].as_str().unwrap().starts_with('!'));
    assert_eq!(organisation["OrganisationID"], uk.tenant.as_str());
    assert_eq!(za.get("/Organisation").await["Organisations"][0]["CountryCode"], "ZA");
    let rounding = uk.get("/Accounts?where=SystemAccount%3D%3D%22ROUNDING%22").await;
    assert_eq!(rounding["Accounts"].as_array().unwrap().len(), 1);
    let codes = za.get("/Currencies").await;
    assert_eq!(codes["Currencies"][0]["Code"], "ZAR");
    let actions = uk.get("/Organisation/Actions").await;
    assert!(actions["Actions"].as_array().unwrap().iter().all(|action| action["Status"] == "ALLOWED"));
    let raw = text(&uk.send("GET", "/TaxRates", &Value::Null).await);
    assert!(raw.contains(r#""EffectiveRate":20.0000"#), "four decimals, as the vendor writes them");
}

#[tokio::test]
async fn state_seed_and_reset_through_http() {
    let caller = connected().await;
    let za = &caller.simulator.state().organisations[1].name;
    let seed = json!({
        "contacts": [{ "name": "Acme", "email": "a@b.example", "organisation": za }],
        "documents": [{ "organisation": za, "number": "Z-1", "status": "paid", "lines": [{ "description": "x", "quantity": "2", "unit_price": "50" }] }],
    });
    let (status, put_in) = control(&caller.simulator, "POST", "seed", &seed).await;
    assert_eq!(status, 200, "{put_in}");
    let (_, state) = control(&caller.simulator, "GET", "state", &Value::Null).await;
    assert_eq!(state["documents"][0]["total"], "115.00");
    assert_eq!(state["documents"][0]["status"], "paid");
    assert_eq!(state["documents"][0]["organisation"], state["organisations"][1]["id"]);
    assert_eq!(state["payments"][0]["document_id"], state["documents"][0]["id"]);
    assert_eq!(state["contacts"][0]["email"], "a@b.example");
    caller.get("/Contacts").await;
    let (_, calls) = control(&caller.simulator, "GET", "calls", &Value::Null).await;
    let last = calls.as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["method"], &last["path"], &last["status"]), (&json!("GET"), &json!("/api.xro/2.0/Contacts"), &json!(200)));
    assert_eq!((&last["kind"], &last["organisation"]), (&json!("api"), &json!(caller.tenant)));
    assert!(last["bytes"].as_u64().unwrap() > 0 && last["at"].is_string());
    assert!(caller.simulator.calls().iter().any(|call| call.kind == Kind::Oauth));
    control(&caller.simulator, "POST", "limits", &json!({ "minute": 1 })).await;
    control(&caller.simulator, "POST", "reset", &Value::Null).await;
    let state = caller.simulator.state();
    assert!(state.documents.is_empty() && state.contacts.is_empty() && state.payments.is_empty() && caller.simulator.calls().is_empty());
    assert_eq!(caller.simulator.limits().minute, 60);
    caller.get("/Contacts").await;
}

/// A seed takes the shape of a state.
#[tokio::test]
async fn a_state_can_be_posted_back() {
    let caller = connected().await;
    let contact = caller.contact("Acme").await;
    let made = caller.invoice(body(&contact, "CP-1", "AUTHORISED", &[("3", "10.0333")])).await;
    let pay = Action::Pay { document_id: made["InvoiceID"].as_str().unwrap().to_owned(), amount: Some(Decimal::TEN), date: None };
    caller.simulator.bookkeeper(pay).unwrap();
    let before = caller.simulator.state();
    caller.simulator.reset();
    let (status, reply) = control(&caller.simulator, "POST", "seed", &serde_json::to_value(&before).unwrap()).await;
    assert_eq!(status, 200, "{reply}");
    assert_eq!(caller.simulator.state(), before);
}

#[tokio::test]
async fn a_seed_that_contradicts_itself_changes_nothing() {
    let simulator = simulator();
    for seed in [
        json!({ "contacts": [{ "name": "A" }, { "name": "a" }] }),
        json!({ "documents": [{ "number": "1" }, { "number": "1" }] }),
        json!({ "documents": [{ "contact_id": "00000000-0000-4000-8000-000000000001" }] }),
        json!({ "contacts": [{ "name": "A", "organisation": "nobody" }] }),
        json!({ "surprise": [] }),
    ] {
        let (status, reply) = control(&simulator, "POST", "seed", &seed).await;
        assert_eq!(status, 422, "{reply}");
        assert!(simulator.state().contacts.is_empty() && simulator.state().documents.is_empty());
    }
    assert_eq!(control(&simulator, "GET", "nothing", &Value::Null).await.0, 404);
}

#[tokio::test]
async fn a_new_organisation_with_its_own_facts() {
    let simulator = simulator();
    let seed = json!({ "organisations": [{
        "name": "Third Ltd", "country": "GB", "currency": "GBP", "pays_tax": false, "edition": "PARTNER", "currencies": ["USD"],
        "accounts": [{ "Code": "300", "Name": "Fees", "Type": "REVENUE", "Class": "REVENUE", "TaxType": "EXEMPTOUTPUT" }],
        "tax_rates": [{ "Name": "Exempt", "TaxType": "EXEMPTOUTPUT", "EffectiveRate": "0", "CanApplyToRevenue": true }],
        "refused_actions": ["CreateApprovedInvoice"],
    }] });
    let (status, reply) = control(&simulator, "POST", "seed", &seed).await;
    assert_eq!(status, 200, "{reply}");
    let caller = crate::support::connect(simulator, crate::support::SCOPES).await.at(2);
    assert_eq!(caller.get("/Organisation").await["Organisations"][0]["PaysTax"], false);
    assert_eq!(revenue(&caller).await, (vec!["Fees".to_owned()], vec!["0.0".to_owned()]));
    let actions = caller.get("/Organisation/Actions").await;
    assert_eq!(actions["Actions"][0], json!({ "Name": "CreateApprovedInvoice", "Status": "NOT-ALLOWED" }));
}

#[tokio::test]
async fn the_bookkeeper_works_by_the_same_rules() {
    let caller = connected().await;
    let contact = caller.contact("Acme").await;
    let made = caller.invoice(body(&contact, "CP-1", "DRAFT", &[("1", "10")])).await;
    let id = made["InvoiceID"].as_str().unwrap().to_owned();
    let document = || caller.simulator.state().documents.into_iter().find(|document| document.id == id);
    let act = async |action: Value| control(&caller.simulator, "POST", "bookkeeper", &action).await;
    let with = |action: &str, more: Value| {
        let mut all = json!({ "action": action, "document_id": id });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    assert_eq!(act(with("void", json!({}))).await.0, 422, "a draft is deleted, not voided");
    let edit = json!({ "line": 0, "unit_price": "20", "description": "Theirs", "tracking": ["Region: North"] });
    assert_eq!(act(with("edit_line", edit)).await.0, 200);
    assert_eq!(act(with("add_line", json!({ "description": "More", "quantity": "1", "unit_price": "5" }))).await.0, 200);
    let now = document().unwrap();
    assert_eq!((now.total.to_string().as_str(), now.lines[0].tracking[0].as_str()), ("30.00", "Region: North"));
    let tracking = caller.get(&format!("/Invoices/{id}")).await["Invoices"][0]["LineItems"][0]["Tracking"][0].clone();
    assert_eq!((&tracking["Name"], &tracking["Option"]), (&json!("Region"), &json!("North")));
    assert_eq!(act(with("remove_line", json!({ "line": now.lines[1].id }))).await.0, 200);
    assert_eq!(act(with("edit_document", json!({ "due_date": "2026-06-01", "reference": "PO 7" }))).await.0, 200);
    assert_eq!(act(with("approve", json!({}))).await.0, 200);
    assert_eq!(act(with("pay", json!({ "amount": "25" }))).await.0, 422, "more than is due");
    assert_eq!(act(with("pay", json!({}))).await.0, 200);
    assert_eq!(document().unwrap().status, "paid");
    assert_eq!(act(with("void", json!({}))).await.0, 422);
    let locked = Action::EditLine {
        document_id: id.clone(),
        line: Which::Position(0),
        description: None,
        quantity: Some(Decimal::TWO),
        unit_price: None,
        account: None,
        tax_type: None,
        tracking: None,
    };
    assert!(caller.simulator.bookkeeper(locked).is_err());
    assert_eq!(act(with("remove_payments", json!({}))).await.0, 200);
    assert_eq!(act(with("void", json!({}))).await.0, 200);
    assert_eq!(document().unwrap().status, "voided");
    let other = caller.invoice(body(&contact, "CP-2", "DRAFT", &[("1", "10")])).await;
    assert_eq!(act(json!({ "action": "delete", "document_id": other["InvoiceID"] })).await.0, 200);
    assert_eq!(caller.simulator.state().documents.len(), 1);
    assert_eq!(act(json!({ "action": "edit_contact", "contact_id": contact, "email": "new@b.example" })).await.0, 200);
    assert_eq!(act(json!({ "action": "disconnect", "organisation": caller.tenant })).await.0, 200);
    assert_eq!(caller.send("GET", "/Contacts", &Value::Null).await.status(), 403);
    assert_eq!(act(json!({ "action": "dance" })).await.0, 422);
}

#[tokio::test]
async fn a_snapshot_brings_everything_back() {
    let caller = connected().await;
    let contact = caller.contact("Acme").await;
    let made = caller.invoice(body(&contact, "CP-1", "AUTHORISED", &[("1", "0.0001")])).await;
    let kept = caller.simulator.snapshot();
    let before = caller.simulator.state();
    let fresh = Caller { simulator: simulator(), access: caller.access.clone(), refresh: String::new(), tenant: caller.tenant.clone() };
    fresh.simulator.restore(kept).unwrap();
    assert_eq!(fresh.simulator.state(), before);
    let shown = fresh.get(&format!("/Invoices/{}?unitdp=4", made["InvoiceID"].as_str().unwrap())).await;
    assert_eq!(shown["Invoices"][0]["LineItems"], made["LineItems"]);
    let again = json!({ "Invoices": [body(&contact, "CP-1", "DRAFT", &[("1", "10")])] });
    assert_eq!(fresh.refused("PUT", "/Invoices", &again).await, "Invoice # must be unique.");
    assert!(fresh.simulator.restore(json!({ "no": "world" })).is_err());
    assert_eq!(fresh.simulator.state(), before);
}

/// The same history gives the same answers.
#[tokio::test]
async fn histories_replay() {
    let history = async || {
        let caller = connected().await;
        let contact = caller.contact("Acme").await;
        let made = caller.invoice(body(&contact, "CP-1", "DRAFT", &[("1", "10")])).await;
        (caller.access.clone(), made.to_string())
    };
    assert_eq!(history().await, history().await);
}

/// The chaos harness replays tens of thousands of calls: a write must stay far below a millisecond, also with many records.
#[tokio::test]
async fn writes_stay_fast_among_many_records() {
    let caller = connected().await;
    let limits = json!({ "minute": 1_000_000, "day": 1_000_000, "app_minute": 1_000_000 });
    control(&caller.simulator, "POST", "limits", &limits).await;
    let contact = caller.contact("Acme").await;
    let begun = tokio::time::Instant::now();
    for count in 0..2000 {
        caller.invoice(body(&contact, &format!("CP-{count}"), "DRAFT", &[("1", "10"), ("2", "3.33")])).await;
    }
    let each = begun.elapsed() / 2000;
    println!("one invoice among 2000: {each:?}");
    assert!(each < std::time::Duration::from_millis(5), "{each:?} each, unoptimised");
}
