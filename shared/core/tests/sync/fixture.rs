//! One workspace, one client, one invoice and one organisation, to be bent by each test.

use coportal_core::choices::Choices;
use coportal_core::client::Client;
use coportal_core::connection::{Connection, ConnectionStatus, Generation, Options, Organisation};
use coportal_core::contact::{Contact, ContactLink, ContactStatus};
use coportal_core::document::{Changeable, DocumentStatus, RemoteDocument, RemoteLine, SentDocument};
use coportal_core::facts::{Account, AccountUse, Facts, Item, TaxRate};
use coportal_core::failure::Question;
use coportal_core::id::{ClientId, ConnectionId, IntentId, InvoiceId, LineId, RunId, WorkspaceId};
use coportal_core::invoice::{Invoice, InvoiceStatus, LineItem, TaxMode};
use coportal_core::ledger::{
    AS_THE_CURRENCY, Arithmetic, ContactMark, DocumentMark, DocumentShape, DraftMeaning, InclusivePrices, Ledger, LedgerRules, LineTarget,
    TaxCodes, TaxMethod,
};
use coportal_core::money::Rate;
use coportal_core::pricing::{LedgerLine, ledger_totals, raw_tax};
use coportal_core::sync::HoldDraft;
use coportal_core::sync::content::{BuiltContent, ContentInputs, build};
use coportal_core::sync::plan::{Found, Step, View, next_step};
use coportal_core::sync::row::{Answer, ContactRow, DocumentLink, Intent, IntentKind, Look, SyncRow};
use coportal_core::sync::settle::document_mark;
use coportal_core::workspace::{Plan, TaxRounding, Workspace};
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde_json::Value;
use uuid::Uuid;

pub(crate) const URL: &str = "https://app.example/invoices/inv_1";
pub(crate) const CONTACT: &str = "contact-1";

pub(crate) fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub(crate) fn rate(text: &str) -> Rate {
    dec(text).try_into().unwrap()
}

pub(crate) fn at(text: &str) -> Timestamp {
    format!("2026-03-01T{text}Z").parse().unwrap()
}

pub(crate) fn line_id(n: u128) -> LineId {
    LineId::new(Uuid::from_u128(n))
}

pub(crate) fn item(n: u128, description: &str, quantity: &str, unit_price: &str, tax: &str) -> LineItem {
    LineItem {
        id: line_id(n),
        description: description.into(),
        quantity: dec(quantity),
        unit_price: dec(unit_price),
        tax_rate: Some(rate(tax)),
        discount_percent: None,
    }
}

/// The rules of a ledger, as the vendor notes state them (docs/vendors).
pub(crate) fn rules_of(ledger: Ledger) -> LedgerRules {
    let xero = LedgerRules {
        ledger: Ledger::Xero,
        arithmetic: Arithmetic {
            tax: TaxMethod::Line,
            inclusive: InclusivePrices::Kept,
            quantity_decimals: 4,
            unit_price_decimals: 4,
            amount_decimals: 2,
        },
        draft: DraftMeaning::Native,
        key_window: SignedDuration::from_mins(5),
        settle: SignedDuration::from_mins(6),
        call_timeout: SignedDuration::from_secs(12),
        enforces_number: true,
        carries_number: true,
        reference_in_capitals: false,
        guards_versions: false,
        document_mark: DocumentMark::Link,
        contact_mark: ContactMark::ClientId,
        contact_has_currency: false,
        line_target: LineTarget::Account,
        tax_codes: TaxCodes::Sent,
        shape: DocumentShape::Whole,
        number_max: 255,
        reference_max: 255,
        description_max: 4_000,
    };
    match ledger {
        Ledger::Xero => xero,
        Ledger::Quickbooks => LedgerRules {
            ledger,
            arithmetic: Arithmetic {
                tax: TaxMethod::Line,
                inclusive: InclusivePrices::SentNet,
                quantity_decimals: 7,
                unit_price_decimals: 7,
                amount_decimals: AS_THE_CURRENCY,
            },
            draft: DraftMeaning::Held,
            key_window: SignedDuration::from_mins(15),
            settle: SignedDuration::from_mins(3),
            enforces_number: false,
            guards_versions: true,
            contact_mark: ContactMark::Evidence,
            contact_has_currency: true,
            line_target: LineTarget::Item,
            number_max: 21,
            reference_max: 100,
            ..xero
        },
        Ledger::Sage => LedgerRules {
            ledger,
            arithmetic: Arithmetic {
                tax: TaxMethod::Given,
                inclusive: InclusivePrices::SentNet,
                quantity_decimals: 2,
                unit_price_decimals: 2,
                amount_decimals: 2,
            },
            key_window: SignedDuration::ZERO,
            settle: SignedDuration::from_mins(2),
            enforces_number: false,
            carries_number: false,
            document_mark: DocumentMark::Evidence,
            contact_mark: ContactMark::Digest { max: 10 },
            contact_has_currency: true,
            number_max: 25,
            reference_max: 25,
            ..xero
        },
        Ledger::BusinessCentral => LedgerRules {
            ledger,
            arithmetic: Arithmetic {
                tax: TaxMethod::SignedGroup,
                inclusive: InclusivePrices::SentNet,
                quantity_decimals: 5,
                unit_price_decimals: 5,
                amount_decimals: AS_THE_CURRENCY,
            },
            key_window: SignedDuration::ZERO,
            settle: SignedDuration::from_mins(10),
            enforces_number: false,
            carries_number: false,
            reference_in_capitals: true,
            guards_versions: true,
            document_mark: DocumentMark::Digest,
            contact_mark: ContactMark::Evidence,
            tax_codes: TaxCodes::Checked,
            shape: DocumentShape::HeaderThenLines,
            number_max: 20,
            reference_max: 35,
            description_max: 100,
            ..xero
        },
    }
}

