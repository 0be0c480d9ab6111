//! What each ledger can do, what an organisation offers to choose from, and what an option means there.

use coportal_core::ledger::Ledger;
use coportal_local::studio::{Studio, text};
use serde_json::{Value, json};

use crate::support::{ask, card, connect_to, connected, invoice, opened};

/// C8, C10, R17: what CoPortal can do with each ledger is in the list, connected or not.
#[tokio::test]
async fn the_list_says_what_each_ledger_can_do() {
    let (local, studio) = opened().await;
    for (ledger, expected) in [
        (
            Ledger::Xero,
            json!({"push_invoices": true, "push_contacts": true, "draft": "native", "payments": true, "voids": true,
                "change_organisation": false, "unique_numbers": true, "repeat_window_seconds": 300}),
        ),
        (
            Ledger::Quickbooks,
            json!({"push_invoices": true, "push_contacts": true, "draft": "held", "payments": true, "voids": true,
                "change_organisation": false, "unique_numbers": false, "repeat_window_seconds": 900}),
        ),
        (
            Ledger::Sage,
            json!({"push_invoices": true, "push_contacts": true, "draft": "native", "payments": true, "voids": true,
                "change_organisation": true, "unique_numbers": false, "repeat_window_seconds": 0}),
        ),
        (
            Ledger::BusinessCentral,
            json!({"push_invoices": true, "push_contacts": true, "draft": "native", "payments": true, "voids": true,
                "change_organisation": true, "unique_numbers": false, "repeat_window_seconds": 0}),
        ),
    ] {
        let view = card(&studio, ledger).await;
        assert_eq!(view["capabilities"], expected, "{ledger}");
        assert_eq!(view["availability"], "available", "{ledger}");
    }
    local.shutdown().await.unwrap();
}

async fn choices(studio: &Studio, ledger: Ledger) -> Value {
    let reply = ask(studio, ledger, "GET", "/choices", None).await;
    assert_eq!(reply.status.as_u16(), 200, "{}", reply.text());
    reply.json()
}

/// The pointer and code of each refusal.
async fn refusals(studio: &Studio, ledger: Ledger, body: Value) -> Vec<(String, String)> {
    let before = choices(studio, ledger).await["chosen"].clone();
    let reply = ask(studio, ledger, "PUT", "/choices", Some(&body)).await;
    assert_eq!(reply.status.as_u16(), 422, "{body}: {}", reply.text());
    assert_eq!(choices(studio, ledger).await["chosen"], before, "{body}: a refusal stores nothing of it");
    let issues = reply.json()["issues"].as_array().cloned().unwrap_or_default();
    issues.iter().map(|issue| (text(issue, "/pointer").to_owned(), text(issue, "/code").to_owned())).collect()
}

async fn stored(studio: &Studio, ledger: Ledger, body: Value) -> Value {
    let reply = ask(studio, ledger, "PUT", "/choices", Some(&body)).await;
    assert_eq!(reply.status.as_u16(), 200, "{body}: {}", reply.text());
    assert_eq!(choices(studio, ledger).await["chosen"], reply.json()["chosen"], "what was answered is what is stored");
    reply.json()["chosen"].clone()
}

