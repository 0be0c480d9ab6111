//! The planner against a toy ledger of each of the four kinds: random lost answers, late effects, crashes, edits on both sides, approvals,
//! voids, payments and clock jumps; then peace, and every invariant must hold (docs/architecture.md, I1, I2, I6 to I10; design decisions 6
//! to 8).

mod run;

use coportal_core::connection::{NameClash, NumberPolicy, OnVoid, Payments};
use coportal_core::contact::ContactStatus;
use coportal_core::document::{DocumentStatus, RemoteDocument, RemoteLine, RemotePayment};
use coportal_core::failure::Question;
use coportal_core::invoice::{InvoiceStatus, LineItem, Payment};
use coportal_core::ledger::{DocumentShape, DraftMeaning, Ledger, TaxCodes};
use coportal_core::sync::HoldDraft;
use coportal_core::sync::plan::{LEAVE_DRAFT, Step, next_step, payment_mark};
use coportal_core::sync::row::Choice;
use jiff::{SignedDuration, ToSpan};
use proptest::prelude::*;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::fixture::{World, contact, dec, item};
use crate::toy::{Fault, MOVED, Toy};

/// Random decisions, from a script that proptest shrinks; an exhausted script rolls zeros, which are the quiet choices.
struct Dice(std::vec::IntoIter<u8>);

impl Dice {
    fn roll(&mut self, sides: u8) -> u8 {
        self.0.next().map_or(0, |byte| byte % sides)
    }
}

#[derive(Debug)]
enum End {
    Synced,
    Held(HoldDraft),
    Waiting,
    Refused,
    Crashed,
    Busy,
}

/// What is stored, the ledger, and the dice.
struct Model {
    world: World,
    toy: Toy,
    dice: Dice,
    peace: bool,
    runs: u128,
    ids: u128,
    /// A person chose to leave the ledger's document other than the invoice says.
    left: bool,
    /// Somebody pressed Approve or Post, or drafts are off.
    may_approve: bool,
    stopped: bool,
    /// The document was read and not compared: what it says is found at the next change only (R65).
    uncompared: bool,
    /// A document of the bookkeeper's own, as it was made by hand.
    by_hand: Option<RemoteDocument>,
    log: Vec<String>,
}

impl Model {
    fn new(ledger: Ledger, script: Vec<u8>) -> Self {
        let world = World::of(ledger);
        let toy = Toy::new(world.now, world.facts.clone().unwrap(), world.rules);
        let mut model = Self {
            world,
            toy,
            dice: Dice(script.into_iter()),
            peace: false,
            runs: 0,
            ids: 100,
            left: false,
            may_approve: false,
            stopped: false,
            uncompared: false,
            by_hand: None,
            log: vec![],
        };
        let options = &mut model.world.connection.options;
        options.number = [NumberPolicy::Both, NumberPolicy::ReferenceOnly, NumberPolicy::LedgerAssigns][usize::from(model.dice.roll(3))];
        options.name_clash = [NameClash::Hold, NameClash::Suffix][usize::from(model.dice.roll(2))];
        options.sync_as_draft = model.dice.roll(2) == 0;
        model.may_approve = !options.sync_as_draft;
        options.on_void = [OnVoid::None, OnVoid::Void, OnVoid::Delete][usize::from(model.dice.roll(3))];
        options.payments = [Payments::None, Payments::Push][usize::from(model.dice.roll(2))];
        model.world.connection.look_first = model.dice.roll(4) == 3;
        model.toy.set_up_wrong = model.world.rules.tax_codes == TaxCodes::Checked && model.dice.roll(3) == 2;
        if ledger == Ledger::Xero && model.dice.roll(4) == 3 {
            // Without its keys and its own order of numbers only intents and looks protect.
            (model.world.rules.key_window, model.world.rules.enforces_number) = (SignedDuration::ZERO, false);
            model.toy.rules = model.world.rules;
        }
        match model.dice.roll(8) {
            4 => model.toy.contacts.push(contact("there-1", "Acme", Some("other@acme.co"))),
            5 => model.toy.contacts.push(contact("there-2", "ACME", Some("ann@acme.co"))),
            6 => model.write_by_hand(),
            7 => model.toy.contacts.extend(["there-3", "there-4"].map(|id| contact(id, "Acme", Some("ann@acme.co")))),
            _ => {}
        }
        model
    }

