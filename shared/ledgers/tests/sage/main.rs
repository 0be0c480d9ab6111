//! Sage end to end against its simulator, over real HTTP: consent, tokens, businesses, facts, contacts, invoices and payments, and what is
//! left when an answer is lost.

#[cfg(test)]
mod against_the_simulator {
    use std::sync::Arc;
    use std::time::Duration;

    use coportal_core::client::Address;
    use coportal_core::contact::{Contact, ContactContent, ContactStatus};
    use coportal_core::document::{
        Changeable, DocumentStatus, DocumentWrite, Paid, PaymentWrite, RemoteDocument, RemotePayment, Removal, WriteLine,
    };
    use coportal_core::facts::AccountUse;
    use coportal_core::failure::{Disposition, Failure, Question};
    use coportal_core::invoice::TaxMode;
    use coportal_core::ledger::Ledger;
    use coportal_core::oauth::TokenSet;
    use coportal_core::pricing::Totals;
    use coportal_core::secret::Secret;
    use coportal_core::sync::row::Look;
    use coportal_ledgers::exec::{Egress, HttpTransport, Meter};
    use coportal_ledgers::profile::Lane;
    use coportal_ledgers::{
        Access, AuthorizeRequest, ClientCredentials, Endpoints, Held, LedgerApi, Ledgers, RefreshFailure, pkce_challenge,
    };
    use jiff::SignedDuration;
    use rust_decimal::Decimal;
    use simulators::Clock;
    use simulators::sage::{Action, Config, Simulator, Which};
    use simulators::skeleton::consent::Consent;
    use simulators::skeleton::faults::{Fault, FaultKind};
    use simulators::skeleton::state::Seed;
    use tokio::net::TcpListener;

    mod faults;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const REDIRECT: &str = "https://api.coportal.example/v1/oauth/sage/callback";
    const BRITISH: &str = "Harbour & Lane Ltd";
    const IRISH: &str = "Liffey Studio Ltd";
    const SOUTH_AFRICAN: &str = "Karoo Trading (Pty) Ltd";

    struct World {
        simulator: Simulator,
        ledger: LedgerApi,
        credentials: ClientCredentials,
        meter: Meter,
    }

    /// A connected business.
    struct Connected {
        world: World,
        organisation: String,
        tokens: TokenSet,
    }

