//! A sign-in from its beginning to the session: begun, brought back, spent once, handed off.

use std::collections::BTreeSet;

use coportal_aws::keys::{is_secret_of, secret_hash};
use coportal_aws::records::sign_in::connections::{Passed, SsoConnection, TestRun};
use coportal_aws::records::sign_in::logins::{HandOff, Login, LoginPurpose};
use coportal_aws::store::Versioned;
use coportal_aws::vault::under_state;
use coportal_core::ctx::Ctx;
use coportal_core::id::{SsoConnectionId, UserId, WorkspaceId};
use coportal_core::problem::{Outcome, Problem};
use coportal_core::secret::Secret;
use coportal_core::timeline::Actor;
use coportal_core::workspace::Plan;
use coportal_identity::domain::{Domain, Email};
use coportal_identity::oidc::{Callback, Hints, Pending, Provider};
use coportal_identity::return_to::ReturnTo;
use coportal_identity::{Identity, Reason, Refusal, ShownClaim};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::audit::subject;
use crate::problems::saved;
use crate::settings::{MICROSOFT, Speaks, document, from_document, speaks};
use crate::{SignIn, request_name};

/// Our own page, where a sign-in ends well or badly.
pub const SIGN_IN_PAGE: &str = "/sign-in";

/// A sign-in that has begun.
pub struct Begun {
    /// Where the browser goes.
    pub location: String,
    /// What the browser is recognised by when it comes back: the value of a cookie.
    pub browser: Secret,
}

/// How a step of a sign-in ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// The provider's answer is spent; our own GET goes on, where the browser shows its cookie.
    Complete {
        /// Names the answer, once.
        handle: String,
    },
    /// Somebody is signed in: the code is exchanged for the session.
    HandOff {
        /// The one-time code.
        code: String,
    },
    /// A test or the binding of a tenant is over.
    Tested {
        /// The connection.
        connection: SsoConnectionId,
        /// Whether a person would have been let in.
        passed: bool,
        /// Why, or why not.
        reason: Reason,
    },
    /// It is over.
    Failed(Refusal),
}

impl End {
    /// Where the browser goes next: always a path of our own.
    #[must_use]
    pub fn location(&self) -> String {
        match self {
            Self::Complete { handle } => format!("/v1/sso/complete?handle={handle}"),
            Self::HandOff { code } => format!("{SIGN_IN_PAGE}?code={code}"),
            Self::Tested { connection, passed, reason } => {
                format!("{SIGN_IN_PAGE}?test={}&connection={connection}&reason={reason}", if *passed { "passed" } else { "failed" })
            }
            Self::Failed(refusal) => format!("{SIGN_IN_PAGE}?error={}", refusal.reason),
        }
    }

    /// A word for the log.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Complete { .. } => "settled",
            Self::HandOff { .. } => "signed_in",
            Self::Tested { passed: true, .. } => "test_passed",
            Self::Tested { passed: false, .. } => "test_failed",
            Self::Failed(refusal) => refusal.reason.code(),
        }
    }
}

impl From<Reason> for End {
    fn from(reason: Reason) -> Self {
        Self::Failed(reason.into())
    }
}

/// What a one-time code stood for.
#[derive(Debug, PartialEq, Eq)]
pub struct Redeemed {
    /// Who signed in.
    pub user: UserId,
    /// Where.
    pub workspace: WorkspaceId,
    /// By which connection.
    pub connection: SsoConnectionId,
    /// When the provider's session ends.
    pub ends_at: Option<Timestamp>,
    /// Where the browser goes: a path of our own.
    pub return_to: String,
}

/// What a provider has proved, between its answer and what follows from it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Proved {
    pub(crate) identity: Option<Identity>,
    pub(crate) reason: Option<Reason>,
    pub(crate) detail: Option<String>,
    pub(crate) shown: Vec<ShownClaim>,
    pub(crate) hosted_domain: Option<Domain>,
}

