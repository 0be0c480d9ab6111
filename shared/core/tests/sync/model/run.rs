//! One run of a sync, as the engine performs it: in-memory changes are lost at a crash, stored ones are not.

use coportal_core::contact::ContactLink;
use coportal_core::document::{DocumentStatus, RemoteDocument};
use coportal_core::failure::{Disposition, Question};
use coportal_core::id::{IntentId, RunId};
use coportal_core::invoice::InvoiceStatus;
use coportal_core::ledger::SEND_WINDOW;
use coportal_core::sync::content::tax_applied;
use coportal_core::sync::key::{KeyParts, idempotency_key};
use coportal_core::sync::merge::as_sent;
use coportal_core::sync::plan::{DocumentPlan, Found, Step, View, next_step};
use coportal_core::sync::row::{
    Answer, Choice, ContactRow, DocumentLink, Intent, IntentKind, Lease, Look, PaymentLink, SyncRow, SyncState,
};
use coportal_core::sync::settle::{answers, contact_answers, lacks_lines, refusal_settles, within_key_window};
use coportal_core::sync::{HoldDraft, payment_refused, totals_differ, void_refused};
use uuid::Uuid;

use super::{End, Model};
use crate::toy::{Refusal, Reply, contact_fields, request};

/// What one run holds in memory.
struct Memory {
    run: RunId,
    row: SyncRow,
    contact: ContactRow,
    found: Found,
    resent: bool,
}

impl Model {
    pub(super) fn run(&mut self) -> End {
        self.runs += 1;
        self.world.now = self.toy.now;
        let mut memory = Memory {
            run: RunId::new(Uuid::from_u128(self.runs << 64)),
            row: self.world.row.clone(),
            contact: self.world.contact.clone(),
            found: Found::default(),
            resent: false,
        };
        for _ in 0..60 {
            let Memory { run, row, contact, found, .. } = &memory;
            let step = next_step(View { now: self.toy.now, run: *run, row, contact, found, ..self.world.view() });
            self.log.push(format!("  {}", format!("{step:?}").chars().take(170).collect::<String>()));
            if let Some(end) = self.perform(&mut memory, step) {
                return end;
            }
        }
        panic!("a run did not end in 60 steps:\n{}", self.log.join("\n"));
    }

