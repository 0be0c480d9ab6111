//! A small ledger that follows the rules of any of the four: it numbers or takes numbers, keeps keys or none, guards versions or not, makes
//! documents whole or line by line, has drafts or none. It is strict: numbers stay taken where they are kept apart, names of active contacts
//! are unique where a vendor has them so, and a lost call may still be carried out later.

use std::collections::BTreeMap;

use coportal_core::contact::{Contact, ContactContent, ContactStatus};
use coportal_core::document::{
    Changeable, DocumentStatus, DocumentWrite, Paid, PaymentWrite, RemoteDocument, RemoteLine, RemotePayment, WriteLine,
};
use coportal_core::facts::Facts;
use coportal_core::ledger::{ContactMark, DocumentMark, DocumentShape, Ledger, LedgerRules};
use coportal_core::pricing::Totals;
use coportal_core::sync::row::{IntentKind, Look};
use coportal_core::text::{email_key, name_key};
use jiff::{SignedDuration, Timestamp};

use crate::fixture::recompute;

/// What happens to a write on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    AnswerLost,
    NotReached,
    Late(SignedDuration),
    Throttled,
}

/// A definite refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Throttled,
    NumberTaken,
    NameTaken,
    DocumentPaid,
    DocumentGone,
    ContactGone,
    /// It rested on an old version.
    Stale,
    /// The document takes no payment: a draft, gone, or paid.
    NotPayable,
}

/// What the caller sees of a write.
#[derive(Debug)]
pub(crate) enum Reply {
    Document(RemoteDocument),
    Contact(Contact),
    Payment(RemotePayment),
    Refused(Refusal),
    Unknown,
}

/// What a write asks for.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    Document(Option<String>, Box<DocumentWrite>),
    /// The next line of a document that is made line by line.
    Line(String, Box<DocumentWrite>),
    /// Voids what stood at this version.
    Void(String, Option<String>),
    /// Approves what stood at this version.
    Approve(String, Option<String>),
    Payment(Box<PaymentWrite>),
    Contact(Option<String>, Box<ContactContent>),
}

#[derive(Debug, Clone)]
enum Kept {
    Running,
    Made(String),
    Refused(Refusal),
}

pub(crate) struct Toy {
    pub(crate) rules: LedgerRules,
    /// A percentage that is applied to lines of 5% without a code: a set-up that is wrong (BC).
    pub(crate) set_up_wrong: bool,
    pub(crate) payments: Vec<(String, RemotePayment)>,
    /// Contacts that our own calls made.
    pub(crate) made_contacts: Vec<String>,
    /// Drafts that our own calls approved.
    pub(crate) approved: Vec<String>,
    pub(crate) now: Timestamp,
    pub(crate) facts: Facts,
    pub(crate) contacts: Vec<Contact>,
    pub(crate) documents: Vec<RemoteDocument>,
    /// Documents that our own calls made.
    pub(crate) made: Vec<String>,
    keys: BTreeMap<String, (Timestamp, String, Kept)>,
    late: Vec<(Timestamp, String, Request)>,
    serial: u32,
}

impl Toy {
    pub(crate) fn new(now: Timestamp, facts: Facts, rules: LedgerRules) -> Self {
        Self {
            rules,
            set_up_wrong: false,
            payments: vec![],
            made_contacts: vec![],
            approved: vec![],
            now,
            facts,
            contacts: vec![],
            documents: vec![],
            made: vec![],
            keys: BTreeMap::new(),
            late: vec![],
            serial: 0,
        }
    }

    fn next(&mut self, what: &str) -> String {
        self.serial += 1;
        format!("{what}-{}", self.serial)
    }

    /// Moves the clock; what was late arrives on the way.
    pub(crate) fn advance(&mut self, by: SignedDuration) {
        let until = self.now + by;
        self.late.sort_by_key(|(due, _, _)| *due);
        while self.late.first().is_some_and(|(due, _, _)| *due <= until) {
            let (due, key, request) = self.late.remove(0);
            self.now = self.now.max(due);
            let outcome = self.apply(&request);
            if let Some(kept) = self.keys.get_mut(&key) {
                kept.2 = outcome;
            }
        }
        self.now = until;
    }

