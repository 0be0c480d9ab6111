//! Which company of which environment of which tenant: what an organisation's id says, and the addresses below it.

use percent_encoding::percent_decode_str;
use uuid::Uuid;

use crate::exec::encoded;

/// A company in an environment of a tenant (docs/vendors/business-central.md, section 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The tenant's GUID.
    tenant: Uuid,
    /// The environment's name, percent-encoded: it is free text.
    environment: String,
    /// The company's GUID: names can be changed.
    company: Uuid,
}

impl Place {
    /// The place of a company.
    pub(super) fn new(tenant: Uuid, environment: &str, company: Uuid) -> Self {
        Self { tenant, environment: encoded(environment), company }
    }

    /// Reads an organisation's id; `None` when it is no such id, so that nothing foreign gets into an address.
    pub(super) fn read(organisation: &str) -> Option<Self> {
        let mut parts = organisation.split('/');
        let (tenant, environment, company) = (parts.next()?, parts.next()?, parts.next()?);
        let name = percent_decode_str(environment).decode_utf8().ok().filter(|name| is_name(name))?;
        let guid = |text: &str| Uuid::try_parse(text).ok();
        (parts.next().is_none() && encoded(&name) == environment).then_some(())?;
        Some(Self { tenant: guid(tenant)?, environment: environment.to_owned(), company: guid(company)? })
    }

    /// The organisation's id: `{tenant}/{environment}/{company}`.
    pub(super) fn id(&self) -> String {
        format!("{}/{}/{}", self.tenant, self.environment, self.company)
    }

    /// The tenant.
    pub(super) fn tenant(&self) -> Uuid {
        self.tenant
    }

    /// The company.
    pub(super) fn company(&self) -> Uuid {
        self.company
    }

    /// The API's root for this environment, below the API's host.
    pub(super) fn root(&self) -> String {
        root(self.tenant, &self.environment)
    }

    /// An address of this company, below the root: `companies({id})/…`.
    pub(super) fn below(&self, path: &str) -> String {
        format!("companies({}){path}", self.company)
    }

    /// The web client's address of this environment, below its host.
    pub(super) fn web(&self) -> String {
        format!("{}/{}/", self.tenant, self.environment)
    }
}

/// Whether a text can be an environment's name: what a proxy might take for more than one segment cannot.
pub(super) fn is_name(name: &str) -> bool {
    !name.trim().is_empty() && !name.chars().any(|c| "/\\".contains(c) || c.is_control())
}

/// The API's root of an environment whose name is encoded already.
fn root(tenant: Uuid, environment: &str) -> String {
    format!("/v2.0/{tenant}/{environment}/api/v2.0")
}

/// The API's root of an environment, by its name.
pub(super) fn root_of(tenant: Uuid, environment: &str) -> String {
    root(tenant, &encoded(environment))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "aaaaaaaa-0000-4000-8000-000000000001";
    const COMPANY: &str = "bbbbbbbb-0000-4000-8000-000000000002";

    #[test]
    fn an_id_names_tenant_environment_and_company_and_comes_back() {
        let place = Place::new(TENANT.parse().unwrap(), "Production South & 2", COMPANY.parse().unwrap());
        assert_eq!(place.id(), format!("{TENANT}/Production%20South%20%26%202/{COMPANY}"));
        assert_eq!(Place::read(&place.id()), Some(place.clone()));
        assert_eq!(place.root(), format!("/v2.0/{TENANT}/Production%20South%20%26%202/api/v2.0"));
        assert_eq!(place.below("/customers"), format!("companies({COMPANY})/customers"));
    }

    #[test]
    fn what_is_no_id_reaches_no_address() {
        for id in [
            "",
            "a/b/c",
            &format!("{TENANT}/Production"),
            &format!("{TENANT}//{COMPANY}"),
            &format!("{TENANT}/../{COMPANY}"),
            &format!("{TENANT}/a b/{COMPANY}"),
            &format!("{TENANT}/..%2F/{COMPANY}"),
            &format!("{TENANT}/a%5Cb/{COMPANY}"),
            &format!("{TENANT}/Production/{COMPANY}/salesInvoices"),
            &format!("{TENANT}/Production/{COMPANY})/x("),
        ] {
            assert_eq!(Place::read(id), None, "{id}");
        }
    }
}
