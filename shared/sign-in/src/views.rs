//! What an admin is shown.

use coportal_aws::records::sign_in::connections::{Passed, SsoConnection};
use coportal_aws::records::sign_in::domains::Claim;
use coportal_core::ctx::Ctx;
use coportal_core::door::Enforcement;
use coportal_core::id::{DomainId, SsoConnectionId, UserId, WorkspaceId};
use coportal_core::problem::{Fix, Outcome, Problem};
use coportal_identity::Reason;
use coportal_identity::domain::{Challenge, Domain, ProofState, Standing};
use coportal_identity::oidc::{Oidc, Provider, aadsts, aadsts_of};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::SignIn;
use crate::settings::{Speaks, from_document, speaks};

/// A connection.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SsoConnectionView))]
pub struct ConnectionView {
    /// Its id.
    pub id: SsoConnectionId,
    /// `google`, `microsoft` or `saml`.
    pub provider: String,
    /// `tenant_needed` (Microsoft, before the first test), `untested`, `tested` or `live`.
    pub status: &'static str,
    /// How strict it is; null while it is not live.
    pub enforcement: Option<Enforcement>,
    /// Google: the Workspace's domain, once a test has shown it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hosted_domain: Option<String>,
    /// Microsoft: the tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Microsoft: where an administrator agrees to CoPortal once for everybody (R107).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_consent_url: Option<String>,
    /// SAML: the provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_provider: Option<IdentityProviderView>,
    /// SAML: what the provider has to be told of us.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_provider: Option<ServiceProviderView>,
    /// SAML by URL: how fetching goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<MetadataView>,
    /// Where a sign-in begins.
    pub start_url: String,
    /// The last test.
    pub last_test: Option<TestView>,
    /// The last sign-in that failed, and what to do about it.
    pub last_failure: Option<FailureView>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: UserId,
}

/// A SAML provider.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IdentityProviderView {
    /// Its entity id.
    pub entity_id: String,
    /// Where browsers are sent.
    pub sso_url: String,
    /// The certificates that may sign.
    pub certificates: Vec<CertificateView>,
}

/// A certificate.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CertificateView {
    /// SHA-256.
    pub fingerprint: String,
    /// When it ends.
    pub not_after: Timestamp,
    /// Whether it has ended or ends within 30 days. Its key still counts.
    pub expiring: bool,
}

/// Our side of a SAML connection.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServiceProviderView {
    /// Entity id, which is the audience.
    pub entity_id: String,
    /// Assertion consumer address.
    pub acs_url: String,
}

/// The fetching of metadata.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MetadataView {
    /// From where.
    pub url: String,
    /// When it was last read.
    pub fetched_at: Timestamp,
    /// Why the last attempt brought nothing.
    pub problem: Option<String>,
    /// What differs in metadata that waits for approval.
    pub held: Option<Value>,
}

/// A test.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SsoTestView))]
pub struct TestView {
    /// Who signed in.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
    /// Whether a person would have been let in.
    pub passed: bool,
    /// Whether it still counts: nothing has changed since.
    pub counts: bool,
    /// Why, in a code.
    pub reason: String,
    /// Why, in a sentence.
    pub sentence: Option<&'static str>,
    /// What to do.
    pub fix: Option<Fix>,
    /// The provider's own code, or the claim that is missing.
    pub detail: Option<String>,
    /// The claims that came.
    pub claims: Value,
}

/// A failed sign-in.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FailureView {
    /// When.
    pub at: Timestamp,
    /// Why, in a code.
    pub reason: String,
    /// Why, in a sentence.
    pub sentence: Option<&'static str>,
    /// What to do.
    pub fix: Option<Fix>,
    /// The provider's own code.
    pub detail: Option<String>,
    /// Where an administrator of the tenant mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_consent_url: Option<String>,
}

/// The reason of a stored code; a newer version's code has no words here.
pub(crate) fn reason_of(code: &str) -> Option<Reason> {
    Reason::ALL.iter().copied().find(|reason| reason.code() == code)
}

