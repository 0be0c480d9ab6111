//! Out to the provider, and back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use coportal_core::ctx::Ctx;
use coportal_core::secret::Secret;
use jiff::{SignedDuration, Timestamp};
use oauth2::{
    AuthorizationCode, ClientId, ClientSecret, CsrfToken, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, StandardErrorResponse, StandardTokenResponse,
};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreResponseType, CoreRevocableToken,
    CoreRevocationErrorResponse, CoreSubjectIdentifierType, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AuthUrl, ClaimsVerificationError, Client, EmptyAdditionalProviderMetadata, IdToken, IdTokenFields, IdTokenVerifier, IssuerUrl,
    JsonWebKeySetUrl, Nonce, ResponseTypes, SignatureVerificationError, TokenResponse, TokenUrl,
};
use url::Url;

use super::aadsts::{aadsts, aadsts_of};
use super::cache::{CachedProvider, Issuer, ProviderCache};
use super::claims::{self, Claims, OwnClaims};
use super::tenant::TenantId;
use super::transport::Lent;
use super::{Provider, Providers, Registration};
use crate::domain::Domain;
use crate::fetch::{Fetch, FetchError};
use crate::identity::{Identity, ShownClaim};
use crate::reason::{Reason, Refusal};

/// How far a provider's clock may be ahead of ours.
const SKEW: SignedDuration = SignedDuration::from_secs(120);

type Token = IdToken<OwnClaims, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;
type Tokens = StandardTokenResponse<
    IdTokenFields<OwnClaims, EmptyExtraTokenFields, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>,
    CoreTokenType,
>;
type RelyingParty = Client<
    OwnClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// What the browser brings along to make the provider's page shorter. None of it is believed afterwards.
#[derive(Debug, Clone, Default)]
pub struct Hints {
    /// The address that was typed.
    pub login_hint: Option<String>,
    /// The address's domain (`hd`, `domain_hint`).
    pub domain: Option<Domain>,
    /// Whether the person has to choose an account and sign in even if the provider knows them (a test run by an admin).
    pub fresh: bool,
}

/// A sign-in that has been started. The caller stores the hash of `state` with the rest, for ten minutes, and binds it to the browser.
pub struct Started {
    /// Where the browser goes.
    pub url: Url,
    /// What the provider sends back: kept as a hash, works once.
    pub state: Secret,
    /// What the ID token must repeat.
    pub nonce: String,
    /// The PKCE verifier, to be sealed.
    pub verifier: Secret,
}

/// What was stored of a started sign-in.
pub struct Pending<'p> {
    /// The nonce.
    pub nonce: &'p str,
    /// The PKCE verifier.
    pub verifier: &'p Secret,
}

/// The query of a callback.
pub struct Callback {
    /// Which sign-in it belongs to.
    pub state: Secret,
    code: Option<Secret>,
    error: Option<String>,
    description: Option<String>,
    issuer: Option<String>,
}

impl Callback {
    /// Reads the query of `GET /v1/sso/oidc/callback`.
    ///
    /// # Errors
    /// [`Reason::StateUnknown`] without a state, or when a parameter comes twice.
    pub fn parse(query: &str) -> Result<Self, Refusal> {
        let (mut state, mut code, mut error, mut description, mut issuer) = (None, None, None, None, None);
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let slot = match name.as_ref() {
                "state" => &mut state,
                "code" => &mut code,
                "error" => &mut error,
                "error_description" => &mut description,
                "iss" => &mut issuer,
                _ => continue,
            };
            if slot.replace(value.into_owned()).is_some() {
                return Err(Refusal::because(Reason::StateUnknown, "a parameter comes twice"));
            }
        }
        let state = state.filter(|state| !state.is_empty() && state.len() <= 256).ok_or(Refusal::new(Reason::StateUnknown))?;
        Ok(Self { state: Secret::new(state), code: code.map(Secret::new), error, description, issuer })
    }

    /// The code, if the callback brings one from the issuer that was asked.
    fn code_from(&self, issuer: &Issuer) -> Result<&Secret, Refusal> {
        // RFC 9207: where a provider names itself, it must be the one that this sign-in was sent to. Who answers for `organizations` is
        // the tenant of whoever signed in: the token says which, and is compared with this afterwards.
        let is_other = |named: &String| match &issuer.fixed {
            None => *named != issuer.name,
            Some(_) => !issuer.is_of_its_authority(named),
        };
        if self.issuer.as_ref().is_some_and(is_other) {
            return Err(Refusal::because(Reason::IssuerMismatch, "the callback names another issuer"));
        }
        if let Some(error) = &self.error {
            return Err(refused_by_provider(error, self.description.as_deref()));
        }
        self.code.as_ref().ok_or_else(|| Refusal::because(Reason::ProviderError, "the callback brings neither code nor error"))
    }
}

