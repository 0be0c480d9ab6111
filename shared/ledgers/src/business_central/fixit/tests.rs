use std::collections::BTreeSet;

use super::*;

/// All causes.
const ALL: [Cause; 52] = [
    Cause::Unreachable,
    Cause::NoAnswer,
    Cause::OutcomeUnknown,
    Cause::ServerError,
    Cause::TenantUnavailable,
    Cause::AnswerUnreadable,
    Cause::AnswerUnexpected,
    Cause::LimitReached,
    Cause::TooLarge,
    Cause::TokenRefused,
    Cause::PermissionMissing,
    Cause::CompanyMissing,
    Cause::DocumentMissing,
    Cause::ContactMissing,
    Cause::ContactBlocked,
    Cause::RequestMalformed,
    Cause::VersionOld,
    Cause::AlreadyThere,
    Cause::CodeUnknown,
    Cause::TextTooLong,
    Cause::ConfirmationNeeded,
    Cause::AccountRefused,
    Cause::PostingGroupMissing,
    Cause::TaxSetupMissing,
    Cause::PeriodLocked,
    Cause::CurrencyMissing,
    Cause::ExternalNumberRequired,
    Cause::NothingToPost,
    Cause::DimensionMissing,
    Cause::ApprovalPending,
    Cause::DocumentPosted,
    Cause::DocumentReleased,
    Cause::NotADraft,
    Cause::PostingOutstanding,
    Cause::DocumentPaid,
    Cause::CancelIncomplete,
    Cause::NumberSeries,
    Cause::EmailRefused,
    Cause::PhoneRefused,
    Cause::PricesIncludeTax,
    Cause::DraftPricesIncludeTax,
    Cause::PaymentRefused,
    Cause::BatchRefused,
    Cause::Refused,
    Cause::BaseCurrencyUnknown,
    Cause::CodeRefused,
    Cause::AppRefused,
    Cause::ConsentMissing,
    Cause::AccountForeign,
    Cause::ServiceMissing,
    Cause::SignInBlocked,
    Cause::SignInUnavailable,
];

#[test]
fn every_cause_has_a_code_of_its_own_a_sentence_and_a_fix() {
    let codes: BTreeSet<_> = ALL.iter().map(|cause| cause.entry().code).collect();
    assert_eq!(codes.len(), ALL.len());
    for cause in ALL {
        let entry = cause.entry();
        assert!(
            entry.code.starts_with("business_central_") && entry.code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
            "{cause:?}"
        );
        assert!(entry.detail.ends_with('.') && entry.what.ends_with('.') && !entry.place.is_empty(), "{cause:?}");
    }
}

#[test]
fn every_entra_number_and_word_leads_to_a_cause() {
    let read = |error: &str, number: &str| match Cause::grant_refused(error, &format!("AADSTS{number}: words. Trace ID: x")) {
        Some(GrantRefusal::Closed(cause)) => format!("closed {}", cause.entry().code),
        Some(GrantRefusal::Later(cause)) => format!("later {}", cause.entry().code),
        None => "standard".to_owned(),
    };
    for (error, number, expected) in [
        ("invalid_grant", "65001", "closed business_central_consent_missing"),
        ("access_denied", "65004", "closed business_central_consent_missing"),
        ("invalid_grant", "90094", "closed business_central_consent_missing"),
        ("consent_required", "1", "closed business_central_consent_missing"),
        ("invalid_grant", "50020", "closed business_central_account_foreign"),
        ("invalid_resource", "500011", "closed business_central_service_missing"),
        ("invalid_client", "650052", "closed business_central_service_missing"),
        ("invalid_grant", "53003", "closed business_central_sign_in_blocked"),
        ("interaction_required", "50076", "closed business_central_sign_in_blocked"),
        ("interaction_required", "x", "closed business_central_sign_in_blocked"),
        ("temporarily_unavailable", "90033", "later business_central_sign_in_unavailable"),
        // A changed password, an unused token, a code that was used: what the standard's word says already.
        ("invalid_grant", "50173", "standard"),
        ("invalid_grant", "700082", "standard"),
        ("invalid_grant", "54005", "standard"),
        ("invalid_client", "7000222", "standard"),
    ] {
        assert_eq!(read(error, number), expected, "{error} {number}");
    }
    assert!(Cause::grant_refused("invalid_grant", "").is_none());
}

/// The catalogue as a user reads it: a change of wording is seen in review.
#[test]
fn the_catalogue() {
    let lines: Vec<String> = ALL
        .iter()
        .map(|cause| {
            let entry = cause.entry();
            format!("{}\n  {}\n  {}\n  {} (retry helps: {})", entry.code, entry.detail, entry.what, entry.place, entry.retry_helps)
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}
