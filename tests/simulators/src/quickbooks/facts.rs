//! `CompanyInfo` and `Preferences` as records of one.

use serde_json::{Value, json};

use super::company::Company;
use super::wire::Version;

/// `Preferences` of a company.
pub(crate) fn preferences(company: &Company) -> Value {
    let mut shown = company.preferences.shown();
    if let Some(members) = shown.as_object_mut() {
        let Version { token, .. } = company.version;
        members.insert("domain".into(), "QBO".into());
        members.insert("sparse".into(), false.into());
        members.insert("Id".into(), "1".into());
        members.insert("SyncToken".into(), token.to_string().into());
        members.insert("MetaData".into(), json!(company.version.meta()));
    }
    shown
}
