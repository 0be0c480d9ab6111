//! Settings, Integrations as a person meets it: without scripts, in a session.

use coportal_core::workspace::Plan;
use http::StatusCode;
use simulators::skeleton::consent::Consent;

use crate::world::{Answered, ORIGIN, Started, UK, World};

const PAGE: &str = "/settings/integrations";

pub(crate) fn assert_strict(answer: &Answered) {
    let policy = answer.header("content-security-policy");
    for part in [
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "trusted-types 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "form-action 'self'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    for inline in ["<style", " style=", " onclick=", "javascript:", "http://", "https://"] {
        assert!(!answer.text.contains(inline), "{inline}");
    }
    let scripts: Vec<&str> = answer.text.split("<script").skip(1).collect();
    assert!(scripts.iter().all(|script| script.starts_with(r#" type="module" src="/settings/assets/pages-"#)), "{scripts:?}");
    assert!(scripts.iter().all(|script| script.split_once('>').is_some_and(|(_, rest)| rest.starts_with("</script>"))), "{scripts:?}");
    assert!(answer.text.contains(r#"<html lang="en">"#) && answer.text.contains(r#"name="viewport""#));
}

/// R1, R2: every ledger has its card in Settings, Integrations, and the sidebar leads there. The stylesheet that the page names is found under its name.
#[tokio::test]
async fn the_page_and_its_stylesheet() {
    let world = World::new().await;
    let (session, _) = world.session(world.one, "admin").await;
    let page = world.page(PAGE, Some(&session)).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_strict(&page);
    assert!(page.header("content-security-policy").contains("form-action 'self' https://xero.test"), "the consent page is reachable");
    let named: Vec<&str> = page.text.split(r#"="/settings/assets/"#).skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let mut kinds = Vec::new();
    for name in named {
        let file = world.page(&format!("/settings/assets/{name}"), None).await;
        assert_eq!(file.status, StatusCode::OK, "{name}");
        assert!(file.header("cache-control").contains("immutable"), "{name}");
        kinds.push(file.header("content-type").to_owned());
    }
    assert_eq!(kinds, ["image/svg+xml", "text/css; charset=utf-8", "text/javascript; charset=utf-8"]);
    assert_eq!(world.page("/settings/assets/other.css", None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.page("/healthz", None).await.text, "ok\n");
    for text in ["Xero", "QuickBooks Online", "Sage Business Cloud Accounting", "Microsoft Business Central", "Connect Xero"] {
        assert!(page.text.contains(text), "{text}");
    }
    let (_, sidebar) = page.text.split_once("<nav").unwrap();
    let (sidebar, _) = sidebar.split_once("</nav>").unwrap();
    assert!(sidebar.contains(r#"<a href="/settings/integrations""#), "R2: {sidebar}");
    assert!(page.text.contains("Waiting for platform approval"), "R9, R150: the apps of the other ledgers are not set up here");
    assert!(page.text.contains("It will need the Enterprise plan."), "R6");
}

#[tokio::test]
async fn without_a_session_the_page_says_what_to_do() {
    let world = World::new().await;
    for session in [None, Some("0".repeat(64))] {
        let page = world.page(PAGE, session.as_deref()).await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED);
        assert_strict(&page);
        assert!(page.text.contains("You are not signed in") && page.text.contains("sign-in link"));
    }
}

/// C22, R20: the whole way by forms, and a confirmation at its end.
#[tokio::test]
async fn a_person_connects_and_disconnects() {
    let world = World::new().await;
    let (session, csrf) = world.session(world.one, "admin").await;
    let answer = world.submit("/settings/integrations/xero/connect", &session, &csrf, &[]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    let started = Started { authorize_url: answer.header("location").to_owned(), cookie: answer.connect_cookie() };
    let back = world.consent(&started).await;
    let answer = world.navigate(&back, Some(&started.cookie)).await;
    let page = world.page(answer.header("location"), Some(&session)).await;
    assert_strict(&page);
    assert!(page.text.contains("Xero is connected") && page.text.contains("Harbour &amp; Hill Ltd"));
    assert!(page.text.contains(r#"role="status""#));

    let path = "/settings/integrations/xero/disconnect";
    let refused = world.submit(path, &session, &csrf, &[("links", "keep")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "a disconnect is confirmed first");
    let answer = world.submit(path, &session, &csrf, &[("links", "keep"), ("confirm", "yes")]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    let page = world.page(answer.header("location"), Some(&session)).await;
    assert!(page.text.contains("Xero is disconnected") && page.text.contains("tokens are erased"));
    assert!(world.linked().is_empty());
}

#[tokio::test]
async fn a_person_chooses_among_organisations() {
    let world = World::new().await;
    let (session, csrf) = world.session(world.one, "admin").await;
    let names = world.organisations();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let back = world.connect(world.one, Consent::approve_only(&names)).await;
    let page = world.page(back.header("location"), Some(&session)).await;
    assert!(page.text.contains("gave access to several organisations"));
    let id = page.text.split(r#"name="organisation_id" value=""#).nth(1).unwrap().split('"').next().unwrap().to_owned();
    let answer = world.submit("/settings/integrations/xero/organisation", &session, &csrf, &[("organisation_id", &id)]).await;
    let page = world.page(answer.header("location"), Some(&session)).await;
    assert!(page.text.contains("Xero is connected"), "{}", answer.text);
    assert_eq!(world.connection(world.one).await.unwrap().organisation.unwrap().id, id);
}

#[tokio::test]
async fn a_person_confirms_a_parked_grant_and_another_does_not_see_it() {
    let world = World::new().await;
    let started = world.start(world.one, "admin").await;
    let back = world.consent(&started).await;
    let answer = world.navigate(&back, None).await;
    let (other, other_csrf) = world.session(world.one, "other-admin").await;
    let page = world.page(answer.header("location"), Some(&other)).await;
    assert!(page.text.contains("Is this connection yours?"));
    assert!(!page.text.contains("Yes, connect Xero"), "only whoever began may confirm");
    let refused = world.submit("/settings/integrations/xero/confirm", &other, &other_csrf, &[]).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    let (session, csrf) = world.session(world.one, "admin").await;
    let page = world.page(PAGE, Some(&session)).await;
    assert!(page.text.contains("Yes, connect Xero"));
    let answer = world.submit("/settings/integrations/xero/confirm", &session, &csrf, &[]).await;
    assert_eq!(answer.header("location"), "/settings/integrations?connected=xero");
}

/// A forged request: another session's token, none, or another origin.
#[tokio::test]
async fn forms_are_protected_against_forgery() {
    let world = World::new().await;
    let (session, _) = world.session(world.one, "admin").await;
    let (_, other) = world.session(world.one, "other-admin").await;
    for csrf in ["", "0", other.as_str()] {
        let answer = world.submit("/settings/integrations/xero/connect", &session, csrf, &[]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(answer.text.contains("own page"), "{}", answer.text);
        assert!(answer.headers.get("set-cookie").is_none());
    }
    assert!(ORIGIN.starts_with("https://"));
}

/// C21, R146: a member sees the state and no form; a plan without Xero sees what to do.
#[tokio::test]
async fn members_and_lower_plans_see_what_they_may() {
    let world = World::new().await;
    world.connected(world.one, UK).await;
    let (session, csrf) = world.session(world.one, "member").await;
    let page = world.page(PAGE, Some(&session)).await;
    assert!(page.text.contains("Only admins and the owner"));
    assert!(!page.text.contains("<form"));
    let refused = world.submit("/settings/integrations/xero/connect", &session, &csrf, &[]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    world.plan(world.two, Plan::Solo).await;
    let (session, csrf) = world.session(world.two, "admin").await;
    let page = world.page(PAGE, Some(&session)).await;
    assert!(page.text.contains("Xero is part of the Studio plan.") && page.text.contains("Upgrade"));
    let refused = world.submit("/settings/integrations/xero/connect", &session, &csrf, &[]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text.contains("Studio"));
}

/// Every outcome code has its words; what a link invents is not repeated.
#[tokio::test]
async fn outcomes_are_told_and_inventions_are_not() {
    let world = World::new().await;
    let (session, _) = world.session(world.one, "admin").await;
    for code in
        ["access_denied", "invalid_state", "exchange_failed", "no_organisation", "plan_required", "ledger_unavailable", "confirm_required"]
    {
        let page = world.page(&format!("{PAGE}?connect_error={code}"), Some(&session)).await;
        assert!(page.text.contains(r#"role="alert""#), "{code}");
        assert_strict(&page);
    }
    let page = world.page(&format!("{PAGE}?connect_error=%3Cscript%3E&connected=xero&x=y"), Some(&session)).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(!page.text.contains("%3Cscript") && !page.text.contains("&lt;script"));
    let page = world.page(&format!("{PAGE}?connected=xero"), Some(&session)).await;
    assert!(!page.text.contains("Xero is connected"), "a link alone connects nothing, and says nothing");
}
