//! Xero end to end against its simulator, in process: consent, tokens, facts, contacts and invoices, and what is left when an answer is lost.

#[cfg(test)]
mod against_the_simulator {
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;
    use coportal_core::client::Address;
    use coportal_core::contact::{Contact, ContactContent, ContactStatus};
    use coportal_core::document::{DocumentStatus, DocumentWrite, RemoteDocument, Removal, WriteLine};
    use coportal_core::facts::AccountUse;
    use coportal_core::failure::{Disposition, Failure};
    use coportal_core::invoice::TaxMode;
    use coportal_core::ledger::Ledger;
    use coportal_core::oauth::TokenSet;
    use coportal_core::pricing::Totals;
    use coportal_core::secret::Secret;
    use coportal_core::sync::row::Look;
    use coportal_ledgers::exec::{Meter, Transport, TransportError};
    use coportal_ledgers::profile::Lane;
    use coportal_ledgers::{
        Access, Answered, AuthorizeRequest, ClientCredentials, Endpoints, Held, LedgerApi, Ledgers, RefreshFailure, pkce_challenge,
    };
    use futures_util::future::BoxFuture;
    use http::{Request, Response};
    use jiff::SignedDuration;
    use simulators::skeleton::consent::Consent;
    use simulators::skeleton::faults::{Fault, FaultKind};
    use simulators::xero::{Action, Config, Simulator, Which};
    use simulators::{Answer, Clock};

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const REDIRECT: &str = "https://api.coportal.example/v1/oauth/xero/callback";

    /// The simulator as a transport.
    struct InProcess(Simulator);