fn tax(code: &str, percent: &str) -> TaxRate {
    TaxRate {
        code: code.into(),
        name: format!("{percent}% {code}"),
        rate: Some(rate(percent)),
        on_sales: true,
        class: None,
        parts: Vec::new(),
        windows: Vec::new(),
    }
}

fn account(code: &str, purpose: AccountUse) -> Account {
    Account { id: format!("id-{code}"), code: Some(code.into()), name: format!("Account {code}"), uses: vec![purpose], tax_code: None }
}

/// Everything a decision rests on.
pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) rules: LedgerRules,
    pub(crate) workspace: Workspace,
    pub(crate) invoice: Invoice,
    pub(crate) client: Client,
    pub(crate) connection: Connection,
    pub(crate) facts: Option<Facts>,
    pub(crate) choices: Choices,
    pub(crate) contact: ContactRow,
    pub(crate) row: SyncRow,
    pub(crate) found: Found,
    /// The owner's mark of the invoice.
    pub(crate) url: String,
}

impl World {
    /// A sent invoice of two lines; nothing is linked yet.
    pub(crate) fn new() -> Self {
        let gbp = "GBP".parse().unwrap();
        let client_id = ClientId::new(Uuid::from_u128(2));
        let now = at("12:00:00");
        Self {
            now,
            rules: rules_of(Ledger::Xero),
            workspace: Workspace {
                id: WorkspaceId::new(Uuid::from_u128(1)),
                name: "Studio".into(),
                plan: Plan::Studio,
                currency: gbp,
                country: "GB".into(),
                tax_rounding: TaxRounding::Line,
                default_tax_rate: Some(rate("20")),
            },
            invoice: Invoice {
                id: InvoiceId::new(Uuid::from_u128(3)),
                number: "CP-1".into(),
                client_id,
                currency: gbp,
                issue_date: "2026-02-20".parse().unwrap(),
                due_date: Some("2026-03-20".parse().unwrap()),
                status: InvoiceStatus::Sent,
                tax_mode: TaxMode::Exclusive,
                lines: vec![item(1, "Design", "2", "100", "20"), item(2, "Print", "1", "50.5", "5")],
                payments: vec![],
                version: 1,
                created_at: now,
            },
            client: Client {
                id: client_id,
                name: "Acme".into(),
                email: "ann@acme.co".into(),
                company: None,
                phone: None,
                billing_address: None,
                notes: None,
                archived: false,
            },
            connection: Connection {
                id: ConnectionId::new(Uuid::from_u128(4)),
                ledger: Ledger::Xero,
                status: ConnectionStatus::Connected,
                organisation: Some(Organisation { id: "org".into(), name: "Org".into(), environment: None, link_id: None }),
                generation: Generation(1),
                grant: 1,
                options: Options::defaults(Ledger::Xero),
                connected_at: Some(now),
                connected_by: None,
                look_first: false,
                reconnect_reason: None,
            },
            facts: Some(Facts {
                name: "Org".into(),
                base_currency: gbp,
                currencies: vec![gbp],
                tax_rates: vec![tax("S20", "20"), tax("S5", "5"), tax("Z0", "0"), tax("S17", "17.5")],
                accounts: vec![account("200", AccountUse::Sales), account("860", AccountUse::Rounding)],
                short_code: None,
                items: vec![],
                default_item: None,
                default_sales_account: None,
                assigns_numbers: false,
                tax_method: None,
                one_tax_code: false,
                pays_tax: true,
                locked_until: None,
                fetched_at: now,
            }),
            choices: Choices { sales_account: Some("200".into()), ..Choices::default() },
            contact: ContactRow::default(),
            row: SyncRow::default(),
            found: Found::default(),
            url: URL.into(),
        }
    }

