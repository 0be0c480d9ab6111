//! The contact lists of all ledgers against their simulators: every contact once, archived ones included, in as few pages as there can be;
//! and what a list shows of a contact is what a search shows.

#[cfg(test)]
mod against_the_simulators {
    use std::collections::BTreeSet;
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;
    use coportal_core::ledger::Ledger;
    use coportal_core::secret::Secret;
    use coportal_ledgers::exec::{Meter, Transport, TransportError};
    use coportal_ledgers::profile::Lane;
    use coportal_ledgers::{Access, AuthorizeRequest, ClientCredentials, Endpoints, LedgerApi, Ledgers, ListedContact, pkce_challenge};
    use futures_util::future::BoxFuture;
    use http::{Request, Response};
    use jiff::Timestamp;
    use serde_json::{Value, json};
    use simulators::skeleton::config::Config;
    use simulators::skeleton::consent::Consent;
    use simulators::skeleton::simulator::AnyLedger;
    use simulators::skeleton::state::Seed;
    use simulators::{Answer, Clock, business_central, quickbooks, sage, xero};

    const REDIRECT: &str = "https://api.coportal.example/v1/oauth/callback";
    const NOW: &str = "2026-11-21T10:00:00Z";

    struct InProcess(Arc<dyn AnyLedger>);