/// C11: a code of another percentage, one that is not offered, an account of another kind, and fields that there are not.
#[tokio::test]
async fn what_an_organisation_does_not_offer_cannot_be_chosen() {
    for ledger in Ledger::ALL {
        let (local, studio) = connected(ledger).await;
        let offers = choices(&studio, ledger).await;
        let rates = offers["tax_rates"].as_array().unwrap();
        // Business Central publishes no percentages: its groups are known by name, and the lines themselves are checked instead (C11).
        let publishes = ledger != Ledger::BusinessCentral;
        let of_rate = |rate: &str| {
            let named = |one: &Value| one["rate"].is_null() && text(one, "/name").ends_with(&format!(" {rate}%"));
            let found = rates.iter().find(|one| if publishes { one["rate"] == rate } else { named(one) });
            text(found.unwrap_or_else(|| panic!("{ledger} offers nothing of {rate}%: {offers}")), "/id").to_owned()
        };
        let (twenty, five) = (of_rate("20"), of_rate("5"));
        let refused = |pointer: &str, code: &str| vec![(pointer.to_owned(), code.to_owned())];
        for (body, expected) in [
            (json!({"sales_account": "no-such"}), refused("/sales_account", "not_offered")),
            (json!({"sales_item": "no-such"}), refused("/sales_item", "not_offered")),
            (json!({"payment_account": "no-such"}), refused("/payment_account", "not_offered")),
            (json!({"item_map": {"Work": "no-such"}}), refused("/item_map/Work", "not_offered")),
            (json!({"tax_map": {"20": "no-such"}}), refused("/tax_map/20", "not_offered")),
        ] {
            assert_eq!(refusals(&studio, ledger, body).await, expected, "{ledger}");
        }
        if publishes {
            let body = json!({"tax_map": {"20": five}});
            assert_eq!(refusals(&studio, ledger, body).await, refused("/tax_map/20", "other_rate"), "{ledger}");
        }
        // One wrong field keeps the right one beside it from being stored, and both wrong ones are named.
        assert_eq!(refusals(&studio, ledger, json!({"tax_map": {"20": twenty}, "sales_item": "no-such"})).await.len(), 1, "{ledger}");
        assert_eq!(refusals(&studio, ledger, json!({"payment_account": "x", "sales_account": "y"})).await.len(), 2, "{ledger}");
        refusals(&studio, ledger, json!({"sales_acount": "200"})).await;
        // A sales account takes no payments, and a payment account no sales.
        let sales = offers["sales_accounts"].as_array().unwrap();
        let payment = text(&offers, "/payment_accounts/0/id").to_owned();
        assert!(!payment.is_empty(), "{ledger}: {offers}");
        assert_eq!(
            refusals(&studio, ledger, json!({"sales_account": payment})).await,
            refused("/sales_account", "not_offered"),
            "{ledger}"
        );
        if let Some(account) = sales.first() {
            let body = json!({"payment_account": account["id"]});
            assert_eq!(refusals(&studio, ledger, body).await, refused("/payment_account", "not_offered"), "{ledger}");
        }
        // What is offered is stored, kept by what is silent about it, and forgotten by null.
        let chosen = stored(&studio, ledger, json!({"payment_account": payment, "tax_map": {"20": twenty, "5": five}})).await;
        assert_eq!((&chosen["payment_account"], &chosen["tax_map"]), (&json!(payment), &json!({"20": twenty, "5": five})), "{ledger}");
        let chosen = stored(&studio, ledger, json!({"tax_map": {"5": null}})).await;
        assert_eq!((&chosen["payment_account"], &chosen["tax_map"]), (&json!(payment), &json!({"20": twenty})), "{ledger}");
        let chosen = stored(&studio, ledger, json!({"payment_account": null})).await;
        assert_eq!(chosen["payment_account"], Value::Null, "{ledger}");
        local.shutdown().await.unwrap();
    }
}

/// C13: QuickBooks' lines go to an item. The only one is chosen at connect; of two none is guessed, and the sync asks.
#[tokio::test]
async fn c13_quickbooks_lines_have_an_item() {
    let ledger = Ledger::Quickbooks;
    let (local, studio) = connected(ledger).await;
    let offers = choices(&studio, ledger).await;
    let items = offers["sales_items"].as_array().unwrap();
    assert_eq!((items.len(), &offers["chosen"]["sales_item"]), (1, &items[0]["id"]), "{offers}");
    let codes: Vec<&str> = offers["tax_rates"].as_array().unwrap().iter().map(|rate| text(rate, "/id")).collect();
    assert!(codes.contains(&"2") && !codes.contains(&"7"), "an inactive code is not offered: {offers}");
    let chosen = stored(&studio, ledger, json!({"item_map": {"Work": items[0]["id"]}})).await;
    assert_eq!(chosen["mapped_products"], 1);
    let chosen = stored(&studio, ledger, json!({"item_map": {" work ": null}})).await;
    assert_eq!(chosen["mapped_products"], 0, "a product is its text, however it is spaced and capitalised");

    assert_eq!(connect_to(&studio, ledger, &["Table Rock Studio LLC"]).await, "/settings/integrations?connected=quickbooks");
    let offers = choices(&studio, ledger).await;
    assert_eq!((offers["sales_items"].as_array().unwrap().len(), &offers["chosen"]["sales_item"]), (2, &Value::Null), "{offers}");
    studio.at(ledger).set_options(&json!({"sync_as_draft": false})).await.unwrap();
    let invoice = invoice(&studio).await;
    let asked = studio.at(ledger).sync(&invoice).await.unwrap();
    assert_eq!(asked.status.as_u16(), 422, "{}", asked.text());
    local.shutdown().await.unwrap();
}

