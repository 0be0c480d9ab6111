//! Clients: the businesses and people that invoices are addressed to.

use serde::{Deserialize, Serialize};

use crate::id::{ClientId, ContactPersonId};
use crate::problem::Issue;
use crate::text;

/// A postal address; every part is optional.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// First line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 255))]
    pub line1: Option<String>,
    /// Second line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 255))]
    pub line2: Option<String>,
    /// Town or city.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 255))]
    pub city: Option<String>,
    /// State, province or county.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 255))]
    pub region: Option<String>,
    /// Postal code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 255))]
    pub postal_code: Option<String>,
    /// Country, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 255))]
    pub country: Option<String>,
}

impl Address {
    /// The parts in order, for comparing and hashing.
    #[must_use]
    pub fn parts(&self) -> [Option<&str>; 6] {
        [
            self.line1.as_deref(),
            self.line2.as_deref(),
            self.city.as_deref(),
            self.region.as_deref(),
            self.postal_code.as_deref(),
            self.country.as_deref(),
        ]
    }

    /// Whether nothing is filled in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts().iter().all(|part| part.is_none_or(|part| part.trim().is_empty()))
    }

    /// This address, with `other`'s parts where this one has none.
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        let part = |ours: Option<String>, theirs: &Option<String>| ours.filter(|part| !part.trim().is_empty()).or_else(|| theirs.clone());
        Self {
            line1: part(self.line1, &other.line1),
            line2: part(self.line2, &other.line2),
            city: part(self.city, &other.city),
            region: part(self.region, &other.region),
            postal_code: part(self.postal_code, &other.postal_code),
            country: part(self.country, &other.country),
        }
    }
}

/// Longest name of a client or a contact person, in characters.
const NAME_MAX: usize = 255;

fn email_issue(email: &str) -> Option<Issue> {
    (!text::is_email(email.trim())).then(|| Issue::new("/email", "not_an_email", "Enter one e-mail address, like ann@example.com."))
}

/// A contact person of a client, beside the client itself: finance, a project manager (R117-R119). Its address counts as the client's
/// wherever clients are told apart by address (R149).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContactPerson {
    /// Its id.
    pub id: ContactPersonId,
    /// Its own name (R119).
    pub name: String,
    /// Its own e-mail address (R119).
    pub email: String,
}

impl ContactPerson {
    /// Checks the fields a user types, all at once; `pointer`s are JSON pointers into the request.
    #[must_use]
    pub fn issues(&self) -> Vec<Issue> {
        let mut issues = Vec::new();
        let name = text::tidy(&self.name);
        if name.is_empty() {
            issues.push(Issue::new("/name", "required", "A contact person needs a name."));
        } else if name.chars().count() > NAME_MAX {
            issues.push(Issue::new("/name", "too_long", "A name has at most 255 characters."));
        }
        issues.extend(email_issue(&self.email));
        issues
    }
}

/// A client (R109-R116).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Client {
    /// Its id.
    pub id: ClientId,
    /// The legal name, on invoices and in the portal (R111, R116).
    pub name: String,
    /// Where invoices and receipts go (R112).
    pub email: String,
    /// The company, if its name differs (R113).
    #[serde(default)]
    pub company: Option<String>,
    /// Telephone, for reference (R114).
    #[serde(default)]
    pub phone: Option<String>,
    /// Where invoices are addressed to.
    #[serde(default)]
    pub billing_address: Option<Address>,
    /// Internal notes: never leave the team, never reach a ledger (R115).
    #[serde(default)]
    pub notes: Option<String>,
    /// Hidden from the main list; everything is kept (R133).
    #[serde(default)]
    pub archived: bool,
}

impl Client {
    /// Checks the fields a user types, all at once; `pointer`s are JSON pointers into the request.
    #[must_use]
    pub fn issues(&self) -> Vec<Issue> {
        let mut issues = Vec::new();
        let name = text::tidy(&self.name);
        if name.is_empty() {
            issues.push(Issue::new("/name", "required", "A client needs a name: it stands on invoices and in the portal."));
        } else if name.chars().count() > NAME_MAX {
            issues.push(Issue::new("/name", "too_long", "A name has at most 255 characters."));
        }
        issues.extend(email_issue(&self.email));
        let optional = [("/company", &self.company, 255), ("/phone", &self.phone, 50), ("/notes", &self.notes, 10_000)];
        for (pointer, value, limit) in optional {
            if value.as_ref().is_some_and(|v| v.chars().count() > limit) {
                issues.push(Issue::new(pointer, "too_long", format!("At most {limit} characters.")));
            }
        }
        if let Some(address) = &self.billing_address
            && address.parts().iter().flatten().any(|part| part.chars().count() > 255)
        {
            issues.push(Issue::new("/billing_address", "too_long", "Each part of an address has at most 255 characters."));
        }
        issues
    }

