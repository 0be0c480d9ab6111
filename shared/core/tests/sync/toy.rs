//! A ledger of a few dozen lines, strict where Xero is: numbers stay taken, names of active contacts and contact marks are unique, keys are
//! kept for six minutes, and a lost call may still be carried out later.

use std::collections::BTreeMap;

use coportal_core::contact::{Contact, ContactContent, ContactStatus};
use coportal_core::document::{Changeable, DocumentStatus, DocumentWrite, RemoteDocument, RemoteLine};
use coportal_core::facts::Facts;
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
}

/// What the caller sees of a write.
#[derive(Debug)]
pub(crate) enum Reply {
    Document(RemoteDocument),
    Contact(Contact),
    Refused(Refusal),
    Unknown,
}

/// What a write asks for.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    Document(Option<String>, Box<DocumentWrite>),
    /// Voids, or deletes where that is asked for.
    Void(String),
    Contact(Option<String>, Box<ContactContent>),
}

#[derive(Debug, Clone)]
enum Kept {
    Running,
    Made(String),
    Refused(Refusal),
}

pub(crate) struct Toy {
    pub(crate) now: Timestamp,
    pub(crate) facts: Facts,
    pub(crate) contacts: Vec<Contact>,
    pub(crate) documents: Vec<RemoteDocument>,
    /// Documents that our own calls made.
    pub(crate) made: Vec<String>,
    /// A ledger that keeps no keys and lets two documents share a number: only intents and looks protect there.
    pub(crate) keyless: bool,
    keys: BTreeMap<String, (Timestamp, String, Kept)>,
    late: Vec<(Timestamp, String, Request)>,
    serial: u32,
}

impl Toy {
    pub(crate) fn new(now: Timestamp, facts: Facts) -> Self {
        Self {
            now,
            facts,
            contacts: vec![],
            documents: vec![],
            made: vec![],
            keyless: false,
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
        let known = self.keys.get(key).filter(|(until, _, _)| self.now < *until && !self.keyless).cloned();
        let kept = match known {
            // The key under another body: the vendor refuses, and nobody knows what the first one did.
            Some((_, first, _)) if first != body => return Reply::Unknown,
            Some((_, _, kept)) => kept,
            None => {
                let until = self.now + SignedDuration::from_mins(6);
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
            Kept::Made(id) => match (self.document(&id), self.contact(&id)) {
                (Some(document), _) => Reply::Document(document),
                (None, Some(contact)) => Reply::Contact(contact),
                (None, None) => Reply::Unknown,
            },
        }
    }

    fn apply(&mut self, request: &Request) -> Kept {
        let outcome = match request {
            Request::Document(None, write) => self.create_document(write),
            Request::Document(Some(id), write) => self.update_document(id, write),
            Request::Void(id) => self.void_document(id),
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
        if write.number.is_some() && !self.keyless && self.documents.iter().any(|there| there.number == write.number) {
            return Err(Refusal::NumberTaken);
        }
        let id = self.next("doc");
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
        self.fill(&mut there, write);
        self.documents.push(there);
        self.made.push(id.clone());
        Ok(id)
    }

    fn update_document(&mut self, id: &str, write: &DocumentWrite) -> Result<String, Refusal> {
        let at = self.documents.iter().position(|there| there.external_id == id).ok_or(Refusal::DocumentGone)?;
        let mut there = self.documents[at].clone();
        if there.status.is_gone() {
            return Err(Refusal::DocumentGone);
        }
        if there.has_payments {
            return Err(Refusal::DocumentPaid);
        }
        self.fill(&mut there, write);
        self.documents[at] = there;
        Ok(id.to_owned())
    }

    fn void_document(&mut self, id: &str) -> Result<String, Refusal> {
        let at = self.documents.iter().position(|there| there.external_id == id).ok_or(Refusal::DocumentGone)?;
        let mut there = self.documents[at].clone();
        match (there.status.is_gone(), there.has_payments) {
            (true, _) => return Err(Refusal::DocumentGone),
            (false, true) => return Err(Refusal::DocumentPaid),
            (false, false) => there.status = DocumentStatus::Voided,
        }
        self.touch(&mut there);
        self.documents[at] = there;
        Ok(id.to_owned())
    }

    /// Lines without an id are made anew, lines that are left out go.
    fn fill(&mut self, there: &mut RemoteDocument, write: &DocumentWrite) {
        there.reference.clone_from(&write.reference);
        there.url = Some(write.url.clone());
        there.contact.clone_from(&write.contact);
        there.currency = Some(write.currency);
        there.issue_date = Some(write.issue_date);
        there.due_date = Some(write.due_date);
        there.tax_mode = write.tax_mode;
        let lines = write.lines.iter().map(|line| RemoteLine {
            line_id: Some(line.line_id.clone().unwrap_or_else(|| self.next("line"))),
            description: line.description.clone(),
            quantity: line.quantity,
            unit_price: line.unit_price,
            tax_code: line.tax_code.clone(),
            account: line.account.clone(),
            amount: None,
            tax: None,
            rate: None,
            kept: line.kept.clone(),
        });
        there.lines = lines.collect();
        self.touch(there);
    }

    /// What follows from any change of a document.
    pub(crate) fn touch(&mut self, there: &mut RemoteDocument) {
        recompute(there, &self.facts);
        there.version = Some(self.next("v"));
        there.native_status = format!("{:?}", there.status);
    }

    /// The bookkeeper at work on the live document, if there is one.
    pub(crate) fn bookkeeper(&mut self, change: impl FnOnce(&mut RemoteDocument)) {
        if let Some(at) = self.documents.iter().position(|there| !there.status.is_gone()) {
            let mut there = self.documents[at].clone();
            change(&mut there);
            self.touch(&mut there);
            self.documents[at] = there;
        }
    }

    fn create_contact(&mut self, content: &ContactContent) -> Result<String, Refusal> {
        let name = content.name.clone().unwrap();
        let clash = self.contacts.iter().any(|there| {
            (there.status == ContactStatus::Active && name_key(&there.name) == name_key(&name)) || there.our_mark == content.our_mark
        });
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

    pub(crate) fn by_mark(&self, mark: Option<&String>) -> Vec<Contact> {
        self.contacts.iter().filter(|there| mark.is_some() && there.our_mark.as_ref() == mark).cloned().collect()
    }

    pub(crate) fn look(&self, look: &Look) -> Vec<RemoteDocument> {
        if let Some(id) = &look.external_id {
            return self.document(id).into_iter().collect();
        }
        let fits = |there: &&RemoteDocument| {
            (look.number.is_some() && there.number == look.number) || (look.reference.is_some() && there.reference == look.reference)
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

/// The request of a stored body; the toy's bodies are JSON of the neutral shapes.
pub(crate) fn request(kind: IntentKind, look: &Look, body: &[u8]) -> Request {
    match kind {
        IntentKind::Void => Request::Void(look.external_id.clone().unwrap()),
        IntentKind::Create | IntentKind::Update => {
            Request::Document(look.external_id.clone(), Box::new(serde_json::from_slice(body).unwrap()))
        }
        IntentKind::Approve | IntentKind::Payment => panic!("{kind:?} of a ledger without"),
        IntentKind::CreateContact | IntentKind::UpdateContact => {
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
