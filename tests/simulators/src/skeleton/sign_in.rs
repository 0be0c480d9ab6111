//! What sign-in has in common: the client's credentials, the redirect back, redirect URIs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use super::answer::Reply;
use super::config::Config;
use super::incoming::Incoming;

/// HTTP Basic with client id and secret; both parts are form-encoded first (RFC 6749, section 2.3.1).
pub(crate) fn is_client(call: &Incoming, config: &Config) -> bool {
    let credentials = call.header("authorization").and_then(|value| value.strip_prefix("Basic "));
    let decoded = credentials.and_then(|text| STANDARD.decode(text).ok()).and_then(|bytes| String::from_utf8(bytes).ok());
    let Some((id, secret)) = decoded.as_deref().and_then(|text| text.split_once(':')) else { return false };
    let plain = |text: &str| percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    plain(id) == config.client_id && plain(secret) == config.client_secret
}

/// The registered redirect URI that is exactly this one.
pub(crate) fn registered(config: &Config, sent: &str) -> Option<Url> {
    config.redirect_uris.iter().find(|uri| uri.as_str() == sent).and_then(|uri| Url::parse(uri).ok())
}

/// A URL as `url` prints it, so that code and token requests compare alike.
pub(crate) fn normal(uri: &str) -> String {
    Url::parse(uri).map_or_else(|_| uri.to_owned(), |url| url.as_str().to_owned())
}

/// The browser is sent back to the app with `answers` in the query.
pub(crate) fn back(redirect_uri: &Url, answers: &[(&str, &str)]) -> Reply {
    let mut to = redirect_uri.clone();
    to.query_pairs_mut().extend_pairs(answers);
    Reply::new(302, "", String::new()).with("location", to.as_str()).with("cache-control", "no-store")
}