impl Proved {
    pub(crate) fn new(identity: Result<Identity, Refusal>, shown: Vec<ShownClaim>, hosted_domain: Option<Domain>) -> Self {
        match identity {
            Ok(identity) => Self { identity: Some(identity), reason: None, detail: None, shown, hosted_domain },
            Err(refusal) => Self { identity: None, reason: Some(refusal.reason), detail: refusal.detail, shown, hosted_domain },
        }
    }

    fn identity(&self) -> Result<&Identity, Refusal> {
        self.identity.as_ref().ok_or_else(|| Refusal { reason: self.reason.unwrap_or(Reason::Malformed), detail: self.detail.clone() })
    }
}

/// What of a sign-in is the same at every step.
pub(crate) struct Run {
    pub(crate) ws: WorkspaceId,
    pub(crate) connection: SsoConnectionId,
    pub(crate) purpose: LoginPurpose,
    pub(crate) browser_hash: String,
    pub(crate) return_to: String,
}

impl Run {
    pub(crate) fn of_login(login: &Login) -> Self {
        Self {
            ws: login.ws,
            connection: login.connection,
            purpose: login.purpose.clone(),
            browser_hash: login.browser_hash.clone(),
            return_to: login.return_to.clone(),
        }
    }

    fn of_handle(handle: &HandOff) -> Self {
        Self {
            ws: handle.ws,
            connection: handle.connection,
            purpose: handle.purpose.clone(),
            browser_hash: handle.browser_hash.clone(),
            return_to: handle.return_to.clone(),
        }
    }

    /// A code or handle of this sign-in.
    pub(crate) fn hand_off(&self, at: Timestamp) -> HandOff {
        HandOff {
            ws: self.ws,
            connection: self.connection,
            purpose: self.purpose.clone(),
            browser_hash: self.browser_hash.clone(),
            return_to: self.return_to.clone(),
            proved: None,
            user: None,
            ends_at: None,
            at,
            consumed_by: None,
        }
    }
}

/// A cookie's value is one of ours: 64 hexadecimal digits.
fn is_browser(value: &str) -> bool {
    value.len() == 64 && value.bytes().all(|b| b.is_ascii_hexdigit())
}

fn same_browser(browser: Option<&Secret>, hash: &str) -> bool {
    browser.is_some_and(|browser| is_secret_of(browser.expose(), hash))
}

fn sealed_for(connection: SsoConnectionId) -> String {
    format!("login {connection}")
}

impl SignIn {
    /// Begins a person's sign-in by a connection. `browser` is the cookie that the browser has from an earlier beginning: two pages of
    /// one browser may sign in at once.
    ///
    /// # Errors
    /// 503 when records or parameters cannot be had. What the person reads instead of the provider's page is the inner refusal.
    pub async fn start(
        &self,
        ctx: &Ctx,
        connection: &str,
        login_hint: Option<&str>,
        return_to: Option<&str>,
        browser: Option<Secret>,
    ) -> Outcome<Result<Begun, Refusal>> {
        let return_to = match return_to.map(ReturnTo::parse).transpose() {
            Ok(return_to) => return_to.unwrap_or_else(ReturnTo::home),
            Err(refusal) => return Ok(Err(refusal)),
        };
        let Ok(id) = connection.parse::<SsoConnectionId>() else {
            return Ok(Err(Reason::ConnectionNotLive.into()));
        };
        let Some(found) = self.live(id).await? else {
            return Ok(Err(Reason::ConnectionNotLive.into()));
        };
        let hint = login_hint.and_then(|hint| Email::parse(hint).ok());
        let hints = Hints {
            domain: hint.as_ref().map(|email| email.domain().clone()),
            login_hint: hint.map(|email| email.to_string()),
            fresh: false,
        };
        let begun = self.begin(ctx, &found.value, LoginPurpose::SignIn, &hints, return_to.as_str(), browser).await?;
        if let Err(refusal) = &begun {
            self.refused(ctx, found.value.ws, id, refusal).await?;
        }
        Ok(begun)
    }

    /// A connection that lets people in: live, of a workspace on the plan (R8).
    async fn live(&self, id: SsoConnectionId) -> Outcome<Option<Versioned<SsoConnection>>> {
        let Some(found) = self.store().sso_connection(id).await? else {
            return Ok(None);
        };
        let workspace = self.store().workspace(found.value.ws).await?;
        let on_plan = workspace.is_some_and(|workspace| workspace.plan >= Plan::Enterprise);
        Ok((on_plan && found.value.enforcement.is_some()).then_some(found))
    }

