//! The states of a sync in words that need no manual.

use coportal_core::document::DocumentStatus;
use coportal_core::failure::Question;
use coportal_core::invoice::InvoiceStatus;
use coportal_core::ledger::Ledger;
use coportal_core::sync::row::{SyncRow, SyncState, Waiting, WaitingFor};
use coportal_pages::components::{Tone, instant, pill};
use maud::{Markup, html};

/// An invoice's own state.
pub(crate) fn status_pill(status: InvoiceStatus) -> Markup {
    let (tone, word) = match status {
        InvoiceStatus::Draft => (Tone::Neutral, "Draft"),
        InvoiceStatus::Sent => (Tone::Neutral, "Sent"),
        InvoiceStatus::Paid => (Tone::Good, "Paid"),
        InvoiceStatus::Void => (Tone::Stopped, "Void"),
    };
    pill(tone, word)
}

/// Where a sync stands, in a word or two.
pub(crate) fn state_word(state: SyncState) -> (Tone, &'static str) {
    match state {
        SyncState::Never => (Tone::Neutral, "Not synced yet"),
        SyncState::Queued => (Tone::Neutral, "Queued"),
        SyncState::Syncing => (Tone::Neutral, "Syncing"),
        SyncState::Synced => (Tone::Good, "Synced"),
        SyncState::Held => (Tone::Attention, "Needs an answer"),
        SyncState::Waiting => (Tone::Attention, "Waiting"),
        SyncState::Uncertain => (Tone::Attention, "Being checked"),
        SyncState::Failed => (Tone::Stopped, "Not accepted"),
        SyncState::Stopped => (Tone::Neutral, "Left out"),
    }
}

/// Where the document stands in the ledger.
pub(crate) fn document_word(status: DocumentStatus) -> &'static str {
    match status {
        DocumentStatus::Draft => "Draft",
        DocumentStatus::Approved => "Awaiting payment",
        DocumentStatus::Paid => "Paid",
        DocumentStatus::Voided => "Voided",
        DocumentStatus::Deleted => "Deleted",
    }
}

/// What is the case, in a sentence; `version` is the invoice's own.
pub(crate) fn sentence(ledger: Ledger, row: Option<&SyncRow>, version: u64) -> Markup {
    let name = ledger.label();
    let Some(row) = row else {
        return html! { "This invoice is not in " (name) " yet." };
    };
    match row.state {
        SyncState::Never if row.link.is_none() => html! { "This invoice is not in " (name) " yet." },
        SyncState::Never => html! { "It is linked, and has not been synced since." },
        SyncState::Queued => html! { "It is in the queue and goes to " (name) " in a moment." },
        SyncState::Syncing => html! { "It is being synced right now." },
        SyncState::Synced if row.link.is_none() => html! { "There is nothing to do: it was voided before it reached " (name) "." },
        SyncState::Synced if row.done < version => {
            html! { "The invoice was changed since it was last synced. " (name) " has the version before." }
        }
        SyncState::Synced => html! { (name) " has this version of the invoice." },
        SyncState::Held => html! { "Nothing is sent to " (name) " until the question below is answered." },
        SyncState::Waiting => waiting(name, row.waiting),
        SyncState::Uncertain => html! {
            "The last answer of " (name) " was lost. CoPortal looks there what became of it before it sends anything again"
            @if let Some(until) = row.waiting.and_then(|waiting| waiting.until) { ": at " (instant(until)) } "."
        },
        SyncState::Failed => html! { (name) " did not accept it, and sending the same again would not help." },
        SyncState::Stopped if row.left_out => {
            html! { "Somebody left this invoice out. It goes to " (name) " again only when somebody presses Sync." }
        }
        SyncState::Stopped => html! { "Syncing stopped when " (name) " was disconnected. It goes on with the next sync." },
    }
}

