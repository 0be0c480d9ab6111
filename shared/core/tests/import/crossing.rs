//! Imports and syncs of one list that cross each other at every read and every write, in all the orders that a seed can draw: the product's
//! own classification, matching and decisions over a table with the conditions of docs/records.md. What is left is one client and one
//! contact for each person.

use std::collections::{BTreeMap, BTreeSet};

use coportal_core::client::Client;
use coportal_core::connection::Options;
use coportal_core::contact::{Contact, ContactStatus};
use coportal_core::id::ClientId;
use coportal_core::import::{Action, Decision, Fresh, Known, KnownClient, Listed, Now, Pick, Row, Status, classify, decide};
use coportal_core::ledger::{ContactMark, Ledger};
use coportal_core::sync::matching::{self, ContactDecision, contact_mark_in};
use coportal_core::sync::row::ContactRow;
use coportal_core::text::email_key;
use uuid::Uuid;

use crate::list::Seeded;

const FORM: ContactMark = ContactMark::ClientId;

/// The table and the ledger.
#[derive(Default)]
struct World {
    contacts: BTreeMap<String, Listed>,
    clients: BTreeMap<ClientId, Client>,
    /// Owners of an address, with the revision that an addition states.
    owners: BTreeMap<String, (u64, Vec<ClientId>)>,
    /// The contact link of a client: revision, contact, whether a write is under way.
    links: BTreeMap<ClientId, (u64, Option<String>, bool)>,
    contact_owner: BTreeMap<String, ClientId>,
}

impl World {
    fn owners(&self, email: &str) -> (u64, Vec<ClientId>) {
        self.owners.get(&email_key(email)).cloned().unwrap_or_default()
    }

    fn add_client(&mut self, client: Client) {
        let owners = self.owners.entry(email_key(&client.email)).or_default();
        owners.0 += 1;
        owners.1.push(client.id);
        self.clients.insert(client.id, client);
    }

    fn link(&self, client: ClientId) -> (u64, Option<String>, bool) {
        self.links.get(&client).cloned().unwrap_or_default()
    }

    /// Contact link and contact owner in one transaction: on the revision that was read, and absent or ours.
    fn tie(&mut self, client: ClientId, read: u64, external: &str) -> bool {
        if self.link(client).0 != read || self.contact_owner.get(external).is_some_and(|owner| *owner != client) {
            return false;
        }
        self.links.insert(client, (read + 1, Some(external.to_owned()), false));
        self.contact_owner.insert(external.to_owned(), client);
        true
    }

    fn preview(&self) -> Vec<Row> {
        let mut known = Known::default();
        for client in self.clients.keys() {
            known.clients.insert(*client, KnownClient::default());
        }
        known.owners = self.owners.iter().map(|(email, (_, owners))| (email.clone(), owners.clone())).collect();
        let links = self.links.iter().filter_map(|(client, (_, external, _))| Some((external.clone()?, *client)));
        known.links = links.collect();
        classify(self.contacts.values().cloned().collect(), &known, FORM, "GBP".parse().unwrap(), email_key)
    }
}

/// What an import has in hand between a read and its write.
enum Held {
    Nothing,
    Create { client: Box<Client>, address: u64, link: u64 },
    Link { client: ClientId, link: u64 },
}

/// One commit of a preview, row by row.
struct Import {
    n: u128,
    rows: Vec<Row>,
    at: usize,
    held: Held,
}

impl Import {
    fn own(&self, row: &Row) -> ClientId {
        // As the engine does: drawn from the preview and the contact.
        let tail: u128 = row.listed.external_id.trim_start_matches('x').parse().unwrap();
        ClientId::new(Uuid::from_u128((self.n << 64) | tail))
    }