    /// Digest of what a ledger's contact carries of this client; notes and the archive flag are not part of it.
    #[must_use]
    pub fn contact_hash(&self) -> String {
        let empty = Address::default();
        let address = self.billing_address.as_ref().unwrap_or(&empty).parts();
        let fields = [Some(self.name.as_str()), Some(self.email.as_str()), self.phone.as_deref()];
        text::digest(fields.into_iter().chain(address).map(|field| field.unwrap_or("\u{0}").as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Client {
        Client {
            id: ClientId::new(uuid::Uuid::from_u128(1)),
            name: "Acme Ltd".into(),
            email: "ann@acme.co".into(),
            company: None,
            phone: None,
            billing_address: None,
            notes: None,
            archived: false,
        }
    }

    fn codes(client: &Client) -> Vec<String> {
        client.issues().into_iter().map(|issue| format!("{} {}", issue.pointer, issue.code)).collect()
    }

    /// R111, R112: name and e-mail are required; every fault is named at once.
    #[test]
    fn r111_r112_what_a_client_needs() {
        assert!(client().issues().is_empty());
        assert_eq!(codes(&Client { name: " \u{7}".into(), email: "nobody".into(), ..client() }), ["/name required", "/email not_an_email"]);
        let long = Client {
            name: "n".repeat(256),
            company: Some("c".repeat(256)),
            phone: Some("1".repeat(51)),
            notes: Some("n".repeat(10_001)),
            billing_address: Some(Address { city: Some("c".repeat(256)), ..Address::default() }),
            ..client()
        };
        assert_eq!(
            codes(&long),
            ["/name too_long", "/company too_long", "/phone too_long", "/notes too_long", "/billing_address too_long"]
        );
    }

    /// R119: a contact person has a name and an address of its own.
    #[test]
    fn r119_what_a_contact_person_needs() {
        let person = |name: &str, email: &str| ContactPerson {
            id: ContactPersonId::new(uuid::Uuid::from_u128(2)),
            name: name.into(),
            email: email.into(),
        };
        let codes = |person: &ContactPerson| person.issues().into_iter().map(|issue| issue.code).collect::<Vec<_>>();
        assert!(person("Fay", " fay@acme.co ").issues().is_empty());
        assert_eq!(codes(&person(" ", "fay")), ["required", "not_an_email"]);
        assert_eq!(codes(&person(&"n".repeat(256), "fay@acme.co")), ["too_long"]);
    }

    /// R115: notes, company and the archive flag are no part of what a ledger's contact carries; name, e-mail, phone and address are.
    #[test]
    fn r115_the_contact_hash_covers_what_is_carried() {
        let hash = client().contact_hash();
        for same in [
            Client { notes: Some("secret".into()), ..client() },
            Client { company: Some("Acme Group".into()), ..client() },
            Client { archived: true, ..client() },
            Client { billing_address: Some(Address::default()), ..client() },
        ] {
            assert_eq!(same.contact_hash(), hash);
        }
        let city = Address { city: Some("Leeds".into()), ..Address::default() };
        let region = Address { region: Some("Leeds".into()), ..Address::default() };
        let others = [
            Client { name: "Acme".into(), ..client() },
            Client { email: "bob@acme.co".into(), ..client() },
            Client { phone: Some("1".into()), ..client() },
            Client { billing_address: Some(city), ..client() },
            Client { billing_address: Some(region), ..client() },
        ];
        let mut hashes: Vec<String> = others.iter().map(Client::contact_hash).chain([hash]).collect();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), 6);
    }

    #[test]
    fn an_address_of_blanks_is_empty() {
        assert!(Address { line1: Some(" ".into()), ..Address::default() }.is_empty());
        assert!(!Address { country: Some("UK".into()), ..Address::default() }.is_empty());
    }
}
