//! Which contacts of a list are linked, which have a client's address, and which are new.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{Listed, Mapped, Obstacle, Row, Status};
use crate::id::ClientId;
use crate::ledger::ContactMark;
use crate::money::Currency;
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = ImportCounts))]
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

/// Classifies a whole list, in its order: [`Classifier`], for a list in hand.
#[must_use]
pub fn classify(list: Vec<Listed>, known: &Known, form: ContactMark, base: Currency, key: impl Fn(&str) -> String) -> Vec<Row> {
    let mut classifier = Classifier::new(known, form, base);
    list.into_iter().filter_map(|listed| classifier.row(listed, &key)).collect()
}

/// Classifies a list that is read in pieces, in its order: of what it has seen it keeps addresses and ids alone.
#[derive(Debug)]
pub struct Classifier<'a> {
    known: &'a Known,
    marks: Marks,
    earlier: Earlier,
    seen: HashSet<String>,
}

impl<'a> Classifier<'a> {
    /// Nothing read yet, of books in this currency.
    #[must_use]
    pub fn new(known: &'a Known, form: ContactMark, base: Currency) -> Self {
        Self { known, marks: Marks { form, digests: HashMap::new(), base }, earlier: Earlier::default(), seen: HashSet::new() }
    }

    /// The row of the next contact; `None` for one that came before (a list's pages shift when contacts are made while it is read). `key`
    /// turns an address into the key of [`Known::owners`]; two addresses that are the same ([`text::email_key`]) have the same key.
    pub fn row(&mut self, listed: Listed, key: impl Fn(&str) -> String) -> Option<Row> {
        if !self.seen.insert(listed.external_id.clone()) {
            return None;
        }
        Some(row(listed, self.known, &mut self.marks, &mut self.earlier, &key))
    }
}

/// What was met before in the list, by the key of the address.
#[derive(Debug, Default)]
struct Earlier {
    /// The first contact with an address.
    first: HashMap<String, String>,
    /// Addresses of contacts that nothing stands in the way of, or that have their client: whoever comes later with one is left to the
    /// person. A contact that is archived there, say, must not hide the live one behind it.
    claimed: HashSet<String>,
}

/// The clients by their marks.
#[derive(Debug)]
struct Marks {
    form: ContactMark,
    /// Where only a digest tells, by currency: made when the first mark of a contact in it is met.
    digests: HashMap<Currency, HashMap<String, ClientId>>,
    /// The currency of the books: that of a contact which has none of its own.
    base: Currency,
}

impl Marks {
    fn client(&mut self, mark: &str, currency: Option<Currency>, known: &Known) -> Option<ClientId> {
        let form = self.form;
        match form {
            ContactMark::ClientId | ContactMark::Evidence => client_of_mark(form, mark),
            ContactMark::Digest { .. } => {
                let currency = currency.unwrap_or(self.base);
                let all = || {
                    let marks = known.clients.iter().flat_map(|(client, about)| {
                        (0..=about.contacts_gone).filter_map(move |gone| Some((mark_of(form, *client, currency, gone)?, *client)))
                    });
                    marks.collect()
                };
                self.digests.entry(currency).or_insert_with(all).get(mark).copied()
            }
        }
    }
}

fn row(listed: Listed, known: &Known, marks: &mut Marks, earlier: &mut Earlier, key: &impl Fn(&str) -> String) -> Row {
    let linked = known.links.get(&listed.external_id).copied();
    // A mark counts where it names a client of this workspace: another's may have been connected to the same books.
    let mut marked = || {
        let client = listed.our_mark.as_deref().and_then(|mark| marks.client(mark, listed.currency, known));
        client.filter(|client| known.clients.contains_key(client))
    };
    let linked = linked.or_else(&mut marked);
    let keys: Vec<String> = listed.emails().filter(|email| !email.trim().is_empty()).map(key).collect();
    let twin_of = keys.iter().find_map(|key| earlier.first.get(key)).cloned();
    let claimed = keys.iter().any(|key| earlier.claimed.contains(key));
    let obstacle = obstacle(&listed);
    let (status, clients) = match linked {
        Some(client) => (Status::Linked, vec![client]),
        None => {
            let owners = owners(&keys, known);
            (if owners.is_empty() { Status::New } else { Status::DuplicateEmail }, owners)
        }
    };
    let claims = obstacle.is_none() || status == Status::Linked;
    for key in keys {
        if claims {
            earlier.claimed.insert(key.clone());
        }
        earlier.first.entry(key).or_insert_with(|| listed.external_id.clone());
    }
    let archived = clients.first().and_then(|client| known.clients.get(client)).is_some_and(|client| client.archived);
    Row { obstacle, status, clients, archived, twin_of, claimed, listed }
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
