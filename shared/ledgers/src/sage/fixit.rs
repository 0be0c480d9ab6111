//! Sage's fix-it catalogue.

use bytes::Bytes;
use coportal_core::failure::Failure;
use coportal_core::metering::Limit;
use http::Response;
use jiff::SignedDuration;

use super::outcome;
use crate::fixit::{Catalogue, Common, Entry, WAIT, entry};
use crate::judge::Asked;

/// Why a call failed, as a user can understand it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Cause {
    Unreachable,
    NoAnswer,
    OutcomeUnknown,
    ServerError,
    Offline,
    AnswerUnreadable,
    AnswerUnexpected,
    LimitReached,
    TokenRefused,
    SubscriptionInactive,
    BusinessNotReached,
    PermissionMissing,
    ScopeMissing,
    DocumentMissing,
    ContactMissing,
    RecordMissing,
    RequestMalformed,
    NotSupported,
    Conflict,
    TooManyMatches,
    MarkTaken,
    DocumentLocked,
    DocumentPaid,
    DocumentMoved,
    ContactInactive,
    PeriodLocked,
    CurrencyRefused,
    AccountRefused,
    TaxRefused,
    LinesRefused,
    EmailRefused,
    AddressRefused,
    PaymentTooLarge,
    BankAccountRefused,
    Refused,
    BaseCurrencyUnknown,
    CodeRefused,
    AppRefused,
}

const CARD: &str = "Settings > Integrations > Sage";
const STATUS: &str = "status.sage.com";
const SUPPORT: &str = "CoPortal support";
const PANEL: &str = "the invoice's Sync panel";
const INVOICES: &str = "Sage: Sales > Sales Invoices";

