//! Settings, Single sign-on as a person meets it: forms alone, from the domain to the break-glass code (R105, C23, C24).

use coportal_core::workspace::Plan;
use coportal_lambda::authn::csrf_token;
use coportal_local::caller::{Caller, Reply};
use http::Method;
use serde_json::json;
use simulators::identity_provider::served::Person;

use crate::support::{Browser, Tenant, World};

const PAGE: &str = "/settings/sso";

/// A person in a browser, signed in the ordinary way.
struct At<'w> {
    world: &'w World,
    browser: Caller,
}

impl<'w> At<'w> {
    async fn new(world: &'w World, token: &str) -> Self {
        let browser = world.stranger();
        let signed = browser.get(&format!("/__local/sign-in?token={token}")).await.unwrap();
        assert_eq!(signed.status.as_u16(), 303, "{}", signed.text());
        Self { world, browser }
    }

    async fn page(&self) -> String {
        let page = self.browser.get(PAGE).await.unwrap();
        assert_eq!(page.status.as_u16(), 200, "{}", page.text());
        strict(&page);
        page.text()
    }

    /// Sends a form of the page.
    async fn submit(&self, what: &str, fields: &[(&str, &str)]) -> Reply {
        let csrf = csrf_token(&self.browser.cookie("__Host-coportal").unwrap());
        self.submit_with(&csrf, what, fields).await
    }

    async fn submit_with(&self, csrf: &str, what: &str, fields: &[(&str, &str)]) -> Reply {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("_csrf", csrf).extend_pairs(fields);
        let headers = [("origin", self.world.local.origin.as_str()), ("content-type", "application/x-www-form-urlencoded")];
        self.browser.send_text(Method::POST, &format!("{PAGE}{what}"), &form.finish(), &headers).await.unwrap()
    }

    /// The page that a form led back to.
    async fn led(&self, reply: &Reply) -> String {
        assert_eq!(reply.status.as_u16(), 303, "{}", reply.text());
        let page = self.browser.get(reply.header("location").split('#').next().unwrap()).await.unwrap();
        strict(&page);
        page.text()
    }
}

fn strict(page: &Reply) {
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    let text = page.text();
    for inline in ["<style", " style=", " onclick=", "javascript:", "<script>"] {
        assert!(!text.contains(inline), "{inline}");
    }
}

/// What stands between the first `before` after `from` and the next `"`.
fn after<'t>(text: &'t str, before: &str) -> &'t str {
    text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}")).1.split(['"', '<']).next().unwrap()
}

async fn acme() -> (World, Tenant) {
    let world = World::new().await;
    let tenant = world.tenant("Acme", Plan::Enterprise).await;
    (world, tenant)
}

