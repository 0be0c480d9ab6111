//! What a person clicks through at `cargo run`: our page, the provider's, and back with a session, for each protocol.

use coportal_local::caller::{Caller, Reply};
use coportal_local::run::{GOOGLE_DOMAIN, LocalRun, RunOptions, SAML_DOMAIN};

use crate::support;

/// The form of a page: where it is sent, and the fields that it brings along.
fn form(page: &str) -> (String, Vec<(String, String)>) {
    let plain = |text: &str| text.replace("&amp;", "&").replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">");
    let (_, rest) = page.split_once("action=\"").unwrap_or_else(|| panic!("no form in {page}"));
    let action = plain(rest.split('"').next().unwrap());
    let hidden = page.split("<input").skip(1).filter(|input| input.contains("type=\"hidden\""));
    let fields = hidden.map(|input| {
        let value = |name: &str| plain(input.split_once(&format!("{name}=\"")).unwrap().1.split('"').next().unwrap());
        (value("name"), value("value"))
    });
    (action, fields.collect())
}

/// Follows redirects to the next page.
async fn land(browser: &Caller, reply: Reply) -> Reply {
    if !reply.status.is_redirection() {
        return reply;
    }
    let hops = browser.browse(reply.header("location")).await.unwrap();
    hops.into_iter().next_back().unwrap().reply
}

/// R103, R104.
#[tokio::test]
async fn somebody_clicks_through_sign_in_by_each_protocol() {
    let local = LocalRun::start(RunOptions { clock: support::clock(), demo_workspace: true, ..RunOptions::default() }).await.unwrap();
    for (domain, posts_by_itself) in [(GOOGLE_DOMAIN, 1), (SAML_DOMAIN, 2)] {
        let browser = Caller::new(&local.origin).unwrap();
        let page = browser.get("/sign-in?return_to=/settings/integrations").await.unwrap();
        // Chromium holds `form-action` against the redirects that follow a form, and these lead to a provider.
        let policy = page.header("content-security-policy");
        assert!(policy.contains("form-action 'self' https: http:;") && !policy.contains("unsafe"), "{policy}");
        let (action, mut fields) = form(&page.text());
        fields.push(("email".to_owned(), format!("ann@{domain}")));
        let reply = browser.form(&action, &fields).await.unwrap();
        let asked = land(&browser, reply).await;
        assert!(asked.text().contains("Who are you?"), "{domain}: {}", asked.text());
        let (action, mut fields) = form(&asked.text());
        fields.extend([("email".to_owned(), format!("ann@{domain}")), ("name".to_owned(), "Ann".to_owned())]);
        let reply = browser.form(&action, &fields).await.unwrap();
        let mut page = land(&browser, reply).await;
        for _ in 0..posts_by_itself {
            let (action, fields) = form(&page.text());
            let reply = browser.form(&action, &fields).await.unwrap();
            assert!(reply.status.is_redirection(), "{domain}: {} {}", reply.status, reply.text());
            page = land(&browser, reply).await;
        }
        let me = browser.get("/v1/session").await.unwrap();
        assert_eq!(
            (me.status.as_u16(), me.json()["user"]["email"].as_str()),
            (200, Some(format!("ann@{domain}").as_str())),
            "{}",
            me.text()
        );
        assert!(page.text().contains("Integrations"), "{domain}: {}", page.text());
    }
    // Somebody whose domain leads nowhere is told so.
    let stranger = Caller::new(&local.origin).unwrap();
    let told = stranger.form("/sign-in", &[("email".to_owned(), "ann@elsewhere.example".to_owned())]).await.unwrap();
    assert!(told.status.is_success() && told.text().contains("ordinary sign-in"), "{}", told.text());
    local.shutdown().await.unwrap();
}
