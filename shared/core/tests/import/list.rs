//! Seeded lists of contacts and workspaces, with everything that real ones have: all statuses, unicode, missing and malformed addresses,
//! twins, contacts that come twice, archived clients, contact persons.

use std::collections::HashMap;

use coportal_core::client::Address;
use coportal_core::id::ClientId;
use coportal_core::import::{Known, KnownClient, Listed};
use coportal_core::ledger::ContactMark;
use coportal_core::money::Currency;
use coportal_core::sync::matching::mark_of;
use coportal_core::text::{digest, email_key};
use uuid::Uuid;

/// SplitMix64: the same list for the same seed, on every machine.
pub(crate) struct Seeded(pub(crate) u64);

impl Seeded {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let at = usize::try_from(self.below(of.len() as u64)).unwrap_or_default();
        of.get(at).unwrap_or_else(|| unreachable!("a list of names is not empty"))
    }
}

/// A client as the generator knows it.
pub(crate) struct Person {
    pub(crate) id: ClientId,
    pub(crate) email: String,
    pub(crate) people: Vec<String>,
    pub(crate) archived: bool,
    pub(crate) gone: u32,
}

/// A workspace and a ledger's list.
pub(crate) struct Scene {
    pub(crate) clients: Vec<Person>,
    pub(crate) links: HashMap<String, ClientId>,
    pub(crate) list: Vec<Listed>,
}

const FIRST: &[&str] = &["Ann", "Zoë", "Łukasz", "José", "Мария", "李", "Ahmet", "Søren", "O'Neil", "عمر", "Ngozi", "İpek"];
const LAST: &[&str] = &["Archer & Co", "Müller GmbH", "Vale", "北京设计", "d’Angelo", "Smith", "Ångström AB", "Kowalski", "Studio №5"];
const MALFORMED: &[&str] = &["none", "ann@", "@example.com", "a b@example.com", "ann@example", "ann@@example.com", "<ann@example.com>"];

fn currency(code: &str) -> Currency {
    code.parse().unwrap_or_else(|_| unreachable!("{code} is a code of ISO 4217"))
}

/// The currency of the books.
pub(crate) fn gbp() -> Currency {
    currency("GBP")
}

/// Another one that some contacts have.
pub(crate) fn eur() -> Currency {
    currency("EUR")
}

/// The key of an address as the records have it: a digest of workspace and address.
pub(crate) fn key(email: &str) -> String {
    digest([b"ws_00000000000000000000000000000001".as_slice(), email_key(email).as_bytes()])
}

fn address_of(random: &mut Seeded, n: u64) -> String {
    let host = *random.pick(&["example.com", "müller.example", "studio.example.co.uk"]);
    format!("person{n}@{host}")
}

fn spelled(random: &mut Seeded, email: &str) -> String {
    match random.below(4) {
        0 => email.to_uppercase(),
        1 => format!(" {email} "),
        _ => email.to_owned(),
    }
}

/// A scene of so many clients and contacts.
pub(crate) fn scene(seed: u64, clients: u64, contacts: u64, form: ContactMark) -> Scene {
    let mut random = Seeded(seed);
    let people: Vec<Person> = (0..clients)
        .map(|n| {
            let id = ClientId::new(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | u128::from(n)));
            // Some clients share an address: one person may serve two clients.
            let owner = if random.one_in(50) { random.below(n.max(1)) } else { n };
            let email = address_of(&mut random, owner);
            let persons = (0..random.below(3)).map(|k| format!("contact{k}.{n}@example.com")).collect();
            Person { id, email, people: persons, archived: random.one_in(10), gone: u32::try_from(random.below(3)).unwrap_or_default() }
        })
        .collect();
    let mut links = HashMap::new();
    let mut list: Vec<Listed> = Vec::new();
    for n in 0..contacts {
        let external_id = format!("{:08x}-0000-4000-8000-{n:012x}", random.next() >> 32);
        let client = usize::try_from(random.below(clients)).ok().and_then(|at| people.get(at));
        let fresh = format!("new{n}@example.net");
        let email = match (random.below(12), client) {
            (0, _) => None,
            (1, _) => Some((*random.pick(MALFORMED)).to_owned()),
            (2 | 3, Some(client)) => Some(spelled(&mut random, &client.email)),
            (4, Some(client)) => client.people.first().map(|email| spelled(&mut random, email)),
            // A twin of an earlier contact of the list.
            (5, _) if !list.is_empty() => random.pick(&list).email.clone(),
            _ => Some(fresh),
        };
        let currency = *random.pick(&[None, Some(gbp()), Some(gbp()), Some(eur())]);
        // A contact without a currency has that of the books; a mark of the other currency is none of its own.
        let marked = if random.one_in(6) { eur() } else { currency.unwrap_or(gbp()) };
        let mark = match (random.below(20), client) {
            (0, Some(client)) => mark_of(form, client.id, marked, u32::try_from(random.below(4)).unwrap_or_default()),
            (1, _) => mark_of(form, ClientId::new(Uuid::from_u128(u128::from(random.next()))), gbp(), 0),
            (2, _) => Some(format!("CRM-{n}")),
            _ => None,
        };
        if let (true, Some(client)) = (random.one_in(8), client) {
            links.insert(external_id.clone(), client.id);
        }
        let name = if random.one_in(40) { " \u{7} ".to_owned() } else { format!("{} {} {n}", random.pick(FIRST), random.pick(LAST)) };
        list.push(Listed {
            external_id,
            name,
            other_emails: if random.one_in(25) { client.map(|client| client.email.clone()).into_iter().collect() } else { Vec::new() },
            email,
            phone: random.one_in(2).then(|| format!("+44 20 7946 {n:04}")),
            billing_address: random.one_in(2).then(|| Address {
                line1: Some(format!("{n} High Street")),
                city: Some("Leeds".to_owned()),
                country: Some("United Kingdom".to_owned()),
                ..Address::default()
            }),
            archived: random.one_in(15),
            our_mark: mark,
            currency,
            part_of_another: random.one_in(60),
        });
        // The pages shifted while they were read: one comes again, as it is by now.
        if random.one_in(200) {
            let again = random.pick(&list).clone();
            list.push(Listed { phone: Some("0".to_owned()), ..again });
        }
    }
    Scene { clients: people, links, list }
}

impl Scene {
    /// What the records would say.
    pub(crate) fn known(&self) -> Known {
        let mut known = Known { links: self.links.clone(), ..Known::default() };
        for client in &self.clients {
            known.clients.insert(client.id, KnownClient { archived: client.archived, contacts_gone: client.gone });
            for email in client.people.iter().chain([&client.email]) {
                known.owners.entry(key(email)).or_default().push(client.id);
            }
        }
        known
    }
}
