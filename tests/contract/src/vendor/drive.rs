//! One ledger, driven through everything that its connector can send.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use coportal_core::client::Address;
use coportal_core::connection::Organisation;
use coportal_core::contact::{Contact, ContactContent};
use coportal_core::document::{DocumentStatus, DocumentWrite, PaymentWrite, RemoteDocument, RemoteLine, Removal, RemovedLine, WriteLine};
use coportal_core::facts::{AccountUse, Facts, TaxRate};
use coportal_core::id::LineId;
use coportal_core::invoice::TaxMode;
use coportal_core::ledger::{ContactMark, DraftMeaning, Ledger, LineTarget, TaxMethod};
use coportal_core::pricing::Totals;
use coportal_core::secret::Secret;
use coportal_core::sync::row::Look;
use coportal_core::sync::settle::document_mark;
use coportal_ledgers::batches::BatchWrite;
use coportal_ledgers::exec::Meter;
use coportal_ledgers::profile::Lane;
use coportal_ledgers::{Access, AuthorizeRequest, ClientCredentials, Endpoints, Held, LedgerApi, Ledgers, pkce_challenge};
use jiff::Timestamp;
use jiff::civil::{Date, date};
use rust_decimal::Decimal;
use simulators::skeleton::config::Config;
use simulators::skeleton::consent::Consent;
use simulators::skeleton::simulator::AnyLedger;
use simulators::skeleton::state::Seed;
use simulators::{Answer, Clock};
use tracing_subscriber::layer::SubscriberExt as _;
use url::Url;

use super::record::{Exchange, Recorder, TraceLines};

const ISSUED: Date = date(2026, 3, 9);
const REDIRECT: &str = "https://api.coportal.example/v1/oauth/callback";

/// A ledger and what has been agreed with it.
struct Scene {
    api: LedgerApi,
    recorder: Arc<Recorder>,
    credentials: ClientCredentials,
    clock: Clock,
    token: Secret,
    refresh: Option<Secret>,
    auth_event: Option<String>,
    organisation: Organisation,
    meter: Meter,
    keys: std::cell::Cell<u32>,
}

/// How a simulator is made.
pub(super) type Make = fn(Config) -> Arc<dyn AnyLedger>;

/// Drives a ledger through everything, once for each seed, and what went over the wire. A seed puts in what only a bookkeeper can change;
/// its `blanked` is the recorder's.
pub(super) fn everything(ledger: Ledger, make: Make, seeds: &[serde_json::Value]) -> Vec<Exchange> {
    seeds.iter().flat_map(|seed| once(ledger, make, seed)).collect()
}

fn once(ledger: Ledger, make: Make, seed: &serde_json::Value) -> Vec<Exchange> {
    let clock = Clock::fixed("2026-03-10T09:00:00Z".parse::<Timestamp>().unwrap());
    let simulator = make(Config {
        clock: clock.clone(),
        client_id: "client".to_owned(),
        client_secret: "secret".to_owned(),
        redirect_uris: vec![REDIRECT.to_owned()],
        seed: 7,
    });
    let mut seed = seed.clone();
    let blanked = seed.as_object_mut().unwrap().remove("blanked").map(|member| member.as_str().unwrap().to_owned());
    let mut seed: Seed = serde_json::from_value(seed).unwrap();
    let mut consent = Consent::approve();
    for organisation in &mut seed.organisations {
        match &organisation.name {
            // A named organisation is the one that is connected; without a name it is the first.
            Some(name) => consent = Consent::approve_only(&[name]),
            None => organisation.id = Some(simulator.state().organisations[0].id.clone()),
        }
    }
    simulator.seed(&seed).unwrap();
    simulator.set_consent(consent).unwrap();
    let recorder = Recorder::new(Arc::clone(&simulator), blanked);
    let lines = tracing_subscriber::registry().with(TraceLines(Arc::clone(&recorder)));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    tracing::subscriber::with_default(lines, || {
        runtime.block_on(async {
            let ledgers = Ledgers::new(Arc::clone(&recorder) as _, Endpoints::default());
            let api = ledgers.get(ledger).unwrap().clone();
            Scene::connect(api, Arc::clone(&recorder), &*simulator, clock).await.run().await;
        });
    });
    recorder.exchanges()
}

