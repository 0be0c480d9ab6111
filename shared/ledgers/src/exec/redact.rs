//! What the log keeps of a vendor's words: one line, short, and never a token.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Longest internal text, in characters.
const KEPT: usize = 500;
const GONE: &str = "[redacted]";

/// Schemes after which a credential follows, also after a mere blank.
const SCHEMES: [&str; 2] = ["bearer", "basic"];

/// Names whose value is a secret when it is assigned to them, in a form, in JSON or in a header. In prose they are words: "account code".
const SECRET_NAMES: [&str; 8] =
    ["authorization", "access_token", "refresh_token", "id_token", "client_secret", "code_verifier", "code", "assertion"];

/// One line of at most 500 characters without anything that looks like a token, and without the `secrets` of the call itself, which a
/// vendor may echo.
pub(crate) fn line(text: &str, secrets: &[&str]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| secret.len() >= 4) {
        text = text.replace(*secret, GONE);
        let encoded = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
        if encoded != **secret {
            text = text.replace(&encoded, GONE);
        }
    }
    let mut out = String::with_capacity(text.len().min(2 * KEPT));
    let mut before = Before::Nothing;
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let is_word = in_word(first);
        let end = rest.find(|c| in_word(c) != is_word).unwrap_or(rest.len());
        let (run, left) = rest.split_at(end);
        rest = left;
        if !is_word {
            before = before.then(run);
            out.push_str(run);
        } else if before == Before::Value && Before::after(run) == Before::Nothing || looks_like_a_token(run) {
            out.push_str(GONE);
            before = Before::Nothing;
        } else {
            before = Before::after(run);
            out.push_str(run);
        }
    }
    let out = coportal_core::text::tidy(&out);
    match out.char_indices().nth(KEPT) {
        Some((end, _)) => out.get(..end).unwrap_or_default().to_owned(),
        None => out,
    }
}

fn in_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.~+%".contains(c)
}

/// What stood before the next word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    /// A name, not yet assigned to.
    Name,
    /// A scheme, or a name with an assignment: the next word is a secret.
    Value,
}

impl Before {
    fn after(word: &str) -> Self {
        let is = |names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
        if is(&SCHEMES) {
            Self::Value
        } else if is(&SECRET_NAMES) {
            Self::Name
        } else {
            Self::Nothing
        }
    }

    /// A closing brace or a comma ends what a name names; quotes, colons, equals signs and blanks do not.
    fn then(self, between: &str) -> Self {
        let leads_on = between.chars().all(|c| "\"': =\\".contains(c));
        match self {
            Self::Value if leads_on => Self::Value,
            Self::Name if leads_on && between.contains([':', '=']) => Self::Value,
            Self::Nothing | Self::Name | Self::Value => Self::Nothing,
        }
    }
}

/// A JSON Web Token or a piece of one, or a long run that mixes letters and digits and is no GUID and no id of ours.
fn looks_like_a_token(run: &str) -> bool {
    let jwt = run.contains("eyJ") || run.split('.').filter(|part| part.len() >= 16).count() >= 3;
    let mixed = run.bytes().any(|b| b.is_ascii_digit()) && run.bytes().any(|b| b.is_ascii_alphabetic());
    jwt || (run.len() >= 40 && mixed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_never_survive() {
        let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzb21lYm9keSJ9.c2lnbmF0dXJlLXNpZ25hdHVyZQ";
        let opaque = "Zk3jd9sKq2Lr8vXo0PwYtBnM5cHa7eGiU1fR4sDzQxJ6";
        for text in [
            format!("TokenExpired for Bearer {jwt} at noon"),
            format!("{{\"refresh_token\":\"{opaque}\",\"x\":1}}"),
            "grant_type=authorization_code&code=short1&client_secret=alsoshort".to_owned(),
            format!("Authorization: Basic {opaque}=="),
            format!("seen {opaque}"),
        ] {
            let line = line(&text, &[]);
            for secret in [jwt, opaque, "short1", "alsoshort", "c2lnbmF0dXJl"] {
                assert!(!line.contains(secret), "{line}");
            }
            assert!(line.contains(GONE));
        }
    }

    #[test]
    fn the_calls_own_secrets_go_also_when_they_are_short_or_encoded() {
        let line = line("you sent p@ss word and p%40ss%20word", &["p@ss word"]);
        assert_eq!(line, "you sent [redacted] and [redacted]");
    }

    #[test]
    fn what_helps_support_survives() {
        let text =
            "The contact name Acme is already assigned. Instance 5f0b5a4e-1c2d-4e3f-8a9b-0c1d2e3f4a5b inv_0192f0c1a2b37c4d8e5f6a7b8c9d0e1f";
        assert_eq!(line(text, &[]), text);
    }

    #[test]
    fn a_line_is_short_and_one_line() {
        let long = line(&"é\n".repeat(2000), &[]);
        assert_eq!(long.chars().count(), KEPT);
        assert!(!long.contains('\n'));
    }
}
