//! Which contact is this client? (C3-C5, R43, R47)

use crate::client::Client;
use crate::connection::{ContactUpdate, MatchBy, NameClash, Options};
use crate::contact::{Contact, ContactContent, ContactStatus};
use crate::failure::Question;
use crate::id::ClientId;
use crate::ledger::ContactMark;
use crate::money::Currency;
use crate::problem::{Problem, ProblemKind};
use crate::sync::HoldDraft;
use crate::sync::row::{Choice, ContactRow};
use crate::text::{digest, email_key, name_key};

/// The mark that CoPortal puts on a contact it creates (Xero: `ContactNumber`, 50 characters at most).
#[must_use]
pub fn contact_mark(client: &Client) -> String {
    format!("{MARK}{}", client.id)
}

/// The mark of a contact that is created after `gone` contacts of ours for this client went away: a ledger may keep a mark taken for ever,
/// and a look for a lost create must not find the one that is gone.
#[must_use]
pub fn contact_mark_after(client: &Client, gone: u32) -> String {
    if gone == 0 { contact_mark(client) } else { format!("{}:{gone}", contact_mark(client)) }
}

/// The same as a ledger has room for it; `None` where a contact has no field for it at all.
#[must_use]
pub fn contact_mark_in(form: ContactMark, client: &Client, currency: Currency, gone: u32) -> Option<String> {
    mark_of(form, client.id, currency, gone)
}

/// The same by the client's id alone. A digest is of the currency too: the ledger that has it fixes a contact to one (docs/vendors/sage.md,
/// section 2), so that a client has a contact for each, and one must not be taken for the other.
#[must_use]
pub fn mark_of(form: ContactMark, client: ClientId, currency: Currency, gone: u32) -> Option<String> {
    let mark = if gone == 0 { format!("{MARK}{client}") } else { format!("{MARK}{client}:{gone}") };
    match form {
        ContactMark::ClientId => Some(mark),
        ContactMark::Digest { max } => {
            Some(digest([mark.as_bytes(), currency.as_str().as_bytes()]).to_uppercase().chars().take(max).collect())
        }
        ContactMark::Evidence => None,
    }
}

/// The client that a mark names, whatever number of contacts went before; `None` for another's mark, and for ledgers whose mark only a
/// client's own digest can tell.
#[must_use]
pub fn client_of_mark(form: ContactMark, mark: &str) -> Option<ClientId> {
    match form {
        ContactMark::ClientId => {
            let rest = mark.strip_prefix(MARK)?;
            let (id, gone) = rest.split_once(':').map_or((rest, None), |(id, gone)| (id, Some(gone)));
            gone.is_none_or(|gone| gone.parse::<u32>().is_ok()).then(|| id.parse().ok()).flatten()
        }
        ContactMark::Digest { .. } | ContactMark::Evidence => None,
    }
}

/// What every mark begins with.
const MARK: &str = "coportal:";

