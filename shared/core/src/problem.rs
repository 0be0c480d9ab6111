//! What a user reads when something is refused, and what only the log keeps.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What to do about a problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Fix {
    /// The action, in a sentence.
    pub what: Cow<'static, str>,
    /// Where to do it: a page of CoPortal, or a place in the ledger.
    #[serde(rename = "where")]
    pub place: Cow<'static, str>,
    /// Whether trying the same again can help.
    pub retry_helps: bool,
}

impl Fix {
    /// A fix, from its three parts.
    #[must_use]
    pub fn new(what: impl Into<Cow<'static, str>>, place: impl Into<Cow<'static, str>>, retry_helps: bool) -> Self {
        Self { what: what.into(), place: place.into(), retry_helps }
    }
}

/// One thing that is wrong with one part of a request or document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Issue {
    /// JSON pointer of the part.
    pub pointer: Cow<'static, str>,
    /// Stable code.
    pub code: Cow<'static, str>,
    /// The sentence a user reads.
    pub detail: Cow<'static, str>,
}

impl Issue {
    /// An issue, from its three parts.
    #[must_use]
    pub fn new(pointer: impl Into<Cow<'static, str>>, code: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { pointer: pointer.into(), code: code.into(), detail: detail.into() }
    }
}

/// The class of a problem; HTTP gives it a status (`shared/lambda`), a queue decides by it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// Nobody, or nobody known, is asking.
    Unauthenticated,
    /// Known, but not allowed.
    Forbidden,
    /// Not there, or another workspace's: the same answer.
    NotFound,
    /// The request contradicts the present state.
    Conflict,
    /// The version that the caller saw is no longer the newest.
    Stale,
    /// A precondition header is missing.
    PreconditionRequired,
    /// The request itself is wrong.
    Invalid,
    /// The body is too large.
    TooLarge,
    /// Too many requests.
    Limited,
    /// A ledger or an AWS service could not be asked just now.
    Unavailable,
    /// Our own defect.
    Internal,
}

/// A refusal or failure: the half a user reads, and the half only the log keeps.
///
/// There is no `Display`: whoever prints one has to choose a half. Only the public half can reach an answer.
#[derive(Clone)]
pub struct Problem {
    /// Its class.
    pub kind: ProblemKind,
    /// Stable `snake_case` code.
    pub code: Cow<'static, str>,
    /// What happened, in a sentence for the user.
    pub detail: Cow<'static, str>,
    /// What to do about it.
    pub fix: Option<Fix>,
    /// The parts that are wrong.
    pub issues: Vec<Issue>,
    /// What the log keeps: never shown, never a secret.
    internal: Option<String>,
}

impl Problem {
    /// A problem with a code and a sentence.
    #[must_use]
    pub fn new(kind: ProblemKind, code: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, code: code.into(), detail: detail.into(), fix: None, issues: Vec::new(), internal: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn fix(mut self, what: impl Into<Cow<'static, str>>, place: impl Into<Cow<'static, str>>, retry_helps: bool) -> Self {
        self.fix = Some(Fix::new(what, place, retry_helps));
        self
    }

    /// Adds the parts that are wrong.
    #[must_use]
    pub fn issues(mut self, issues: Vec<Issue>) -> Self {
        self.issues = issues;
        self
    }

    /// Adds what the log keeps. It must not hold a secret.
    #[must_use]
    pub fn because(mut self, internal: impl fmt::Display) -> Self {
        self.internal = Some(internal.to_string());
        self
    }

    /// The half for the log.
    #[must_use]
    pub fn internal(&self) -> Option<&str> {
        self.internal.as_deref()
    }

    /// The request's own fields are wrong (422).
    #[must_use]
    pub fn invalid(issues: Vec<Issue>) -> Self {
        Self::new(ProblemKind::Invalid, "invalid_request", "The request has fields that cannot be accepted.").issues(issues).fix(
            "Correct the fields named in issues and send the request again.",
            "the request",
            false,
        )
    }

    /// Missing, or another workspace's.
    #[must_use]
    pub fn not_found(what: &'static str) -> Self {
        Self::new(ProblemKind::NotFound, "not_found", format!("There is no such {what} in this workspace.")).fix(
            format!("Check the {what}'s id."),
            "the request",
            false,
        )
    }

    /// A defect of ours; the sentence says nothing about its cause.
    #[must_use]
    pub fn internal_error(because: impl fmt::Display) -> Self {
        Self::new(ProblemKind::Internal, "internal", "Something went wrong on our side. Nothing was half-written; we have been told.")
            .fix("Try again in a minute; if it stays, send the request id to support.", "CoPortal support", true)
            .because(because)
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problem")
            .field("kind", &self.kind)
            .field("code", &self.code)
            .field("internal", &self.internal)
            .finish_non_exhaustive()
    }
}

/// A result whose error a user can act on.
pub type Outcome<T> = Result<T, Problem>;
