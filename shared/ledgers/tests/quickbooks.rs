//! QuickBooks Online end to end against its simulator, over real HTTP: consent, tokens, facts, customers, invoices and payments, and what is
//! left when an answer is lost.

#[cfg(test)]
mod against_the_simulator {
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;
    use coportal_core::contact::{Contact, ContactContent, ContactStatus};
    use coportal_core::document::{DocumentStatus, DocumentWrite, PaymentWrite, RemoteDocument, Removal, WriteLine};
    use coportal_core::facts::{AccountUse, Facts};
    use coportal_core::failure::{Disposition, Failure, Question};
    use coportal_core::invoice::TaxMode;
    use coportal_core::ledger::{Ledger, TaxMethod};
    use coportal_core::oauth::TokenSet;
    use coportal_core::pricing::{LedgerLine, Totals, ledger_totals};
    use coportal_core::secret::Secret;
    use coportal_core::sync::row::Look;
    use coportal_ledgers::exec::{Egress, HttpTransport, Meter};
    use coportal_ledgers::profile::Lane;
    use coportal_ledgers::{Access, AuthorizeRequest, ClientCredentials, Endpoints, Held, LedgerApi, Ledgers, RefreshFailure};
    use http::Request;
    use jiff::SignedDuration;
    use serde_json::Value;
    use simulators::quickbooks::{Action, Config, Simulator, Standing, Which};
    use simulators::skeleton::consent::Consent;
    use simulators::skeleton::faults::{Fault, FaultKind};
    use simulators::skeleton::serve::serve;
    use simulators::{Answer, Clock};
    use tokio::net::TcpListener;
    use url::Url;

    const REDIRECT: &str = "https://api.coportal.example/v1/oauth/quickbooks/callback";
    const GB: &str = "Harbour & Hill Ltd";
    const US: &str = "Table Rock Studio LLC";

    struct World {
        simulator: Simulator,
        ledger: LedgerApi,
        credentials: ClientCredentials,
        meter: Meter,
    }

    /// A connected company.
    struct Connected {
        world: World,
        realm: String,
        token: Secret,
        refresh: Secret,
    }

