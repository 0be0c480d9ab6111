//! Our side: what we publish, and the request that a browser takes to the provider.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coportal_core::ctx::Ctx;
use coportal_core::id::SsoConnectionId;
use coportal_core::secret::Secret;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use futures_util::future::BoxFuture;
use url::Url;
use url::form_urlencoded::byte_serialize;

use super::metadata::SamlIdp;
use super::names::{ASSERTION, METADATA, NAME_ID_EMAIL, NAME_ID_PERSISTENT, POST, PROTOCOL, SIGNATURE};
use super::xml::escape;
use crate::reason::{Reason, Refusal};

/// How requests are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RsaSha256,
    /// ECDSA with SHA-256 on P-256; the signature is `r` and `s`, 32 bytes each (RFC 4050, section 3.3), not DER.
    EcdsaSha256,
}

impl RequestAlgorithm {
    fn uri(self) -> &'static str {
        match self {
            Self::RsaSha256 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
            Self::EcdsaSha256 => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
        }
    }
}

/// The signing service gave no signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the request could not be signed: {0}")]
pub struct SignError(pub String);

/// Signs requests with a key that stays where it is.
pub trait RequestSigner: Send + Sync {
    /// How it signs.
    fn algorithm(&self) -> RequestAlgorithm;
    /// Its certificate (DER), which we publish so that providers can verify.
    fn certificate(&self) -> &[u8];
    /// Signs these octets.
    fn sign<'a>(&'a self, octets: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, SignError>>;
}

/// CoPortal as service provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceProvider {
    base: Url,
}

/// A sign-in that has been started. The caller stores the hash of `state` with `request_id`, for ten minutes, and binds it to the browser.
pub struct Started {
    /// Where the browser goes.
    pub url: Url,
    /// The `RelayState`: opaque, never an address; kept as a hash, works once.
    pub state: Secret,
    /// What the response must answer.
    pub request_id: String,
}

impl ServiceProvider {
    /// The service provider at this public origin, such as `https://app.coportal.com`.
    #[must_use]
    pub fn new(base: Url) -> Self {
        Self { base }
    }

    /// The entity id of a connection: its metadata's address.
    #[must_use]
    pub fn entity_id(&self, connection: SsoConnectionId) -> String {
        self.at(connection, "metadata")
    }

    /// The assertion consumer address of a connection.
    #[must_use]
    pub fn acs_url(&self, connection: SsoConnectionId) -> String {
        self.at(connection, "acs")
    }

    fn at(&self, connection: SsoConnectionId, what: &str) -> String {
        format!("{}/v1/sso/saml/{connection}/{what}", self.base.as_str().trim_end_matches('/'))
    }

    /// The metadata of a connection. It has no encryption certificate: assertions travel plain, under TLS.
    #[must_use]
    pub fn metadata(&self, connection: SsoConnectionId, signer: Option<&dyn RequestSigner>) -> String {
        let key = signer.map_or_else(String::new, |signer| {
            format!(
                "<KeyDescriptor use=\"signing\"><KeyInfo xmlns=\"{SIGNATURE}\"><X509Data><X509Certificate>{}</X509Certificate></X509Data></KeyInfo></KeyDescriptor>",
                STANDARD.encode(signer.certificate())
            )
        });
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<EntityDescriptor xmlns=\"{METADATA}\" entityID=\"{}\"><SPSSODescriptor AuthnRequestsSigned=\"{}\" WantAssertionsSigned=\"true\" protocolSupportEnumeration=\"{PROTOCOL}\">{key}<NameIDFormat>{NAME_ID_PERSISTENT}</NameIDFormat><NameIDFormat>{NAME_ID_EMAIL}</NameIDFormat><AssertionConsumerService Binding=\"{POST}\" Location=\"{}\" index=\"0\" isDefault=\"true\"/></SPSSODescriptor></EntityDescriptor>\n",
            escape(&self.entity_id(connection)),
            signer.is_some(),
            escape(&self.acs_url(connection)),
        )
    }

    /// Starts a sign-in. `fresh` asks for a new sign-in at the provider (a test run by an admin).
    ///
    /// # Errors
    /// [`Reason::RegistrationWrong`] when the provider wants signed requests and there is no signer; [`Reason::ProviderBusy`] when the
    /// signer fails.
    pub async fn start(
        &self,
        ctx: &Ctx,
        connection: SsoConnectionId,
        idp: &SamlIdp,
        signer: Option<&dyn RequestSigner>,
        fresh: bool,
    ) -> Result<Started, Refusal> {
        if idp.wants_signed_requests && signer.is_none() {
            return Err(Refusal::because(Reason::RegistrationWrong, "the provider wants signed requests"));
        }
        // An XML id does not begin with a digit.
        let request_id = format!("_{}", hex::encode(ctx.random_bytes::<20>()));
        let state = ctx.token();
        let xml = format!(
            "<samlp:AuthnRequest xmlns:samlp=\"{PROTOCOL}\" xmlns:saml=\"{ASSERTION}\" ID=\"{request_id}\" Version=\"2.0\" IssueInstant=\"{}\" Destination=\"{}\" AssertionConsumerServiceURL=\"{}\" ProtocolBinding=\"{POST}\"{}><saml:Issuer>{}</saml:Issuer><samlp:NameIDPolicy AllowCreate=\"true\"/></samlp:AuthnRequest>",
            ctx.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            escape(idp.sso_url.as_str()),
            escape(&self.acs_url(connection)),
            if fresh { " ForceAuthn=\"true\"" } else { "" },
            escape(&self.entity_id(connection)),
        );
        let mut query = format!("SAMLRequest={}&RelayState={state}", encode(&STANDARD.encode(deflated(xml.as_bytes())?)));
        if let Some(signer) = signer {
            // SAML Bindings, section 3.4.4.1: the octets signed are these parameters, in this order, as they are sent.
            query = format!("{query}&SigAlg={}", encode(signer.algorithm().uri()));
            let signature = signer.sign(query.as_bytes()).await.map_err(|error| Refusal::because(Reason::ProviderBusy, error))?;
            query = format!("{query}&Signature={}", encode(&STANDARD.encode(signature)));
        }
        let mut url = idp.sso_url.clone();
        let query = url.query().map_or_else(|| query.clone(), |held| format!("{held}&{query}"));
        url.set_query(Some(&query));
        Ok(Started { url, state: Secret::new(state), request_id })
    }
}

fn encode(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

/// Raw DEFLATE, as the redirect binding wants it (SAML Bindings, section 3.4.4.1).
fn deflated(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let failed = |_| Refusal::because(Reason::RegistrationWrong, "the request could not be compressed");
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).map_err(failed)?;
    encoder.finish().map_err(failed)
}
