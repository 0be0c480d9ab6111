//! Business Central's fix-it catalogue: for each cause a stable code, what a user reads, what to do, where, and whether trying again helps.
//! None of these texts repeats the vendor's words.

use bytes::Bytes;
use coportal_core::failure::Failure;
use coportal_core::metering::Limit;
use http::Response;
use jiff::SignedDuration;

use super::outcome;
use crate::fixit::{Catalogue, Common, Entry, GrantRefusal, WAIT, entry};
use crate::judge::Asked;

/// Why a call failed, as a user can understand it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Cause {
    Unreachable,
    NoAnswer,
    OutcomeUnknown,
    ServerError,
    TenantUnavailable,
    AnswerUnreadable,
    AnswerUnexpected,
    LimitReached,
    TooLarge,
    TokenRefused,
    PermissionMissing,
    CompanyMissing,
    DocumentMissing,
    ContactMissing,
    ContactBlocked,
    RequestMalformed,
    VersionOld,
    AlreadyThere,
    CodeUnknown,
    TextTooLong,
    ConfirmationNeeded,
    AccountRefused,
    PostingGroupMissing,
    TaxSetupMissing,
    PeriodLocked,
    CurrencyMissing,
    ExternalNumberRequired,
    NothingToPost,
    DimensionMissing,
    ApprovalPending,
    DocumentPosted,
    DocumentReleased,
    NotADraft,
    PostingOutstanding,
    DocumentPaid,
    CancelIncomplete,
    NumberSeries,
    EmailRefused,
    PhoneRefused,
    PricesIncludeTax,
    DraftPricesIncludeTax,
    PaymentRefused,
    BatchRefused,
    Refused,
    BaseCurrencyUnknown,
    CodeRefused,
    AppRefused,
    ConsentMissing,
    AccountForeign,
    ServiceMissing,
    SignInBlocked,
    SignInUnavailable,
}

const CARD: &str = "Settings > Integrations > Business Central";
const PANEL: &str = "the invoice's Sync panel";
const CLIENT: &str = "the client's page";
const ADMIN: &str = "Microsoft 365 admin center";
const CUSTOMER: &str = "Business Central: Customers";
const INVOICES: &str = "Business Central: Sales Invoices";
const POSTED: &str = "Business Central: Posted Sales Invoices";

impl Catalogue for Cause {
    fn common(common: Common) -> Self {
        match common {
            Common::Unreachable => Self::Unreachable,
            Common::NoAnswer => Self::NoAnswer,
            Common::OutcomeUnknown => Self::OutcomeUnknown,
            Common::AnswerUnreadable => Self::AnswerUnreadable,
            Common::AnswerUnexpected => Self::AnswerUnexpected,
            Common::RequestMalformed => Self::RequestMalformed,
            Common::CodeRefused => Self::CodeRefused,
            Common::AppRefused => Self::AppRefused,
        }
    }

    fn facts_stale(self) -> bool {
        matches!(self, Self::AccountRefused | Self::CodeUnknown | Self::TaxSetupMissing | Self::PeriodLocked | Self::CurrencyMissing)
    }

    fn limit(answer: &Response<Bytes>) -> Option<(Limit, SignedDuration)> {
        outcome::limit(answer)
    }

    fn limit_inside(answer: &Response<Bytes>) -> Option<(Limit, SignedDuration)> {
        outcome::limit_inside(answer)
    }

    fn failure(asked: &Asked<'_>, answer: &Response<Bytes>) -> Failure {
        outcome::failure(asked, answer)
    }

