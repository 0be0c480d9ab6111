//! Connecting a workspace to a ledger, and everything an admin does to a connection.
//!
//! A sign-in begins with the gates and a state that works once ([`Engine::begin_connect`]); the callback consumes it and settles the
//! grant ([`Engine::callback`]); binding gives the organisation its number and re-seals the tokens for it, in one transaction
//! (design decisions 9 and 10). Whoever acts leaves a line in the audit list.
//!
//! [`Engine::begin_connect`]: crate::Engine::begin_connect
//! [`Engine::callback`]: crate::Engine::callback

mod audit;
mod begin;
mod bind;
mod callback;
mod choices;
mod disconnect;
mod grant;
mod list;
mod options;
mod probe;
mod return_path;
mod view;
mod workspaces;

pub use begin::{CONNECT_COOKIE, ConnectStart};
pub use callback::{CallbackEnd, CallbackQuery};
pub use choices::{AccountView, ChoicesRequest, ChoicesView, ChosenView, TaxRateView};
pub use coportal_aws::records::connections::Links;
pub use disconnect::{DisconnectReceipt, RevokeReason};
pub use grant::{OrganisationChoice, OrganisationsView};
pub use options::{OptionChange, OptionsPatch, OptionsView};
pub use probe::{TestProblem, TestView};
pub use return_path::{ReturnPath, SETTINGS_PATH};
pub use view::{Availability, CapabilitiesView, ConnectionView, HealthLevel, HealthView, IntegrationView, OrganisationView, ParkedView};
pub use workspaces::{MemberRequest, Stated, WorkspaceRequest};

use coportal_core::ledger::Ledger;
use coportal_core::problem::{Problem, ProblemKind};

/// Somebody else changed the connection between our read and our write, several times over.
fn moved(ledger: Ledger) -> Problem {
    Problem::new(
        ProblemKind::Conflict,
        "connection_changed",
        format!("The {} connection was changed by somebody else just now.", ledger.label()),
    )
    .fix("Look at it again, then repeat what you wanted.", "Settings -> Integrations", true)
}