/// Whether a contact carries a mark that CoPortal gave this client's contact, now or before: `gone` contacts of ours are known to be gone.
#[must_use]
pub fn is_ours(client: &Client, contact: &Contact, form: ContactMark, currency: Currency, gone: u32) -> bool {
    let Some(there) = contact.our_mark.as_deref() else { return false };
    match form {
        ContactMark::ClientId => {
            let rest = there.strip_prefix(contact_mark(client).as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        }
        ContactMark::Digest { .. } => (0..=gone).any(|gone| contact_mark_in(form, client, currency, gone).as_deref() == Some(there)),
        ContactMark::Evidence => false,
    }
}

/// The decision about a client's contact.
#[derive(Debug)]
pub enum ContactDecision<'a> {
    /// This one it is.
    Use(&'a Contact),
    /// Create one, under this name.
    Create {
        /// The name to create it under.
        name: String,
    },
    /// A person has to say.
    Hold(HoldDraft),
    /// Refused by option (`name_clash = fail`).
    Fail(Problem),
}

/// Decides among the contacts that a search by e-mail or name found; never guesses between two (C3).
#[must_use]
pub fn decide<'a>(
    client: &Client,
    found: &'a [Contact],
    options: &Options,
    row: &ContactRow,
    form: ContactMark,
    currency: Currency,
) -> ContactDecision<'a> {
    // A contact that is fixed to another currency cannot carry this invoice.
    let fits = |contact: &&Contact| contact.currency.is_none_or(|fixed| fixed == currency);
    let usable = |contact: &&Contact| contact.status == ContactStatus::Active && contact.merged_into.is_none();
    let active: Vec<&Contact> = found.iter().filter(usable).filter(fits).collect();
    let inputs_hash = inputs_hash(client, found);
    // The client's contact in another currency has the name already, and a ledger that fixes currencies keeps names apart.
    let elsewhere = found.iter().filter(usable).any(|contact| !fits(&contact) && same_name(client, contact));
    let name = if elsewhere { format!("{} ({currency})", client.name.trim()) } else { client.name.trim().to_owned() };
    let is_ours = |contact: &&Contact| is_ours(client, contact, form, currency, row.remote_generation);
    let ours: Vec<&Contact> = active.iter().copied().filter(is_ours).collect();
    if let [only] = ours.as_slice() {
        return ContactDecision::Use(only);
    }
    let answered = [Question::ChooseContact, Question::ConfirmContact].into_iter().find_map(|question| row.answer(question, &inputs_hash));
    if let Some(choice) = answered {
        if let Some(chosen) = choice.strip_prefix("link:").and_then(|id| active.iter().find(|contact| contact.external_id == id)) {
            return ContactDecision::Use(chosen);
        }
        if choice == "create" {
            return create(client, name, &active, options, row, inputs_hash);
        }
    }
    if !ours.is_empty() {
        return ContactDecision::Hold(choose(client, &ours, inputs_hash));
    }
    for by in &options.match_by {
        let hits: Vec<&Contact> = active.iter().copied().filter(|contact| matches(client, contact, *by)).collect();
        match hits.as_slice() {
            [] => {}
            [only] => {
                return if agrees(client, only, *by, options) {
                    ContactDecision::Use(only)
                } else {
                    ContactDecision::Hold(confirm(client, only, *by, inputs_hash))
                };
            }
            several => return ContactDecision::Hold(choose(client, several, inputs_hash)),
        }
    }
    create(client, name, &active, options, row, inputs_hash)
}

fn matches(client: &Client, contact: &Contact, by: MatchBy) -> bool {
    match by {
        MatchBy::Email => contact.email.as_deref().is_some_and(|email| email_key(email) == email_key(&client.email)),
        MatchBy::Name => same_name(client, contact),
    }
}

/// A name of which nothing is left for comparing equals no other.
fn same_name(client: &Client, contact: &Contact) -> bool {
    let key = name_key(&client.name);
    !key.is_empty() && name_key(&contact.name) == key
}

/// C4: a name hit whose e-mail differs, or an e-mail hit whose name differs (both present), is only half a match.
fn agrees(client: &Client, contact: &Contact, by: MatchBy, options: &Options) -> bool {
    match by {
        MatchBy::Name => options.name_only_ok || contact.email.as_deref().is_none_or(|email| email_key(email) == email_key(&client.email)),
        MatchBy::Email => name_key(&contact.name).is_empty() || name_key(&contact.name) == name_key(&client.name),
    }
}

fn create<'a>(
    client: &Client,
    name: String,
    active: &[&'a Contact],
    options: &Options,
    row: &ContactRow,
    inputs_hash: String,
) -> ContactDecision<'a> {
    let suffixed = || suffixed_name(client);
    let answer = row.answer(Question::NameClash, &inputs_hash);
    // Also where the search shows no such name: it may be taken by a contact that a search does not reach.
    if answer == Some("create_suffixed") {
        return ContactDecision::Create { name: suffixed() };
    }
    let Some(taken) = active.iter().find(|contact| same_name(client, contact)) else {
        return ContactDecision::Create { name };
    };
    match answer {
        Some(choice) if choice.strip_prefix("link:") == Some(taken.external_id.as_str()) => return ContactDecision::Use(taken),
        _ => {}
    }
    match options.name_clash {
        NameClash::Suffix => ContactDecision::Create { name: suffixed() },
        NameClash::Hold => ContactDecision::Hold(HoldDraft {
            question: Question::NameClash,
            detail: format!("The name \"{}\" already belongs to another contact there. Is it the same client?", client.name.trim()),
            choices: vec![
                Choice::new(format!("link:{}", taken.external_id), format!("Same client: link to {}", describe(taken))),
                Choice::new("create_suffixed", format!("Different client: create as \"{}\"", suffixed())),
            ],
            inputs_hash,
        }),
        NameClash::Fail => ContactDecision::Fail(name_taken(client)),
    }
}

