//! The table: where one click leaves an invoice when a call of a kind goes wrong. Sources: docs/vendors, the sections on errors, and the
//! dispositions of docs/architecture.md.

use coportal_core::ledger::{Ledger, LedgerRules, SEND_WINDOW};

use crate::gate::Spot;
use crate::stands::Stands;
use crate::wrong::{DATE, Reach, Wrong};
use chaos::scenario::Scenario;

/// What a call is, as far as the table tells calls apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It changes nothing.
    Read,
    /// It changes something, and must not be done twice.
    Write,
    /// It goes on with a document that is begun: it may have been sent before, and what a look finds there is gone on with (R61).
    Line,
    /// It reads back what a write before it has made: whatever goes wrong with it, that write was done.
    Confirm,
    /// It asks for another access token.
    Token,
}

/// The kinds of a scenario's calls, in their order.
pub(crate) fn kinds(ledger: Ledger, scenario: Scenario, spots: &[Spot]) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = Vec::new();
    for spot in spots {
        // QuickBooks' batches are queries; so is Business Central's first one of a first sync.
        let queries = match ledger {
            Ledger::Quickbooks => spot.path.ends_with("/batch"),
            Ledger::BusinessCentral => spot.path.ends_with("/$batch") && spot.nth == 1 && scenario != Scenario::Update,
            Ledger::Sage | Ledger::Xero => false,
        };
        let of_one = spot.path.contains("/salesInvoices(") || spot.path.contains("/sales_invoices/");
        let goes_on = spot.path.ends_with("/salesInvoiceLines") || (spot.path.ends_with("/$batch") && scenario == Scenario::FirstSync);
        kinds.push(if spot.path.contains("token") {
            Kind::Token
        } else if spot.method == "GET" && of_one && matches!(kinds.last(), Some(Kind::Write | Kind::Line)) {
            Kind::Confirm
        } else if spot.method == "GET" || queries {
            Kind::Read
        } else if goes_on {
            Kind::Line
        } else {
            Kind::Write
        });
    }
    kinds
}

/// One call of a scenario, as the table is asked about it.
pub(crate) struct Asked<'a> {
    pub(crate) rules: &'a LedgerRules,
    pub(crate) scenario: Scenario,
    pub(crate) spot: &'a Spot,
    pub(crate) kind: Kind,
}

