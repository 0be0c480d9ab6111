//! What becomes of one row of a commit, on what is known at that moment.

use serde::{Deserialize, Serialize};

use super::{Action, Listed, Mapped, Obstacle, Row, Status};
use crate::client::Client;
use crate::id::ClientId;
use crate::text::email_key;

/// The contact of a row as the ledger shows it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fresh {
    /// It is there.
    There(Box<Listed>),
    /// It was merged into another one.
    Merged,
    /// There is none of this id any more.
    Gone,
}

/// Why a row is no longer what the preview showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = ImportChanged))]
#[serde(rename_all = "snake_case")]
pub enum Changed {
    /// The contact's fields are others now.
    Fields,
    /// The contact was archived there.
    Archived,
    /// The contact is in use again there.
    Restored,
    /// The contact was merged into another one.
    Merged,
    /// The contact is no longer there: deleted, or merged where the ledger does not tell.
    Deleted,
    /// A client has its address by now.
    Duplicate,
    /// The client that was shown no longer has its address.
    NoDuplicate,
    /// It has been linked to another client than the one that was shown.
    LinkedElsewhere,
}

impl Changed {
    /// The sentence a user reads.
    #[must_use]
    pub fn detail(self) -> &'static str {
        match self {
            Self::Fields => "The contact was changed in the ledger after the preview.",
            Self::Archived => "The contact was archived in the ledger after the preview.",
            Self::Restored => "The contact was taken out of the archive of the ledger after the preview.",
            Self::Merged => "The contact was merged into another one after the preview.",
            Self::Deleted => "The contact is no longer in the ledger: it was deleted after the preview, or merged into another one.",
            Self::Duplicate => "A client has got this e-mail address after the preview.",
            Self::NoDuplicate => "The client no longer has this contact's e-mail address: it was changed after the preview.",
            Self::LinkedElsewhere => "The contact was linked to another client after the preview.",
        }
    }
}

/// Why a ticked row could not be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = ImportFailed))]
#[serde(rename_all = "snake_case")]
pub enum Failed {
    /// It has no name, and a client needs one.
    NoName,
    /// It has no e-mail address, and a client needs one.
    NoEmail,
    /// What it has for an e-mail address is none.
    MalformedEmail,
    /// There is no client that it could be linked to.
    NoClient,
    /// The client that was said has none of its addresses.
    OtherClient,
    /// Several clients have its address, and nobody said which.
    ChooseClient,
    /// The client is linked to another contact.
    ClientLinked,
    /// A sync is at the client's contact just now.
    SyncUnderWay,
}

impl Failed {
    /// The sentence a user reads.
    #[must_use]
    pub fn detail(self) -> &'static str {
        match self {
            Self::NoName => Obstacle::NoName.detail(),
            Self::NoEmail => Obstacle::NoEmail.detail(),
            Self::MalformedEmail => Obstacle::MalformedEmail.detail(),
            Self::NoClient => "No client has this contact's e-mail address: there is none to link it to.",
            Self::OtherClient => {
                "No client with the client_id that was sent has this contact's e-mail address: send the id of one that has."
            }
            Self::ChooseClient => "Several clients have this contact's e-mail address: say which one with client_id.",
            Self::ClientLinked => "The client is linked to another contact already.",
            Self::SyncUnderWay => "A sync is at this client's contact. Import the row again in a minute.",
        }
    }
}

/// What a person ticked for a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pick {
    /// What to do.
    pub action: Action,
    /// The client to link to, where the person said one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientId>,
}

/// What is known of a row's surroundings when it is its turn.
#[derive(Debug, Clone, Copy)]
pub struct Now<'a> {
    /// The client that owns the contact in this workspace, if one does.
    pub owner: Option<ClientId>,
    /// The client that this very commit makes of this row: its id is drawn from the preview and the contact, so that a repeat knows it.
    pub own: ClientId,
    /// The contact as the ledger shows it now; not asked for where the contact has an owner.
    pub fresh: Option<&'a Fresh>,
    /// The clients that own one of its addresses now.
    pub address_owners: &'a [ClientId],
}

/// What is done with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing, as was ticked.
    Skip,
    /// It was done before, by this commit.
    AlreadyCreated(ClientId),
    /// It is linked already.
    AlreadyLinked(ClientId),
    /// This client is made and linked.
    Create(Box<Client>),
    /// This client is linked, if its own link is free.
    Link(ClientId),
    /// Reported: it is not what the preview showed.
    Changed(Changed),
    /// Reported: it cannot be done.
    Fail(Failed),
}

