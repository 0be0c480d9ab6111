//! Xero's fix-it catalogue.

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
    LimitMinute,
    LimitDay,
    LimitConcurrent,
    LimitApp,
    TokenRefused,
    OrganisationNotLinked,
    PermissionMissing,
    ScopeMissing,
    DocumentMissing,
    ContactMissing,
    RequestMalformed,
    NotSupported,
    KeyReused,
    NameTaken,
    MarkTaken,
    NumberTaken,
    DocumentLocked,
    DocumentPaid,
    ContactArchived,
    PeriodLocked,
    CurrencyMissing,
    AccountRefused,
    TaxRefused,
    EmailRefused,
    PaymentTooLarge,
    Refused,
    NoInvoicing,
    BaseCurrencyUnknown,
    CodeRefused,
    AppRefused,
}

const CARD: &str = "Settings > Integrations > Xero";
impl Cause {
    /// All of them, for the tests that hold the catalogue complete.
    #[cfg(test)]
    pub(super) const ALL: [Self; 37] = [
        Self::Unreachable,
        Self::NoAnswer,
        Self::OutcomeUnknown,
        Self::ServerError,
        Self::Offline,
        Self::AnswerUnreadable,
        Self::AnswerUnexpected,
        Self::LimitMinute,
        Self::LimitDay,
        Self::LimitConcurrent,
        Self::LimitApp,
        Self::TokenRefused,
        Self::OrganisationNotLinked,
        Self::PermissionMissing,
        Self::ScopeMissing,
        Self::DocumentMissing,
        Self::ContactMissing,
        Self::RequestMalformed,
        Self::NotSupported,
        Self::KeyReused,
        Self::NameTaken,
        Self::MarkTaken,
        Self::NumberTaken,
        Self::DocumentLocked,
        Self::DocumentPaid,
        Self::ContactArchived,
        Self::PeriodLocked,
        Self::CurrencyMissing,
        Self::AccountRefused,
        Self::TaxRefused,
        Self::EmailRefused,
        Self::PaymentTooLarge,
        Self::Refused,
        Self::NoInvoicing,
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
        matches!(self, Self::AccountRefused | Self::TaxRefused | Self::PeriodLocked | Self::CurrencyMissing)
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
                "xero_unreachable",
                "Xero could not be reached. Nothing was sent.",
                "What waits goes on by itself; if it lasts, look at Xero's status page.",
                "status.xero.com",
                true,
            ),
            Self::NoAnswer => entry(
                "xero_no_answer",
                "Xero did not answer in time. Nothing was changed.",
                "What waits goes on by itself; if it lasts, look at Xero's status page.",
                "status.xero.com",
                true,
            ),
            Self::OutcomeUnknown => entry(
                "xero_outcome_unknown",
                "Xero did not confirm whether it saved this.",
                "CoPortal looks in Xero before it sends anything again, so that nothing is saved twice.",
                WAIT,
                true,
            ),
            Self::ServerError => entry(
                "xero_server_error",
                "Xero had an error of its own while it was read. Nothing was changed.",
                "What waits goes on by itself; if it lasts, look at Xero's status page.",
                "status.xero.com",
                true,
            ),
            Self::Offline => entry(
                "xero_offline",
                "Xero, or this organisation in it, is offline for the moment.",
                "What waits goes on by itself; if it lasts, look at Xero's status page.",
                "status.xero.com",
                true,
            ),
            Self::AnswerUnreadable => entry(
                "xero_answer_unreadable",
                "Xero's answer arrived damaged. Nothing was changed.",
                "What waits goes on by itself; if it lasts, send the request id to support.",
                "CoPortal support",
                true,
            ),
            Self::AnswerUnexpected => entry(
                "xero_answer_unexpected",
                "Xero's answer was not about what CoPortal asked for, so it was not used.",
                "Send the request id to support; CoPortal has to be corrected.",
                "CoPortal support",
                false,
            ),
            Self::LimitMinute => entry(
                "xero_limit_minute",
                "Xero takes no more calls for this organisation this minute.",
                "Nothing to do: what waits goes on by itself when the minute is over.",
                WAIT,
                true,
            ),
            Self::LimitDay => entry(
                "xero_limit_day",
                "Xero takes no more calls for this organisation today.",
                "Nothing to do: what waits goes on by itself when Xero opens the next day's allowance; other apps of the organisation do not count in it.",
                WAIT,
                true,
            ),
            Self::LimitConcurrent => entry(
                "xero_limit_concurrent",
                "Xero is already handling as many calls for this organisation as it allows at once.",
                "Nothing to do: what waits goes on by itself.",
                WAIT,
                true,
            ),
            Self::LimitApp => entry(
                "xero_limit_app",
                "Xero takes no more calls from CoPortal this minute.",
                "Nothing to do: what waits goes on by itself when the minute is over.",
                WAIT,
                true,
            ),
            Self::TokenRefused => entry(
                "xero_token_refused",
                "Xero no longer accepts this connection.",
                "Reconnect Xero; links and choices are kept.",
                CARD,
                false,
            ),
            Self::OrganisationNotLinked => entry(
                "xero_organisation_not_linked",
                "This Xero organisation is no longer linked to CoPortal: somebody disconnected it, or the person who connected it lost access.",
                "Reconnect Xero and choose the same organisation; links and choices are kept.",
                CARD,
                false,
            ),
            Self::PermissionMissing => entry(
                "xero_permission_missing",
                "The person who connected Xero may not do this in the organisation, or the organisation's Xero plan does not include it.",
                "Give that person the role Standard or Adviser in Xero, or reconnect as somebody who has it.",
                "Xero: Settings > Users",
                false,
            ),
            Self::ScopeMissing => entry(
                "xero_scope_missing",
                "The consent given in Xero does not cover this.",
                "Reconnect Xero and allow everything on the consent page.",
                CARD,
                false,
            ),
            Self::DocumentMissing => entry(
                "xero_document_missing",
                "The invoice is no longer in Xero.",
                "Choose what happens: create it again, or leave it out of Xero.",
                "the invoice's Sync panel",
                false,
            ),
            Self::ContactMissing => entry(
                "xero_contact_missing",
                "The contact is no longer in Xero.",
                "Choose another contact for this client, or have a new one made.",
                "the invoice's Sync panel",
                false,
            ),
            Self::RequestMalformed => entry(
                "xero_request_malformed",
                "Xero did not understand what CoPortal sent. Nothing was changed.",
                "Send the request id to support; CoPortal has to be corrected.",
                "CoPortal support",
                false,
            ),
            Self::NotSupported => entry(
                "xero_not_supported",
                "Xero does not offer what CoPortal asked for. Nothing was changed.",
                "Send the request id to support; CoPortal has to be corrected.",
                "CoPortal support",
                false,
            ),
            Self::KeyReused => entry(
                "xero_key_reused",
                "Xero has already seen this step with other content, and did not say what it saved.",
                "CoPortal looks in Xero before it sends anything again, so that nothing is saved twice.",
                WAIT,
                true,
            ),
            Self::NameTaken => entry(
                "xero_name_taken",
                "Xero already has an active contact of this name.",
                "Link the client to that contact, or have a new one made whose name carries the e-mail address.",
                "the invoice's Sync panel",
                false,
            ),
            Self::MarkTaken => entry(
                "xero_mark_taken",
                "Xero already has a contact that CoPortal made for this client.",
                "CoPortal looks it up and uses it.",
                WAIT,
                true,
            ),
            Self::NumberTaken => entry(
                "xero_number_taken",
                "Xero already has an invoice of this number; voided and deleted ones keep theirs.",
                "Link that invoice, send this one under a number of Xero's own, or change the number.",
                "the invoice's Sync panel",
                false,
            ),
            Self::DocumentLocked => entry(
                "xero_document_locked",
                "The invoice's state in Xero does not allow this change.",
                "Open the invoice in Xero; if it was voided or deleted there, choose in CoPortal what happens next.",
                "Xero: Business > Invoices",
                false,
            ),
            Self::DocumentPaid => entry(
                "xero_document_paid",
                "A payment or credit note is applied to the invoice in Xero, so it cannot be changed.",
                "Remove the payment or credit note in Xero, or leave the invoice there as it is.",
                "Xero: Business > Invoices",
                false,
            ),
            Self::ContactArchived => entry(
                "xero_contact_archived",
                "The contact is archived in Xero and cannot be used on an invoice.",
                "Restore the contact in Xero, or choose another one for this client.",
                "Xero: Contacts > Archived",
                false,
            ),
            Self::PeriodLocked => entry(
                "xero_period_locked",
                "The invoice's date lies in a period that is closed in Xero.",
                "Ask the bookkeeper to move the lock date, or change the invoice's date.",
                "Xero: Settings > Financial settings > Lock dates",
                false,
            ),
            Self::CurrencyMissing => entry(
                "xero_currency_missing",
                "The Xero organisation does not have the invoice's currency.",
                "Add the currency in Xero, then sync again.",
                "Xero: Settings > Currencies",
                true,
            ),
            Self::AccountRefused => entry(
                "xero_account_refused",
                "Xero does not accept the chosen sales account.",
                "Choose another sales account; CoPortal reads the list of accounts again.",
                CARD,
                true,
            ),
            Self::TaxRefused => entry(
                "xero_tax_refused",
                "Xero does not accept the tax rate, or not together with the chosen sales account.",
                "Choose another tax rate or sales account; CoPortal reads both lists again.",
                CARD,
                true,
            ),
            Self::EmailRefused => entry(
                "xero_email_refused",
                "Xero does not accept the client's e-mail address; it takes no letters beyond a to z there.",
                "Correct the client's e-mail address.",
                "the client's page",
                false,
            ),
            Self::PaymentTooLarge => entry(
                "xero_payment_too_large",
                "The payment is larger than what is still due on the invoice in Xero.",
                "Compare the payments of the invoice in Xero and in CoPortal.",
                "Xero: Business > Invoices",
                false,
            ),
            Self::Refused => entry(
                "xero_refused",
                "Xero refused this for a reason that CoPortal does not know yet. Nothing was changed.",
                "Check the invoice's and client's fields for unusual values; if they are fine, send the request id to support.",
                "the invoice's page",
                false,
            ),
            Self::NoInvoicing => entry(
                "xero_no_invoicing",
                "This Xero organisation is of an edition that has no invoices.",
                "Connect an organisation with a Xero business plan.",
                CARD,
                false,
            ),
            Self::BaseCurrencyUnknown => entry(
                "xero_base_currency_unknown",
                "The Xero organisation's base currency is not one that CoPortal knows.",
                "Send the organisation's currency to support.",
                "CoPortal support",
                false,
            ),
            Self::CodeRefused => entry(
                "xero_code_refused",
                "Xero did not accept the sign-in: it took too long, or was used twice.",
                "Start connecting again.",
                CARD,
                false,
            ),
            Self::AppRefused => entry(
                "xero_app_refused",
                "Xero did not accept CoPortal's own registration.",
                "Tell support; the app's credentials at Xero have to be corrected.",
                "CoPortal support",
                false,
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_cause_has_a_code_of_its_own_a_sentence_and_a_fix() {
        let codes: BTreeSet<_> = Cause::ALL.iter().map(|cause| cause.entry().code).collect();
        assert_eq!(codes.len(), Cause::ALL.len());
        for cause in Cause::ALL {
            let entry = cause.entry();
            assert!(entry.code.starts_with("xero_") && entry.code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{cause:?}");
            assert!(entry.detail.ends_with('.') && entry.what.ends_with('.') && !entry.place.is_empty(), "{cause:?}");
        }
    }

    #[test]
    fn the_catalogue_as_users_read_it() {
        let lines: Vec<String> = Cause::ALL
            .iter()
            .map(|cause| {
                let Entry { code, detail, what, place, retry_helps } = cause.entry();
                format!("{code}\n  {detail}\n  {what} [{place}]\n  retry helps: {retry_helps}")
            })
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
