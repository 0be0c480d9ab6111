//! A ledger's contacts as a list: what an import shows, and what a bulk match is made of.

use coportal_core::client::Address;
use coportal_core::contact::{Contact, ContactStatus};
use coportal_core::money::Currency;
use coportal_core::text;
use serde::{Deserialize, Serialize};

use crate::{Access, Called};

/// A contact as a list shows it; empty strings of the vendor are already `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedContact {
    /// The ledger's id of it.
    pub external_id: String,
    /// Its name.
    pub name: String,
    /// Its e-mail address: of several, the first.
    pub email: Option<String>,
    /// Further e-mail addresses of the same field (QuickBooks and Business Central keep a list in one field).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_emails: Vec<String>,
    /// Its telephone.
    pub phone: Option<String>,
    /// Its billing address.
    pub billing_address: Option<Address>,
    /// It cannot be used on new documents: archived, inactive, blocked for invoices, or merged into another one.
    pub archived: bool,
    /// The owner's mark on it, CoPortal's or another integration's (Xero `ContactNumber`, Sage `reference`).
    pub our_mark: Option<String>,
    /// The currency of its documents: fixed for good, or what the ledger proposes.
    pub currency: Option<Currency>,
    /// A part of another contact (QuickBooks: a sub-customer or project): it answers to its parent's address, so that only its own name is
    /// it.
    #[serde(default)]
    pub part_of_another: bool,
    /// The ledger's version mark of it, which an update must name where versions are guarded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl ListedContact {
    /// As [`Contact`] has it. What a list does not tell (when it was made, what it was merged into) is absent.
    #[must_use]
    pub fn contact(&self) -> Contact {
        Contact {
            external_id: self.external_id.clone(),
            name: self.name.clone(),
            email: self.email.clone(),
            phone: self.phone.clone(),
            billing_address: self.billing_address.clone(),
            our_mark: self.our_mark.clone(),
            status: if self.archived { ContactStatus::Archived } else { ContactStatus::Active },
            merged_into: None,
            currency: self.currency,
            created_at: None,
            version: self.version.clone(),
        }
    }

    /// A contact that has one e-mail address at most and is no part of another, as a list shows it.
    pub(crate) fn of(contact: Contact) -> Self {
        Self {
            archived: !contact.is_usable(),
            external_id: contact.external_id,
            name: contact.name,
            email: contact.email,
            other_emails: Vec::new(),
            phone: contact.phone,
            billing_address: contact.billing_address,
            our_mark: contact.our_mark,
            currency: contact.currency,
            part_of_another: false,
            version: contact.version,
        }
    }

    /// Whether its one address or its name is the one that is looked for; `kept` is the name as the ledger keeps it.
    pub(crate) fn answers_to(&self, email: Option<&str>, kept: Option<&str>) -> bool {
        let email = email.map(text::email_key).filter(|key| !key.is_empty());
        let by_email = email.is_some() && self.email.as_deref().map(text::email_key) == email;
        let by_name = kept.is_some_and(|kept| !kept.is_empty() && text::name_key(kept) == text::name_key(&self.name));
        by_email || by_name
    }

    /// All its e-mail addresses.
    pub fn emails(&self) -> impl Iterator<Item = &str> {
        self.email.iter().chain(&self.other_emails).map(String::as_str)
    }
}

/// One page of a ledger's contacts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContactPage {
    /// The contacts, archived ones included. One may come twice, when contacts were made while the pages were read.
    pub contacts: Vec<ListedContact>,
    /// What the next page is asked for with; `None` after the last one. It is the ledger's own, and stays valid for as long as the
    /// organisation is the same.
    pub next: Option<String>,
    /// What the pages after `next` are asked for with, as far as they are known to be there, in order: they may be asked for together with
    /// it. Empty where a page is only known by the one before it.
    pub ahead: Vec<String>,
    /// How many contacts there are on all pages, where the ledger says so.
    pub expected: Option<u32>,
}

/// All contacts of a ledger, in pages of the largest size that the vendor gives and an answer may have.
pub trait ContactList: Send + Sync {
    /// The first page, or the one that `cursor` (a [`ContactPage::next`] of the same organisation) names, in one call. A cursor of another
    /// form, or of another organisation, is refused before anything is sent.
    fn contact_page<'a>(&'a self, access: Access<'a>, cursor: Option<&'a str>) -> Called<'a, ContactPage>;

    /// A client's name as the ledger would keep it: under this one a contact of that name stands in the list. Pure.
    fn kept_name(&self, name: &str) -> String;

    /// What [`crate::Contacts::search`] by this address or name would show of a listed contact; `None` where it would not find it. Pure.
    fn shown(&self, listed: &ListedContact, email: Option<&str>, name: Option<&str>) -> Option<Contact>;
}

/// The page that a cursor names, for ledgers that count them: a number from 2.
pub(crate) fn page_number(cursor: Option<&str>) -> Option<u32> {
    match cursor {
        None => Some(1),
        Some(text) => text.parse().ok().filter(|number| (2..=PAGES_MAX).contains(number) && number.to_string() == text),
    }
}

/// Most pages that are counted of one list: a ledger that always names a next page must come to an end.
pub(crate) const PAGES_MAX: u32 = 5_000;

/// The cursor of the page after `number`, where there is one.
pub(crate) fn page_after(number: u32, there_is_more: bool) -> Option<String> {
    (there_is_more && number < PAGES_MAX).then(|| (number + 1).to_string())
}

/// Most cursors of [`ContactPage::ahead`]: as many as are ever in flight.
const AHEAD_MAX: u32 = 8;

/// The cursors of the pages after the one that follows `number`, up to the `last` that the ledger tells of.
pub(crate) fn pages_ahead(number: u32, last: u32) -> Vec<String> {
    let last = last.min(PAGES_MAX).min(number.saturating_add(1).saturating_add(AHEAD_MAX));
    (number.saturating_add(2)..=last).map(|page| page.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_that_are_told_of_lie_ahead() {
        assert_eq!((pages_ahead(1, 0), pages_ahead(1, 2), pages_ahead(2, 2)), (Vec::new(), Vec::new(), Vec::new()));
        assert_eq!(pages_ahead(1, 4), ["3", "4"]);
        assert_eq!(pages_ahead(3, u32::MAX).len(), 8, "a hostile count costs no memory");
        assert!(pages_ahead(u32::MAX, u32::MAX).is_empty());
    }

    #[test]
    fn a_cursor_is_a_number_from_two_and_nothing_else() {
        assert_eq!((page_number(None), page_number(Some("2")), page_number(Some("5000"))), (Some(1), Some(2), Some(5_000)));
        for hostile in ["", "0", "1", "-2", "02", "+2", "2 ", "5001", "2&pageSize=1", "99999999999"] {
            assert_eq!(page_number(Some(hostile)), None, "{hostile}");
        }
        assert_eq!((page_after(1, true).as_deref(), page_after(1, false), page_after(PAGES_MAX, true)), (Some("2"), None, None));
    }
}
