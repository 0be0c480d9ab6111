//! Business Central's constants. Sources: docs/vendors/business-central.md, by section.

use coportal_core::backfill::{Calls, Costs};
use coportal_core::ledger::{
    AS_THE_CURRENCY, Arithmetic, ContactMark, DocumentMark, DocumentShape, DraftMeaning, InclusivePrices, Ledger, LedgerRules, LineTarget,
    TaxCodes, TaxMethod,
};
use jiff::SignedDuration;
use url::Url;

use crate::profile::{Limits, OrganisationChoice, Profile, StepCalls};

/// What the planner reasons with.
pub(super) const RULES: LedgerRules = LedgerRules {
    ledger: Ledger::BusinessCentral,
    // Section 13: VAT is computed per VAT group and sign over the document, and amounts have the decimals of their currency. Whether prices
    // contain VAT comes from the customer's card and cannot be written (section 5).
    arithmetic: Arithmetic {
        tax: TaxMethod::SignedGroup,
        inclusive: InclusivePrices::SentNet,
        quantity_decimals: 5,
        unit_price_decimals: 5,
        amount_decimals: AS_THE_CURRENCY,
    },
    draft: DraftMeaning::Native,
    // There are no idempotency keys (section 10): what may have been done is looked for.
    key_window: SignedDuration::ZERO,
    // An operation may run for 8 minutes, its gateway waits 10 (section 8).
    settle: SignedDuration::from_mins(10),
    call_timeout: SignedDuration::from_secs(12),
    // `number` is the ledger's own and changes on posting; `externalDocumentNumber` is ours and not unique (section 5).
    enforces_number: false,
    carries_number: false,
    reference_in_capitals: true,
    // PATCH and DELETE want `If-Match` (section 3).
    guards_versions: true,
    // `customerPurchaseOrderReference`: 35 characters, too short for an address.
    document_mark: DocumentMark::Digest,
    // A customer has no field for a foreign id.
    contact_mark: ContactMark::Evidence,
    // A customer's currency is a default: each document names its own (section 4).
    contact_has_currency: false,
    line_target: LineTarget::Account,
    // Percentages follow from the VAT posting set-up, which the API does not show (section 6).
    tax_codes: TaxCodes::Checked,
    shape: DocumentShape::HeaderThenLines,
    number_max: 20,
    reference_max: 35,
    description_max: 100,
};

/// The delegated permissions of our app's registration, as its resource's own scope: the vendor documents `.default` for this API and no
/// permission that can only read, so the three lanes differ in what CoPortal calls, not in what the consent page shows (section 1).
const SCOPES: &[&str] = &["https://api.businesscentral.dynamics.com/.default", "offline_access", "openid", "profile"];

/// What connecting, pacing and documentation need.
pub(super) const PROFILE: Profile = Profile {
    ledger: Ledger::BusinessCentral,
    push_scopes: SCOPES,
    import_scopes: SCOPES,
    view_scopes: SCOPES,
    // Section 1: about an hour; 90 unused days; a used refresh token is not revoked at once, for how long is not said.
    access_token_life: SignedDuration::from_mins(60),
    refresh_token_life: SignedDuration::from_hours(90 * 24),
    refresh_grace: SignedDuration::from_mins(30),
    // Section 8: 6,000 in 5 minutes per user, 5 at once of which 3 are ours to use; there is no limit per day and none per app. One
    // user may have connected several companies; each is counted by itself, far below the user's limit.
    limits: Limits {
        per_minute: 1_200,
        burst: 120,
        concurrent: 3,
        per_day: u32::MAX,
        app_per_minute: u32::MAX,
        batches_per_minute: u32::MAX,
    },
    facts_calls: 7,
    facts_in_flight: 2,
    step_in_flight: 1,
    // Whether requests inside a batch count is not documented (section 14): they are taken to. Two conditions in one batch; a document's
    // customer, the journals and the lines of one; a header, the lines' batch and the reading of what came of them.
    step_calls: StepCalls { search: 3, paid: 3, document: 3, line: 1 },
    // Each page is reached by the link of the one before it (section 3).
    list_in_flight: 1,
    batch: BATCH_MAX,
    // A look-up and reads go many at once; a header, its lines and a posting each in a call of their own.
    costs: Costs {
        create: Calls::single(4),
        update: Calls::single(2),
        approve: Calls::single(3),
        contact: Calls::single(1),
        least_create: Calls::single(2),
        least_contact: Calls::single(1),
    },
    idempotency: None,
    // R16: the first production environment and its first company; R17: "Change company".
    choice: OrganisationChoice::FirstAndChangeable,
};

/// Most operations of one `$batch` (section 7).
pub(super) const BATCH_MAX: usize = 100;

/// Lines are numbered in steps of this (section 5).
pub(super) const SEQUENCE_STEP: u32 = 10_000;

/// Entities of a page that lists are asked in (section 3).
pub(super) const PAGE: usize = 1_000;

/// Customers of a page when all of them are listed: the server's most (section 3). One with the fields that are asked for is seldom above 700
/// bytes, so that a page fits into the longest answer that is read ([`crate::exec::ANSWER_MAX`]).
pub(super) const CUSTOMERS_PAGE: usize = 20_000;

/// Most pages of one list: more is no list of a company that CoPortal can serve, or a chain without an end.
pub(super) const PAGES_MAX: usize = 20;

/// Where Business Central is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusinessCentralEndpoints {
    /// Microsoft Entra ID: `{login}/{tenant}/oauth2/v2.0/authorize` and `…/token`.
    pub login: Url,
    /// The API: `{api}/environments/v1.2` and `{api}/v2.0/{tenant}/{environment}/api/v2.0/…`.
    pub api: Url,
}

impl Default for BusinessCentralEndpoints {
    /// The vendor's production hosts (sections 1 and 2).
    #[expect(clippy::expect_used, reason = "two constants, parsed by a test of this module")]
    fn default() -> Self {
        let url = |text: &str| text.parse::<Url>().expect("a constant address");
        Self { login: url("https://login.microsoftonline.com"), api: url("https://api.businesscentral.dynamics.com") }
    }
}

impl BusinessCentralEndpoints {
    /// Both at one origin: a simulator's.
    #[must_use]
    pub fn at(origin: &Url) -> Self {
        Self { login: origin.clone(), api: origin.clone() }
    }

    /// The addresses that the product itself calls.
    #[must_use]
    pub fn called(&self) -> [&Url; 2] {
        [&self.login, &self.api]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Egress;
    use crate::profile::Lane;

    #[test]
    fn the_production_addresses_are_valid_and_protected() {
        assert!(Egress::of(BusinessCentralEndpoints::default().called()).is_ok());
    }

    #[test]
    fn a_refresh_token_is_asked_for_in_every_lane() {
        for lane in [Lane::Push, Lane::Import, Lane::View] {
            assert!(PROFILE.scopes(lane).contains(&"offline_access"), "{lane:?}");
        }
    }

    #[test]
    fn r16_r17_the_first_company_is_taken_and_can_be_changed() {
        assert_eq!(PROFILE.choice, OrganisationChoice::FirstAndChangeable);
        assert!(PROFILE.choice.is_changeable());
    }

    #[test]
    fn the_settle_time_outlasts_the_vendors_own() {
        assert!(RULES.settle >= SignedDuration::from_mins(10) && RULES.key_window.is_zero() && PROFILE.idempotency.is_none());
    }
}