impl Cause {
    /// All of them, for the tests that hold the catalogue complete.
    #[cfg(test)]
    pub(super) const ALL: [Self; 38] = [
        Self::Unreachable,
        Self::NoAnswer,
        Self::OutcomeUnknown,
        Self::ServerError,
        Self::Offline,
        Self::AnswerUnreadable,
        Self::AnswerUnexpected,
        Self::LimitReached,
        Self::TokenRefused,
        Self::SubscriptionInactive,
        Self::BusinessNotReached,
        Self::PermissionMissing,
        Self::ScopeMissing,
        Self::DocumentMissing,
        Self::ContactMissing,
        Self::RecordMissing,
        Self::RequestMalformed,
        Self::NotSupported,
        Self::Conflict,
        Self::TooManyMatches,
        Self::MarkTaken,
        Self::DocumentLocked,
        Self::DocumentPaid,
        Self::DocumentMoved,
        Self::ContactInactive,
        Self::PeriodLocked,
        Self::CurrencyRefused,
        Self::AccountRefused,
        Self::TaxRefused,
        Self::LinesRefused,
        Self::EmailRefused,
        Self::AddressRefused,
        Self::PaymentTooLarge,
        Self::BankAccountRefused,
        Self::Refused,
        Self::BaseCurrencyUnknown,
        Self::CodeRefused,
        Self::AppRefused,
    ];
}

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
        matches!(
            self,
            Self::RecordMissing
                | Self::AccountRefused
                | Self::TaxRefused
                | Self::PeriodLocked
                | Self::CurrencyRefused
                | Self::BankAccountRefused
        )
    }

    fn limit(answer: &Response<Bytes>) -> Option<(Limit, SignedDuration)> {
        outcome::limit(answer)
    }

    fn failure(asked: &Asked<'_>, answer: &Response<Bytes>) -> Failure {
        outcome::failure(asked, answer)
    }

    fn entry(self) -> Entry {
        match self {
            Self::Unreachable => entry(
                "sage_unreachable",
                "Sage could not be reached. Nothing was sent.",
                "What waits goes on by itself; if it lasts, look at Sage's status page.",
                STATUS,
                true,
            ),
            Self::NoAnswer => entry(
                "sage_no_answer",
                "Sage did not answer in time. Nothing was changed.",
                "What waits goes on by itself; if it lasts, look at Sage's status page.",
                STATUS,
                true,
            ),
            Self::OutcomeUnknown => entry(
                "sage_outcome_unknown",
                "Sage did not confirm whether it saved this.",
                "CoPortal looks in Sage before it sends anything again, so that nothing is saved twice.",
                WAIT,
                true,
            ),
            Self::ServerError => entry(
                "sage_server_error",
                "Sage had an error of its own while it was read. Nothing was changed.",
                "What waits goes on by itself; if it lasts, look at Sage's status page.",
                STATUS,
                true,
            ),
            Self::Offline => entry(
                "sage_offline",
                "Sage is offline for the moment.",
                "What waits goes on by itself; if it lasts, look at Sage's status page.",
                STATUS,
                true,
            ),
            Self::AnswerUnreadable => entry(
                "sage_answer_unreadable",
                "Sage's answer arrived damaged. Nothing was changed.",
                "What waits goes on by itself; if it lasts, send the request id to support.",
                SUPPORT,
                true,
            ),
            Self::AnswerUnexpected => entry(
                "sage_answer_unexpected",
                "Sage's answer was not about what CoPortal asked for, so it was not used.",
                "Send the request id to support; CoPortal has to be corrected.",
                SUPPORT,
                false,
            ),
            Self::LimitReached => entry(
                "sage_limit_reached",
                "Sage takes no more calls for this business for the moment.",
                "Nothing to do: what waits goes on by itself.",
                WAIT,
                true,
            ),
            Self::TokenRefused => entry(
                "sage_token_refused",
                "Sage no longer accepts this connection.",
                "Reconnect Sage; links and choices are kept.",
                CARD,
                false,
            ),
            Self::SubscriptionInactive => entry(
                "sage_subscription_inactive",
                "The trial or subscription of this Sage business has ended, so Sage answers nothing about it.",
                "Renew the subscription in Sage, then sync again. Reconnecting does not help.",
                "Sage: Settings > Manage subscription",
                true,
            ),
            Self::BusinessNotReached => entry(
                "sage_business_not_reached",
                "The person who connected Sage no longer reaches this business.",
                "Give that person access to the business in Sage, or reconnect as somebody who has it.",
                CARD,
                false,
            ),
            Self::PermissionMissing => entry(
                "sage_permission_missing",
                "The person who connected Sage may not do this in the business.",
                "Give that person Full Access to Sales, Contacts and Bank in Sage, or reconnect as somebody who has it.",
                "Sage: Settings > User Management",
                false,
            ),
            Self::ScopeMissing => entry(
                "sage_scope_missing",
                "The consent given in Sage is for reading only.",
                "Reconnect Sage and allow full access on the consent page.",
                CARD,
                false,
            ),
            Self::DocumentMissing => entry(
                "sage_document_missing",
                "The invoice is no longer in Sage.",
                "Choose what happens: create it again, or leave it out of Sage.",
                PANEL,
                false,
            ),
            Self::ContactMissing => entry(
                "sage_contact_missing",
                "The contact is no longer in Sage, or is no customer there.",
                "Choose another contact for this client, or have a new one made.",
                PANEL,
                false,
            ),
            Self::RecordMissing => entry(
                "sage_record_missing",
                "Sage no longer has the sales account, bank account or tax rate that this was to use, or does not take it there.",
                "Choose another account or tax rate; CoPortal reads the lists again. Then sync again.",
                CARD,
                true,
            ),
            Self::RequestMalformed => entry(
                "sage_request_malformed",
                "Sage did not understand what CoPortal sent. Nothing was changed.",
                "Send the request id to support; CoPortal has to be corrected.",
                SUPPORT,
                false,
            ),
            Self::NotSupported => entry(
                "sage_not_supported",
                "Sage does not offer what CoPortal asked for. Nothing was changed.",
                "Send the request id to support; CoPortal has to be corrected.",
                SUPPORT,
                false,
            ),
            Self::Conflict => entry(
                "sage_conflict",
                "Somebody changed the same record in Sage at this moment.",
                "CoPortal reads it again and compares before it sends anything.",
                WAIT,
                true,
            ),
            Self::TooManyMatches => entry(
                "sage_too_many_matches",
                "Sage has too many records that contain this text for a reliable search.",
                "Give the invoice a longer number, or the client a fuller name, and sync again.",
                "the invoice's page",
                false,
            ),
            Self::MarkTaken => entry(
                "sage_mark_taken",
                "Sage already has a contact that CoPortal made for this client.",
                "CoPortal looks it up and uses it.",
                WAIT,
                true,
            ),
            Self::DocumentLocked => entry(
                "sage_document_locked",
                "Sage lets nobody change the invoice any more: it is void, in a filed tax return, or in a closed year.",
                "Open the invoice in Sage; correct it there by a credit note if it is wrong.",
                INVOICES,
                false,
            ),
            Self::DocumentPaid => entry(
                "sage_document_paid",
                "A payment or credit is applied to the invoice in Sage, so it cannot be changed.",
                "Remove the payment or credit in Sage, or leave the invoice there as it is.",
                INVOICES,
                false,
            ),
            Self::DocumentMoved => entry(
                "sage_document_moved",
                "The invoice was issued or changed in Sage at this moment.",
                "CoPortal reads it again and compares before it sends anything.",
                WAIT,
                true,
            ),
            Self::ContactInactive => entry(
                "sage_contact_inactive",
                "The contact is inactive in Sage and cannot be used on an invoice.",
                "Make the contact active in Sage again, or choose another one for this client.",
                "Sage: Contacts > Customers",
                false,
            ),
            Self::PeriodLocked => entry(
                "sage_period_locked",
                "The date lies in a year that is closed in Sage.",
                "Ask the bookkeeper to move the year end lockdown date, or change the invoice's date.",
                "Sage: Settings > Financial Settings > Year End Lockdown",
                false,
            ),
            Self::CurrencyRefused => entry(
                "sage_currency_refused",
                "Sage does not take the invoice's currency: it is not enabled there, or the contact trades in another one.",
                "Enable foreign currencies in Sage, or link the client to a contact of this currency, then sync again.",
                "Sage: Settings > Financial Settings > Currencies",
                true,
            ),
            Self::AccountRefused => entry(
                "sage_account_refused",
                "Sage does not accept the chosen sales account.",
                "Choose another sales account; CoPortal reads the list of accounts again.",
                CARD,
                true,
            ),
            Self::TaxRefused => entry(
                "sage_tax_refused",
                "Sage does not accept the tax rate, not on the invoice's date, or not with this amount of tax.",
                "Choose another tax rate, or correct the invoice; CoPortal reads the list of rates again.",
                CARD,
                true,
            ),
            Self::LinesRefused => entry(
                "sage_lines_refused",
                "Sage does not accept a line of the invoice: its text or its amounts.",
                "Look for unusual characters in the lines' texts and for very large or negative amounts; correct the invoice, then sync again.",
                "the invoice's page",
                false,
            ),
            Self::EmailRefused => entry(
                "sage_email_refused",
                "Sage does not accept the client's e-mail address; it takes at most 100 characters.",
                "Correct the client's e-mail address.",
                "the client's page",
                false,
            ),
            Self::AddressRefused => entry(
                "sage_address_refused",
                "Sage does not accept the client's billing address.",
                "Correct the client's billing address; Sage takes the country by its English name or two-letter code.",
                "the client's page",
                false,
            ),
            Self::PaymentTooLarge => entry(
                "sage_payment_too_large",
                "The payment is larger than what is still due on the invoice in Sage.",
                "Compare the payments of the invoice in Sage and in CoPortal.",
                INVOICES,
                false,
            ),
            Self::BankAccountRefused => entry(
                "sage_bank_account_refused",
                "Sage does not accept the bank account that payments go to.",
                "Choose another account for payments; CoPortal reads the list of accounts again.",
                CARD,
                true,
            ),
            Self::Refused => entry(
                "sage_refused",
                "Sage refused this for a reason that CoPortal does not know yet. Nothing was changed.",
                "Check the invoice's and client's fields for unusual values; if they are fine, send the request id to support.",
                "the invoice's page",
                false,
            ),
            Self::BaseCurrencyUnknown => entry(
                "sage_base_currency_unknown",
                "The Sage business's base currency is not one that CoPortal knows.",
                "Send the business's currency to support.",
                SUPPORT,
                false,
            ),
            Self::CodeRefused => entry(
                "sage_code_refused",
                "Sage did not accept the sign-in: it took longer than a minute, or was used twice.",
                "Start connecting again.",
                CARD,
                false,
            ),
            Self::AppRefused => entry(
                "sage_app_refused",
                "Sage did not accept CoPortal's own registration.",
                "Tell support; the app's credentials at Sage have to be corrected.",
                SUPPORT,
                false,
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn every_cause_has_a_code_of_its_own_a_sentence_and_a_fix() {
        let codes: BTreeSet<_> = Cause::ALL.iter().map(|cause| cause.entry().code).collect();
        assert_eq!(codes.len(), Cause::ALL.len());
        for cause in Cause::ALL {
            let entry = cause.entry();
            assert!(entry.code.starts_with("sage_") && entry.code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{cause:?}");
            assert!(entry.detail.ends_with('.') && entry.what.ends_with('.') && !entry.place.is_empty(), "{cause:?}");
        }
    }

    #[test]
    fn the_catalogue() {
        let mut text = String::new();
        for cause in Cause::ALL {
            let Entry { code, detail, what, place, retry_helps } = cause.entry();
            let again = if retry_helps { "retry helps" } else { "retry does not help" };
            writeln!(text, "{code}: {detail}\n  {what} [{place}; {again}]").unwrap();
        }
        insta::assert_snapshot!(text);
    }
}
