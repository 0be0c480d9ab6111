//! Business Central: which company is taken (R16), and how another one is (R17).

use std::time::Duration;

use coportal_core::ledger::Ledger;
use coportal_local::studio::text;
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Pages, ask, card, connect, connect_to, connected, documents, invoice, organisation, settled, vendor_calls};

const LEDGER: Ledger = Ledger::BusinessCentral;
const UK: &str = "Harbour & Hill Ltd";
const ZA: &str = "Table Bay Studio (Pty) Ltd";

/// R16: the first production environment and its first company, although the vendor lists a sandbox before it.
#[tokio::test]
async fn r16_the_first_production_company_is_taken_although_a_sandbox_stands_first() {
    let (local, studio) = connected(LEDGER).await;
    let discovered = vendor_calls(&studio, LEDGER).await;
    assert!(discovered.iter().any(|call| text(call, "/path") == "/environments/v1.2"), "{discovered:?}");
    let snapshot = local.ledger(LEDGER).unwrap().simulator.snapshot();
    let listed: Vec<&str> = find(&snapshot, "environments").as_array().unwrap().iter().map(|one| text(one, "/name")).collect();
    assert_eq!(listed, ["Sandbox", "Production"], "the trap is there");

    let chosen = card(&studio, LEDGER).await["connection"]["organisation"].clone();
    assert_eq!((text(&chosen, "/name"), text(&chosen, "/environment")), (UK, "Production"), "{chosen}");
    let offered = ask(&studio, LEDGER, "GET", "/organisations", None).await.json();
    let offered: Vec<(&str, &str, bool)> = offered["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (text(item, "/environment"), text(item, "/name"), item["chosen"].as_bool().unwrap()))
        .collect();
    let expected = [("Production", UK, true), ("Production", ZA, false), ("Sandbox", "CRONUS UK Ltd.", false)];
    assert_eq!(offered, expected, "R17: companies of all environments, production first");

    // Who may see nothing of production gets what there is.
    assert_eq!(connect_to(&studio, LEDGER, &["CRONUS UK Ltd."]).await, "/settings/integrations?connected=business-central");
    let chosen = card(&studio, LEDGER).await["connection"]["organisation"].clone();
    assert_eq!(text(&chosen, "/environment"), "Sandbox", "{chosen}");
    local.shutdown().await.unwrap();
}

fn find<'v>(value: &'v Value, name: &str) -> &'v Value {
    fn within<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
        match value {
            Value::Object(members) => members.get(name).or_else(|| members.values().find_map(|member| within(member, name))),
            Value::Array(items) => items.iter().find_map(|item| within(item, name)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        }
    }
    within(value, name).unwrap_or(&Value::Null)
}

/// R17, R145: "Change company" needs no consent, gives the company a number of its own, and the first comes back to its links and options.
#[tokio::test]
async fn r17_r145_another_company_has_its_own_links_and_the_first_comes_back_to_its_own() {
    let (local, studio) = connected(LEDGER).await;
    let (uk, za) = (organisation(&studio, LEDGER, UK).await, organisation(&studio, LEDGER, ZA).await);
    let (uk, za) = (text(&uk, "/id").to_owned(), text(&za, "/id").to_owned());
    let of = |offered: &Value, name: &str| {
        let items = offered["items"].as_array().unwrap();
        text(items.iter().find(|item| item["name"] == name).unwrap(), "/id").to_owned()
    };
    let offered = ask(&studio, LEDGER, "GET", "/organisations", None).await.json();
    let (ours, theirs) = (of(&offered, UK), of(&offered, ZA));
    let invoice = invoice(&studio).await;
    let first = studio.at(LEDGER).synced(&invoice).await.unwrap();
    assert!(local.idle(Duration::from_secs(20)).await, "what was sent before the switch is not synced by itself");
    studio.at(LEDGER).set_options(&json!({"auto_sync": true})).await.unwrap();
    assert_eq!(documents(&studio, LEDGER, &uk).await.len(), 1);

    let oauth = studio.at(LEDGER).calls("oauth").await.unwrap().len();
    let changed = ask(&studio, LEDGER, "PUT", "/organisation", Some(&json!({"organisation_id": theirs}))).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text());
    assert_eq!(changed.json()["connection"]["organisation"]["name"], ZA);
    assert_eq!(studio.at(LEDGER).calls("oauth").await.unwrap().len(), oauth, "no new consent");
    assert_eq!(changed.json()["connection"]["options"]["auto_sync"], false, "what was switched on for other books is not switched on here");
    let test = ask(&studio, LEDGER, "POST", "/test", None).await.json();
    assert_eq!((&test["ok"], &test["organisation"]["name"]), (&json!(true), &json!(ZA)), "{test}");
    let seen = studio.owner.get(&format!("/v1/invoices/{}", text(&invoice, "/id"))).await.unwrap().json();
    let of_ledger = seen["ledgers"].as_array().unwrap().iter().find(|one| one["ledger"] == LEDGER.slug()).unwrap().clone();
    assert_eq!((&of_ledger["state"], &of_ledger["external_id"]), (&json!("never"), &Value::Null), "no link of one company reaches another");
    // It has 15% and no 20%: the sync asks, and nothing of the first company answers for it.
    let held = studio.at(LEDGER).sync(&invoice).await.unwrap();
    assert_eq!(held.status.as_u16(), 422, "{}", held.text());
    assert_eq!(documents(&studio, LEDGER, &za).await.len(), 0);

    let forged = ask(&studio, LEDGER, "PUT", "/organisation", Some(&json!({"organisation_id": "forged"}))).await;
    assert_eq!((forged.status.as_u16(), text(&forged.json(), "/issues/0/code")), (422, "not_granted"));

    let back = ask(&studio, LEDGER, "PUT", "/organisation", Some(&json!({"organisation_id": ours}))).await;
    assert_eq!((back.status, &back.json()["connection"]["organisation"]["name"]), (StatusCode::OK, &json!(UK)));
    let again = studio.at(LEDGER).synced(&invoice).await.unwrap();
    assert_eq!((&again["changed"], &again["external_id"]), (&json!("nothing"), &first["external_id"]));
    let edited = studio.edit_line(&invoice, "/lines/0/quantity", json!("2")).await.unwrap();
    let updated = settled(&local, &studio, LEDGER, &edited).await;
    // Auto-sync is on again with the first company: the update is the click's, or was there before it.
    assert!(["updated", "nothing"].contains(&text(&updated, "/changed")), "{updated}");
    assert_eq!(updated["external_id"], first["external_id"]);
    assert_eq!((documents(&studio, LEDGER, &uk).await.len(), documents(&studio, LEDGER, &za).await.len()), (1, 0));

    // R21: a new consent comes back to the company in use, not to the first.
    ask(&studio, LEDGER, "PUT", "/organisation", Some(&json!({"organisation_id": theirs}))).await;
    connect(&studio, LEDGER).await;
    assert_eq!(card(&studio, LEDGER).await["connection"]["organisation"]["name"], ZA);
    local.shutdown().await.unwrap();
}