    /// The same with another ledger.
    pub(crate) fn of(ledger: Ledger) -> Self {
        let mut world = Self::new();
        world.rules = rules_of(ledger);
        world.url = document_mark(world.rules.document_mark, URL);
        world.connection.ledger = ledger;
        world.connection.options = Options::defaults(ledger);
        world.choices.sales_item = Some("7".into());
        let facts = world.facts_mut();
        facts.items = ["7", "8"].map(|id| Item { id: id.into(), name: format!("Item {id}") }).to_vec();
        facts.accounts.push(account("090", AccountUse::Payment));
        world
    }

    /// With the client linked to its contact.
    pub(crate) fn with_contact(mut self) -> Self {
        self.contact.link = Some(ContactLink { external_id: CONTACT.into(), hash: self.client.contact_hash(), linked_at: self.now });
        self
    }

    /// With the invoice in the ledger as it is, and the document that stands there.
    pub(crate) fn pushed(self) -> (Self, RemoteDocument) {
        let mut world = self.with_contact();
        let built = world.built();
        let there = world.remote("doc-1");
        world.row.link = Some(DocumentLink {
            external_id: "doc-1".into(),
            external_number: there.number.clone(),
            url: None,
            remote_version: there.version.clone(),
            status: there.status,
            sent: Some(SentDocument::of(&built.content, built.totals).with_line_ids(&there.lines)),
            created_by_us: true,
            as_sent: true,
        });
        world.row.hash = Some(built.content.hash());
        world.row.state = coportal_core::sync::row::SyncState::Synced;
        (world, there)
    }

    /// The same with the client linked to its contact.
    pub(crate) fn linked() -> Self {
        Self::new().with_contact()
    }

    /// The same with the invoice in the ledger as it is, and the document read.
    pub(crate) fn synced() -> (Self, RemoteDocument) {
        Self::new().pushed()
    }

    /// The same facts and invoice, for a document that is not ours.
    pub(crate) fn clone_with_contact(&self) -> Self {
        let mut world = Self::of(self.rules.ledger);
        world.invoice = self.invoice.clone();
        world.rules = self.rules;
        world.connection.options = self.connection.options.clone();
        world.with_contact()
    }

    pub(crate) fn facts_mut(&mut self) -> &mut Facts {
        self.facts.as_mut().unwrap()
    }

    pub(crate) fn inputs(&self) -> ContentInputs<'_> {
        ContentInputs {
            rules: &self.rules,
            workspace: &self.workspace,
            invoice: &self.invoice,
            facts: self.facts.as_ref().unwrap(),
            choices: &self.choices,
            options: &self.connection.options,
            row: &self.row,
            contact: CONTACT,
            url: &self.url,
        }
    }

    pub(crate) fn built(&self) -> BuiltContent {
        build(self.inputs()).unwrap()
    }

    pub(crate) fn question(&self) -> HoldDraft {
        *build(self.inputs()).unwrap_err()
    }

    /// The document that the ledger would have of the present content.
    pub(crate) fn remote(&self, id: &str) -> RemoteDocument {
        let built = self.built();
        let content = built.content;
        RemoteDocument {
            external_id: id.into(),
            number: content.number,
            reference: content.reference,
            url: Some(content.url).filter(|url| !url.is_empty()),
            contact: content.contact,
            currency: Some(content.currency),
            issue_date: Some(content.issue_date),
            due_date: Some(content.due_date),
            tax_mode: Some(content.tax_mode),
            status: DocumentStatus::Draft,
            native_status: "DRAFT".into(),
            lines: content
                .lines
                .iter()
                .enumerate()
                .map(|(index, line)| {
                    let amount = content.currency.round(line.quantity * line.unit_price);
                    RemoteLine {
                        line_id: Some(format!("l{index}")),
                        description: line.description.clone(),
                        quantity: Some(line.quantity),
                        unit_price: Some(line.unit_price),
                        tax_code: Some(line.tax_code.clone()),
                        account: Some(line.item.clone().unwrap_or("200".into())),
                        amount: Some(amount),
                        tax: Some(content.currency.round(raw_tax(amount, line.rate, content.tax_mode))),
                        rate: None,
                        kept: Value::Null,
                    }
                })
                .collect(),
            totals: built.totals,
            has_payments: false,
            version: Some("v1".into()),
            balance: None,
            created_at: None,
            changeable: Changeable::All,
            kept: Value::Null,
        }
    }

    pub(crate) fn view(&self) -> View<'_> {
        View {
            now: self.now,
            run: RunId::new(Uuid::from_u128(9)),
            rules: &self.rules,
            workspace: &self.workspace,
            invoice: &self.invoice,
            client: &self.client,
            connection: &self.connection,
            facts: self.facts.as_ref(),
            choices: &self.choices,
            contact: &self.contact,
            row: &self.row,
            url: &self.url,
            found: &self.found,
        }
    }

    pub(crate) fn step(&self) -> Step {
        next_step(self.view())
    }

    /// The hold that the next step is.
    pub(crate) fn hold(&self) -> HoldDraft {
        match self.step() {
            Step::Hold(hold) => hold,
            other => panic!("not a hold: {other:?}"),
        }
    }

    /// Answers a hold as the engine stores it.
    pub(crate) fn answer(&mut self, hold: &HoldDraft, choice: &str) {
        assert!(hold.choices.iter().any(|offered| offered.id == choice), "{choice} is not offered by {hold:?}");
        let answer = Answer { question: hold.question, choice: choice.into(), inputs_hash: hold.inputs_hash.clone() };
        match hold.question {
            Question::ChooseContact | Question::ConfirmContact | Question::NameClash | Question::ContactGone => {
                self.contact.answers.push(answer);
            }
            Question::ChooseAccount => self.choices.sales_account = Some(choice.into()),
            Question::MapTax if choice.contains('=') => {
                let (percent, code) = choice.split_once('=').unwrap();
                self.choices.tax_map.insert(rate(percent), code.into());
            }
            _ => self.row.answers.push(answer),
        }
    }

    /// An intent that was claimed just now, for the present content.
    pub(crate) fn intent(&self, kind: IntentKind) -> Intent {
        let built = self.built();
        let external_id = match kind {
            IntentKind::Create | IntentKind::CreateContact => None,
            IntentKind::Update | IntentKind::Void | IntentKind::Approve | IntentKind::Payment => Some("doc-1".to_owned()),
            IntentKind::UpdateContact => Some(CONTACT.to_owned()),
        };
        Intent {
            id: IntentId::new(Uuid::from_u128(8)),
            kind,
            key: "key".into(),
            first_sent_at: self.now,
            send_by: self.now + SignedDuration::from_secs(5),
            body: vec![],
            look: Look {
                external_id,
                number: built.content.number.clone(),
                reference: built.content.reference.clone(),
                mark: Some(self.url.clone()).filter(|url| !url.is_empty()),
                contact: Some(CONTACT.into()),
                ..Look::default()
            },
            sent: Some(SentDocument::of(&built.content, built.totals)),
            hash: built.content.hash(),
            version: 1,
            batched: false,
        }
    }
}