    fn entry(self) -> Entry {
        match self {
            Self::Unreachable => entry(
                "business_central_unreachable",
                "Business Central could not be reached. Nothing was sent.",
                "What waits goes on by itself; if it lasts, ask the company's Microsoft administrator for the service's health.",
                ADMIN,
                true,
            ),
            Self::NoAnswer => entry(
                "business_central_no_answer",
                "Business Central did not answer in time. Nothing was changed.",
                "What waits goes on by itself; if it lasts, ask the company's Microsoft administrator for the service's health.",
                ADMIN,
                true,
            ),
            Self::OutcomeUnknown => entry(
                "business_central_outcome_unknown",
                "Business Central did not confirm whether it saved this.",
                "CoPortal looks in Business Central before it sends anything again, so that nothing is saved twice.",
                WAIT,
                true,
            ),
            Self::ServerError => entry(
                "business_central_server_error",
                "Business Central had an error of its own while it was read. Nothing was changed.",
                "What waits goes on by itself; if it lasts, send the request id to support.",
                "CoPortal support",
                true,
            ),
            Self::TenantUnavailable => entry(
                "business_central_tenant_unavailable",
                "The Business Central environment is not available: it may be updating, which can take hours.",
                "Nothing to do; CoPortal tries again by itself.",
                WAIT,
                true,
            ),
            Self::AnswerUnreadable => entry(
                "business_central_answer_unreadable",
                "Business Central's answer arrived damaged. Nothing was changed.",
                "What waits goes on by itself; if it lasts, send the request id to support.",
                "CoPortal support",
                true,
            ),
            Self::AnswerUnexpected => entry(
                "business_central_answer_unexpected",
                "Business Central's answer was not about what CoPortal asked for, so it was not used.",
                "Send the request id to support; CoPortal has to be corrected.",
                "CoPortal support",
                false,
            ),
            Self::LimitReached => entry(
                "business_central_limit_reached",
                "Business Central takes no more calls for the connected user for the moment.",
                "Nothing to do: what waits goes on by itself.",
                WAIT,
                true,
            ),
            Self::TooLarge => entry(
                "business_central_too_large",
                "Business Central refused the request because it, or its answer, is too large.",
                "Send the request id to support; CoPortal has to be corrected.",
                "CoPortal support",
                false,
            ),
            Self::TokenRefused => entry(
                "business_central_token_refused",
                "Business Central no longer accepts this connection, or its user has no access to this environment any more.",
                "Reconnect Business Central; links and choices are kept.",
                CARD,
                false,
            ),
            Self::PermissionMissing => entry(
                "business_central_permission_missing",
                "The person who connected Business Central may not do this there: the licence or a permission set is missing.",
                "Give that user a licence and permission sets for sales invoices and customers, or reconnect as somebody who has them.",
                "Business Central: Users",
                false,
            ),
            Self::CompanyMissing => entry(
                "business_central_company_missing",
                "The connected company is no longer in Business Central, or its environment was renamed or removed.",
                "Choose the company again with \"Change company\", or reconnect.",
                CARD,
                false,
            ),
            Self::DocumentMissing => entry(
                "business_central_document_missing",
                "The invoice is no longer in Business Central.",
                "Choose what happens: create it again, or leave it out of Business Central.",
                PANEL,
                false,
            ),
            Self::ContactMissing => entry(
                "business_central_contact_missing",
                "The customer is no longer in Business Central.",
                "Choose another customer for this client, or have a new one made.",
                PANEL,
                false,
            ),
            Self::ContactBlocked => entry(
                "business_central_contact_blocked",
                "The customer is blocked for invoices in Business Central.",
                "Unblock the customer in Business Central, or choose another one for this client.",
                CUSTOMER,
                false,
            ),
            Self::RequestMalformed => entry(
                "business_central_request_malformed",
                "Business Central did not understand what CoPortal sent. Nothing was changed.",
                "Send the request id to support; CoPortal has to be corrected.",
                "CoPortal support",
                false,
            ),
            Self::VersionOld => entry(
                "business_central_version_old",
                "Somebody changed this in Business Central in the meantime. Nothing was changed by CoPortal.",
                "CoPortal reads it again and compares before it writes.",
                WAIT,
                true,
            ),
            Self::AlreadyThere => entry(
                "business_central_already_there",
                "Business Central already has what CoPortal was about to create.",
                "CoPortal looks it up and goes on from there.",
                WAIT,
                true,
            ),
            Self::CodeUnknown => entry(
                "business_central_code_unknown",
                "Business Central does not have one of the codes that the invoice or the client uses.",
                "Add the code in Business Central, or choose another account or tax group in CoPortal.",
                PANEL,
                true,
            ),
            Self::TextTooLong => entry(
                "business_central_text_too_long",
                "A text is longer than Business Central allows.",
                "Shorten the client's name or address, or the invoice's reference.",
                "the invoice's page",
                false,
            ),
            Self::ConfirmationNeeded => entry(
                "business_central_confirmation_needed",
                "Business Central asks a question about this change that only a person can answer there.",
                "Make the change on the invoice in Business Central, then sync again.",
                INVOICES,
                false,
            ),
            Self::AccountRefused => entry(
                "business_central_account_refused",
                "Business Central does not accept the sales account for this line.",
                "Choose another sales account, or allow direct posting and unblock the account in Business Central.",
                PANEL,
                false,
            ),
            Self::PostingGroupMissing => entry(
                "business_central_posting_group_missing",
                "A posting group is missing on the customer or the account in Business Central; customers that come over the API have none unless a template sets them.",
                "Fill the posting groups on the customer's and the account's cards, and set up a default customer template for new ones.",
                CUSTOMER,
                true,
            ),
            Self::TaxSetupMissing => entry(
                "business_central_tax_setup_missing",
                "Business Central has no VAT posting set-up for this customer and this account or tax group.",
                "Complete the VAT Posting Setup in Business Central, or choose another tax group.",
                "Business Central: VAT Posting Setup",
                true,
            ),
            Self::PeriodLocked => entry(
                "business_central_period_locked",
                "The invoice's date lies outside the posting dates that Business Central allows.",
                "Open the period in Business Central, or change the invoice's date.",
                "Business Central: General Ledger Setup",
                true,
            ),
            Self::CurrencyMissing => entry(
                "business_central_currency_missing",
                "Business Central does not have the invoice's currency, or no exchange rate for its date.",
                "Add the currency and its exchange rate in Business Central, then sync again.",
                "Business Central: Currencies",
                true,
            ),
            Self::ExternalNumberRequired => entry(
                "business_central_external_number_required",
                "Business Central demands an external document number for this.",
                "Give the invoice a number, then sync again.",
                "the invoice's page",
                false,
            ),
            Self::NothingToPost => entry(
                "business_central_nothing_to_post",
                "Business Central finds nothing to post on the invoice: a line or a quantity is missing there.",
                "Open the draft in Business Central and compare its lines with the invoice.",
                INVOICES,
                false,
            ),
            Self::DimensionMissing => entry(
                "business_central_dimension_missing",
                "A dimension rule of Business Central is not met: the account or the customer wants a dimension.",
                "Add the default dimension to the account or customer, or set it on the draft, then try again.",
                INVOICES,
                false,
            ),
            Self::ApprovalPending => entry(
                "business_central_approval_pending",
                "The invoice waits for an approval workflow in Business Central.",
                "Have it approved in Business Central, then try again.",
                "Business Central: Requests to Approve",
                true,
            ),
            Self::DocumentPosted => entry(
                "business_central_document_posted",
                "The invoice is posted in Business Central and can no longer be changed there.",
                "Leave it as it is, or correct it in Business Central with a credit memo.",
                POSTED,
                false,
            ),
            Self::DocumentReleased => entry(
                "business_central_document_released",
                "The invoice was released in Business Central, so it cannot be changed.",
                "Reopen it in Business Central, then sync again.",
                INVOICES,
                false,
            ),
            Self::NotADraft => entry(
                "business_central_not_a_draft",
                "Business Central posts drafts only, and this invoice is none.",
                "Open the invoice in Business Central and look where it stands.",
                INVOICES,
                false,
            ),
            Self::PostingOutstanding => entry(
                "business_central_posting_outstanding",
                "Business Central took the request to post the invoice and has not posted it yet.",
                "CoPortal looks again; if it stays a draft, post it in Business Central to see the reason.",
                INVOICES,
                true,
            ),
            Self::DocumentPaid => entry(
                "business_central_document_paid",
                "The invoice is paid or partly paid in Business Central, so it cannot be cancelled.",
                "Unapply the payment in Business Central, or leave the invoice there as it is.",
                POSTED,
                false,
            ),
            Self::CancelIncomplete => entry(
                "business_central_cancel_incomplete",
                "Business Central began to cancel the invoice and did not finish: a credit memo may have been created.",
                "Look for a credit memo of this invoice in Business Central and post or delete it; CoPortal does not try again by itself.",
                POSTED,
                false,
            ),
            Self::NumberSeries => entry(
                "business_central_number_series",
                "A number series of Business Central has no number left, or does not allow this one.",
                "Extend the number series in Business Central, then try again.",
                "Business Central: No. Series",
                true,
            ),
            Self::EmailRefused => entry(
                "business_central_email_refused",
                "Business Central does not accept the client's e-mail address.",
                "Correct the client's e-mail address.",
                CLIENT,
                false,
            ),
            Self::PhoneRefused => entry(
                "business_central_phone_refused",
                "Business Central does not accept the client's telephone number; letters are not allowed in it.",
                "Correct the client's telephone number.",
                CLIENT,
                false,
            ),
            Self::PricesIncludeTax => entry(
                "business_central_prices_include_tax",
                "The customer's card in Business Central says that prices include VAT, and CoPortal sends net prices to Business Central. Nothing was left there.",
                "Switch off \"Prices Including VAT\" on the customer's card, then sync again.",
                CUSTOMER,
                false,
            ),
            Self::DraftPricesIncludeTax => entry(
                "business_central_draft_prices_include_tax",
                "The draft in Business Central holds prices that include VAT, so net prices cannot be written to it. Nothing was changed.",
                "Switch off \"Prices Including VAT\" on the draft and on the customer's card, then sync again.",
                INVOICES,
                false,
            ),
            Self::PaymentRefused => entry(
                "business_central_payment_refused",
                "Business Central did not accept the payment for this invoice.",
                "Look at the invoice and the payment journal in Business Central, and record the payment there.",
                "Business Central: Payment Journals",
                false,
            ),
            Self::BatchRefused => entry(
                "business_central_batch_refused",
                "This Business Central environment does not take several changes in one request, and CoPortal changes an invoice as a whole or not at all.",
                "Make the change on the invoice in Business Central, or delete the draft there and sync again.",
                INVOICES,
                false,
            ),
            Self::Refused => entry(
                "business_central_refused",
                "Business Central refused this for a reason that CoPortal does not know yet. Nothing was changed.",
                "Check the invoice's and client's fields for unusual values; if they are fine, send the request id to support.",
                "the invoice's page",
                false,
            ),
            Self::BaseCurrencyUnknown => entry(
                "business_central_base_currency_unknown",
                "The company's local currency is not one that CoPortal knows.",
                "Send the company's currency to support.",
                "CoPortal support",
                false,
            ),
            Self::CodeRefused => entry(
                "business_central_code_refused",
                "Microsoft did not accept the sign-in: it took too long, or was used twice.",
                "Start connecting again.",
                CARD,
                false,
            ),
            Self::AppRefused => entry(
                "business_central_app_refused",
                "Microsoft did not accept CoPortal's own registration.",
                "Tell support; the app's credentials at Microsoft have to be corrected.",
                "CoPortal support",
                false,
            ),
            Self::ConsentMissing => entry(
                "business_central_consent_missing",
                "Nobody has allowed CoPortal to use Business Central in this organisation yet, or the permission was taken back.",
                "Ask a Microsoft administrator to approve CoPortal for the organisation, then connect again.",
                ADMIN,
                false,
            ),
            Self::AccountForeign => entry(
                "business_central_account_foreign",
                "This Microsoft account is no member of an organisation with Business Central: a personal or guest account cannot connect.",
                "Sign in with a work account of the organisation whose books are to be connected.",
                CARD,
                false,
            ),
            Self::ServiceMissing => entry(
                "business_central_service_missing",
                "The organisation of this Microsoft account does not have Business Central.",
                "Sign in with an account of an organisation that has Business Central, or ask its administrator for it.",
                ADMIN,
                false,
            ),
            Self::SignInBlocked => entry(
                "business_central_sign_in_blocked",
                "The organisation's sign-in rules stopped this: multi-factor sign-in, a device rule, or a blocked or unassigned account.",
                "Sign in again and complete every step; if it is refused, ask the Microsoft administrator to allow CoPortal for this user.",
                ADMIN,
                false,
            ),
            Self::SignInUnavailable => entry(
                "business_central_sign_in_unavailable",
                "Microsoft's sign-in is not available for the moment. Nothing was changed.",
                "Nothing to do; CoPortal tries again by itself.",
                WAIT,
                true,
            ),
        }
    }