/// How a contact differs from the one that a preview showed; `None` where it does not.
#[must_use]
pub fn difference(shown: &Listed, fresh: &Fresh) -> Option<Changed> {
    let there = match fresh {
        Fresh::There(there) => there,
        Fresh::Merged => return Some(Changed::Merged),
        Fresh::Gone => return Some(Changed::Deleted),
    };
    match (shown.archived, there.archived) {
        (false, true) => return Some(Changed::Archived),
        (true, false) => return Some(Changed::Restored),
        (false, false) | (true, true) => {}
    }
    let (shown, there) = (Mapped::of(shown), Mapped::of(there));
    let same_email = shown.email.as_deref().map(email_key) == there.email.as_deref().map(email_key);
    let same = same_email && shown.name == there.name && shown.phone == there.phone && shown.billing_address == there.billing_address;
    (!same).then_some(Changed::Fields)
}

/// Decides about one row. What was done before is found first, so that repeating a commit answers as the first time, whatever happened to
/// the contact since.
#[must_use]
pub fn decide(row: &Row, pick: Pick, now: Now<'_>) -> Decision {
    if pick.action == Action::Skip {
        return Decision::Skip;
    }
    if let Some(owner) = now.owner {
        return owned(row, pick, now, owner);
    }
    if let Some(changed) = now.fresh.and_then(|fresh| difference(&row.listed, fresh)) {
        return Decision::Changed(changed);
    }
    match (pick.action, row.status) {
        (Action::Skip, _) => Decision::Skip,
        // Our mark is on it, and no link is kept: the link is made anew, and no second client.
        (Action::Create | Action::Link, Status::Linked) => match row.clients.first() {
            Some(client) => Decision::Link(*client),
            None => Decision::Fail(Failed::NoClient),
        },
        (Action::Create, status) => create(row, status, now),
        (Action::Link, _) => target(row, pick, now),
    }
}

/// The contact has an owner by now.
fn owned(row: &Row, pick: Pick, now: Now<'_>, owner: ClientId) -> Decision {
    if owner == now.own {
        return Decision::AlreadyCreated(owner);
    }
    let meant = match pick.action {
        Action::Link => pick.client.or_else(|| row.clients.first().copied().filter(|_| row.clients.len() == 1)),
        Action::Create | Action::Skip => None,
    };
    if meant.is_some_and(|client| client != owner) {
        return Decision::Changed(Changed::LinkedElsewhere);
    }
    Decision::AlreadyLinked(owner)
}

fn create(row: &Row, status: Status, now: Now<'_>) -> Decision {
    match row.obstacle {
        Some(Obstacle::NoName) => return Decision::Fail(Failed::NoName),
        Some(Obstacle::NoEmail) => return Decision::Fail(Failed::NoEmail),
        Some(Obstacle::MalformedEmail) => return Decision::Fail(Failed::MalformedEmail),
        Some(Obstacle::ArchivedInLedger | Obstacle::PartOfAnother) | None => {}
    }
    // A duplicate, or a twin, was shown as one: who ticks "create" wants a second client (C15). A new one was shown as new, also the one
    // whose twin nobody makes a client of unasked.
    let shown_as_alone = status == Status::New && !row.claimed;
    if shown_as_alone && !now.address_owners.is_empty() {
        return Decision::Changed(Changed::Duplicate);
    }
    Decision::Create(Box::new(Mapped::of(&row.listed).client(now.own)))
}