    /// One read, or one write; answers whether there is more to do.
    fn step(&mut self, world: &mut World) -> bool {
        let Some(row) = self.rows.get(self.at).cloned() else { return false };
        match std::mem::replace(&mut self.held, Held::Nothing) {
            Held::Nothing => self.read(world, &row),
            Held::Create { client, address, link } => {
                let free = !world.contact_owner.contains_key(&row.listed.external_id);
                if free && world.owners(&client.email).0 == address && world.link(client.id).0 == link {
                    let id = client.id;
                    world.add_client(*client);
                    assert!(world.tie(id, link, &row.listed.external_id));
                    self.at += 1;
                }
                // Refused: the row is read again.
            }
            Held::Link { client, link } => {
                if world.tie(client, link, &row.listed.external_id) {
                    self.at += 1;
                }
            }
        }
        true
    }

    fn read(&mut self, world: &World, row: &Row) {
        let action = if row.status == Status::DuplicateEmail { Action::Link } else { row.default_action() };
        let email = row.listed.email.clone().unwrap_or_default();
        let (address, owners) = world.owners(&email);
        let fresh = world.contacts.get(&row.listed.external_id).map_or(Fresh::Gone, |there| Fresh::There(Box::new(there.clone())));
        let now = Now {
            owner: world.contact_owner.get(&row.listed.external_id).copied(),
            own: self.own(row),
            fresh: Some(&fresh),
            address_owners: &owners,
        };
        match decide(row, Pick { action, client: None }, now) {
            Decision::Create(client) => {
                let link = world.link(client.id).0;
                self.held = Held::Create { client, address, link };
            }
            Decision::Link(client) => match world.link(client) {
                (link, None, false) => self.held = Held::Link { client, link },
                // Linked to another contact, or a sync is at it: reported.
                _ => self.at += 1,
            },
            Decision::Skip | Decision::AlreadyCreated(_) | Decision::AlreadyLinked(_) | Decision::Changed(_) | Decision::Fail(_) => {
                self.at += 1
            }
        }
    }
}

/// The contact step of a sync of one client.
enum Sync {
    Begin(ClientId),
    Found { client: ClientId, link: u64, external: String },
    Writing { client: ClientId, link: u64 },
    Done,
}

impl Sync {
    fn step(&mut self, world: &mut World, made: &mut u64) -> bool {
        *self = match std::mem::replace(self, Self::Done) {
            Self::Done => return false,
            Self::Begin(client) => match world.link(client) {
                (_, Some(_), _) | (_, None, true) => Self::Done,
                (link, None, false) => Self::look(world, client, link),
            },
            Self::Found { client, link, external } => {
                if world.tie(client, link, &external) {
                    Self::Done
                } else {
                    Self::Begin(client)
                }
            }
            Self::Writing { client, link } => {
                // The intent is stored: the contact is made, and its link is stored on the intent.
                let about = &world.clients[&client];
                let external = format!("x{}", 1_000 + *made);
                *made += 1;
                let contact = Listed {
                    external_id: external.clone(),
                    name: about.name.clone(),
                    email: Some(about.email.clone()),
                    our_mark: contact_mark_in(FORM, about, "GBP".parse().unwrap(), 0),
                    ..Listed::default()
                };
                world.contacts.insert(external.clone(), contact);
                assert!(world.tie(client, link, &external));
                Self::Done
            }
        };
        true
    }

    fn look(world: &mut World, client: ClientId, link: u64) -> Self {
        let about = world.clients[&client].clone();
        let found: Vec<Contact> = world.contacts.values().map(contact).collect();
        let options = Options::defaults(Ledger::Xero);
        let row = ContactRow::default();
        match matching::decide(&about, &found, &options, &row, FORM, "GBP".parse().unwrap()) {
            ContactDecision::Use(contact) => Self::Found { client, link, external: contact.external_id.clone() },
            ContactDecision::Create { .. } => {
                // The claim: on the revision that was read.
                world.links.insert(client, (link + 1, None, true));
                Self::Writing { client, link: link + 1 }
            }
            ContactDecision::Hold(_) | ContactDecision::Fail(_) => Self::Done,
        }
    }
}