    async fn world() -> World {
        let simulator = Simulator::new(Config {
            clock: Clock::fixed("2026-11-21T10:00:00Z".parse().unwrap()),
            client_id: "app-1".to_owned(),
            client_secret: "app-secret-1".to_owned(),
            redirect_uris: vec![REDIRECT.to_owned()],
            seed: 7,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin: Url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(serve(simulator.clone(), listener, std::future::pending()));
        let mut endpoints = Endpoints::default();
        endpoints.simulate(Ledger::Quickbooks, &origin);
        let transport = HttpTransport::new(Egress::of(endpoints.called()).unwrap()).unwrap();
        let ledger = Ledgers::new(Arc::new(transport), endpoints).get(Ledger::Quickbooks).unwrap().clone();
        let credentials = ClientCredentials { client_id: "app-1".to_owned(), client_secret: Secret::new("app-secret-1".to_owned()) };
        World { simulator, ledger, credentials, meter: Meter::default() }
    }

    impl World {
        /// The user's way through the consent page; code and realm of the callback.
        async fn consent(&self, company: &str) -> (Secret, String) {
            self.simulator.set_consent(Consent::approve_only(&[company])).unwrap();
            let url = self.ledger.sign_in.authorize_url(&AuthorizeRequest {
                client_id: "app-1",
                redirect_uri: REDIRECT,
                state: "state-1",
                pkce_challenge: "never-sent",
                lanes: &[Lane::Push],
            });
            let Answer::Response(response) = self.simulator.handle(Request::get(url.as_str()).body(Bytes::new()).unwrap()).await else {
                panic!("no consent page");
            };
            assert_eq!(response.status(), 302, "{response:?}");
            let back: Url = response.headers()["location"].to_str().unwrap().parse().unwrap();
            let pair = |name: &str| back.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
            assert_eq!(pair("state").as_deref(), Some("state-1"));
            (Secret::new(pair("code").unwrap()), pair("realmId").unwrap())
        }

        async fn exchange(&self, code: &Secret, realm: &str) -> Result<TokenSet, Failure> {
            let verifier = Secret::new("not-used".to_owned());
            let now = self.simulator.clock().now();
            self.ledger.sign_in.exchange_code(&self.credentials, code, &verifier, REDIRECT, Some(realm), now).await
        }

        async fn refresh(&self, token: &Secret) -> Result<TokenSet, RefreshFailure> {
            self.ledger.sign_in.refresh(&self.credentials, token, None, self.simulator.clock().now()).await
        }
    }

    async fn connected(company: &str) -> Connected {
        let world = world().await;
        let (code, realm) = world.consent(company).await;
        let set = world.exchange(&code, &realm).await.unwrap_or_else(|failure| panic!("{failure:?}"));
        let found = world.ledger.sign_in.organisations(&set.access_token, set.auth_event.as_deref()).await.unwrap();
        assert_eq!((found.len(), found[0].id.as_str(), found[0].name.as_str()), (1, realm.as_str(), company));
        Connected { realm, token: set.access_token, refresh: set.refresh_token.unwrap(), world }
    }

    impl Connected {
        fn access(&self) -> Access<'_> {
            Access {
                organisation: &self.realm,
                token: &self.token,
                meter: &self.world.meter,
                timeout: Duration::from_secs(12),
                now: self.world.simulator.clock().now(),
            }
        }

        /// Calls that `work` takes.
        async fn counted<T>(&self, work: impl Future<Output = T>) -> (T, u32) {
            let before = self.world.meter.calls();
            let done = work.await;
            (done, self.world.meter.calls() - before)
        }

        async fn facts(&self) -> Facts {
            self.world.ledger.facts.facts(self.access()).await.unwrap().value
        }

        async fn make_contact(&self, name: &str, email: &str) -> Result<Contact, Failure> {
            let content = ContactContent {
                name: Some(name.to_owned()),
                email: Some(email.to_owned()),
                phone: Some("+44 20 7946 0000".to_owned()),
                ..blank()
            };
            let contacts = &self.world.ledger.contacts;
            let body = contacts.contact_body(&content, None);
            Ok(contacts.write_contact(self.access(), None, &body, &format!("contact-{name}")).await?.value)
        }

        async fn send(&self, write: &DocumentWrite, key: &str) -> Result<RemoteDocument, Failure> {
            let documents = &self.world.ledger.documents;
            let body = documents.document_body(write);
            Ok(documents.write_document(self.access(), write.external_id.as_deref(), &body, key).await?.value)
        }

        async fn read(&self, id: &str) -> Option<RemoteDocument> {
            self.world.ledger.documents.read_document(self.access(), id).await.unwrap().value
        }

        async fn look(&self, look: Look) -> Vec<RemoteDocument> {
            self.world.ledger.documents.look(self.access(), &look).await.unwrap().value
        }

        fn bookkeeper(&self, action: Action) {
            self.world.simulator.bookkeeper(action).unwrap();
        }

        fn fault(&self, matching: &str, kind: FaultKind) {
            self.world.simulator.post_faults(vec![Fault::on(matching, kind)]);
        }
    }

    fn blank() -> ContactContent {
        ContactContent { name: None, email: None, phone: None, billing_address: None, our_mark: None, currency: None }
    }

    fn line(description: &str, quantity: &str, unit_price: &str, code: &str) -> WriteLine {
        WriteLine {
            key: None,
            line_id: None,
            description: description.to_owned(),
            quantity: Some(quantity.parse().unwrap()),
            unit_price: Some(unit_price.parse().unwrap()),
            tax_code: Some(code.to_owned()),
            account: Some("1".to_owned()),
            rate: None,
            tax: None,
            kept: Value::Null,
        }
    }

    fn totals(subtotal: &str, tax: &str, total: &str) -> Totals {
        Totals { subtotal: subtotal.parse().unwrap(), tax: tax.parse().unwrap(), total: total.parse().unwrap() }
    }

    /// Three lines of 10.03 at 20%: tax per line is 6.03 (per document it would be 6.02).
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
            status: DocumentStatus::Approved,
            native_status: None,
            lines: ["Design", "Print", "Post"].map(|text| line(text, "1", "10.03", "2")).to_vec(),
            removed: Vec::new(),
            version: None,
            totals: totals("30.09", "6.03", "36.12"),
            kept: Value::Null,
        }
    }

    fn numbered(number: &str) -> Look {
        Look { number: Some(number.to_owned()), ..Look::default() }
    }

    /// An update of what stands there, every line handed back.
    fn update(there: &RemoteDocument, write: DocumentWrite) -> DocumentWrite {
        let lines = there.lines.iter().map(|remote| WriteLine {
            key: None,
            line_id: remote.line_id.clone(),
            description: remote.description.clone(),
            quantity: remote.quantity,
            unit_price: remote.unit_price,
            tax_code: remote.tax_code.clone(),
            account: remote.account.clone(),
            rate: None,
            tax: None,
            kept: remote.kept.clone(),
        });
        DocumentWrite {
            external_id: Some(there.external_id.clone()),
            version: there.version.clone(),
            lines: lines.collect(),
            kept: there.kept.clone(),
            ..write
        }
    }

    #[tokio::test]
    async fn sign_in_refresh_and_unlink() {
        let connected = connected(GB).await;
        let world = &connected.world;
        let (_, other) = world.consent(US).await;
        let foreign = world.ledger.sign_in.organisations(&connected.token, Some(&other)).await.unwrap_err();
        assert!(!matches!(foreign.disposition, Disposition::Retry { .. }), "a realm of the browser's that is not the token's: {foreign:?}");

        world.simulator.clock().advance(SignedDuration::from_mins(70));
        let next = world.refresh(&connected.refresh).await.unwrap_or_else(|failure| panic!("{failure:?}"));
        assert!(matches!(world.refresh(&connected.refresh).await, Err(RefreshFailure::Dead)), "rotated, without a grace time");
        let newest = next.refresh_token.unwrap();
        connected.fault("/oauth2/v1/tokens/bearer", FaultKind::TimeoutAfter);
        assert!(matches!(world.refresh(&newest).await, Err(RefreshFailure::Unsettled { .. })));

        let held = Held { access: &next.access_token, refresh: None };
        world.ledger.sign_in.unlink(&world.credentials, held, &connected.realm).await.unwrap();
        assert!(world.simulator.state().organisations[0].connected, "an access token alone takes no consent back: it may be a newer one's");
        // Revoking a token that is dead already leaves it dead.
        let held = Held { access: &next.access_token, refresh: Some(&newest) };
        world.ledger.sign_in.unlink(&world.credentials, held, &connected.realm).await.unwrap();
        assert_eq!(
            world.exchange(&Secret::new("never-issued".to_owned()), &connected.realm).await.err().unwrap().code,
            "quickbooks_code_refused"
        );
    }

    #[tokio::test]
    async fn facts_of_two_countries_in_one_call_each() {
        let connected = connected(GB).await;
        let (facts, calls) = connected.counted(connected.facts()).await;
        assert_eq!(calls, 1);
        assert_eq!((facts.name.as_str(), facts.base_currency.as_str(), facts.pays_tax), (GB, "GBP", true));
        assert_eq!((facts.tax_method, facts.one_tax_code, facts.assigns_numbers), (None, false, false));
        assert_eq!(facts.rate_of("2").map(|rate| rate.percent()), Some("20".parse().unwrap()));
        assert!(!facts.items.is_empty() && facts.accounts_for(AccountUse::Payment).count() > 0);
        assert_eq!(facts.accounts_for(AccountUse::Sales).count(), 1);

        let connected = self::connected(US).await;
        let (facts, calls) = connected.counted(connected.facts()).await;
        assert_eq!((calls, facts.tax_method, facts.one_tax_code, facts.assigns_numbers), (1, Some(TaxMethod::Group), true, true));
        let rates: Vec<_> =
            facts.tax_rates.iter().map(|rate| (rate.code.as_str(), rate.rate.map(|rate| rate.percent().to_string()))).collect();
        let percent = |text: &str| Some(text.to_owned());
        assert_eq!(rates, [("TAX:2", percent("8")), ("TAX:3", percent("9.1")), ("NON", percent("0"))]);
    }

    #[tokio::test]
    async fn customers_are_made_found_updated_and_guarded() {
        let connected = connected(GB).await;
        let contacts = &connected.world.ledger.contacts;
        let made = connected.make_contact("O'Brien & Söhne: Print", "ann@acme.example").await.unwrap();
        assert_eq!((made.name.as_str(), made.version.as_deref()), ("O'Brien & Söhne Print", Some("0")));
        assert!(made.created_at.is_some());
        for (email, name, calls) in [
            (Some("ANN@acme.example"), None, 1),
            (None, Some("o'brien & söhne: print"), 1),
            (Some("none@x.example"), Some("O'Brien & Söhne: Print"), 1),
        ] {
            let (found, counted) = connected.counted(contacts.search(connected.access(), email, name)).await;
            let found = found.unwrap().value;
            assert_eq!((found.len(), counted), (1, calls), "{email:?} {name:?}");
            assert_eq!(found[0].external_id, made.external_id);
        }
        let look = Look { name: Some("O'Brien & Söhne: Print".to_owned()), ..Look::default() };
        let found = contacts.look_contact(connected.access(), &look).await.unwrap().value;
        assert_eq!(found[0].name, "O'Brien & Söhne: Print", "known under the name that was asked for");
        assert_eq!(contacts.read_contact(connected.access(), "99999").await.unwrap().value, None);

        let change = ContactContent { email: Some("new@acme.example".to_owned()), ..blank() };
        let body = contacts.contact_body(&change, Some(&made));
        let changed = contacts.write_contact(connected.access(), Some(&made.external_id), &body, "update-1").await.unwrap().value;
        assert_eq!((changed.email.as_deref(), changed.phone.as_deref()), (Some("new@acme.example"), Some("+44 20 7946 0000")), "sparse");
        let stale = contacts.write_contact(connected.access(), Some(&made.external_id), &body, "update-2").await.unwrap_err();
        assert_eq!(stale.disposition, Disposition::Stale);

        let clash = connected.make_contact("o'brien & söhne print", "other@x.example").await.unwrap_err();
        assert_eq!(clash.disposition, Disposition::Hold { question: Question::NameClash }, "C5");
        connected.bookkeeper(Action::ArchiveContact { contact_id: made.external_id.clone() });
        let found = contacts.search(connected.access(), None, Some("O'Brien & Söhne Print")).await.unwrap().value;
        assert_eq!((found[0].status, found[0].name.as_str()), (ContactStatus::Archived, "O'Brien & Söhne Print"));
        let refused = connected.send(&write(&made.external_id, "INV-9"), "key-9").await.unwrap_err();
        assert_eq!(refused.disposition, Disposition::Hold { question: Question::ContactGone });

        let other = connected.make_contact("Other", "other@x.example").await.unwrap();
        connected.bookkeeper(Action::RestoreContact { contact_id: made.external_id.clone() });
        connected.bookkeeper(Action::MergeContact { contact_id: other.external_id.clone(), into: made.external_id.clone() });
        assert_eq!(contacts.read_contact(connected.access(), &other.external_id).await.unwrap().value, None, "merged away");
    }

    #[tokio::test]
    async fn an_invoice_from_create_to_void() {
        let connected = connected(GB).await;
        let contact = connected.make_contact("Acme", "ann@acme.example").await.unwrap();
        let (made, calls) = connected.counted(connected.send(&write(&contact.external_id, "INV-1"), "key-1")).await;
        let made = made.unwrap();
        assert_eq!((calls, made.status, made.number.as_deref()), (1, DocumentStatus::Approved, Some("INV-1")));
        assert_eq!((made.reference.as_deref(), made.url.as_deref()), (Some("INV-1"), Some("https://app.coportal.example/invoices/INV-1")));
        assert_eq!(made.totals, totals("30.09", "6.03", "36.12"), "C12: tax per line");
        assert!(
            made.kept.is_null() && made.lines.iter().all(|line| line.kept.is_null()),
            "nothing of anybody else's: no read before an update"
        );
        assert_eq!((made.tax_mode, made.has_payments, made.balance), (Some(TaxMode::Exclusive), false, Some("36.12".parse().unwrap())));
        for look in [
            numbered("INV-1"),
            Look { contact: Some(contact.external_id.clone()), issue_date: Some("2026-11-20".parse().unwrap()), ..Look::default() },
            Look { contact: Some(contact.external_id.clone()), ..Look::default() },
            Look { external_id: Some(made.external_id.clone()), ..Look::default() },
        ] {
            assert_eq!(connected.look(look).await, std::slice::from_ref(&made));
        }
        let taken = connected.send(&write(&contact.external_id, "INV-1"), "key-2").await.unwrap_err();
        assert_eq!(taken.disposition, Disposition::Hold { question: Question::NumberTaken });

        connected.bookkeeper(Action::EditLine {
            document_id: made.external_id.clone(),
            line: Which::Position(0),
            description: None,
            quantity: None,
            unit_price: None,
            account: None,
            tax_type: None,
            tracking: Some(vec!["Class: North".to_owned()]),
        });
        let note = format!("call Ann\n{}", connected.world.simulator.state().documents[0].note.clone().unwrap_or_default());
        connected.bookkeeper(Action::EditDocument {
            document_id: made.external_id.clone(),
            due_date: None,
            issue_date: None,
            number: None,
            note: Some(note),
            contact_id: None,
        });
        let stale = connected.send(&update(&made, write(&contact.external_id, "INV-1")), "key-3").await.unwrap_err();
        assert_eq!(stale.disposition, Disposition::Stale, "the bookkeeper's work is not overwritten");
        let there = connected.read(&made.external_id).await.unwrap();
        assert_eq!(there.url, made.url);
        let wanted = DocumentWrite { due_date: "2027-01-31".parse().unwrap(), ..update(&there, write(&contact.external_id, "INV-1")) };
        let updated = connected.send(&wanted, "key-4").await.unwrap();
        assert_eq!((&updated.lines, &updated.kept, updated.totals), (&there.lines, &there.kept, made.totals), "C29: class and memo stay");
        assert_eq!((updated.due_date, there.kept.is_null()), (Some("2027-01-31".parse().unwrap()), false));

        let documents = &connected.world.ledger.documents;
        let body = documents.void_body(&updated, Removal::Void);
        let voided = documents.void_document(connected.access(), &made.external_id, &body, "key-5").await.unwrap().value;
        assert_eq!((voided.status, voided.url.as_ref(), voided.has_payments), (DocumentStatus::Voided, made.url.as_ref(), false));
        assert_eq!(connected.look(numbered("INV-1")).await[0].status, DocumentStatus::Voided, "and is found");

        let second = connected.send(&write(&contact.external_id, "INV-2"), "key-6").await.unwrap();
        let body = documents.void_body(&second, Removal::Delete);
        let gone = documents.void_document(connected.access(), &second.external_id, &body, "key-7").await.unwrap().value;
        assert_eq!((gone.status, gone.number.as_deref()), (DocumentStatus::Deleted, Some("INV-2")));
        assert_eq!(connected.read(&second.external_id).await, None);
        let again = documents.void_document(connected.access(), &second.external_id, &body, "key-8").await.unwrap_err();
        assert_eq!(again.disposition, Disposition::Hold { question: Question::DocumentGone });
    }

    /// The US: the company numbers, one code for the document, tax on the sum, untaxed lines by a word.
    #[tokio::test]
    async fn c6_an_invoice_in_the_us_has_our_number_in_its_note() {
        let connected = connected(US).await;
        let contact = connected.make_contact("Acme", "ann@acme.example").await.unwrap();
        let us = DocumentWrite {
            number: None,
            currency: "USD".parse().unwrap(),
            lines: vec![line("Design", "1", "10.03", "TAX:2"), line("Print", "1", "10.03", "TAX:2"), line("Book", "1", "5", "NON")],
            totals: totals("25.06", "1.60", "26.66"),
            ..write(&contact.external_id, "INV-1")
        };
        let made = connected.send(&us, "key-1").await.unwrap();
        assert!(made.number.is_some() && made.number.as_deref() != Some("INV-1"));
        assert_eq!((made.reference.as_deref(), made.totals), (Some("INV-1"), us.totals));
        let codes: Vec<_> = made.lines.iter().map(|line| line.tax_code.as_deref().unwrap()).collect();
        assert_eq!((codes, made.tax_mode), (vec!["TAX:2", "TAX:2", "NON"], Some(TaxMode::Exclusive)));
        let look = Look {
            reference: Some("INV-1".to_owned()),
            contact: Some(contact.external_id),
            issue_date: made.issue_date,
            ..Look::default()
        };
        assert_eq!(connected.look(look).await, std::slice::from_ref(&made));
        let updated = connected.send(&DocumentWrite { number: made.number.clone(), ..update(&made, us.clone()) }, "key-2").await.unwrap();
        assert_eq!((updated.totals, updated.number), (us.totals, made.number));
    }

    /// C12: a code of two percentages (7.1 and 2) is rounded twice: 10.25 bears 0.73 and 0.21, where 9.1% of it is 0.93.
    #[tokio::test]
    async fn c12_a_code_of_two_percentages_comes_to_what_was_reckoned() {
        let connected = connected(US).await;
        let facts = connected.facts().await;
        let contact = connected.make_contact("Acme", "ann@acme.example").await.unwrap();
        let parts = facts.parts_of("TAX:3");
        assert_eq!(parts.iter().map(|part| part.percent().to_string()).collect::<Vec<_>>(), ["7.1", "2"]);
        let ledger_line = LedgerLine {
            quantity: "1".parse().unwrap(),
            unit_price: "10.25".parse().unwrap(),
            rate: facts.rate_of("TAX:3").unwrap(),
            tax_code: "TAX:3",
            tax: None,
            parts,
        };
        let usd = "USD".parse().unwrap();
        let arithmetic = connected.world.ledger.rules.arithmetic;
        let reckoned = ledger_totals([ledger_line], usd, TaxMode::Exclusive, &arithmetic, facts.tax_method.unwrap());
        assert_eq!(reckoned, totals("10.25", "0.94", "11.19"));
        let lines = vec![line("Design", "1", "10.25", "TAX:3")];
        let us = DocumentWrite { number: None, currency: usd, lines, totals: reckoned, ..write(&contact.external_id, "INV-1") };
        assert_eq!(connected.send(&us, "key-1").await.unwrap().totals, reckoned);
    }

    #[tokio::test]
    async fn a_lost_answer_is_found_again_and_nothing_is_made_twice() {
        let connected = connected(GB).await;
        let contact = connected.make_contact("Acme", "ann@acme.example").await.unwrap();
        let create = write(&contact.external_id, "INV-1");
        for kind in [FaultKind::TimeoutAfter, FaultKind::Truncate, FaultKind::Garbage] {
            connected.fault("/invoice", kind);
            let lost = connected.send(&create, "key-1").await.unwrap_err();
            assert_eq!(lost.disposition, Disposition::LookFirst, "{kind:?}");
            let found = connected.look(numbered("INV-1")).await;
            assert_eq!(found.len(), 1, "{kind:?}");
            let replay = connected.send(&create, "key-1").await.unwrap();
            assert_eq!(replay.external_id, found[0].external_id, "the same request id is the same invoice");
        }
        // Another invoice under a request id that was used is answered with the first one's reply: that is no answer to it.
        let foreign = connected.send(&write(&contact.external_id, "INV-7"), "key-1").await.unwrap_err();
        assert_eq!(foreign.disposition, Disposition::LookFirst, "I5");

        // A cut on a connection that was open already does not prove that nothing was sent.
        connected.fault("/invoice", FaultKind::Refuse);
        let cut = connected.send(&write(&contact.external_id, "INV-2"), "key-2").await.unwrap_err();
        assert_eq!(cut.disposition, Disposition::LookFirst);
        assert!(connected.look(numbered("INV-2")).await.is_empty());
        let late = Fault { after_seconds: 100, ..Fault::on("/invoice", FaultKind::Late) };
        connected.world.simulator.post_faults(vec![late]);
        let lost = connected.send(&write(&contact.external_id, "INV-3"), "key-3").await.unwrap_err();
        assert_eq!(lost.disposition, Disposition::LookFirst);
        assert!(connected.look(numbered("INV-3")).await.is_empty(), "not there yet");
        connected.world.simulator.clock().advance(SignedDuration::from_secs(101));
        assert_eq!(connected.look(numbered("INV-3")).await.len(), 1, "a late effect is seen before a miss counts");
        assert!(connected.world.ledger.rules.settle > SignedDuration::from_secs(101));
        assert_eq!(connected.world.simulator.state().documents.len(), 2);
    }

    #[tokio::test]
    async fn c1_a_payment_is_recorded_once_and_read_back() {
        let connected = connected(GB).await;
        let contact = connected.make_contact("Acme", "ann@acme.example").await.unwrap();
        let invoice = connected.send(&write(&contact.external_id, "INV-1"), "key-1").await.unwrap();
        let facts = connected.facts().await;
        let payments = connected.world.ledger.payments.as_ref().unwrap();
        let pay = PaymentWrite {
            mark: "CP-0123456789ABCDEF0".to_owned(),
            document: invoice.external_id.clone(),
            document_number: invoice.number.clone(),
            contact: contact.external_id.clone(),
            amount: "20.12".parse().unwrap(),
            currency: "GBP".parse().unwrap(),
            date: "2026-11-21".parse().unwrap(),
            account: facts.accounts_for(AccountUse::Payment).next().unwrap().id.clone(),
            text: "Payment of invoice INV-1".to_owned(),
        };
        let body = payments.payment_body(&pay);
        connected.fault("/payment", FaultKind::TimeoutAfter);
        let lost = payments.write_payment(connected.access(), &body, "pay-1").await.unwrap_err();
        assert_eq!(lost.disposition, Disposition::LookFirst);
        let made = payments.write_payment(connected.access(), &body, "pay-1").await.unwrap().value;
        let (paid, calls) = connected.counted(payments.payments(connected.access(), &invoice.external_id)).await;
        let paid = paid.unwrap().value;
        assert_eq!((paid.balance, calls), ("16.00".parse().unwrap(), 2));
        assert_eq!(paid.payments, [made]);
        assert_eq!(paid.payments[0].mark.as_deref(), Some("CP-0123456789ABCDEF0"));

        // A payment moves the invoice's token: what rests on the one before is refused.
        let stale = connected.send(&update(&invoice, write(&contact.external_id, "INV-1")), "key-2").await.unwrap_err();
        assert_eq!(stale.disposition, Disposition::Stale);
        connected.bookkeeper(Action::Deposit { document_id: invoice.external_id.clone() });
        let there = connected.read(&invoice.external_id).await.unwrap();
        assert!(there.has_payments);
        let documents = &connected.world.ledger.documents;
        let end = documents.void_body(&there, Removal::Void);
        let refused = documents.void_document(connected.access(), &invoice.external_id, &end, "key-3").await.unwrap_err();
        assert_eq!(refused.disposition, Disposition::Hold { question: Question::PaidInLedger }, "6540");
        connected.bookkeeper(Action::CloseBooks { organisation: GB.to_owned(), until: Some("2026-11-21".parse().unwrap()) });
        let next = payments.payment_body(&PaymentWrite { mark: "CP-1".to_owned(), ..pay });
        let locked = payments.write_payment(connected.access(), &next, "pay-2").await.unwrap_err();
        assert_eq!(locked.disposition, Disposition::Hold { question: Question::PeriodLocked });
        assert_eq!(connected.facts().await.locked_until, Some("2026-11-21".parse().unwrap()));
    }

    #[tokio::test]
    async fn dead_tokens_lost_rights_and_foreign_choices_are_told_apart() {
        let connected = connected(GB).await;
        let contact = connected.make_contact("Acme", "ann@acme.example").await.unwrap();
        let create = write(&contact.external_id, "INV-1");
        let with = |change: &dyn Fn(&mut WriteLine)| {
            let mut write = create.clone();
            write.lines.iter_mut().for_each(change);
            write
        };
        let item = with(&|line| line.account = Some("999".to_owned()));
        let code = with(&|line| line.tax_code = Some("999".to_owned()));
        let none = with(&|line| line.tax_code = None);
        let currency = DocumentWrite { currency: "JPY".parse().unwrap(), ..create.clone() };
        for (write, code) in [
            (item, "quickbooks_item_refused"),
            (code, "quickbooks_tax_refused"),
            (none, "quickbooks_tax_refused"),
            (currency, "quickbooks_currency_missing"),
        ] {
            let refused = connected.send(&write, &format!("key-{code}-{}", write.currency)).await.unwrap_err();
            assert_eq!((refused.code.as_ref(), refused.facts_stale), (code, true));
        }
        let standing = |standing| connected.bookkeeper(Action::SetStanding { organisation: GB.to_owned(), standing });
        standing(Standing::SubscriptionEnded);
        assert_eq!(connected.send(&create, "key-5").await.unwrap_err().code, "quickbooks_subscription_ended");
        standing(Standing::RightsLost);
        assert_eq!(connected.send(&create, "key-6").await.unwrap_err().disposition, Disposition::Reauthorize);
        standing(Standing::Good);
        connected.bookkeeper(Action::Disconnect { organisation: GB.to_owned() });
        let cut = connected.send(&create, "key-7").await.unwrap_err();
        assert_eq!((cut.code.as_ref(), cut.disposition), ("quickbooks_token_refused", Disposition::Reauthorize));
        assert!(matches!(connected.world.refresh(&connected.refresh).await, Err(RefreshFailure::Dead)));
        assert_eq!(connected.world.simulator.state().documents.len(), 0);
    }

    #[tokio::test]
    async fn a_hit_limit_says_when_to_come_back() {
        let connected = connected(GB).await;
        let limited = Fault { status: Some(429), times: 1, ..Fault::on("/query", FaultKind::Status) };
        connected.world.simulator.post_faults(vec![limited]);
        let now = connected.access().now;
        let failure = connected.world.ledger.documents.look(connected.access(), &numbered("INV-1")).await.unwrap_err();
        assert_eq!(failure.code, "quickbooks_limit_reached");
        assert_eq!(failure.disposition, Disposition::Retry { not_before: Some(now + SignedDuration::from_mins(1)) });
    }
}
