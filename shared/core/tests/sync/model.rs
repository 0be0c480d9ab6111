//! The planner against a toy ledger: random lost answers, late effects, crashes, edits on both sides and clock jumps; then peace, and
//! every invariant must hold (docs/architecture.md, I1, I2, I6, I8, I10; design decisions 6 to 8).

use coportal_core::connection::{NameClash, NumberPolicy};
use coportal_core::contact::{ContactLink, ContactStatus};
use coportal_core::document::{DocumentStatus, RemoteDocument, RemoteLine};
use coportal_core::failure::{Disposition, Question};
use coportal_core::id::{IntentId, RunId};
use coportal_core::invoice::{InvoiceStatus, LineItem};
use coportal_core::ledger::SEND_WINDOW;
use coportal_core::sync::HoldDraft;
use coportal_core::sync::key::{KeyParts, idempotency_key};
use coportal_core::sync::plan::{Found, Step, View, next_step};
use coportal_core::sync::row::{Answer, Choice, DocumentLink, Hold, Intent, IntentKind, Lease, Look, SyncState};
use coportal_core::sync::settle::refusal_settles;
use jiff::{SignedDuration, ToSpan};
use proptest::prelude::*;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::fixture::{URL, World, contact, dec, item};
use crate::toy::{Fault, Refusal, Reply, Toy, contact_fields, request};

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
    stopped: bool,
    log: Vec<String>,
}