/// The other three take lines without an item, and say so.
#[tokio::test]
async fn c13_the_others_have_a_sales_account() {
    for ledger in [Ledger::Xero, Ledger::Sage, Ledger::BusinessCentral] {
        let (local, studio) = connected(ledger).await;
        let offers = choices(&studio, ledger).await;
        assert_eq!(offers["sales_items"], json!([]), "{ledger}");
        let account = &offers["sales_accounts"][0]["id"];
        assert_eq!(&offers["chosen"]["sales_account"], account, "{ledger}: nothing must be chosen: {offers}");
        let refused = ask(&studio, ledger, "PUT", "/choices", Some(&json!({"sales_item": "1"}))).await.json();
        assert!(text(&refused, "/issues/0/detail").contains("without an item"), "{ledger}: {refused}");
        local.shutdown().await.unwrap();
    }
}

/// C1, C8, C10, C13: a change of options says what it means at this ledger; a dry run says the same and stores nothing.
#[tokio::test]
async fn a_change_of_options_says_what_it_means_there() {
    for ledger in Ledger::ALL {
        let (local, studio) = connected(ledger).await;
        let before = card(&studio, ledger).await["connection"]["options"].clone();
        let dry = async |body: Value| {
            let reply = ask(&studio, ledger, "PATCH", "/options?dry_run=true", Some(&body)).await;
            assert_eq!(reply.status.as_u16(), 200, "{}", reply.text());
            let answer = reply.json();
            assert_eq!(answer["dry_run"], true);
            let notes: Vec<String> = answer["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap().to_owned()).collect();
            notes.join("\n")
        };
        let held = ledger == Ledger::Quickbooks;
        let kept = dry(json!({"rounding": "line"})).await;
        assert_eq!(kept.contains("has no drafts: CoPortal holds such invoices until you press Post"), held, "C8 {ledger}: {kept}");
        let off = dry(json!({"sync_as_draft": false})).await;
        assert!(off.contains("Documents that are already there stay as they are"), "C7 {ledger}: {off}");
        let payments = dry(json!({"payments": "push"})).await;
        assert!(payments.contains("choose payment_account"), "C1 {ledger}: {payments}");
        let void = dry(json!({"on_void": "void"})).await;
        assert!(void.contains("is never voided or deleted"), "C10 {ledger}: {void}");
        let mapped = dry(json!({"item": "mapped"})).await;
        assert_eq!(mapped.contains("takes invoice lines without an item"), !held, "C13 {ledger}: {mapped}");
        assert_eq!(card(&studio, ledger).await["connection"]["options"], before, "{ledger}: a dry run stores nothing");
        for (body, pointer) in [
            (json!({"match": []}), "/match"),
            (json!({"match": ["name", "name"]}), "/match"),
            (json!({"also_draft_source": true, "sync_as_draft": false}), "/also_draft_source"),
            (json!({"sync_on": "created"}), "/sync_on"),
            (json!({"profile": "copper", "auto_sync": true}), "/auto_sync"),
        ] {
            let refused = ask(&studio, ledger, "PATCH", "/options", Some(&body)).await;
            assert_eq!((refused.status.as_u16(), text(&refused.json(), "/issues/0/pointer")), (422, pointer), "{ledger} {body}");
        }
        assert_eq!(card(&studio, ledger).await["connection"]["options"], before, "{ledger}: nor does a refusal");
        local.shutdown().await.unwrap();
    }
}
