//! What the integrations page shows of each ledger.

use coportal_aws::records::cards::{CardsListed, Note, Waits};
use coportal_core::connection::{Connection, ConnectionStatus, Options, Organisation};
use coportal_core::id::ConnectionId;
use coportal_core::ledger::{DraftMeaning, Ledger};
use coportal_core::metering::Limit;
use coportal_core::workspace::{Plan, Workspace};
use coportal_ledgers::LedgerApi;
use jiff::Timestamp;
use serde::Serialize;

/// Whether a ledger can be connected at all (R9): apart from the plan, and from how a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// It can be connected.
    Available,
    /// The vendor has not approved the app yet (R150).
    PendingApproval,
}

/// What CoPortal can do with a ledger; what it cannot is shown, not hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CapabilitiesView {
    /// Invoices are pushed.
    pub push_invoices: bool,
    /// Contacts are created and updated on the way.
    pub push_contacts: bool,
    /// What a draft is there (C8).
    pub draft: DraftMeaning,
    /// Payments can be recorded there (C1).
    pub payments: bool,
    /// Documents can be voided there (C10).
    pub voids: bool,
    /// Another organisation can be chosen without a new consent (R17).
    pub change_organisation: bool,
    /// Whether the ledger itself refuses a number that is taken.
    pub unique_numbers: bool,
    /// How long the ledger recognises a repeated write, in seconds; 0 where it does not.
    pub repeat_window_seconds: i64,
}

impl CapabilitiesView {
    fn of(api: &LedgerApi) -> Self {
        Self {
            push_invoices: true,
            push_contacts: true,
            draft: api.rules.draft,
            payments: api.payments.is_some(),
            voids: true,
            change_organisation: api.profile.choice.is_changeable(),
            unique_numbers: api.rules.enforces_number,
            repeat_window_seconds: api.rules.key_window.as_secs(),
        }
    }
}

/// How serious a connection's state is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum HealthLevel {
    /// Nothing to do.
    Good,
    /// A person should look.
    Attention,
    /// Nothing syncs.
    Stopped,
}

/// How a connection stands, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HealthView {
    /// How serious it is.
    pub level: HealthLevel,
    /// What is the case.
    pub text: String,
    /// What to do about it.
    pub fix: Option<String>,
}

impl HealthView {
    fn new(level: HealthLevel, text: String, fix: Option<String>) -> Self {
        Self { level, text, fix }
    }
}

/// An organisation, without the vendor's id of the link to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OrganisationView {
    /// The ledger's id of it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The environment, where the ledger has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
}

impl From<&Organisation> for OrganisationView {
    fn from(organisation: &Organisation) -> Self {
        let Organisation { id, name, environment, link_id: _ } = organisation.clone();
        Self { id, name, environment }
    }
}

/// A connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConnectionView {
    /// Its id.
    pub id: ConnectionId,
    /// How it stands.
    pub status: ConnectionStatus,
    /// The organisation.
    pub organisation: Option<OrganisationView>,
    /// When the organisation was connected.
    pub connected_at: Option<Timestamp>,
    /// The newest successful sync.
    pub last_synced_at: Option<Timestamp>,
    /// Where `last_synced_at` is null: nothing was synced since then, and what was before is not looked up. Absent where nothing ever was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_synced_since: Option<Timestamp>,
    /// When what waits for a limit of the ledger goes on; absent while none is met.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_until: Option<Timestamp>,
    /// Its options.
    pub options: Options,
    /// How it does, in words.
    pub health: HealthView,
    /// Whether another workspace is connected to the same organisation: allowed, and both are told.
    pub shared_organisation: bool,
}

impl ConnectionView {
    /// A connection as shown to a workspace on its present plan.
    pub(super) fn of(connection: &Connection, workspace: &Workspace, beside: &Beside) -> Self {
        let Beside { shared, last_synced_at, not_synced_since, waits } = *beside;
        Self {
            id: connection.id,
            status: connection.status,
            organisation: connection.organisation.as_ref().map(OrganisationView::from),
            connected_at: connection.connected_at,
            last_synced_at,
            not_synced_since,
            waits_until: waits.map(|waits| waits.until),
            options: connection.options.clone(),
            health: health(connection, workspace, beside),
            shared_organisation: shared,
        }
    }
}

/// What is known of a connection beside itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Beside {
    /// Another workspace uses the organisation.
    pub(super) shared: bool,
    /// The newest successful sync.
    pub(super) last_synced_at: Option<Timestamp>,
    /// Nothing was synced since then, and it is not known what was before.
    pub(super) not_synced_since: Option<Timestamp>,
    /// A limit that is met and not free yet.
    pub(super) waits: Option<Waits>,
}