/// Where the click leaves it.
pub(crate) fn expected(asked: &Asked<'_>, wrong: Wrong, again: bool) -> Stands {
    let Asked { rules, scenario, spot, kind } = asked;
    let (ledger, kind, scenario) = (rules.ledger, *kind, *scenario);
    let failed = |cause: &str| Stands::Failed(format!("{}_{cause}", ledger.to_string().replace('-', "_")));
    let unknown = unknown(asked, wrong, again);
    // The token is renewed once; refused again, an admin is asked.
    let access = if again { Stands::Reconnect } else { Stands::Synced };
    // What was done is looked for at once, and the limit that the answer told of lets no look through.
    if kind == Kind::Confirm
        && let Wrong::Throttled(after) = wrong
    {
        return Stands::LimitFrom(told(ledger, after));
    }
    if kind == Kind::Confirm && !again {
        return Stands::Synced;
    }
    // Found by another address than the one that is struck; then posted, and read back there once more in vain.
    if kind == Kind::Confirm && scenario == Scenario::FirstSync && spot.nth == 1 {
        return Stands::Uncertain(5);
    }
    if kind == Kind::Line {
        return line(asked, wrong, again);
    }
    match wrong {
        Wrong::Refused => Stands::Ledger(5),
        // The token has ended an hour later.
        Wrong::Throttled(Some(DATE)) if scenario == Scenario::ExpiredToken => Stands::Limit(0),
        Wrong::Throttled(after) => Stands::Limit(told(ledger, after)),
        // RFC 6749, section 5.2: the grant is dead.
        Wrong::Own(400) if kind == Kind::Token => Stands::Reconnect,
        Wrong::Own(status) | Wrong::Html(status) if kind == Kind::Token && status < 500 => failed("app_refused"),
        Wrong::Own(401) | Wrong::Html(401) => access,
        Wrong::Own(403) | Wrong::Html(403) if ledger == Ledger::Quickbooks => access,
        Wrong::Own(403) | Wrong::Html(403) => failed("permission_missing"),
        Wrong::Own(status) | Wrong::Html(status) if status >= 500 => unknown,
        Wrong::Own(404) => missing(asked, again),
        Wrong::Own(409 | 412) | Wrong::Html(409 | 412) if ledger == Ledger::BusinessCentral => stale(asked, again),
        Wrong::Own(409) | Wrong::Html(409) if ledger == Ledger::Sage => conflict(asked, wrong, again),
        Wrong::Own(status) => match ledger {
            Ledger::Quickbooks | Ledger::Xero if status == 400 => failed("rule_broken"),
            Ledger::Quickbooks | Ledger::Xero => failed("request_malformed"),
            Ledger::Sage if status != 400 => failed("request_malformed"),
            Ledger::Sage | Ledger::BusinessCentral => failed("refused"),
        },
        Wrong::Html(404) if ledger == Ledger::BusinessCentral => failed("company_missing"),
        // Not the vendor's own words: something on the way that does not know the address.
        Wrong::Html(_) => failed("request_malformed"),
        // A whole answer of another shape, or about something else, is our defect on a read, and proves nothing about a write.
        Wrong::DuplicateKeys if kind != Kind::Write && kind != Kind::Token => failed("answer_unexpected"),
        Wrong::AnotherObject if kind == Kind::Confirm => failed("answer_unexpected"),
        // The journals are read one by one, and the one that is named there is not.
        Wrong::AnotherObject if spot.path.ends_with("/customerPaymentJournals") => failed("request_malformed"),
        // What a look-up finds is compared on our side; an invoice that was named by its id must be that one.
        Wrong::AnotherObject if kind == Kind::Token => Stands::Synced,
        Wrong::AnotherObject if kind == Kind::Read && is_list(ledger, spot) => Stands::Synced,
        Wrong::AnotherObject if kind == Kind::Read => failed("answer_unexpected"),
        // A status that nobody knows is none that may be voided: a person is asked.
        Wrong::UnknownEnum if ledger == Ledger::BusinessCentral && scenario == Scenario::Void && kind == Kind::Read => {
            Stands::Held("void_in_ledger")
        }
        // What is not known is left alone where nothing hangs on it.
        Wrong::UnknownEnum => Stands::Synced,
        _ => unknown,
    }
}

/// Seconds that a limit lasts, by its Retry-After or, without one, by the vendor's notes.
fn told(ledger: Ledger, after: Option<&str>) -> i64 {
    match after {
        None if ledger == Ledger::BusinessCentral => 30,
        None => 60,
        Some(DATE) => 3600,
        Some(seconds) => seconds.parse().unwrap(),
    }
}

/// Whether a read lists or looks for records, rather than reads one by its id.
fn is_list(ledger: Ledger, spot: &Spot) -> bool {
    match ledger {
        Ledger::Quickbooks => spot.path.ends_with("/query") || spot.path.ends_with("/batch"),
        Ledger::Sage => spot.path.ends_with("/contacts") || spot.path.ends_with("/sales_invoices"),
        Ledger::BusinessCentral => !spot.path.contains("/salesInvoices("),
        Ledger::Xero => false,
    }
}

/// A call of which nobody knows what became.
fn unknown(asked: &Asked<'_>, wrong: Wrong, again: bool) -> Stands {
    match (asked.kind, again) {
        // A read is simply tried later.
        (Kind::Read, _) => Stands::Ledger(5),
        (Kind::Token, _) => Stands::Ledger(30),
        // The write is looked for, and the look goes wrong in the same way.
        (Kind::Confirm | Kind::Line, _) => Stands::Ledger(5),
        // With a key, it is sent once more under it at once.
        (Kind::Write, false) if !asked.rules.key_window.is_zero() => Stands::Synced,
        (Kind::Write, true) if !asked.rules.key_window.is_zero() => Stands::Uncertain(5),
        // Without, it is looked for at once; what is not found may still come for as long as the ledger takes to settle.
        (Kind::Write, _) if wrong.reach() == Reach::After => Stands::Synced,
        (Kind::Write, _) => Stands::Uncertain(settles(asked.rules)),
    }
}

/// Seconds from a send until a look that finds nothing counts.
fn settles(rules: &LedgerRules) -> i64 {
    (SEND_WINDOW + rules.call_timeout + rules.settle).as_secs()
}

