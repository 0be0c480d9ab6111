//! The callback: one state, one code, and the questions that decide what becomes of the grant.

use coportal_aws::keys;
use coportal_aws::records::oauth::{OauthState, VERIFIER};
use coportal_aws::vault::{Purpose, SealContext};
use coportal_core::ctx::Ctx;
use coportal_core::failure::{Disposition, Failure};
use coportal_core::id::RunId;
use coportal_core::ledger::Ledger;
use coportal_core::oauth::{ConnectError, TokenSet};
use coportal_core::problem::{Outcome, Problem};
use coportal_core::secret::Secret;
use coportal_core::workspace::Role;

use super::ReturnPath;
use crate::Engine;

/// What a ledger sent along with the browser.
#[derive(Default)]
pub struct CallbackQuery {
    state: Option<Secret>,
    code: Option<Secret>,
    error: Option<String>,
    realm: Option<String>,
}

/// Longest parameter that is read; ledgers' codes have a few hundred characters.
const PARAMETER_MAX: usize = 4096;

impl CallbackQuery {
    /// Reads the query. A parameter that comes twice, or is unreasonably long, counts as absent (RFC 6749, section 3.1: "must not be
    /// included more than once").
    #[must_use]
    pub fn parse(query: &str) -> Self {
        let one = |wanted: &str| {
            let mut values = url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == wanted).map(|(_, value)| value);
            let first = values.next().filter(|value| !value.is_empty() && value.len() <= PARAMETER_MAX)?;
            values.next().is_none().then(|| first.into_owned())
        };
        Self { state: one("state").map(Secret::new), code: one("code").map(Secret::new), error: one("error"), realm: one("realmId") }
    }

    /// What the query says, when it says exactly one thing.
    fn answer(self) -> Option<(Secret, Said)> {
        let Self { state, code, error, realm } = self;
        // Our states are 64 hexadecimal digits; anything else is none, and costs no look-up.
        let state = state.filter(|state| state.expose().len() == 64 && state.expose().bytes().all(|b| b.is_ascii_hexdigit()))?;
        match (code, error) {
            (Some(code), None) => Some((state, Said::Code { code, realm })),
            (None, Some(error)) => Some((state, Said::Error(error))),
            (Some(_), Some(_)) | (None, None) => None,
        }
    }
}

enum Said {
    /// A code, and the organisation that the query names beside it, where the ledger does so: a claim to be verified with the token.
    Code {
        code: Secret,
        realm: Option<String>,
    },
    Error(String),
}

/// How a callback, or the confirmation of a parked grant, ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallbackEnd {
    /// The ledger is connected.
    Connected {
        /// Where the browser goes.
        return_to: ReturnPath,
        /// The organisation's name.
        organisation: String,
    },
    /// Several organisations were granted; an admin chooses.
    ChooseOrganisation {
        /// Where the browser goes.
        return_to: ReturnPath,
    },
    /// The browser is not the one that began: the grant is sealed and waits for its user; the connection is as it was.
    Parked,
    /// Nothing came of it.
    Failed {
        /// Where the browser goes.
        return_to: ReturnPath,
        /// Why.
        error: ConnectError,
    },
}

impl CallbackEnd {
    pub(super) fn failed(error: ConnectError) -> Self {
        Self::Failed { return_to: ReturnPath::settings(), error }
    }

    /// The path of our own that the browser is sent to, with the outcome.
    #[must_use]
    pub fn location(&self, ledger: Ledger) -> String {
        match self {
            Self::Connected { return_to, .. } | Self::ChooseOrganisation { return_to } => return_to.with("connected", ledger.slug()),
            Self::Parked => ReturnPath::settings().with("connect_error", "confirm_required"),
            Self::Failed { return_to, error } => return_to.with("connect_error", error.code()),
        }
    }

    /// One word for logs and metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Connected { .. } => "connected",
            Self::ChooseOrganisation { .. } => "choose_organisation",
            Self::Parked => "parked",
            Self::Failed { error, .. } => error.code(),
        }
    }
}

impl Engine {
    /// Takes a callback. A state that is missing, unknown, used, over or of another ledger changes nothing and calls no vendor. From
    /// another browser the grant is only parked, for whoever began to confirm ([`Engine::confirm`]): somebody may have been sent an
    /// attacker's link.
    ///
    /// # Errors
    /// When records or keys do not answer; whatever the ledger or the user decided is an end, not an error.
    pub async fn callback(&self, ctx: &Ctx, ledger: Ledger, query: CallbackQuery, browser: Option<Secret>) -> Outcome<CallbackEnd> {
        let Some((state, said)) = query.answer() else {
            return Ok(CallbackEnd::failed(ConnectError::InvalidState));
        };
        let request = RunId::new(ctx.uuid()).to_string();
        let Some(sign_in) = self.store.consume_oauth_state(ctx, ledger, state.expose(), &request).await? else {
            return Ok(CallbackEnd::failed(ConnectError::InvalidState));
        };
        let return_to = ReturnPath::stored(sign_in.return_path.as_deref());
        let failed = |error| CallbackEnd::Failed { return_to: return_to.clone(), error };
        let (code, realm) = match said {
            Said::Code { code, realm } => (code, realm),
            Said::Error(error) => return Ok(failed(refusal(&error))),
        };
        // Ten minutes are long enough to lose a role or a plan (C21, R146).
        let access = self.store.access(ctx, sign_in.ws, &sign_in.user, None).await?;
        let (Some(workspace), Some(member)) = (access.workspace, access.member) else {
            return Ok(failed(ConnectError::InvalidState));
        };
        if !member.active || member.role < Role::Admin {
            return Ok(failed(ConnectError::InvalidState));
        }
        if crate::sync::check_plan(&workspace, ledger).is_err() {
            return Ok(failed(ConnectError::PlanRequired));
        }
        let tokens = match self.exchange(ctx, &sign_in, &code, realm.as_deref()).await? {
            Ok(tokens) => tokens,
            Err(failure) => return Ok(failed(unreachable_or_refused(&failure))),
        };
        let same_browser = browser.is_some_and(|cookie| keys::is_secret_of(cookie.expose(), &sign_in.browser_hash));
        if !same_browser {
            self.park(ctx, &state, &request, &sign_in, &tokens).await?;
            return Ok(CallbackEnd::Parked);
        }
        self.settle_grant(ctx, &workspace, &sign_in.user, ledger, tokens, return_to).await
    }