pub(crate) fn contact(id: &str, name: &str, email: Option<&str>) -> Contact {
    Contact {
        external_id: id.into(),
        name: name.into(),
        email: email.map(Into::into),
        phone: None,
        billing_address: None,
        our_mark: None,
        status: ContactStatus::Active,
        merged_into: None,
        currency: None,
        created_at: None,
        version: None,
    }
}

/// Lets the toy or a test compute a document's lines and totals anew, as the ledger does. A ledger that is told the tax keeps what stands
/// on its lines.
pub(crate) fn recompute(there: &mut RemoteDocument, facts: &Facts, rules: &LedgerRules) {
    let currency = there.currency.unwrap();
    let mode = there.tax_mode.unwrap_or(TaxMode::Exclusive);
    let taxed = there.tax_mode.is_some();
    for line in &mut there.lines {
        let coded = line.tax_code.as_deref().and_then(|code| facts.rate_of(code));
        let rate = if taxed { coded.or(line.rate).unwrap_or(Rate::ZERO) } else { Rate::ZERO };
        let amount = rules.arithmetic.round(line.quantity.unwrap_or_default() * line.unit_price.unwrap_or_default(), currency);
        line.amount = Some(amount);
        if rules.tax_codes == TaxCodes::Checked {
            line.rate = Some(rate);
        }
        if rules.arithmetic.tax != TaxMethod::Given || line.tax.is_none() {
            line.tax = Some(rules.arithmetic.round(raw_tax(amount, rate, mode), currency));
        }
    }
    let lines: Vec<(Decimal, Decimal, Rate, String, Option<Decimal>)> = there
        .lines
        .iter()
        .map(|line| {
            let coded = line.tax_code.as_deref().and_then(|code| facts.rate_of(code));
            let rate = if taxed { coded.or(line.rate).unwrap_or(Rate::ZERO) } else { Rate::ZERO };
            (
                line.quantity.unwrap_or_default(),
                line.unit_price.unwrap_or_default(),
                rate,
                line.tax_code.clone().unwrap_or_default(),
                line.tax,
            )
        })
        .collect();
    let priced = lines.iter().map(|(quantity, unit_price, rate, tax_code, tax)| LedgerLine {
        quantity: *quantity,
        unit_price: *unit_price,
        rate: *rate,
        tax_code,
        tax: *tax,
        parts: &[],
    });
    there.totals = ledger_totals(priced, currency, mode, &rules.arithmetic, rules.arithmetic.tax);
}