impl Beside {
    /// What the note and the index tell of a connection's present organisation. A sync that came after a minute's limit was met shows that
    /// it is free again; of a day that is used up, a call or two may be left, so a sync shows nothing.
    pub(super) fn of(connection: &Connection, note: Option<&Note>, listed: &CardsListed, now: Timestamp) -> Self {
        let Connection { ledger, generation, organisation, .. } = connection;
        let last_synced_at = listed.synced.get(&(*ledger, *generation)).copied();
        let theirs = note.and_then(|note| note.shared_of.as_deref());
        let waits = note.and_then(|note| note.waits).filter(|waits| {
            let is_free = waits.limit != Limit::Day && last_synced_at.is_some_and(|synced| synced >= waits.since);
            waits.generation == *generation && now < waits.until && !is_free
        });
        Self {
            shared: theirs.is_some() && theirs == organisation.as_ref().map(|organisation| organisation.id.as_str()),
            last_synced_at,
            not_synced_since: listed.read_back_to.filter(|_| last_synced_at.is_none() && organisation.is_some()),
            waits,
        }
    }
}

/// A grant that came back in another browser and waits for its user's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ParkedView {
    /// When its sign-in began; it is thrown away 30 minutes after it came back.
    pub began_at: Timestamp,
}

/// One ledger on the integrations page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IntegrationView {
    /// Which ledger.
    pub ledger: Ledger,
    /// Its name.
    pub label: &'static str,
    /// Whether it can be connected at all.
    pub availability: Availability,
    /// The lowest plan that includes it.
    pub plan_required: Plan,
    /// Whether the workspace's plan does.
    pub allowed: bool,
    /// The connection, if there ever was one.
    pub connection: Option<ConnectionView>,
    /// What CoPortal can do with it; null while this deployment does not have it.
    pub capabilities: Option<CapabilitiesView>,
    /// A grant that waits for the asking user's own confirmation.
    pub parked: Option<ParkedView>,
    /// What somebody should know before connecting this workspace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice: Option<&'static str>,
}

impl IntegrationView {
    pub(super) fn new(ledger: Ledger, availability: Availability, workspace: &Workspace, api: Option<&LedgerApi>) -> Self {
        Self {
            ledger,
            label: ledger.label(),
            availability,
            plan_required: ledger.plan_required(),
            allowed: workspace.plan >= ledger.plan_required(),
            connection: None,
            capabilities: api.map(CapabilitiesView::of),
            parked: None,
            notice: api.and_then(|api| api.notice).and_then(|notice| notice(workspace)),
        }
    }
}

/// When something goes on, for a sentence.
fn moment(at: Timestamp) -> String {
    at.strftime("%-d %b %Y, %H:%M UTC").to_string()
}

/// A limit is met: nothing is amiss, and nobody has to do anything.
fn waiting(label: &str, waits: Waits) -> HealthView {
    let until = moment(waits.until);
    let text = match waits.limit {
        Limit::Day => format!("Waiting: today's {label} limit is reached, resumes at {until}."),
        Limit::Minute | Limit::Concurrent | Limit::App => {
            format!("Waiting: {label} takes no more calls for the moment, resumes at {until}.")
        }
    };
    HealthView::new(HealthLevel::Attention, text, Some("Nothing to do: what waits goes on by itself then.".to_owned()))
}

