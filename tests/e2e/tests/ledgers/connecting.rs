//! R12-R15, R23, R34, C7: every ledger is connected in the same way, and every wrong way is refused in the same way; R3-R6, R146: each has
//! a plan of its own.

use coportal_core::ledger::Ledger;
use coportal_local::studio::text;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{OTHERS, ask, callback, card, come_back, connect, connected, decide, invoice, opened, plan, said, vendor_calls};

/// R12-R15, R23: consent, callback, connected, tested; drafts by default (C7), and nothing by itself (R34).
#[tokio::test]
async fn r12_r13_r14_r15_every_ledger_connects_end_to_end() {
    let (local, studio) = opened().await;
    for ledger in Ledger::ALL {
        assert_eq!(card(&studio, ledger).await["connection"], Value::Null, "{ledger}");
        let hops = studio.at(ledger).connect().await.unwrap();
        let paths: Vec<&str> = hops.iter().map(|hop| hop.url.path()).collect();
        assert_eq!(paths.get(1).copied(), Some(format!("/v1/oauth/{ledger}/callback").as_str()), "{paths:?}");
        let last = hops.last().unwrap();
        assert_eq!((last.url.path(), last.url.query()), ("/settings/integrations", Some(format!("connected={ledger}").as_str())));

        let card = card(&studio, ledger).await;
        let first = studio.at(ledger).state().await.unwrap()["organisations"][0]["name"].clone();
        assert_eq!((&card["connection"]["status"], &card["connection"]["organisation"]["name"]), (&json!("connected"), &first), "{card}");
        let options = &card["connection"]["options"];
        assert_eq!((&options["auto_sync"], &options["sync_as_draft"]), (&json!(false), &json!(true)), "{ledger}");
        let test = ask(&studio, ledger, "POST", "/test", None).await.json();
        assert_eq!((&test["ok"], &test["organisation"]["name"]), (&json!(true), &first), "R23 {ledger}: {test}");
    }
    let audit = studio.owner.get("/v1/audit?limit=100").await.unwrap().json();
    let lines = audit["items"].as_array().unwrap();
    let connections = lines.iter().filter(|line| line["action"] == "connected").count();
    assert_eq!(connections, 4, "{audit}");
    local.shutdown().await.unwrap();
}

/// The state of a sign-in counts once, for its own ledger, and nothing else counts for it.
#[tokio::test]
async fn a_callback_counts_once_and_for_its_own_ledger() {
    let (local, studio) = opened().await;
    for ledger in OTHERS {
        decide(&studio, ledger, None).await;
        let back = callback(&studio, ledger).await;
        let state = back.split(['?', '&']).find(|part| part.starts_with("state=")).unwrap().to_owned();
        let mut wrong = vec![
            ("another state", back.replace(&state, &format!("state={}", "0".repeat(64)))),
            ("no state", back.replace(&state, "")),
            ("a state in capitals", back.replace(&state, &format!("state={}", state["state=".len()..].to_uppercase()))),
            ("two states", format!("{back}&{state}")),
            ("a refusal beside the code", format!("{back}&error=access_denied")),
        ];
        for other in Ledger::ALL.into_iter().filter(|other| *other != ledger) {
            wrong.push(("another ledger's callback", back.replace(&format!("/oauth/{ledger}/"), &format!("/oauth/{other}/"))));
        }
        for (case, address) in wrong {
            assert_ne!(address, back);
            let at = come_back(&studio, &address).await;
            assert_eq!(at, "/settings/integrations?connect_error=invalid_state", "{ledger}: {case}");
            assert_eq!(card(&studio, ledger).await["connection"], Value::Null, "{ledger}: {case}");
            assert!(vendor_calls(&studio, ledger).await.is_empty(), "{ledger}: {case}");
        }
        // None of it used the state up; using it does.
        assert_eq!(come_back(&studio, &back).await, format!("/settings/integrations?connected={ledger}"));
        let (before, calls) = (card(&studio, ledger).await, vendor_calls(&studio, ledger).await.len());
        assert_eq!(come_back(&studio, &back).await, "/settings/integrations?connect_error=invalid_state");
        assert_eq!((card(&studio, ledger).await, vendor_calls(&studio, ledger).await.len()), (before, calls), "{ledger}");
    }
    local.shutdown().await.unwrap();
}

/// Another browser only parks the grant; the organisation that it is of is still the one that was consented to.
#[tokio::test]
async fn a_grant_from_another_browser_waits_for_its_users_word() {
    let (local, studio) = opened().await;
    for ledger in OTHERS {
        decide(&studio, ledger, None).await;
        let back = callback(&studio, ledger).await;
        studio.owner.forget_cookies();
        assert_eq!(come_back(&studio, &back).await, "/settings/integrations?connect_error=confirm_required");
        let parked = card(&studio, ledger).await;
        assert!(parked["connection"].is_null() && parked["parked"].is_object(), "{parked}");
        let confirmed = ask(&studio, ledger, "POST", "/connect/confirm", None).await;
        assert_eq!(confirmed.status, StatusCode::OK, "{ledger}: {}", confirmed.text());
        let first = studio.at(ledger).state().await.unwrap()["organisations"][0]["name"].clone();
        assert_eq!(card(&studio, ledger).await["connection"]["organisation"]["name"], first);
        let test = ask(&studio, ledger, "POST", "/test", None).await.json();
        assert_eq!(test["ok"], true, "{ledger}: {test}");
    }
    local.shutdown().await.unwrap();
}

