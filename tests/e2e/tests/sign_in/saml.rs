//! Any SAML 2.0 provider.

use coportal_core::workspace::Plan;
use simulators::identity_provider::served::Person;

use crate::support::{Browser, World, parameter};

/// R102, R108: the metadata's address is all that is needed.
#[tokio::test]
async fn somebody_signs_in_through_saml_and_a_response_works_once() {
    let world = World::new().await;
    let tenant = world.tenant("Acme", Plan::Enterprise).await;
    world.prove(&tenant, "acme.example").await;
    let id = world.live(&tenant, &world.saml(), Person::with("boss@acme.example")).await;
    world.person(Person { name: Some("Ann & Co".to_owned()), ..Person::with("ann@acme.example") });
    let browser = Browser::new(&world);
    let session = browser.session("ann@acme.example").await;
    assert_eq!((session["workspace"]["id"].as_str(), session["user"]["name"].as_str()), (Some(tenant.id.as_str()), Some("Ann & Co")));
    assert_eq!(browser.who().await.status.as_u16(), 200);
    // The provider's session is eight hours, so ours is no longer.
    world.local.advance(jiff::SignedDuration::from_mins(100));
    for _ in 0..4 {
        assert_eq!(browser.who().await.status.as_u16(), 200);
        world.local.advance(jiff::SignedDuration::from_mins(100));
    }
    assert_eq!(browser.who().await.status.as_u16(), 401);

    // One response, sent twice at the same time and once more.
    let browser = Browser::new(&world);
    let start = browser.discover("ann@acme.example").await["start_url"].as_str().unwrap().to_owned();
    let page = browser.0.browse(&start).await.unwrap().last().unwrap().reply.text();
    let (one, two) = tokio::join!(browser.post_response(&page), browser.post_response(&page));
    let three = browser.post_response(&page).await;
    let ends = [one, two, three].map(|reply| reply.header("location").to_owned());
    let handles: Vec<_> = ends.iter().filter(|end| end.starts_with("/v1/sso/complete?handle=")).collect();
    assert_eq!(handles.len(), 1, "{ends:?}");
    assert_eq!(ends.iter().filter(|end| parameter(end, "error").as_deref() == Some("replayed")).count(), 2, "{ends:?}");
    // Its handle goes on in the browser that began, once.
    let stranger = world.stranger().get(handles[0]).await.unwrap();
    assert_eq!(parameter(stranger.header("location"), "error").as_deref(), Some("other_browser"));
    let done = browser.0.get(handles[0]).await.unwrap();
    assert!(parameter(done.header("location"), "code").is_some(), "{}", done.header("location"));
    let again = browser.0.get(handles[0]).await.unwrap();
    assert_eq!(parameter(again.header("location"), "error").as_deref(), Some("state_unknown"));
    assert_eq!((done.header("referrer-policy"), done.header("cache-control")), ("no-referrer", "no-store"));
    let metadata = world.stranger().get(&format!("/v1/sso/saml/{id}/metadata")).await.unwrap();
    assert!(metadata.text().contains(&format!("/v1/sso/saml/{id}/acs")) && metadata.header("content-type").contains("samlmetadata"));
    world.local.shutdown().await.unwrap();
}