    fn perform(&mut self, memory: &mut Memory, step: Step) -> Option<End> {
        let now = self.toy.now;
        match step {
            Step::Refuse(_) => return Some(End::Refused),
            Step::Busy { .. } => return Some(End::Busy),
            Step::WaitOutcome(_) => return Some(self.wait(memory, SyncState::Uncertain)),
            Step::Hold(hold) => return Some(self.held(memory, hold)),
            Step::Nothing => {
                memory.row.state = SyncState::Synced;
                self.world.row = memory.row.clone();
                return Some(End::Synced);
            }
            Step::Proved { hash, sent, .. } => {
                let there = memory.found.document.clone().flatten();
                let row = &mut memory.row;
                self.uncompared = sent.as_deref() == row.link.as_ref().and_then(|link| link.sent.as_ref());
                if let (Some(link), Some(there)) = (row.link.as_mut(), &there) {
                    link.remote_version.clone_from(&there.version);
                    link.status = there.status;
                    link.as_sent = sent.as_ref().is_some_and(|sent| as_sent(there, sent));
                    link.sent = sent.map(|sent| *sent).or_else(|| link.sent.take());
                    if there.status != DocumentStatus::Draft {
                        row.approve = false;
                    }
                }
                row.hash = Some(hash);
                row.state = SyncState::Synced;
                self.world.row = row.clone();
                let more = there.is_some_and(|there| self.world.invoice.status != InvoiceStatus::Void && self.more_to_do(row, &there));
                return (!more).then_some(End::Synced);
            }
            Step::ReadFacts => {
                let mut facts = self.toy.facts.clone();
                facts.fetched_at = now;
                self.world.facts = Some(facts);
                memory.found.facts_read = true;
            }
            Step::SearchContacts => memory.found.contacts = Some(self.toy.search(&self.world.client.email, &self.world.client.name)),
            Step::ReadContact(id) => memory.found.linked_contact = Some(self.toy.contact(&id)),
            Step::LookContact(look) => memory.found.contact_look = Some(self.toy.look_contact(&look)),
            Step::ReadDocument(id) => memory.found.document = Some(self.toy.document(&id)),
            Step::LookDocument(look) => memory.found.document_look = Some(self.toy.look(&look)),
            Step::LookNumber(look) => memory.found.number_look = Some(self.toy.look(&look)),
            Step::ReadPayments(id) => memory.found.paid = Some(self.toy.paid(&id)),
            Step::LookPayment(look) => memory.found.payment_look = Some(self.toy.paid(&look.external_id.unwrap())),
            Step::LinkContact { external_id, hash } => {
                memory.contact.link = Some(ContactLink { external_id, hash, linked_at: now });
                self.world.contact = memory.contact.clone();
            }
            Step::UnlinkContact => {
                memory.contact.link = None;
                memory.contact.answers.clear();
                memory.contact.remote_generation += 1;
                self.world.contact = memory.contact.clone();
                memory.found.contacts = None;
                memory.found.linked_contact = None;
            }
            Step::WriteContact(plan) => {
                let row = &memory.contact;
                let counters = [row.remote_generation, row.rejections, row.updates];
                let intent = Intent {
                    id: IntentId::new(self.id()),
                    kind: plan.kind,
                    key: self.key(&self.world.client.id.to_string(), plan.kind, counters),
                    first_sent_at: now,
                    send_by: now,
                    body: contact_fields(&plan.content),
                    look: plan.look,
                    sent: None,
                    hash: plan.hash,
                    version: 0,
                    batched: false,
                };
                return self.send_contact(memory, intent, false);
            }
            Step::ResendContact => {
                let intent = memory.contact.intent.clone().unwrap();
                return self.send_contact(memory, intent, true);
            }
            Step::ContactDone(there) => {
                self.contact_done(memory, &there.external_id);
                memory.found.contact_look = None;
            }
            Step::ContactNotDone => memory.contact.intent = None,
            Step::WriteDocument(plan) => {
                self.check_plan(&plan, memory.found.document.as_ref().and_then(Option::as_ref));
                memory.row.approve = plan.approve;
                let intent =
                    self.intent(&memory.row, plan.kind, serde_json::to_vec(&plan.write).unwrap(), plan.look, Some(plan.sent), plan.hash);
                return self.send(memory, intent, None, false);
            }
            Step::ContinueDocument(there) => {
                let intent = memory.row.intent.clone().unwrap();
                return self.send(memory, intent, Some(*there), true);
            }
            Step::ApproveDocument { there, hash } => {
                assert!(self.may_approve, "C7: approved without anybody's act\n{}", self.log.join("\n"));
                let sent = memory.row.link.as_ref().and_then(|link| link.sent.as_ref());
                assert!(sent.is_some_and(|sent| sent.totals == there.totals), "C12: approved with other cents\n{}", self.log.join("\n"));
                let intent = self.end_intent(memory, IntentKind::Approve, &there, hash);
                return self.send(memory, intent, None, false);
            }
            Step::VoidDocument { there, hash, .. } => {
                let intent = self.end_intent(memory, IntentKind::Void, &there, hash);
                return self.send(memory, intent, None, false);
            }
            Step::WritePayment(plan) => {
                let subject = format!("{}/{}", self.world.invoice.id, plan.look.payment.as_deref().unwrap());
                let body = serde_json::to_vec(&plan.write).unwrap();
                let mut intent = self.intent(&memory.row, IntentKind::Payment, body, plan.look, None, plan.hash);
                intent.key = self.key(&subject, IntentKind::Payment, [memory.row.remote_generation, memory.row.rejections, 0]);
                return self.send(memory, intent, None, false);
            }
            Step::ResendDocument | Step::ResendPayment => {
                let intent = memory.row.intent.clone().unwrap();
                return self.send(memory, intent, None, true);
            }
            Step::DocumentDone(there) => {
                memory.found.document_look = None;
                return self.settle(memory, &there);
            }
            Step::DocumentNotDone | Step::PaymentNotDone => {
                memory.row.intent = None;
                memory.found.document_look = None;
                memory.found.payment_look = None;
                memory.found.paid = None;
                self.world.row = memory.row.clone();
            }
            Step::PaymentDone { link, .. } => self.payment_done(memory, link),
            Step::Adopt(there) => {
                let ours = !self.world.url.is_empty() && there.url.as_deref() == Some(self.world.url.as_str());
                memory.row.link = Some(link(&there, ours));
                memory.row.hash = None;
                memory.row.approve &= ours && !self.world.connection.options.sync_as_draft;
                self.world.row = memory.row.clone();
                memory.found.document = Some(Some(*there));
            }
            Step::ForgetDocument => {
                memory.row.link = None;
                memory.row.hash = None;
                memory.row.payments.clear();
                memory.row.approve = false;
                memory.row.remote_generation += 1;
                memory.found.document = None;
            }
        }
        None
    }