/// The name that a second contact of this name gets (C5).
fn suffixed_name(client: &Client) -> String {
    format!("{} ({})", client.name.trim(), client.email.trim())
}

fn name_taken(client: &Client) -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "name_clash",
        format!("A contact named \"{}\" exists already, and this connection does not link by name.", client.name.trim()),
    )
    .fix("Rename one of the two, or change \"When a name is taken\" in the connection's options.", "Settings -> Integrations", false)
}

/// C5 where only the ledger's refusal told that `name` is taken, and the search shows no contact of that name.
#[must_use]
pub fn decide_unseen_clash<'a>(client: &Client, found: &[Contact], options: &Options, name: &str, label: &str) -> ContactDecision<'a> {
    let suffixed = suffixed_name(client);
    let second = name == suffixed;
    let mut choices = Vec::new();
    if !second {
        match options.name_clash {
            NameClash::Suffix => return ContactDecision::Create { name: suffixed },
            NameClash::Fail => return ContactDecision::Fail(name_taken(client)),
            NameClash::Hold => choices.push(Choice::new("create_suffixed", format!("Create as \"{suffixed}\""))),
        }
    }
    choices.push(Choice::new("retry", "I have renamed the other contact: try again"));
    ContactDecision::Hold(HoldDraft {
        question: Question::NameClash,
        detail: format!("{label} says that the name \"{name}\" is taken, but shows no contact of that name."),
        choices,
        inputs_hash: inputs_hash(client, found),
    })
}

fn confirm(client: &Client, contact: &Contact, by: MatchBy, inputs_hash: String) -> HoldDraft {
    let differing = match by {
        MatchBy::Name => format!("has the same name but another e-mail address than {}", client.email.trim()),
        MatchBy::Email => format!("has the same e-mail address but another name than \"{}\"", client.name.trim()),
    };
    HoldDraft {
        question: Question::ConfirmContact,
        detail: format!("{} {differing}. Is it the same client?", describe(contact)),
        choices: vec![
            Choice::new(format!("link:{}", contact.external_id), format!("Yes, use {}", describe(contact))),
            Choice::new("create", "No, create a new contact"),
        ],
        inputs_hash,
    }
}

fn choose(client: &Client, several: &[&Contact], inputs_hash: String) -> HoldDraft {
    let mut choices: Vec<Choice> =
        several.iter().map(|contact| Choice::new(format!("link:{}", contact.external_id), format!("Use {}", describe(contact)))).collect();
    choices.push(Choice::new("create", "None of these: create a new contact"));
    HoldDraft {
        question: Question::ChooseContact,
        detail: format!("{} contacts fit \"{}\". Which one is it?", several.len(), client.name.trim()),
        choices,
        inputs_hash,
    }
}

fn describe(contact: &Contact) -> String {
    match &contact.email {
        Some(email) => format!("{} ({email})", contact.name),
        None => contact.name.clone(),
    }
}

/// Digest of what a contact question rests on: the client's fields and the contacts found.
#[must_use]
pub fn inputs_hash(client: &Client, found: &[Contact]) -> String {
    let own = client.contact_hash();
    let mut contacts: Vec<String> = found
        .iter()
        .map(|contact| {
            digest([
                contact.external_id.as_bytes(),
                contact.name.as_bytes(),
                contact.email.as_deref().unwrap_or_default().as_bytes(),
                &[u8::from(contact.status == ContactStatus::Active)],
            ])
        })
        .collect();
    contacts.sort();
    digest(std::iter::once(own.as_bytes()).chain(contacts.iter().map(String::as_bytes)))
}

/// What a new contact gets.
#[must_use]
pub fn new_contact(client: &Client, name: String, our_mark: Option<String>, currency: Option<Currency>) -> ContactContent {
    ContactContent {
        name: Some(name),
        email: Some(client.email.trim().to_owned()),
        phone: client.phone.clone(),
        billing_address: client.billing_address.clone().filter(|address| !address.is_empty()),
        our_mark,
        currency,
    }
}

