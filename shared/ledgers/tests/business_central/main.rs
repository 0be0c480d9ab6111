//! Business Central end to end against its simulator, over real HTTP: sign-in, discovery, facts, customers, invoices in steps, posting, payments,
//! and what is left when an answer is lost.

#[cfg(test)]
mod against_the_simulator {
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;
    use coportal_core::client::Address;
    use coportal_core::connection::Organisation;
    use coportal_core::contact::{Contact, ContactContent, ContactStatus};
    use coportal_core::document::{
        Changeable, DocumentStatus, DocumentWrite, PaymentWrite, RemoteDocument, Removal, RemovedLine, WriteLine,
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
    use coportal_ledgers::{Access, AuthorizeRequest, ClientCredentials, Endpoints, LedgerApi, Ledgers, RefreshFailure, pkce_challenge};
    use http::Request;
    use jiff::SignedDuration;
    use rust_decimal::Decimal;
    use simulators::business_central::{Action, Blocked, Config, Simulator, Which};
    use simulators::skeleton::consent::Consent;
    use simulators::skeleton::faults::{Fault, FaultKind};
    use simulators::{Answer, Clock};
    use tokio::net::TcpListener;

    mod faults;
    mod parts;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const REDIRECT: &str = "https://api.coportal.example/v1/oauth/business-central/callback";

    struct World {
        simulator: Simulator,
        ledger: LedgerApi,
        credentials: ClientCredentials,
        meter: Meter,
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
        endpoints.simulate(Ledger::BusinessCentral, &origin);
        let transport = HttpTransport::new(Egress::of(endpoints.called()).unwrap()).unwrap();
        let ledger = Ledgers::new(Arc::new(transport), endpoints).get(Ledger::BusinessCentral).unwrap().clone();
        let credentials = ClientCredentials { client_id: "app-1".to_owned(), client_secret: Secret::new("app secret/1".to_owned()) };
        World { simulator, ledger, credentials, meter: Meter::default() }
    }

    impl World {
        /// The user's way through the consent page, and the tokens that come of it.
        async fn sign_in(&self) -> TokenSet {
            let every = ["Harbour & Hill Ltd", "Table Bay Studio (Pty) Ltd", "CRONUS UK Ltd."];
            self.simulator.set_consent(Consent::approve_only(&every)).unwrap();
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
            let code = back.query_pairs().find(|(key, _)| key == "code").map(|(_, value)| Secret::new(value.into_owned())).unwrap();
            let (verifier, now) = (Secret::new(VERIFIER.to_owned()), self.simulator.clock().now());
            let set = self.ledger.sign_in.exchange_code(&self.credentials, &code, &verifier, REDIRECT, None, now).await;
            let again = self.ledger.sign_in.exchange_code(&self.credentials, &code, &verifier, REDIRECT, None, now).await;
            assert_eq!(again.err().unwrap().code, "business_central_code_refused", "a code counts once");
            set.unwrap_or_else(|failure| panic!("{failure:?}"))
        }

        async fn organisations(&self, token: &Secret) -> Result<Vec<Organisation>, Failure> {
            self.ledger.sign_in.organisations(token, None).await
        }
    }

    /// A connected company.
    struct Connected {
        world: World,
        organisation: String,
        token: Secret,
    }

    async fn connected_to(index: usize) -> Connected {
        let world = world().await;
        let set = world.sign_in().await;
        let found = world.organisations(&set.access_token).await.unwrap_or_else(|failure| panic!("{failure:?}"));
        Connected { organisation: found[index].id.clone(), token: set.access_token, world }
    }

    async fn connected() -> Connected {
        connected_to(0).await
    }

    fn line(description: &str, quantity: &str, unit_price: &str) -> WriteLine {
        WriteLine {
            key: Some("li_0192f0c1a2b37c4d8e5f6a7b8c9d0e1f".parse().unwrap()),
            line_id: None,
            description: description.to_owned(),
            quantity: Some(quantity.parse().unwrap()),
            unit_price: Some(unit_price.parse().unwrap()),
            tax_code: None,
            account: Some("6110".to_owned()),
            rate: None,
            tax: None,
            kept: serde_json::Value::Null,
        }
    }

    fn write(contact: &str, reference: &str) -> DocumentWrite {
        DocumentWrite {
            external_id: None,
            number: None,
            reference: Some(reference.to_owned()),
            url: format!("MARK-{reference}"),
            contact: contact.to_owned(),
            currency: "GBP".parse().unwrap(),
            issue_date: "2026-11-20".parse().unwrap(),
            due_date: "2026-12-20".parse().unwrap(),
            tax_mode: Some(TaxMode::Exclusive),
            status: DocumentStatus::Draft,
            native_status: None,
            lines: vec![line("Design", "3", "10.03333"), line("Print", "2.5", "4.1")],
            removed: Vec::new(),
            version: None,
            totals: Totals::default(),
            kept: serde_json::Value::Null,
        }
    }

    fn by_reference(text: &str) -> Look {
        Look { reference: Some(text.to_owned()), ..Look::default() }
    }

    fn dec(text: &str) -> Decimal {
        text.parse().unwrap()
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

        async fn customer(&self, name: &str, email: &str, country: &str) -> Result<Contact, Failure> {
            let content = ContactContent {
                name: Some(name.to_owned()),
                email: Some(email.to_owned()),
                phone: Some("+44 20 7946 0000".to_owned()),
                billing_address: Some(Address {
                    line1: Some("1 High Street".to_owned()),
                    city: Some("Leeds".to_owned()),
                    country: Some(country.to_owned()),
                    ..Address::default()
                }),
                our_mark: None,
                currency: None,
            };
            let contacts = &self.world.ledger.contacts;
            let body = contacts.contact_body(&content, None);
            contacts.write_contact(self.access(), None, &body, "key").await.map(|answered| answered.value)
        }

        async fn acme(&self) -> String {
            self.customer("Acme", "ann@acme.example", "United Kingdom").await.unwrap().external_id
        }

        async fn header(&self, write: &DocumentWrite) -> Result<RemoteDocument, Failure> {
            let documents = &self.world.ledger.documents;
            let body = documents.document_body(write);
            documents.write_document(self.access(), write.external_id.as_deref(), &body, "key").await.map(|answered| answered.value)
        }

        async fn go_on(&self, there: &RemoteDocument, write: &DocumentWrite) -> Result<RemoteDocument, Failure> {
            let body = self.world.ledger.documents.document_body(write);
            let stepwise = self.world.ledger.stepwise.as_ref().unwrap();
            stepwise.continue_document(self.access(), there, &body, "key").await.map(|answered| answered.value)
        }

        async fn make(&self, write: &DocumentWrite) -> RemoteDocument {
            let header = self.header(write).await.unwrap_or_else(|failure| panic!("{failure:?}"));
            self.go_on(&header, write).await.unwrap_or_else(|failure| panic!("{failure:?}"))
        }

        async fn read(&self, id: &str) -> Option<RemoteDocument> {
            self.world.ledger.documents.read_document(self.access(), id).await.unwrap().value
        }

        async fn post(&self, there: &RemoteDocument) -> Result<RemoteDocument, Failure> {
            let drafts = self.world.ledger.drafts.as_ref().unwrap();
            let body = drafts.approve_body(there);
            drafts.approve_document(self.access(), &there.external_id, &body, "key").await.map(|answered| answered.value)
        }

        async fn void(&self, there: &RemoteDocument) -> Result<RemoteDocument, Failure> {
            let documents = &self.world.ledger.documents;
            let body = documents.void_body(there, Removal::Void);
            documents.void_document(self.access(), &there.external_id, &body, "key").await.map(|answered| answered.value)
        }

        fn fault(&self, matching: &str, kind: FaultKind) {
            self.world.simulator.post_faults(vec![Fault::on(matching, kind)]);
        }

        fn bookkeeper(&self, action: Action) {
            self.world.simulator.bookkeeper(action).unwrap();
        }

        fn documents(&self) -> usize {
            self.world.simulator.state().documents.len()
        }
    }

    /// The update of a document as it was just read, with these lines.
    fn update(there: &RemoteDocument, write: &DocumentWrite, lines: Vec<WriteLine>, removed: Vec<RemovedLine>) -> DocumentWrite {
        DocumentWrite {
            external_id: Some(there.external_id.clone()),
            version: there.version.clone(),
            status: there.status,
            lines,
            removed,
            ..write.clone()
        }
    }

    fn as_there(there: &RemoteDocument, index: usize) -> WriteLine {
        let remote = &there.lines[index];
        WriteLine {
            line_id: remote.line_id.clone(),
            account: remote.account.clone(),
            ..line(&remote.description, &remote.quantity.unwrap().to_string(), &remote.unit_price.unwrap().to_string())
        }
    }

    /// R15, R16: sign-in, every company of every environment, the first production one first; the refresh of a chosen one.
    #[tokio::test]
    async fn r16_sign_in_discovery_and_refresh() {
        let world = world().await;
        let set = world.sign_in().await;
        let found = world.organisations(&set.access_token).await.unwrap();
        let names: Vec<(&str, &str)> = found.iter().map(|one| (one.environment.as_deref().unwrap(), one.name.as_str())).collect();
        assert_eq!(
            names,
            [("Production", "Harbour & Hill Ltd"), ("Production", "Table Bay Studio (Pty) Ltd"), ("Sandbox", "CRONUS UK Ltd.")]
        );
        assert!(found.iter().all(|one| one.link_id.is_none()));
        world.simulator.clock().advance(SignedDuration::from_mins(70));
        assert_eq!(world.organisations(&set.access_token).await.unwrap_err().disposition, Disposition::Reauthorize);
        let old = set.refresh_token.unwrap();
        let now = world.simulator.clock().now();
        let next = world.ledger.sign_in.refresh(&world.credentials, &old, Some(&found[0].id), now).await;
        let next = next.unwrap_or_else(|failure| panic!("{failure:?}"));
        assert_eq!(world.organisations(&next.access_token).await.unwrap().len(), 3);
        world.simulator.post_faults(vec![Fault::on("/oauth2/v2.0/token", FaultKind::TimeoutAfter)]);
        let lost = world.ledger.sign_in.refresh(&world.credentials, &old, Some(&found[0].id), now).await;
        assert!(matches!(lost, Err(RefreshFailure::Unsettled { .. })));
        let never = Secret::new("never-issued".to_owned());
        let dead = world.ledger.sign_in.refresh(&world.credentials, &never, Some(&found[0].id), now).await;
        assert!(matches!(dead, Err(RefreshFailure::Dead)));
    }

    #[tokio::test]
    async fn facts_of_each_company() {
        let connected = connected().await;
        let facts = connected.world.ledger.facts.facts(connected.access()).await.unwrap_or_else(|failure| panic!("{failure:?}")).value;
        assert_eq!(connected.world.meter.calls(), 6);
        assert_eq!((facts.name.as_str(), facts.base_currency.as_str()), ("Harbour & Hill Ltd", "GBP"));
        let numbers = |purpose| facts.accounts_for(purpose).map(|account| account.code.clone().unwrap_or_default()).collect::<Vec<_>>();
        assert_eq!(numbers(AccountUse::Sales), ["6110"], "the blocked one and the heading are left out");
        assert_eq!((numbers(AccountUse::Rounding), numbers(AccountUse::Payment).len()), (vec!["8450".to_owned()], 1));
        assert!(facts.tax_rates.iter().all(|rate| rate.rate.is_none()) && facts.tax_rates.iter().any(|rate| rate.code == "STANDARD"));
        let made = connected.make(&write(&connected.acme().await, "CP-1")).await;
        let url = connected.world.ledger.documents.document_url(&facts, &connected.organisation, &made).unwrap();
        assert!(url.contains("company=Harbour%20%26%20Hill%20Ltd&page=43"), "{url}");

        let za = connected_to(1).await;
        let facts = za.world.ledger.facts.facts(za.access()).await.unwrap().value;
        assert_eq!((facts.base_currency.as_str(), facts.default_sales_account.as_deref()), ("ZAR", Some("6110")));
        assert_eq!(facts.accounts_for(AccountUse::Sales).count(), 2);
        connected.bookkeeper(Action::ClosePeriod { organisation: None, through: Some("2026-03-31".parse().unwrap()) });
        let facts = connected.world.ledger.facts.facts(connected.access()).await.unwrap().value;
        assert_eq!(facts.locked_until, Some("2026-03-31".parse().unwrap()));
    }

    /// R60: by e-mail address, in any case; blocked ones are told.
    #[tokio::test]
    async fn r60_customers_are_made_found_updated_and_guarded() {
        let connected = connected().await;
        let contacts = &connected.world.ledger.contacts;
        let made = connected.customer("Acme O'Brien", "Ann@Acme.example", "United Kingdom").await.unwrap();
        assert_eq!(made.billing_address.as_ref().unwrap().country.as_deref(), Some("United Kingdom"));
        assert_eq!((made.status, made.our_mark.as_deref()), (ContactStatus::Active, None));
        for (email, name) in
            [(Some("ann@ACME.example"), None), (None, Some("acme o'brien")), (Some("none@x.example"), Some("Acme O'Brien"))]
        {
            let before = connected.world.meter.calls();
            let found = contacts.search(connected.access(), email, name).await.unwrap_or_else(|failure| panic!("{failure:?}")).value;
            assert_eq!(found.iter().map(|one| &one.external_id).collect::<Vec<_>>(), [&made.external_id], "{email:?} {name:?}");
            assert_eq!(connected.world.meter.calls() - before, 1);
        }
        // A country that this company does not have costs a call, and not the customer.
        let before = connected.world.meter.calls();
        let abroad = connected.customer("Abroad", "b@abroad.example", "Japan").await.unwrap();
        assert_eq!((abroad.billing_address.unwrap().country, connected.world.meter.calls() - before), (None, 2));
        let look = Look { name: Some("Acme O'Brien".to_owned()), email: Some("ann@acme.example".to_owned()), ..Look::default() };
        assert_eq!(contacts.look_contact(connected.access(), &look).await.unwrap().value.len(), 1);
        let missing = contacts.read_contact(connected.access(), "99999999-9999-4999-8999-999999999999").await.unwrap();
        assert_eq!(missing.value, None);

        let there = contacts.read_contact(connected.access(), &made.external_id).await.unwrap().value.unwrap();
        let blank = ContactContent { name: None, email: None, phone: None, billing_address: None, our_mark: None, currency: None };
        let change = ContactContent { email: Some("new@acme.example".to_owned()), ..blank };
        let body = contacts.contact_body(&change, Some(&there));
        let changed = contacts.write_contact(connected.access(), Some(&made.external_id), &body, "key").await.unwrap().value;
        assert_eq!((changed.email.as_deref(), changed.name.as_str()), (Some("new@acme.example"), "Acme O'Brien"));
        assert_ne!(changed.version, there.version);
        let old = contacts.write_contact(connected.access(), Some(&made.external_id), &body, "key").await.unwrap_err();
        assert_eq!(old.disposition, Disposition::Stale, "the version has moved");

        // A hundred characters are kept of a name; what was cut off is no difference, else a lost create would never be found.
        let long = format!("{} Ltd", "The Long Name of a Company ".repeat(6).trim());
        let cut = connected.customer(&long, "long@name.example", "").await.unwrap();
        assert_eq!(cut.name, long);
        let look = Look { name: Some(long.clone()), email: Some("long@name.example".to_owned()), ..Look::default() };
        let found = contacts.look_contact(connected.access(), &look).await.unwrap().value;
        assert_eq!(found.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), [long.as_str()]);
        let found = contacts.search(connected.access(), None, Some(&long)).await.unwrap().value;
        assert_eq!(found.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), [long.as_str()]);