impl SignIn {
    pub(crate) fn view(&self, ctx: &Ctx, oidc: &Oidc, connection: &SsoConnection) -> Outcome<ConnectionView> {
        let counts = |at: Timestamp| at >= connection.changed_at;
        let tested = connection.passed.as_ref().is_some_and(|Passed { at, .. }| counts(*at));
        let (mut hosted_domain, mut tenant, mut admin_consent_url) = (None, None, None);
        let (mut identity_provider, mut service_provider, mut unbound) = (None, None, false);
        match speaks(connection)? {
            Speaks::Unbound => unbound = true,
            Speaks::Oidc(Provider::Google { hosted_domain: domain }) => hosted_domain = domain.map(|domain| domain.to_string()),
            Speaks::Oidc(Provider::Microsoft { tenant: bound }) => {
                // Without a registration there is nothing to agree to.
                admin_consent_url = oidc.admin_consent_url(&bound).ok().map(String::from);
                tenant = Some(bound.to_string());
            }
            Speaks::Saml(saml) => {
                let soon: Vec<&str> = saml.idp.expiring(ctx.now()).map(|key| key.fingerprint.as_str()).collect();
                let certificates = saml.idp.keys.iter().map(|key| CertificateView {
                    fingerprint: key.fingerprint.clone(),
                    not_after: key.not_after,
                    expiring: soon.contains(&key.fingerprint.as_str()),
                });
                identity_provider = Some(IdentityProviderView {
                    entity_id: saml.idp.entity_id.clone(),
                    sso_url: saml.idp.sso_url.to_string(),
                    certificates: certificates.collect(),
                });
                service_provider =
                    Some(ServiceProviderView { entity_id: self.sp().entity_id(connection.id), acs_url: self.sp().acs_url(connection.id) });
            }
        }
        let last_failure = connection.last_failure.as_ref().map(|failure| {
            let reason = reason_of(&failure.reason);
            let by_consent = failure.detail.as_deref().and_then(aadsts_of).and_then(aadsts).is_some_and(|entry| entry.consent_link);
            FailureView {
                at: failure.at,
                reason: failure.reason.clone(),
                sentence: reason.map(Reason::sentence),
                fix: reason.map(Reason::fix),
                detail: failure.detail.clone(),
                admin_consent_url: admin_consent_url.clone().filter(|_| by_consent),
            }
        });
        Ok(ConnectionView {
            id: connection.id,
            provider: connection.provider.clone(),
            status: match (unbound, connection.enforcement.is_some(), tested) {
                (true, _, _) => "tenant_needed",
                (false, true, _) => "live",
                (false, false, true) => "tested",
                (false, false, false) => "untested",
            },
            enforcement: connection.enforcement,
            hosted_domain,
            tenant,
            admin_consent_url,
            identity_provider,
            service_provider,
            metadata: connection.metadata.as_ref().map(|metadata| MetadataView {
                url: metadata.url.clone(),
                fetched_at: metadata.fetched_at,
                problem: metadata.problem.clone(),
                held: metadata.held.as_ref().map(|held| held.differs.clone()),
            }),
            start_url: self.start_url(connection.id),
            last_test: connection.last_test.as_ref().map(|test| {
                let reason = reason_of(&test.reason);
                TestView {
                    by: test.by.clone(),
                    at: test.at,
                    passed: test.passed,
                    counts: test.passed && counts(test.at),
                    reason: test.reason.clone(),
                    sentence: reason.map(Reason::sentence),
                    fix: reason.map(Reason::fix),
                    detail: test.detail.clone(),
                    claims: test.claims.clone(),
                }
            }),
            last_failure,
            created_at: connection.created_at,
            created_by: connection.created_by.clone(),
        })
    }
}

/// A domain of a workspace.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DomainView {
    /// Its id.
    pub id: DomainId,
    /// The domain.
    pub domain: String,
    /// `pending`, `verified` or `failed`.
    pub status: &'static str,
    /// What a person should know of the status: the record is missing, the proof has lapsed, somebody else was first.
    pub problem: Option<&'static str>,
    /// The connection that was chosen for it; the workspace's oldest live one where null.
    pub connection_id: Option<SsoConnectionId>,
    /// The TXT record to set, and to leave there.
    pub record: Option<RecordView>,
    /// When it was looked for last.
    pub checked_at: Option<Timestamp>,
    /// When it was first proved.
    pub verified_at: Option<Timestamp>,
}

/// A TXT record.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecordView {
    /// `TXT`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl DomainView {
    pub(crate) fn of(ctx: &Ctx, ws: WorkspaceId, claim: &Claim) -> Outcome<Self> {
        let record = |value: &str| -> Outcome<RecordView> {
            let domain = Domain::parse(&claim.listed.domain).map_err(Problem::internal_error)?;
            let challenge = Challenge { domain, value: value.to_owned() };
            Ok(RecordView { kind: "TXT", name: challenge.record_name(), value: challenge.value })
        };
        let base = Self {
            id: claim.listed.id,
            domain: claim.listed.domain.clone(),
            status: "failed",
            problem: None,
            connection_id: None,
            record: None,
            checked_at: None,
            verified_at: None,
        };
        if let Some(owner) = claim.owner.as_ref().map(|owner| &owner.value).filter(|owner| owner.ws == ws) {
            let proof: ProofState = from_document(&owner.proof)?;
            let (status, problem) = match proof.standing(ctx.now()) {
                Standing::Proven => ("verified", None),
                Standing::Warned => ("verified", Some("The record was not found at the last looks. Put it back, or the proof lapses.")),
                Standing::Lapsed => ("failed", Some("The record has been missing for too long. Put it back and verify again.")),
            };
            return Ok(Self {
                status,
                problem,
                connection_id: owner.connection,
                record: Some(record(&owner.value)?),
                checked_at: Some(proof.checked_at),
                verified_at: Some(owner.proven_at),
                ..base
            });
        }
        let Some(asked) = &claim.asked else {
            let problem = if claim.owner.is_some() {
                "Another workspace has proved this domain."
            } else {
                "The record was not set within 30 days. Ask for the domain again."
            };
            return Ok(Self { problem: Some(problem), ..base });
        };
        Ok(Self {
            status: "pending",
            problem: asked.checked_at.map(|_| "The record was not there at the last look. DNS changes can take hours."),
            connection_id: asked.connection,
            record: Some(record(&asked.value)?),
            checked_at: asked.checked_at,
            ..base
        })
    }
}