/// A provider's error, by Microsoft's code where there is one (R107), else by OAuth's (RFC 6749, sections 4.1.2.1 and 5.2).
fn refused_by_provider(error: &str, description: Option<&str>) -> Refusal {
    if let Some(code) = description.and_then(aadsts_of) {
        let reason = aadsts(code).map_or(Reason::ProviderError, |entry| entry.reason);
        return Refusal::because(reason, format!("AADSTS{code}"));
    }
    let reason = match error {
        "access_denied" => Reason::ProviderDenied,
        "consent_required" => Reason::ConsentRequired,
        "invalid_grant" => Reason::ExchangeRefused,
        "invalid_client" | "unauthorized_client" | "invalid_scope" | "unsupported_response_type" => Reason::RegistrationWrong,
        "temporarily_unavailable" | "server_error" => Reason::ProviderBusy,
        _ => Reason::ProviderError,
    };
    // The code is a word of the standard or at least of its alphabet; anything else is not repeated.
    let word = !error.is_empty() && error.len() <= 60 && error.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if word { Refusal::because(reason, error) } else { Refusal::new(reason) }
}

/// A token that is good, and what it says.
#[derive(Debug)]
pub struct Verified {
    /// What a dry run shows.
    pub shown: Vec<ShownClaim>,
    /// The `hd` of a Google token: stored on the connection by the first test that passes.
    pub hosted_domain: Option<Domain>,
    /// The person, or why the connection's rules do not let them in.
    pub identity: Result<Identity, Refusal>,
}

/// A tenant that an admin has bound a connection to.
#[derive(Debug)]
pub struct Bound {
    /// The tenant, from the verified token.
    pub tenant: TenantId,
    /// What the dry run shows.
    pub shown: Vec<ShownClaim>,
}

/// The relying party.
pub struct Oidc {
    providers: Providers,
    fetch: Arc<dyn Fetch>,
    cache: ProviderCache,
}

impl Oidc {
    /// A relying party at these providers, which reaches them by `fetch`.
    #[must_use]
    pub fn new(providers: Providers, fetch: Arc<dyn Fetch>) -> Self {
        Self { providers, fetch, cache: ProviderCache::new() }
    }

    /// What it has cached, to be stored or put back.
    #[must_use]
    pub fn cache(&self) -> &ProviderCache {
        &self.cache
    }

    /// The issuer of a connection's tokens.
    #[must_use]
    pub fn issuer_of(&self, provider: &Provider) -> String {
        match provider {
            Provider::Google { .. } => self.providers.google_issuer.clone(),
            Provider::Microsoft { tenant } => format!("{}/{tenant}/v2.0", self.authority()),
        }
    }

    fn authority(&self) -> &str {
        self.providers.microsoft_authority.trim_end_matches('/')
    }

    fn issuer(&self, provider: &Provider) -> Issuer {
        let hosts = match provider {
            Provider::Google { .. } => self.providers.google_hosts.clone(),
            Provider::Microsoft { .. } => Vec::new(),
        };
        Issuer { name: self.issuer_of(provider), hosts, fixed: None }
    }