/// R105: the whole way by forms: domain, record, live check, provider, test, offered, required with its codes, in by a code.
#[tokio::test]
async fn r105_an_owner_sets_single_sign_on_up_by_forms() {
    let (world, tenant) = acme().await;
    let owner = At::new(&world, &tenant.owner_token).await;
    let page = owner.page().await;
    assert!(page.contains("Your e-mail domain") && page.contains("Which provider?"), "{page}");

    let refused = owner.submit("/domains", &[("domain", "gmail.com")]).await;
    assert_eq!(refused.status.as_u16(), 422);
    assert!(refused.text().contains(r#"value="gmail.com""#) && refused.text().contains("cannot be claimed"), "{}", refused.text());
    let page = owner.led(&owner.submit("/domains", &[("domain", "acme.example")]).await).await;
    assert!(page.contains("Set this record now") && page.contains("Record needed"), "{page}");
    let id = after(&page, "/settings/sso/domains/").split('/').next().unwrap().to_owned();
    let record = after(&page, &format!(r#"id="{id}-record">"#)).to_owned();
    let value = after(&page, &format!(r#"id="{id}-value">"#)).to_owned();
    let page = owner.led(&owner.submit(&format!("/domains/{id}/verify"), &[]).await).await;
    assert!(page.contains("The record is not there yet"), "{page}");
    world.local.dns.put(&record, vec![value]);
    let page = owner.led(&owner.submit(&format!("/domains/{id}/verify"), &[]).await).await;
    assert!(page.contains("The domain is proved") && page.contains(">Proved<"), "{page}");

    let refused =
        owner.submit("/connections", &[("provider", "saml"), ("metadata_url", ""), ("metadata_xml", ""), ("entity_id", "")]).await;
    assert_eq!(refused.status.as_u16(), 422, "{}", refused.text());
    let refused = owner.submit("/connections", &[("metadata_url", "")]).await;
    assert!(refused.text().contains("Choose Google Workspace"), "{}", refused.text());
    let url = world.local.providers.metadata_url();
    let page = owner.led(&owner.submit("/connections", &[("provider", "saml"), ("metadata_url", &url)]).await).await;
    assert!(page.contains("The connection was made") && page.contains("Not tested") && page.contains("Reply address (ACS)"), "{page}");
    let id = after(&page, "/settings/sso/connections/").split('/').next().unwrap().to_owned();
    let early = owner.submit(&format!("/connections/{id}/enforce"), &[("enforcement", "offer")]).await;
    assert_eq!(early.status.as_u16(), 409, "nothing goes live untested: {}", early.text());

    world.person(Person::with("boss@acme.example"));
    let out = owner.submit(&format!("/connections/{id}/test"), &[]).await;
    assert_eq!(out.status.as_u16(), 303, "{}", out.text());
    let ended = Browser(owner.browser.clone()).go(out.header("location")).await;
    let told = owner.browser.get(&ended).await.unwrap();
    strict(&told);
    assert!(told.text().contains("The test passed") && told.text().contains("Back to single sign-on"), "{}", told.text());
    let page = owner.page().await;
    assert!(page.contains("The last try passed") && page.contains("Tested, off"), "{page}");

    let page = owner.led(&owner.submit(&format!("/connections/{id}/enforce"), &[("enforcement", "offer")]).await).await;
    assert!(page.contains(">Offered<"), "{page}");
    let unread = owner
        .submit(&format!("/connections/{id}/enforce"), &[("enforcement", "require"), ("break_glass_email", "boss@acme.example")])
        .await;
    assert_eq!(unread.status.as_u16(), 422);
    assert!(unread.text().contains("Tick that you have read"), "{}", unread.text());
    let fields = [("enforcement", "require"), ("break_glass_email", "boss@acme.example"), ("confirm", "yes")];
    let required = owner.submit(&format!("/connections/{id}/enforce"), &fields).await;
    assert_eq!(required.status.as_u16(), 200, "the codes are in the answer itself: {}", required.text());
    strict(&required);
    assert_eq!(required.header("cache-control"), "no-store");
    let codes: Vec<String> = after(&required.text(), r#"id="codes">"#).lines().map(str::to_owned).collect();
    assert_eq!(codes.len(), 8, "{}", required.text());

    // The owner's own ordinary session has ended with it; the code is the way in, once.
    world.local.advance(jiff::SignedDuration::from_secs(2));
    assert_eq!(owner.browser.get(PAGE).await.unwrap().status.as_u16(), 403);
    let by_code = |origin: String, code: String| {
        let browser = world.stranger();
        async move {
            let body = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs([("email", "boss@acme.example"), ("code", code.as_str())])
                .finish();
            let headers = [("origin", origin.as_str()), ("content-type", "application/x-www-form-urlencoded")];
            let reply = browser.send_text(Method::POST, "/sign-in/break-glass", &body, &headers).await.unwrap();
            (browser, reply)
        }
    };
    let own = world.local.origin.clone();
    let (_, forged) = by_code("https://evil.example".to_owned(), codes[0].clone()).await;
    assert_eq!(forged.status.as_u16(), 403, "another site's form signs nobody in");
    let (_, wrong) = by_code(own.clone(), "0000-0000".to_owned()).await;
    assert_eq!(wrong.status.as_u16(), 401);
    assert!(!wrong.text().contains("0000-0000"), "a code is not written back");
    let (browser, let_in) = by_code(own.clone(), codes[0].clone()).await;
    assert_eq!((let_in.status.as_u16(), let_in.header("location")), (303, PAGE), "{}", let_in.text());
    let page = browser.get(PAGE).await.unwrap();
    assert!(page.text().contains(">Required<") && page.text().contains("7 unused codes"), "{}", page.text());
    assert_eq!(by_code(own, codes[0].clone()).await.1.status.as_u16(), 401, "once");
    world.local.shutdown().await.unwrap();
}

/// A member is refused, a forged form too; another workspace's connection is not there; a lower plan is told what to do.
#[tokio::test]
async fn who_may_not_changes_nothing() {
    let (world, tenant) = acme().await;
    let id = world.connect(&tenant, &json!({"provider": "google"})).await;
    let member = At::new(&world, &World::member_token(&tenant)).await;
    let page = member.browser.get(PAGE).await.unwrap();
    assert_eq!(page.status.as_u16(), 403);
    strict(&page);
    assert_eq!(member.submit(&format!("/connections/{id}/remove"), &[]).await.status.as_u16(), 403);
    let owner = At::new(&world, &tenant.owner_token).await;
    assert_eq!(owner.submit_with("", &format!("/connections/{id}/remove"), &[]).await.status.as_u16(), 403);
    let other = world.tenant("Other", Plan::Enterprise).await;
    let theirs = At::new(&world, &other.owner_token).await;
    for what in ["remove", "test"] {
        assert_eq!(theirs.submit(&format!("/connections/{id}/{what}"), &[]).await.status.as_u16(), 404, "{what}");
    }
    assert!(owner.page().await.contains("Google Workspace"), "it is still there");
    let small = world.tenant("Small", Plan::Studio).await;
    let page = At::new(&world, &small.owner_token).await.page().await;
    assert!(page.contains("part of the Enterprise plan") && !page.contains("<form"), "{page}");
    let admin = At::new(&world, &tenant.admin_token).await;
    let page = admin.page().await;
    assert!(page.contains("They are issued to an owner") && !page.contains("/settings/sso/break-glass"), "{page}");
    assert_eq!(admin.submit("/break-glass", &[]).await.status.as_u16(), 403);
    world.local.shutdown().await.unwrap();
}