    pub(crate) fn write(&mut self, key: &str, request: Request, fault: Fault) -> Reply {
        match fault {
            Fault::Throttled => return Reply::Refused(Refusal::Throttled),
            Fault::NotReached => return Reply::Unknown,
            Fault::None | Fault::AnswerLost | Fault::Late(_) => {}
        }
        let body = format!("{request:?}");
        let keyless = self.rules.key_window.is_zero();
        let known = self.keys.get(key).filter(|(until, _, _)| self.now < *until && !keyless).cloned();
        let kept = match known {
            // The key under another body: the vendor refuses, and nobody knows what the first one did.
            Some((_, first, _)) if first != body && self.rules.ledger != Ledger::Quickbooks => return Reply::Unknown,
            Some((_, _, kept)) => kept,
            None => {
                let until = self.now + self.rules.key_window + SignedDuration::from_mins(1);
                self.keys.insert(key.to_owned(), (until, body.clone(), Kept::Running));
                if let Fault::Late(by) = fault {
                    self.late.push((self.now + by, key.to_owned(), request));
                    return Reply::Unknown;
                }
                let kept = self.apply(&request);
                self.keys.insert(key.to_owned(), (until, body, kept.clone()));
                kept
            }
        };
        if fault != Fault::None {
            return Reply::Unknown;
        }
        match kept {
            Kept::Running => Reply::Unknown,
            Kept::Refused(refusal) => Reply::Refused(refusal),
            Kept::Made(id) => {
                match (self.document(&id), self.contact(&id), self.payments.iter().find(|(_, there)| there.external_id == id)) {
                    (Some(document), _, _) => Reply::Document(document),
                    (None, Some(contact), _) => Reply::Contact(contact),
                    (None, None, Some((_, payment))) => Reply::Payment(payment.clone()),
                    (None, None, None) => Reply::Unknown,
                }
            }
        }
    }

    fn apply(&mut self, request: &Request) -> Kept {
        let outcome = match request {
            Request::Document(None, write) => self.create_document(write),
            Request::Document(Some(id), write) => self.update_document(id, write),
            Request::Line(id, write) => self.add_line(id, write),
            Request::Void(id, version) => self.void_document(id, version.as_ref()),
            Request::Approve(id, version) => self.approve(id, version.as_ref()),
            Request::Payment(write) => self.pay(write),
            Request::Contact(None, content) => self.create_contact(content),
            Request::Contact(Some(id), content) => self.update_contact(id, content),
        };
        outcome.map_or_else(Kept::Refused, Kept::Made)
    }

    fn usable_contact(&self, id: &str) -> Result<(), Refusal> {
        self.contact(id).filter(|contact| contact.status == ContactStatus::Active).map(|_| ()).ok_or(Refusal::ContactGone)
    }

    fn create_document(&mut self, write: &DocumentWrite) -> Result<String, Refusal> {
        self.usable_contact(&write.contact)?;
        if write.number.is_some() && self.rules.enforces_number && self.documents.iter().any(|there| there.number == write.number) {
            return Err(Refusal::NumberTaken);
        }
        let id = self.next("doc");
        assert!(write.number.is_none() || self.rules.carries_number, "a number where the ledger has its own");
        let number = write.number.clone().unwrap_or_else(|| format!("INV-{}", self.serial));
        let mut there = RemoteDocument {
            external_id: id.clone(),
            number: Some(number),
            reference: None,
            url: None,
            contact: String::new(),
            currency: None,
            issue_date: None,
            due_date: None,
            tax_mode: None,
            status: write.status,
            native_status: String::new(),
            lines: vec![],
            totals: Totals::default(),
            has_payments: false,
            version: None,
            balance: None,
            created_at: Some(self.now),
            changeable: Changeable::All,
            kept: serde_json::Value::Null,
        };
        match self.rules.shape {
            DocumentShape::Whole => self.fill(&mut there, write),
            DocumentShape::HeaderThenLines => self.fill(&mut there, &DocumentWrite { lines: vec![], ..write.clone() }),
        }
        self.documents.push(there);
        self.made.push(id.clone());
        Ok(id)
    }