    /// Microsoft's `organizations`, for the one sign-in that binds a tenant. Its discovery document names a template as issuer, which no
    /// exact comparison passes, so its endpoints are taken as documented ("OAuth 2.0 authorization code flow", "Find your app's OpenID
    /// configuration document URI").
    fn organizations(&self) -> Result<Issuer, Refusal> {
        let authority = self.authority();
        let wrong = |_| Refusal::because(Reason::RegistrationWrong, "the Microsoft authority is not a web address");
        let name = format!("{authority}/organizations/v2.0");
        let document = CoreProviderMetadata::new(
            IssuerUrl::new(name.clone()).map_err(wrong)?,
            AuthUrl::new(format!("{authority}/organizations/oauth2/v2.0/authorize")).map_err(wrong)?,
            JsonWebKeySetUrl::new(format!("{authority}/organizations/discovery/v2.0/keys")).map_err(wrong)?,
            vec![ResponseTypes::new(vec![CoreResponseType::Code])],
            vec![CoreSubjectIdentifierType::Pairwise],
            vec![CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256],
            EmptyAdditionalProviderMetadata {},
        )
        .set_token_endpoint(Some(TokenUrl::new(format!("{authority}/organizations/oauth2/v2.0/token")).map_err(wrong)?));
        Ok(Issuer { name, hosts: Vec::new(), fixed: Some(document) })
    }

    /// Where an administrator of a tenant agrees to CoPortal once for everybody.
    ///
    /// # Errors
    /// [`Reason::RegistrationWrong`] when there is no registration.
    pub fn admin_consent_url(&self, tenant: &TenantId) -> Result<Url, Refusal> {
        let registration = registered(self.providers.microsoft.as_ref())?;
        let text = format!("{}/{tenant}/adminconsent", self.authority());
        Url::parse_with_params(
            &text,
            [("client_id", registration.client_id.as_str()), ("redirect_uri", self.providers.redirect_uri.as_str())],
        )
        .map_err(|_| Refusal::because(Reason::RegistrationWrong, "the Microsoft authority is not a web address"))
    }

    /// Starts a sign-in at a connection's provider.
    ///
    /// # Errors
    /// [`Reason::ProviderUnavailable`] and kin when the provider's documents cannot be had; [`Reason::RegistrationWrong`].
    pub async fn start(&self, ctx: &Ctx, provider: &Provider, hints: &Hints) -> Result<Started, Refusal> {
        let registration = match provider {
            Provider::Google { .. } => self.providers.google.as_ref(),
            Provider::Microsoft { .. } => self.providers.microsoft.as_ref(),
        };
        let domain_hint = match provider {
            Provider::Google { hosted_domain } => ("hd", hosted_domain.as_ref().or(hints.domain.as_ref())),
            Provider::Microsoft { .. } => ("domain_hint", hints.domain.as_ref()),
        };
        self.begin(ctx, &self.issuer(provider), registered(registration)?, hints, domain_hint).await
    }

    /// Starts the sign-in by which an admin binds a connection to their tenant.
    ///
    /// # Errors
    /// As [`Oidc::start`].
    pub async fn start_binding(&self, ctx: &Ctx, hints: &Hints) -> Result<Started, Refusal> {
        let registration = registered(self.providers.microsoft.as_ref())?;
        self.begin(ctx, &self.organizations()?, registration, hints, ("domain_hint", hints.domain.as_ref())).await
    }

