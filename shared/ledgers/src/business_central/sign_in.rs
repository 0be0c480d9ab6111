//! Sign-in with Microsoft Entra ID, and the companies that a user reaches (docs/vendors/business-central.md, sections 1 and 2).

use std::marker::PhantomData;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use coportal_core::connection::Organisation;
use coportal_core::failure::Failure;
use coportal_core::oauth::TokenSet;
use coportal_core::secret::Secret;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt as _, stream};
use http::{Method, Response};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;
use uuid::Uuid;

use super::fixit::Cause;
use super::map;
use super::outcome;
use super::place::{Place, root_of};
use super::profile::{BusinessCentralEndpoints, PAGES_MAX, PROFILE};
use super::wire::{Page, WireCompany, WireEnvironment};
use crate::exec::call::bearer;
use crate::exec::{Executor, Operation};
use crate::judge::{self, Asked, REFUSED, failed};
use crate::oauth::{self, AuthType, Errand, NoExtra, TokenEndpoint, Tokens};
use crate::{AuthorizeRequest, ClientCredentials, Held, RefreshFailure, SignIn};

/// The tenant of a first sign-in: any organisation's, no personal account's (section 1).
const ANY_TENANT: &str = "organizations";

/// Most environments that are asked for their companies: each is a call of its own.
const ENVIRONMENTS_MAX: usize = 25;

/// Entra's sign-in.
pub(super) struct EntraSignIn {
    executor: Executor,
    login: String,
    api: String,
}

/// What is read of an access token, **without verifying its signature**: it is a hint, compared with what the API itself says of the tenant.
#[derive(Debug, Default, Deserialize)]
struct Claims {
    #[serde(default)]
    tid: Option<Uuid>,
}

fn claims(token: &Secret) -> Claims {
    let payload = token.expose().split('.').nth(1).unwrap_or_default();
    let json = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).unwrap_or_default();
    serde_json::from_slice(&json).unwrap_or_default()
}

impl EntraSignIn {
    pub(super) fn new(executor: Executor, endpoints: BusinessCentralEndpoints) -> Self {
        let plain = |url: &Url| url.as_str().trim_end_matches('/').to_owned();
        Self { executor, login: plain(&endpoints.login), api: plain(&endpoints.api) }
    }

    /// An address of a tenant's sign-in; `None` for what cannot be one.
    fn address(&self, tenant: &str, what: &str) -> Option<Url> {
        format!("{}/{tenant}/oauth2/v2.0/{what}", self.login).parse().ok()
    }

    fn tokens(&self, tenant: &str) -> Option<TokenEndpoint<Cause, NoExtra>> {
        Some(TokenEndpoint {
            executor: self.executor.clone(),
            url: self.address(tenant, "token")?,
            route: "/{tenant}/oauth2/v2.0/token",
            auth: AuthType::RequestBody,
            pkce: true,
            headers: &[],
            parameters: &[],
            shape: PhantomData,
        })
    }

    async fn get<'a>(&self, token: &'a Secret, operation: Operation, address: String) -> Result<(Asked<'a>, Response<Bytes>), Failure> {
        let errand = Errand { operation, method: Method::GET, address, authorization: bearer(token), body: None, secret: token };
        oauth::run::<Cause>(&self.executor, errand).await
    }

    async fn page<T: DeserializeOwned>(&self, token: &Secret, operation: Operation, address: String) -> Result<Page<T>, Failure> {
        let (asked, answer) = self.get(token, operation, address).await?;
        if !answer.status().is_success() {
            return Err(outcome::failure(&asked, &answer));
        }
        judge::read::<Cause, Page<T>>(&asked, &answer)
    }

    /// The companies of an environment, in the vendor's order.
    async fn companies(&self, token: &Secret, tenant: Uuid, environment: &str) -> Result<Vec<WireCompany>, Failure> {
        let operation = Operation { name: "list_companies", route: "/companies" };
        let first = format!("{}{}/companies", self.api, root_of(tenant, environment));
        let mut address = first.clone();
        let mut found = Vec::new();
        for _ in 0..PAGES_MAX {
            let page: Page<WireCompany> = self.page(token, operation, address).await?;
            found.extend(page.value);
            let Some(next) = page.next else { return Ok(found) };
            // On the same host and path only: a link is an answer's word.
            let leads_on = next.strip_prefix(first.as_str()).is_some_and(|rest| rest.starts_with('?') && !rest.contains('#'));
            if !leads_on {
                break;
            }
            address = next;
        }
        let asked =
            Asked { effect: judge::Effect::Read, subject: judge::Subject::Place, now: Timestamp::UNIX_EPOCH, token: token.expose() };
        Err(failed(
            &asked,
            Cause::AnswerUnexpected,
            coportal_core::failure::Disposition::Defect,
            None,
            "the list of companies leads elsewhere",
        ))
    }

    /// Every company that the user reaches, production environments first (R16). An environment that is closed to this user is left out; one
    /// that cannot be asked just now is a failure, since another company would silently become the first.
    async fn discover(&self, token: &Secret) -> Result<Vec<Organisation>, Failure> {
        let operation = Operation { name: "list_environments", route: "/environments/v1.2" };
        let page: Page<WireEnvironment> = self.page(token, operation, format!("{}/environments/v1.2", self.api)).await?;
        let signed_in = claims(token).tid;
        // A token opens its own tenant's books and no other's.
        let environments = map::environments(page.value)
            .into_iter()
            .filter(|environment| signed_in.is_none_or(|tenant| tenant == environment.aad_tenant_id))
            .take(ENVIRONMENTS_MAX);
        let in_flight = usize::try_from(PROFILE.limits.concurrent).unwrap_or(1);
        let asked: Vec<(WireEnvironment, Result<Vec<WireCompany>, Failure>)> = stream::iter(environments)
            .map(|environment| async move {
                let companies = self.companies(token, environment.aad_tenant_id, &environment.name).await;
                (environment, companies)
            })
            .buffered(in_flight)
            .collect()
            .await;
        let mut found = Vec::new();
        let mut closed = None;
        for (environment, companies) in asked {
            match companies {
                Ok(companies) => {
                    found.extend(companies.into_iter().map(|one| map::organisation(&environment, one)));
                }
                Err(failure) if is_closed(&failure) => closed = Some(failure),
                Err(failure) => return Err(failure),
            }
        }
        match closed {
            // Every environment is closed to this user: that is what has to be mended.
            Some(failure) if found.is_empty() => Err(permission(&failure)),
            _ => Ok(found),
        }
    }
}

