//! What the integrations page shows of each ledger.

use coportal_core::connection::{Connection, ConnectionStatus, Options, Organisation};
use coportal_core::id::ConnectionId;
use coportal_core::ledger::{DraftMeaning, Ledger};
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
    /// Its options.
    pub options: Options,
    /// How it does, in words.
    pub health: HealthView,
    /// Whether another workspace is connected to the same organisation: allowed, and both are told.
    pub shared_organisation: bool,
}

impl ConnectionView {
    /// A connection as shown to a workspace on its present plan.
    pub(super) fn of(connection: &Connection, workspace: &Workspace, shared: bool, last_synced_at: Option<Timestamp>) -> Self {
        Self {
            id: connection.id,
            status: connection.status,
            organisation: connection.organisation.as_ref().map(OrganisationView::from),
            connected_at: connection.connected_at,
            last_synced_at,
            options: connection.options.clone(),
            health: health(connection, workspace, shared, last_synced_at.is_some()),
            shared_organisation: shared,
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

fn health(connection: &Connection, workspace: &Workspace, shared: bool, synced: bool) -> HealthView {
    let label = connection.ledger.label();
    let required = connection.ledger.plan_required();
    let name = connection.organisation.as_ref().map_or("an organisation", |organisation| organisation.name.as_str());
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
            connection.reconnect_reason.clone().unwrap_or_else(|| format!("{label} no longer accepts the connection to {name}.")),
            Some(format!("Reconnect {label}: what waits goes on by itself then, and nothing of it is lost.")),
        ),
        ConnectionStatus::Connected if connection.reconnect_reason.is_some() => HealthView::new(
            HealthLevel::Attention,
            connection.reconnect_reason.clone().unwrap_or_default(),
            Some(format!("Reconnect {label} before then: nothing is lost, and nothing has to wait.")),
        ),
        ConnectionStatus::Connected if shared => HealthView::new(
            HealthLevel::Attention,
            format!("Connected to {name}, which another CoPortal workspace uses too."),
            Some("This is allowed. If you did not expect it, check which workspace should send invoices there.".to_owned()),
        ),
        ConnectionStatus::Connected if !synced => HealthView::new(
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
            let view = ConnectionView::of(&connection(status), &workspace(Plan::Studio), false, None);
            assert_eq!(view.health.level, level);
            assert!(!view.health.text.is_empty());
            assert_eq!(view.health.fix.is_some(), status != Disconnected);
            assert!(!serde_json::to_string(&view).unwrap().contains("secret-link"));
        }
    }

    /// R146: a downgrade stops syncs and keeps links; the card says so.
    #[test]
    fn a_downgrade_is_told() {
        let health = ConnectionView::of(&connection(ConnectionStatus::Connected), &workspace(Plan::Solo), false, None).health;
        assert_eq!(health.level, HealthLevel::Stopped);
        assert!(health.text.contains("links and choices are kept"));
        assert!(health.fix.unwrap().contains("Studio"));
    }

    #[test]
    fn sharing_an_organisation_is_told() {
        let view = ConnectionView::of(&connection(ConnectionStatus::Connected), &workspace(Plan::Studio), true, None);
        assert!(view.shared_organisation);
        assert_eq!(view.health.level, HealthLevel::Attention);
    }
}