    impl Transport for InProcess {
        fn send<'a>(&'a self, request: Request<Bytes>, _: Duration) -> BoxFuture<'a, Result<Response<Bytes>, TransportError>> {
            Box::pin(async move {
                match self.0.handle(request).await {
                    Answer::Response(response) => Ok(response),
                    Answer::Slow { response, ticket, .. } => {
                        self.0.release(ticket);
                        Ok(response)
                    }
                    Answer::Refused => Err(TransportError::NotSent("refused".to_owned())),
                    Answer::Dropped { .. } => Err(TransportError::MaybeSent("cut".to_owned())),
                    Answer::Truncated(_) => Err(TransportError::MaybeSent("cut inside the body".to_owned())),
                }
            })
        }
    }

    struct World {
        simulator: Simulator,
        ledger: LedgerApi,
        credentials: ClientCredentials,
        meter: Meter,
    }

    /// A connected organisation.
    struct Connected {
        world: World,
        organisation: String,
        token: Secret,
    }

    fn world() -> World {
        let simulator = Simulator::new(Config {
            clock: Clock::fixed("2026-11-21T10:00:00Z".parse().unwrap()),
            client_id: "app-1".to_owned(),
            client_secret: "app secret/1".to_owned(),
            redirect_uris: vec![REDIRECT.to_owned()],
            seed: 7,
        });
        let ledgers = Ledgers::new(Arc::new(InProcess(simulator.clone())), Endpoints::default());
        let ledger = ledgers.get(Ledger::Xero).unwrap().clone();
        let credentials = ClientCredentials { client_id: "app-1".to_owned(), client_secret: Secret::new("app secret/1".to_owned()) };
        World { simulator, ledger, credentials, meter: Meter::default() }
    }

    impl World {
        /// The user's way through the consent page; the code of the callback.
        async fn consent(&self, consent: Consent) -> Secret {
            self.simulator.set_consent(consent).unwrap();
            let url = self.ledger.sign_in.authorize_url(&AuthorizeRequest {
                client_id: "app-1",
                redirect_uri: REDIRECT,
                state: "state-1",
                pkce_challenge: &pkce_challenge(&Secret::new(VERIFIER.to_owned())),
                lanes: &[Lane::Push],
            });
            let Answer::Response(response) = self.simulator.handle(Request::get(url.as_str()).body(Bytes::new()).unwrap()).await else {
                panic!("no consent page");
            };
            assert_eq!(response.status(), 302, "{response:?}");
            let back: url::Url = response.headers()["location"].to_str().unwrap().parse().unwrap();
            let pair = |name: &str| back.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
            assert_eq!(pair("state").as_deref(), Some("state-1"));
            Secret::new(pair("code").unwrap())
        }

        async fn exchange(&self, code: &Secret) -> Result<TokenSet, Failure> {
            let verifier = Secret::new(VERIFIER.to_owned());
            self.ledger.sign_in.exchange_code(&self.credentials, code, &verifier, REDIRECT, None, self.simulator.clock().now()).await
        }

        async fn refresh(&self, token: &Secret) -> Result<TokenSet, RefreshFailure> {
            self.ledger.sign_in.refresh(&self.credentials, token, None, self.simulator.clock().now()).await
        }
    }

    async fn connected() -> Connected {
        let world = world();
        let code = world.consent(Consent::approve()).await;
        let set = world.exchange(&code).await.unwrap_or_else(|failure| panic!("{failure:?}"));
        let links = world.ledger.sign_in.organisations(&set.access_token, set.auth_event.as_deref()).await.unwrap();
        assert_eq!(links.len(), 1);
        Connected { organisation: links[0].id.clone(), token: set.access_token, world }
    }

    impl Connected {
        fn access(&self) -> Access<'_> {
            Access {
                organisation: &self.organisation,
                token: &self.token,
                meter: &self.world.meter,
                timeout: Duration::from_secs(12),
                now: self.world.simulator.clock().now(),
            }
        }

        async fn make_contact(&self, name: &str, email: &str, mark: &str) -> Result<Answered<Contact>, Failure> {
            let content = ContactContent {
                name: Some(name.to_owned()),
                email: Some(email.to_owned()),
                phone: Some("+44 20 7946 0000".to_owned()),
                billing_address: Some(Address {
                    line1: Some("1 High Street".to_owned()),
                    line2: Some("Floor 2".to_owned()),
                    city: Some("Leeds".to_owned()),
                    country: Some("Côte d'Ivoire".to_owned()),
                    ..Address::default()
                }),
                our_mark: Some(mark.to_owned()),
                currency: None,
            };
            let contacts = &self.world.ledger.contacts;
            let body = contacts.contact_body(&content, None);
            contacts.write_contact(self.access(), None, &body, &format!("contact-{mark}-{name}")).await
        }

        async fn create(&self, write: &DocumentWrite, key: &str) -> Result<Answered<RemoteDocument>, Failure> {
            let documents = &self.world.ledger.documents;
            let body = documents.document_body(write);
            documents.write_document(self.access(), write.external_id.as_deref(), &body, key).await
        }

        async fn read(&self, id: &str) -> RemoteDocument {
            self.world.ledger.documents.read_document(self.access(), id).await.unwrap().value.unwrap()
        }
    }

    fn line(description: &str, quantity: &str, unit_price: &str) -> WriteLine {
        WriteLine {
            key: None,
            line_id: None,
            description: description.to_owned(),
            quantity: Some(quantity.parse().unwrap()),
            unit_price: Some(unit_price.parse().unwrap()),
            tax_code: Some("OUTPUT2".to_owned()),
            account: Some("200".to_owned()),
            rate: None,
            tax: None,
            kept: serde_json::Value::Null,
        }
    }

    fn write(contact: &str, number: &str) -> DocumentWrite {
        DocumentWrite {
            external_id: None,
            number: Some(number.to_owned()),
            reference: Some(number.to_owned()),
            url: format!("https://app.coportal.example/invoices/{number}"),
            contact: contact.to_owned(),
            currency: "GBP".parse().unwrap(),
            issue_date: "2026-11-20".parse().unwrap(),
            due_date: "2026-12-20".parse().unwrap(),
            tax_mode: Some(TaxMode::Exclusive),
            status: DocumentStatus::Draft,
            native_status: None,
            lines: vec![line("Design", "3", "10.0333"), line("Print", "2.5", "4.1")],
            removed: Vec::new(),
            version: None,
            totals: Totals::default(),
            kept: serde_json::Value::Null,
        }
    }

    fn mark(look: &str) -> Look {
        Look { mark: Some(look.to_owned()), ..Look::default() }
    }

    fn number(look: &str) -> Look {
        Look { number: Some(look.to_owned()), ..Look::default() }
    }

    #[tokio::test]
    async fn sign_in_refresh_and_unlink() {
        let world = world();
        let code = world.consent(Consent::approve()).await;
        let set = world.exchange(&code).await.unwrap_or_else(|failure| panic!("{failure:?}"));
        assert_eq!(set.access_expires_at, "2026-11-21T10:30:00Z".parse().unwrap());
        assert!(set.auth_event.is_some());
        assert_eq!(world.exchange(&code).await.err().unwrap().code, "xero_code_refused", "a code counts once");

        let links = world.ledger.sign_in.organisations(&set.access_token, set.auth_event.as_deref()).await.unwrap();
        assert_eq!(links[0].name, "Harbour & Hill Ltd");

        world.simulator.clock().advance(SignedDuration::from_mins(40));
        let old = set.refresh_token.unwrap();
        let next = world.refresh(&old).await.unwrap_or_else(|failure| panic!("{failure:?}"));
        let grace = world.refresh(&old).await;
        assert!(grace.is_ok(), "within its grace time the old one is taken again");
        assert!(matches!(world.refresh(&Secret::new("never-issued".to_owned())).await, Err(RefreshFailure::Dead)));

        world.simulator.post_faults(vec![Fault::on("/connect/token", FaultKind::TimeoutAfter)]);
        assert!(matches!(world.refresh(&next.refresh_token.unwrap()).await, Err(RefreshFailure::Unsettled { .. })));

        let link = links[0].link_id.as_deref().unwrap();
        let token = grace.unwrap_or_else(|failure| panic!("{failure:?}")).access_token;
        world.ledger.sign_in.unlink(&world.credentials, Held { access: &token, refresh: None }, link).await.unwrap();
        world.ledger.sign_in.unlink(&world.credentials, Held { access: &token, refresh: None }, link).await.unwrap();
        assert!(!world.simulator.state().organisations[0].connected);
    }

    #[tokio::test]
    async fn a_reconnected_organisation_with_its_first_event_is_still_found() {
        let world = world();
        let first = world.consent(Consent::approve()).await;
        world.exchange(&first).await.unwrap_or_else(|failure| panic!("{failure:?}"));
        let again = world.consent(Consent { keep_auth_event: true, ..Consent::approve() }).await;
        let set = world.exchange(&again).await.unwrap_or_else(|failure| panic!("{failure:?}"));
        let links = world.ledger.sign_in.organisations(&set.access_token, set.auth_event.as_deref()).await.unwrap();
        assert!(links.is_empty(), "the new consent's own list is empty");
        let links = world.ledger.sign_in.organisations(&set.access_token, None).await.unwrap();
        assert_eq!(links.len(), 1, "the whole list has it");
    }

    #[tokio::test]
    async fn facts_in_four_calls() {
        let connected = connected().await;
        let facts = connected.world.ledger.facts.facts(connected.access()).await.unwrap();
        assert_eq!(connected.world.meter.calls(), 4);
        assert!(facts.limits.minute.is_some_and(|left| left < 60));
        let facts = facts.value;
        assert_eq!((facts.name.as_str(), facts.base_currency.as_str(), facts.pays_tax), ("Harbour & Hill Ltd", "GBP", true));
        let sales: Vec<_> = facts.accounts_for(AccountUse::Sales).map(|account| account.code.as_deref()).collect();
        assert_eq!(sales, [Some("200")]);
        assert_eq!(facts.accounts_for(AccountUse::Rounding).count(), 1);
        assert_eq!(facts.rate_of("OUTPUT2").map(|rate| rate.percent()), Some("20".parse().unwrap()));
        let contact = connected.make_contact("Acme", "ann@acme.example", "coportal:cl_1").await.unwrap().value;
        let made = connected.create(&write(&contact.external_id, "CP-1"), "key-1").await.unwrap().value;
        let url = connected.world.ledger.documents.document_url(&facts, &connected.organisation, &made).unwrap();
        assert!(url.starts_with("https://go.xero.com/app/%21") && url.ends_with(&format!("/invoicing/view/{}", made.external_id)), "{url}");
    }

    #[tokio::test]
    async fn contacts_are_made_found_updated_and_guarded() {
        let connected = connected().await;
        let contacts = &connected.world.ledger.contacts;
        let made = connected.make_contact("Acme  <Print> Ltd", "ann@acme.example", "coportal:cl_1").await.unwrap().value;
        assert_eq!((made.name.as_str(), made.email.as_deref()), ("Acme Print Ltd", Some("ann@acme.example")));
        assert_eq!(made.billing_address.as_ref().unwrap().country.as_deref(), Some("Cote d Ivoire"));
        assert_eq!(made.phone.as_deref(), Some("+44 20 7946 0000"));

        for (email, name) in
            [(Some("ANN@acme.example"), None), (None, Some("acme print LTD")), (Some("none@x.example"), Some("Acme Print Ltd"))]
        {
            let found = contacts.search(connected.access(), email, name).await.unwrap().value;
            assert_eq!(found.as_slice(), std::slice::from_ref(&made), "{email:?} {name:?}");
        }
        let quoted = connected.make_contact("The \"Best\" Bakery", "b@best.example", "coportal:cl_2").await.unwrap().value;
        let found = contacts.search(connected.access(), None, Some("The \"Best\" Bakery")).await.unwrap().value;
        assert_eq!(found, [quoted]);
        let marked = contacts.look_contact(connected.access(), &mark("coportal:cl_1")).await.unwrap().value;
        assert_eq!(marked.as_slice(), std::slice::from_ref(&made));
        assert_eq!(contacts.read_contact(connected.access(), &made.external_id).await.unwrap().value, Some(made.clone()));
        let missing = contacts.read_contact(connected.access(), "99999999-9999-4999-8999-999999999999").await.unwrap();
        assert_eq!(missing.value, None);

        let change = ContactContent { email: Some("new@acme.example".to_owned()), ..blank() };
        let body = contacts.contact_body(&change, Some(&made));
        let changed = contacts.write_contact(connected.access(), Some(&made.external_id), &body, "update-1").await.unwrap().value;
        assert_eq!(changed, Contact { email: Some("new@acme.example".to_owned()), ..made.clone() });

        let clash = connected.make_contact("ACME PRINT LTD", "other@x.example", "coportal:cl_3").await.unwrap_err();
        assert!(matches!(clash.disposition, Disposition::Hold { .. }), "{clash:?}");
        let lost = connected.make_contact("Acme Two", "other@x.example", "coportal:cl_1").await.unwrap_err();
        assert_eq!(lost.disposition, Disposition::LookFirst, "our own mark is there: an earlier create of ours was saved");

        connected.world.simulator.bookkeeper(Action::ArchiveContact { contact_id: made.external_id.clone() }).unwrap();
        let found = contacts.search(connected.access(), Some("new@acme.example"), None).await.unwrap().value;
        assert_eq!(found[0].status, ContactStatus::Archived);
        let refused = connected.create(&write(&made.external_id, "CP-9"), "key-9").await.unwrap_err();
        assert_eq!(refused.code, "xero_contact_archived");
    }

    fn blank() -> ContactContent {
        ContactContent { name: None, email: None, phone: None, billing_address: None, our_mark: None, currency: None }
    }

    #[tokio::test]
    async fn an_invoice_from_draft_to_void() {
        let connected = connected().await;
        let contact = connected.make_contact("Acme", "ann@acme.example", "coportal:cl_1").await.unwrap().value;
        let made = connected.create(&write(&contact.external_id, "CP-1001"), "key-1").await.unwrap().value;
        assert_eq!(
            (made.status, made.number.as_deref(), made.url.as_deref()),
            (DocumentStatus::Draft, Some("CP-1001"), Some("https://app.coportal.example/invoices/CP-1001"))
        );
        assert_eq!(made.lines[0].unit_price, Some("10.0333".parse().unwrap()), "four decimals");
        // 30.10 and 10.25, taxed 6.02 and 2.05: per line, then summed.
        assert_eq!(
            (made.totals.subtotal, made.totals.tax, made.totals.total),
            ("40.35".parse().unwrap(), "8.07".parse().unwrap(), "48.42".parse().unwrap())
        );
        assert_eq!(connected.read(&made.external_id).await.lines, made.lines);

        for look in [
            number("CP-1001"),
            Look { reference: Some("CP-1001".to_owned()), ..number("CP-1001") },
            Look { contact: Some(contact.external_id.clone()), ..Look::default() },
        ] {
            let found = connected.world.ledger.documents.look(connected.access(), &look).await.unwrap().value;
            assert_eq!(found.len(), 1, "{look:?}");
            assert_eq!(found[0].lines.len(), 2, "with lines");
        }

        connected
            .world
            .simulator
            .bookkeeper(Action::EditLine {
                document_id: made.external_id.clone(),
                line: Which::Position(0),
                description: None,
                quantity: None,
                unit_price: None,
                account: None,
                tax_type: None,
                tracking: Some(vec!["Region: North".to_owned()]),
            })
            .unwrap();
        let there = connected.read(&made.external_id).await;
        let lines = there.lines.iter().map(|remote| WriteLine {
            line_id: remote.line_id.clone(),
            description: format!("{} (updated)", remote.description),
            account: remote.account.clone(),
            kept: remote.kept.clone(),
            ..line("", &remote.quantity.unwrap().to_string(), &remote.unit_price.unwrap().to_string())
        });
        let update = DocumentWrite {
            external_id: Some(made.external_id.clone()),
            native_status: Some(there.native_status.clone()),
            lines: lines.collect(),
            ..write(&contact.external_id, "CP-1001")
        };
        let updated = connected.create(&update, "key-2").await.unwrap().value;
        assert_eq!(
            updated.lines.iter().map(|line| &line.line_id).collect::<Vec<_>>(),
            made.lines.iter().map(|line| &line.line_id).collect::<Vec<_>>()
        );
        assert_eq!(updated.lines[0].description, "Design (updated)");
        assert_eq!(updated.lines[0].kept, there.lines[0].kept, "C29: the bookkeeper's tracking stays");
        assert_ne!(updated.lines[0].kept, serde_json::Value::Null);

        let approve = DocumentWrite { status: DocumentStatus::Approved, native_status: None, ..update };
        let approved = connected.create(&approve, "key-3").await.unwrap().value;
        assert_eq!((approved.status, approved.native_status.as_str()), (DocumentStatus::Approved, "AUTHORISED"));

        let documents = &connected.world.ledger.documents;
        let body = documents.void_body(&approved, Removal::Void);
        let voided = documents.void_document(connected.access(), &made.external_id, &body, "key-4").await.unwrap().value;
        assert!(voided.status.is_gone());
        let again = connected.create(&approve, "key-5").await.unwrap_err();
        assert_eq!(again.code, "xero_document_locked");
        let taken = connected.create(&write(&contact.external_id, "CP-1001"), "key-6").await.unwrap_err();
        assert_eq!(taken.code, "xero_number_taken", "a voided invoice keeps its number");
    }

    #[tokio::test]
    async fn a_lost_answer_is_found_again_and_nothing_is_made_twice() {
        let connected = connected().await;
        let contact = connected.make_contact("Acme", "ann@acme.example", "coportal:cl_1").await.unwrap().value;
        let draft = write(&contact.external_id, "CP-1");
        for kind in [FaultKind::TimeoutAfter, FaultKind::Truncate, FaultKind::Garbage] {
            connected.world.simulator.post_faults(vec![Fault::on("/Invoices", kind)]);
            let lost = connected.create(&draft, "key-1").await.unwrap_err();
            assert_eq!(lost.disposition, Disposition::LookFirst, "{kind:?}");
            let found = connected.world.ledger.documents.look(connected.access(), &number("CP-1")).await.unwrap().value;
            assert_eq!(found.len(), 1, "{kind:?}");
            // The same key and body is answered with the first answer; other content under it is not.
            let replay = connected.create(&draft, "key-1").await.unwrap().value;
            assert_eq!(replay.external_id, found[0].external_id);
        }
        let other = DocumentWrite { due_date: "2027-01-31".parse().unwrap(), ..draft.clone() };
        let reused = connected.create(&other, "key-1").await.unwrap_err();
        assert_eq!((reused.code.as_ref(), reused.disposition), ("xero_key_reused", Disposition::LookFirst));
        connected.world.simulator.post_faults(vec![Fault::on("/Invoices", FaultKind::Refuse)]);
        let refused = connected.create(&write(&contact.external_id, "CP-2"), "key-2").await.unwrap_err();
        assert!(refused.certainly_not_done());
        assert_eq!(connected.world.simulator.state().documents.len(), 1);
    }

    #[tokio::test]
    async fn dead_tokens_lost_organisations_and_foreign_choices_are_told_apart() {
        let connected = connected().await;
        let contact = connected.make_contact("Acme", "ann@acme.example", "coportal:cl_1").await.unwrap().value;
        let draft = write(&contact.external_id, "CP-1");
        let account = DocumentWrite { lines: vec![WriteLine { account: Some("999".to_owned()), ..line("A", "1", "1") }], ..draft.clone() };
        let refused = connected.create(&account, "key-1").await.unwrap_err();
        assert_eq!((refused.code.as_ref(), refused.facts_stale), ("xero_account_refused", true));
        let currency = DocumentWrite { currency: "JPY".parse().unwrap(), ..draft.clone() };
        assert_eq!(connected.create(&currency, "key-2").await.unwrap_err().code, "xero_currency_missing");

        connected.world.simulator.bookkeeper(Action::Disconnect { organisation: connected.organisation.clone() }).unwrap();
        let unlinked = connected.create(&draft, "key-3").await.unwrap_err();
        assert_eq!(unlinked.disposition, Disposition::Reauthorize);
        connected.world.simulator.clock().advance(SignedDuration::from_hours(1));
        let expired = connected.create(&draft, "key-4").await.unwrap_err();
        assert_eq!((expired.code.as_ref(), expired.disposition), ("xero_token_refused", Disposition::Reauthorize));
    }

    #[tokio::test]
    async fn a_hit_limit_says_when_to_come_back() {
        let connected = connected().await;
        let contacts = &connected.world.ledger.contacts;
        let mut outcome = contacts.look_contact(connected.access(), &mark("coportal:cl_1")).await;
        for _ in 0..60 {
            if outcome.is_ok() {
                outcome = contacts.look_contact(connected.access(), &mark("coportal:cl_1")).await;
            }
        }
        let limited = outcome.unwrap_err();
        assert_eq!(limited.code, "xero_limit_minute");
        let Disposition::Retry { not_before: Some(at) } = limited.disposition else { panic!("{:?}", limited.disposition) };
        assert!(at <= connected.access().now + SignedDuration::from_mins(1), "{at}");
    }
}
