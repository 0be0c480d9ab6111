//! The pages in a browser: journeys in a headless Chromium against the local cloud. They are written in `tests/browser`.

use std::path::Path;
use std::process::{Command, Stdio};

use coportal_core::ledger::Ledger;
use coportal_core::workspace::Plan;
use coportal_local::run::{LocalRun, NewWorkspace, RunOptions};
use serde_json::{Map, Value, json};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../browser");

/// Where the pictures of every page go.
const PICTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/screenshots");

/// Whether packages, Node.js and a browser are there. `make test` and CI install the first and ask for the others: there, their absence
/// is a failure.
#[expect(clippy::disallowed_methods, reason = "whether a test may be left out is asked of whoever started it")]
fn installed() -> bool {
    let node = Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success());
    let packages = Path::new(FOLDER).join("node_modules/playwright-core").exists();
    let known = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    let browser = std::env::var("CHROMIUM").is_ok() || known.iter().any(|path| Path::new(path).exists());
    let there = node && packages && browser;
    let must = std::env::var("CI").is_ok_and(|value| value == "true") || std::env::var("INSTA_UPDATE").is_ok_and(|value| value == "no");
    let missing = format!(
        "Node.js (there: {node}), the packages of tests/browser (there: {packages}; npm ci) or Chromium (there: {browser}; apt-get install chromium)"
    );
    assert!(there || !must, "missing: {missing}");
    if !there {
        println!("left out, missing: {missing}");
    }
    there
}

/// Runs a journey in a workspace of its own on the Enterprise plan.
async fn journey(name: &str) {
    if !installed() {
        return;
    }
    let local = LocalRun::start(RunOptions::default()).await.unwrap();
    let opened = local.open_workspace(&NewWorkspace::british("Harbour Lane Studio", Plan::Enterprise)).await.unwrap();
    let ledgers: Map<String, Value> =
        Ledger::ALL.into_iter().filter_map(|ledger| Some((ledger.slug().to_owned(), json!(local.ledger(ledger)?.origin)))).collect();
    let setup = json!({
        "origin": local.origin,
        "tokens": {"owner": opened.owner_token, "admin": opened.admin_token, "member": opened.member_token},
        "ledgers": ledgers,
        "pictures": PICTURES,
    });
    let mut run = Command::new("node");
    run.args(["run.mjs", name]).arg(setup.to_string()).current_dir(FOLDER).stdin(Stdio::null());
    // The cloud serves on this runtime while the browser is at it.
    let output = tokio::task::spawn_blocking(move || run.output()).await.unwrap().unwrap();
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    local.shutdown().await.unwrap();
}

/// R1, R2, R12-R17, R20, R23-R31, R34-R37, C14, C22: each ledger from connect to disconnect.
#[tokio::test(flavor = "multi_thread")]
async fn integrations_with_scripts() {
    journey("integrations").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_path_without_scripts() {
    journey("without-scripts").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_import_by_keyboard() {
    journey("keyboard").await;
}

/// C21, and the headers, forms and accessibility of each page in light and dark.
#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_accessible_and_strict() {
    journey("every-page").await;
}

/// R36, R37, R44, R63, C3, C7, C19, C21, C30: invoices, clients and what needs a person.
#[tokio::test(flavor = "multi_thread")]
async fn records_with_scripts() {
    journey("records").await;
}