    /// C31: a document with our number, made by hand for somebody else.
    fn write_by_hand(&mut self) {
        if self.toy.document("by-hand").is_some() {
            return;
        }
        let there = RemoteDocument {
            url: None,
            contact: "somebody".into(),
            status: DocumentStatus::Approved,
            created_at: Some(self.toy.now),
            ..self.world.clone_with_contact().remote("by-hand")
        };
        self.toy.documents.push(there.clone());
        self.by_hand = Some(there);
    }

    fn pushes_payments(&self) -> bool {
        self.world.connection.options.payments == Payments::Push
    }

    fn crash(&mut self) -> bool {
        !self.peace && self.dice.roll(16) == 15
    }

    fn fault(&mut self) -> Fault {
        if self.peace {
            return Fault::None;
        }
        match self.dice.roll(8) {
            4 => Fault::AnswerLost,
            5 => Fault::NotReached,
            // Within the ledger's settle time and one call: later than that it is not promised to be found.
            6 => {
                let latest = (self.world.rules.settle + self.world.rules.call_timeout).as_secs();
                Fault::Late(SignedDuration::from_secs(i64::from(self.dice.roll(36)) * latest / 36))
            }
            7 => Fault::Throttled,
            _ => Fault::None,
        }
    }

    fn id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    fn answer(&mut self, hold: &HoldDraft, choice: &str) {
        self.log.push(format!("answer {:?} {choice}", hold.question));
        match (hold.question, choice) {
            (_, "retry") => {}
            (_, LEAVE_DRAFT) => self.world.row.approve = false,
            (Question::NumberTaken, "skip") | (Question::DocumentGone, "leave") => self.stopped = true,
            (_, "theirs" | "leave") => {
                self.left = true;
                self.world.answer(hold, choice);
            }
            // C6: without a mark, a document of ours whose amount a bookkeeper changed before its answer was found is a question. A person who
            // says that it is another one makes a second one, knowingly.
            (Question::NumberTaken, "ledger_number") if self.toy.live_of_ours() == 1 => self.stopped = true,
            (Question::NumberTaken, "link:by-hand") => {
                // A person says that it is this invoice: from now on it is ours to change.
                self.by_hand = None;
                self.world.answer(hold, choice);
            }
            _ => self.world.answer(hold, choice),
        }
    }

    /// Something happens here or there.
    fn event(&mut self) {
        let what = self.dice.roll(26);
        self.log.push(format!("event {what}"));
        let price = Decimal::from(10 + self.dice.roll(50));
        let editable = self.world.invoice.status == InvoiceStatus::Sent && self.world.invoice.payments.is_empty();
        let world = &mut self.world;
        match what {
            1 if editable => world.invoice.lines[0].unit_price = price,
            2 if editable => world.invoice.lines[0].description = format!("Design {price}"),
            3 if editable => world.invoice.due_date = Some(world.invoice.issue_date + i64::from(self.dice.roll(60)).days()),
            4 if editable => world.invoice.lines.push(item(self.ids + 1000, "Extra", "1.5", &price.to_string(), "20")),
            5 if editable && world.invoice.lines.len() > 1 => {
                world.invoice.lines.remove(0);
            }
            6 => self.toy.bookkeeper(|there| there.due_date = Some("2026-05-05".parse().unwrap())),
            7 => self.toy.bookkeeper(|there| {
                if let Some(line) = there.lines.last_mut().filter(|_| there.status == DocumentStatus::Draft) {
                    line.unit_price = Some(price);
                    line.tax = None;
                }
            }),
            8 => self.toy.bookkeeper(|there| {
                let text = RemoteLine {
                    // No ledger gives an id twice, also not after a line has gone.
                    line_id: Some(format!("text-{}", self.ids)),
                    description: "Thank you".into(),
                    quantity: None,
                    unit_price: None,
                    tax_code: None,
                    account: None,
                    amount: None,
                    tax: None,
                    rate: None,
                    kept: serde_json::Value::Null,
                };
                there.lines.insert(0, text);
            }),
            9 => self.toy.bookkeeper(|there| there.status = DocumentStatus::Approved),
            10 => self.toy.end_live(),
            11 => self.bookkeeper_pays(),
            12 => self.toy.bookkeeper(|there| there.lines.iter_mut().for_each(|line| line.account = Some(MOVED.into()))),
            13 => world.client.phone = Some(format!("+44 {price}")),
            14 => self.toy.advance(SignedDuration::from_secs(30)),
            15 => self.toy.advance(SignedDuration::from_mins(4)),
            16 => self.toy.advance(SignedDuration::from_mins(8)),
            17 => self.toy.advance(SignedDuration::from_hours(25)),
            18 if self.dice.roll(3) == 2 && world.invoice.payments.is_empty() => world.invoice.status = InvoiceStatus::Void,
            19 => {
                if let Some(there) = self.toy.contacts.last_mut().filter(|_| self.dice.roll(2) == 1) {
                    there.status = ContactStatus::Archived;
                }
            }
            20 | 21 => self.approve(),
            22 | 23 => self.pay(),
            24 => self.write_by_hand(),
            25 => {
                let option = &mut self.world.connection.options.sync_as_draft;
                *option = !*option;
                self.may_approve |= !*option;
            }
            _ => {}
        }
        self.ids += 1;
        self.world.invoice.version += 1;
    }