    impl Transport for InProcess {
        fn send<'a>(&'a self, request: Request<Bytes>, _: Duration) -> BoxFuture<'a, Result<Response<Bytes>, TransportError>> {
            Box::pin(async move {
                let answer = self.0.handle(request).await;
                let Answer::Response(response) = answer else { panic!("no fault was posted: {answer:?}") };
                Ok(response)
            })
        }
    }

    struct World {
        ledger: LedgerApi,
        organisation: String,
        token: Secret,
        meter: Meter,
    }

    /// A connected organisation with `contacts` beside those that it comes with.
    async fn world(ledger: Ledger, contacts: Vec<Value>) -> World {
        let now: Timestamp = NOW.parse().unwrap();
        let config = Config {
            clock: Clock::fixed(now),
            client_id: "app-1".to_owned(),
            client_secret: "secret-1".to_owned(),
            redirect_uris: vec![REDIRECT.to_owned()],
            seed: 7,
        };
        let simulator: Arc<dyn AnyLedger> = match ledger {
            Ledger::Xero => Arc::new(xero::Simulator::new(config)),
            Ledger::Quickbooks => Arc::new(quickbooks::Simulator::new(config)),
            Ledger::Sage => Arc::new(sage::Simulator::new(config)),
            Ledger::BusinessCentral => Arc::new(business_central::Simulator::new(config)),
        };
        simulator.seed(&serde_json::from_value::<Seed>(json!({ "contacts": contacts })).unwrap()).unwrap();
        simulator.set_consent(Consent::approve()).unwrap();
        let ledgers = Ledgers::new(Arc::new(InProcess(simulator.clone())), Endpoints::default());
        let api = ledgers.get(ledger).unwrap().clone();
        let credentials = ClientCredentials { client_id: "app-1".to_owned(), client_secret: Secret::new("secret-1".to_owned()) };
        let verifier = Secret::new("v".repeat(43));
        let url = api.sign_in.authorize_url(&AuthorizeRequest {
            client_id: "app-1",
            redirect_uri: REDIRECT,
            state: "state-1",
            pkce_challenge: &pkce_challenge(&verifier),
            lanes: &[Lane::Import],
        });
        let Answer::Response(page) = simulator.handle(Request::get(url.as_str()).body(Bytes::new()).unwrap()).await else { panic!() };
        let back: url::Url = page.headers()["location"].to_str().unwrap().parse().unwrap();
        let query = |name: &str| back.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let (code, realm) = (Secret::new(query("code").unwrap()), query("realmId"));
        let tokens = api.sign_in.exchange_code(&credentials, &code, &verifier, REDIRECT, realm.as_deref(), now).await.unwrap();
        let all = api.sign_in.organisations(&tokens.access_token, tokens.auth_event.as_deref()).await.unwrap();
        // Where several are reached, the one that was seeded is the simulator's first.
        let first = simulator.state().organisations[0].id.clone();
        let chosen = all.iter().find(|one| one.id.contains(&first)).unwrap_or(&all[0]).id.clone();
        World { ledger: api, organisation: chosen, token: tokens.access_token, meter: Meter::default() }
    }

    impl World {
        fn access(&self) -> Access<'_> {
            let timeout = Duration::from_secs(60);
            Access { organisation: &self.organisation, token: &self.token, meter: &self.meter, timeout, now: NOW.parse().unwrap() }
        }

        /// Everything, and in how many calls.
        async fn everything(&self) -> (Vec<ListedContact>, u32, Option<u32>) {
            let before = self.meter.calls();
            let (mut all, mut cursor) = (Vec::new(), None::<String>);
            loop {
                let page = self.ledger.contact_list.contact_page(self.access(), cursor.as_deref()).await;
                let page = page.unwrap_or_else(|failure| panic!("{failure:?}")).value;
                all.extend(page.contacts);
                match page.next {
                    Some(next) => cursor = Some(next),
                    None => return (all, self.meter.calls() - before, page.expected),
                }
            }
        }
    }

    fn contacts(count: usize) -> Vec<Value> {
        let one = |n: usize| {
            let archived = if n % 10 == 9 { "archived" } else { "active" };
            json!({ "name": format!("Listed {n:05} Ltd"), "email": format!("office{n}@listed.example"), "status": archived })
        };
        (0..count).map(one).collect()
    }

    #[tokio::test]
    async fn every_contact_comes_once_in_the_largest_pages() {
        for (ledger, most, counts) in [
            (Ledger::Xero, 1_000, true),
            (Ledger::Quickbooks, 1_000, false),
            (Ledger::Sage, 200, true),
            (Ledger::BusinessCentral, 20_000, true),
        ] {
            let world = world(ledger, contacts(most + 1)).await;
            let (all, calls, expected) = world.everything().await;
            assert_eq!(calls, 2, "{ledger}");
            let ids: BTreeSet<&str> = all.iter().map(|one| one.external_id.as_str()).collect();
            assert_eq!(ids.len(), all.len(), "{ledger}: none comes twice");
            assert_eq!(expected, counts.then(|| u32::try_from(all.len()).unwrap()), "{ledger}");
            let seeded: Vec<&ListedContact> = all.iter().filter(|one| one.name.starts_with("Listed ")).collect();
            assert_eq!(seeded.len(), most + 1, "{ledger}");
            let archived = seeded.iter().filter(|one| one.archived).count();
            assert_eq!(archived, (most + 1) / 10, "{ledger}: archived ones are listed, and say so");
            let last = seeded.iter().find(|one| one.name == format!("Listed {most:05} Ltd")).unwrap();
            assert_eq!(last.email.as_deref(), Some(format!("office{most}@listed.example").as_str()), "{ledger}");
        }
    }

    /// R27, C3: a bulk match from the list decides on what a search would have shown.
    #[tokio::test]
    async fn a_listed_contact_is_shown_as_a_search_shows_it() {
        for ledger in Ledger::ALL {
            let mut seeded = vec![
                json!({ "name": "Acme Ltd", "email": "ann@acme.example" }),
                json!({ "name": "Another Ltd", "email": "Ann@Acme.example" }),
                json!({ "name": "Third Ltd", "email": "third@acme.example" }),
                json!({ "name": "Old Acme", "email": "ann@acme.example", "status": "archived" }),
            ];
            if matches!(ledger, Ledger::Quickbooks | Ledger::BusinessCentral) {
                let between = if ledger == Ledger::Quickbooks { ", " } else { ";" };
                seeded.push(json!({ "name": "Fourth Ltd", "email": format!("bob@acme.example{between}ann@acme.example") }));
            }
            let world = world(ledger, seeded).await;
            let (all, ..) = world.everything().await;
            for (email, name) in [
                (Some("ann@acme.example"), Some("Acme Ltd")),
                (Some("ann@acme.example"), None),
                (None, Some("ACME  ltd")),
                (Some("bob@acme.example"), Some("Nobody")),
                (Some("nobody@acme.example"), Some("Old Acme")),
            ] {
                let found = world.ledger.contacts.search(world.access(), email, name).await.unwrap().value;
                let mut searched: Vec<_> = found.into_iter().map(|one| (one.external_id, one.name, one.email, one.status)).collect();
                let shown = all.iter().filter_map(|one| world.ledger.contact_list.shown(one, email, name));
                let mut listed: Vec<_> = shown.map(|one| (one.external_id, one.name, one.email, one.status)).collect();
                searched.sort_by(|a, b| a.0.cmp(&b.0));
                listed.sort_by(|a, b| a.0.cmp(&b.0));
                assert_eq!(listed, searched, "{ledger}: {email:?} {name:?}");
            }
        }
    }
}