    fn wait(&mut self, memory: &mut Memory, state: SyncState) -> End {
        memory.row.state = state;
        memory.row.lease = None;
        self.world.row = memory.row.clone();
        End::Waiting
    }

    fn held(&mut self, memory: &mut Memory, hold: HoldDraft) -> End {
        memory.row.state = SyncState::Held;
        memory.row.lease = None;
        self.world.row = memory.row.clone();
        End::Held(hold)
    }

    // --- contacts ------------------------------------------------------------------------------------------------------------------

    fn send_contact(&mut self, memory: &mut Memory, mut intent: Intent, sent_before: bool) -> Option<End> {
        let now = self.toy.now;
        intent.send_by = now + SEND_WINDOW;
        memory.contact.lease = Some(Lease { owner: memory.run, until: now + self.world.rules.lease() });
        memory.contact.intent = Some(intent.clone());
        self.world.contact = memory.contact.clone();
        if self.crash() {
            return Some(End::Crashed);
        }
        let fault = self.fault();
        let reply = self.toy.write(&intent.key, request(intent.kind, &intent.look, &intent.body, None), fault);
        self.log.push(format!("    {fault:?} -> {}", format!("{reply:?}").chars().take(60).collect::<String>()));
        if self.crash() {
            return Some(End::Crashed);
        }
        match reply {
            Reply::Contact(there)
                if intent.kind == IntentKind::CreateContact && !contact_answers(&there, &intent, &self.world.rules, str::to_owned) =>
            {
                memory.contact.lease = None;
                self.world.contact = memory.contact.clone();
                Some(End::Waiting)
            }
            Reply::Contact(there) => {
                self.contact_done(memory, &there.external_id);
                None
            }
            Reply::Unknown => {
                if self.once_more(memory, &intent) {
                    return None;
                }
                memory.contact.lease = None;
                self.world.contact = memory.contact.clone();
                Some(End::Waiting)
            }
            Reply::Refused(refusal) if !refusal_settles(&disposition(refusal), sent_before) => {
                memory.contact.lease = None;
                self.world.contact = memory.contact.clone();
                Some(End::Waiting)
            }
            Reply::Refused(refusal) => {
                memory.contact.intent = None;
                memory.contact.rejections += 1;
                memory.contact.lease = None;
                self.world.contact = memory.contact.clone();
                match refusal {
                    Refusal::NameTaken if memory.found.name_taken.is_none() => {
                        memory.found.name_taken = Some(intent.look.name.clone().unwrap_or_default());
                        memory.found.contacts = None;
                        None
                    }
                    Refusal::ContactGone => {
                        let mark = coportal_core::sync::matching::contact_mark(&self.world.client);
                        Some(self.vendor_hold(memory, Question::ContactGone, coportal_core::text::digest([mark.as_bytes()])))
                    }
                    Refusal::Throttled | Refusal::NameTaken => Some(End::Waiting),
                    other => panic!("{other:?} of a contact"),
                }
            }
            Reply::Document(_) | Reply::Payment(_) => panic!("something else for a contact"),
        }
    }

    fn contact_done(&mut self, memory: &mut Memory, id: &str) {
        let contact = &mut memory.contact;
        let intent = contact.intent.take().unwrap();
        contact.lease = None;
        contact.link = Some(ContactLink { external_id: id.to_owned(), hash: intent.hash, linked_at: self.toy.now });
        contact.updates += u32::from(intent.kind == IntentKind::UpdateContact);
        self.world.contact = contact.clone();
    }

    // --- documents -----------------------------------------------------------------------------------------------------------------

    fn intent(
        &mut self,
        row: &SyncRow,
        kind: IntentKind,
        body: Vec<u8>,
        look: Look,
        sent: Option<coportal_core::document::SentDocument>,
        hash: String,
    ) -> Intent {
        Intent {
            id: IntentId::new(self.id()),
            kind,
            key: self.key(&self.world.invoice.id.to_string(), kind, [row.remote_generation, row.rejections, row.updates]),
            first_sent_at: self.toy.now,
            send_by: self.toy.now,
            body,
            look,
            sent,
            hash,
            version: self.world.invoice.version,
            batched: false,
        }
    }

    fn end_intent(&mut self, memory: &Memory, kind: IntentKind, there: &RemoteDocument, hash: String) -> Intent {
        let look = Look { external_id: Some(there.external_id.clone()), ..Look::default() };
        self.intent(&memory.row, kind, serde_json::to_vec(&there.version).unwrap(), look, None, hash)
    }

