//! From configuration to the function's state.

use coportal_identity::domain::Domain;
use coportal_lambda::boot::{Boot, BootError};
use coportal_lambda::config::{self, InvalidConfiguration};
use coportal_sign_in::{GOOGLE_ISSUER, MICROSOFT_AUTHORITY, Outside, Settings, SignIn};

use crate::AppState;

fn wrong(problem: &impl std::fmt::Display) -> InvalidConfiguration {
    InvalidConfiguration { problems: vec![problem.to_string()] }
}

/// The state of the function, from its environment alone.
///
/// # Errors
/// With every problem of the configuration at once, or when TLS cannot be set up.
pub fn state(boot: &Boot) -> Result<AppState, BootError> {
    let (_, _, _, door, pages, sign_in, providers) = boot.configuration(|reader| {
        (
            config::Aws::read(reader),
            config::Database::read(reader),
            config::Telemetry::read(reader),
            config::Door::read(reader),
            config::Pages::read(reader),
            config::SignIn::read(reader),
            config::Providers::read(reader),
        )
    })?;
    let cloud = boot.cloud(None)?;
    let shell = boot.shell(&cloud)?;
    let outside = Outside::of(providers.dns_servers, &providers.origins).map_err(|error| wrong(&error))?;
    let own = [&door.public_url, &pages.app_url].into_iter().filter_map(|url| url.host_str());
    let settings = Settings {
        public_url: door.public_url.clone(),
        google_issuer: sign_in.google_issuer.unwrap_or_else(|| GOOGLE_ISSUER.to_owned()),
        google: sign_in.google,
        microsoft_authority: sign_in.microsoft_authority.unwrap_or_else(|| MICROSOFT_AUTHORITY.to_owned()),
        microsoft: sign_in.microsoft,
        // An address in figures, as locally, is no domain that anybody could claim.
        own_domains: own.filter_map(|host| Domain::parse(host).ok()).collect(),
    };
    let sign_in = SignIn::new(shell.store().clone(), cloud.parameters(), cloud.signer(&sign_in.signing_key), settings, outside);
    Ok(AppState { shell, sign_in, audience: door.audience })
}