    /// The Approve button: a draft there, or an invoice that waits here to be posted.
    fn approve(&mut self) {
        let row = &mut self.world.row;
        let draft = row.link.as_ref().is_some_and(|link| link.status == DocumentStatus::Draft);
        let waits = self.world.rules.draft == DraftMeaning::Held && row.link.is_none();
        if draft || waits {
            row.approve = true;
            self.may_approve = true;
        }
    }

    /// Money is received here.
    fn pay(&mut self) {
        let invoice = &mut self.world.invoice;
        let rounding = self.world.workspace.tax_rounding;
        let open = invoice.totals(rounding).total - invoice.paid();
        let amount = if self.dice.roll(2) == 1 { open } else { open.min(Decimal::from(50)) };
        let payment = Payment { payment_id: format!("pay-{}", self.ids), amount, date: "2026-03-02".parse().unwrap() };
        // A draft, a void and a paid invoice take none: then nothing happens.
        drop(invoice.pay(payment, rounding));
    }

    /// Money is received there, by somebody else's hand.
    fn bookkeeper_pays(&mut self) {
        let live = |there: &&RemoteDocument| there.status == DocumentStatus::Approved && there.external_id != "by-hand";
        let Some(id) = self.toy.documents.iter().find(live).map(|there| there.external_id.clone()) else { return };
        let balance = self.toy.paid(&id).balance;
        let amount = if self.dice.roll(2) == 1 { balance } else { balance.min(Decimal::TEN) };
        if amount > Decimal::ZERO {
            let external_id = format!("theirs-{}", self.ids);
            self.toy.record(&id, RemotePayment { external_id, mark: None, amount, date: None });
        }
    }

    fn check(&self) {
        let story = || self.log.join("\n");
        assert!(self.toy.live_of_ours() <= 1, "I1: {} live documents of ours\n{}", self.toy.live_of_ours(), story());
        let made = |there: &&coportal_core::contact::Contact| self.toy.made_contacts.contains(&there.external_id);
        let contacts = self.toy.contacts.iter().filter(made).filter(|there| there.status == ContactStatus::Active).count();
        assert!(contacts <= 1, "I2: {contacts} contacts of ours\n{}", story());
        if let Some(by_hand) = &self.by_hand {
            assert_eq!(self.toy.document("by-hand").as_ref(), Some(by_hand), "I7: changed without a person's decision\n{}", story());
        }
        assert!(self.may_approve || self.toy.approved.is_empty(), "C7: approved by nobody's act\n{}", story());
        let ours = || self.toy.payments.iter().filter(|(_, payment)| payment.mark.is_some());
        assert!(self.pushes_payments() || ours().count() == 0, "I9: a payment although none is pushed\n{}", story());
        for (document, payment) in ours() {
            let there = self.toy.document(document).unwrap();
            let same = ours().filter(|(other, known)| other == document && known.mark == payment.mark).count();
            assert_eq!(same, 1, "C1: a payment twice\n{}", story());
            // The toy takes no payment for a draft or a void document; a bookkeeper may void one that was paid.
            assert!(there.status != DocumentStatus::Draft, "C1: paid a draft\n{}", story());
        }
    }

