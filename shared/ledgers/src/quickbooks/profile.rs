//! QuickBooks Online's constants. Source: docs/vendors/quickbooks.md, by section.

use coportal_core::backfill::{Calls, Costs};
use coportal_core::ledger::{
    AS_THE_CURRENCY, Arithmetic, ContactMark, DocumentMark, DocumentShape, DraftMeaning, InclusivePrices, Ledger, LedgerRules, LineTarget,
    TaxCodes, TaxMethod,
};
use jiff::SignedDuration;
use url::Url;

use crate::profile::{Idempotency, KeyCarrier, Limits, OrganisationChoice, Profile, StepCalls};

/// What the planner reasons with.
pub(super) const RULES: LedgerRules = LedgerRules {
    ledger: Ledger::Quickbooks,
    // Section 11: tax per line outside the US (an organisation in the US says otherwise in its facts); the vendor's own rounding of net
    // amounts is not relied on; about seven decimals of a unit price (section 3).
    arithmetic: Arithmetic {
        tax: TaxMethod::Line,
        inclusive: InclusivePrices::SentNet,
        quantity_decimals: 7,
        unit_price_decimals: 7,
        amount_decimals: AS_THE_CURRENCY,
    },
    // Section 3: an invoice posts when it is made. "As draft" waits in CoPortal (C8).
    draft: DraftMeaning::Held,
    // How long the vendor keeps a request id is not published (section 3): a day is assumed by integrators, and a quarter of an hour used.
    key_window: SignedDuration::from_mins(15),
    // A request may run for 120 seconds (section 6).
    settle: SignedDuration::from_mins(3),
    call_timeout: SignedDuration::from_secs(12),
    // Section 3, DocNumber: whether a number may repeat is the company's own preference.
    enforces_number: false,
    carries_number: true,
    reference_in_capitals: false,
    // `SyncToken` (section 0, fact 5).
    guards_versions: true,
    document_mark: DocumentMark::Link,
    // Section 2: no field for it.
    contact_mark: ContactMark::Evidence,
    // Section 2: `CurrencyRef` is fixed when the customer is made.
    contact_has_currency: true,
    line_target: LineTarget::Item,
    tax_codes: TaxCodes::Sent,
    shape: DocumentShape::Whole,
    // Section 3, Fields. The reference has room in the note beside the address.
    number_max: 21,
    reference_max: 100,
    description_max: 4000,
};

/// What connecting, pacing and documentation need.
pub(super) const PROFILE: Profile = Profile {
    ledger: Ledger::Quickbooks,
    // Section 1: one scope, and no variant of it that only reads.
    push_scopes: SCOPES,
    import_scopes: SCOPES,
    view_scopes: SCOPES,
    access_token_life: SignedDuration::from_hours(1),
    // Section 1: 100 days, rolling; the answer says it in seconds.
    refresh_token_life: SignedDuration::from_hours(100 * 24),
    // Section 1: none is documented for the value before.
    refresh_grace: SignedDuration::ZERO,
    // Section 6. Ten a second as well: what flows after the burst, 480 a minute, stays below. The tier's monthly bound is on the app's reads over all companies; there is no daily one, and none per minute for the app.
    limits: Limits { per_minute: 500, burst: 20, concurrent: 10, per_day: u32::MAX, app_per_minute: u32::MAX, batches_per_minute: 40 },
    facts_calls: 2,
    facts_in_flight: 1,
    step_in_flight: 1,
    step_calls: StepCalls::ONE,
    // A query does not tell how many there are: whether there is a page is known from the one before it.
    list_in_flight: 1,
    // Section 5.
    batch: 30,
    // Creates go by themselves, since a batch's elements have no idempotency key of their own; look-ups and updates, which a version
    // guards, go 30 at once (section 5).
    costs: Costs {
        create: Calls { each: 1, per_batch: 1, batch: 30 },
        update: Calls::batched(1, 30),
        approve: Calls { each: 1, per_batch: 1, batch: 30 },
        contact: Calls::single(1),
        least_create: Calls::batched(1, 30),
        least_contact: Calls::batched(1, 30),
    },
    idempotency: Some(KEYS),
    // Section 1: a consent is for one company, which the callback names.
    choice: OrganisationChoice::Asked,
};

