//! Where a browser goes after it has signed in.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::reason::{Reason, Refusal};

/// Longest path that is taken.
const MAX: usize = 512;

/// A path of our own origin, with an optional query: safe in a `Location` header, and no way off the origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReturnTo(String);

impl ReturnTo {
    /// Accepts a path, or refuses whatever might leave the origin: a scheme, an authority (`//host`, `/\host`), what a browser strips
    /// or folds before it parses (tab, newline, backslash, dot segments), encoded forms of these, a fragment. What is left is parsed
    /// as a browser would, against two origins, and must stay at both.
    ///
    /// # Errors
    /// [`Reason::ReturnRefused`].
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let refused = || Refusal::new(Reason::ReturnRefused);
        let plain = text.len() <= MAX && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.~?=&%+,:@".contains(&b));
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let rooted = path.starts_with('/') && !path.contains("//") && !path.contains(['%', ':', '@']);
        let stays = path.split('/').all(|segment| segment != "." && segment != "..");
        if !(plain && rooted && stays) || query.contains('?') {
            return Err(refused());
        }
        for origin in ["https://a.example/x/y?z", "http://b.example:8787/"] {
            let origin: Url = origin.parse().map_err(|_| refused())?;
            let landed = origin.join(text).map_err(|_| refused())?;
            if landed.origin() != origin.origin() || landed.path() != path {
                return Err(refused());
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// The front page.
    #[must_use]
    pub fn home() -> Self {
        Self("/".to_owned())
    }

    /// The path and query.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ReturnTo {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).map_err(|_| "not a path of our own")
    }
}

impl From<ReturnTo> for String {
    fn from(path: ReturnTo) -> Self {
        path.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_vector_leaves_the_origin() {
        let hostile = [
            "https://evil.example/",
            "//evil.example/",
            "///evil.example/",
            "/\\evil.example/",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "\t//evil.example",
            " /settings",
            "javascript:alert(1)",
            "data:text/html,x",
            "/%2f/evil.example",
            "/%5cevil.example",
            "/..//evil.example",
            "/.//evil.example",
            "/a/../../b",
            "/settings#@evil.example",
            "/settings\r\nset-cookie: a=b",
            "@evil.example",
            "evil.example",
            "",
            "?next=/",
            "/a//evil.example",
            "/settings?a=b?c",
            "/@evil.example:80",
            "/ｅvil",
            "http:/settings",
        ];
        for text in hostile {
            assert_eq!(ReturnTo::parse(text).unwrap_err().reason, Reason::ReturnRefused, "{text:?}");
        }
        assert!(ReturnTo::parse(&format!("/{}", "a".repeat(MAX))).is_err());
        for good in ["/", "/settings/sso", "/invoices/inv_1?tab=timeline&x=1%202", "/clients/cl_1/"] {
            assert_eq!(ReturnTo::parse(good).unwrap().as_str(), good);
        }
        println!("return_to: {} vectors refused, 4 accepted", hostile.len() + 1);
    }

    #[test]
    fn a_stored_path_is_checked_again_when_it_is_read() {
        assert!(serde_json::from_str::<ReturnTo>("\"//evil.example\"").is_err());
        assert_eq!(serde_json::from_str::<ReturnTo>("\"/settings\"").unwrap().as_str(), "/settings");
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_stays(text in "[/\\\\.:@%a-c?#&= \t]{0,12}") {
            if let Ok(path) = ReturnTo::parse(&text) {
                let origin: Url = "https://app.coportal.example/a/b".parse().unwrap();
                prop_assert_eq!(origin.join(path.as_str()).unwrap().origin(), origin.origin());
            }
        }
    }
}
