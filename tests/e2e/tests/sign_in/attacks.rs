//! The attack list against the real assertion consumer address, over HTTP.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coportal_core::workspace::Plan;
use coportal_local::caller::{Caller, Reply};
use flate2::read::DeflateDecoder;
use serde_json::json;
use simulators::identity_provider::attacks::all;
use simulators::identity_provider::response::{RSA_SHA256, key_info, sign};
use simulators::identity_provider::served::Person;
use simulators::identity_provider::{Connection, How, Key, Says, Stage};

use crate::support::{Browser, Tenant, World, hidden, parameter};

/// A connection and a sign-in that waits for its response.
struct Scene {
    world: World,
    tenant: Tenant,
    connection: String,
}

/// A sign-in under way: what the provider is asked.
struct Asked {
    browser: Browser,
    request: String,
    state: String,
    at: jiff::Timestamp,
}

impl Scene {
    async fn new() -> Self {
        let world = World::new().await;
        let tenant = world.tenant("Acme", Plan::Enterprise).await;
        world.prove(&tenant, "acme.example").await;
        let connection = world.live(&tenant, &world.saml(), Person::with("boss@acme.example")).await;
        Self { world, tenant, connection }
    }

    /// Begins a sign-in and reads what the provider would be asked.
    async fn ask(&self) -> Asked {
        let browser = Browser::new(&self.world);
        let started = browser.0.get(&format!("/v1/sso/start?connection={}", self.connection)).await.unwrap();
        let location = started.header("location");
        let deflated = STANDARD.decode(parameter(location, "SAMLRequest").unwrap()).unwrap();
        let mut xml = String::new();
        DeflateDecoder::new(deflated.as_slice()).read_to_string(&mut xml).unwrap();
        let request = xml.split(" ID=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        Asked { browser, request, state: parameter(location, "RelayState").unwrap(), at: self.world.local.cloud.clock.now() }
    }

    fn at(&self, connection: &str) -> Connection {
        let base = format!("{}/v1/sso/saml/{connection}", self.world.local.origin);
        Connection { entity_id: format!("{base}/metadata"), acs_url: format!("{base}/acs") }
    }

    fn says(&self, asked: &Asked, id: &str) -> Says {
        let good = Says::good(
            asked.at,
            &self.world.local.providers.saml_entity(),
            &self.at(&self.connection),
            &asked.request,
            "user-17",
            "ann@acme.example",
        );
        Says { response_id: format!("_r{id}"), assertion_id: format!("_a{id}"), ..good }
    }

    /// Posts fields to the assertion consumer address, as a provider's page does: without a cookie of ours.
    async fn post(&self, fields: &[(&str, &str)]) -> Reply {
        let fields: Vec<_> = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let caller = Caller::new(&self.world.local.origin).unwrap();
        caller.form(&format!("/v1/sso/saml/{}/acs", self.connection), &fields).await.unwrap()
    }

    async fn send(&self, asked: &Asked, document: &str) -> Reply {
        self.post(&[("SAMLResponse", &STANDARD.encode(document)), ("RelayState", &asked.state)]).await
    }

    /// What becomes of a good document, to the session's door.
    async fn accepted(&self, asked: &Asked, document: &str) -> Option<String> {
        let reply = self.send(asked, document).await;
        let location = reply.header("location").to_owned();
        if !location.starts_with("/v1/sso/complete?handle=") {
            return None;
        }
        let done = asked.browser.0.get(&location).await.unwrap();
        parameter(done.header("location"), "code")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attack_is_refused_at_the_real_address() {
    let scene = Scene::new().await;
    let asked = scene.ask().await;
    let (says, attacker) = (scene.says(&asked, "good"), Key::rsa().unwrap());
    let stage = Stage {
        key: scene.world.local.providers.key(),
        attacker: &attacker,
        says: says.clone(),
        own: scene.at(&scene.connection),
        other: scene.at("ssc_0123456789ab7cde8f00112233445566"),
        now: asked.at,
    };
    let attacks = all(&stage).unwrap();
    let good = says.signed(stage.key).unwrap();
    assert!(attacks.iter().all(|attack| attack.document != good), "an attack that changes nothing is none");
    let (mut refused, mut wrong) = (0, Vec::new());
    for attack in &attacks {
        let reply = scene.send(&asked, &attack.document).await;
        let error = parameter(reply.header("location"), "error").unwrap_or_default();
        // What is larger than an event may be, the gateway does not hand on.
        let too_large = reply.status.as_u16() == 413 && attack.document.len() > 4 * 1024 * 1024;
        if too_large
            || reply.status.as_u16() == 303 && attack.reasons.contains(&error.as_str()) && reply.headers.get("set-cookie").is_none()
        {
            refused += 1;
        } else {
            wrong.push(format!("{}: {} {}", attack.name, reply.status, reply.header("location")));
        }
    }
    println!("SAML over HTTP: {refused} of {} attack documents refused at the assertion consumer address", attacks.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(refused >= 62 && refused == attacks.len());
    // What the attacks were made from is good, and the sign-in that they were sent to is still there for it.
    assert!(scene.accepted(&asked, &says.signed(stage.key).unwrap()).await.is_some());
    // Nothing of any document stands in the log or the audit.
    let audit = format!("{:?}", scene.world.audit(&scene.tenant.admin).await);
    assert!(!audit.contains("user-17") && !audit.contains("evil-1") && !audit.contains("ann@"), "{audit}");
    scene.world.local.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn good_documents_are_accepted_at_the_same_address() {
    let scene = Scene::new().await;
    let key = scene.world.local.providers.key();
    let mut accepted = 0;
    for (n, shape) in ["assertion", "both", "declaration", "key info", "sha384", "sha512"].into_iter().enumerate() {
        let asked = scene.ask().await;
        let says = scene.says(&asked, &format!("{n}"));
        let signed = says.signed(key).unwrap();
        let with = |how: How<'_>| says.response(&sign(&says.assertion(), &says.assertion_id, &how).unwrap());
        let more = "http://www.w3.org/2001/04/xmldsig-more#";
        let document = match shape {
            "both" => sign(
                &says.response(&sign(&says.assertion(), &says.assertion_id, &How::new(key)).unwrap()),
                &says.response_id,
                &How::new(key),
            )
            .unwrap(),
            "declaration" => format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{signed}"),
            "key info" => with(How { key_info: key_info(&key.certificate_base64()), ..How::new(key) }),
            "sha384" => with(How { algorithm: format!("{more}rsa-sha384"), digest: format!("{more}sha384"), ..How::new(key) }),
            "sha512" => with(How {
                algorithm: format!("{more}rsa-sha512"),
                digest: "http://www.w3.org/2001/04/xmlenc#sha512".to_owned(),
                ..How::new(key)
            }),
            _ => signed,
        };
        assert!(scene.accepted(&asked, &document).await.is_some(), "{shape}");
        accepted += 1;
    }
    println!("SAML over HTTP: {accepted} good documents accepted");
    scene.world.local.shutdown().await.unwrap();
}

/// The form itself: one response, the state that was given out, this binding and no other.
#[tokio::test(flavor = "multi_thread")]
async fn forms_that_are_not_a_response_to_this_sign_in() {
    let scene = Scene::new().await;
    let asked = scene.ask().await;
    let good = STANDARD.encode(scene.says(&asked, "form").signed(scene.world.local.providers.key()).unwrap());
    let (response, relay) = (("SAMLResponse", good.as_str()), ("RelayState", asked.state.as_str()));
    let long = "A".repeat(256 * 1024 + 1);
    let longer = "A".repeat(950 * 1024);
    let other = scene.ask().await;
    let mut refused = 0;
    for (fields, reason) in [
        (vec![], "state_unknown"),
        (vec![response], "state_unknown"),
        (vec![relay], "malformed"),
        (vec![response, response, relay], "malformed"),
        (vec![response, relay, relay], "state_unknown"),
        (vec![response, ("RelayState", "")], "state_unknown"),
        (vec![response, ("RelayState", "https://evil.example/")], "state_unknown"),
        (vec![response, ("RelayState", "//evil.example")], "state_unknown"),
        (vec![response, ("RelayState", other.state.as_str())], "request_mismatch"),
        (vec![response, relay, ("SAMLRequest", "x")], "malformed"),
        (vec![response, relay, ("SAMLart", "x")], "malformed"),
        (vec![response, relay, ("SigAlg", RSA_SHA256)], "malformed"),
        (vec![("SAMLResponse", "%%%"), relay], "malformed"),
        (vec![("SAMLResponse", "/w=="), relay], "malformed"),
        (vec![("SAMLResponse", long.as_str()), relay], "too_large"),
        (vec![("SAMLResponse", longer.as_str()), relay], "too_large"),
    ] {
        let reply = scene.post(&fields).await;
        let names: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
        assert_eq!((reply.status.as_u16(), parameter(reply.header("location"), "error").as_deref()), (303, Some(reason)), "{names:?}");
        assert!(reply.header("location").starts_with("/sign-in?"), "{}", reply.header("location"));
        refused += 1;
    }
    let json = scene.world.stranger().post(&format!("/v1/sso/saml/{}/acs", scene.connection), &json!({})).await.unwrap();
    assert_eq!(parameter(json.header("location"), "error").as_deref(), Some("malformed"));
    println!("SAML over HTTP: {} forms refused", refused + 1);
    // The response that all of them carried works, once, for the sign-in that it answers.
    let page = format!(
        "<form action=\"{}\"><input name=\"SAMLResponse\" value=\"{good}\"><input name=\"RelayState\" value=\"{}\">",
        scene.at(&scene.connection).acs_url,
        asked.state
    );
    assert_eq!(hidden(&page, "RelayState"), asked.state);
    let reply = asked.browser.post_response(&page).await;
    assert!(reply.header("location").starts_with("/v1/sso/complete?handle="), "{}", reply.header("location"));
    scene.world.local.shutdown().await.unwrap();
}
