//! What a fix-it catalogue consists of: for each cause of a failure a stable code, what a user reads, what to do, where, and whether trying
//! again helps. The catalogues are the ledgers' own (`<ledger>/fixit.rs`).

use std::borrow::Cow;

use bytes::Bytes;
use coportal_core::failure::Failure;
use coportal_core::metering::Limit;
use coportal_core::problem::Fix;
use http::Response;
use jiff::SignedDuration;

use crate::judge::Asked;

/// An entry of a catalogue. None of its texts repeats a vendor's words.
pub(crate) struct Entry {
    /// Stable code, `<ledger>_<cause>`.
    pub(crate) code: &'static str,
    /// What happened.
    pub(crate) detail: &'static str,
    /// What to do.
    pub(crate) what: &'static str,
    /// Where to click.
    pub(crate) place: &'static str,
    /// Whether the same request may succeed later.
    pub(crate) retry_helps: bool,
}

/// An entry, field by field in one line.
pub(crate) const fn entry(code: &'static str, detail: &'static str, what: &'static str, place: &'static str, retry_helps: bool) -> Entry {
    Entry { code, detail, what, place, retry_helps }
}

impl Entry {
    /// The entry's advice, as an answer carries it.
    pub(crate) fn fix(&self) -> Fix {
        Fix { what: Cow::Borrowed(self.what), place: Cow::Borrowed(self.place), retry_helps: self.retry_helps }
    }
}

/// Where nothing is to be clicked.
pub(crate) const WAIT: &str = "no click needed";

/// What can go wrong with any vendor, before its own words are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Common {
    /// No connection: nothing was sent.
    Unreachable,
    /// No answer to a read.
    NoAnswer,
    /// A write whose effect nobody knows.
    OutcomeUnknown,
    /// A success whose body is damaged.
    AnswerUnreadable,
    /// A success that is about something else.
    AnswerUnexpected,
    /// A request of ours that cannot be right.
    RequestMalformed,
    /// The code of a consent was refused.
    CodeRefused,
    /// Our app's registration was refused.
    AppRefused,
}

/// What a vendor's own words at its token endpoint say beyond the standard's error codes.
pub(crate) enum GrantRefusal<C> {
    /// The grant is refused until a person does something: a code is lost, a refresh token is dead.
    Closed(C),
    /// Nothing was done, and the same may be asked again later.
    Later(C),
}

/// A ledger's catalogue: its causes, and how its answers are judged.
pub(crate) trait Catalogue: Copy + Eq + Send + Sync + 'static {
    /// The ledger's own cause for what can go wrong with any vendor.
    fn common(common: Common) -> Self;

    /// Its entry.
    fn entry(self) -> Entry;

    /// Whether it shows that stored facts (accounts, tax rates) are stale.
    fn facts_stale(self) -> bool;

    /// Whether an answer is a success.
    fn succeeded(answer: &Response<Bytes>) -> bool {
        answer.status().is_success()
    }

    /// Reads a refusal at the token endpoint (`error`, `error_description`); `None` leaves it to the standard's codes.
    fn grant_refused(_error: &str, _description: &str) -> Option<GrantRefusal<Self>> {
        None
    }

    /// The limit that an answer refuses a call for, and how long that lasts where the answer names no time; `None` for any other answer.
    fn limit(answer: &Response<Bytes>) -> Option<(Limit, SignedDuration)>;

    /// The same for a part of a batch that was refused inside a success.
    fn limit_inside(_answer: &Response<Bytes>) -> Option<(Limit, SignedDuration)> {
        None
    }

    /// The failure that an answer other than a success is.
    fn failure(asked: &Asked<'_>, answer: &Response<Bytes>) -> Failure;
}