    async fn begin(
        &self,
        ctx: &Ctx,
        issuer: &Issuer,
        registration: &Registration,
        hints: &Hints,
        (hint, domain): (&'static str, Option<&Domain>),
    ) -> Result<Started, Refusal> {
        let cached = self.cache.get(&*self.fetch, ctx.now(), issuer).await?;
        let client = self.client(&cached, registration);
        let (state, nonce, verifier) = (ctx.token(), ctx.token(), ctx.token());
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(verifier.clone()));
        let (sent_state, sent_nonce) = (CsrfToken::new(state.clone()), Nonce::new(nonce.clone()));
        let mut request = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, move || sent_state, move || sent_nonce)
            .add_scope(Scope::new("email".to_owned()))
            .add_scope(Scope::new("profile".to_owned()))
            .set_pkce_challenge(challenge);
        if let Some(login_hint) = &hints.login_hint {
            request = request.add_extra_param("login_hint", login_hint.clone());
        }
        if let Some(domain) = domain {
            request = request.add_extra_param(hint, domain.as_str());
        }
        if hints.fresh {
            request = request.add_prompt(CoreAuthPrompt::SelectAccount);
        }
        let (url, _, _) = request.url();
        Ok(Started { url, state: Secret::new(state), nonce, verifier: Secret::new(verifier) })
    }

    fn client(&self, cached: &CachedProvider, registration: &Registration) -> RelyingParty {
        Client::from_provider_metadata(
            cached.metadata(),
            ClientId::new(registration.client_id.clone()),
            Some(ClientSecret::new(registration.client_secret.expose().to_owned())),
        )
        .set_redirect_uri(RedirectUrl::from_url(self.providers.redirect_uri.clone()))
    }

    /// Ends a sign-in: exchanges the code, verifies the ID token (signature, issuer, audience, nonce, time) and applies the provider's
    /// rules. `domains` are those that the connection's workspace has proved.
    ///
    /// The stored state must have been consumed before: the caller deletes it under a condition and comes here only if that succeeded.
    ///
    /// # Errors
    /// Whatever keeps the token from being good. What a good token says against the rules stands in [`Verified::identity`].
    pub async fn finish(
        &self,
        ctx: &Ctx,
        provider: &Provider,
        domains: &BTreeSet<Domain>,
        pending: &Pending<'_>,
        callback: &Callback,
    ) -> Result<Verified, Refusal> {
        let registration = match provider {
            Provider::Google { .. } => self.providers.google.as_ref(),
            Provider::Microsoft { .. } => self.providers.microsoft.as_ref(),
        };
        let claims = self.claims(ctx, &self.issuer(provider), registered(registration)?, pending, callback).await?;
        let identity = claims::identity(&claims, provider, domains);
        Ok(Verified { shown: claims::shown(&claims), hosted_domain: claims::hosted_domain(&claims), identity })
    }

    /// Ends the sign-in that binds a tenant. The tenant is read from the verified token and nowhere else; the token's issuer must be that
    /// very tenant's.
    ///
    /// # Errors
    /// As [`Oidc::finish`]; [`Reason::PersonalAccount`], [`Reason::GuestAccount`], [`Reason::IssuerMismatch`].
    pub async fn finish_binding(&self, ctx: &Ctx, pending: &Pending<'_>, callback: &Callback) -> Result<Bound, Refusal> {
        let registration = registered(self.providers.microsoft.as_ref())?;
        let claims = self.claims(ctx, &self.organizations()?, registration, pending, callback).await?;
        let own = claims.additional_claims();
        let tenant = own.tid.as_deref().and_then(TenantId::parse).ok_or(Refusal::because(Reason::TenantMismatch, "no tid claim"))?;
        if claims.issuer().as_str() != format!("{}/{tenant}/v2.0", self.authority()) {
            return Err(Refusal::because(Reason::IssuerMismatch, "issuer and tid disagree"));
        }
        if callback.issuer.as_ref().is_some_and(|named| named != claims.issuer().as_str()) {
            return Err(Refusal::because(Reason::IssuerMismatch, "the callback names another tenant than the token"));
        }
        if tenant.is_personal() {
            return Err(Reason::PersonalAccount.into());
        }
        claims::refuse_guest(own)?;
        Ok(Bound { tenant, shown: claims::shown(&claims) })
    }

    async fn claims(
        &self,
        ctx: &Ctx,
        issuer: &Issuer,
        registration: &Registration,
        pending: &Pending<'_>,
        callback: &Callback,
    ) -> Result<Claims, Refusal> {
        let code = callback.code_from(issuer)?;
        let cached = self.cache.get(&*self.fetch, ctx.now(), issuer).await?;
        let tokens = self
            .client(&cached, registration)
            .exchange_code(AuthorizationCode::new(code.expose().to_owned()))
            .map_err(|_| Refusal::because(Reason::ProviderUnavailable, "the provider names no token endpoint"))?
            .set_pkce_verifier(PkceCodeVerifier::new(pending.verifier.expose().to_owned()))
            .request_async(&Lent(&*self.fetch))
            .await
            .map_err(|error| exchange_failed(&error))?;
        let token = tokens.id_token().ok_or(Refusal::new(Reason::TokenMissing))?;
        let nonce = Nonce::new(pending.nonce.to_owned());
        match self.verify(&cached, issuer, registration, token, &nonce, ctx.now()) {
            Err(error) if key_is_unknown(&error) => {
                let refreshed = self.cache.refresh_keys(&*self.fetch, ctx.now(), issuer).await?;
                let refreshed = refreshed.ok_or_else(|| refused_token(&error))?;
                self.verify(&refreshed, issuer, registration, token, &nonce, ctx.now()).map_err(|error| refused_token(&error))
            }
            Err(error) => Err(refused_token(&error)),
            Ok(claims) => Ok(claims),
        }
    }

    fn verify(
        &self,
        cached: &CachedProvider,
        issuer: &Issuer,
        registration: &Registration,
        token: &Token,
        nonce: &Nonce,
        now: Timestamp,
    ) -> Result<Claims, ClaimsVerificationError> {
        let client = self.client(cached, registration);
        let verifier: IdTokenVerifier<'_, CoreJsonWebKey> = client
            .id_token_verifier()
            // Both providers sign with it; the shared-secret algorithms and `none` are not among what is taken.
            .set_allowed_algs([CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256])
            // `organizations` alone: the tenant's own issuer is then required by hand (finish_binding).
            .require_issuer_match(issuer.fixed.is_none())
            .set_time_fn(move || SystemTime::from(now).into())
            .set_issue_time_verifier_fn(move |issued| {
                let latest = now.saturating_add(SKEW).unwrap_or(Timestamp::MAX);
                if SystemTime::from(issued) <= SystemTime::from(latest) { Ok(()) } else { Err("issued in the future".to_owned()) }
            });
        token.claims(&verifier, nonce).cloned()
    }
}

