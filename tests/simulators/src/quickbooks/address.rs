//! Postal addresses (section 2, field mapping).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fault::Refusal;
use super::patch::limited;
use crate::skeleton::fields::Fields;

/// The members that are there, by their wire names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Address(BTreeMap<String, String>);

/// Members with their longest text, in characters.
const MEMBERS: [(&str, usize); 9] = [
    ("Line1", 500),
    ("Line2", 500),
    ("Line3", 500),
    ("Line4", 500),
    ("Line5", 500),
    ("City", 255),
    ("CountrySubDivisionCode", 255),
    ("PostalCode", 30),
    ("Country", 255),
];

impl Address {
    pub(crate) fn read(fields: &Fields, element: &str) -> Result<Self, Refusal> {
        let known: Vec<&str> = MEMBERS.iter().map(|(name, _)| *name).chain(["Id", "Lat", "Long"]).collect();
        if let Some(other) = fields.unknown(&known) {
            return Err(Refusal::NotModelled(format!("the member {other} of {element}")));
        }
        let mut members = BTreeMap::new();
        for (name, most) in MEMBERS {
            if let Some(text) = limited(fields, name, most)? {
                members.insert(name.to_owned(), text);
            }
        }
        Ok(Self(members))
    }
}
