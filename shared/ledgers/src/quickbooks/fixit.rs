//! QuickBooks Online's fix-it catalogue.

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
    AnswerUnreadable,
    AnswerUnexpected,
    LimitReached,
    TokenRefused,
    RightsLost,
    CompanyNotLinked,
    DocumentMissing,
    ContactMissing,
    RequestMalformed,
    NotSupported,
    KeyReused,
    VersionOld,
    NameTaken,
    NumberTaken,
    PeriodLocked,
    PaymentDeposited,
    CurrencyMissing,
    SubscriptionEnded,
    ReferenceInactive,
    ItemRefused,
    AccountRefused,
    TaxRefused,
    AmountRefused,
    TextTooLong,
    RuleBroken,
    Refused,
    BaseCurrencyUnknown,
    CodeRefused,
    AppRefused,
}

const CARD: &str = "Settings > Integrations > QuickBooks Online";
const STATUS: &str = "status.quickbooks.intuit.com";
const INVOICE: &str = "the invoice's page";

impl Cause {
    /// All of them, for the tests that hold the catalogue complete.
    #[cfg(test)]
    pub(super) const ALL: [Self; 33] = [
        Self::Unreachable,
        Self::NoAnswer,
        Self::OutcomeUnknown,
        Self::ServerError,
        Self::AnswerUnreadable,
        Self::AnswerUnexpected,
        Self::LimitReached,
        Self::TokenRefused,
        Self::RightsLost,
        Self::CompanyNotLinked,
        Self::DocumentMissing,
        Self::ContactMissing,
        Self::RequestMalformed,
        Self::NotSupported,
        Self::KeyReused,
        Self::VersionOld,
        Self::NameTaken,
        Self::NumberTaken,
        Self::PeriodLocked,
        Self::PaymentDeposited,
        Self::CurrencyMissing,
        Self::SubscriptionEnded,
        Self::ReferenceInactive,
        Self::ItemRefused,
        Self::AccountRefused,
        Self::TaxRefused,
        Self::AmountRefused,
        Self::TextTooLong,
        Self::RuleBroken,
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
            Self::ItemRefused
                | Self::AccountRefused
                | Self::TaxRefused
                | Self::PeriodLocked
                | Self::CurrencyMissing
                | Self::ReferenceInactive
        )
    }

    fn succeeded(answer: &Response<Bytes>) -> bool {
        outcome::succeeded(answer)
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
                "quickbooks_unreachable",
                "QuickBooks Online could not be reached. Nothing was sent.",
                "What waits goes on by itself; if it lasts, look at the QuickBooks status page.",
                STATUS,
                true,
            ),
            Self::NoAnswer => entry(
                "quickbooks_no_answer",
                "QuickBooks Online did not answer in time. Nothing was changed.",
                "What waits goes on by itself; if it lasts, look at the QuickBooks status page.",
                STATUS,
                true,
            ),
            Self::OutcomeUnknown => entry(
                "quickbooks_outcome_unknown",
                "QuickBooks Online did not confirm whether it saved this.",
                "CoPortal looks in QuickBooks before it sends anything again, so that nothing is saved twice.",
                WAIT,
                true,
            ),
            Self::ServerError => entry(
                "quickbooks_server_error",
                "QuickBooks Online had a fault of its own. Nothing was changed.",
                "What waits goes on by itself; if it lasts, look at the QuickBooks status page.",
                STATUS,
                true,
            ),
            Self::AnswerUnreadable => entry(
                "quickbooks_answer_unreadable",
                "QuickBooks Online's answer arrived damaged. Nothing was changed.",
                "Nothing to do: what waits goes on by itself.",
                INVOICE,
                true,
            ),
            Self::AnswerUnexpected => entry(
                "quickbooks_answer_unexpected",
                "QuickBooks Online answered with something else than what was asked for.",
                "Send the request id to support.",
                "CoPortal support",
                false,
            ),
            Self::LimitReached => entry(
                "quickbooks_limit_reached",
                "QuickBooks Online takes no more requests for this company at the moment.",
                "Nothing to do: what waits goes on by itself when the minute is over; the limit counts all apps that are connected to the company.",
                INVOICE,
                true,
            ),
            Self::TokenRefused => entry(
                "quickbooks_token_refused",
                "QuickBooks Online no longer accepts the sign-in of this connection.",
                "If it stays so, an admin reconnects QuickBooks Online.",
                CARD,
                false,
            ),
            Self::RightsLost => entry(
                "quickbooks_rights_lost",
                "The person who connected QuickBooks Online is no longer an administrator of the company.",
                "A company administrator reconnects QuickBooks Online.",
                CARD,
                false,
            ),
            Self::CompanyNotLinked => entry(
                "quickbooks_company_not_linked",
                "CoPortal is no longer connected to this QuickBooks company.",
                "An admin reconnects QuickBooks Online and chooses the company.",
                CARD,
                false,
            ),
            Self::DocumentMissing => entry(
                "quickbooks_document_missing",
                "The invoice is no longer in QuickBooks Online: it was deleted there.",
                "Choose whether to create it again.",
                INVOICE,
                false,
            ),
            Self::ContactMissing => entry(
                "quickbooks_contact_missing",
                "The customer is no longer usable in QuickBooks Online: it was deleted, merged or made inactive.",
                "Make the customer active in QuickBooks, or have CoPortal look for the right one again.",
                "QuickBooks: Sales > Customers > Include inactive",
                false,
            ),
            Self::RequestMalformed => entry(
                "quickbooks_request_malformed",
                "QuickBooks Online did not understand CoPortal's request. Nothing was changed.",
                "Send the request id to support.",
                "CoPortal support",
                false,
            ),
            Self::NotSupported => entry(
                "quickbooks_not_supported",
                "QuickBooks Online does not offer this operation.",
                "Send the request id to support.",
                "CoPortal support",
                false,
            ),
            Self::KeyReused => entry(
                "quickbooks_key_reused",
                "QuickBooks Online has seen this request before.",
                "CoPortal looks in QuickBooks before it sends anything again, so that nothing is saved twice.",
                WAIT,
                true,
            ),
            Self::VersionOld => entry(
                "quickbooks_version_old",
                "Somebody changed this in QuickBooks Online at the same time. Nothing was overwritten.",
                "Sync again: CoPortal reads what stands there now and compares.",
                INVOICE,
                true,
            ),
            Self::NameTaken => entry(
                "quickbooks_name_taken",
                "A customer, vendor or employee of this name exists already in QuickBooks Online.",
                "Choose whether it is the same client, or create it under another name.",
                INVOICE,
                false,
            ),
            Self::NumberTaken => entry(
                "quickbooks_number_taken",
                "The invoice number is already used in QuickBooks Online.",
                "Link that invoice, or push this one under a number that QuickBooks assigns.",
                INVOICE,
                false,
            ),
            Self::PeriodLocked => entry(
                "quickbooks_period_locked",
                "The date lies in a period that is closed in QuickBooks Online.",
                "Ask the bookkeeper to move the closing date, or change the invoice's date.",
                "QuickBooks: Settings > Account and settings > Advanced > Accounting > Close the books",
                false,
            ),
            Self::PaymentDeposited => entry(
                "quickbooks_payment_deposited",
                "A payment of this invoice has been deposited in QuickBooks Online, so the invoice can no longer be changed there.",
                "Take the payment off the deposit in QuickBooks first, then sync again.",
                "QuickBooks: Transactions > Bank deposits",
                false,
            ),
            Self::CurrencyMissing => entry(
                "quickbooks_currency_missing",
                "The company in QuickBooks Online does not have the currency, or the customer has another one.",
                "Add the currency in QuickBooks, or link a customer of that currency, then sync again.",
                "QuickBooks: Settings > Currencies",
                true,
            ),
            Self::SubscriptionEnded => entry(
                "quickbooks_subscription_ended",
                "The QuickBooks Online subscription of this company has ended or is suspended.",
                "Renew the subscription in QuickBooks, then sync again.",
                "QuickBooks: Settings > Subscriptions and billing",
                true,
            ),
            Self::ReferenceInactive => entry(
                "quickbooks_reference_inactive",
                "Something that the invoice uses in QuickBooks Online was deleted or made inactive: the customer, an item, a class or an account.",
                "Make it active again in QuickBooks, or choose another; CoPortal reads the lists again.",
                CARD,
                true,
            ),
            Self::ItemRefused => entry(
                "quickbooks_item_refused",
                "QuickBooks Online does not accept the item that sales lines are tied to: it was deleted or made inactive.",
                "Choose another sales item; CoPortal reads the list of items again.",
                CARD,
                true,
            ),
            Self::AccountRefused => entry(
                "quickbooks_account_refused",
                "QuickBooks Online does not accept the chosen account: it was deleted or made inactive.",
                "Choose another account; CoPortal reads the list of accounts again.",
                CARD,
                true,
            ),
            Self::TaxRefused => entry(
                "quickbooks_tax_refused",
                "QuickBooks Online does not accept the tax code of a line, or wants one where there is none.",
                "Choose the tax code for the rate again; CoPortal reads the list of codes again.",
                CARD,
                true,
            ),
            Self::AmountRefused => entry(
                "quickbooks_amount_refused",
                "QuickBooks Online computes another amount for a line than CoPortal. Nothing was changed.",
                "Send the request id to support.",
                "CoPortal support",
                false,
            ),
            Self::TextTooLong => entry(
                "quickbooks_text_too_long",
                "A text is longer than QuickBooks Online takes: a name, an address, a description, or the bookkeeper's own memo with CoPortal's line.",
                "Shorten the text, in CoPortal or in the invoice's memo in QuickBooks, then sync again.",
                INVOICE,
                false,
            ),
            Self::RuleBroken => entry(
                "quickbooks_rule_broken",
                "A rule of this QuickBooks company refuses the entry. Nothing was changed.",
                "Try the same entry by hand in QuickBooks, which says what it objects to; or send the request id to support.",
                INVOICE,
                false,
            ),
            Self::Refused => entry(
                "quickbooks_refused",
                "QuickBooks Online refused this for a reason that CoPortal does not know yet. Nothing was changed.",
                "Check the invoice's and client's fields for unusual values; if they are fine, send the request id to support.",
                INVOICE,
                false,
            ),
            Self::BaseCurrencyUnknown => entry(
                "quickbooks_base_currency_unknown",
                "The company's own currency in QuickBooks Online is not one that CoPortal knows.",
                "Send the company's currency to support.",
                "CoPortal support",
                false,
            ),
            Self::CodeRefused => entry(
                "quickbooks_code_refused",
                "QuickBooks Online did not accept the sign-in: it took too long, or was used twice.",
                "Start connecting again.",
                CARD,
                false,
            ),
            Self::AppRefused => entry(
                "quickbooks_app_refused",
                "QuickBooks Online did not accept CoPortal's own registration.",
                "Tell support; the app's credentials at Intuit have to be corrected.",
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
            assert!(entry.code.starts_with("quickbooks_") && entry.code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{cause:?}");
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
