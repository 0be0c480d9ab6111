//! The token endpoint's answer, read leniently: a vendor's slip in a field that only helps us must not cost a user the connection.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use oauth2::basic::BasicTokenType;
use oauth2::{AccessToken, RefreshToken, Scope, TokenResponse};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};

/// A life beyond a day is not believed: no vendor's access tokens live longer than 90 minutes, and a too long life means calls with a dead
/// token.
const LIFE_MAX: i64 = 24 * 3600;

/// A token answer; `E` are the fields that this ledger adds to the standard's. Its `Debug` shows no token: the token types of the OAuth
/// library redact themselves.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "E: Serialize", deserialize = "E: DeserializeOwned"))]
pub(crate) struct Tokens<E> {
    pub(crate) access_token: AccessToken,
    #[serde(default, deserialize_with = "maybe_token")]
    pub(crate) refresh_token: Option<RefreshToken>,
    #[serde(default)]
    expires_in: Seconds,
    #[serde(skip, default = "bearer")]
    token_type: BasicTokenType,
    #[serde(flatten)]
    pub(crate) extra: E,
}

/// No fields beyond the standard's.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct NoExtra {}

fn bearer() -> BasicTokenType {
    BasicTokenType::Bearer
}

impl<E> Tokens<E> {
    /// How long the access token lives: the answer's own figure, else until `exp` (seconds since 1970) where the token itself told that,
    /// else `documented`.
    pub(crate) fn life(&self, exp: Option<i64>, documented: SignedDuration, now: Timestamp) -> SignedDuration {
        let believable = |seconds: &i64| (1..=LIFE_MAX).contains(seconds);
        let by_claim = exp.and_then(|exp| exp.checked_sub(now.as_second()));
        let told = self.expires_in.0.filter(believable).or(by_claim.filter(believable));
        told.map_or(documented, SignedDuration::from_secs)
    }
}

impl<E: fmt::Debug + Serialize + DeserializeOwned> TokenResponse for Tokens<E> {
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
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(crate) struct Seconds(pub(crate) Option<i64>);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Told {
            Whole(i64),
            Text(String),
            Else(IgnoredAny),
        }
        Ok(Self(match Told::deserialize(deserializer)? {
            Told::Whole(seconds) => Some(seconds),
            Told::Text(text) => text.trim().parse().ok(),
            Told::Else(IgnoredAny) => None,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(expires_in: &str) -> Tokens<NoExtra> {
        serde_json::from_str(&format!(r#"{{"access_token":"a","token_type":"bearer"{expires_in}}}"#)).unwrap()
    }

    #[test]
    fn a_life_is_always_sane() {
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let exp = now.as_second() + 900;
        let life = |json: &str, exp| tokens(json).life(exp, SignedDuration::from_mins(30), now).as_secs();
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
            assert_eq!(life(json, Some(exp)), with_exp, "{json}");
            assert_eq!(life(json, None), without, "{json}");
        }
        assert_eq!(life("", Some(now.as_second() - 1)), 1800);
        assert_eq!(life("", Some(i64::MIN)), 1800);
    }

    #[test]
    fn a_refresh_token_may_be_missing_or_empty() {
        for json in ["", r#","refresh_token":null"#, r#","refresh_token":"""#] {
            assert!(tokens(json).refresh_token.is_none(), "{json}");
        }
        assert!(tokens(r#","refresh_token":"r""#).refresh_token.is_some());
    }
}