/// Whether an environment is closed to this user, or gone since it was listed (section 9: 401 also says "not in that environment").
fn is_closed(failure: &Failure) -> bool {
    [Cause::TokenRefused, Cause::PermissionMissing, Cause::CompanyMissing].into_iter().any(|cause| outcome::is(failure, cause))
}

/// A fresh token that no environment takes is a missing licence or permission set, not a dead connection.
fn permission(failure: &Failure) -> Failure {
    let asked = Asked { effect: judge::Effect::Read, subject: judge::Subject::Place, now: Timestamp::UNIX_EPOCH, token: "" };
    let refused = failed(&asked, Cause::PermissionMissing, REFUSED, None, &failure.internal);
    Failure { status: failure.status, vendor_request_id: failure.vendor_request_id.clone(), ..refused }
}

impl SignIn for EntraSignIn {
    fn authorize_url(&self, request: &AuthorizeRequest<'_>) -> Url {
        let scopes = oauth::scopes(&PROFILE, request.lanes);
        // The address was parsed when the endpoints were configured; the path that is added is a constant.
        let authorize = self.address(ANY_TENANT, "authorize").unwrap_or_else(|| BusinessCentralEndpoints::default().login);
        // Who holds several work accounts says which one's books are meant.
        oauth::consent(&authorize, request, &scopes, true, &[("prompt", "select_account")])
    }

    fn exchange_code<'a>(
        &'a self,
        credentials: &'a ClientCredentials,
        code: &'a Secret,
        verifier: &'a Secret,
        redirect_uri: &'a str,
        _realm: Option<&'a str>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<TokenSet, Failure>> {
        Box::pin(async move {
            let tokens = self.tokens(ANY_TENANT).ok_or_else(|| unaddressed(now))?;
            let tokens = tokens.exchange(credentials, code, verifier, redirect_uri, now).await?;
            Ok(token_set(tokens, now))
        })
    }

    fn refresh<'a>(
        &'a self,
        credentials: &'a ClientCredentials,
        refresh_token: &'a Secret,
        organisation: Option<&'a str>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<TokenSet, RefreshFailure>> {
        Box::pin(async move {
            // At the organisation's own tenant, so that a user of several gets this one's token.
            let tenant = organisation.and_then(Place::read).map(|place| place.tenant().to_string());
            let tokens = self.tokens(tenant.as_deref().unwrap_or(ANY_TENANT));
            let tokens = tokens.ok_or_else(|| RefreshFailure::NotDone(unaddressed(now)))?;
            let tokens = tokens.refresh(credentials, refresh_token, now).await?;
            Ok(token_set(tokens, now))
        })
    }

    fn organisations<'a>(&'a self, token: &'a Secret, _auth_event: Option<&'a str>) -> BoxFuture<'a, Result<Vec<Organisation>, Failure>> {
        Box::pin(self.discover(token))
    }

    fn unlink<'a>(&'a self, _credentials: &'a ClientCredentials, _held: Held<'a>, _link_id: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        // There is nothing to cut: Entra has no revocation for apps, and tokens are deleted on our side (section 1).
        Box::pin(std::future::ready(Ok(())))
    }
}

fn unaddressed(now: Timestamp) -> Failure {
    let asked = Asked { effect: judge::Effect::Write, subject: judge::Subject::Place, now, token: "" };
    judge::unbuildable::<Cause>(&asked, "the tenant's address cannot be written")
}

fn token_set(tokens: Tokens<NoExtra>, now: Timestamp) -> TokenSet {
    let life = tokens.life(None, PROFILE.access_token_life, now);
    let has_refresh_token = tokens.refresh_token.is_some();
    TokenSet {
        access_token: Secret::new(tokens.access_token.into_secret()),
        refresh_token: tokens.refresh_token.map(|token| Secret::new(token.into_secret())),
        access_expires_at: oauth::until(now, life),
        refresh_expires_at: has_refresh_token.then(|| oauth::until(now, PROFILE.refresh_token_life)),
        auth_event: None,
    }
}

#[cfg(test)]
mod tests;
