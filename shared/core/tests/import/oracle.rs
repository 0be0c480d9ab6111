//! The oracle: for each contact, every client is looked at, one after the other. Slow, and written without a look at the product's way.

use std::collections::BTreeSet;

use coportal_core::import::{Counts, Listed, Row, Status, classify};
use coportal_core::ledger::ContactMark;
use coportal_core::money::Currency;
use coportal_core::sync::matching::mark_of;

use crate::list::{Person, Scene, eur, gbp, key, scene};

fn fold(email: &str) -> String {
    email.trim().to_lowercase()
}

/// A client as the oracle looks at it.
struct Suspect {
    emails: Vec<String>,
    /// With the currency that a mark counts in.
    marks: Vec<(Currency, String)>,
    archived: bool,
}

fn suspects(scene: &Scene, form: ContactMark) -> Vec<Suspect> {
    let of = |client: &Person| Suspect {
        emails: client.people.iter().chain([&client.email]).map(|email| fold(email)).collect(),
        // A mark that names its client counts whatever stands behind it; a digest only while its number is known, and in its currency.
        marks: [gbp(), eur()]
            .into_iter()
            .flat_map(|currency| {
                let numbers = if form == ContactMark::ClientId { 0..=9 } else { 0..=client.gone };
                numbers.filter_map(move |gone| Some((currency, mark_of(form, client.id, currency, gone)?)))
            })
            .collect(),
        archived: client.archived,
    };
    scene.clients.iter().map(of).collect()
}

/// The contacts of a list, each once.
fn once(list: &[Listed]) -> Vec<&Listed> {
    let mut seen = BTreeSet::new();
    list.iter().filter(|contact| seen.insert(&contact.external_id)).collect()
}

fn judge(scene: &Scene, suspects: &[Suspect], contact: &Listed, emails: &[String]) -> (Status, bool) {
    let by_link = scene.links.get(&contact.external_id).map(|id| scene.clients.iter().position(|client| client.id == *id).unwrap());
    let own = (contact.currency.unwrap_or(gbp()), contact.our_mark.clone().unwrap_or_default());
    let by_mark = || suspects.iter().position(|suspect| suspect.marks.contains(&own));
    if let Some(at) = by_link.or_else(by_mark) {
        return (Status::Linked, suspects[at].archived);
    }
    let owners: Vec<&Suspect> =
        suspects.iter().filter(|suspect| suspect.emails.iter().any(|email| emails.iter().any(|own| own == email))).collect();
    // Tagged as archived only when nobody else has the address.
    let archived = !owners.is_empty() && owners.iter().all(|suspect| suspect.archived);
    (if owners.is_empty() { Status::New } else { Status::DuplicateEmail }, archived)
}

/// R111, R112: a client has a name and an address. What is archived in the ledger, or a part of another contact, is made one only on demand.
fn can_be_a_client(contact: &Listed) -> bool {
    let named = contact.name.chars().any(|letter| !letter.is_whitespace() && !letter.is_control());
    let address = contact.email.as_deref().map(str::trim).unwrap_or_default();
    let is_address = !address.contains([' ', '<', '>']) && address.matches('@').count() == 1;
    let (local, host) = address.split_once('@').unwrap_or_default();
    named
        && is_address
        && !local.is_empty()
        && host.contains('.')
        && !host.starts_with('.')
        && !contact.archived
        && !contact.part_of_another
}

fn compare(seed: u64, clients: u64, contacts: u64, form: ContactMark) -> Counts {
    let scene = scene(seed, clients, contacts, form);
    let suspects = suspects(&scene, form);
    let rows = classify(scene.list.clone(), &scene.known(), form, gbp(), key);
    let expected = once(&scene.list);
    let mut hidden = 0;
    assert_eq!(rows.len(), expected.len());
    let mut earlier: Vec<(&Row, Vec<String>)> = Vec::new();
    for (row, contact) in rows.iter().zip(&expected) {
        assert_eq!(&row.listed, *contact, "seed {seed}");
        let emails = contact.email.iter().chain(&contact.other_emails).map(|email| fold(email)).filter(|email| !email.is_empty());
        let emails: Vec<String> = emails.collect();
        assert_eq!((row.status, row.archived), judge(&scene, &suspects, contact, &emails), "seed {seed}: {row:?}");
        let same: Vec<&(&Row, Vec<String>)> =
            earlier.iter().filter(|(_, theirs)| theirs.iter().any(|their| emails.contains(their))).collect();
        let twin = emails.iter().find_map(|email| same.iter().find(|(_, theirs)| theirs.contains(email)));
        assert_eq!(row.twin_of.as_deref(), twin.map(|(their, _)| their.listed.external_id.as_str()), "seed {seed}: {row:?}");
        // R26, C14: ticked is who can be made a client and is the first of those that can, or that have one already.
        let usable = can_be_a_client(contact);
        let taken = same.iter().any(|(their, _)| their.status == Status::Linked || can_be_a_client(&their.listed));
        assert_eq!(row.is_ticked(), row.status == Status::New && usable && !taken, "seed {seed}: {row:?}");
        hidden += usize::from(row.is_ticked() && row.twin_of.is_some());
        earlier.push((row, emails));
    }
    assert!(clients < 10_000 || hidden > 10, "only {hidden} live contacts come behind one that cannot be used");
    rows.iter().fold(Counts::default(), |counts, row| counts.with(row.status))
}

/// R24 to R27, R148, R149: ten thousand contacts against ten thousand clients, with everything that real ones have.
#[test]
fn r24_r25_r26_r27_ten_thousand_by_ten_thousand_are_as_the_oracle_says() {
    let counts = compare(20_260_301, 10_000, 10_000, ContactMark::ClientId);
    assert_eq!(counts.total(), 10_000);
    assert!(counts.new > 3_000 && counts.duplicate_email > 1_000 && counts.linked > 1_000, "{counts:?}");
}

/// The same for each way in which a ledger keeps our mark, on many small lists.
#[test]
fn r148_r149_small_lists_of_every_ledger_are_as_the_oracle_says() {
    let mut archived = 0;
    for seed in 0..60 {
        for form in [ContactMark::ClientId, ContactMark::Digest { max: 10 }, ContactMark::Evidence] {
            compare(seed, 40, 60, form);
        }
        let scene = scene(seed, 40, 60, ContactMark::ClientId);
        let rows: Vec<Row> = classify(scene.list.clone(), &scene.known(), ContactMark::ClientId, gbp(), key);
        archived += rows.iter().filter(|row| row.archived).count();
        let mut twice: Vec<&str> = rows.iter().map(|row| row.listed.external_id.as_str()).collect();
        twice.sort_unstable();
        twice.dedup();
        assert_eq!(twice.len(), rows.len(), "each contact is one row");
    }
    assert!(archived > 50, "only {archived} rows were tagged as archived");
}
