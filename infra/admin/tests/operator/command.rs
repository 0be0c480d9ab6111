//! The command itself: its help, its two outputs, its exit codes.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use coportal_local::assembly::TABLE_NAME;
use serde_json::Value;

use crate::runbook::studio;

fn run(endpoint: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coportal-admin"));
    command.args(arguments).env_clear().env("AWS_ACCESS_KEY_ID", "operator").env("AWS_SECRET_ACCESS_KEY", "operator");
    command.env("AWS_REGION", "eu-west-1").env("AWS_ENDPOINT_URL", endpoint).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn every_command_says_what_it_does_and_takes() {
    let help = out(&run("", &["--help"]));
    for (command, options) in [
        ("rotate-token-key", ["--table", "--to"].as_slice()),
        ("dead-letters", &["--dead-letters", "--queue", "--redrive"]),
        ("forget-workspace", &["--table", "--workspace", "--confirm"]),
        ("look-first", &["--table", "--tokens-from"]),
    ] {
        assert!(help.contains(command), "{help}");
        let own = run("", &[command, "--help"]);
        assert!(own.status.success());
        let own = out(&own);
        for option in options.iter().chain(&["--dry-run", "--json", "--region", "--endpoint-url"]) {
            assert!(own.contains(option), "{command} {option}: {own}");
        }
    }
}

/// Every command that the runbook prints is one that the tool takes.
#[test]
fn every_command_of_the_runbook_is_taken() {
    let arn = "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d-0000-4000-8000-000000000000";
    let mut tried = BTreeSet::new();
    for line in include_str!("../../../runbook.md").lines().filter_map(|line| line.trim().strip_prefix("coportal-admin ")) {
        let arguments: Vec<String> = line
            .replace("$WORKSPACE", "ws_00000000000070008000000000000001")
            .replace("$TokenKeyArn", arn)
            .split(' ')
            .map(|word| word.replace('$', ""))
            .collect();
        // Without credentials it ends before it calls anybody, and behind the reading of its arguments.
        let mut command = Command::new(env!("CARGO_BIN_EXE_coportal-admin"));
        let output = command.args(&arguments).args(["--region", "eu-west-1"]).env_clear().output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("AWS_ACCESS_KEY_ID is not set"), "{line}: {said}");
        tried.insert(arguments[0].clone());
    }
    assert_eq!(tried.into_iter().collect::<Vec<_>>(), ["dead-letters", "forget-workspace", "look-first", "rotate-token-key"]);
}

#[test]
fn what_is_missing_is_named() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coportal-admin"));
    let output = command.args(["look-first", "--table", "t", "--region", "eu-west-1"]).env_clear().output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("AWS_ACCESS_KEY_ID"), "{said}");
}

/// A table for a person, one JSON document for a program; no bar where nobody looks.
#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_a_table_or_json() {
    let (local, _, _) = studio().await;
    let to = local.cloud.cloud.kms().arn("TableKey").unwrap();
    let endpoint = local.aws_endpoint.clone();
    let asked = move |more: &[&str]| {
        let arguments = [&["rotate-token-key", "--table", TABLE_NAME, "--to", &to, "--dry-run"], more].concat();
        run(&endpoint, &arguments)
    };
    let (table, json) = tokio::task::spawn_blocking(move || (asked(&[]), asked(&["--json"]))).await.unwrap();
    assert!(table.status.success() && json.status.success(), "{}", String::from_utf8_lossy(&table.stderr));
    let shown = out(&table);
    assert!(shown.contains("dry run") && shown.contains("to be sealed anew"), "{shown}");
    let read: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(read["counts"]["to be sealed anew"], 1, "{read}");
    assert_eq!(read["dry_run"], true);
    for output in [&table, &json] {
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    local.shutdown().await.unwrap();
}