fn health(connection: &Connection, workspace: &Workspace, beside: &Beside) -> HealthView {
    let label = connection.ledger.label();
    let required = connection.ledger.plan_required();
    let name = connection.organisation.as_ref().map_or("an organisation", |organisation| organisation.name.as_str());
    let acts = workspace.plan < required || connection.reconnect_reason.is_some();
    // What asks for somebody's act comes before what goes on by itself.
    if let (Some(waits), ConnectionStatus::Connected, false) = (beside.waits, connection.status, acts) {
        return waiting(label, waits);
    }
    match connection.status {
        ConnectionStatus::Disconnected => HealthView::new(HealthLevel::Stopped, "Disconnected. Nothing is synced.".to_owned(), None),
        _ if workspace.plan < required => HealthView::new(
            HealthLevel::Stopped,
            format!("The {} plan does not include {label}: syncing has stopped, links and choices are kept.", workspace.plan.label()),
            Some(format!("Upgrade to {} or higher: what waits goes on by itself then.", required.label())),
        ),
        ConnectionStatus::ChooseOrganisation => HealthView::new(
            HealthLevel::Attention,
            format!("{label} gave access to several organisations, and none is chosen."),
            Some("Choose the organisation that invoices go to.".to_owned()),
        ),
        ConnectionStatus::ReconnectRequired => HealthView::new(
            HealthLevel::Stopped,
            format!(
                "Reconnect: {}",
                connection.reconnect_reason.clone().unwrap_or_else(|| format!("{label} no longer accepts the connection to {name}."))
            ),
            Some(format!("Reconnect {label}: what waits goes on by itself then, and nothing of it is lost.")),
        ),
        ConnectionStatus::Connected if connection.reconnect_reason.is_some() => HealthView::new(
            HealthLevel::Attention,
            connection.reconnect_reason.clone().unwrap_or_default(),
            Some(format!("Reconnect {label} before then: nothing is lost, and nothing has to wait.")),
        ),
        ConnectionStatus::Connected if beside.shared => HealthView::new(
            HealthLevel::Attention,
            format!("Connected to {name}, which another CoPortal workspace uses too."),
            Some("This is allowed. If you did not expect it, check which workspace should send invoices there.".to_owned()),
        ),
        ConnectionStatus::Connected if beside.last_synced_at.is_none() && beside.not_synced_since.is_none() => HealthView::new(
            HealthLevel::Good,
            format!("Connected to {name}. Nothing was synced yet."),
            Some("Sync a sent or paid invoice to see it there.".to_owned()),
        ),
        ConnectionStatus::Connected => HealthView::new(HealthLevel::Good, format!("Connected to {name}."), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coportal_core::connection::Generation;
    use coportal_core::id::WorkspaceId;
    use coportal_core::workspace::TaxRounding;
    use uuid::Uuid;

    fn workspace(plan: Plan) -> Workspace {
        Workspace {
            id: WorkspaceId::new(Uuid::from_u128(1)),
            name: "Studio One".to_owned(),
            plan,
            currency: "GBP".parse().unwrap(),
            country: "GB".to_owned(),
            tax_rounding: TaxRounding::Line,
            default_tax_rate: None,
        }
    }

    fn connection(status: ConnectionStatus) -> Connection {
        Connection {
            id: ConnectionId::new(Uuid::from_u128(2)),
            ledger: Ledger::Xero,
            status,
            organisation: Some(Organisation {
                id: "o".into(),
                name: "Org Ltd".into(),
                environment: None,
                link_id: Some("secret-link".into()),
            }),
            generation: Generation(1),
            grant: 1,
            options: Options::defaults(Ledger::Xero),
            connected_at: None,
            connected_by: None,
            look_first: false,
            reconnect_reason: None,
        }
    }

    #[test]
    fn every_state_has_words_and_what_needs_a_person_has_a_fix() {
        use ConnectionStatus::{ChooseOrganisation, Connected, Disconnected, ReconnectRequired};
        for (status, level) in [
            (Connected, HealthLevel::Good),
            (ChooseOrganisation, HealthLevel::Attention),
            (ReconnectRequired, HealthLevel::Stopped),
            (Disconnected, HealthLevel::Stopped),
        ] {
            let view = ConnectionView::of(&connection(status), &workspace(Plan::Studio), &Beside::default());
            assert_eq!(view.health.level, level);
            assert!(!view.health.text.is_empty());
            assert_eq!(view.health.fix.is_some(), status != Disconnected);
            assert!(!serde_json::to_string(&view).unwrap().contains("secret-link"));
        }
    }

    /// R146: a downgrade stops syncs and keeps links; the card says so.
    #[test]
    fn a_downgrade_is_told() {
        let health = ConnectionView::of(&connection(ConnectionStatus::Connected), &workspace(Plan::Solo), &Beside::default()).health;
        assert_eq!(health.level, HealthLevel::Stopped);
        assert!(health.text.contains("links and choices are kept"));
        assert!(health.fix.unwrap().contains("Studio"));
    }

    #[test]
    fn sharing_an_organisation_is_told() {
        let view = ConnectionView::of(
            &connection(ConnectionStatus::Connected),
            &workspace(Plan::Studio),
            &Beside { shared: true, ..Beside::default() },
        );
        assert!(view.shared_organisation);
        assert_eq!(view.health.level, HealthLevel::Attention);
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn waits() -> Waits {
        Waits { generation: Generation(1), limit: Limit::Day, since: at("2026-03-02T09:00:00Z"), until: at("2026-03-03T00:00:00Z") }
    }

    fn beside(note: &Note, synced: Option<&str>, now: &str) -> Beside {
        let synced = synced.map(|synced| ((Ledger::Xero, Generation(1)), at(synced)));
        let listed = CardsListed { synced: synced.into_iter().collect(), ..CardsListed::default() };
        Beside::of(&connection(ConnectionStatus::Connected), Some(note), &listed, at(now))
    }

    /// Health in words: a limit that is met says when it is over, and only while it is met.
    #[test]
    fn a_limit_that_is_met_is_told_until_it_is_free() {
        let note = Note { waits: Some(waits()), shared_of: None };
        let shown = |beside: &Beside, plan| ConnectionView::of(&connection(ConnectionStatus::Connected), &workspace(plan), beside);
        let met = beside(&note, Some("2026-03-02T08:59:59Z"), "2026-03-02T10:00:00Z");
        let view = shown(&met, Plan::Studio);
        assert_eq!(view.health.text, "Waiting: today's Xero limit is reached, resumes at 3 Mar 2026, 00:00 UTC.");
        assert_eq!((view.health.level, view.waits_until), (HealthLevel::Attention, Some(waits().until)));
        assert!(shown(&met, Plan::Solo).health.text.contains("plan does not include"), "R146 comes first");
        let minute = Note { waits: Some(Waits { limit: Limit::Minute, ..waits() }), ..note.clone() };
        let view = shown(&beside(&minute, None, "2026-03-02T10:00:00Z"), Plan::Studio);
        assert!(view.health.text.starts_with("Waiting: Xero takes no more calls for the moment"), "{}", view.health.text);
        for over in [
            beside(&note, None, "2026-03-03T00:00:00Z"),
            beside(&minute, Some("2026-03-02T09:00:00Z"), "2026-03-02T10:00:00Z"),
            beside(&Note { waits: Some(Waits { generation: Generation(2), ..waits() }), ..note.clone() }, None, "2026-03-02T10:00:00Z"),
        ] {
            assert_eq!(shown(&over, Plan::Studio).health.level, HealthLevel::Good);
        }
        let still = beside(&note, Some("2026-03-02T09:00:00Z"), "2026-03-02T10:00:00Z");
        assert_eq!(
            shown(&still, Plan::Studio).waits_until,
            Some(waits().until),
            "an update of one call may fit where a first sync does not"
        );
        let ends = "Xero ends this sign-in on 4 Mar 2026, however it is used.";
        let warned = Connection { reconnect_reason: Some(ends.to_owned()), ..connection(ConnectionStatus::Connected) };
        let health = ConnectionView::of(&warned, &workspace(Plan::Studio), &met).health;
        assert!(health.text.contains(ends), "what asks for an act comes first: {}", health.text);
    }

    /// R21: a grant that is dead says since when, and what to do.
    #[test]
    fn r21_a_dead_grant_says_reconnect() {
        let dead = Connection {
            reconnect_reason: Some("Xero signed us out on 2 Mar 2026.".to_owned()),
            ..connection(ConnectionStatus::ReconnectRequired)
        };
        let health = ConnectionView::of(&dead, &workspace(Plan::Studio), &Beside::default()).health;
        assert_eq!(health.text, "Reconnect: Xero signed us out on 2 Mar 2026.");
        assert!(health.fix.unwrap().contains("nothing of it is lost"));
    }

    /// Who shares an organisation that is no longer the connection's shares nothing.
    #[test]
    fn a_note_is_about_one_organisation() {
        let of = |organisation: &str| Note { waits: None, shared_of: Some(organisation.to_owned()) };
        assert!(beside(&of("o"), None, "2026-03-02T10:00:00Z").shared);
        assert!(!beside(&of("another"), None, "2026-03-02T10:00:00Z").shared);
    }

    /// R63: what was not found among the newest is not said to be "never".
    #[test]
    fn r63_what_was_not_found_is_not_called_never() {
        let floor = at("2026-03-01T00:00:00Z");
        let listed = CardsListed { read_back_to: Some(floor), ..CardsListed::default() };
        let beside = Beside::of(&connection(ConnectionStatus::Connected), None, &listed, at("2026-03-02T10:00:00Z"));
        let view = ConnectionView::of(&connection(ConnectionStatus::Connected), &workspace(Plan::Studio), &beside);
        assert_eq!((view.last_synced_at, view.not_synced_since), (None, Some(floor)));
        assert!(!view.health.text.contains("Nothing was synced yet"));
    }
}