    pub(crate) async fn begin(
        &self,
        ctx: &Ctx,
        connection: &SsoConnection,
        purpose: LoginPurpose,
        hints: &Hints,
        return_to: &str,
        browser: Option<Secret>,
    ) -> Outcome<Result<Begun, Refusal>> {
        let started = match speaks(connection)? {
            Speaks::Oidc(provider) => {
                let started = self.oidc(ctx).await?.start(ctx, &provider, hints).await;
                started.map(|started| (started.url, started.state, started.nonce, Some(started.verifier)))
            }
            Speaks::Unbound => {
                let started = self.oidc(ctx).await?.start_binding(ctx, hints).await;
                started.map(|started| (started.url, started.state, started.nonce, Some(started.verifier)))
            }
            Speaks::Saml(saml) => {
                let started = self.sp().start(ctx, connection.id, &saml.idp, None, hints.fresh).await;
                started.map(|started| (started.url, started.state, started.request_id, None))
            }
        };
        let (url, state, expected, verifier) = match started {
            Ok(started) => started,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let verifier = verifier.map(|verifier| under_state::seal(ctx, &state, &sealed_for(connection.id), &verifier)).transpose()?;
        let browser = browser.filter(|browser| is_browser(browser.expose())).unwrap_or_else(|| Secret::new(ctx.token()));
        let login = Login {
            ws: connection.ws,
            connection: connection.id,
            purpose,
            expected,
            verifier,
            browser_hash: secret_hash(browser.expose()),
            return_to: return_to.to_owned(),
            begun_at: ctx.now(),
            consumed_by: None,
        };
        self.store().put_login(ctx, state.expose(), &login).await?;
        Ok(Ok(Begun { location: url.into(), browser }))
    }

    /// `GET /v1/sso/oidc/callback`: the state is looked for, the browser compared, the state consumed, and only then the provider asked.
    ///
    /// # Errors
    /// 503 when records or parameters cannot be had.
    pub async fn callback(&self, ctx: &Ctx, query: &str, browser: Option<&Secret>) -> Outcome<End> {
        let callback = match Callback::parse(query) {
            Ok(callback) => callback,
            Err(refusal) => return Ok(End::Failed(refusal)),
        };
        let state = callback.state.expose();
        let Some(login) = self.store().login(ctx, state).await? else {
            return Ok(Reason::StateUnknown.into());
        };
        let run = Run::of_login(&login);
        if !same_browser(browser, &login.browser_hash) {
            return self.failed(ctx, &run, Reason::OtherBrowser.into()).await;
        }
        if login.consumed_by.is_some() || !self.store().consume_login(ctx, state, &request_name(ctx)).await? {
            return Ok(Reason::StateUnknown.into());
        }
        let (Some(found), Some(sealed)) = (self.connection_of(&run).await?, &login.verifier) else {
            return Ok(Reason::StateUnknown.into());
        };
        let verifier = under_state::open(&callback.state, &sealed_for(login.connection), sealed)?;
        let pending = Pending { nonce: &login.expected, verifier: &verifier };
        let oidc = self.oidc(ctx).await?;
        match speaks(&found.value)? {
            Speaks::Unbound => {
                let bound = oidc.finish_binding(ctx, &pending, &callback).await;
                match bound {
                    Ok(bound) => self.bind(ctx, &run, found, &Provider::Microsoft { tenant: bound.tenant }, bound.shown).await,
                    Err(refusal) => self.failed(ctx, &run, refusal).await,
                }
            }
            Speaks::Oidc(provider) => {
                let domains = self.domains_of(ctx, login.ws, login.connection).await?;
                match oidc.finish(ctx, &provider, &domains, &pending, &callback).await {
                    Ok(verified) => self.finish(ctx, &run, Proved::new(verified.identity, verified.shown, verified.hosted_domain)).await,
                    Err(refusal) => self.failed(ctx, &run, refusal).await,
                }
            }
            Speaks::Saml(_) => Ok(Reason::StateUnknown.into()),
        }
    }

    /// The connection of a sign-in, if it is still there, and for a person's sign-in if it still lets people in.
    pub(crate) async fn connection_of(&self, run: &Run) -> Outcome<Option<Versioned<SsoConnection>>> {
        let found = match run.purpose {
            LoginPurpose::SignIn => self.live(run.connection).await?,
            LoginPurpose::Test(_) | LoginPurpose::Bind(_) => self.store().sso_connection(run.connection).await?,
        };
        Ok(found.filter(|found| found.value.ws == run.ws))
    }

    /// The domains whose people may come by a connection: those of the workspace that lead to no other.
    pub(crate) async fn domains_of(&self, ctx: &Ctx, ws: WorkspaceId, connection: SsoConnectionId) -> Outcome<BTreeSet<Domain>> {
        let directory = self.store().sso_directory(ws).await?;
        let claims = self.store().domain_claims(ctx, ws, &directory.value).await?;
        let owned = claims.into_iter().filter_map(|claim| claim.owner).map(|owner| owner.value);
        let owned = owned.filter(|owner| owner.ws == ws && owner.connection.is_none_or(|chosen| chosen == connection));
        owned.map(|owner| Domain::parse(&owner.domain).map_err(Problem::internal_error)).collect()
    }

    /// `GET /v1/sso/complete`: our own GET after a provider's POST, which carries no cookie of ours; here the browser is compared.
    ///
    /// # Errors
    /// 503 when the records cannot be had.
    pub async fn complete(&self, ctx: &Ctx, handle: &str, browser: Option<&Secret>) -> Outcome<End> {
        let found = self.store().hand_off(ctx, handle).await?.filter(|found| found.user.is_none() && found.consumed_by.is_none());
        let Some(found) = found else {
            return Ok(Reason::StateUnknown.into());
        };
        let run = Run::of_handle(&found);
        if !same_browser(browser, &found.browser_hash) {
            return self.failed(ctx, &run, Reason::OtherBrowser.into()).await;
        }
        let Some(proved) = &found.proved else {
            return Ok(Reason::StateUnknown.into());
        };
        if !self.store().consume_hand_off(ctx, handle, &request_name(ctx)).await? {
            return Ok(Reason::StateUnknown.into());
        }
        self.finish(ctx, &run, from_document(proved)?).await
    }

    /// What follows from what was proved.
    async fn finish(&self, ctx: &Ctx, run: &Run, proved: Proved) -> Outcome<End> {
        if let LoginPurpose::Test(by) | LoginPurpose::Bind(by) = &run.purpose {
            return self.tested(ctx, run, by, proved).await;
        }
        let identity = match proved.identity() {
            Ok(identity) => identity,
            Err(refusal) => return self.failed(ctx, run, refusal).await,
        };
        // Between the beginning and now the connection may have been switched off.
        if self.connection_of(run).await?.is_none() {
            return self.failed(ctx, run, Reason::ConnectionNotLive.into()).await;
        }
        let (user, reason) = match self.user_of(ctx, run.ws, run.connection, identity).await? {
            Ok(found) => found,
            Err(refusal) => return self.failed(ctx, run, refusal).await,
        };
        let code = ctx.token();
        let hand_off = HandOff { user: Some(user.clone()), ends_at: identity.session_ends_at, ..run.hand_off(ctx.now()) };
        self.store().put_hand_off(ctx, &code, &hand_off).await?;
        self.decided(ctx, run.ws, run.connection, Actor::User(user), reason, Some(&subject(identity))).await?;
        Ok(End::HandOff { code })
    }

    /// A refusal: audited, explained at the connection, and for a test its result.
    pub(crate) async fn failed(&self, ctx: &Ctx, run: &Run, refusal: Refusal) -> Outcome<End> {
        match &run.purpose {
            LoginPurpose::SignIn => {
                self.refused(ctx, run.ws, run.connection, &refusal).await?;
                Ok(End::Failed(refusal))
            }
            LoginPurpose::Test(by) | LoginPurpose::Bind(by) => {
                let by = by.clone();
                self.tested(ctx, run, &by, Proved::new(Err(refusal), Vec::new(), None)).await
            }
        }
    }

    /// Writes down how a test went.
    async fn tested(&self, ctx: &Ctx, run: &Run, by: &UserId, proved: Proved) -> Outcome<End> {
        let Some(found) = self.connection_of(run).await? else {
            return Ok(Reason::ConnectionNotLive.into());
        };
        let (reason, detail) = match proved.identity() {
            Ok(_) => (Reason::TestPassed, None),
            Err(refusal) => (refusal.reason, refusal.detail),
        };
        let passed = reason == Reason::TestPassed;
        let mut connection = found.value;
        let run_at = ctx.now();
        connection.last_test = Some(TestRun {
            by: by.clone(),
            at: run_at,
            passed,
            reason: reason.code().to_owned(),
            detail,
            claims: document(&proved.shown)?,
        });
        if passed {
            connection.passed = Some(Passed { by: by.clone(), at: run_at });
            // From the first test that passes, a Google connection takes one Workspace and no other.
            if let (Speaks::Oidc(Provider::Google { hosted_domain: None }), Some(hosted)) = (speaks(&connection)?, proved.hosted_domain) {
                connection.settings = Some(document(&Provider::Google { hosted_domain: Some(hosted) })?);
            }
        }
        saved(self.store().save_sso_connection(ctx, found.rev, &connection).await?)?;
        self.decided(ctx, run.ws, run.connection, Actor::User(by.clone()), reason, None).await?;
        if let Some(identity) = proved.identity.as_ref().filter(|_| passed) {
            self.link_tester(ctx, run.ws, run.connection, by, identity).await?;
        }
        Ok(End::Tested { connection: run.connection, passed, reason })
    }

    /// Binds a Microsoft connection to the tenant of the admin who signed in.
    async fn bind(
        &self,
        ctx: &Ctx,
        run: &Run,
        found: Versioned<SsoConnection>,
        provider: &Provider,
        shown: Vec<ShownClaim>,
    ) -> Outcome<End> {
        let LoginPurpose::Bind(by) = &run.purpose else {
            return Ok(Reason::StateUnknown.into());
        };
        let mut connection = found.value;
        debug_assert_eq!(connection.provider, MICROSOFT);
        let at = ctx.now();
        connection.settings = Some(document(provider)?);
        connection.changed_at = at;
        connection.last_test =
            Some(TestRun { by: by.clone(), at, passed: true, reason: "tenant_bound".to_owned(), detail: None, claims: document(&shown)? });
        saved(self.store().save_sso_connection(ctx, found.rev, &connection).await?)?;
        let text = format!("A Microsoft tenant was bound by the sign-in of an admin. Connection {}.", run.connection);
        self.audit(ctx, run.ws, Actor::User(by.clone()), "sso_tenant_bound", text).await?;
        Ok(End::Tested { connection: run.connection, passed: true, reason: Reason::TestPassed })
    }

    /// `POST /v1/sso/exchange`: a code for what the session is made of, once, in the browser that it was made in.
    ///
    /// # Errors
    /// 503 when the records cannot be had.
    pub async fn redeem(&self, ctx: &Ctx, code: &str, browser: Option<&Secret>) -> Outcome<Result<Redeemed, Refusal>> {
        let found = self.store().hand_off(ctx, code).await?.filter(|found| found.consumed_by.is_none());
        let Some((found, user)) = found.and_then(|found| found.user.clone().map(|user| (found, user))) else {
            return Ok(Err(Reason::StateUnknown.into()));
        };
        if !same_browser(browser, &found.browser_hash) {
            self.refused(ctx, found.ws, found.connection, &Reason::OtherBrowser.into()).await?;
            return Ok(Err(Reason::OtherBrowser.into()));
        }
        if !self.store().consume_hand_off(ctx, code, &request_name(ctx)).await? {
            return Ok(Err(Reason::StateUnknown.into()));
        }
        Ok(Ok(Redeemed { user, workspace: found.ws, connection: found.connection, ends_at: found.ends_at, return_to: found.return_to }))
    }
}
