//! Which contacts of a list are linked, which have a client's address, and which are new.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{Listed, Mapped, Obstacle, Row, Status};
use crate::id::ClientId;
use crate::ledger::ContactMark;
use crate::sync::matching::{client_of_mark, mark_of};
use crate::text;

/// A client, as far as an import needs it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KnownClient {
    /// Hidden from the main list; a match all the same (R148).
    pub archived: bool,
    /// Contacts of ours for it that are known to be gone: their marks may still stand somewhere.
    pub contacts_gone: u32,
}

/// What the workspace knows before a list is compared with it.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// All clients.
    pub clients: HashMap<ClientId, KnownClient>,
    /// The client that is linked to a contact, by the contact's id: the links that a sync uses (R141).
    pub links: HashMap<String, ClientId>,
    /// The clients that own an address, themselves or by a contact person (R149), by the key of the address.
    pub owners: HashMap<String, Vec<ClientId>>,
}

/// How many rows there are of each status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// [`Status::New`].
    pub new: u32,
    /// [`Status::DuplicateEmail`].
    pub duplicate_email: u32,
    /// [`Status::Linked`].
    pub linked: u32,
}

impl Counts {
    /// The same with one more.
    #[must_use]
    pub fn with(mut self, status: Status) -> Self {
        let count = match status {
            Status::New => &mut self.new,
            Status::DuplicateEmail => &mut self.duplicate_email,
            Status::Linked => &mut self.linked,
        };
        *count = count.saturating_add(1);
        self
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.new.saturating_add(self.duplicate_email).saturating_add(self.linked)
    }
}

/// Classifies a whole list, in its order. `key` turns an address into the key of [`Known::owners`]; two addresses that are the same
/// ([`text::email_key`]) have the same key. A contact that a list shows twice (its pages shift while they are read) is one row, as it was
/// read last.
#[must_use]
pub fn classify(list: Vec<Listed>, known: &Known, form: ContactMark, key: impl Fn(&str) -> String) -> Vec<Row> {
    let marks = Marks::of(&list, known, form);
    let mut earlier: HashMap<String, String> = HashMap::with_capacity(list.len());
    distinct(list).into_iter().map(|listed| row(listed, known, &marks, &mut earlier, &key)).collect()
}

/// Each contact once: at its first place, with its last content.
fn distinct(list: Vec<Listed>) -> Vec<Listed> {
    let repeats = {
        let mut seen = HashSet::with_capacity(list.len());
        list.iter().any(|listed| !seen.insert(listed.external_id.as_str()))
    };
    if !repeats {
        return list;
    }
    let mut places: HashMap<String, usize> = HashMap::with_capacity(list.len());
    let mut once: Vec<Listed> = Vec::with_capacity(list.len());
    for listed in list {
        match places.get(&listed.external_id).and_then(|place| once.get_mut(*place)) {
            Some(known) => *known = listed,
            None => {
                places.insert(listed.external_id.clone(), once.len());
                once.push(listed);
            }
        }
    }
    once
}

/// The clients by the marks that only a digest can tell; empty where the mark names the client, and where no contact has a mark.
struct Marks {
    form: ContactMark,
    digests: HashMap<String, ClientId>,
}

impl Marks {
    fn of(list: &[Listed], known: &Known, form: ContactMark) -> Self {
        let mut digests = HashMap::new();
        let marked = list.iter().any(|listed| listed.our_mark.is_some());
        if let (ContactMark::Digest { .. }, true) = (form, marked) {
            for (client, about) in &known.clients {
                digests.extend((0..=about.contacts_gone).filter_map(|gone| mark_of(form, *client, gone)).map(|mark| (mark, *client)));
            }
        }
        Self { form, digests }
    }

    fn client(&self, mark: &str) -> Option<ClientId> {
        client_of_mark(self.form, mark).or_else(|| self.digests.get(mark).copied())
    }
}

fn row(listed: Listed, known: &Known, marks: &Marks, earlier: &mut HashMap<String, String>, key: &impl Fn(&str) -> String) -> Row {
    let linked = known.links.get(&listed.external_id).copied();
    // A mark counts where it names a client of this workspace: another's may have been connected to the same books.
    let marked = || listed.our_mark.as_deref().and_then(|mark| marks.client(mark)).filter(|client| known.clients.contains_key(client));
    let linked = linked.or_else(marked);
    let keys: Vec<String> = listed.emails().filter(|email| !email.trim().is_empty()).map(key).collect();
    let twin_of = keys.iter().find_map(|key| earlier.get(key)).cloned();
    let (status, clients) = match linked {
        Some(client) => (Status::Linked, vec![client]),
        None => {
            let owners = owners(&keys, known);
            (if owners.is_empty() { Status::New } else { Status::DuplicateEmail }, owners)
        }
    };
    for key in keys {
        earlier.entry(key).or_insert_with(|| listed.external_id.clone());
    }
    let archived = clients.first().and_then(|client| known.clients.get(client)).is_some_and(|client| client.archived);
    Row { obstacle: obstacle(&listed), status, clients, archived, twin_of, listed }
}

/// The clients that own one of the addresses, each once: those that are not archived first, the oldest first.
fn owners(keys: &[String], known: &Known) -> Vec<ClientId> {
    let mut owners: Vec<ClientId> = keys.iter().filter_map(|key| known.owners.get(key)).flatten().copied().collect();
    owners.sort_unstable();
    owners.dedup();
    owners.sort_by_key(|client| known.clients.get(client).is_some_and(|client| client.archived));
    owners
}

fn obstacle(listed: &Listed) -> Option<Obstacle> {
    let mapped = Mapped::of(listed);
    if mapped.name.is_empty() {
        return Some(Obstacle::NoName);
    }
    match mapped.email.as_deref() {
        None => Some(Obstacle::NoEmail),
        Some(email) if !text::is_email(email) => Some(Obstacle::MalformedEmail),
        Some(_) if listed.archived => Some(Obstacle::ArchivedInLedger),
        Some(_) if listed.part_of_another => Some(Obstacle::PartOfAnother),
        Some(_) => None,
    }
}