    /// The same intent goes on at once where that can tell: by its key, or by a look where there are no keys.
    fn once_more(&self, memory: &mut Memory, intent: &Intent) -> bool {
        let rules = &self.world.rules;
        let can_tell = within_key_window(intent, rules, self.toy.now) || rules.key_window.is_zero();
        !std::mem::replace(&mut memory.resent, true) && can_tell
    }

    fn send(&mut self, memory: &mut Memory, mut intent: Intent, begun: Option<RemoteDocument>, sent_before: bool) -> Option<End> {
        let now = self.toy.now;
        intent.send_by = now + SEND_WINDOW;
        let row = &mut memory.row;
        row.lease = Some(Lease { owner: memory.run, until: now + self.world.rules.lease() });
        row.hash = None;
        row.state = SyncState::Syncing;
        row.intent = Some(intent.clone());
        self.world.row = row.clone();
        if self.crash() {
            return Some(End::Crashed);
        }
        let fault = self.fault();
        let key = begun.as_ref().map_or_else(|| intent.key.clone(), |there| format!("{}+{}", intent.key, there.lines.len()));
        let reply = self.toy.write(&key, request(intent.kind, &intent.look, &intent.body, begun.as_ref()), fault);
        self.log.push(format!("    {fault:?} -> {}", format!("{reply:?}").chars().take(60).collect::<String>()));
        if self.crash() {
            return Some(End::Crashed);
        }
        match reply {
            Reply::Document(there) if !answers(&there, &intent, &self.world.rules) => Some(self.wait(memory, SyncState::Uncertain)),
            Reply::Document(there) if intent.kind == IntentKind::Create && lacks_lines(&there, &intent, &self.world.rules) => {
                memory.found.document_look = Some(vec![there]);
                None
            }
            Reply::Document(there) => self.settle(memory, &there),
            Reply::Payment(payment) => {
                let payment_id = intent.look.payment.clone().unwrap();
                self.payment_done(memory, PaymentLink { payment_id, external_id: Some(payment.external_id), amount: payment.amount });
                None
            }
            Reply::Unknown if self.once_more(memory, &intent) => None,
            Reply::Unknown => Some(self.wait(memory, SyncState::Uncertain)),
            Reply::Refused(refusal) if !refusal_settles(&disposition(refusal), sent_before) => {
                Some(self.wait(memory, SyncState::Uncertain))
            }
            Reply::Refused(refusal) => self.refused(memory, &intent, refusal),
            Reply::Contact(_) => panic!("a contact for a document"),
        }
    }

    /// The intent is closed, then what follows from the refusal.
    fn refused(&mut self, memory: &mut Memory, intent: &Intent, refusal: Refusal) -> Option<End> {
        let row = &mut memory.row;
        row.intent = None;
        row.rejections += 1;
        row.lease = None;
        row.state = SyncState::Queued;
        if let Some(link) = &mut row.link {
            link.as_sent = false;
        }
        self.world.row = row.clone();
        let unread = memory.found.document.is_none() && matches!(intent.kind, IntentKind::Update | IntentKind::Void | IntentKind::Approve);
        let question = match refusal {
            Refusal::NumberTaken if !memory.found.number_taken => {
                memory.found.number_taken = true;
                return None;
            }
            Refusal::Stale if !memory.found.stale => {
                memory.found.stale = true;
                memory.found.document = None;
                return None;
            }
            Refusal::Throttled | Refusal::Stale => return Some(End::Waiting),
            Refusal::ContactGone => Question::ContactGone,
            Refusal::DocumentPaid => Question::PaidInLedger,
            Refusal::DocumentGone => Question::DocumentGone,
            Refusal::NotPayable => Question::PaymentDiffers,
            Refusal::NumberTaken | Refusal::NameTaken => panic!("{refusal:?} twice"),
        };
        if unread {
            memory.found.stale = true;
            return None;
        }
        let hold = match (intent.kind, &intent.look.payment) {
            (IntentKind::Void, _) => void_refused(String::new(), &intent.hash),
            (IntentKind::Payment, Some(payment)) => payment_refused(&self.world.invoice, payment, String::new()),
            _ => return Some(self.vendor_hold(memory, question, intent.hash.clone())),
        };
        Some(self.held(memory, hold))
    }