/// R17, C21: the card offers "Change company" to admins, lists the companies when asked, and takes the choice; a member sees and may do
/// nothing of it.
#[tokio::test]
async fn r17_c21_the_card_changes_the_company_for_admins_alone() {
    let (local, studio) = connected(LEDGER).await;
    let pages = Pages::of(&local, &[]);
    let (owner, member) = (pages.session(&studio.workspace_id, "owner").await, pages.session(&studio.workspace_id, "member").await);
    let calls = vendor_calls(&studio, LEDGER).await.len();
    let plain = pages.get("/settings/integrations", &owner).await;
    let link = r##"<a href="/settings/integrations?choose=business-central#business-central">Change company</a>"##;
    assert!(plain.card(LEDGER).contains(link), "{}", plain.card(LEDGER));
    assert!(!plain.card(LEDGER).contains("organisation_id"));
    assert_eq!(vendor_calls(&studio, LEDGER).await.len(), calls, "the page itself asks the vendor nothing");

    let choosing = pages.get("/settings/integrations?choose=business-central", &owner).await;
    let form = choosing.card(LEDGER);
    for text in ["Harbour &amp; Hill Ltd", "Table Bay Studio (Pty) Ltd", "CRONUS UK Ltd.", "(Production)", "(Sandbox)", "In use now."] {
        assert!(form.contains(text), "{text}: {form}");
    }
    let sandbox = form.split("name=\"organisation_id\" value=\"").find(|part| part.contains("CRONUS")).unwrap().split('"').next().unwrap();
    assert!(!choosing.card(Ledger::Sage).contains("organisation_id"), "other cards are as they were");

    let path = "/settings/integrations/business-central/organisation";
    let refused = pages.submit(path, &member, &[("organisation_id", sandbox)]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let seen = pages.get("/settings/integrations?choose=business-central", &member).await;
    let card_of_member = seen.card(LEDGER);
    assert!(card_of_member.contains("Only admins and the owner"), "{card_of_member}");
    for action in ["<form", "Change company", "organisation_id", "Disconnect<"] {
        assert!(!card_of_member.contains(action), "{action}: {card_of_member}");
    }
    assert_eq!(card(&studio, LEDGER).await["connection"]["organisation"]["name"], UK);

    let taken = pages.submit(path, &owner, &[("organisation_id", sandbox)]).await;
    assert_eq!(taken.status, StatusCode::SEE_OTHER, "{}", taken.text);
    assert!(taken.location.starts_with("/settings/integrations?connected=business-central"), "{}", taken.location);
    let page = pages.get(&taken.location, &owner).await;
    assert!(page.card(LEDGER).contains("CRONUS UK Ltd.") && page.card(LEDGER).contains(r#"<span class="pill attention">Sandbox</span>"#));
    local.shutdown().await.unwrap();
}

/// Business Central has no way to take a consent back: the receipt says so, and our own half is done.
#[tokio::test]
async fn a_disconnect_erases_what_is_ours() {
    let (local, studio) = connected(LEDGER).await;
    let receipt = ask(&studio, LEDGER, "DELETE", "", Some(&json!({"links": "keep"}))).await.json();
    assert_eq!(
        (&receipt["revoked"], &receipt["reason"], &receipt["tokens_erased"]),
        (&json!(false), &json!("nothing_to_remove"), &json!(true))
    );
    assert_eq!(card(&studio, LEDGER).await["connection"]["status"], "disconnected");
    local.shutdown().await.unwrap();
}
