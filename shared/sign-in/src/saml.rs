//! SAML's way back: a POST from the provider's page, without any cookie of ours.

use coportal_aws::records::sign_in::connections::Failure;
use coportal_aws::records::sign_in::logins::{HandOff, Login, Seen};
use coportal_core::ctx::Ctx;
use coportal_core::id::SsoConnectionId;
use coportal_core::problem::{Outcome, Problem};
use coportal_identity::saml::{Pending, ReplayStore, Settlement, Use, verify};
use coportal_identity::{Reason, Refusal, ShownClaim};
use futures_util::future::BoxFuture;

use crate::flow::{End, Proved, Run};
use crate::settings::{Speaks, document, speaks};
use crate::{SignIn, request_name};

/// Longest `RelayState` that is looked for (SAML Bindings, section 3.5.3).
const RELAY_MAX: usize = 80;

/// Spends a response in the table: the sign-in's state, the ids of response and assertion, and the handle, in one transaction.
struct Spend<'a> {
    sign_in: &'a SignIn,
    ctx: &'a Ctx,
    state: &'a str,
    handle: &'a str,
    run: &'a Run,
    shown: &'a [ShownClaim],
}

impl ReplayStore for Spend<'_> {
    fn settle<'a>(&'a self, settlement: &'a Settlement<'a>) -> BoxFuture<'a, Result<Use, Problem>> {
        Box::pin(async move {
            let proved = Proved::new(Ok(settlement.identity.clone()), self.shown.to_vec(), None);
            let hand_off = HandOff { proved: Some(document(&proved)?), ..self.run.hand_off(self.ctx.now()) };
            let seen: Vec<Seen> = settlement.seen.iter().map(|seen| Seen { hash: seen.hash.clone(), until: seen.until }).collect();
            let request = request_name(self.ctx);
            let first = self
                .sign_in
                .store()
                .settle_login(self.ctx, self.state, &request, settlement.connection, &seen, (self.handle, &hand_off))
                .await?;
            Ok(if first { Use::First } else { Use::Again })
        })
    }
}

impl SignIn {
    /// The metadata that a connection's provider is given.
    ///
    /// # Errors
    /// 404 when there is no such SAML connection.
    pub async fn sp_metadata(&self, connection: SsoConnectionId) -> Outcome<String> {
        let found = self.store().sso_connection(connection).await?;
        let saml = match found {
            Some(found) => matches!(speaks(&found.value)?, Speaks::Saml(_)),
            None => false,
        };
        if saml { Ok(self.sp().metadata(connection, None)) } else { Err(Problem::not_found("SSO connection")) }
    }

    /// `POST /v1/sso/saml/{connection}/acs`. The response is verified and spent here; whose browser it is shows itself at
    /// [`SignIn::complete`].
    ///
    /// # Errors
    /// 503 when the records cannot be had.
    pub async fn acs(&self, ctx: &Ctx, connection: SsoConnectionId, form: &[(String, String)]) -> Outcome<End> {
        let mut states = form.iter().filter(|(name, _)| name == "RelayState").map(|(_, value)| value.as_str());
        let state = states.next().filter(|state| !state.is_empty() && state.len() <= RELAY_MAX && states.next().is_none());
        let Some(state) = state else {
            return self.unasked(ctx, connection).await;
        };
        let login = self.store().login(ctx, state).await?;
        let Some(login) = login.filter(|login| login.connection == connection) else {
            return self.unasked(ctx, connection).await;
        };
        let run = Run::of_login(&login);
        if login.consumed_by.is_some() {
            self.refused(ctx, run.ws, connection, &Reason::Replayed.into()).await?;
            return Ok(Reason::Replayed.into());
        }
        match self.verified(ctx, &login, &run, state, form).await? {
            Ok(handle) => Ok(End::Complete { handle }),
            Err(refusal) => self.failed(ctx, &run, refusal).await,
        }
    }

    /// A response without a sign-in of ours: started at the provider, too late, or made up. The connection's admin may read of the last
    /// one; it makes no audit line, since anybody can send any number of them.
    async fn unasked(&self, ctx: &Ctx, connection: SsoConnectionId) -> Outcome<End> {
        let failure = Failure { at: ctx.now(), reason: Reason::StateUnknown.code().to_owned(), detail: None };
        self.store().note_sso_failure(ctx, connection, &failure).await?;
        Ok(Reason::StateUnknown.into())
    }

    async fn verified(
        &self,
        ctx: &Ctx,
        login: &Login,
        run: &Run,
        state: &str,
        form: &[(String, String)],
    ) -> Outcome<Result<String, Refusal>> {
        let Some(found) = self.connection_of(run).await? else {
            return Ok(Err(Reason::ConnectionNotLive.into()));
        };
        let Speaks::Saml(saml) = speaks(&found.value)? else {
            return Ok(Err(Reason::ConnectionNotLive.into()));
        };
        let domains = self.domains_of(ctx, run.ws, run.connection).await?;
        let pending = Pending { connection: run.connection, request_id: &login.expected, state };
        let verified = match verify(ctx, self.sp(), &saml.idp, saml.signed, &domains, pending, form) {
            Ok(verified) => verified,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let (shown, handle) = (verified.shown().to_vec(), ctx.token());
        let spend = Spend { sign_in: self, ctx, state, handle: &handle, run, shown: &shown };
        Ok(verified.settle(&spend).await?.map(|_| handle))
    }
}
