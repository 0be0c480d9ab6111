//! Sage's constants. Sources: developer.sage.com/accounting, "Authentication", "Best Practices"; the published interface description of
//! v3.1; what none of them says is marked in docs/vendors/sage.md.

use coportal_core::backfill::{Calls, Costs};
use coportal_core::ledger::{
    Arithmetic, ContactMark, DocumentMark, DocumentShape, DraftMeaning, InclusivePrices, Ledger, LedgerRules, LineTarget, TaxCodes,
    TaxMethod,
};
use jiff::SignedDuration;
use url::Url;

use crate::profile::{Limits, OrganisationChoice, Profile, StepCalls};

/// Longest reference of an invoice or payment (docs/vendors/sage.md, section 3).
pub(super) const REFERENCE_MAX: usize = 25;

/// Longest reference of a contact (docs/vendors/sage.md, section 2).
pub(super) const CONTACT_REFERENCE_MAX: usize = 10;

/// Longest text of a line that is sent. No document limits it (docs/vendors/sage.md, section 3); the document's own notes take as much.
pub(super) const DESCRIPTION_MAX: usize = 2000;

/// What the planner reasons with.
pub(super) const RULES: LedgerRules = LedgerRules {
    ledger: Ledger::Sage,
    arithmetic: Arithmetic {
        // Each line's tax is sent and summed (docs/vendors/sage.md, section 11).
        tax: TaxMethod::Given,
        inclusive: InclusivePrices::SentNet,
        // No document says how many decimals are kept; two are kept by every ledger, and what needs more is sent as one unit.
        quantity_decimals: 2,
        unit_price_decimals: 2,
        amount_decimals: 2,
    },
    draft: DraftMeaning::Native,
    // There are no idempotency keys (docs/vendors/sage.md, section 8).
    key_window: SignedDuration::ZERO,
    settle: SignedDuration::from_mins(2),
    call_timeout: SignedDuration::from_secs(12),
    // References are not unique, and the number is Sage's own (docs/vendors/sage.md, sections 3 and 8).
    enforces_number: false,
    carries_number: false,
    reference_in_capitals: false,
    guards_versions: false,
    document_mark: DocumentMark::Evidence,
    // A contact trades in one currency (docs/vendors/sage.md, section 2).
    contact_has_currency: true,
    contact_mark: ContactMark::Digest { max: CONTACT_REFERENCE_MAX },
    line_target: LineTarget::Account,
    tax_codes: TaxCodes::Sent,
    shape: DocumentShape::Whole,
    // Never sent: Sage's own prefix and counter.
    number_max: REFERENCE_MAX,
    reference_max: REFERENCE_MAX,
    description_max: DESCRIPTION_MAX,
};

/// What connecting, pacing and documentation need.
pub(super) const PROFILE: Profile = Profile {
    ledger: Ledger::Sage,
    // "Authentication": there are two scopes, and reading needs the smaller one.
    push_scopes: &["full_access"],
    import_scopes: &["readonly"],
    view_scopes: &["readonly"],
    // docs/vendors/sage.md, section 1: 5 minutes, and 31 days with a new refresh token at each refresh. The old one dies at once.
    access_token_life: SignedDuration::from_mins(5),
    refresh_token_life: SignedDuration::from_hours(31 * 24),
    refresh_grace: SignedDuration::ZERO,
    // The strictest figures that anybody reports (docs/vendors/sage.md, section 6); nothing is published.
    limits: Limits { per_minute: 100, burst: 25, concurrent: 2, per_day: 2500, app_per_minute: 900, batches_per_minute: u32::MAX },
    facts_calls: 6,
    facts_in_flight: 2,
    step_in_flight: 2,
    step_calls: StepCalls::ONE,
    list_in_flight: 2,
    // No batches: one call, one object.
    batch: 1,
    // No batches. A create is preceded by a look-up, an update and an approval by reads.
    costs: Costs {
        create: Calls::single(2),
        update: Calls::single(2),
        approve: Calls::single(3),
        contact: Calls::single(1),
        least_create: Calls::single(1),
        least_contact: Calls::single(1),
    },
    idempotency: None,
    // The token belongs to a person, who may reach several businesses with it.
    choice: OrganisationChoice::AskedAndChangeable,
};

/// Where Sage is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SageEndpoints {
    /// The consent page.
    pub authorize: Url,
    /// The token endpoint.
    pub token: Url,
    /// Takes a refresh token back.
    pub revoke: Url,
    /// The Accounting API, version included.
    pub api: Url,
}

impl Default for SageEndpoints {
    /// The vendor's production hosts ("Authentication"; one base address for all countries: "Regional API to GAC API Guide").
    #[expect(clippy::expect_used, reason = "four constants, parsed by a test of this module")]
    fn default() -> Self {
        let url = |text: &str| text.parse::<Url>().expect("a constant address");
        Self {
            authorize: url("https://www.sageone.com/oauth2/auth/central?filter=apiv3.1"),
            token: url("https://oauth.accounting.sage.com/token"),
            revoke: url("https://oauth.accounting.sage.com/revoke"),
            api: url("https://api.accounting.sage.com/v3.1"),
        }
    }
}

impl SageEndpoints {
    /// All of them at one origin: a simulator's.
    #[must_use]
    pub fn at(origin: &Url) -> Self {
        let below = |path: &str| {
            let mut url = origin.clone();
            url.set_path(path);
            url
        };
        let mut authorize = below("/oauth2/auth/central");
        authorize.set_query(Some("filter=apiv3.1"));
        Self { authorize, token: below("/token"), revoke: below("/revoke"), api: below("/v3.1") }
    }

    /// The addresses that the product itself calls; the consent page is for browsers.
    #[must_use]
    pub fn called(&self) -> [&Url; 3] {
        [&self.token, &self.revoke, &self.api]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Egress;
    use crate::profile::Lane;

    #[test]
    fn the_production_addresses_are_valid_and_protected() {
        let endpoints = SageEndpoints::default();
        assert!(Egress::of(endpoints.called()).is_ok());
        assert_eq!((endpoints.authorize.scheme(), endpoints.authorize.query()), ("https", Some("filter=apiv3.1")));
    }

    #[test]
    fn c16_reading_lanes_ask_for_reading_only() {
        assert_eq!(PROFILE.scopes(Lane::Push), ["full_access"]);
        for lane in [Lane::Import, Lane::View] {
            assert_eq!(PROFILE.scopes(lane), ["readonly"], "{lane:?}");
        }
    }

    /// Without keys the same body is never sent twice: after a doubt only a look counts.
    #[test]
    fn there_is_no_key_window() {
        assert!(RULES.key_window.is_zero() && PROFILE.idempotency.is_none() && RULES.settle.is_positive());
        assert!(PROFILE.refresh_grace.is_zero());
    }
}
