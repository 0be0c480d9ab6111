//! What a connection's document says, read and written in one place.

use coportal_aws::records::sign_in::connections::SsoConnection;
use coportal_core::problem::{Outcome, Problem};
use coportal_identity::oidc::Provider;
use coportal_identity::saml::{SamlIdp, SignedPart};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Google Workspace.
pub(crate) const GOOGLE: &str = "google";
/// Microsoft Entra ID.
pub(crate) const MICROSOFT: &str = "microsoft";
/// Any provider of SAML 2.0.
pub(crate) const SAML: &str = "saml";

/// A SAML connection's document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SamlSettings {
    /// The provider.
    pub(crate) idp: SamlIdp,
    /// Which signature is asked for.
    pub(crate) signed: SignedPart,
}

/// The protocol that a connection speaks.
pub(crate) enum Speaks {
    /// OpenID Connect.
    Oidc(Provider),
    /// SAML.
    Saml(Box<SamlSettings>),
    /// Microsoft, before an admin has bound the tenant.
    Unbound,
}

/// Reads a connection's document.
pub(crate) fn speaks(connection: &SsoConnection) -> Outcome<Speaks> {
    match (connection.provider.as_str(), &connection.settings) {
        (GOOGLE | MICROSOFT, Some(settings)) => Ok(Speaks::Oidc(from_document(settings)?)),
        (SAML, Some(settings)) => Ok(Speaks::Saml(Box::new(from_document(settings)?))),
        (MICROSOFT, None) => Ok(Speaks::Unbound),
        (other, _) => Err(Problem::internal_error(format_args!("a connection of provider {other} without settings"))),
    }
}

/// A document as a value.
pub(crate) fn from_document<T: DeserializeOwned>(document: &Value) -> Outcome<T> {
    serde_json::from_value(document.clone()).map_err(Problem::internal_error)
}

/// A value as a document.
pub(crate) fn document<T: Serialize>(value: &T) -> Outcome<Value> {
    serde_json::to_value(value).map_err(Problem::internal_error)
}