fn registered(registration: Option<&Registration>) -> Result<&Registration, Refusal> {
    registration.ok_or_else(|| Refusal::because(Reason::RegistrationWrong, "CoPortal is not registered at this provider"))
}

fn key_is_unknown(error: &ClaimsVerificationError) -> bool {
    matches!(error, ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey))
}

/// The reason for a token that was refused; the library's text may quote the token's own values, and is not kept.
fn refused_token(error: &ClaimsVerificationError) -> Refusal {
    let reason = match error {
        ClaimsVerificationError::Expired(_) | ClaimsVerificationError::InvalidAuthTime(_) => Reason::TimeWindow,
        ClaimsVerificationError::InvalidAudience(_) => Reason::AudienceMismatch,
        ClaimsVerificationError::InvalidIssuer(_) => Reason::IssuerMismatch,
        ClaimsVerificationError::InvalidNonce(_) => Reason::NonceMismatch,
        ClaimsVerificationError::SignatureVerification(
            SignatureVerificationError::DisallowedAlg(_)
            | SignatureVerificationError::UnsupportedAlg(_)
            | SignatureVerificationError::NoSignature,
        ) => Reason::AlgorithmRefused,
        ClaimsVerificationError::SignatureVerification(_) => Reason::SignatureInvalid,
        ClaimsVerificationError::InvalidAuthContext(_)
        | ClaimsVerificationError::InvalidSubject(_)
        | ClaimsVerificationError::Other(_)
        | ClaimsVerificationError::Unsupported(_)
        | _ => Reason::TokenMissing,
    };
    Refusal::new(reason)
}

fn exchange_failed(error: &RequestTokenError<FetchError, StandardErrorResponse<CoreErrorResponseType>>) -> Refusal {
    match error {
        RequestTokenError::ServerResponse(answer) => {
            let refusal = refused_by_provider(answer.error().as_ref(), answer.error_description().map(String::as_str));
            if refusal.reason == Reason::ProviderError { Refusal { reason: Reason::ExchangeRefused, ..refusal } } else { refusal }
        }
        RequestTokenError::Request(error) => super::cache::unavailable(error.clone()),
        RequestTokenError::Parse(..) => Refusal::new(Reason::TokenMissing),
        RequestTokenError::Other(_) => Refusal::new(Reason::ProviderUnavailable),
    }
}