/// What the vendor says is not there.
fn missing(asked: &Asked<'_>, again: bool) -> Stands {
    let failed = |cause: &str| Stands::Failed(format!("{}_{cause}", asked.rules.ledger.to_string().replace('-', "_")));
    let Asked { scenario, spot, kind, .. } = asked;
    let of_one = match asked.rules.ledger {
        Ledger::Quickbooks => spot.path.contains("/invoice/"),
        Ledger::Sage => spot.path.contains("/sales_invoices/"),
        Ledger::BusinessCentral => spot.path.contains("/salesInvoices("),
        Ledger::Xero => false,
    };
    match (asked.rules.ledger, kind, scenario) {
        // Said of a document that is linked, it is a question (C29, C1).
        (_, Kind::Read | Kind::Confirm, _) if of_one => Stands::Held("document_gone"),
        (Ledger::BusinessCentral, Kind::Write, Scenario::Void) => Stands::Held("void_in_ledger"),
        // Something on the way to the batch: half an update is no update.
        (Ledger::BusinessCentral, Kind::Write, Scenario::Update) => failed("batch_refused"),
        // Read again, it is there, and the write goes on, once.
        (Ledger::Sage, Kind::Write, _) if of_one && !again => Stands::Synced,
        (Ledger::Sage, Kind::Write, _) if of_one => Stands::Ledger(5),
        (Ledger::Sage, Kind::Write, _) if spot.path.ends_with("/contacts") => failed("record_missing"),
        // The journal that was chosen.
        (Ledger::BusinessCentral, Kind::Write, Scenario::Payment) => failed("payment_refused"),
        // Accounts and rates are read again before a record counts as missing.
        (Ledger::Sage, Kind::Write, _) if !again => Stands::Synced,
        (Ledger::Sage, Kind::Write, _) => failed("record_missing"),
        _ => failed("request_malformed"),
    }
}

/// Business Central says that somebody was faster.
fn stale(asked: &Asked<'_>, again: bool) -> Stands {
    match (asked.kind, again) {
        (Kind::Read | Kind::Confirm, _) => Stands::Ledger(5),
        (Kind::Write | Kind::Line, false) => Stands::Synced,
        // However often one run has claimed, it is one try.
        (Kind::Write | Kind::Line, true) => Stands::Ledger(5),
        (Kind::Token, _) => Stands::Ledger(30),
    }
}

/// A document that is begun is in doubt whatever happens to its next call, until that call is looked for; what is there then is gone on
/// with.
fn line(asked: &Asked<'_>, wrong: Wrong, again: bool) -> Stands {
    let failed = |cause: &str| Stands::Failed(format!("{}_{cause}", asked.rules.ledger.to_string().replace('-', "_")));
    let by_line = asked.spot.path.ends_with("/salesInvoiceLines");
    match wrong {
        Wrong::Refused | Wrong::Own(409 | 412) | Wrong::Html(409 | 412) => Stands::Uncertain(5),
        Wrong::Throttled(after) => Stands::Uncertain(told(asked.rules.ledger, after)),
        Wrong::Own(401) | Wrong::Html(401) if again => Stands::Reconnect,
        Wrong::Own(401) | Wrong::Html(401) => Stands::Synced,
        // An environment without batches: line by line.
        Wrong::Own(404) if !by_line => Stands::Synced,
        Wrong::Own(404) => Stands::Held("document_gone"),
        Wrong::Own(400) => failed("refused"),
        Wrong::Own(403) | Wrong::Html(403) => failed("permission_missing"),
        Wrong::Html(404) => failed("company_missing"),
        Wrong::Html(400) => failed("request_malformed"),
        _ if !again => Stands::Synced,
        // A line's own answer says nothing that is needed; but where it does not come, the line is there, and the next one is struck.
        Wrong::CutAfter | Wrong::GatewayTimeoutAfter if by_line && asked.spot.nth == 1 => Stands::Uncertain(5),
        _ if wrong.reach() == Reach::After => Stands::Synced,
        _ => Stands::Uncertain(5),
    }
}

/// Sage says that somebody else is at the same record.
fn conflict(asked: &Asked<'_>, wrong: Wrong, again: bool) -> Stands {
    let of_one = asked.spot.method == "PUT" || asked.spot.method == "DELETE" || asked.spot.path.ends_with("/release");
    match (asked.kind, again) {
        (Kind::Write, false) if of_one => Stands::Synced,
        (Kind::Write, true) if of_one => Stands::Ledger(5),
        _ => unknown(asked, wrong, again),
    }
}
