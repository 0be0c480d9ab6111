//! The relying party at Google and Microsoft, with CoPortal's registrations as SSM has them now.

use std::sync::{Arc, PoisonError};

use coportal_aws::parameters::ParameterError;
use coportal_core::ctx::Ctx;
use coportal_core::problem::Outcome;
use coportal_core::text::digest;
use coportal_identity::oidc::{Oidc, Providers, Registration};

use crate::{CALLBACK_PATH, GOOGLE_HOSTS, SignIn};

impl SignIn {
    /// The relying party. It is built once, and anew when a client secret was exchanged; what it has fetched lives with it.
    pub(crate) async fn oidc(&self, ctx: &Ctx) -> Outcome<Arc<Oidc>> {
        let settings = self.settings();
        let google = self.registration(ctx, &settings.google).await?;
        let microsoft = self.registration(ctx, &settings.microsoft).await?;
        let parts = [&google, &microsoft].into_iter().flatten();
        let parts: Vec<&[u8]> =
            parts.flat_map(|registration| [registration.client_id.as_bytes(), registration.client_secret.expose().as_bytes()]).collect();
        let fingerprint = digest(parts);
        let mut held = self.0.oidc.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, oidc)) = &*held
            && *known == fingerprint
        {
            return Ok(Arc::clone(oidc));
        }
        let providers = Providers {
            google_issuer: settings.google_issuer.clone(),
            google_hosts: GOOGLE_HOSTS.map(str::to_owned).to_vec(),
            google,
            microsoft_authority: settings.microsoft_authority.clone(),
            microsoft,
            redirect_uri: settings.public_url.join(CALLBACK_PATH).map_err(coportal_core::problem::Problem::internal_error)?,
        };
        let oidc = Arc::new(Oidc::new(providers, Arc::clone(&self.outside().fetch)));
        *held = Some((fingerprint, Arc::clone(&oidc)));
        Ok(oidc)
    }

    /// A registration, if there is one: a deployment need not be registered at both.
    async fn registration(&self, ctx: &Ctx, [id, secret]: &[String; 2]) -> Outcome<Option<Registration>> {
        match self.0.parameters.get(ctx, [id, secret]).await {
            Ok([id, secret]) => Ok(Some(Registration { client_id: id.expose().to_owned(), client_secret: secret })),
            Err(ParameterError::Missing { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