    /// Trades the code for tokens, with the verifier and the client's secret.
    async fn exchange(&self, ctx: &Ctx, sign_in: &OauthState, code: &Secret, realm: Option<&str>) -> Outcome<Result<TokenSet, Failure>> {
        let ledger = sign_in.ledger;
        let (api, _) = self.connectable(ledger)?;
        let credentials = self.credentials(ctx, ledger).await?;
        let context = SealContext::sign_in(sign_in.ws, ledger, Purpose::Verifier);
        let mut opened = self.vault.open(ctx, &sign_in.verifier, &context, 0).await?;
        let verifier = opened.take(VERIFIER).ok_or_else(|| Problem::internal_error("the sealed verifier is missing"))?;
        let redirect_uri = self.redirect_uri(ledger);
        Ok(api.sign_in.exchange_code(&credentials, code, &verifier, &redirect_uri, realm, ctx.now()).await)
    }
}

/// What the ledger's own word for a refusal means here (RFC 6749, section 4.1.2.1).
fn refusal(error: &str) -> ConnectError {
    match error {
        "access_denied" => ConnectError::AccessDenied,
        "temporarily_unavailable" | "server_error" => ConnectError::LedgerUnavailable,
        _ => ConnectError::ExchangeFailed,
    }
}

/// A code counts once, whatever became of the call: the user starts again, told whether the ledger was there.
pub(super) fn unreachable_or_refused(failure: &Failure) -> ConnectError {
    tracing::warn!(code = %failure.code, internal = %failure.internal, status = failure.status, "a sign-in did not succeed");
    match failure.disposition {
        Disposition::Retry { .. } | Disposition::LookFirst => ConnectError::LedgerUnavailable,
        Disposition::Reauthorize | Disposition::Reject { .. } | Disposition::Hold { .. } | Disposition::Stale | Disposition::Defect => {
            ConnectError::ExchangeFailed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(query: &str) -> Option<&'static str> {
        CallbackQuery::parse(query).answer().map(|(_, said)| match said {
            Said::Code { .. } => "code",
            Said::Error(_) => "error",
        })
    }

    #[test]
    fn a_query_says_one_thing_or_nothing() {
        let state = "a1".repeat(32);
        assert_eq!(says(&format!("code=c&state={state}")), Some("code"));
        assert_eq!(says(&format!("error=access_denied&state={state}&error_description=x")), Some("error"));
        for query in [
            String::new(),
            "code=c".to_owned(),
            "code=c&state=".to_owned(),
            format!("code=c&state={}", &state[1..]),
            format!("code=c&state={state}0"),
            format!("code=c&state={}z", &state[1..]),
            format!("state={state}"),
            format!("code=&state={state}"),
            format!("code=c&error=access_denied&state={state}"),
            format!("code=c&state={state}&state={state}"),
            format!("code=c&code=d&state={state}"),
            format!("code={}&state={state}", "c".repeat(PARAMETER_MAX + 1)),
        ] {
            assert_eq!(says(&query), None, "{query}");
        }
    }

    #[test]
    fn every_end_leads_to_a_path_of_our_own() {
        let settings = ReturnPath::settings;
        let at = |end: CallbackEnd| end.location(Ledger::Xero);
        assert_eq!(at(CallbackEnd::Parked), "/settings/integrations?connect_error=confirm_required");
        assert_eq!(at(CallbackEnd::failed(ConnectError::AccessDenied)), "/settings/integrations?connect_error=access_denied");
        let connected = CallbackEnd::Connected { return_to: settings(), organisation: "O & Co".to_owned() };
        assert_eq!(at(connected), "/settings/integrations?connected=xero");
        assert_eq!(at(CallbackEnd::ChooseOrganisation { return_to: ReturnPath::parse("/a?b=c").unwrap() }), "/a?b=c&connected=xero");
    }

    #[test]
    fn the_ledgers_words_become_ours() {
        assert_eq!(refusal("access_denied"), ConnectError::AccessDenied);
        assert_eq!(refusal("server_error"), ConnectError::LedgerUnavailable);
        assert_eq!(refusal("invalid_scope"), ConnectError::ExchangeFailed);
    }
}