    fn open(&self, id: &str, version: Option<&String>) -> Result<(usize, RemoteDocument), Refusal> {
        let at = self.documents.iter().position(|there| there.external_id == id).ok_or(Refusal::DocumentGone)?;
        let there = self.documents[at].clone();
        if there.status.is_gone() {
            return Err(Refusal::DocumentGone);
        }
        if self.rules.guards_versions && version != there.version.as_ref() {
            return Err(Refusal::Stale);
        }
        Ok((at, there))
    }

    fn update_document(&mut self, id: &str, write: &DocumentWrite) -> Result<String, Refusal> {
        let (at, mut there) = self.open(id, write.version.as_ref())?;
        if there.has_payments {
            return Err(Refusal::DocumentPaid);
        }
        // C29: what a bookkeeper moved stays where it was moved to. Without versions, a body that was stored before may still land after.
        let moved = |line: &&RemoteLine| self.rules.guards_versions && line.account.as_deref() == Some(MOVED);
        for line in there.lines.iter().filter(moved) {
            let written = write.lines.iter().find(|written| written.line_id == line.line_id);
            assert!(written.is_none_or(|written| written.account.as_deref() == Some(MOVED)), "an account that was moved is written over");
        }
        self.fill(&mut there, write);
        self.documents[at] = there;
        Ok(id.to_owned())
    }

    /// The line of the next number that is not there yet; one that is there already is made no second time.
    fn add_line(&mut self, id: &str, write: &DocumentWrite) -> Result<String, Refusal> {
        let at = self.documents.iter().position(|there| there.external_id == id).ok_or(Refusal::DocumentGone)?;
        let mut there = self.documents[at].clone();
        if there.status != DocumentStatus::Draft {
            return Err(Refusal::DocumentGone);
        }
        let name = |place: usize| format!("{id}-line-{place}");
        let missing = |place: &usize| there.lines.iter().all(|line| line.line_id.as_ref() != Some(&name(*place)));
        if let Some(place) = (0..write.lines.len()).find(missing) {
            let line = self.line(&write.lines[place], name(place));
            there.lines.push(line);
            self.touch(&mut there);
            self.documents[at] = there;
        }
        Ok(id.to_owned())
    }

    fn void_document(&mut self, id: &str, version: Option<&String>) -> Result<String, Refusal> {
        let (at, mut there) = self.open(id, version)?;
        if there.has_payments {
            return Err(Refusal::DocumentPaid);
        }
        assert!(self.made.iter().any(|made| made == id), "C10: only what CoPortal made is voided");
        there.status = DocumentStatus::Voided;
        self.touch(&mut there);
        self.documents[at] = there;
        Ok(id.to_owned())
    }

    fn approve(&mut self, id: &str, version: Option<&String>) -> Result<String, Refusal> {
        let (at, mut there) = self.open(id, version)?;
        if there.status == DocumentStatus::Draft {
            there.status = DocumentStatus::Approved;
            self.touch(&mut there);
            self.documents[at] = there;
            self.approved.push(id.to_owned());
        }
        Ok(id.to_owned())
    }

    /// What is open of a document.
    pub(crate) fn paid(&self, id: &str) -> Paid {
        let there = self.document(id).unwrap();
        let payments: Vec<RemotePayment> =
            self.payments.iter().filter(|(document, _)| document == id).map(|(_, payment)| payment.clone()).collect();
        let sum: rust_decimal::Decimal = payments.iter().map(|payment| payment.amount).sum();
        let balance = if there.status.is_gone() { rust_decimal::Decimal::ZERO } else { there.totals.total - sum };
        Paid { balance, contact: None, payments }
    }

    fn pay(&mut self, write: &PaymentWrite) -> Result<String, Refusal> {
        let there = self.document(&write.document).ok_or(Refusal::NotPayable)?;
        if there.status != DocumentStatus::Approved || write.amount > self.paid(&write.document).balance {
            return Err(Refusal::NotPayable);
        }
        let id = self.next("payment");
        self.record(
            &write.document,
            RemotePayment { external_id: id.clone(), mark: Some(write.mark.clone()), amount: write.amount, date: Some(write.date) },
        );
        Ok(id)
    }