const SCOPES: &[&str] = &["com.intuit.quickbooks.accounting"];

/// Section 3, `requestid`: a query parameter of at most 50 characters.
pub(super) const KEYS: Idempotency =
    Idempotency { carrier: KeyCarrier::Query("requestid"), key_max: 50, kept_for: SignedDuration::from_hours(24) };

/// Section 8: lower ones are ignored since August 2025, later ones may change shapes.
pub(super) const ALWAYS: &[(&str, &str)] = &[("minorversion", "75")];

/// Where QuickBooks Online is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuickBooksEndpoints {
    /// The consent page.
    pub authorize: Url,
    /// The token endpoint.
    pub token: Url,
    /// Where a token is taken back.
    pub revoke: Url,
    /// The Accounting API's companies: `{api}/{realmId}/...`.
    pub api: Url,
    /// Whether the companies there are the vendor's sandboxes: said on the card (R11), and decides where a person opens an invoice.
    pub sandbox: bool,
}

#[expect(clippy::expect_used, reason = "constants, parsed by a test of this module")]
fn url(text: &str) -> Url {
    text.parse().expect("a constant address")
}

impl Default for QuickBooksEndpoints {
    /// The vendor's production hosts (sections 1 and 8).
    fn default() -> Self {
        Self {
            authorize: url("https://appcenter.intuit.com/connect/oauth2"),
            token: url("https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer"),
            revoke: url("https://developer.api.intuit.com/v2/oauth2/tokens/revoke"),
            api: url("https://quickbooks.api.intuit.com/v3/company"),
            sandbox: false,
        }
    }
}

impl QuickBooksEndpoints {
    /// The vendor's sandbox companies: sign-in is the same place, under the app's development keys (section 8).
    #[must_use]
    pub fn sandbox() -> Self {
        Self { api: url("https://sandbox-quickbooks.api.intuit.com/v3/company"), sandbox: true, ..Self::default() }
    }

    /// All of them at one origin: a simulator's.
    #[must_use]
    pub fn at(origin: &Url) -> Self {
        let below = |path: &str| {
            let mut url = origin.clone();
            url.set_path(path);
            url
        };
        Self {
            authorize: below("/connect/oauth2"),
            token: below("/oauth2/v1/tokens/bearer"),
            revoke: below("/v2/oauth2/tokens/revoke"),
            api: below("/v3/company"),
            sandbox: false,
        }
    }

    /// The same companies, real or sandbox, at one origin.
    #[must_use]
    pub fn moved_to(&self, origin: &Url) -> Self {
        Self { sandbox: self.sandbox, ..Self::at(origin) }
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
    fn the_vendors_addresses_are_valid_and_protected() {
        for endpoints in [QuickBooksEndpoints::default(), QuickBooksEndpoints::sandbox()] {
            assert!(Egress::of(endpoints.called()).is_ok());
            assert_eq!(endpoints.authorize.scheme(), "https");
            assert_eq!(endpoints.api.host_str().unwrap().starts_with("sandbox-"), endpoints.sandbox);
        }
    }

    #[test]
    fn c16_every_lane_has_the_one_scope_that_there_is() {
        for lane in [Lane::Push, Lane::Import, Lane::View] {
            assert_eq!(PROFILE.scopes(lane), ["com.intuit.quickbooks.accounting"]);
        }
    }

    /// A miss counts only when a request that may run for 120 seconds is over; the key is not used longer than the vendor keeps it.
    #[test]
    fn windows_lie_inside_the_vendors() {
        assert!(RULES.key_window < KEYS.kept_for);
        assert!(RULES.settle > SignedDuration::from_secs(120));
    }
}
