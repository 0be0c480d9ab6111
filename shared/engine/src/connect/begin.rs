//! The beginning of a connection: the gates, the state, the consent page.

use coportal_aws::keys;
use coportal_aws::records::oauth::{OauthState, STATE_LIVES, VERIFIER};
use coportal_aws::vault::{Purpose, SealContext};
use coportal_core::ctx::Ctx;
use coportal_core::id::UserId;
use coportal_core::ledger::Ledger;
use coportal_core::problem::{Outcome, Problem, ProblemKind};
use coportal_core::secret::Secret;
use coportal_core::timeline::Actor;
use coportal_core::workspace::Workspace;
use coportal_ledgers::profile::Lane;
use coportal_ledgers::{AuthorizeRequest, ClientCredentials, LedgerApi, pkce_challenge};
use jiff::Timestamp;
use url::Url;

use super::ReturnPath;
use super::view::Availability;
use crate::{Engine, LedgerSettings};

/// The cookie that ties a sign-in to the browser it began in. The prefix makes browsers insist on `Secure`, `Path=/` and no `Domain`.
pub const CONNECT_COOKIE: &str = "__Host-connect";

/// A sign-in that has begun.
pub struct ConnectStart {
    /// The consent page; it carries the state, so it goes to the asking browser and nowhere else.
    pub authorize_url: Url,
    /// Until when the callback is taken.
    pub expires_at: Timestamp,
    /// What the browser keeps in [`CONNECT_COOKIE`].
    pub browser: Secret,
}

impl ConnectStart {
    /// The `Set-Cookie` line of [`CONNECT_COOKIE`]. `Lax`, because the ledger's redirect is a navigation from another site.
    #[must_use]
    pub fn cookie(&self) -> String {
        let life = STATE_LIVES.as_secs();
        format!("{CONNECT_COOKIE}={}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={life}", self.browser.expose())
    }
}

impl Engine {
    /// Begins to connect a ledger: a state that works once and for ten minutes, a sealed PKCE verifier, and the consent page.
    ///
    /// # Errors
    /// 403 `plan_required` (R146); 409 `pending_approval` (R150); 503 when records, keys or parameters cannot be had.
    pub async fn begin_connect(
        &self,
        ctx: &Ctx,
        workspace: &Workspace,
        user: &UserId,
        ledger: Ledger,
        return_to: ReturnPath,
    ) -> Outcome<ConnectStart> {
        crate::sync::check_plan(workspace, ledger)?;
        let (api, settings) = self.connectable(ledger)?;
        let [client_id] = self.parameters.get(ctx, [settings.client_id_parameter.as_str()]).await?;
        let (state, browser, verifier) = (ctx.token(), Secret::new(ctx.token()), Secret::new(ctx.token()));
        let context = SealContext::sign_in(workspace.id, ledger, Purpose::Verifier);
        let key = self.vault.data_key(ctx, &context).await?;
        let sealed = self.vault.seal(ctx, &key, 0, &[(VERIFIER, &verifier)])?;
        let expires_at = ctx.now().saturating_add(STATE_LIVES).unwrap_or(Timestamp::MAX);
        let authorize_url = api.sign_in.authorize_url(&AuthorizeRequest {
            client_id: client_id.expose(),
            redirect_uri: &self.redirect_uri(ledger),
            state: &state,
            pkce_challenge: &pkce_challenge(&verifier),
            lanes: &[Lane::Push],
        });
        let sign_in = OauthState {
            ws: workspace.id,
            user: user.clone(),
            ledger,
            verifier: sealed,
            browser_hash: keys::secret_hash(browser.expose()),
            return_path: Some(return_to.as_str().to_owned()),
            begun_at: ctx.now(),
            consumed_by: None,
            grant: None,
            grant_terms: None,
            taken_by: None,
        };
        self.store.put_oauth_state(ctx, &state, &sign_in).await?;
        let text = format!("Went to {} to connect it.", ledger.label());
        self.audit(ctx, workspace.id, Actor::User(user.clone()), "connect_started", Some(ledger), text).await?;
        Ok(ConnectStart { authorize_url, expires_at, browser })
    }

    /// Where consent pages are, so that a page's content security policy lets its form lead there.
    #[must_use]
    pub fn consent_origins(&self) -> Vec<String> {
        let available = Ledger::ALL.into_iter().filter_map(|ledger| self.connectable(ledger).ok());
        let blank = AuthorizeRequest { client_id: "", redirect_uri: "", state: "", pkce_challenge: "", lanes: &[] };
        available.map(|(api, _)| api.sign_in.authorize_url(&blank).origin().ascii_serialization()).collect()
    }

    /// What this deployment has of a ledger that can be connected.
    pub(super) fn connectable(&self, ledger: Ledger) -> Outcome<(&LedgerApi, &LedgerSettings)> {
        let settings = self.settings.ledgers.get(&ledger).filter(|settings| settings.available);
        let api = self.ledgers.get(ledger);
        api.zip(settings).ok_or_else(|| {
            let label = ledger.label();
            let (detail, change) = if api.is_none() {
                (format!("{label} comes with a later version of CoPortal, so it cannot be connected."), "it is there")
            } else {
                (format!("{label} has not approved CoPortal's app yet, so it cannot be connected."), "the approval comes")
            };
            Problem::new(ProblemKind::Conflict, "pending_approval", detail).fix(
                format!("Nothing is to be done here: the card changes when {change}."),
                "Settings -> Integrations",
                false,
            )
        })
    }

    pub(super) fn availability(&self, ledger: Ledger) -> Availability {
        if self.connectable(ledger).is_ok() { Availability::Available } else { Availability::PendingApproval }
    }

    /// Our app's id and secret at a ledger.
    pub(crate) async fn credentials(&self, ctx: &Ctx, ledger: Ledger) -> Outcome<ClientCredentials> {
        let settings = self.settings.ledgers.get(&ledger);
        let settings = settings.ok_or_else(|| Problem::internal_error(format_args!("no settings for {ledger}")))?;
        let names = [settings.client_id_parameter.as_str(), settings.client_secret_parameter.as_str()];
        let [id, secret] = self.parameters.get(ctx, names).await?;
        Ok(ClientCredentials { client_id: id.expose().to_owned(), client_secret: Secret::new(secret.expose().to_owned()) })
    }
}
