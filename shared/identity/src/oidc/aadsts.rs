//! What Microsoft's error codes mean to the admin who has to mend it.
//!
//! Microsoft puts the code at the front of `error_description`, as `AADSTS65001: The user or administrator has not consented …`. The text
//! after it is not shown: it may change, and it names the user. Codes: "Microsoft Entra authentication and authorization error codes".

use crate::reason::Reason;

/// A code and what it means here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aadsts {
    /// The number after `AADSTS`.
    pub code: u32,
    /// Our reason, whose sentence and fix the admin reads.
    pub reason: Reason,
    /// Whether the admin-consent link is what mends it.
    pub consent_link: bool,
}

const fn entry(code: u32, reason: Reason, consent_link: bool) -> Aadsts {
    Aadsts { code, reason, consent_link }
}

/// The catalogue, by code.
const CATALOGUE: &[Aadsts] = &[
    entry(50011, Reason::RegistrationWrong, false),
    entry(50020, Reason::OtherTenantUser, false),
    entry(50034, Reason::OtherTenantUser, false),
    entry(50053, Reason::AccountDisabled, false),
    entry(50055, Reason::AccountDisabled, false),
    entry(50057, Reason::AccountDisabled, false),
    entry(50058, Reason::ProviderDenied, false),
    entry(50074, Reason::SecondFactorRequired, false),
    entry(50076, Reason::SecondFactorRequired, false),
    entry(50079, Reason::SecondFactorRequired, false),
    entry(50105, Reason::UserNotAssigned, false),
    entry(50126, Reason::ProviderDenied, false),
    entry(50128, Reason::OtherTenantUser, false),
    entry(50194, Reason::RegistrationWrong, false),
    entry(51004, Reason::OtherTenantUser, false),
    entry(53000, Reason::ConditionalAccess, false),
    entry(53001, Reason::ConditionalAccess, false),
    entry(53002, Reason::ConditionalAccess, false),
    entry(53003, Reason::ConditionalAccess, false),
    entry(54005, Reason::ExchangeRefused, false),
    entry(65001, Reason::ConsentRequired, true),
    entry(65004, Reason::ProviderDenied, false),
    entry(70008, Reason::ExchangeRefused, false),
    entry(90002, Reason::TenantMismatch, false),
    entry(90019, Reason::TenantMismatch, false),
    entry(90033, Reason::ProviderBusy, false),
    entry(90072, Reason::OtherTenantUser, false),
    entry(90094, Reason::AdminApprovalRequired, true),
    entry(90095, Reason::AdminApprovalRequired, true),
    entry(500_011, Reason::ApplicationUnknown, true),
    entry(530_003, Reason::ConditionalAccess, false),
    entry(650_052, Reason::ConsentRequired, true),
    entry(700_016, Reason::ApplicationUnknown, true),
    entry(7_000_112, Reason::ApplicationDisabled, false),
    entry(7_000_215, Reason::RegistrationWrong, false),
    entry(7_000_222, Reason::RegistrationWrong, false),
];

/// The entry of a code.
#[must_use]
pub fn aadsts(code: u32) -> Option<Aadsts> {
    CATALOGUE.iter().find(|entry| entry.code == code).copied()
}

/// The code that an `error_description` begins with.
#[must_use]
pub fn aadsts_of(description: &str) -> Option<u32> {
    let rest = description.trim_start().strip_prefix("AADSTS")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest.get(..digits)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_stands_once_and_in_order() {
        let codes: Vec<_> = CATALOGUE.iter().map(|entry| entry.code).collect();
        let mut sorted = codes.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(codes, sorted);
    }

    #[test]
    fn the_codes_that_a_tenant_meets_explain_themselves() {
        // R107: the tenant must allow the application, and its admin is told what is missing.
        for (description, reason, consent_link) in [
            ("AADSTS65001: The user or administrator has not consented to use the application", Reason::ConsentRequired, true),
            ("AADSTS90094: The grant requires admin permission.", Reason::AdminApprovalRequired, true),
            ("AADSTS90095: Admin consent is required.", Reason::AdminApprovalRequired, true),
            ("AADSTS50105: Your administrator has configured the application to block users", Reason::UserNotAssigned, false),
            ("AADSTS7000112: Application is disabled.", Reason::ApplicationDisabled, false),
            ("AADSTS700016: Application with identifier was not found in the directory", Reason::ApplicationUnknown, true),
            ("AADSTS50020: User account from identity provider does not exist in tenant", Reason::OtherTenantUser, false),
        ] {
            let entry = aadsts_of(description).and_then(aadsts).unwrap();
            assert_eq!((entry.reason, entry.consent_link), (reason, consent_link), "{description}");
        }
        for other in ["", "AADSTS", "AADSTS: x", "access_denied", "AADSTS99999999999999", "x AADSTS65001"] {
            assert_eq!(aadsts_of(other).and_then(aadsts), None, "{other}");
        }
    }
}
