//! The last guard of the log: text that looks like a secret or an address is blotted out.
//!
//! Log lines are made of typed fields, and no header, query or body is among them. Two fields carry sentences that were made elsewhere:
//! the internal half of a problem and a panic's message. Both pass through here.

/// Runs at least this long that mix letters and digits are taken for a token. Ids of ours and UUIDs are spared.
const TOKEN_LENGTH: usize = 16;

/// Names after which a value is secret whatever its length.
const SECRET_NAMES: [&str; 12] = [
    "code",
    "state",
    "token",
    "secret",
    "password",
    "verifier",
    "code_verifier",
    "key",
    "assertion",
    "cookie",
    "authorization",
    "signature",
];

/// The text without what looks like a secret or an e-mail address.
#[must_use]
pub fn scrub(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut run = String::new();
    // After "Bearer " the next run is a credential, however short.
    let mut credential_follows = false;
    for c in text.chars().chain(std::iter::once('\n')) {
        if is_run(c) {
            run.push(c);
            continue;
        }
        if !run.is_empty() {
            clean.push_str(judge(&run, credential_follows));
            credential_follows = run.eq_ignore_ascii_case("bearer") || run.eq_ignore_ascii_case("basic");
            run.clear();
        }
        clean.push(c);
    }
    clean.pop();
    clean
}

fn is_run(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+/=_.~%-@&?".contains(c)
}

fn judge(run: &str, credential: bool) -> &str {
    if run.contains('@') && run.contains('.') {
        return "[e-mail]";
    }
    if credential || names_a_secret(run) || is_token(run) { "[redacted]" } else { run }
}

fn names_a_secret(run: &str) -> bool {
    run.split(['?', '&']).filter_map(|pair| pair.split_once('=')).any(|(name, value)| {
        let name = name.rsplit(['/', '.', '-', '_']).next().unwrap_or(name).to_ascii_lowercase();
        !value.is_empty() && SECRET_NAMES.contains(&name.as_str())
    })
}

fn is_token(run: &str) -> bool {
    if run.split(['/', '?', '&', '=', '.']).all(is_plain) {
        return false;
    }
    run.len() >= TOKEN_LENGTH && (run.contains('%') || run.contains('=') || mixes(run))
}

/// A word, a number, an id of ours or a UUID.
fn is_plain(part: &str) -> bool {
    part.len() < TOKEN_LENGTH || is_id(part) || !mixes(part) && !part.contains('%')
}

fn mixes(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_digit()) && text.bytes().any(|b| b.is_ascii_alphabetic())
}

fn is_id(part: &str) -> bool {
    let hex = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let ours = part.split_once('_').is_some_and(|(prefix, rest)| {
        (2..=4).contains(&prefix.len()) && prefix.bytes().all(|b| b.is_ascii_lowercase()) && rest.len() == 32 && hex(rest)
    });
    let groups: Vec<usize> = part.split('-').map(str::len).collect();
    ours || groups == [8, 4, 4, 4, 12] && part.split('-').all(|group| hex(&group.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_ids_and_codes_stay() {
        for text in [
            "PutItem: refused (ConditionalCheckFailedException)",
            "invoice inv_00000000000000000000000000000007 of ws_0123456789abcdef0123456789abcdef",
            "organisation 8f4e2a1c-0000-4000-8000-1234567890ab answered 503 after 1200 ms",
            "the token has expired",
            "https://api.xero.com/api.xro/2.0/Invoices",
            "",
        ] {
            assert_eq!(scrub(text), text);
        }
    }

    #[test]
    fn tokens_and_addresses_go() {
        for (text, clean) in [
            ("Bearer abc", "Bearer [redacted]"),
            ("sent to ann@example.com today", "sent to [e-mail] today"),
            ("GET https://x.example/cb?code=ab12&state=s failed", "GET https:[redacted] failed"),
            ("access_token=x", "[redacted]"),
            ("got eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl back", "got [redacted] back"),
            ("hash 3f2a9c0d4e5b6f7081920a3b4c5d6e7f", "hash [redacted]"),
            ("encoded a%20b%2Fc%3Dd%26e%3Ff", "encoded [redacted]"),
        ] {
            assert_eq!(scrub(text), clean);
        }
    }
}
