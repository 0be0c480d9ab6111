//! What happened, said in words: the outcome codes that a redirect carries.

use coportal_core::connection::Options;
use coportal_core::ledger::Ledger;
use coportal_engine::connect::ConnectionView;
use coportal_pages::components::Tone;

/// A message above the cards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) tone: Tone,
    pub(crate) title: String,
    pub(crate) text: String,
}

impl Message {
    fn new(tone: Tone, title: impl Into<String>, text: impl Into<String>) -> Self {
        Self { tone, title: title.into(), text: text.into() }
    }
}

/// Consent was given (C22: always confirmed); with several organisations one is still to be chosen.
pub(crate) fn connected(ledger: Ledger, choose: bool) -> Message {
    let label = ledger.label();
    if choose {
        return Message::new(
            Tone::Attention,
            format!("{label} gave access to several organisations"),
            format!("Choose on the {label} card which one invoices go to. The others are let go."),
        );
    }
    Message::new(Tone::Good, format!("{label} is connected"), "Sync a sent or paid invoice to see it there.")
}

/// The connection was taken apart; `left` is the receipt's reason why the ledger's side was not removed, if it was not.
pub(crate) fn disconnected(ledger: Ledger, left: Option<&str>, stopped: u64) -> Message {
    let label = ledger.label();
    let waiting = match stopped {
        0 => String::new(),
        1 => " One waiting invoice was stopped.".to_owned(),
        n => format!(" {n} waiting invoices were stopped."),
    };
    let title = format!("{label} is disconnected");
    let erased = "CoPortal's tokens are erased";
    match left {
        None => Message::new(Tone::Good, title, format!("{erased} and its access at {label} is removed.{waiting}")),
        Some("used_by_another_workspace") => {
            let text = format!(
                "{erased}. Another CoPortal workspace uses the same organisation, so its access at {label} stays for that one.{waiting}"
            );
            Message::new(Tone::Good, title, text)
        }
        Some(_) => {
            let text = format!(
                "{erased}. {label} could not be asked to remove CoPortal's access: remove it there, under Connected apps.{waiting}"
            );
            Message::new(Tone::Attention, title, text)
        }
    }
}

/// An option was changed; `pressed` is the switch, if it was one. What it means is said of the options as they stand.
pub(crate) fn saved(ledger: Ledger, pressed: Option<&str>, options: &Options) -> Message {
    let label = ledger.label();
    let (title, text) = match (pressed, options.auto_sync, options.sync_as_draft) {
        (Some("auto_sync"), true, _) => (
            format!("Auto-sync to {label} is on"),
            "Invoices go there by themselves from now on. Those that are there already are not touched until they change.".to_owned(),
        ),
        (Some("auto_sync"), false, _) => (
            format!("Auto-sync to {label} is off"),
            "Invoices are synced when somebody presses Sync. What is queued already is still brought to its end.".to_owned(),
        ),
        (Some("sync_as_draft"), _, true) => (
            format!("Invoices go to {label} as drafts"),
            "That holds from now on. What is approved there is never taken back to draft.".to_owned(),
        ),
        (Some("sync_as_draft"), _, false) => (
            format!("Invoices go to {label} approved"),
            "That holds from now on. Drafts that are there already stay drafts: see Approve drafts on the card for what approving them would do.".to_owned(),
        ),
        _ => (format!("The options of {label} are saved"), "They hold for invoices synced from now on.".to_owned()),
    };
    Message::new(Tone::Good, title, text)
}

/// The ledger answered a test.
pub(crate) fn tested(ledger: Ledger, connection: &ConnectionView, ms: Option<u64>) -> Message {
    let name = connection.organisation.as_ref().map_or(ledger.label(), |organisation| organisation.name.as_str());
    let time = ms.map(|ms| format!(" It took {ms} ms.")).unwrap_or_default();
    Message::new(Tone::Good, format!("{} answers", ledger.label()), format!("CoPortal has just read {name}.{time}"))
}

/// Accounts and tax codes were chosen.
pub(crate) fn chosen(ledger: Ledger) -> Message {
    let title = format!("Accounts and tax of {} are saved", ledger.label());
    Message::new(Tone::Good, title, "They hold for invoices synced from now on.")
}

/// Why connecting did not work, and what to do. An unknown code gets a plain answer and is never repeated.
pub(crate) fn connect_error(code: &str) -> Message {
    let (tone, title, text) = match code {
        "access_denied" => (
            Tone::Attention,
            "Access was not given",
            "Somebody pressed Cancel on the ledger's page. Nothing was changed. Press Connect to try again.",
        ),
        "invalid_state" => (
            Tone::Stopped,
            "This sign-in is no longer valid",
            "It was already used, is older than ten minutes, or belongs to somebody else. Nothing was changed. Press Connect and finish in the same browser.",
        ),
        "exchange_failed" => (
            Tone::Stopped,
            "The ledger did not accept the sign-in",
            "Its answer had expired or was used before. Nothing was changed. Press Connect to try again.",
        ),
        "no_organisation" => (
            Tone::Attention,
            "No organisation was chosen",
            "The ledger gave access, but to no organisation. Press Connect and tick the organisation that invoices should go to.",
        ),
        "plan_required" => {
            (Tone::Attention, "Your plan does not include this ledger", "Upgrade the workspace under Settings, Plan; then press Connect.")
        }
        "ledger_unavailable" => {
            (Tone::Stopped, "The ledger could not be reached", "Nothing was changed. Wait a minute and press Connect again.")
        }
        "confirm_required" => (
            Tone::Attention,
            "Is this connection yours?",
            "The sign-in came back in another browser than the one it was started in. Nothing is connected until whoever started it confirms it on the card below, within 30 minutes. If it was not you, do nothing.",
        ),
        _ => (Tone::Stopped, "Connecting did not work", "Nothing was changed. Press Connect to try again."),
    };
    Message::new(tone, title, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_callback_has_its_own_words_and_a_way_on() {
        let unknown = connect_error("<script>alert(1)</script>");
        assert!(!format!("{unknown:?}").contains("script"));
        for code in [
            "access_denied",
            "invalid_state",
            "exchange_failed",
            "no_organisation",
            "plan_required",
            "ledger_unavailable",
            "confirm_required",
        ] {
            let message = connect_error(code);
            assert_ne!(message, unknown, "{code}");
            assert!(message.text.contains("Connect") || message.text.contains("confirm"), "{code}");
        }
    }

    #[test]
    fn a_disconnect_says_what_was_not_done() {
        assert_eq!(disconnected(Ledger::Xero, None, 0).tone, Tone::Good);
        assert!(disconnected(Ledger::Xero, Some("used_by_another_workspace"), 1).text.contains("One waiting invoice"));
        let left = disconnected(Ledger::Xero, Some("unreachable"), 2);
        assert_eq!(left.tone, Tone::Attention);
        assert!(left.text.contains("2 waiting invoices were stopped") && left.text.contains("Connected apps"));
    }
}
