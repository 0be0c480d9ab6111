//! Through which door somebody came in, and whether a workspace lets them act (R102, C24).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::SsoConnectionId;

/// How strictly a connection's workspace holds its people to the identity provider (C24).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Enforcement {
    /// The identity provider is where the domain's addresses are sent; other ways still open the workspace.
    #[default]
    Offer,
    /// No other way opens the workspace but an owner's break-glass code (R102).
    Require,
}

/// What a workspace that holds its people to an identity provider keeps beside its own record: read with it on every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SsoRequired {
    /// The connection that opens the workspace.
    pub connection: SsoConnectionId,
    /// Since when: an older sign-in does not count, not even one by this connection.
    pub since: Timestamp,
}

/// Whether a session may act in a workspace whose connection has this enforcement. Asked on every request: a session outlives the
/// moment at which `require` was switched on.
#[must_use]
pub fn session_may_act(required: Option<SsoConnectionId>, session: SessionMethod) -> bool {
    match (required, session) {
        (None, SessionMethod::Other) | (_, SessionMethod::BreakGlass) => true,
        (None, SessionMethod::Sso { here, .. }) => here,
        (Some(_), SessionMethod::Other) => false,
        (Some(required), SessionMethod::Sso { connection, here }) => here && connection == required,
    }
}

/// How a session was opened, as far as a workspace's rule looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionMethod {
    /// Password, magic link, another workspace's choice: anything but an identity provider.
    Other,
    /// By a connection.
    Sso {
        /// Which.
        connection: SsoConnectionId,
        /// Whether it is a connection of the workspace that is asked for: such a session reaches no other workspace, whatever else its
        /// user is a member of.
        here: bool,
    },
    /// By a break-glass code of this workspace's owner.
    BreakGlass,
}