    fn settle(&mut self, memory: &mut Memory, there: &RemoteDocument) -> Option<End> {
        let row = &mut memory.row;
        let intent = row.intent.take().unwrap();
        let gone = there.status.is_gone();
        let ours = row.link.as_ref().is_none_or(|link| link.created_by_us);
        let sent = intent.sent.clone().or_else(|| row.link.as_ref().and_then(|link| link.sent.clone()));
        let sent = sent.map(|sent| sent.with_line_ids(&there.lines));
        let facts = self.world.facts.as_ref().unwrap();
        let judged = sent.as_ref().filter(|_| !gone && intent.kind != IntentKind::Void);
        let differs = judged.and_then(|sent| {
            tax_applied(sent, there, facts, "").or_else(|| (sent.totals != there.totals).then(|| totals_differ("", sent, there)))
        });
        row.link = Some(DocumentLink { as_sent: sent.as_ref().is_some_and(|sent| as_sent(there, sent)), sent, ..link(there, ours) });
        if there.status != DocumentStatus::Draft {
            row.approve = false;
        }
        row.hash = (differs.is_none() && !gone).then_some(intent.hash);
        row.done = row.done.max(intent.version);
        row.updates += u32::from(intent.kind == IntentKind::Update);
        row.answers.retain(Answer::outlives_a_write);
        self.uncompared = false;
        row.lease = None;
        row.state = SyncState::Queued;
        self.world.row = row.clone();
        let more = !gone && differs.is_none() && self.more_to_do(&memory.row, there);
        memory.found.document = more.then(|| Some(there.clone()));
        if let Some(hold) = differs {
            return Some(self.held(memory, hold));
        }
        if intent.version >= self.world.invoice.version && !gone && !more {
            memory.row.state = SyncState::Synced;
            self.world.row = memory.row.clone();
            return Some(End::Synced);
        }
        None
    }

    fn more_to_do(&self, row: &SyncRow, there: &RemoteDocument) -> bool {
        match there.status {
            DocumentStatus::Draft => row.approve,
            DocumentStatus::Approved | DocumentStatus::Paid => {
                let settled = |id: &str| row.payments.iter().any(|known| known.payment_id == id);
                self.pushes_payments() && self.world.invoice.payments.iter().any(|payment| !settled(&payment.payment_id))
            }
            DocumentStatus::Voided | DocumentStatus::Deleted => false,
        }
    }

    fn payment_done(&mut self, memory: &mut Memory, link: PaymentLink) {
        memory.found.payment_look = None;
        memory.found.paid = None;
        let row = &mut memory.row;
        if !row.payments.iter().any(|known| known.payment_id == link.payment_id) {
            row.payments.push(link);
        }
        if let Some(link) = &mut row.link {
            link.as_sent = false;
        }
        row.answers.retain(Answer::outlives_a_write);
        if let Some(intent) = row.intent.take() {
            row.hash = Some(intent.hash);
            row.state = SyncState::Queued;
            row.lease = None;
        }
        self.world.row = row.clone();
    }

    /// I8: never back to draft, and never an edit of a paid document, as far as was read.
    fn check_plan(&self, plan: &DocumentPlan, there: Option<&RemoteDocument>) {
        if let (IntentKind::Update, Some(there)) = (plan.kind, there) {
            assert_eq!(plan.write.status, there.status, "an update leaves the status alone");
            assert!(!there.has_payments, "a document with payments is not edited");
        }
        if plan.kind == IntentKind::Update && there.is_none() {
            assert!(self.world.rules.guards_versions && plan.write.version.is_some(), "an update without a read rests on a version");
        }
    }

    fn key(&self, subject: &str, kind: IntentKind, [remote_generation, rejections, updates]: [u32; 3]) -> String {
        let generation = self.world.connection.generation;
        idempotency_key(KeyParts { organisation: "org", generation, subject, kind, remote_generation, rejections, updates })
    }

    fn vendor_hold(&mut self, memory: &mut Memory, question: Question, inputs_hash: String) -> End {
        let choices = match question {
            Question::ContactGone => vec![Choice::new("find_again", ""), Choice::new("retry", "")],
            _ => vec![Choice::new("retry", "")],
        };
        self.held(memory, HoldDraft { question, detail: String::new(), choices, inputs_hash })
    }
}

fn disposition(refusal: Refusal) -> Disposition {
    let question = match refusal {
        Refusal::Throttled => return Disposition::Retry { not_before: None },
        Refusal::Stale => return Disposition::Stale,
        Refusal::NumberTaken => Question::NumberTaken,
        Refusal::NameTaken => Question::NameClash,
        Refusal::DocumentPaid => Question::PaidInLedger,
        Refusal::DocumentGone => Question::DocumentGone,
        Refusal::ContactGone => Question::ContactGone,
        Refusal::NotPayable => Question::PaymentDiffers,
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
