//! The command itself, as a person or a machine runs it.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_coportal-local"))
}

/// The acceptance of the main job: created, nothing, updated; one document, one contact; equal to the cent.
#[test]
fn the_demo_for_machines_says_what_happened_and_ends_well() {
    let output = command().args(["demo", "--json"]).output().unwrap();
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["ok"], true, "{report}");
    let xero = &report["ledgers"]["xero"];
    assert!(!xero["organisation"]["name"].as_str().unwrap().is_empty());
    for (click, changed, calls) in [("first", "created", 3), ("second", "nothing", 0), ("third", "updated", 2)] {
        let told = &xero[click];
        assert_eq!((&told["state"], &told["changed"], &told["vendor_calls"]), (&json!("synced"), &json!(changed), &json!(calls)));
        assert_eq!(told["external_id"], xero["first"]["external_id"]);
        assert!(told["external_url"].as_str().unwrap().starts_with("https://go.xero.com/"));
    }
    assert_eq!((&xero["documents"], &xero["contacts"], &xero["totals_equal"]), (&json!(1), &json!(1), &json!(true)));
    assert_eq!(xero["coportal"], xero["ledger"]);
}

#[test]
fn the_demo_for_people_has_no_colours_where_nobody_sees_them() {
    let output = command().arg("demo").output().unwrap();
    assert!(output.status.success());
    let story = String::from_utf8(output.stdout).unwrap();
    for part in ["Connect Xero", "created", "nothing", "updated", "equal to the cent", "Documents: 1. Contacts: 1."] {
        assert!(story.contains(part), "{part}: {story}");
    }
    assert!(!story.contains('\u{1b}'), "{story:?}");
}

/// It prints where it is, and Ctrl-C ends it well.
#[test]
fn it_prints_its_address_and_a_sign_in_link_and_stops_on_ctrl_c() {
    let mut child = command().args(["--port", "0"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut printed = Vec::new();
    for line in BufReader::new(child.stdout.as_mut().unwrap()).lines() {
        printed.push(line.unwrap());
        if printed.last().unwrap().contains("Ctrl-C") {
            break;
        }
    }
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    assert!(child.wait().unwrap().success());
    let printed = printed.join("\n");
    assert!(printed.contains("http://127.0.0.1:") && printed.contains("/__local/sign-in?token="), "{printed}");
}

#[test]
fn help_and_mistakes_name_the_options() {
    let help = command().arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for part in ["--port", "--data", "demo", "run"] {
        assert!(help.contains(part), "{help}");
    }
    let wrong = command().arg("--prot").output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("--port"));
}