fn contact(listed: &Listed) -> Contact {
    Contact {
        external_id: listed.external_id.clone(),
        name: listed.name.clone(),
        email: listed.email.clone(),
        phone: None,
        billing_address: None,
        our_mark: listed.our_mark.clone(),
        status: ContactStatus::Active,
        merged_into: None,
        currency: None,
        created_at: None,
        version: None,
    }
}

fn person(n: u64) -> (String, String) {
    (format!("Person {n}"), format!("Person{n}@example.com"))
}

fn run(seed: u64) {
    let mut random = Seeded(seed);
    let mut world = World::default();
    let persons = 2 + random.below(6);
    for n in 0..persons {
        let (name, email) = person(n);
        let (here, there) = (random.below(3) != 0, random.one_in(2));
        if here || !there {
            let listed =
                Listed { external_id: format!("x{n}"), name: name.clone(), email: Some(email.to_lowercase()), ..Listed::default() };
            world.contacts.insert(listed.external_id.clone(), listed);
        }
        if there {
            let listed = Listed { name, email: Some(email), ..Listed::default() };
            let id = ClientId::new(Uuid::from_u128(u128::from(n) + 1));
            world.add_client(coportal_core::import::Mapped::of(&listed).client(id));
        }
    }
    let mut imports: Vec<Import> = Vec::new();
    let mut syncs: Vec<Sync> = Vec::new();
    let (mut to_begin, mut made) = (2_u128, 0);
    loop {
        let mut choices = imports.len() + syncs.len() + usize::from(to_begin > 0);
        // A sync of any client that there is by now, also of one that an import has just made.
        let may_sync = !world.clients.is_empty() && syncs.len() < 8;
        choices += usize::from(may_sync);
        let drawn = usize::try_from(random.below(choices as u64)).unwrap();
        if let Some(import) = imports.get_mut(drawn) {
            if !import.step(&mut world) && to_begin == 0 && imports.iter().all(|import| import.at >= import.rows.len()) && syncs.len() == 8
            {
                break;
            }
        } else if let Some(sync) = syncs.get_mut(drawn - imports.len()) {
            sync.step(&mut world, &mut made);
        } else if to_begin > 0 && drawn == imports.len() + syncs.len() {
            imports.push(Import { n: to_begin, rows: world.preview(), at: 0, held: Held::Nothing });
            to_begin -= 1;
        } else {
            let at = usize::try_from(random.below(world.clients.len() as u64)).unwrap();
            syncs.push(Sync::Begin(*world.clients.keys().nth(at).unwrap()));
        }
    }
    // What is under way ends; then every client is synced once more.
    for sync in &mut syncs {
        while sync.step(&mut world, &mut made) {}
    }
    for client in world.clients.keys().copied().collect::<Vec<_>>() {
        let mut sync = Sync::Begin(client);
        while sync.step(&mut world, &mut made) {}
    }
    for n in 0..persons {
        let (_, email) = person(n);
        let key = email_key(&email);
        let clients: Vec<_> = world.clients.values().filter(|client| email_key(&client.email) == key).collect();
        let contacts: Vec<_> =
            world.contacts.values().filter(|contact| contact.email.as_deref().map(email_key).as_ref() == Some(&key)).collect();
        assert_eq!((clients.len(), contacts.len()), (1, 1), "seed {seed}, person {n}: {clients:?} {contacts:?}");
        assert_eq!(world.link(clients[0].id).1.as_ref(), Some(&contacts[0].external_id), "seed {seed}, person {n}");
    }
    let owned: BTreeSet<_> = world.contact_owner.values().collect();
    assert_eq!(owned.len(), world.contact_owner.len(), "seed {seed}: a client owns one contact");
}

/// I2, I15, R141: whoever comes first, an import or a sync, the other finds its link.
#[test]
fn i2_i15_r141_crossing_imports_and_syncs_leave_one_client_and_one_contact_each() {
    for seed in 0..2_000 {
        run(seed);
    }
}