    /// Puts a payment on a document: it moves the version on, and closes what is paid in full.
    pub(crate) fn record(&mut self, id: &str, payment: RemotePayment) {
        self.payments.push((id.to_owned(), payment));
        let balance = self.paid(id).balance;
        let at = self.documents.iter().position(|there| there.external_id == id).unwrap();
        let mut there = self.documents[at].clone();
        there.has_payments = true;
        if balance.is_zero() {
            there.status = DocumentStatus::Paid;
        }
        self.touch(&mut there);
        self.documents[at] = there;
    }

    /// Lines without an id are made anew, lines that are left out go.
    fn fill(&mut self, there: &mut RemoteDocument, write: &DocumentWrite) {
        let capitals = |text: &String| if self.rules.reference_in_capitals { text.to_uppercase() } else { text.clone() };
        there.reference = write.reference.as_ref().map(capitals);
        there.url = (self.rules.document_mark != DocumentMark::Evidence).then(|| write.url.clone());
        there.contact.clone_from(&write.contact);
        there.currency = Some(write.currency);
        there.issue_date = Some(write.issue_date);
        there.due_date = Some(write.due_date);
        there.tax_mode = write.tax_mode;
        let lines = write.lines.iter().map(|line| {
            let id = line.line_id.clone().unwrap_or_else(|| self.next("line"));
            self.line(line, id)
        });
        there.lines = lines.collect();
        self.touch(there);
    }

    fn line(&self, line: &WriteLine, id: String) -> RemoteLine {
        let five = line.rate == "5".parse::<rust_decimal::Decimal>().unwrap().try_into().ok();
        let wrong = self.set_up_wrong && five && line.tax_code.is_none();
        RemoteLine {
            line_id: Some(id),
            description: line.description.clone(),
            quantity: line.quantity,
            unit_price: line.unit_price,
            tax_code: if wrong { Some("S17".to_owned()) } else { line.tax_code.clone() },
            account: line.account.clone(),
            amount: None,
            tax: line.tax,
            rate: line.rate,
            kept: line.kept.clone(),
        }
    }

    /// What follows from any change of a document.
    pub(crate) fn touch(&mut self, there: &mut RemoteDocument) {
        recompute(there, &self.facts, &self.rules);
        there.version = Some(self.next("v"));
        there.native_status = format!("{:?}", there.status);
    }

    /// The bookkeeper at work on the live document, if there is one.
    pub(crate) fn bookkeeper(&mut self, change: impl FnOnce(&mut RemoteDocument)) {
        if let Some(at) = self.documents.iter().position(|there| !there.status.is_gone() && there.external_id != "by-hand") {
            let mut there = self.documents[at].clone();
            change(&mut there);
            self.touch(&mut there);
            self.documents[at] = there;
        }
    }

    fn create_contact(&mut self, content: &ContactContent) -> Result<String, Refusal> {
        let name = content.name.clone().unwrap();
        let unique = matches!(self.rules.ledger, Ledger::Xero | Ledger::Quickbooks);
        let clash = self.contacts.iter().any(|there| {
            (unique && there.status == ContactStatus::Active && name_key(&there.name) == name_key(&name))
                || (there.our_mark.is_some() && there.our_mark == content.our_mark)
        });
        assert_eq!(content.our_mark.is_none(), self.rules.contact_mark == ContactMark::Evidence);
        if clash {
            return Err(Refusal::NameTaken);
        }
        let id = self.next("contact");
        self.contacts.push(Contact {
            external_id: id.clone(),
            name,
            email: content.email.clone(),
            phone: content.phone.clone(),
            billing_address: content.billing_address.clone(),
            our_mark: content.our_mark.clone(),
            status: ContactStatus::Active,
            merged_into: None,
            currency: None,
            created_at: Some(self.now),
            version: None,
        });
        self.made_contacts.push(id.clone());
        Ok(id)
    }