fn waiting(name: &str, waiting: Option<Waiting>) -> Markup {
    let Some(Waiting { reason, until }) = waiting else {
        return html! { "It waits for its next try." };
    };
    let resumes =
        html! { @if let Some(until) = until { " It goes on by itself at " (instant(until)) "." } @else { " It goes on by itself." } };
    match reason {
        WaitingFor::Limit => html! { (name) " takes no more calls for the moment." (resumes) },
        WaitingFor::DayBudget => html! { "Today's calls to " (name) " are used up." (resumes) },
        WaitingFor::Ledger => html! { (name) " is not answering properly." (resumes) },
        WaitingFor::Outcome => html! { "An answer of " (name) " was lost, and CoPortal looks what became of it." (resumes) },
        WaitingFor::OtherRun => html! { "Another sync is at the same client." (resumes) },
        WaitingFor::Reconnect => {
            html! { (name) " signed us out. Once an admin has reconnected it in Settings, Integrations, this invoice goes on by itself." }
        }
        WaitingFor::Plan => html! { "The workspace's plan does not include " (name) ". Once it does, this invoice goes on by itself." },
        WaitingFor::Retry => html! { "The last try went wrong at our end." (resumes) },
    }
}

/// A hold's question as a heading; what it is about stands in its detail.
pub(crate) fn question(question: Question) -> &'static str {
    match question {
        Question::ChooseContact => "Which of these contacts is the client?",
        Question::ConfirmContact => "Is this contact the client?",
        Question::NameClash => "The client's name is taken there",
        Question::ChooseAccount => "Which account do sales go to?",
        Question::MapTax => "Which tax code is this rate?",
        Question::TotalsDiffer => "The totals would differ",
        Question::NumberTaken => "The number is taken there",
        Question::TwoDocuments => "Which of these documents is this invoice?",
        Question::ChangedInLedger => "It was changed here and there",
        Question::DocumentGone => "The document is gone there",
        Question::PaidInLedger => "Money is applied to it there",
        Question::PeriodLocked => "Its date lies in a closed period",
        Question::CurrencyMissing => "The currency is not set up there",
        Question::VoidInLedger => "It is void here and open there",
        Question::ContactGone => "The client's contact can no longer be used",
        Question::ChooseItem => "Which item are sales lines tied to?",
        Question::ChoosePaymentAccount => "Which account do payments go to?",
        Question::PostHeld => "Ready to be posted",
        Question::LockedInLedger => "The document is locked there",
        Question::PaymentDiffers => "A payment cannot be recorded as it is",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(state: SyncState, waiting: Option<Waiting>) -> SyncRow {
        SyncRow { state, waiting, ..SyncRow::default() }
    }

    /// C20: each state is visible, in a sentence of its own.
    #[test]
    fn c20_each_state_has_its_own_sentence() {
        let states = [
            SyncState::Never,
            SyncState::Queued,
            SyncState::Syncing,
            SyncState::Synced,
            SyncState::Held,
            SyncState::Waiting,
            SyncState::Uncertain,
            SyncState::Failed,
            SyncState::Stopped,
        ];
        let mut sentences: Vec<String> =
            states.iter().map(|state| sentence(Ledger::Xero, Some(&row(*state, None)), 1).into_string()).collect();
        assert!(sentences.iter().all(|sentence| sentence.ends_with('.')), "{sentences:?}");
        sentences.sort();
        sentences.dedup();
        assert_eq!(sentences.len(), states.len());
    }

    /// C19, C20: what waits says for what, and until when or for whose act.
    #[test]
    fn c20_what_waits_says_until_when() {
        let until = "2026-03-02T09:30:00Z".parse().ok();
        let shown =
            |reason, until| sentence(Ledger::Xero, Some(&row(SyncState::Waiting, Some(Waiting { reason, until }))), 1).into_string();
        assert!(shown(WaitingFor::DayBudget, until).contains("Today's calls to Xero are used up. It goes on by itself at <time"));
        assert!(shown(WaitingFor::Limit, until).contains("2 Mar 2026, 09:30 UTC"));
        assert!(shown(WaitingFor::Reconnect, None).contains("reconnected it in Settings, Integrations"));
    }
}
