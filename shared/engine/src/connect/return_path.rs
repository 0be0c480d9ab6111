//! Where a browser goes after the callback: a path of our own pages, and nothing that a browser could read as another address.

use coportal_core::problem::{Issue, Problem};

/// Where a sign-in ends when the caller names no place.
pub const SETTINGS_PATH: &str = "/settings/integrations";

/// Longest path that is taken.
const MAX: usize = 512;

/// A relative path of our own origin, safe in a `Location` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnPath(String);

impl ReturnPath {
    /// Accepts a path, or refuses whatever might leave the origin: a scheme, an authority (`//host`, `/\host`), anything that a browser
    /// strips or folds before it parses (WHATWG URL, "basic URL parser": tab, newline, backslash), a dot segment that could fold to
    /// such a path, or a fragment, which would swallow the outcome.
    ///
    /// # Errors
    /// 422 with the pointer `/return_to`.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-_.~?=&%".contains(&b);
        let path = text.split('?').next().unwrap_or_default();
        let segments_stay = path.split('/').skip(1).enumerate().all(|(index, segment)| {
            // An empty segment is allowed at the end only: "//" anywhere else could become an authority once a prefix is folded away.
            let last = path.split('/').count().saturating_sub(2) == index;
            (!segment.is_empty() || last) && segment != "." && segment != ".." && !segment.contains('%')
        });
        let safe = text.len() <= MAX && path.starts_with('/') && text.bytes().all(plain) && text.matches('?').count() <= 1 && segments_stay;
        if safe { Ok(Self(text.to_owned())) } else { Err(refused()) }
    }

    /// The path a caller asked for, or the settings page.
    ///
    /// # Errors
    /// As [`ReturnPath::parse`].
    pub fn or_settings(text: Option<&str>) -> Result<Self, Problem> {
        text.map_or_else(|| Ok(Self::settings()), Self::parse)
    }

    /// The settings page.
    #[must_use]
    pub fn settings() -> Self {
        Self(SETTINGS_PATH.to_owned())
    }

    /// A path as it was stored; what is absent or no longer acceptable becomes the settings page.
    #[must_use]
    pub fn stored(text: Option<&str>) -> Self {
        text.and_then(|text| Self::parse(text).ok()).unwrap_or_else(Self::settings)
    }

    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path with one more query parameter, both parts of it plain words.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> String {
        let joint = if self.0.contains('?') { '&' } else { '?' };
        format!("{}{joint}{name}={value}", self.0)
    }
}

fn refused() -> Problem {
    Problem::invalid(vec![Issue::new(
        "/return_to",
        "relative_path",
        "return_to is a path of CoPortal itself, such as /settings/integrations.",
    )])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_our_own_are_taken() {
        for path in ["/", "/settings/integrations", "/invoices/inv_1?tab=sync&x=1", "/a-b_c.d~e/", "/settings/integrations?q=%20"] {
            assert_eq!(ReturnPath::parse(path).unwrap().as_str(), path);
        }
        assert_eq!(ReturnPath::or_settings(None).unwrap().as_str(), SETTINGS_PATH);
        assert_eq!(ReturnPath::stored(Some("https://evil.example")), ReturnPath::settings());
    }

    #[test]
    fn the_outcome_joins_a_query_that_is_there() {
        assert_eq!(ReturnPath::settings().with("connected", "xero"), "/settings/integrations?connected=xero");
        assert_eq!(ReturnPath::parse("/a?b=c").unwrap().with("connect_error", "x"), "/a?b=c&connect_error=x");
    }

    /// No open redirect after the callback.
    #[test]
    fn nothing_that_leaves_the_origin_is_taken() {
        let vectors = [
            "",
            "settings",
            "https://evil.example/",
            "http:evil.example",
            "HTTPS://evil.example",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "/\r\nLocation: https://evil.example",
            " //evil.example",
            "/.//evil.example",
            "/..//evil.example",
            "/a/..//evil.example",
            "/%2e%2e//evil.example",
            "/%09/evil.example",
            "/%5cevil.example",
            "/%2f%2fevil.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "/@evil.example/..//",
            "/settings#connected=xero",
            "/settings?next=https://evil.example",
            "/a?b?c",
            "/\u{2044}/evil.example",
            "/e\u{301}vil",
            "/<script>",
            "/\"onload=",
            "/a//b",
        ];
        assert!(vectors.len() >= 20);
        for vector in vectors {
            let problem = ReturnPath::parse(vector).err().unwrap_or_else(|| panic!("{vector:?} was taken"));
            assert_eq!(problem.issues.first().unwrap().pointer, "/return_to");
        }
        assert!(ReturnPath::parse(&format!("/{}", "a".repeat(MAX))).is_err());
    }
}