/// What an existing contact gets when the client has more, or other, than it (C27). Never blanks a field, never touches the name.
#[must_use]
pub fn contact_changes(client: &Client, there: &Contact, policy: ContactUpdate) -> ContactContent {
    let field = |ours: Option<&str>, theirs: Option<&str>, same: fn(&str) -> String| -> Option<String> {
        let ours = ours.map(str::trim).filter(|value| !value.is_empty())?;
        match (policy, theirs) {
            (ContactUpdate::Never, _) | (ContactUpdate::FillBlanks, Some(_)) => None,
            (ContactUpdate::Overwrite, Some(theirs)) if same(ours) == same(theirs) => None,
            (ContactUpdate::FillBlanks | ContactUpdate::Overwrite, _) => Some(ours.to_owned()),
        }
    };
    let address = client.billing_address.clone().filter(|address| !address.is_empty());
    let billing_address = match (policy, &there.billing_address) {
        (ContactUpdate::Never, _) | (ContactUpdate::FillBlanks, Some(_)) => None,
        // An address is written whole: parts that only the bookkeeper filled go along.
        (ContactUpdate::Overwrite, Some(theirs)) => address.map(|ours| ours.or(theirs)).filter(|both| both != theirs),
        (ContactUpdate::FillBlanks | ContactUpdate::Overwrite, None) => address,
    };
    ContactContent {
        name: None,
        email: field(Some(&client.email), there.email.as_deref(), email_key),
        phone: field(client.phone.as_deref(), there.phone.as_deref(), crate::text::tidy),
        billing_address,
        our_mark: None,
        currency: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;
    use crate::sync::row::Answer;

    fn client(name: &str, email: &str) -> Client {
        Client {
            id: ClientId::new(uuid::Uuid::from_u128(1)),
            name: name.into(),
            email: email.into(),
            company: None,
            phone: None,
            billing_address: None,
            notes: None,
            archived: false,
        }
    }

    /// As Xero has it: contacts with the client's id on them, in any currency.
    fn decide<'a>(client: &Client, found: &'a [Contact], options: &Options, row: &ContactRow) -> ContactDecision<'a> {
        super::decide(client, found, options, row, ContactMark::ClientId, gbp())
    }

    fn gbp() -> Currency {
        "GBP".parse().unwrap()
    }

    fn contact(id: &str, name: &str, email: Option<&str>) -> Contact {
        Contact {
            currency: None,
            created_at: None,
            version: None,
            external_id: id.into(),
            name: name.into(),
            email: email.map(Into::into),
            phone: None,
            billing_address: None,
            our_mark: None,
            status: ContactStatus::Active,
            merged_into: None,
        }
    }

    fn xero() -> Options {
        Options::defaults(Ledger::Xero)
    }

    #[test]
    fn r47_matched_by_email_and_name() {
        let found = [contact("a", "Acme Ltd", Some("ANN@acme.co "))];
        assert!(
            matches!(decide(&client("acme ltd", "ann@acme.co"), &found, &xero(), &ContactRow::default()), ContactDecision::Use(c) if c.external_id == "a")
        );
    }

    #[test]
    fn r43_created_when_absent() {
        assert!(
            matches!(decide(&client("Acme", "a@acme.co"), &[], &xero(), &ContactRow::default()), ContactDecision::Create { name } if name == "Acme")
        );
    }

    #[test]
    fn c3_several_hits_hold_and_never_guess() {
        let found = [contact("a", "Acme", Some("x@acme.co")), contact("b", "Acme Group", Some("x@acme.co"))];
        let client = client("Acme", "x@acme.co");
        let ContactDecision::Hold(hold) = decide(&client, &found, &xero(), &ContactRow::default()) else { panic!() };
        assert_eq!(hold.question, Question::ChooseContact);
        assert_eq!(hold.choices.len(), 3);
        let row = ContactRow {
            answers: vec![Answer { question: hold.question, choice: "link:b".into(), inputs_hash: hold.inputs_hash }],
            ..ContactRow::default()
        };
        assert!(matches!(decide(&client, &found, &xero(), &row), ContactDecision::Use(c) if c.external_id == "b"));
        let more = [found[0].clone(), found[1].clone(), contact("c", "Third", Some("x@acme.co"))];
        assert!(matches!(decide(&client, &more, &xero(), &row), ContactDecision::Hold(_)), "an answer counts for its inputs only");
    }

    #[test]
    fn c4_half_a_match_is_confirmed() {
        let same_name = [contact("a", "Acme", Some("other@acme.co"))];
        let ContactDecision::Hold(hold) = decide(&client("Acme", "ann@acme.co"), &same_name, &xero(), &ContactRow::default()) else {
            panic!()
        };
        assert_eq!(hold.question, Question::ConfirmContact);
        let relaxed = Options { name_only_ok: true, ..xero() };
        assert!(matches!(decide(&client("Acme", "ann@acme.co"), &same_name, &relaxed, &ContactRow::default()), ContactDecision::Use(_)));
        let same_email = [contact("a", "Beta", Some("ann@acme.co"))];
        assert!(
            matches!(decide(&client("Acme", "ann@acme.co"), &same_email, &relaxed, &ContactRow::default()), ContactDecision::Hold(h) if h.question == Question::ConfirmContact)
        );
        let no_email = [contact("a", "Acme", None)];
        assert!(matches!(decide(&client("Acme", "ann@acme.co"), &no_email, &xero(), &ContactRow::default()), ContactDecision::Use(_)));
    }

    #[test]
    fn c5_a_taken_name_has_three_behaviours() {
        let client = client("Acme", "ann@acme.co");
        let found = [contact("a", "ACME", Some("other@acme.co"))];
        let by_email = |name_clash| Options { match_by: vec![MatchBy::Email], name_clash, ..xero() };
        assert!(
            matches!(decide(&client, &found, &by_email(NameClash::Hold), &ContactRow::default()), ContactDecision::Hold(h) if h.question == Question::NameClash && h.choices.len() == 2)
        );
        assert!(
            matches!(decide(&client, &found, &by_email(NameClash::Suffix), &ContactRow::default()), ContactDecision::Create { name } if name == "Acme (ann@acme.co)")
        );
        assert!(
            matches!(decide(&client, &found, &by_email(NameClash::Fail), &ContactRow::default()), ContactDecision::Fail(p) if p.code == "name_clash")
        );
    }

    #[test]
    fn archived_and_merged_contacts_are_no_match() {
        let archived = Contact { status: ContactStatus::Archived, ..contact("a", "Acme", Some("ann@acme.co")) };
        let merged = Contact { merged_into: Some("z".into()), ..contact("b", "Acme", Some("ann@acme.co")) };
        assert!(matches!(
            decide(&client("Acme", "ann@acme.co"), &[archived, merged], &xero(), &ContactRow::default()),
            ContactDecision::Create { .. }
        ));
    }

    #[test]
    fn our_own_mark_wins() {
        let client = client("Acme", "ann@acme.co");
        let ours = Contact { our_mark: Some(contact_mark(&client)), ..contact("o", "Renamed", None) };
        let found = [contact("a", "Acme", Some("ann@acme.co")), ours];
        assert!(matches!(decide(&client, &found, &xero(), &ContactRow::default()), ContactDecision::Use(c) if c.external_id == "o"));
        assert!(contact_mark(&client).len() <= 50);
    }

    #[test]
    fn c27_blanks_are_filled_and_never_made() {
        let ours = Client { phone: Some("+27 11 555".into()), ..client("Acme", "ann@acme.co") };
        let there = contact("a", "Acme", Some("finance@acme.co"));
        let fill = contact_changes(&ours, &there, ContactUpdate::FillBlanks);
        assert_eq!((fill.email, fill.phone.as_deref(), fill.name), (None, Some("+27 11 555"), None));
        let over = contact_changes(&ours, &there, ContactUpdate::Overwrite);
        assert_eq!(over.email.as_deref(), Some("ann@acme.co"));
        assert!(contact_changes(&ours, &there, ContactUpdate::Never).is_empty());
        let full = Contact { phone: Some("1".into()), ..there };
        assert!(
            contact_changes(&client("Acme", "finance@acme.co"), &full, ContactUpdate::Overwrite).is_empty(),
            "a blank of ours blanks nothing"
        );
    }
}