    fn update_contact(&mut self, id: &str, content: &ContactContent) -> Result<String, Refusal> {
        self.usable_contact(id)?;
        let there = self.contacts.iter_mut().find(|there| there.external_id == id).ok_or(Refusal::ContactGone)?;
        there.email = content.email.clone().or(there.email.take());
        there.phone = content.phone.clone().or(there.phone.take());
        Ok(id.to_owned())
    }

    pub(crate) fn document(&self, id: &str) -> Option<RemoteDocument> {
        self.documents.iter().find(|there| there.external_id == id).cloned()
    }

    pub(crate) fn contact(&self, id: &str) -> Option<Contact> {
        self.contacts.iter().find(|there| there.external_id == id).cloned()
    }

    pub(crate) fn search(&self, email: &str, name: &str) -> Vec<Contact> {
        let fits = |there: &&Contact| {
            there.email.as_deref().is_some_and(|there| email_key(there) == email_key(email)) || name_key(&there.name) == name_key(name)
        };
        self.contacts.iter().filter(fits).cloned().collect()
    }

    pub(crate) fn look_contact(&self, look: &Look) -> Vec<Contact> {
        match &look.mark {
            Some(mark) => self.contacts.iter().filter(|there| there.our_mark.as_ref() == Some(mark)).cloned().collect(),
            None => self.search(look.email.as_deref().unwrap_or_default(), look.name.as_deref().unwrap_or_default()),
        }
    }

    pub(crate) fn look(&self, look: &Look) -> Vec<RemoteDocument> {
        if let Some(id) = &look.external_id {
            return self.document(id).into_iter().collect();
        }
        let fits = |there: &&RemoteDocument| {
            (look.number.is_some() && there.number == look.number)
                || (look.reference.is_some() && there.reference == look.reference)
                // Where neither can be searched for, the contact's documents are read.
                || (self.rules.ledger == Ledger::Quickbooks && Some(&there.contact) == look.contact.as_ref())
        };
        self.documents.iter().filter(fits).cloned().collect()
    }

    pub(crate) fn live_of_ours(&self) -> usize {
        self.documents.iter().filter(|there| self.made.contains(&there.external_id) && !there.status.is_gone()).count()
    }

    /// Voids an approved document, deletes a draft: as the ledger's page does.
    pub(crate) fn end_live(&mut self) {
        self.bookkeeper(|there| {
            there.status = if there.status == DocumentStatus::Draft { DocumentStatus::Deleted } else { DocumentStatus::Voided };
        });
    }
}

/// The account that bookkeepers move lines to.
pub(crate) const MOVED: &str = "201";

/// The request of a stored body; the toy's bodies are JSON of the neutral shapes. `begun` is the document whose lines go on.
pub(crate) fn request(kind: IntentKind, look: &Look, body: &[u8], begun: Option<&RemoteDocument>) -> Request {
    let version = || serde_json::from_slice::<Option<String>>(body).unwrap();
    match (kind, begun) {
        (IntentKind::Create, Some(there)) => Request::Line(there.external_id.clone(), Box::new(serde_json::from_slice(body).unwrap())),
        (IntentKind::Void, _) => Request::Void(look.external_id.clone().unwrap(), version()),
        (IntentKind::Approve, _) => Request::Approve(look.external_id.clone().unwrap(), version()),
        (IntentKind::Payment, _) => Request::Payment(Box::new(serde_json::from_slice(body).unwrap())),
        (IntentKind::Create | IntentKind::Update, _) => {
            Request::Document(look.external_id.clone(), Box::new(serde_json::from_slice(body).unwrap()))
        }
        (IntentKind::CreateContact | IntentKind::UpdateContact, _) => {
            Request::Contact(look.external_id.clone(), Box::new(contact_of(&serde_json::from_slice(body).unwrap())))
        }
    }
}

/// A contact's content has no JSON of its own in the product; the toy's is its fields in order.
pub(crate) fn contact_fields(content: &ContactContent) -> Vec<u8> {
    serde_json::to_vec(&[&content.name, &content.email, &content.phone, &content.our_mark]).unwrap()
}

fn contact_of(fields: &[Option<String>; 4]) -> ContactContent {
    let [name, email, phone, our_mark] = fields.clone();
    ContactContent { name, email, phone, billing_address: None, our_mark, currency: None }
}
