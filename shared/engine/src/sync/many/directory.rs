//! The ledger's contacts, listed once: where several clients are looked for, fewer calls than a search for each (docs/adr/0025-batches.md).

use std::collections::HashMap;

use coportal_core::contact::Contact;
use coportal_core::text::{email_key, name_key};
use coportal_ledgers::{ContactList, ListedContact};

/// The contacts of a ledger, by what they are looked for.
#[derive(Default)]
pub(super) struct Directory {
    listed: Vec<ListedContact>,
    by_key: HashMap<String, Vec<usize>>,
    /// Pages that the ledger's list has, as far as is known.
    pub(super) pages: usize,
    /// All pages are in it.
    pub(super) complete: bool,
    /// Listing them is no cheaper than searching, or was refused.
    pub(super) given_up: bool,
}

/// One kind of key never equals another's.
fn email(email: &str) -> String {
    format!("e/{}", email_key(email))
}

fn name(name: &str) -> String {
    format!("n/{}", name_key(name))
}

fn mark(mark: &str) -> String {
    format!("m/{mark}")
}

impl Directory {
    /// One that is still to be read, of so many pages as far as is known.
    pub(super) fn of_pages(pages: u32) -> Self {
        Self { pages: usize::try_from(pages).unwrap_or(usize::MAX), ..Self::default() }
    }

    /// Takes over a page; a contact that came on an earlier one already is left out.
    pub(super) fn add(&mut self, page: Vec<ListedContact>) {
        for contact in page {
            let id = format!("i/{}", contact.external_id);
            if self.by_key.contains_key(&id) {
                continue;
            }
            let place = self.listed.len();
            let keys = contact.emails().map(email).chain([name(&contact.name), id]).chain(contact.our_mark.as_deref().map(mark));
            let mut keys: Vec<String> = keys.collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                self.by_key.entry(key).or_default().push(place);
            }
            self.listed.push(contact);
        }
    }

    /// How many contacts are known.
    pub(super) fn len(&self) -> usize {
        self.listed.len()
    }

    /// What a search by this address and name would show, and whatever carries one of these marks of ours.
    pub(super) fn search(&self, list: &dyn ContactList, by_email: Option<&str>, by_name: &str, marks: &[String]) -> Vec<Contact> {
        let keys = by_email.map(email).into_iter().chain([name(&list.kept_name(by_name))]).chain(marks.iter().map(|own| mark(own)));
        let mut places: Vec<usize> = keys.filter_map(|key| self.by_key.get(&key)).flatten().copied().collect();
        places.sort_unstable();
        places.dedup();
        let shown = |listed: &ListedContact| {
            let ours = listed.our_mark.as_ref().is_some_and(|mark| marks.contains(mark));
            let by_words = list.shown(listed, by_email, Some(by_name));
            by_words.or_else(|| if ours { list.shown(listed, None, Some(&listed.name)) } else { None })
        };
        places.into_iter().filter_map(|place| self.listed.get(place)).filter_map(shown).collect()
    }
}