    fn story(mut self) {
        let runs = 2 + self.dice.roll(8);
        for _ in 0..runs {
            let end = self.run();
            self.log.push(format!("run ended: {end:?}").chars().take(200).collect());
            self.check();
            if let End::Held(hold) = end {
                let offered = u8::try_from(hold.choices.len()).unwrap();
                assert!(offered > 0, "a hold without an answer: {hold:?}");
                let choice = hold.choices[usize::from(self.dice.roll(offered))].id.clone();
                self.answer(&hold, &choice);
            }
            if self.stopped {
                return;
            }
            for _ in 0..self.dice.roll(4) {
                self.event();
                self.check();
            }
        }
        // Peace: no more faults or events. Whatever stands open comes to its end in a bounded number of runs and answers.
        self.peace = true;
        self.toy.facts.locked_until = None;
        self.log.push("peace".into());
        for _ in 0..24 {
            self.toy.advance(SignedDuration::from_mins(16));
            let end = self.run();
            self.log.push(format!("run ended: {end:?}").chars().take(200).collect());
            self.check();
            match end {
                End::Synced => return self.check_synced(),
                // A void invoice or a name that may not be used twice: refused with its reason.
                End::Refused => return assert_eq!(self.world.invoice.status, InvoiceStatus::Void, "{}", self.log.join("\n")),
                End::Held(hold) => {
                    let right = |choice: &&Choice| {
                        let mapped = choice.id.split_once('=').map(|(percent, code)| (percent.to_owned(), self.toy.facts.rate_of(code)));
                        mapped.is_some_and(|(percent, rate)| rate.is_some_and(|rate| rate.to_string() == percent))
                    };
                    let real = hold.choices.iter().find(right).or(hold.choices.iter().find(|choice| choice.id != "retry"));
                    let real = real.or(hold.choices.first());
                    let choice = real.unwrap_or_else(|| panic!("a hold without an answer: {hold:?}\n{}", self.log.join("\n"))).id.clone();
                    if hold.question == Question::TotalsDiffer && choice == "retry" {
                        // Somebody corrects the draft there, as the question asks.
                        self.left = true;
                        return;
                    }
                    self.answer(&hold, &choice);
                    if self.stopped {
                        return;
                    }
                }
                End::Waiting | End::Busy => {}
                End::Crashed => panic!("a crash in peace"),
            }
        }
        panic!("no end in peace:\n{}", self.log.join("\n"));
    }

    /// The ledger says what the newest version says, to the cent (I6, I10), unless a person chose otherwise.
    fn check_synced(&self) {
        if self.left || self.world.invoice.status == InvoiceStatus::Void {
            return;
        }
        let story = || self.log.join("\n");
        let link = self.world.row.link.as_ref().unwrap_or_else(|| panic!("synced without a link\n{}", story()));
        let there = self.toy.document(&link.external_id).unwrap();
        let wanted = self.world.invoice.totals(self.world.workspace.tax_rounding);
        if !self.touched_since(&there) {
            assert_eq!(there.totals, wanted, "{}\n{:?}", story(), there);
            let lines: Vec<&LineItem> = self.world.invoice.lines.iter().collect();
            let priced: Vec<&RemoteLine> = there.lines.iter().filter(|line| line.quantity.is_some()).collect();
            assert_eq!(priced.len(), lines.len(), "{}", story());
            for (there, line) in priced.iter().zip(&lines) {
                assert_eq!((there.quantity, there.unit_price), (Some(line.quantity), Some(line.unit_price)), "{}", story());
                assert_eq!(there.description, line.description, "{}", story());
            }
        }
        self.check_payments(&there);
        // And again: nothing, without a call, but for payments that wait for a draft to be approved.
        let waits = self.pushes_payments() && link.status == DocumentStatus::Draft && !self.world.invoice.payments.is_empty();
        let view = self.world.view();
        let step = next_step(view);
        assert!(matches!(step, Step::Nothing) || waits, "a second sync is nothing: {step:?}\n{}", story());
    }

