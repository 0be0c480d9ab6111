//! Xero's constants. Sources: developer.xero.com "OAuth 2.0 API Limits", "OAuth 2.0", "Granular Scopes", "Invoices", "Idempotent
//! requests", "Rounding in Xero", "Limits"; the vendor's published OpenAPI file `xero_accounting.yaml` 16.1.0.

use coportal_core::backfill::{Calls, Costs};
use coportal_core::ledger::{
    Arithmetic, ContactMark, DocumentMark, DocumentShape, DraftMeaning, InclusivePrices, Ledger, LedgerRules, LineTarget, TaxCodes,
    TaxMethod,
};
use jiff::SignedDuration;
use url::Url;

use crate::profile::{Idempotency, KeyCarrier, Limits, OrganisationChoice, Profile, StepCalls};

/// What the planner reasons with.
pub(super) const RULES: LedgerRules = LedgerRules {
    ledger: Ledger::Xero,
    // Tax per line, rounded to cents, then summed ("Rounding in Xero"); four decimals with `unitdp=4` ("Invoices"). Amounts
    // have two in every currency.
    arithmetic: Arithmetic {
        tax: TaxMethod::Line,
        inclusive: InclusivePrices::Kept,
        quantity_decimals: 4,
        unit_price_decimals: 4,
        amount_decimals: 2,
    },
    draft: DraftMeaning::Native,
    // One minute less than the vendor keeps a key, for clocks and time on the wire.
    key_window: SignedDuration::from_mins(5),
    settle: SignedDuration::from_mins(6),
    call_timeout: SignedDuration::from_secs(12),
    // "Invoice # must be unique." ("Invoices").
    enforces_number: true,
    carries_number: true,
    reference_in_capitals: false,
    // `UpdatedDateUTC` is read-only: an update overwrites whatever stands there.
    guards_versions: false,
    document_mark: DocumentMark::Link,
    contact_mark: ContactMark::ClientId,
    contact_has_currency: false,
    line_target: LineTarget::Account,
    tax_codes: TaxCodes::Sent,
    shape: DocumentShape::Whole,
    // `xero_accounting.yaml`, Invoice.
    number_max: 255,
    reference_max: 255,
    description_max: 4000,
};

/// What connecting, pacing and documentation need.
pub(super) const PROFILE: Profile = Profile {
    ledger: Ledger::Xero,
    // Apps registered from 2026-03-02 get granular scopes only ("Granular Scopes"); the broad `accounting.transactions` fails there.
    push_scopes: &["offline_access", "accounting.contacts", "accounting.invoices", "accounting.payments", "accounting.settings.read"],
    import_scopes: &["offline_access", "accounting.contacts.read"],
    view_scopes: &["offline_access", "accounting.contacts.read", "accounting.invoices.read"],
    // "OAuth 2.0": access token 30 minutes, refresh token 60 unused days, 30 minutes to try again when the answer was lost.
    access_token_life: SignedDuration::from_mins(30),
    refresh_token_life: SignedDuration::from_hours(60 * 24),
    refresh_grace: SignedDuration::from_mins(30),
    // "OAuth 2.0 API Limits". The free Starter tier has 1,000 calls a day; the 429 and the remaining-calls header tell then.
    // Twenty at once and then an even flow: a minute of the vendor's begins at a moment of its own, so that a full minute at once could meet
    // the beginning of the next.
    limits: Limits { per_minute: 60, burst: 20, concurrent: 5, per_day: 5000, app_per_minute: 10_000, batches_per_minute: u32::MAX },
    facts_calls: 4,
    facts_in_flight: 2,
    step_in_flight: 1,
    step_calls: StepCalls::ONE,
    // Of five at once, two are left to people who click.
    list_in_flight: 3,
    // Vendor's recommendation, quoted by integrators ("Limits").
    batch: 50,
    // Creates, updates and the reads before updates take 50 documents a call; contacts too ("Invoices", "Contacts").
    costs: Costs {
        create: Calls::batched(1, 50),
        update: Calls::batched(2, 50),
        approve: Calls::batched(2, 50),
        contact: Calls::batched(1, 50),
        least_create: Calls::batched(1, 50),
        least_contact: Calls::batched(1, 50),
    },
    idempotency: Some(KEYS),
    // One consent links the organisations that the user picks, and a link each is cut when it is not used.
    choice: OrganisationChoice::Asked,
};

/// "Idempotent requests": header, 128 characters, 6 minutes from the first call.
pub(super) const KEYS: Idempotency =
    Idempotency { carrier: KeyCarrier::Header(KEY_HEADER), key_max: 128, kept_for: SignedDuration::from_mins(6) };

/// The header that carries the key.
pub(super) const KEY_HEADER: &str = "Idempotency-Key";

/// Where Xero is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XeroEndpoints {
    /// The consent page.
    pub authorize: Url,
    /// The token endpoint.
    pub token: Url,
    /// The list of linked organisations; a link is cut at `{connections}/{id}`.
    pub connections: Url,
    /// The Accounting API, version included.
    pub api: Url,
}

impl Default for XeroEndpoints {
    /// The vendor's production hosts ("OAuth 2.0", "Invoices").
    #[expect(clippy::expect_used, reason = "four constants, parsed by a test of this module")]
    fn default() -> Self {
        let url = |text: &str| text.parse::<Url>().expect("a constant address");
        Self {
            authorize: url("https://login.xero.com/identity/connect/authorize"),
            token: url("https://identity.xero.com/connect/token"),
            connections: url("https://api.xero.com/connections"),
            api: url("https://api.xero.com/api.xro/2.0"),
        }
    }
}

impl XeroEndpoints {
    /// All of them at one origin: a simulator's.
    #[must_use]
    pub fn at(origin: &Url) -> Self {
        let below = |path: &str| {
            let mut url = origin.clone();
            url.set_path(path);
            url
        };
        Self {
            authorize: below("/identity/connect/authorize"),
            token: below("/connect/token"),
            connections: below("/connections"),
            api: below("/api.xro/2.0"),
        }
    }

    /// The addresses that the product itself calls; the consent page is for browsers.
    #[must_use]
    pub fn called(&self) -> [&Url; 3] {
        [&self.token, &self.connections, &self.api]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Egress;
    use crate::profile::Lane;

    #[test]
    fn the_production_addresses_are_valid_and_protected() {
        let endpoints = XeroEndpoints::default();
        assert!(Egress::of(endpoints.called()).is_ok());
        assert_eq!(endpoints.authorize.scheme(), "https");
    }

    #[test]
    fn c16_each_lane_asks_for_no_more_than_it_needs() {
        for lane in [Lane::Push, Lane::Import, Lane::View] {
            for scope in PROFILE.scopes(lane) {
                assert!(!scope.contains("accounting.transactions"), "{scope} is a broad scope: new apps are refused");
                let reads_only = scope.ends_with(".read") || *scope == "offline_access";
                assert!(lane == Lane::Push || reads_only, "{scope} writes");
            }
        }
    }

    #[test]
    fn our_key_window_ends_before_the_vendors() {
        assert!(RULES.key_window < KEYS.kept_for);
        assert!(RULES.settle >= KEYS.kept_for);
    }
}