        connected.bookkeeper(Action::BlockContact { contact_id: made.external_id.clone(), blocked: Blocked::Invoice });
        let found = contacts.search(connected.access(), Some("new@acme.example"), None).await.unwrap().value;
        assert_eq!(found[0].status, ContactStatus::Archived);
        let refused = connected.header(&write(&made.external_id, "CP-9")).await.unwrap_err();
        assert_eq!(refused.disposition, Disposition::Hold { question: Question::ContactGone });
    }

    /// R61, R46: header first, then lines; the number is the ledger's, ours the external one.
    #[tokio::test]
    async fn r61_an_invoice_from_header_to_cancellation() {
        let connected = connected().await;
        let contact = connected.acme().await;
        let wanted = write(&contact, "CP-1001");
        let before = connected.world.meter.calls();
        let header = connected.header(&wanted).await.unwrap_or_else(|failure| panic!("{failure:?}"));
        assert_eq!((header.status, header.lines.len()), (DocumentStatus::Draft, 0));
        assert_eq!((header.reference.as_deref(), header.url.as_deref()), (Some("CP-1001"), Some("MARK-CP-1001")));
        let made = connected.go_on(&header, &wanted).await.unwrap_or_else(|failure| panic!("{failure:?}"));
        assert_eq!(connected.world.meter.calls() - before, 3);
        assert_eq!(made.lines[0].unit_price, Some(dec("10.03333")), "five decimals");
        assert_eq!(made.due_date, Some("2026-12-20".parse().unwrap()), "the terms do not overwrite it");
        // 30.10 and 10.25 at 20%: VAT of the sum.
        assert_eq!((made.totals.subtotal, made.totals.tax, made.totals.total), (dec("40.35"), dec("8.07"), dec("48.42")));
        assert_eq!(made.lines[0].rate.map(|rate| rate.percent()), Some(dec("20")), "the percentage comes back with the line");
        assert!(made.kept.is_null() && made.lines.iter().all(|line| line.kept.is_null()));
        for look in [by_reference("cp-1001"), Look { mark: Some("MARK-CP-1001".to_owned()), ..Look::default() }] {
            let found = connected.world.ledger.documents.look(connected.access(), &look).await.unwrap().value;
            assert_eq!(found, std::slice::from_ref(&made), "{look:?}");
        }

        let first = WriteLine { description: "Design, phase 2".to_owned(), ..as_there(&made, 0) };
        let removed = vec![RemovedLine { line_id: made.lines[1].line_id.clone().unwrap(), kept: serde_json::Value::Null }];
        let before = connected.world.meter.calls();
        let changed = connected.header(&update(&made, &wanted, vec![line("New", "1", "5"), first], removed)).await;
        let changed = changed.unwrap_or_else(|failure| panic!("{failure:?}"));
        assert_eq!(connected.world.meter.calls() - before, 2);
        let texts: Vec<&str> = changed.lines.iter().map(|line| line.description.as_str()).collect();
        assert_eq!(texts, ["New", "Design, phase 2"], "in our order");
        assert_eq!(changed.lines[1].line_id, made.lines[0].line_id, "the line that stays is the same one");
        assert_ne!(changed.version, made.version);
        let swapped = connected.header(&update(&changed, &wanted, vec![as_there(&changed, 1), as_there(&changed, 0)], Vec::new())).await;
        let texts: Vec<String> = swapped.unwrap().lines.into_iter().map(|line| line.description).collect();
        assert_eq!(texts, ["Design, phase 2", "New"]);

        let draft = connected.read(&made.external_id).await.unwrap();
        let posted = connected.post(&draft).await.unwrap_or_else(|failure| panic!("{failure:?}"));
        assert_eq!((posted.status, posted.changeable), (DocumentStatus::Approved, Changeable::DueDate));
        assert_eq!((&posted.external_id, posted.totals), (&made.external_id, draft.totals), "the id survives posting");
        assert_ne!(posted.number, draft.number, "the number does not");
        assert_eq!(connected.post(&draft).await.unwrap().status, DocumentStatus::Approved, "a repeated posting finds it posted");
        let due = DocumentWrite { due_date: "2027-01-31".parse().unwrap(), ..update(&posted, &wanted, Vec::new(), Vec::new()) };
        assert_eq!(connected.header(&due).await.unwrap().due_date, Some("2027-01-31".parse().unwrap()));
        let late = update(&draft, &wanted, vec![as_there(&draft, 0)], Vec::new());
        assert!(connected.header(&late).await.unwrap_err().certainly_not_done(), "a posted document takes no lines");

        let posted = connected.read(&made.external_id).await.unwrap();
        assert_eq!(connected.void(&posted).await.unwrap().status, DocumentStatus::Voided);
        assert_eq!(connected.void(&posted).await.unwrap().status, DocumentStatus::Voided, "cancelled once");
        let found = connected.world.ledger.documents.look(connected.access(), &by_reference("CP-1001")).await.unwrap().value;
        assert_eq!(found[0].status, DocumentStatus::Voided, "a look tells of it");
    }

    #[tokio::test]
    async fn c10_a_draft_is_deleted_under_its_version() {
        let connected = connected().await;
        let made = connected.make(&write(&connected.acme().await, "CP-1")).await;
        let stale = made.clone();
        connected.bookkeeper(Action::EditDocument {
            document_id: made.external_id.clone(),
            due_date: Some("2027-02-01".parse().unwrap()),
            issue_date: None,
            reference: None,
            dimension: None,
        });
        assert_eq!(connected.void(&stale).await.unwrap_err().disposition, Disposition::Stale);
        let there = connected.read(&made.external_id).await.unwrap();
        assert_eq!(connected.void(&there).await.unwrap().status, DocumentStatus::Deleted);
        assert_eq!(connected.read(&made.external_id).await, None);
        assert_eq!(connected.void(&there).await.unwrap().status, DocumentStatus::Deleted, "gone already");
    }

    /// Whatever the bookkeeper did since: the version tells, and nothing is overwritten (I7).
    #[tokio::test]
    async fn i7_an_update_rests_on_the_version_that_was_read() {
        let connected = connected().await;
        let wanted = write(&connected.acme().await, "CP-1");
        for number in 0..3 {
            let wanted = DocumentWrite { reference: Some(format!("CP-{number}")), url: format!("MARK-{number}"), ..wanted.clone() };
            let made = connected.make(&wanted).await;
            let document_id = made.external_id.clone();
            connected.bookkeeper(match number {
                0 => Action::AddLine { document_id, description: "Extra".to_owned(), quantity: dec("1"), unit_price: dec("9") },
                1 => Action::RemoveLine { document_id, line: Which::Position(0) },
                _ => Action::EditLine {
                    document_id,
                    line: Which::Position(0),
                    description: Some("By hand".to_owned()),
                    quantity: None,
                    unit_price: None,
                    account: None,
                    tax_type: None,
                    tracking: None,
                },
            });
            let before = connected.read(&made.external_id).await.unwrap();
            let lines = vec![as_there(&made, 0), as_there(&made, 1), line("New", "1", "1")];
            let failure = connected.header(&update(&made, &wanted, lines, Vec::new())).await.unwrap_err();
            assert_eq!(failure.disposition, Disposition::Stale, "{number}");
            assert_eq!(connected.read(&made.external_id).await.unwrap(), before, "nothing was changed");
        }
    }

    /// C1: the payment waits in a journal, counts, and leaves it when the bookkeeper posts it.
    #[tokio::test]
    async fn c1_a_payment_is_left_for_the_bookkeeper() {
        let connected = connected().await;
        let contact = connected.acme().await;
        let draft = connected.make(&write(&contact, "CP-1")).await;
        let posted = connected.post(&draft).await.unwrap();
        let facts = connected.world.ledger.facts.facts(connected.access()).await.unwrap().value;
        let payments = connected.world.ledger.payments.as_ref().unwrap();
        let open = payments.payments(connected.access(), &posted.external_id).await.unwrap().value;
        assert_eq!((open.balance, open.payments.len()), (dec("48.42"), 0));
        let write = PaymentWrite {
            mark: "CP-0123456789ABCDEF0".to_owned(),
            document: posted.external_id.clone(),
            document_number: posted.number.clone(),
            contact,
            amount: dec("20"),
            currency: "GBP".parse().unwrap(),
            date: "2026-11-21".parse().unwrap(),
            account: facts.accounts_for(AccountUse::Payment).next().unwrap().id.clone(),
            text: "Payment of invoice CP-1".to_owned(),
        };
        let body = payments.payment_body(&write);
        connected.fault("customerPayments", FaultKind::TimeoutAfter);
        assert_eq!(payments.write_payment(connected.access(), &body, "key").await.unwrap_err().disposition, Disposition::LookFirst);
        let found = payments.payments(connected.access(), &posted.external_id).await.unwrap().value;
        assert_eq!((found.balance, found.payments.len()), (dec("28.42"), 1));
        assert_eq!((found.payments[0].mark.as_deref(), found.payments[0].amount), (Some(write.mark.as_str()), dec("20")));
        connected.bookkeeper(Action::PostPayments { organisation: None });
        let after = payments.payments(connected.access(), &posted.external_id).await.unwrap().value;
        assert_eq!((after.balance, after.payments.len()), (dec("28.42"), 0));
        let part = connected.read(&posted.external_id).await.unwrap();
        assert!(part.has_payments);
        assert_eq!(connected.void(&part).await.unwrap_err().disposition, Disposition::Hold { question: Question::PaidInLedger });
        connected.bookkeeper(Action::Pay { document_id: posted.external_id.clone(), amount: None, date: None });
        assert_eq!(connected.read(&posted.external_id).await.unwrap().status, DocumentStatus::Paid);
        // On a draft nothing can be paid.
        let draft = connected.make(&super::against_the_simulator::write(&write.contact, "CP-2")).await;
        let body = payments.payment_body(&PaymentWrite { document: draft.external_id, ..write });
        assert_eq!(payments.write_payment(connected.access(), &body, "key").await.unwrap_err().code, "business_central_payment_refused");
    }

    /// Section 6: a customer's card decides whether prices contain VAT.
    #[tokio::test]
    async fn prices_that_include_tax_leave_nothing_behind() {
        let connected = connected().await;
        let contact = connected.acme().await;
        connected.bookkeeper(Action::EditContact {
            contact_id: contact.clone(),
            name: None,
            email: None,
            prices_include_tax: Some(true),
            tax_area: None,
        });
        let failure = connected.header(&write(&contact, "CP-1")).await.unwrap_err();
        assert_eq!(failure.code, "business_central_prices_include_tax");
        assert_eq!(connected.documents(), 0, "the header was taken back");
    }

    #[tokio::test]
    async fn refusals_say_what_to_mend() {
        let connected = connected().await;
        let contact = connected.acme().await;
        let wanted = write(&contact, "CP-1");
        let with = |line: WriteLine| DocumentWrite { lines: vec![line], ..wanted.clone() };
        for (line, code) in [
            (WriteLine { account: Some("6120".to_owned()), ..line("Blocked", "1", "1") }, "account_refused"),
            (WriteLine { account: Some("9999".to_owned()), ..line("None", "1", "1") }, "account_refused"),
            (WriteLine { tax_code: Some("NOPE".to_owned()), ..line("No such group", "1", "1") }, "tax_setup_missing"),
        ] {
            let wanted = with(line);
            let header = connected.header(&wanted).await.unwrap();
            assert_eq!(connected.go_on(&header, &wanted).await.unwrap_err().code, format!("business_central_{code}"));
            assert_eq!(connected.documents(), 0, "an empty draft is taken back");
        }
        for (currency, code) in [("USD", "currency_missing"), ("CHF", "currency_missing")] {
            let wanted = DocumentWrite { currency: currency.parse().unwrap(), ..wanted.clone() };
            assert_eq!(connected.header(&wanted).await.unwrap_err().code, format!("business_central_{code}"), "{currency}");
        }
        let draft = connected.make(&wanted).await;
        connected.bookkeeper(Action::ClosePeriod { organisation: None, through: Some("2026-11-30".parse().unwrap()) });
        assert_eq!(connected.post(&draft).await.unwrap_err().disposition, Disposition::Hold { question: Question::PeriodLocked });
        // Section 14, trap 8: customers without posting groups.
        let sandbox = connected_to(2).await;
        let bare = sandbox.customer("Acme", "ann@acme.example", "").await.unwrap();
        let refused = sandbox.header(&write(&bare.external_id, "CP-1")).await.unwrap_err();
        assert_eq!(refused.code, "business_central_posting_group_missing");
    }

    /// Section 2: names change; a company that cannot be reached is no document that is gone.
    #[tokio::test]
    async fn a_renamed_environment_is_told_as_such() {
        let connected = connected().await;
        let draft = connected.make(&write(&connected.acme().await, "CP-1")).await;
        let action = Action::RenameEnvironment { environment: "Production".to_owned(), name: "Live".to_owned() };
        connected.bookkeeper(action);
        let failure = connected.world.ledger.documents.read_document(connected.access(), &draft.external_id).await.unwrap_err();
        assert_eq!(failure.code, "business_central_company_missing");
        let found = connected.world.organisations(&connected.token).await.unwrap();
        assert_eq!(found[0].environment.as_deref(), Some("Live"), "discovery finds it under its new name");
    }

    #[tokio::test]
    async fn a_long_invoice_is_made_in_batches_and_changed() {
        let connected = connected().await;
        let contact = connected.acme().await;
        let lines: Vec<WriteLine> = (1..=230).map(|number| line(&format!("Line {number}"), "1", "1")).collect();
        let wanted = DocumentWrite { lines, ..write(&contact, "CP-1") };
        let mut there = connected.header(&wanted).await.unwrap();
        for expected in [100, 200, 230] {
            there = connected.go_on(&there, &wanted).await.unwrap();
            assert_eq!(there.lines.len(), expected);
        }
        assert_eq!(there.lines[229].description, "Line 230");
        let changed: Vec<WriteLine> = (0..230).map(|index| WriteLine { unit_price: Some(dec("2")), ..as_there(&there, index) }).collect();
        let after = connected.header(&update(&there, &wanted, changed, Vec::new())).await.unwrap();
        assert_eq!((after.lines.len(), after.totals.subtotal), (230, dec("460")));
        // R64, C29: every part names a version, none is guarded by nothing.
        let parts = connected.world.simulator.calls().iter().filter(|call| call.path.ends_with("/$batch")).count();
        assert_eq!(parts, 3 + 3, "the create's three and the update's: 98 changes a part");
    }
}