fn number(text: &str) -> Decimal {
    text.parse().unwrap()
}

impl Scene {
    async fn connect(api: LedgerApi, recorder: Arc<Recorder>, simulator: &dyn AnyLedger, clock: Clock) -> Self {
        let credentials = ClientCredentials { client_id: "client".to_owned(), client_secret: Secret::new("secret".to_owned()) };
        let verifier = Secret::new("v".repeat(43));
        let url = api.sign_in.authorize_url(&AuthorizeRequest {
            client_id: "client",
            redirect_uri: REDIRECT,
            state: "state-1",
            pkce_challenge: &pkce_challenge(&verifier),
            lanes: &[Lane::Push, Lane::Import, Lane::View],
        });
        let page = simulator.handle(http::Request::get(url.as_str()).body(Bytes::new()).unwrap()).await;
        let Answer::Response(page) = page else { panic!("the consent page did not answer") };
        let location = page.headers().get("location").unwrap_or_else(|| panic!("{page:?}"));
        let back = Url::parse(location.to_str().unwrap()).unwrap();
        let query = |name: &str| back.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let code = Secret::new(query("code").unwrap());
        let realm = query("realmId");
        let tokens = api.sign_in.exchange_code(&credentials, &code, &verifier, REDIRECT, realm.as_deref(), clock.now()).await.unwrap();
        let all = api.sign_in.organisations(&tokens.access_token, tokens.auth_event.as_deref()).await.unwrap();
        let organisation = all.into_iter().next().unwrap();
        let held = tokens.refresh_token.unwrap();
        let refreshed = api.sign_in.refresh(&credentials, &held, Some(&organisation.id), clock.now()).await.unwrap();
        Self {
            api,
            recorder,
            credentials,
            clock,
            token: refreshed.access_token,
            refresh: Some(refreshed.refresh_token.unwrap_or(held)),
            auth_event: tokens.auth_event,
            organisation,
            meter: Meter::default(),
            keys: std::cell::Cell::new(0),
        }
    }