impl Model {
    fn new(script: Vec<u8>) -> Self {
        let world = World::new();
        let toy = Toy::new(world.now, world.facts.clone().unwrap());
        let mut model =
            Self { world, toy, dice: Dice(script.into_iter()), peace: false, runs: 0, ids: 100, left: false, stopped: false, log: vec![] };
        model.world.connection.options.number =
            [NumberPolicy::Both, NumberPolicy::ReferenceOnly, NumberPolicy::LedgerAssigns][usize::from(model.dice.roll(3))];
        model.world.connection.options.name_clash = [NameClash::Hold, NameClash::Suffix][usize::from(model.dice.roll(2))];
        model.world.connection.options.sync_as_draft = model.dice.roll(2) == 0;
        model.world.connection.look_first = model.dice.roll(4) == 3;
        if model.dice.roll(2) == 1 {
            model.toy.keyless = true;
            (model.world.rules.key_window, model.world.rules.enforces_number) = (SignedDuration::ZERO, false);
        }
        match model.dice.roll(6) {
            4 => model.toy.contacts.push(contact("there-1", "Acme", Some("other@acme.co"))),
            5 => model.toy.contacts.push(contact("there-2", "ACME", Some("ann@acme.co"))),
            _ => {}
        }
        model
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
            6 => Fault::Late(SignedDuration::from_secs(i64::from(self.dice.roll(36)) * 10)),
            7 => Fault::Throttled,
            _ => Fault::None,
        }
    }

    fn id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    /// One run, as the engine performs it: in-memory changes are lost at a crash, stored ones are not.
    fn run(&mut self) -> End {
        self.runs += 1;
        self.world.now = self.toy.now;
        let run = RunId::new(Uuid::from_u128(self.runs << 64));
        let (mut row, mut contact) = (self.world.row.clone(), self.world.contact.clone());
        let mut found = Found::default();
        for _ in 0..40 {
            let view = View { now: self.toy.now, run, row: &row, contact: &contact, found: &found, ..self.world.view() };
            let step = next_step(view);
            self.log.push(format!("  {}", format!("{step:?}").chars().take(150).collect::<String>()));
            match step {
                Step::Refuse(_) => return End::Refused,
                Step::Busy { .. } => return End::Busy,
                Step::WaitOutcome(_) => {
                    row.state = SyncState::Uncertain;
                    row.lease = None;
                    self.world.row = row;
                    return End::Waiting;
                }
                Step::Hold(hold) => {
                    row.state = SyncState::Held;
                    row.lease = None;
                    self.world.row = row;
                    return End::Held(hold);
                }
                Step::Nothing => {
                    row.state = SyncState::Synced;
                    self.world.row = row;
                    return End::Synced;
                }
                Step::Proved { hash, sent, .. } => {
                    if let (Some(link), Some(there)) = (row.link.as_mut(), found.document.clone().flatten()) {
                        link.status = there.status;
                        if let Some(sent) = sent {
                            link.sent = Some(*sent);
                        }
                    }
                    row.hash = Some(hash);
                    row.state = SyncState::Synced;
                    self.world.row = row;
                    return End::Synced;
                }
                Step::ReadFacts => {
                    let mut facts = self.toy.facts.clone();
                    facts.fetched_at = self.toy.now;
                    self.world.facts = Some(facts);
                    found.facts_read = true;
                }
                Step::SearchContacts => found.contacts = Some(self.toy.search(&self.world.client.email, &self.world.client.name)),
                Step::ReadContact(id) => found.linked_contact = Some(self.toy.contact(&id)),
                Step::LookContact(look) => found.contact_look = Some(self.toy.by_mark(look.mark.as_ref())),
                Step::ReadDocument(id) => found.document = Some(self.toy.document(&id)),
                Step::LookDocument(look) => found.document_look = Some(self.toy.look(&look)),
                Step::LookNumber(look) => found.number_look = Some(self.toy.look(&look)),
                Step::LinkContact { external_id, hash } => {
                    contact.link = Some(ContactLink { external_id, hash, linked_at: self.toy.now });
                    contact.answers.clear();
                    self.world.contact = contact.clone();
                }
                Step::UnlinkContact => {
                    contact.link = None;
                    contact.answers.clear();
                    contact.remote_generation += 1;
                    self.world.contact = contact.clone();
                    found.contacts = None;
                    found.linked_contact = None;
                }
                Step::WriteContact(_) | Step::ResendContact => {
                    let sent_before = matches!(step, Step::ResendContact);
                    let mut intent = match step {
                        Step::WriteContact(plan) => Intent {
                            id: IntentId::new(self.id()),
                            kind: plan.kind,
                            key: self.key(
                                &self.world.client.id.to_string(),
                                plan.kind,
                                contact.remote_generation,
                                contact.rejections,
                                contact.updates,
                            ),
                            first_sent_at: self.toy.now,
                            send_by: self.toy.now,
                            body: contact_fields(&plan.content),
                            look: plan.look,
                            sent: None,
                            hash: plan.hash,
                            version: 0,
                        },
                        _ => contact.intent.clone().unwrap(),
                    };
                    intent.send_by = self.toy.now + SEND_WINDOW;
                    contact.lease = Some(Lease { owner: run, until: self.toy.now + self.world.rules.lease() });
                    contact.intent = Some(intent.clone());
                    self.world.contact = contact.clone();
                    if self.crash() {
                        return End::Crashed;
                    }
                    let fault = self.fault();
                    let reply = self.toy.write(&intent.key, request(intent.kind, &intent.look, &intent.body), fault);
                    self.log.push(format!("    {fault:?} -> {}", format!("{reply:?}").chars().take(60).collect::<String>()));
                    if self.crash() {
                        return End::Crashed;
                    }
                    match reply {
                        Reply::Contact(there) => self.contact_done(&mut contact, &there.external_id),
                        Reply::Unknown => {
                            contact.lease = None;
                            self.world.contact = contact;
                            return End::Waiting;
                        }
                        Reply::Refused(refusal) if !refusal_settles(&disposition(refusal), sent_before) => {
                            contact.lease = None;
                            self.world.contact = contact;
                            return End::Waiting;
                        }
                        Reply::Refused(refusal) => {
                            contact.intent = None;
                            contact.rejections += 1;
                            contact.lease = None;
                            self.world.contact = contact.clone();
                            match refusal {
                                Refusal::NameTaken if !found.name_taken => {
                                    found.name_taken = true;
                                    found.contacts = None;
                                }
                                Refusal::ContactGone => {
                                    return self.vendor_hold(
                                        Question::ContactGone,
                                        coportal_core::text::digest([
                                            coportal_core::sync::matching::contact_mark(&self.world.client).as_bytes()
                                        ]),
                                    );
                                }
                                Refusal::Throttled | Refusal::NameTaken => return End::Waiting,
                                Refusal::NumberTaken | Refusal::DocumentPaid | Refusal::DocumentGone => panic!("{refusal:?} of a contact"),
                            }
                        }
                        Reply::Document(_) => panic!("a document for a contact"),
                    }
                }
                Step::ContactDone(there) => {
                    self.contact_done(&mut contact, &there.external_id);
                    found.contact_look = None;
                }
                Step::ContactNotDone => contact.intent = None,
                Step::WriteDocument(_) | Step::VoidDocument { .. } | Step::ResendDocument => {
                    let sent_before = matches!(step, Step::ResendDocument);
                    let mut intent = match step {
                        Step::WriteDocument(plan) => {
                            self.check_plan(&plan.write.status, plan.kind, found.document.clone().flatten());
                            Intent {
                                id: IntentId::new(self.id()),
                                kind: plan.kind,
                                key: self.key(
                                    &self.world.invoice.id.to_string(),
                                    plan.kind,
                                    row.remote_generation,
                                    row.rejections,
                                    row.updates,
                                ),
                                first_sent_at: self.toy.now,
                                send_by: self.toy.now,
                                body: serde_json::to_vec(&plan.write).unwrap(),
                                look: plan.look,
                                sent: Some(plan.sent),
                                hash: plan.hash,
                                version: self.world.invoice.version,
                            }
                        }
                        Step::VoidDocument { there, hash, .. } => Intent {
                            id: IntentId::new(self.id()),
                            kind: IntentKind::Void,
                            key: self.key(
                                &self.world.invoice.id.to_string(),
                                IntentKind::Void,
                                row.remote_generation,
                                row.rejections,
                                row.updates,
                            ),
                            first_sent_at: self.toy.now,
                            send_by: self.toy.now,
                            body: vec![],
                            look: Look { external_id: Some(there.external_id), ..Look::default() },
                            sent: None,
                            hash,
                            version: self.world.invoice.version,
                        },
                        _ => row.intent.clone().unwrap(),
                    };
                    intent.send_by = self.toy.now + SEND_WINDOW;
                    row.lease = Some(Lease { owner: run, until: self.toy.now + self.world.rules.lease() });
                    row.hash = None;
                    row.state = SyncState::Syncing;
                    row.intent = Some(intent.clone());
                    self.world.row = row.clone();
                    if self.crash() {
                        return End::Crashed;
                    }
                    let fault = self.fault();
                    let reply = self.toy.write(&intent.key, request(intent.kind, &intent.look, &intent.body), fault);
                    self.log.push(format!("    {fault:?} -> {}", format!("{reply:?}").chars().take(60).collect::<String>()));
                    if self.crash() {
                        return End::Crashed;
                    }
                    match reply {
                        Reply::Document(there) => {
                            if let Some(end) = self.settle(&mut row, &there) {
                                return end;
                            }
                            found.document = None;
                        }
                        Reply::Unknown => {
                            row.lease = None;
                            row.state = SyncState::Uncertain;
                            self.world.row = row;
                            return End::Waiting;
                        }
                        Reply::Refused(refusal) if !refusal_settles(&disposition(refusal), sent_before) => {
                            row.lease = None;
                            self.world.row = row;
                            return End::Waiting;
                        }
                        Reply::Refused(refusal) => {
                            row.intent = None;
                            row.rejections += 1;
                            row.lease = None;
                            self.world.row = row.clone();
                            match refusal {
                                Refusal::NumberTaken if intent.kind == IntentKind::Create && !found.number_taken => {
                                    found.number_taken = true
                                }
                                Refusal::Throttled => return End::Waiting,
                                Refusal::ContactGone => return self.vendor_hold(Question::ContactGone, intent.hash),
                                Refusal::DocumentPaid => return self.vendor_hold(Question::PaidInLedger, intent.hash),
                                Refusal::DocumentGone => return self.vendor_hold(Question::DocumentGone, intent.hash),
                                Refusal::NumberTaken | Refusal::NameTaken => panic!("{refusal:?} twice"),
                            }
                        }
                        Reply::Contact(_) => panic!("a contact for a document"),
                    }
                }
                Step::DocumentDone(there) => {
                    found.document_look = None;
                    found.document = None;
                    if let Some(end) = self.settle(&mut row, &there) {
                        return end;
                    }
                }
                Step::DocumentNotDone => row.intent = None,
                other @ (Step::ContinueDocument(_)
                | Step::ApproveDocument { .. }
                | Step::ReadPayments(_)
                | Step::WritePayment(_)
                | Step::ResendPayment
                | Step::LookPayment(_)
                | Step::PaymentDone { .. }
                | Step::PaymentNotDone) => panic!("{other:?} of a ledger without"),
                Step::Adopt(there) => {
                    row.link = Some(link(&there, there.url.as_deref() == Some(URL)));
                    row.hash = None;
                    self.world.row = row.clone();
                    found.document = Some(Some(*there));
                }
                Step::ForgetDocument => {
                    row.link = None;
                    row.hash = None;
                    row.remote_generation += 1;
                    found.document = None;
                }
            }
        }
        panic!("a run did not end in 40 steps:\n{}", self.log.join("\n"));
    }

    /// I8: never back to draft, and never an edit of a paid document, as far as was read.
    fn check_plan(&self, status: &DocumentStatus, kind: IntentKind, there: Option<RemoteDocument>) {
        if let (IntentKind::Update, Some(there)) = (kind, there) {
            assert_eq!(*status, there.status, "an update leaves the status alone");
            assert!(!there.has_payments, "a document with payments is not edited");
        }
    }

    fn key(&self, subject: &str, kind: IntentKind, remote_generation: u32, rejections: u32, updates: u32) -> String {
        let generation = self.world.connection.generation;
        idempotency_key(KeyParts { organisation: "org", generation, subject, kind, remote_generation, rejections, updates })
    }

    fn contact_done(&mut self, contact: &mut coportal_core::sync::row::ContactRow, id: &str) {
        let intent = contact.intent.take().unwrap();
        contact.lease = None;
        contact.link = Some(ContactLink { external_id: id.to_owned(), hash: intent.hash, linked_at: self.toy.now });
        contact.updates += u32::from(intent.kind == IntentKind::UpdateContact);
        self.world.contact = contact.clone();
    }

    fn settle(&mut self, row: &mut coportal_core::sync::row::SyncRow, there: &RemoteDocument) -> Option<End> {
        let intent = row.intent.take().unwrap();
        let differs = intent.sent.as_ref().is_some_and(|sent| sent.totals != there.totals) && !there.status.is_gone();
        let ours = row.link.as_ref().is_none_or(|link| link.created_by_us);
        let sent = intent.sent.or_else(|| row.link.as_ref().and_then(|link| link.sent.clone()));
        row.link = Some(DocumentLink { sent: sent.map(|sent| sent.with_line_ids(&there.lines)), ..link(there, ours) });
        row.hash = (!differs && !there.status.is_gone()).then_some(intent.hash);
        row.done = row.done.max(intent.version);
        row.updates += u32::from(intent.kind == IntentKind::Update);
        row.answers.retain(Answer::outlives_a_write);
        row.lease = None;
        row.state = SyncState::Queued;
        self.world.row = row.clone();
        if (row.hash.is_some() || intent.kind == IntentKind::Void) && intent.version >= self.world.invoice.version {
            row.state = SyncState::Synced;
            self.world.row = row.clone();
            return Some(End::Synced);
        }
        None
    }

    fn vendor_hold(&mut self, question: Question, inputs_hash: String) -> End {
        let choices = match question {
            Question::ContactGone => vec![Choice::new("find_again", ""), Choice::new("retry", "")],
            _ => vec![Choice::new("retry", "")],
        };
        self.world.row.state = SyncState::Held;
        End::Held(HoldDraft { question, detail: String::new(), choices, inputs_hash })
    }

    fn answer(&mut self, hold: &HoldDraft, choice: &str) {
        self.log.push(format!("answer {:?} {choice}", hold.question));
        let keep = Hold {
            id: coportal_core::id::HoldId::new(self.id()),
            question: hold.question,
            detail: hold.detail.clone(),
            choices: hold.choices.clone(),
            inputs_hash: hold.inputs_hash.clone(),
            since: self.toy.now,
        };
        match (keep.question, choice) {
            (_, "retry") => {}
            (Question::NumberTaken, "skip") | (Question::DocumentGone, "leave") => self.stopped = true,
            (_, "theirs" | "leave") => {
                self.left = true;
                self.world.answer(hold, choice);
            }
            _ => self.world.answer(hold, choice),
        }
    }

    /// Something happens here or there.
    fn event(&mut self) {
        let what = self.dice.roll(20);
        self.log.push(format!("event {what}"));
        let world = &mut self.world;
        let price = Decimal::from(10 + self.dice.roll(50));
        let editable = world.invoice.status == InvoiceStatus::Sent;
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
                if let Some(line) = there.lines.last_mut() {
                    line.unit_price = Some(price);
                }
            }),
            8 => self.toy.bookkeeper(|there| {
                let text = RemoteLine {
                    line_id: Some(format!("text-{}", there.lines.len())),
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
            11 => self.toy.bookkeeper(|there| there.has_payments = there.status == DocumentStatus::Approved),
            12 => self.toy.bookkeeper(|there| there.lines.iter_mut().for_each(|line| line.account = Some("201".into()))),
            13 => world.client.phone = Some(format!("+44 {price}")),
            14 => self.toy.advance(SignedDuration::from_secs(30)),
            15 => self.toy.advance(SignedDuration::from_mins(4)),
            16 => self.toy.advance(SignedDuration::from_mins(8)),
            17 => self.toy.advance(SignedDuration::from_hours(25)),
            18 if self.dice.roll(3) == 2 => world.invoice.status = InvoiceStatus::Void,
            19 => {
                if let Some(there) = self.toy.contacts.last_mut().filter(|_| self.dice.roll(2) == 1) {
                    there.status = ContactStatus::Archived;
                }
            }
            _ => {}
        }
        self.ids += 1;
        self.world.invoice.version += 1;
    }

    fn check(&self) {
        let story = || self.log.join("\n");
        assert!(self.toy.live_of_ours() <= 1, "I1: {} live documents of ours\n{}", self.toy.live_of_ours(), story());
        let marked = self.toy.contacts.iter().filter(|there| there.our_mark.is_some() && there.status == ContactStatus::Active).count();
        assert!(marked <= 1, "I2: {marked} contacts of ours\n{}", story());
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
        for _ in 0..16 {
            self.toy.advance(SignedDuration::from_mins(10));
            let end = self.run();
            self.log.push(format!("run ended: {end:?}").chars().take(200).collect());
            self.check();
            match end {
                End::Synced => return self.check_synced(),
                // A void invoice or a name that may not be used twice: refused with its reason.
                End::Refused => return assert_eq!(self.world.invoice.status, InvoiceStatus::Void, "{}", self.log.join("\n")),
                End::Held(hold) => {
                    let real = hold.choices.iter().find(|choice| choice.id != "retry").or(hold.choices.first());
                    let choice = real.unwrap_or_else(|| panic!("a hold without an answer: {hold:?}\n{}", self.log.join("\n"))).id.clone();
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
        // And again: nothing, without a call.
        let view = self.world.view();
        assert!(matches!(next_step(view), Step::Nothing), "a second sync is nothing: {:?}\n{}", next_step(view), story());
    }

    /// The bookkeeper was at it after our last read or write: one-way, so that is found at the next change only (R65).
    fn touched_since(&self, there: &RemoteDocument) -> bool {
        self.world.row.link.as_ref().is_none_or(|link| link.remote_version != there.version)
    }
}

fn disposition(refusal: Refusal) -> Disposition {
    let question = match refusal {
        Refusal::Throttled => return Disposition::Retry { not_before: None },
        Refusal::NumberTaken => Question::NumberTaken,
        Refusal::NameTaken => Question::NameClash,
        Refusal::DocumentPaid => Question::PaidInLedger,
        Refusal::DocumentGone => Question::DocumentGone,
        Refusal::ContactGone => Question::ContactGone,
    };
    Disposition::Hold { question }
}

fn link(there: &RemoteDocument, created_by_us: bool) -> DocumentLink {
    DocumentLink {
        external_id: there.external_id.clone(),
        external_number: there.number.clone(),
        url: None,
        remote_version: there.version.clone(),
        status: there.status,
        sent: None,
        created_by_us,
        as_sent: false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// I1, I2, I6, I8, I10: whatever is lost, late, edited or answered.
    #[test]
    fn i1_i2_one_document_and_one_contact_whatever_happens(script in prop::collection::vec(any::<u8>(), 0..160)) {
        Model::new(script).story();
    }
}

/// The quiet day: created once, then nothing, then updated in place (R43, R64).
#[test]
fn r64_created_then_nothing_then_updated() {
    let mut model = Model::new(vec![]);
    assert!(matches!(model.run(), End::Synced));
    assert_eq!((model.toy.documents.len(), model.toy.contacts.len()), (1, 1));
    assert!(matches!(model.world.view(), view if matches!(next_step(view), Step::Nothing)));
    model.world.invoice.lines[0].unit_price = dec("120");
    model.world.invoice.version += 1;
    assert!(matches!(model.run(), End::Synced));
    assert_eq!(model.toy.documents.len(), 1);
    assert_eq!(model.toy.documents[0].totals.subtotal, dec("290.5"));
}