    /// C1: each payment is there once, or a person or the balance said that it is not sent.
    fn check_payments(&self, there: &RemoteDocument) {
        if !self.pushes_payments() || there.status == DocumentStatus::Draft || there.status.is_gone() {
            return;
        }
        for payment in &self.world.invoice.payments {
            let known = self.world.row.payments.iter().find(|known| known.payment_id == payment.payment_id);
            let known = known.unwrap_or_else(|| panic!("I3: {} vanished\n{}", payment.payment_id, self.log.join("\n")));
            let mark = payment_mark(&self.world.invoice, &payment.payment_id);
            let recorded = self.toy.payments.iter().any(|(id, paid)| *id == there.external_id && paid.mark.as_ref() == Some(&mark));
            assert!(recorded || known.external_id.is_none(), "{known:?}\n{}", self.log.join("\n"));
        }
    }

    /// The bookkeeper was at it after our last read or write: one-way, so that is found at the next change only (R65).
    fn touched_since(&self, there: &RemoteDocument) -> bool {
        self.uncompared || self.world.row.link.as_ref().is_none_or(|link| link.remote_version != there.version)
    }
}

/// Histories of each ledger at least; each is several runs with what happens between them.
const HISTORIES: u32 = 2_000;

fn histories() -> ProptestConfig {
    let asked = ProptestConfig::default();
    ProptestConfig { cases: HISTORIES.max(asked.cases), failure_persistence: None, ..asked }
}

proptest! {
    #![proptest_config(histories())]

    /// I1, I2, I6 to I10: whatever is lost, late, edited or answered. Xero.
    #[test]
    fn i1_i2_one_document_and_one_contact_at_xero(script in prop::collection::vec(any::<u8>(), 0..160)) {
        Model::new(Ledger::Xero, script).story();
    }

    /// The same where versions are guarded, contacts have no mark and there are no drafts.
    #[test]
    fn i1_i2_one_document_and_one_contact_at_quickbooks(script in prop::collection::vec(any::<u8>(), 0..160)) {
        Model::new(Ledger::Quickbooks, script).story();
    }

    /// The same without keys and without a mark on documents.
    #[test]
    fn i1_i2_one_document_and_one_contact_at_sage(script in prop::collection::vec(any::<u8>(), 0..160)) {
        Model::new(Ledger::Sage, script).story();
    }

    /// The same line by line, without keys, with tax that the ledger applies by itself.
    #[test]
    fn i1_i2_one_document_and_one_contact_at_business_central(script in prop::collection::vec(any::<u8>(), 0..160)) {
        Model::new(Ledger::BusinessCentral, script).story();
    }
}

/// The quiet day: created once, then nothing, then updated in place (R43, R64).
#[test]
fn r64_created_then_nothing_then_updated() {
    for ledger in Ledger::ALL {
        let mut model = Model::new(ledger, vec![]);
        if model.world.rules.draft == DraftMeaning::Held {
            model.world.connection.options.sync_as_draft = false;
        }
        assert!(matches!(model.run(), End::Synced), "{ledger}: {}", model.log.join("\n"));
        assert_eq!((model.toy.documents.len(), model.toy.contacts.len()), (1, 1));
        let view = model.world.view();
        assert!(matches!(next_step(view), Step::Nothing), "{ledger}");
        model.world.invoice.lines[0].unit_price = dec("120");
        model.world.invoice.version += 1;
        assert!(matches!(model.run(), End::Synced), "{ledger}: {}", model.log.join("\n"));
        assert_eq!(model.toy.documents.len(), 1);
        assert_eq!(model.toy.documents[0].totals.subtotal, dec("290.5"));
        let reads = model.log.iter().filter(|line| line.contains("ReadDocument")).count();
        assert_eq!(reads, usize::from(!model.world.rules.guards_versions), "{ledger}: no read before an update while its version holds");
        let steps = model.log.iter().filter(|line| line.contains("ContinueDocument")).count();
        let lines = if model.world.rules.shape == DocumentShape::HeaderThenLines { 2 } else { 0 };
        assert_eq!(steps, lines, "{ledger}: header first, then each line (R61)");
    }
}