/// The client that a row is linked to: the one that was said, else the only one that it can be. Either must have an address of the contact
/// at this moment.
fn target(row: &Row, pick: Pick, now: Now<'_>) -> Decision {
    // A twin has no client of its own until the earlier one of the two has one.
    let candidates = if row.clients.is_empty() { now.address_owners } else { row.clients.as_slice() };
    let client = match (pick.client, candidates) {
        (Some(said), _) => said,
        (None, [only]) => *only,
        (None, []) => return Decision::Fail(Failed::NoClient),
        (None, [_, ..]) => return Decision::Fail(Failed::ChooseClient),
    };
    if now.address_owners.contains(&client) {
        return Decision::Link(client);
    }
    if row.clients.contains(&client) { Decision::Changed(Changed::NoDuplicate) } else { Decision::Fail(Failed::OtherClient) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn client(n: u128) -> ClientId {
        ClientId::new(Uuid::from_u128(n))
    }

    fn listed() -> Listed {
        Listed { external_id: "x1".into(), name: "Ann".into(), email: Some("ann@example.com".into()), ..Listed::default() }
    }

    fn row(status: Status, clients: &[u128]) -> Row {
        let clients = clients.iter().map(|n| client(*n)).collect();
        Row { listed: listed(), status, clients, archived: false, twin_of: None, claimed: false, obstacle: None }
    }

    fn pick(action: Action) -> Pick {
        Pick { action, client: None }
    }

    fn now<'a>(owner: Option<u128>, fresh: &'a Fresh, address_owners: &'a [ClientId]) -> Now<'a> {
        Now { owner: owner.map(client), own: client(99), fresh: Some(fresh), address_owners }
    }

    fn there() -> Fresh {
        Fresh::There(Box::new(listed()))
    }

    /// R25, C15: what is ticked is what is done.
    #[test]
    fn r25_c15_create_link_and_skip() {
        let (fresh, one) = (there(), [client(1)]);
        let (nobody, taken) = (now(None, &fresh, &[]), now(None, &fresh, &one));
        let made = decide(&row(Status::New, &[]), pick(Action::Create), nobody);
        assert!(matches!(&made, Decision::Create(made) if made.id == client(99) && made.email == "ann@example.com"), "{made:?}");
        let duplicate = row(Status::DuplicateEmail, &[1]);
        assert_eq!(decide(&duplicate, pick(Action::Link), taken), Decision::Link(client(1)));
        assert!(matches!(decide(&duplicate, pick(Action::Create), taken), Decision::Create(_)), "by choice");
        assert_eq!(decide(&duplicate, pick(Action::Skip), taken), Decision::Skip);
        let both = [client(1), client(2)];
        let several = row(Status::DuplicateEmail, &[1, 2]);
        assert_eq!(decide(&several, pick(Action::Link), nobody), Decision::Fail(Failed::ChooseClient));
        let said = Pick { action: Action::Link, client: Some(client(2)) };
        assert_eq!(decide(&several, said, now(None, &fresh, &both)), Decision::Link(client(2)));
        assert_eq!(decide(&row(Status::New, &[]), pick(Action::Link), nobody), Decision::Fail(Failed::NoClient));
    }

    /// I15, C15: only a client that has the contact's address at this moment is tied to it, said or not; one that was shown and no longer has
    /// it is reported as a change, and any other id, a stranger's too, is refused with the same sentence.
    #[test]
    fn i15_c15_only_who_has_the_address_is_linked() {
        let (fresh, one, other) = (there(), [client(1)], [client(5)]);
        let duplicate = row(Status::DuplicateEmail, &[1]);
        let said = |n| Pick { action: Action::Link, client: Some(client(n)) };
        for pick in [pick(Action::Link), said(1)] {
            assert_eq!(decide(&duplicate, pick, now(None, &fresh, &one)), Decision::Link(client(1)));
            for owners in [&[][..], &other] {
                assert_eq!(decide(&duplicate, pick, now(None, &fresh, owners)), Decision::Changed(Changed::NoDuplicate));
            }
        }
        for (row, owners) in [(&duplicate, &one[..]), (&duplicate, &[]), (&row(Status::New, &[]), &one), (&row(Status::New, &[]), &[])] {
            assert_eq!(decide(row, said(9), now(None, &fresh, owners)), Decision::Fail(Failed::OtherClient));
        }
        assert_eq!(decide(&duplicate, said(5), now(None, &fresh, &other)), Decision::Link(client(5)), "it has the address by now");
    }

    /// Our mark without a link: the link is made anew, whatever was ticked, and no second client.
    #[test]
    fn r27_a_marked_contact_gets_its_link_back() {
        let fresh = there();
        for action in [Action::Create, Action::Link] {
            assert_eq!(decide(&row(Status::Linked, &[1]), pick(action), now(None, &fresh, &[])), Decision::Link(client(1)));
        }
    }

    /// I15: a repeat finds what it did, also when the contact is gone by now.
    #[test]
    fn i15_what_was_done_is_found_first() {
        for fresh in [there(), Fresh::Gone, Fresh::Merged] {
            let own = decide(&row(Status::New, &[]), pick(Action::Create), now(Some(99), &fresh, &[client(99)]));
            assert_eq!(own, Decision::AlreadyCreated(client(99)));
            let others = decide(&row(Status::New, &[]), pick(Action::Create), now(Some(7), &fresh, &[client(7)]));
            assert_eq!(others, Decision::AlreadyLinked(client(7)), "another import made it");
            let elsewhere = decide(&row(Status::DuplicateEmail, &[1]), pick(Action::Link), now(Some(7), &fresh, &[]));
            assert_eq!(elsewhere, Decision::Changed(Changed::LinkedElsewhere));
        }
    }

    /// I15: a row that is no longer what was shown is reported, not guessed.
    #[test]
    fn i15_changed_rows_are_told() {
        let changed = |fresh: Fresh, owners: &[ClientId]| decide(&row(Status::New, &[]), pick(Action::Create), now(None, &fresh, owners));
        let other = |change: fn(&mut Listed)| {
            let mut there = listed();
            change(&mut there);
            Fresh::There(Box::new(there))
        };
        assert_eq!(changed(Fresh::Gone, &[]), Decision::Changed(Changed::Deleted));
        assert_eq!(changed(Fresh::Merged, &[]), Decision::Changed(Changed::Merged));
        assert_eq!(changed(other(|there| there.archived = true), &[]), Decision::Changed(Changed::Archived));
        assert_eq!(changed(other(|there| there.name = "Bob".into()), &[]), Decision::Changed(Changed::Fields));
        assert_eq!(changed(other(|there| there.email = None), &[]), Decision::Changed(Changed::Fields));
        assert_eq!(changed(other(|there| there.phone = Some("1".into())), &[]), Decision::Changed(Changed::Fields));
        assert_eq!(changed(there(), &[client(4)]), Decision::Changed(Changed::Duplicate));
        // What an import does not carry is no change of the row.
        assert!(matches!(changed(other(|there| there.our_mark = Some("theirs".into())), &[]), Decision::Create(_)));
        assert!(matches!(changed(other(|there| there.email = Some("ANN@example.com".into())), &[]), Decision::Create(_)));
        let archived = Row { listed: Listed { archived: true, ..listed() }, ..row(Status::New, &[]) };
        assert_eq!(decide(&archived, pick(Action::Create), now(None, &there(), &[])), Decision::Changed(Changed::Restored));
    }

    #[test]
    fn r111_r112_a_client_needs_name_and_address() {
        let fresh = there();
        for (obstacle, failed) in
            [(Obstacle::NoName, Failed::NoName), (Obstacle::NoEmail, Failed::NoEmail), (Obstacle::MalformedEmail, Failed::MalformedEmail)]
        {
            let row = Row { obstacle: Some(obstacle), ..row(Status::New, &[]) };
            assert_eq!(decide(&row, pick(Action::Create), now(None, &fresh, &[])), Decision::Fail(failed));
            assert_eq!(failed.detail(), obstacle.detail());
        }
        let archived = Row { obstacle: Some(Obstacle::ArchivedInLedger), ..row(Status::New, &[]) };
        assert!(matches!(decide(&archived, pick(Action::Create), now(None, &fresh, &[])), Decision::Create(_)), "somebody said so");
    }

    /// A twin becomes a second client only by choice, and can be linked to what the first one became.
    #[test]
    fn twins_are_left_to_the_person() {
        let fresh = there();
        let twin = Row { twin_of: Some("x0".into()), claimed: true, ..row(Status::New, &[]) };
        // The live one behind an archived one was shown as new, and ticked: it is made only while it is alone.
        let live = Row { claimed: false, ..twin.clone() };
        assert_eq!(decide(&live, pick(Action::Create), now(None, &fresh, &[client(1)])), Decision::Changed(Changed::Duplicate));
        assert!(matches!(decide(&live, pick(Action::Create), now(None, &fresh, &[])), Decision::Create(_)));
        assert!(matches!(decide(&twin, pick(Action::Create), now(None, &fresh, &[client(1)])), Decision::Create(_)));
        assert_eq!(decide(&twin, pick(Action::Link), now(None, &fresh, &[client(1)])), Decision::Link(client(1)));
    }
}