    fn grant_refused(error: &str, description: &str) -> Option<GrantRefusal<Self>> {
        if error == "temporarily_unavailable" {
            return Some(GrantRefusal::Later(Self::SignInUnavailable));
        }
        let code = aadsts(description);
        if let Some((_, cause)) = code.and_then(|code| AADSTS.iter().find(|(codes, _)| codes.contains(&code))) {
            return Some(GrantRefusal::Closed(*cause));
        }
        match error {
            "consent_required" => Some(GrantRefusal::Closed(Self::ConsentMissing)),
            "interaction_required" | "login_required" => Some(GrantRefusal::Closed(Self::SignInBlocked)),
            _ => None,
        }
    }
}

/// Entra's error numbers that a person can mend, and what they mean (docs/vendors/business-central.md, section 1). Those of a dead code or
/// refresh token, and of our own registration, say no more than the standard's codes beside them.
const AADSTS: [(&[u32], Cause); 4] = [
    (&[65_001, 65_004, 90_093, 90_094, 90_099], Cause::ConsentMissing),
    (&[50_020, 50_034, 90_072, 500_200, 500_202], Cause::AccountForeign),
    (&[500_011, 500_014, 650_052], Cause::ServiceMissing),
    (
        &[50_053, 50_055, 50_057, 50_074, 50_076, 50_079, 50_105, 50_131, 50_158, 53_000, 53_001, 53_002, 53_003, 53_004, 530_003],
        Cause::SignInBlocked,
    ),
];

/// The number that a description begins with: `AADSTS50076: …`.
fn aadsts(description: &str) -> Option<u32> {
    let digits = description.trim_start().strip_prefix("AADSTS")?;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests;
