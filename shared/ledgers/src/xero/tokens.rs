//! The token endpoint's answer, read leniently: a vendor's slip in a field that only helps us must not cost a user the connection.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use oauth2::basic::BasicTokenType;
use oauth2::{AccessToken, RefreshToken, Scope, TokenResponse};
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::profile::PROFILE;

/// A life beyond a day is not believed: the vendor's access tokens live 30 minutes, and a too long life means calls with a dead token.
const LIFE_MAX: i64 = 24 * 3600;

/// A token answer. Its `Debug` shows no token: the token types of the OAuth library redact themselves.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Tokens {
    pub(super) access_token: AccessToken,
    #[serde(default, deserialize_with = "maybe_token")]
    pub(super) refresh_token: Option<RefreshToken>,
    #[serde(default)]
    expires_in: Seconds,
    #[serde(skip, default = "bearer")]
    token_type: BasicTokenType,
}

fn bearer() -> BasicTokenType {
    BasicTokenType::Bearer
}

impl Tokens {
    /// Seconds that the access token lives: the answer's own figure, else the token's `exp`, else the documented life.
    pub(super) fn life(&self, exp: Option<i64>, now: Timestamp) -> i64 {
        let believable = |seconds: &i64| (1..=LIFE_MAX).contains(seconds);
        let by_claim = exp.and_then(|exp| exp.checked_sub(now.as_second()));
        self.expires_in.0.filter(believable).or(by_claim.filter(believable)).unwrap_or(PROFILE.access_token_life.as_secs())
    }
}

impl TokenResponse for Tokens {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &Self::TokenType {
        &self.token_type
    }

    fn expires_in(&self) -> Option<Duration> {
        self.expires_in.0.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs)
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

fn maybe_token<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RefreshToken>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.is_empty()).map(RefreshToken::new))
}

/// Whole seconds as a number or as text; anything else counts as not said.
#[derive(Debug, Default, Serialize)]
struct Seconds(Option<i64>);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecondsVisitor)
    }
}

struct SecondsVisitor;

impl<'de> Visitor<'de> for SecondsVisitor {
    type Value = Seconds;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_i64<E>(self, value: i64) -> Result<Seconds, E> {
        Ok(Seconds(Some(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Seconds, E> {
        Ok(Seconds(i64::try_from(value).ok()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Seconds, E> {
        Ok(Seconds(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Seconds, E> {
        Ok(Seconds(None))
    }

    fn visit_str<E>(self, value: &str) -> Result<Seconds, E> {
        Ok(Seconds(value.trim().parse().ok()))
    }

    fn visit_unit<E>(self) -> Result<Seconds, E> {
        Ok(Seconds(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Seconds, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Seconds(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Seconds, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Seconds(None))
    }
}

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

    fn tokens(expires_in: &str) -> Tokens {
        serde_json::from_str(&format!(r#"{{"access_token":"a","token_type":"bearer"{expires_in}}}"#)).unwrap()
    }

    #[test]
    fn a_life_is_always_sane() {
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let exp = now.as_second() + 900;
        for (json, with_exp, without) in [
            (r#","expires_in":1800"#, 1800, 1800),
            (r#","expires_in":"1200""#, 1200, 1200),
            (r#","expires_in":" 1200 ""#, 1200, 1200),
            ("", 900, 1800),
            (r#","expires_in":null"#, 900, 1800),
            (r#","expires_in":0"#, 900, 1800),
            (r#","expires_in":-5"#, 900, 1800),
            (r#","expires_in":1e3"#, 900, 1800),
            (r#","expires_in":"soon""#, 900, 1800),
            (r#","expires_in":{"a":[1]}"#, 900, 1800),
            (r#","expires_in":[1,2]"#, 900, 1800),
            (r#","expires_in":99999999999999999999"#, 900, 1800),
        ] {
            assert_eq!(tokens(json).life(Some(exp), now), with_exp, "{json}");
            assert_eq!(tokens(json).life(None, now), without, "{json}");
        }
        assert_eq!(tokens("").life(Some(now.as_second() - 1), now), 1800);
        assert_eq!(tokens("").life(Some(i64::MIN), now), 1800);
    }

    #[test]
    fn a_refresh_token_may_be_missing_or_empty() {
        for json in ["", r#","refresh_token":null"#, r#","refresh_token":"""#] {
            assert!(tokens(json).refresh_token.is_none(), "{json}");
        }
        assert!(tokens(r#","refresh_token":"r""#).refresh_token.is_some());
    }

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