    /// The simulator behind a socket, and the product's own transport to it.
    async fn world() -> World {
        let simulator = Simulator::new(Config {
            clock: Clock::fixed("2026-11-21T10:00:00Z".parse().unwrap()),
            client_id: "app-1".to_owned(),
            client_secret: "app secret/1".to_owned(),
            redirect_uris: vec![REDIRECT.to_owned()],
            seed: 7,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(simulator.clone().serve(listener, std::future::pending()));
        let mut endpoints = Endpoints::default();
        endpoints.simulate(Ledger::Sage, &origin);
        let transport = HttpTransport::new(Egress::of(endpoints.called()).unwrap()).unwrap();
        let ledger = Ledgers::new(Arc::new(transport), endpoints).get(Ledger::Sage).unwrap().clone();
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
            let request = http::Request::get(url.as_str()).body(bytes::Bytes::new()).unwrap();
            let simulators::Answer::Response(response) = self.simulator.handle(request).await else { panic!("no consent page") };
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

    async fn connected_to(name: &str) -> Connected {
        let world = world().await;
        let code = world.consent(Consent::approve_only(&[name])).await;
        let tokens = world.exchange(&code).await.unwrap_or_else(|failure| panic!("{failure:?}"));
        let businesses = world.ledger.sign_in.organisations(&tokens.access_token, None).await.unwrap();
        assert_eq!((businesses.len(), businesses[0].name.as_str()), (1, name));
        Connected { organisation: businesses[0].id.clone(), tokens, world }
    }

    async fn connected() -> Connected {
        connected_to(BRITISH).await
    }

    impl Connected {
        fn access(&self) -> Access<'_> {
            Access {
                organisation: &self.organisation,
                token: &self.tokens.access_token,
                meter: &self.world.meter,
                timeout: Duration::from_secs(12),
                now: self.world.simulator.clock().now(),
            }
        }

        /// Calls that `work` takes.
        fn since(&self, before: u32) -> u32 {
            self.world.meter.calls() - before
        }

        async fn account(&self, purpose: AccountUse) -> String {
            let facts = self.world.ledger.facts.facts(self.access()).await.unwrap().value;
            facts.accounts_for(purpose).next().map(|account| account.id.clone()).unwrap()
        }

        async fn make_contact(&self, name: &str, email: &str, mark: &str, currency: &str) -> Result<Contact, Failure> {
            let content = ContactContent {
                name: Some(name.to_owned()),
                email: Some(email.to_owned()),
                phone: Some("+44 20 7946 0000".to_owned()),
                billing_address: Some(Address {
                    line1: Some("1 High Street".to_owned()),
                    city: Some("Leeds".to_owned()),
                    postal_code: Some("LS1 4AP".to_owned()),
                    country: Some("United Kingdom".to_owned()),
                    ..Address::default()
                }),
                our_mark: Some(mark.to_owned()),
                currency: Some(currency.parse().unwrap()),
            };
            let contacts = &self.world.ledger.contacts;
            let body = contacts.contact_body(&content, None);
            contacts.write_contact(self.access(), None, &body, "key").await.map(|answered| answered.value)
        }

        async fn write(&self, write: &DocumentWrite) -> Result<RemoteDocument, Failure> {
            let documents = &self.world.ledger.documents;
            let body = documents.document_body(write);
            documents.write_document(self.access(), write.external_id.as_deref(), &body, "key").await.map(|answered| answered.value)
        }

        async fn read(&self, id: &str) -> RemoteDocument {
            self.world.ledger.documents.read_document(self.access(), id).await.unwrap().value.unwrap()
        }

        async fn look(&self, reference: &str) -> Vec<RemoteDocument> {
            let look = Look { reference: Some(reference.to_owned()), ..Look::default() };
            self.world.ledger.documents.look(self.access(), &look).await.unwrap().value
        }

        async fn approve(&self, there: &RemoteDocument) -> Result<RemoteDocument, Failure> {
            let drafts = self.world.ledger.drafts.as_ref().unwrap();
            let body = drafts.approve_body(there);
            drafts.approve_document(self.access(), &there.external_id, &body, "key").await.map(|answered| answered.value)
        }

        async fn end(&self, there: &RemoteDocument) -> Result<RemoteDocument, Failure> {
            let documents = &self.world.ledger.documents;
            let body = documents.void_body(there, Removal::Void);
            documents.void_document(self.access(), &there.external_id, &body, "key").await.map(|answered| answered.value)
        }

        async fn paid(&self, id: &str) -> Paid {
            self.world.ledger.payments.as_ref().unwrap().payments(self.access(), id).await.unwrap().value
        }

        async fn pay(&self, document: &RemoteDocument, account: &str, amount: &str) -> Result<RemotePayment, Failure> {
            let write = PaymentWrite {
                mark: "CP-0123456789ABCDEF0".to_owned(),
                document: document.external_id.clone(),
                document_number: document.number.clone(),
                contact: document.contact.clone(),
                amount: amount.parse().unwrap(),
                currency: "GBP".parse().unwrap(),
                date: "2026-11-21".parse().unwrap(),
                account: account.to_owned(),
                text: "Payment".to_owned(),
            };
            let payments = self.world.ledger.payments.as_ref().unwrap();
            payments.write_payment(self.access(), &payments.payment_body(&write), "key").await.map(|answered| answered.value)
        }
    }

    fn dec(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn line(account: &str, description: &str, quantity: &str, unit_price: &str, tax: &str) -> WriteLine {
        WriteLine {
            key: None,
            line_id: None,
            description: description.to_owned(),
            quantity: Some(dec(quantity)),
            unit_price: Some(dec(unit_price)),
            tax_code: Some("GB_STANDARD".to_owned()),
            account: Some(account.to_owned()),
            rate: None,
            tax: Some(dec(tax)),
            kept: serde_json::Value::Null,
        }
    }

    fn draft(contact: &str, account: &str, reference: &str) -> DocumentWrite {
        DocumentWrite {
            external_id: None,
            number: None,
            reference: Some(reference.to_owned()),
            url: String::new(),
            contact: contact.to_owned(),
            currency: "GBP".parse().unwrap(),
            issue_date: "2026-11-20".parse().unwrap(),
            due_date: "2026-12-20".parse().unwrap(),
            tax_mode: Some(TaxMode::Exclusive),
            status: DocumentStatus::Draft,
            native_status: None,
            lines: vec![
                line(account, "Design of R&amp;D <b>pages</b>", "3", "10.03", "6.02"),
                line(account, "Print", "2.5", "4.1", "2.05"),
            ],
            removed: Vec::new(),
            version: None,
            totals: Totals::default(),
            kept: serde_json::Value::Null,
        }
    }

    /// R14, and the life of its tokens: 60 seconds for the code, 5 minutes, 31 days, and a refresh token that is good for one refresh.
    #[tokio::test]
    async fn r14_sign_in_refresh_and_unlink() {
        let world = world().await;
        let code = world.consent(Consent::approve()).await;
        let set = world.exchange(&code).await.unwrap_or_else(|failure| panic!("{failure:?}"));
        assert_eq!(set.access_expires_at, "2026-11-21T10:05:00Z".parse().unwrap());
        assert_eq!(set.refresh_expires_at, Some("2026-12-22T10:00:00Z".parse().unwrap()));
        assert_eq!(world.exchange(&code).await.err().unwrap().code, "sage_code_refused", "a code counts once");
        let slow = world.consent(Consent::approve()).await;
        world.simulator.clock().advance(SignedDuration::from_secs(61));
        assert_eq!(world.exchange(&slow).await.err().unwrap().code, "sage_code_refused", "a code lives a minute");

        let first = set.refresh_token.unwrap();
        let next = world.refresh(&first).await.unwrap_or_else(|failure| panic!("{failure:?}"));
        assert!(matches!(world.refresh(&first).await, Err(RefreshFailure::Dead)), "no grace: the one before is dead");
        world.simulator.clock().advance(SignedDuration::from_mins(6));
        let expired = world.ledger.sign_in.organisations(&next.access_token, None).await.unwrap_err();
        assert_eq!((expired.code.as_ref(), expired.disposition), ("sage_token_refused", Disposition::Reauthorize));

        let second = next.refresh_token.unwrap();
        for kind in [FaultKind::Refuse, FaultKind::TimeoutBefore] {
            // Over a kept connection a cut cannot be told from a lost answer.
            world.simulator.post_faults(vec![Fault::on("/token", kind)]);
            assert!(matches!(world.refresh(&second).await, Err(RefreshFailure::Unsettled { .. })), "{kind:?}");
        }
        let last = world.refresh(&second).await.unwrap_or_else(|failure| panic!("{failure:?}"));

        let business = world.ledger.sign_in.organisations(&last.access_token, None).await.unwrap().remove(0);
        let link = business.link_id.unwrap();
        let alone = Held { access: &last.access_token, refresh: None };
        world.ledger.sign_in.unlink(&world.credentials, alone, &link).await.unwrap();
        assert!(world.ledger.sign_in.organisations(&last.access_token, None).await.is_ok(), "the grant serves the other business");
        let whole = Held { access: &last.access_token, refresh: last.refresh_token.as_ref() };
        world.ledger.sign_in.unlink(&world.credentials, whole, &link).await.unwrap();
        world.ledger.sign_in.unlink(&world.credentials, whole, &link).await.unwrap();
        assert!(world.ledger.sign_in.organisations(&last.access_token, None).await.is_err());
        assert!(matches!(world.refresh(last.refresh_token.as_ref().unwrap()).await, Err(RefreshFailure::Dead)));
    }

    #[tokio::test]
    async fn a_refresh_whose_answer_was_lost_is_known_as_dead_only_by_the_vendors_word() {
        let connected = connected().await;
        let token = connected.tokens.refresh_token.as_ref().unwrap();
        connected.world.simulator.post_faults(vec![Fault::on("/token", FaultKind::TimeoutAfter)]);
        assert!(matches!(connected.world.refresh(token).await, Err(RefreshFailure::Unsettled { .. })));
        assert!(matches!(connected.world.refresh(token).await, Err(RefreshFailure::Dead)));
    }

    /// One consent, two businesses: every call names its own, whatever the lead is.
    #[tokio::test]
    async fn several_businesses_are_told_apart_by_every_call() {
        let world = world().await;
        let code = world.consent(Consent::approve_only(&[BRITISH, IRISH])).await;
        let tokens = world.exchange(&code).await.unwrap_or_else(|failure| panic!("{failure:?}"));
        let found = world.ledger.sign_in.organisations(&tokens.access_token, None).await.unwrap();
        assert_eq!(found.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), [BRITISH, IRISH]);
        world.simulator.bookkeeper(Action::ChangeLead { organisation: IRISH.to_owned() }).unwrap();
        let mut connected = Connected { organisation: found[0].id.clone(), tokens, world };
        for (business, currency, accounts) in [(&found[0], "GBP", 1), (&found[1], "EUR", 2)] {
            connected.organisation.clone_from(&business.id);
            let facts = connected.world.ledger.facts.facts(connected.access()).await.unwrap().value;
            assert_eq!((facts.name.as_str(), facts.base_currency.as_str()), (business.name.as_str(), currency));
            assert_eq!(facts.accounts_for(AccountUse::Sales).count(), accounts, "{currency}");
        }
        let calls = connected.world.simulator.calls();
        let api: Vec<_> =
            calls.iter().filter(|call| call.path.starts_with("/v3.1/") && !call.path.starts_with("/v3.1/businesses")).collect();
        assert!(!api.is_empty() && api.iter().all(|call| call.organisation.is_some()), "{api:?}");
    }

    /// R57 and C11: 15% is found by its percentage; 0% has three rates in Britain and so is a question.
    #[tokio::test]
    async fn r57_c11_facts_in_five_calls() {
        use coportal_core::choices::Choices;
        use coportal_core::money::Rate;
        use coportal_core::tax::{TaxCode, resolve};
        let rate = |percent: i64| Rate::try_from(Decimal::from(percent)).unwrap();
        let british = connected().await;
        let facts = british.world.ledger.facts.facts(british.access()).await.unwrap().value;
        assert_eq!(british.world.meter.calls(), 5);
        assert_eq!((facts.name.as_str(), facts.base_currency.as_str(), facts.pays_tax), (BRITISH, "GBP", true));
        let sales: Vec<_> = facts.accounts_for(AccountUse::Sales).map(|account| account.name.as_str()).collect();
        assert_eq!(sales, ["Sales (4000)"]);
        assert_eq!(facts.default_sales_account.as_deref(), facts.accounts_for(AccountUse::Sales).next().map(|account| account.id.as_str()));
        assert_eq!(facts.accounts_for(AccountUse::Payment).count(), 1);
        assert_eq!(resolve(rate(20), &facts, &Choices::default()), TaxCode::Code("GB_STANDARD"));
        assert!(matches!(resolve(rate(0), &facts, &Choices::default()), TaxCode::Ask(several) if several.len() == 3));
        assert!(matches!(resolve(rate(15), &facts, &Choices::default()), TaxCode::Ask(none) if none.is_empty()));
        let of_2009 = facts.on("2009-06-01".parse().unwrap());
        assert_eq!(resolve(rate(15), &of_2009, &Choices::default()), TaxCode::Code("GB_STANDARD"), "by the document's date");

        let african = connected_to(SOUTH_AFRICAN).await;
        let facts = african.world.ledger.facts.facts(african.access()).await.unwrap().value;
        assert_eq!(resolve(rate(15), &facts, &Choices::default()), TaxCode::Code("ZA_STANDARD"));
    }

    #[tokio::test]
    async fn a_business_with_several_currencies_says_which() {
        let connected = connected().await;
        let seed: Seed =
            serde_json::from_value(serde_json::json!({ "organisations": [{ "name": BRITISH, "currencies": ["EUR"] }] })).unwrap();
        connected.world.simulator.seed(&seed).unwrap();
        let facts = connected.world.ledger.facts.facts(connected.access()).await.unwrap().value;
        assert_eq!(facts.currencies.iter().map(ToString::to_string).collect::<Vec<_>>(), ["EUR", "GBP"]);
        assert_eq!(connected.world.meter.calls(), 6);
    }

    /// R56: made once, found by name, filled, guarded by its mark.
    #[tokio::test]
    async fn r56_contacts_are_made_found_updated_and_guarded() {
        let connected = connected().await;
        let contacts = &connected.world.ledger.contacts;
        let made = connected.make_contact("Acme  Print Ltd", "ann@acme.example", "0A1B2C3D4E", "GBP").await.unwrap();
        assert_eq!(connected.world.meter.calls(), 1);
        assert_eq!(
            (made.name.as_str(), made.email.as_deref(), made.our_mark.as_deref()),
            ("Acme Print Ltd", Some("ann@acme.example"), Some("0A1B2C3D4E"))
        );
        assert_eq!((made.phone.as_deref(), made.currency), (Some("+44 20 7946 0000"), Some("GBP".parse().unwrap())));
        assert_eq!(made.billing_address.as_ref().unwrap().country.as_deref(), Some("United Kingdom"));
        assert!(made.created_at.is_some());

        for (email, name, calls) in
            [(Some("ANN@acme.example"), None, 1), (None, Some("acme print LTD"), 1), (Some("none@x.example"), Some("Acme Print Ltd"), 2)]
        {
            let before = connected.world.meter.calls();
            let found = contacts.search(connected.access(), email, name).await.unwrap().value;
            assert_eq!(found.as_slice(), std::slice::from_ref(&made), "{email:?} {name:?}");
            assert_eq!(connected.since(before), calls);
        }
        assert!(contacts.search(connected.access(), None, Some("Acme Print")).await.unwrap().value.is_empty(), "a part is no match");
        let look = Look { mark: Some("0A1B2C3D4E".to_owned()), ..Look::default() };
        assert_eq!(contacts.look_contact(connected.access(), &look).await.unwrap().value.as_slice(), std::slice::from_ref(&made));
        assert_eq!(contacts.read_contact(connected.access(), &made.external_id).await.unwrap().value, Some(made.clone()));
        assert_eq!(contacts.read_contact(connected.access(), &"9".repeat(32)).await.unwrap().value, None);

        let content = ContactContent { name: None, email: None, phone: None, billing_address: None, our_mark: None, currency: None };
        let change = ContactContent { email: Some("new@acme.example".to_owned()), ..content };
        let body = contacts.contact_body(&change, Some(&made));
        let changed = contacts.write_contact(connected.access(), Some(&made.external_id), &body, "key").await.unwrap().value;
        assert_eq!((changed.email.as_deref(), &changed.phone), (Some("new@acme.example"), &made.phone), "what is not sent stays");
        assert_eq!(changed.billing_address, made.billing_address);

        let taken = connected.make_contact("Acme Two", "other@x.example", "0A1B2C3D4E", "GBP").await.unwrap_err();
        assert_eq!((taken.code.as_ref(), taken.disposition), ("sage_mark_taken", Disposition::LookFirst));
        let bare = connected.make_contact("Acme Three", "no address", "0A1B2C3D4F", "GBP").await.unwrap_err();
        assert_eq!(bare.code, "sage_email_refused");
        let currency = connected.make_contact("Acme Four", "d@x.example", "0A1B2C3D50", "EUR").await.unwrap_err();
        assert_eq!(currency.disposition, Disposition::Hold { question: Question::CurrencyMissing });

        connected.world.simulator.bookkeeper(Action::ArchiveContact { contact_id: made.external_id.clone() }).unwrap();
        let found = contacts.search(connected.access(), Some("new@acme.example"), None).await.unwrap().value;
        assert_eq!(found[0].status, ContactStatus::Archived);
        let account = connected.account(AccountUse::Sales).await;
        let refused = connected.write(&draft(&made.external_id, &account, "CP-9")).await.unwrap_err();
        assert_eq!(
            (refused.code.as_ref(), refused.disposition),
            ("sage_contact_inactive", Disposition::Hold { question: Question::ContactGone })
        );
    }

    /// R58, C6, C8, C10, C29: one call for each step, two for the release.
    #[tokio::test]
    async fn r58_an_invoice_from_draft_to_void() {
        let connected = connected().await;
        let contact = connected.make_contact("Acme", "ann@acme.example", "0A1B2C3D4E", "GBP").await.unwrap().external_id;
        let account = connected.account(AccountUse::Sales).await;
        let before = connected.world.meter.calls();
        assert!(connected.look("CP-1001").await.is_empty());
        let made = connected.write(&draft(&contact, &account, "CP-1001")).await.unwrap();
        assert_eq!(connected.since(before), 2, "the look and the create");
        assert_eq!((made.status, made.number.as_deref(), made.reference.as_deref()), (DocumentStatus::Draft, None, Some("CP-1001")));
        assert_eq!((made.totals.subtotal, made.totals.tax, made.totals.total), (dec("40.34"), dec("8.07"), dec("48.41")));
        assert_eq!(made.lines[0].description, "Design of R&amp;D <b>pages</b>", "as it was written");
        assert_eq!(connected.world.simulator.state().documents[0].lines[0].description, "Design of R& amp;D < b>pages< /b>");
        let there = connected.read(&made.external_id).await;
        assert_eq!((&there.lines, there.totals, there.created_at.is_some()), (&made.lines, made.totals, true));
        let found = connected.look("CP-1001").await;
        assert_eq!((found.len(), &found[0].lines), (1, &made.lines), "with lines");
        assert!(connected.look("CP-100").await.is_empty(), "a part is no match");

        let id = made.external_id.clone();
        let edit = |line, text: &str| Action::EditLine {
            document_id: id.clone(),
            line: Which::Position(line),
            description: Some(text.to_owned()),
            quantity: None,
            unit_price: None,
            account: None,
            tax_type: None,
        };
        connected.world.simulator.bookkeeper(edit(1, "Print < b>ed")).unwrap();
        let there = connected.read(&id).await;
        assert_eq!(there.lines[1].description, "Print <b>ed");
        let kept = |at: usize, more: &str| WriteLine {
            line_id: there.lines[at].line_id.clone(),
            description: format!("{}{more}", there.lines[at].description),
            ..draft(&contact, &account, "").lines[at].clone()
        };
        let update = DocumentWrite {
            external_id: Some(id.clone()),
            native_status: Some("DRAFT".to_owned()),
            lines: vec![kept(1, " (updated)"), line(&account, "New", "1", "5", "1")],
            ..draft(&contact, &account, "CP-1001")
        };
        let before = connected.world.meter.calls();
        let updated = connected.write(&update).await.unwrap();
        assert_eq!(connected.since(before), 1);
        assert_eq!(updated.lines.len(), 2, "the line that was left out is gone");
        assert_eq!((&updated.lines[0].line_id, updated.lines[0].description.as_str()), (&there.lines[1].line_id, "Print <b>ed (updated)"));
        assert_eq!((updated.status, updated.totals.total), (DocumentStatus::Draft, dec("18.30")));

        let before = connected.world.meter.calls();
        let approved = connected.approve(&updated).await.unwrap();
        assert_eq!(connected.since(before), 2, "the release and the read");
        assert_eq!(
            (approved.status, approved.number.as_deref(), approved.native_status.as_str()),
            (DocumentStatus::Approved, Some("SI-1"), "UNPAID")
        );
        assert_eq!(approved.lines, updated.lines);
        assert_eq!(connected.approve(&updated).await.unwrap_err().disposition, Disposition::Stale, "it is no draft any more");

        let before = connected.world.meter.calls();
        let voided = connected.end(&approved).await.unwrap();
        assert_eq!((voided.status, voided.number.as_deref(), connected.since(before)), (DocumentStatus::Voided, Some("SI-1"), 1));
        assert_eq!(connected.end(&approved).await.unwrap_err().disposition, Disposition::Hold { question: Question::LockedInLedger });
        assert_eq!(connected.write(&update).await.unwrap_err().code, "sage_document_locked");
        assert_eq!(connected.look("CP-1001").await[0].status, DocumentStatus::Voided, "void ones are found");
        assert!(
            !connected.world.simulator.calls().iter().any(|call| call.status == Some(501)),
            "nothing was asked for that is not modelled"
        );
    }

    #[tokio::test]
    async fn a_draft_is_deleted_and_one_that_was_released_meanwhile_is_not() {
        let connected = connected().await;
        let contact = connected.make_contact("Acme", "ann@acme.example", "0A1B2C3D4E", "GBP").await.unwrap().external_id;
        let account = connected.account(AccountUse::Sales).await;
        let first = connected.write(&draft(&contact, &account, "CP-1")).await.unwrap();
        assert_eq!(connected.end(&first).await.unwrap().status, DocumentStatus::Deleted);
        assert_eq!(connected.world.ledger.documents.read_document(connected.access(), &first.external_id).await.unwrap().value, None);
        assert_eq!(connected.end(&first).await.unwrap_err().disposition, Disposition::Stale);
        let second = connected.write(&draft(&contact, &account, "CP-2")).await.unwrap();
        connected.world.simulator.bookkeeper(Action::Approve { document_id: second.external_id.clone() }).unwrap();
        assert_eq!(connected.end(&second).await.unwrap_err().disposition, Disposition::Stale, "a draft's end needs a draft");
        assert_eq!(connected.read(&second.external_id).await.status, DocumentStatus::Approved);
        let gone = DocumentWrite { external_id: Some(first.external_id.clone()), ..draft(&contact, &account, "CP-1") };
        assert_eq!(connected.write(&gone).await.unwrap_err().disposition, Disposition::Stale);
    }

    /// No read of ours flags an invoice as sent.
    #[tokio::test]
    async fn reading_leaves_no_trace() {
        let connected = connected().await;
        let contact = connected.make_contact("Acme", "ann@acme.example", "0A1B2C3D4E", "GBP").await.unwrap().external_id;
        let account = connected.account(AccountUse::Sales).await;
        let write = DocumentWrite { status: DocumentStatus::Approved, ..draft(&contact, &account, "CP-1") };
        let made = connected.write(&write).await.unwrap();
        assert_eq!((made.status, made.number.as_deref()), (DocumentStatus::Approved, Some("SI-1")));
        connected.read(&made.external_id).await;
        connected.look("CP-1").await;
        connected.paid(&made.external_id).await;
        let snapshot = connected.world.simulator.snapshot().to_string();
        assert!(snapshot.contains(r#""sent":false"#) && !snapshot.contains(r#""sent":true"#), "{snapshot}");
    }

    /// C1, I8: a payment by its mark, in part and in full; what is paid is closed.
    #[tokio::test]
    async fn c1_payments_are_recorded_once_and_close_the_invoice() {
        let connected = connected().await;
        let contact = connected.make_contact("Acme", "ann@acme.example", "0A1B2C3D4E", "GBP").await.unwrap().external_id;
        let facts = connected.world.ledger.facts.facts(connected.access()).await.unwrap().value;
        let [sales, bank] = [AccountUse::Sales, AccountUse::Payment].map(|purpose| facts.accounts_for(purpose).next().unwrap().id.clone());
        let write = DocumentWrite { status: DocumentStatus::Approved, ..draft(&contact, &sales, "CP-1") };
        let made = connected.write(&write).await.unwrap();
        let before = connected.world.meter.calls();
        let open = connected.paid(&made.external_id).await;
        assert_eq!((open.balance, open.payments.len()), (dec("48.41"), 0));
        let paid = connected.pay(&made, &bank, "20.41").await.unwrap();
        assert_eq!((paid.mark.as_deref(), paid.amount, connected.since(before)), (Some("CP-0123456789ABCDEF0"), dec("20.41"), 2));
        let after = connected.paid(&made.external_id).await;
        assert_eq!((after.balance, after.payments.as_slice()), (dec("28.00"), std::slice::from_ref(&paid)));
        let there = connected.read(&made.external_id).await;
        assert_eq!((there.status, there.has_payments, there.changeable), (DocumentStatus::Approved, true, Changeable::Nothing));
        let large = connected.pay(&made, &bank, "28.01").await.unwrap_err();
        assert_eq!(large.disposition, Disposition::Hold { question: Question::PaymentDiffers });
        let nowhere = connected.pay(&made, &"9".repeat(32), "1").await.unwrap_err();
        assert_eq!((nowhere.code.as_ref(), nowhere.facts_stale), ("sage_record_missing", true));
        assert_eq!(connected.end(&made).await.unwrap_err().disposition, Disposition::Hold { question: Question::PaidInLedger });
        connected.pay(&made, &bank, "28").await.unwrap();
        assert_eq!(connected.read(&made.external_id).await.status, DocumentStatus::Paid);

        connected.world.simulator.bookkeeper(Action::RemovePayments { document_id: made.external_id.clone() }).unwrap();
        connected.world.simulator.post_faults(vec![Fault::on("/contact_payments", FaultKind::TimeoutAfter)]);
        assert_eq!(connected.pay(&made, &bank, "1").await.unwrap_err().disposition, Disposition::LookFirst);
        let found = connected.paid(&made.external_id).await;
        assert_eq!(found.payments.iter().filter(|one| one.mark.as_deref() == Some("CP-0123456789ABCDEF0")).count(), 1, "found by its mark");
    }
}
