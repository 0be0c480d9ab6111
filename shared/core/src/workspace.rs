//! Workspaces (the tenants), their plans and their people.

use serde::{Deserialize, Serialize};

use crate::id::{UserId, WorkspaceId};
use crate::money::{Currency, Rate};

/// What a workspace pays for; each plan includes those below it (R3-R8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// No integrations.
    Solo,
    /// Xero and QuickBooks.
    Studio,
    /// Sage and Zapier too.
    Agency,
    /// Business Central and single sign-on too.
    Enterprise,
}

impl Plan {
    /// The plan's name as users read it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Solo => "Solo",
            Self::Studio => "Studio",
            Self::Agency => "Agency",
            Self::Enterprise => "Enterprise",
        }
    }
}

/// Where CoPortal rounds tax on its own invoices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TaxRounding {
    /// Tax is rounded on each line, then summed (the default).
    #[default]
    Line,
    /// Tax is summed per rate over the document, then rounded.
    Document,
}

/// A workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Workspace {
    /// Its id.
    pub id: WorkspaceId,
    /// Its name, shown to its people and on consent pages.
    pub name: String,
    /// What it pays for.
    pub plan: Plan,
    /// The currency of new invoices.
    pub currency: Currency,
    /// ISO 3166-1 alpha-2 country code.
    pub country: String,
    /// Where tax is rounded.
    pub tax_rounding: TaxRounding,
    /// The rate of lines that were sent without one; South African workspaces default to 15% (C11).
    pub default_tax_rate: Option<Rate>,
}

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Clients, invoices and the sync button.
    Member,
    /// Also connections, options, holds (C21).
    Admin,
    /// Also the workspace itself.
    Owner,
}

/// A person's membership of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// What they may do.
    pub role: Role,
    /// Teams that limit what a member sees.
    #[serde(default)]
    pub teams: Vec<String>,
    /// Whether the membership counts; removed members stay on record.
    #[serde(default = "yes")]
    pub active: bool,
}

fn yes() -> bool {
    true
}
