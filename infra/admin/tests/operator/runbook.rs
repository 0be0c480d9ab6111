//! The operator's work, against the local cloud: a workspace that has connected a ledger and synced an invoice.

use std::time::Duration;

use coportal_admin::access::Access;
use coportal_admin::report::Report;
use coportal_admin::{forget, restore, rotate};
use coportal_core::ledger::Ledger;
use coportal_core::secret::Secret;
use coportal_local::assembly::TABLE_NAME;
use coportal_local::run::{LocalRun, RunOptions};
use coportal_local::studio::{Studio, text};
use serde_json::{Value, json};

pub(crate) async fn studio() -> (LocalRun, Studio, Value) {
    let local = LocalRun::start(RunOptions::default()).await.unwrap();
    let studio = Studio::open(&local, "Harbour Lane Studio").await.unwrap();
    studio.at(Ledger::Xero).connect().await.unwrap();
    let client = studio.add_client("Juniper & Finch Ltd", "accounts@juniperfinch.example").await.unwrap();
    let lines = json!([{"description": "Work", "quantity": "1", "unit_price": "100.00", "tax_rate": "20"}]);
    let invoice = studio.send_invoice(&client, &lines).await.unwrap();
    studio.at(Ledger::Xero).synced(&invoice).await.unwrap();
    (local, studio, invoice)
}

pub(crate) fn access(local: &LocalRun) -> Access {
    Access {
        region: "eu-west-1".to_owned(),
        endpoint: Some(local.aws_endpoint.clone()),
        access_key_id: "operator".to_owned(),
        secret_access_key: Secret::new("operator".to_owned()),
        session_token: None,
    }
}

pub(crate) fn counts(report: &Report) -> Vec<(&str, usize)> {
    assert_eq!(report.notes, Vec::<String>::new());
    report.counts.iter().map(|(name, count)| (name.as_str(), *count)).collect()
}

#[tokio::test]
async fn tokens_move_to_another_key_once_and_stay_usable() {
    let (local, studio, invoice) = studio().await;
    let access = access(&local);
    let other = local.cloud.cloud.kms().arn("TableKey").unwrap();
    let rotated = async |dry_run| rotate::rotate(&access, TABLE_NAME, &other, dry_run).await.unwrap();
    assert_eq!(counts(&rotated(true).await), [("to be sealed anew", 1)]);
    assert_eq!(counts(&rotated(false).await), [("sealed anew", 1)]);
    // A run that was stopped is taken up where it was: nothing is sealed twice.
    assert_eq!(counts(&rotated(false).await), [("under the new key already", 1)]);
    let edited = studio.edit_line(&invoice, "/lines/0/unit_price", json!("150.00")).await.unwrap();
    let synced = studio.at(Ledger::Xero).synced(&edited).await.unwrap();
    assert_eq!(text(&synced, "/changed"), "updated", "the tokens open, and call");
    assert!(rotate::rotate(&access, TABLE_NAME, "alias/other", true).await.is_err(), "by another name no row would count as done");
    local.shutdown().await.unwrap();
}

/// The process dies between two rows: what is sealed stays so, the row that was in hand is taken when its lease is over, and no row is
/// sealed twice.
#[tokio::test]
async fn a_rotation_that_is_interrupted_goes_on_where_it_was() {
    let (local, first, _) = studio().await;
    let mut studios = vec![first];
    for name in ["Another Studio", "A Third Studio"] {
        let studio = Studio::open(&local, name).await.unwrap();
        studio.at(Ledger::Xero).connect().await.unwrap();
        studios.push(studio);
    }
    let kms = local.cloud.cloud.kms();
    let other = kms.arn("TableKey").unwrap();
    let keys = || kms.calls().get("GenerateDataKey").copied().unwrap_or_default();
    let before = keys();
    let access = access(&local);
    // The second row's key was made: the first row is stored, the second is in hand. What is dropped here is what dies with a process.
    let reached = async {
        while keys() < before + 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        ended = rotate::rotate(&access, TABLE_NAME, &other, false) => panic!("it was over before it could be interrupted: {ended:?}"),
        () = reached => {}
    }

    let began = tokio::time::Instant::now();
    let (mut sealed, mut known) = (0, 0);
    loop {
        let report = rotate::rotate(&access, TABLE_NAME, &other, false).await.unwrap();
        assert_eq!(report.of_name("failed"), 0, "{}", report.table());
        sealed += report.of_name("sealed anew");
        known = known.max(report.of_name("under the new key already"));
        if report.of_name("busy") == 0 {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(45), "a lease lasts half a minute: {}", report.table());
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    assert!(known >= 1, "what was sealed before the interruption is passed over");
    assert!(sealed <= 2, "{sealed} of three were sealed anew after one had been");
    assert_eq!(counts(&rotate::rotate(&access, TABLE_NAME, &other, false).await.unwrap()), [("under the new key already", 3)]);
    for studio in &studios {
        let test = studio.owner.post("/v1/integrations/xero/test", &json!({})).await.unwrap();
        assert_eq!((test.status.as_u16(), &test.json()["ok"]), (200, &json!(true)), "{}", test.text());
    }
    local.shutdown().await.unwrap();
}

#[tokio::test]
async fn after_a_restore_creates_look_first_and_tokens_are_carried_over() {
    let (local, _, _) = studio().await;
    let access = access(&local);
    let marked = async |dry_run| restore::look_first(&access, TABLE_NAME, Some(TABLE_NAME), dry_run).await.unwrap();
    assert_eq!(counts(&marked(true).await), [("marked to look first", 2), ("tokens carried over", 1)]);
    assert_eq!(counts(&marked(false).await), [("marked to look first", 2), ("tokens carried over", 1)]);
    assert_eq!(counts(&marked(false).await), [("marked already", 2), ("tokens carried over", 1)]);
    local.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_workspace_is_forgotten_with_all_that_is_its_own_and_nothing_else() {
    let (local, studio, invoice) = studio().await;
    let neighbour = Studio::open(&local, "Another Studio").await.unwrap();
    neighbour.add_client("Juniper & Finch Ltd", "accounts@juniperfinch.example").await.unwrap();
    let access = access(&local);
    let workspace = studio.workspace_id.parse().unwrap();
    let refused = forget::forget(&access, TABLE_NAME, workspace, None, false).await;
    assert!(refused.unwrap_err().to_string().contains("--confirm"), "nothing is deleted by a slip");
    let listed = forget::forget(&access, TABLE_NAME, workspace, None, true).await.unwrap();
    for class in ["TOK", "CONN", "INVOICE", "CLIENT", "SYNC", "WS", "USER", "AUDIT"] {
        assert!(listed.of_name(class) > 0, "{class}: {}", listed.table());
    }
    let deleted = forget::forget(&access, TABLE_NAME, workspace, Some(workspace), false).await.unwrap();
    assert_eq!(deleted.counts, listed.counts);
    let left = forget::forget(&access, TABLE_NAME, workspace, None, true).await.unwrap();
    assert_eq!(counts(&left), []);
    let gone = studio.owner.get(&format!("/v1/invoices/{}", text(&invoice, "/id"))).await.unwrap();
    assert!(gone.status.is_client_error(), "{}", gone.status);
    let there = neighbour.owner.get("/v1/clients").await.unwrap().json();
    assert_eq!(there["items"].as_array().unwrap().len(), 1, "the neighbour keeps everything");
    local.shutdown().await.unwrap();
}