/// A "no" at the consent page is told, uses the state up, and calls nobody.
#[tokio::test]
async fn a_refusal_is_told_and_final() {
    let (local, studio) = opened().await;
    for ledger in OTHERS {
        studio.at(ledger).control(Method::POST, "consent", Some(&json!({"decision": "deny"}))).await.unwrap();
        let back = callback(&studio, ledger).await;
        assert_eq!(come_back(&studio, &back).await, "/settings/integrations?connect_error=access_denied", "{ledger}");
        assert_eq!(come_back(&studio, &back).await, "/settings/integrations?connect_error=invalid_state", "{ledger}");
        assert_eq!(card(&studio, ledger).await["connection"], Value::Null, "{ledger}");
        assert!(vendor_calls(&studio, ledger).await.is_empty(), "{ledger}");
    }
    local.shutdown().await.unwrap();
}

/// R3-R6, R146: each ledger has the lowest plan that includes it. Below it nothing begins, ends or is called; on it all goes on as it was.
#[tokio::test]
async fn r3_r4_r5_r6_r146_each_ledger_has_its_plan() {
    for (ledger, below, label, enough) in [
        (Ledger::Xero, "solo", "Studio", "studio"),
        (Ledger::Quickbooks, "solo", "Studio", "studio"),
        (Ledger::Sage, "studio", "Agency", "agency"),
        (Ledger::BusinessCentral, "agency", "Enterprise", "enterprise"),
    ] {
        let (local, studio) = opened().await;
        decide(&studio, ledger, None).await;
        plan(&studio, below).await;
        let view = card(&studio, ledger).await;
        assert_eq!((&view["plan_required"], &view["allowed"]), (&json!(enough), &json!(false)), "{ledger}");
        let refused = ask(&studio, ledger, "POST", "/connect", None).await;
        assert_eq!(said(&refused), (403, "plan_required".to_owned()), "{ledger}");
        assert!(text(&refused.json(), "/detail").contains(label), "{}", refused.text());
        assert_eq!(refused.header("set-cookie"), "");

        // Between consent and callback.
        plan(&studio, enough).await;
        let back = callback(&studio, ledger).await;
        plan(&studio, below).await;
        assert_eq!(come_back(&studio, &back).await, "/settings/integrations?connect_error=plan_required", "{ledger}");
        assert!(vendor_calls(&studio, ledger).await.is_empty(), "{ledger}");

        // At a call.
        plan(&studio, enough).await;
        connect(&studio, ledger).await;
        studio.at(ledger).set_options(&json!({"sync_as_draft": false})).await.unwrap();
        let invoice = invoice(&studio).await;
        plan(&studio, below).await;
        let (before, calls) = (card(&studio, ledger).await, vendor_calls(&studio, ledger).await.len());
        let refused = studio.at(ledger).sync(&invoice).await.unwrap();
        assert_eq!(said(&refused), (403, "plan_required".to_owned()), "{ledger}");
        let approve = format!("/v1/invoices/{}/sync/{ledger}/approve", text(&invoice, "/id"));
        for path in [approve.as_str(), &format!("/v1/integrations/{ledger}/test"), &format!("/v1/integrations/{ledger}/connect")] {
            let refused = studio.owner.send(Method::POST, path, None, &[]).await.unwrap();
            assert_eq!(said(&refused), (403, "plan_required".to_owned()), "{path}");
        }
        assert_eq!(vendor_calls(&studio, ledger).await.len(), calls, "{ledger}");
        assert_eq!(before["connection"]["health"]["level"], "stopped", "{before}");
        plan(&studio, enough).await;
        let answer = studio.at(ledger).synced(&invoice).await.unwrap();
        assert_eq!(answer["changed"], "created", "{ledger}");
        local.shutdown().await.unwrap();
    }
}

/// C21: a member sees the list and changes nothing.
#[tokio::test]
async fn c21_a_member_changes_no_integration() {
    for ledger in OTHERS {
        let (local, studio) = connected(ledger).await;
        let before = card(&studio, ledger).await;
        for (method, tail, body) in [
            ("POST", "/connect", None),
            ("POST", "/connect/confirm", None),
            ("GET", "/organisations", None),
            ("PUT", "/organisation", Some(json!({"organisation_id": "x"}))),
            ("GET", "/choices", None),
            ("PUT", "/choices", Some(json!({}))),
            ("PATCH", "/options", Some(json!({}))),
            ("POST", "/test", None),
            ("DELETE", "", None),
        ] {
            let path = format!("/v1/integrations/{ledger}{tail}");
            let refused = studio.member.send(method.parse().unwrap(), &path, body.as_ref(), &[]).await.unwrap();
            assert_eq!(said(&refused), (403, "role_required".to_owned()), "{method} {path}");
        }
        assert_eq!(card(&studio, ledger).await, before);
        local.shutdown().await.unwrap();
    }
}
