//! The operator's work, against the local cloud: a workspace that has connected a ledger and synced an invoice.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use coportal_admin::access::Access;
use coportal_admin::report::Report;
use coportal_admin::rows::{key, scan};
use coportal_admin::{forget, restore, rotate};
use coportal_core::ledger::Ledger;
use coportal_core::secret::Secret;
use coportal_local::assembly::TABLE_NAME;
use coportal_local::run::{LocalRun, RunOptions};
use coportal_local::studio::{Studio, text};
use coportal_local::template::{DEPLOYED, Template};
use http::Method;
use jiff::SignedDuration;
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

/// A table that was restored to a moment before tokens were refreshed, a ledger was disconnected and a workspace was forgotten.
#[tokio::test]
async fn after_a_restore_creates_look_first_and_the_tokens_that_count_are_carried_over() {
    const RESTORED: &str = "restored";
    let (local, studio, invoice) = studio().await;
    let leaver = Studio::open(&local, "A Studio That Leaves").await.unwrap();
    leaver.at(Ledger::Xero).connect().await.unwrap();
    studio.at(Ledger::Sage).connect().await.unwrap();
    let access = access(&local);
    let client = access.dynamodb();
    let tokens = async |table: &str| {
        let mut rows = scan(&client, table, "begins_with(pk, :class)", &[(":class", "TOK#")], &mut |_| {}).await.unwrap();
        rows.sort_by_key(|row| format!("{:?}", key(row).into_iter().collect::<BTreeMap<_, _>>()));
        rows
    };
    let shape = Template::parse(DEPLOYED).unwrap().tables["Table"].clone();
    local.cloud.cloud.table().copied_as(RESTORED, &shape).unwrap();
    assert_eq!(tokens(RESTORED).await, tokens(TABLE_NAME).await);

    // What happened since.
    local.advance(SignedDuration::from_mins(31));
    let edited = studio.edit_line(&invoice, "/lines/0/unit_price", json!("150.00")).await.unwrap();
    studio.at(Ledger::Xero).synced(&edited).await.unwrap();
    let receipt = studio.owner.send(Method::DELETE, "/v1/integrations/sage", None, &[]).await.unwrap();
    assert!(receipt.status.is_success(), "{}", receipt.text());
    let gone = leaver.workspace_id.parse().unwrap();
    forget::forget(&access, TABLE_NAME, gone, Some(gone), false).await.unwrap();
    let (old, live) = (tokens(RESTORED).await, tokens(TABLE_NAME).await);
    assert_eq!((old.len(), live.len()), (3, 1));
    assert!(!old.contains(&live[0]), "the live table's were refreshed since");

    let marked = async |dry_run| {
        let report = restore::look_first(&access, RESTORED, Some(TABLE_NAME), dry_run).await.unwrap();
        assert_eq!(report.notes.len(), 1, "{}", report.table());
        assert!(report.notes[0].contains(&format!("--table {RESTORED} --workspace {gone}")), "{}", report.table());
        report.counts.into_iter().filter(|(name, _)| name != "workspaces forgotten since").collect::<Vec<_>>()
    };
    let counts = |marked: &str, back: usize| {
        let mut counts = vec![(marked.to_owned(), 6), ("tokens carried over".to_owned(), 1)];
        if back > 0 {
            counts.push(("tokens given back since".to_owned(), back));
        }
        counts
    };
    assert_eq!(marked(true).await, counts("marked to look first", 2));
    assert_eq!(tokens(RESTORED).await, old, "a trial changes nothing");
    assert_eq!(marked(false).await, counts("marked to look first", 2));
    assert_eq!(tokens(RESTORED).await, live);
    assert_eq!(marked(false).await, counts("marked already", 0));
    local.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_workspace_is_forgotten_with_all_that_is_its_own_and_nothing_else() {
    let (local, studio, invoice) = studio().await;
    let neighbour = Studio::open(&local, "Another Studio").await.unwrap();
    neighbour.add_client("Juniper & Finch Ltd", "accounts@juniperfinch.example").await.unwrap();
    let access = access(&local);
    let workspace = studio.workspace_id.parse().unwrap();
    // Three people as sign-in writes them: one is here alone, one here and elsewhere, one elsewhere alone.
    let client = access.dynamodb();
    let (here, elsewhere) = (studio.workspace_id.as_str(), neighbour.workspace_id.as_str());
    let put = async |pk: String, sk: String, user: &str| {
        let put = client.put_item().table_name(TABLE_NAME).item("pk", AttributeValue::S(pk)).item("sk", AttributeValue::S(sk));
        put.item("user", AttributeValue::S(user.to_owned())).send().await.unwrap();
    };
    for (user, workspaces) in [("usr_1", [here].as_slice()), ("usr_2", &[here, elsewhere]), ("usr_3", &[elsewhere])] {
        for workspace in workspaces {
            put(format!("USER#{user}"), format!("WS#{workspace}"), user).await;
            put(format!("WS#{workspace}"), format!("MEMBER#{user}"), user).await;
        }
        for (pk, sk) in [("USER#", "SELF"), ("ADDR#", "USER"), ("IDENT#", "USER"), ("SESSION#", "SESSION")] {
            put(format!("{pk}{user}"), sk.to_owned(), user).await;
        }
    }
    let refused = forget::forget(&access, TABLE_NAME, workspace, None, false).await;
    assert!(refused.unwrap_err().to_string().contains("--confirm"), "nothing is deleted by a slip");
    let listed = forget::forget(&access, TABLE_NAME, workspace, None, true).await.unwrap();
    for class in ["TOK", "CONN", "INVOICE", "CLIENT", "SYNC", "WS", "USER", "ADDR", "AUDIT"] {
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
    // Who is nowhere else is gone, with address, identity and session; the others are not.
    for (user, kinds) in [("usr_1", 0), ("usr_2", 4), ("usr_3", 4)] {
        let own = "pk = :user OR pk = :address OR pk = :identity OR pk = :session";
        let keys = ["USER#", "ADDR#", "IDENT#", "SESSION#"].map(|class| format!("{class}{user}"));
        let values = [(":user", keys[0].as_str()), (":address", &keys[1]), (":identity", &keys[2]), (":session", &keys[3])];
        let rows = scan(&client, TABLE_NAME, own, &values, &mut |_| {}).await.unwrap();
        assert_eq!(rows.iter().filter(|row| !row["sk"].as_s().unwrap().starts_with("WS#")).count(), kinds, "{user}: {rows:?}");
        assert!(rows.iter().all(|row| row["sk"].as_s().unwrap() != &format!("WS#{here}")), "{user}: {rows:?}");
    }
    local.shutdown().await.unwrap();
}
