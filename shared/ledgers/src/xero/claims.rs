//! What Xero's access tokens say of themselves.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// What is read from an access token.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Claims {
    /// The consent that the token came from.
    #[serde(default)]
    pub(super) authentication_event_id: Option<String>,
    /// When it ends, in seconds since 1970.
    #[serde(default)]
    pub(super) exp: Option<i64>,
}

/// The claims of an access token, read **without verifying its signature**. That is sound here because nothing is granted on them: the
/// token came straight from the vendor's token endpoint over TLS, only the vendor decides what it opens, and both claims are hints. The
/// event id only narrows a list that the vendor itself answers with under this very token, and `exp` only stands in for a missing
/// `expires_in`. A claim that lies costs one call or one early refresh.
pub(super) fn claims(token: &str) -> Claims {
    token
        .split('.')
        .nth(1)
        .and_then(|payload| URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok())
        .and_then(|json| serde_json::from_slice(&json).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_hints_and_nonsense_is_none() {
        let token = |payload: &str| format!("h.{}.s", URL_SAFE_NO_PAD.encode(payload));
        let read = claims(&token(r#"{"authentication_event_id":"ev-1","exp":1800000000,"other":[1]}"#));
        assert_eq!((read.authentication_event_id.as_deref(), read.exp), (Some("ev-1"), Some(1_800_000_000)));
        for nonsense in ["", "opaque", "a.!!.c", &token("[]"), &token(r#"{"exp":"x"}"#)] {
            assert!(claims(nonsense).authentication_event_id.is_none(), "{nonsense}");
        }
    }
}