    fn access(&self) -> Access<'_> {
        let timeout = Duration::from_secs(12);
        Access { organisation: &self.organisation.id, token: &self.token, meter: &self.meter, timeout, now: self.clock.now() }
    }

    /// A key that was not used before.
    fn key(&self) -> String {
        self.keys.set(self.keys.get() + 1);
        format!("cp-0123456789abcdef-{:08}", self.keys.get())
    }

    async fn run(&self) {
        let facts = self.api.facts.facts(self.access()).await.unwrap().value;
        let contact = self.contacts(&facts).await;
        self.documents(&facts, &contact).await;
        // Where no consent names its organisations, the whole list is asked for.
        if self.auth_event.is_some() {
            self.api.sign_in.organisations(&self.token, None).await.unwrap();
        }
        let held = Held { access: &self.token, refresh: self.refresh.as_ref() };
        let link = self.organisation.link_id.as_deref().unwrap_or(&self.organisation.id);
        self.api.sign_in.unlink(&self.credentials, held, link).await.unwrap();
        assert!(self.meter.calls() > 0 && !self.recorder.exchanges().is_empty());
    }

    async fn contacts(&self, facts: &Facts) -> Contact {
        let contacts = &self.api.contacts;
        let mark = match self.api.rules.contact_mark {
            ContactMark::ClientId => Some("01900000-0000-7000-8000-000000000002".to_owned()),
            ContactMark::Digest { max } => Some("CP7F3A9B2C1D".chars().take(max).collect()),
            ContactMark::Evidence => None,
        };
        let mut content = ContactContent {
            name: Some("Rosewood & O'Vale <Söhne> Ltd".to_owned()),
            email: Some("accounts@rosewood.example".to_owned()),
            phone: Some("+44 20 5550 0101".to_owned()),
            billing_address: Some(Address {
                line1: Some("1 Long Lane".to_owned()),
                line2: Some("Floor 2".to_owned()),
                city: Some("London".to_owned()),
                region: Some("Greater London".to_owned()),
                postal_code: Some("EC1A 9HF".to_owned()),
                country: Some("United Kingdom".to_owned()),
            }),
            our_mark: mark.clone(),
            // Said only where there is something to say, as the planner does.
            currency: (facts.currencies.len() > 1).then_some(facts.base_currency),
        };
        let body = contacts.contact_body(&content, None);
        let made = contacts.write_contact(self.access(), None, &body, &self.key()).await.unwrap().value;
        let read = contacts.read_contact(self.access(), &made.external_id).await.unwrap().value.unwrap();
        assert_eq!(read.external_id, made.external_id);
        content = ContactContent { our_mark: None, phone: Some("+44 20 5550 0202".to_owned()), ..content };
        let body = contacts.contact_body(&content, Some(&read));
        contacts.write_contact(self.access(), Some(&read.external_id), &body, &self.key()).await.unwrap();
        for (email, name) in [
            (Some("accounts@rosewood.example"), Some(read.name.as_str())),
            (Some("accounts@rosewood.example"), None),
            (None, Some(read.name.as_str())),
            (None, Some(r#"Quoted "Bakery""#)),
        ] {
            contacts.search(self.access(), email, name).await.unwrap();
        }
        self.listed(&read).await;
        let look = Look { mark, name: Some(read.name.clone()), email: read.email.clone(), ..Look::default() };
        let found = contacts.look_contact(self.access(), &look).await.unwrap().value;
        assert!(found.iter().any(|one| one.external_id == read.external_id), "a contact of ours is found again");
        contacts.read_contact(self.access(), &made.external_id).await.unwrap().value.unwrap()
    }

    /// All contacts, to the last page.
    async fn listed(&self, there: &Contact) {
        let list = &self.api.contact_list;
        let mut page = list.contact_page(self.access(), None).await.unwrap().value;
        let mut found = std::mem::take(&mut page.contacts);
        while let Some(next) = page.next {
            page = list.contact_page(self.access(), Some(&next)).await.unwrap().value;
            found.append(&mut page.contacts);
        }
        assert!(found.iter().any(|one| one.external_id == there.external_id), "a contact of ours is on the list");
    }

    /// What changed since a document was made, to the last page.
    async fn changed(&self, external_id: &str) {
        let since = self.clock.now() - jiff::SignedDuration::from_hours(1);
        let changes = &self.api.changes;
        let mut page = changes.changed_page(self.access(), since, None).await.unwrap().value;
        let mut found = std::mem::take(&mut page.documents);
        while let Some(next) = page.next {
            page = changes.changed_page(self.access(), since, Some(&next)).await.unwrap().value;
            found.append(&mut page.documents);
        }
        assert!(found.iter().any(|one| one.external_id == external_id), "a document of ours is among the changes");
    }

    fn lines(&self, facts: &Facts) -> Vec<WriteLine> {
        let rules = &self.api.rules;
        let tax = sales_tax(facts);
        let account = facts.accounts_for(AccountUse::Sales).next().map(|account| account.code.clone().unwrap_or(account.id.clone()));
        let target = match rules.line_target {
            LineTarget::Account => facts.default_sales_account.clone().or(account),
            LineTarget::Item => facts.default_item.clone().or_else(|| facts.items.first().map(|item| item.id.clone())),
        };
        let line = |place: u128, description: &str, quantity: &str, price: &str| {
            let (quantity, unit_price) = (number(quantity), number(price));
            let tax_of_line =
                (quantity * unit_price * tax.and_then(|tax| tax.rate_on(ISSUED)).map_or(Decimal::ZERO, |rate| rate.factor())).round_dp(2);
            WriteLine {
                key: Some(LineId::new(uuid(place))),
                line_id: None,
                description: description.to_owned(),
                quantity: Some(quantity),
                unit_price: Some(unit_price),
                tax_code: tax.map(|tax| tax.code.clone()),
                account: target.clone(),
                rate: tax.and_then(|tax| tax.rate_on(ISSUED)),
                tax: (rules.arithmetic.tax == TaxMethod::Given).then_some(tax_of_line),
                kept: serde_json::Value::Null,
            }
        };
        vec![
            line(1, "Design of the annual report: \"covers\" & inside pages, Größe A4", "2", "25.05"),
            line(2, "Printing", "1.5", "10.00"),
            line(3, "Travel", "1", "30.00"),
        ]
    }

    fn write(&self, facts: &Facts, contact: &Contact, status: DocumentStatus, nth: u32) -> DocumentWrite {
        let lines = self.lines(facts);
        let subtotal: Decimal = lines.iter().map(|line| line.quantity.unwrap() * line.unit_price.unwrap()).sum();
        let rate = lines[0].rate.map_or(Decimal::ZERO, |rate| rate.factor());
        let tax: Decimal = lines.iter().map(|line| (line.quantity.unwrap() * line.unit_price.unwrap() * rate).round_dp(2)).sum();
        let number = format!("INV-{nth:04}");
        let page = format!("https://app.coportal.example/invoices/0190000000007000800000000000{nth:04}");
        DocumentWrite {
            external_id: None,
            number: self.api.rules.carries_number.then(|| number.clone()).filter(|_| !facts.assigns_numbers),
            reference: Some(number),
            url: document_mark(self.api.rules.document_mark, &page),
            contact: contact.external_id.clone(),
            currency: facts.base_currency,
            issue_date: ISSUED,
            due_date: date(2026, 4, 8),
            tax_mode: facts.pays_tax.then_some(TaxMode::Exclusive),
            status,
            native_status: None,
            lines,
            removed: Vec::new(),
            version: None,
            totals: Totals { subtotal, tax, total: subtotal + tax },
            kept: serde_json::Value::Null,
        }
    }

    /// Writes a document to its last line.
    async fn put(&self, write: &DocumentWrite) -> RemoteDocument {
        let documents = &self.api.documents;
        let body = documents.document_body(write);
        let mut there = documents.write_document(self.access(), write.external_id.as_deref(), &body, &self.key()).await.unwrap().value;
        if let Some(stepwise) = &self.api.stepwise {
            for _ in 0..10 {
                if there.lines.len() >= write.lines.len() {
                    break;
                }
                there = stepwise.continue_document(self.access(), &there, &body, &self.key()).await.unwrap().value;
            }
        }
        assert_eq!(there.lines.len(), write.lines.len(), "{there:?}");
        there
    }

    async fn read(&self, there: &RemoteDocument) -> RemoteDocument {
        self.api.documents.read_document(self.access(), &there.external_id).await.unwrap().value.unwrap()
    }

    async fn documents(&self, facts: &Facts, contact: &Contact) {
        let has_drafts = self.api.rules.draft != DraftMeaning::Held;
        let first = if has_drafts { DocumentStatus::Draft } else { DocumentStatus::Approved };
        let draft = self.put(&self.write(facts, contact, first, 1)).await;
        self.looks(&draft).await;
        self.several(facts, contact, first).await;

        // Changed text, a line less, a line more; what is the ledger's is handed back.
        let there = self.read(&draft).await;
        let mut update = self.write(facts, contact, there.status, 1);
        let mut added = update.lines[2].clone();
        added.key = Some(LineId::new(uuid(4)));
        added.description = "Courier".to_owned();
        let removed = there.lines.get(2).map(|line| RemovedLine { line_id: line.line_id.clone().unwrap(), kept: line.kept.clone() });
        for (line, stands) in update.lines.iter_mut().zip(&there.lines).take(2) {
            hand_back(line, stands);
        }
        update.lines[1].description = "Printing, two colours".to_owned();
        update.lines[2] = added;
        self.changed(&there.external_id).await;
        let update = DocumentWrite {
            external_id: Some(there.external_id.clone()),
            number: there.number.clone().filter(|_| self.api.rules.carries_number),
            native_status: Some(there.native_status.clone()),
            removed: removed.into_iter().collect(),
            version: there.version.clone(),
            kept: there.kept.clone(),
            due_date: date(2026, 4, 15),
            ..update
        };
        self.put(&update).await;
        let there = self.read(&there).await;

        let open = match &self.api.drafts {
            Some(drafts) => {
                let body = drafts.approve_body(&there);
                drafts.approve_document(self.access(), &there.external_id, &body, &self.key()).await.unwrap().value
            }
            None => there,
        };
        self.pay(facts, contact, &open).await;

        if self.api.stepwise.is_some() {
            self.step_by_step(facts, contact).await;
        }

        // One made as approved, and voided; one left as a draft, and deleted.
        let mut gone = vec![self.put(&self.write(facts, contact, DocumentStatus::Approved, 2)).await];
        if let (true, Some(drafts)) = (gone[0].status == DocumentStatus::Draft, &self.api.drafts) {
            let body = drafts.approve_body(&gone[0]);
            gone[0] = drafts.approve_document(self.access(), &gone[0].external_id, &body, &self.key()).await.unwrap().value;
        }
        gone.push(self.put(&self.write(facts, contact, first, 3)).await);
        for (there, how) in gone.iter().zip([Removal::Void, Removal::Delete]) {
            let there = self.read(there).await;
            let body = self.api.documents.void_body(&there, how);
            self.api.documents.void_document(self.access(), &there.external_id, &body, &self.key()).await.unwrap();
        }
    }

    /// What only a document in several calls comes to: one line alone, and lines that are refused, whose header is taken back.
    async fn step_by_step(&self, facts: &Facts, contact: &Contact) {
        let mut write = self.write(facts, contact, DocumentStatus::Draft, 4);
        write.lines.truncate(1);
        self.put(&write).await;
        let mut write = self.write(facts, contact, DocumentStatus::Draft, 5);
        write.lines.truncate(1);
        write.lines[0].account = Some(uuid(99).to_string());
        let body = self.api.documents.document_body(&write);
        let there = self.api.documents.write_document(self.access(), None, &body, &self.key()).await.unwrap().value;
        let stepwise = self.api.stepwise.as_ref().unwrap();
        assert!(stepwise.continue_document(self.access(), &there, &body, &self.key()).await.is_err(), "no such account");
    }

    /// What travels in one call, where the ledger has such calls.
    async fn several(&self, facts: &Facts, contact: &Contact, status: DocumentStatus) {
        let documents = &self.api.documents;
        let batches = &self.api.batches;
        let writes = [6, 7].map(|nth| self.write(facts, contact, status, nth));
        let bodies = writes.each_ref().map(|write| documents.document_body(write));
        let row = |body| BatchWrite { external_id: None, body };
        let made: Vec<RemoteDocument> = match &batches.creates {
            Some(creates) => {
                let rows: Vec<BatchWrite<'_>> = bodies.iter().map(|body| row(body.as_slice())).collect();
                let made = creates.create_documents(self.access(), &rows, &self.key()).await.unwrap();
                made.into_iter().map(|one| one.unwrap().value).collect()
            }
            None => {
                let mut made = Vec::new();
                for write in &writes {
                    made.push(self.put(write).await);
                }
                made
            }
        };
        if let Some(updates) = &batches.updates {
            let changed: Vec<DocumentWrite> = writes
                .iter()
                .zip(&made)
                .map(|(write, there)| {
                    let mut write = DocumentWrite {
                        external_id: Some(there.external_id.clone()),
                        native_status: Some(there.native_status.clone()),
                        version: there.version.clone(),
                        kept: there.kept.clone(),
                        due_date: date(2026, 4, 22),
                        ..write.clone()
                    };
                    for (line, stands) in write.lines.iter_mut().zip(&there.lines) {
                        hand_back(line, stands);
                    }
                    write
                })
                .collect();
            let bodies: Vec<Vec<u8>> = changed.iter().map(|write| documents.document_body(write)).collect();
            let rows: Vec<BatchWrite<'_>> =
                made.iter().zip(&bodies).map(|(there, body)| BatchWrite { external_id: Some(&there.external_id), body }).collect();
            for outcome in updates.update_documents(self.access(), &rows, &self.key()).await.unwrap() {
                assert_eq!(outcome.unwrap().value.due_date, Some(date(2026, 4, 22)));
            }
        }
        if let Some(reads) = &batches.reads {
            let ids: Vec<&str> = made.iter().map(|there| there.external_id.as_str()).collect();
            let read = reads.read_documents(self.access(), &ids).await.unwrap().value;
            assert!(read.iter().zip(&ids).all(|(read, id)| read.as_ref().is_some_and(|read| read.external_id == *id)), "{read:?}");
            let numbered: Vec<Look> = made
                .iter()
                .map(|there| Look { number: there.number.clone(), reference: there.reference.clone(), ..Look::default() })
                .collect();
            let by_day: Vec<Look> = made
                .iter()
                .map(|there| Look { contact: Some(there.contact.clone()), issue_date: there.issue_date, ..Look::default() })
                .collect();
            for looks in [numbered, by_day] {
                let looks: Vec<&Look> = looks.iter().collect();
                let found = reads.look_documents(self.access(), &looks).await.unwrap().value;
                assert_eq!(found.len(), looks.len());
            }
        }
        if let Some(creates) = &batches.creates {
            let marks = ["01900000-0000-7000-8000-000000000031", "01900000-0000-7000-8000-000000000032"];
            let content = |mark: &str| ContactContent {
                name: Some(format!("Several {mark}")),
                email: Some("several@rosewood.example".to_owned()),
                phone: None,
                billing_address: None,
                our_mark: Some(mark.to_owned()),
                currency: None,
            };
            let bodies = marks.map(|mark| self.api.contacts.contact_body(&content(mark), None));
            let rows: Vec<BatchWrite<'_>> = bodies.iter().map(|body| row(body.as_slice())).collect();
            for made in creates.create_contacts(self.access(), &rows, &self.key()).await.unwrap() {
                assert!(made.unwrap().value.our_mark.is_some());
            }
            let looks = marks.map(|mark| Look { mark: Some(mark.to_owned()), ..Look::default() });
            let found = creates.look_contacts(self.access(), &looks.each_ref()).await.unwrap().value;
            assert!(found.iter().all(|found| found.as_ref().is_some_and(|found| found.len() == 1)), "{found:?}");
        }
    }

    async fn looks(&self, there: &RemoteDocument) {
        let (documents, contact) = (&self.api.documents, Some(there.contact.clone()));
        let looks = [
            Look { external_id: Some(there.external_id.clone()), ..Look::default() },
            Look { number: there.number.clone(), contact: contact.clone(), ..Look::default() },
            Look { reference: there.reference.clone(), contact: contact.clone(), issue_date: there.issue_date, ..Look::default() },
            Look { mark: there.url.clone(), contact: contact.clone(), issue_date: there.issue_date, ..Look::default() },
            Look { contact: contact.clone(), issue_date: there.issue_date, ..Look::default() },
            Look { contact, ..Look::default() },
        ];
        for (place, look) in looks.iter().enumerate() {
            let found = documents.look(self.access(), look).await.unwrap().value;
            assert!(place > 0 || found.iter().any(|one| one.external_id == there.external_id), "{look:?}");
        }
    }

    async fn pay(&self, facts: &Facts, contact: &Contact, open: &RemoteDocument) {
        let Some(payments) = &self.api.payments else { return };
        let before = payments.payments(self.access(), &open.external_id).await.unwrap().value;
        assert!(before.payments.is_empty() && before.balance > Decimal::ONE, "{before:?}");
        let account = facts.accounts_for(AccountUse::Payment).next().expect("an account takes payments");
        let body = payments.payment_body(&PaymentWrite {
            mark: "CP-P-0123456789ABCDE".to_owned(),
            document: open.external_id.clone(),
            document_number: open.number.clone(),
            contact: contact.external_id.clone(),
            amount: number("12.34"),
            currency: facts.base_currency,
            date: date(2026, 3, 10),
            account: account.code.clone().unwrap_or(account.id.clone()),
            text: "Payment 01900000-0000-7000-8000-000000000009 in CoPortal".to_owned(),
        });
        let made = payments.write_payment(self.access(), &body, &self.key()).await.unwrap().value;
        assert_eq!(made.amount, number("12.34"));
        match payments.payments(self.access(), &open.external_id).await {
            Ok(after) => assert!(after.value.payments.iter().any(|one| one.mark.is_some()), "{after:?}"),
            // What its simulator does not model is listed with the ledger, and the request is checked all the same.
            Err(failure) => assert_eq!(failure.status, Some(501), "{failure:?}"),
        }
    }
}

fn uuid(n: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | n)
}

/// The first rate above zero that sales may have.
fn sales_tax(facts: &Facts) -> Option<&TaxRate> {
    let taxed = |rate: &&TaxRate| rate.on_sales && rate.rate_on(ISSUED).is_some_and(|rate| !rate.percent().is_zero());
    facts.tax_rates.iter().find(taxed).or_else(|| facts.tax_rates.iter().find(|rate| rate.on_sales))
}

/// What an update hands back of a line that stands.
fn hand_back(line: &mut WriteLine, stands: &RemoteLine) {
    line.line_id.clone_from(&stands.line_id);
    line.kept.clone_from(&stands.kept);
    if stands.account.is_some() {
        line.account.clone_from(&stands.account);
    }
}
