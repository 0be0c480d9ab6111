//! Looking for secrets in text.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// So many characters of a secret in a row are a leak.
const PIECE: usize = 12;

/// Every piece of every secret, in every disguise.
#[derive(Default)]
pub(crate) struct Canaries {
    pieces: HashMap<[u8; PIECE], String>,
    names: BTreeSet<String>,
}

impl Canaries {
    /// Adds a secret under a name that a failure shows in its place.
    pub(crate) fn add(&mut self, name: &str, secret: &str) {
        assert!(secret.len() >= 2 * PIECE, "{name} is too short to be searched for");
        self.names.insert(name.to_owned());
        for (disguise, text) in disguises(secret) {
            for piece in text.as_bytes().windows(PIECE) {
                let piece: [u8; PIECE] = piece.try_into().unwrap();
                self.pieces.entry(piece).or_insert_with(|| format!("{name}, {disguise}"));
            }
        }
    }

    pub(crate) fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// The first secret in a text, with what stands around it.
    pub(crate) fn in_text(&self, text: &[u8]) -> Option<String> {
        text.windows(PIECE).enumerate().find_map(|(at, window)| {
            let found = self.pieces.get(window)?;
            let around = &text[at.saturating_sub(60)..(at + PIECE).min(text.len())];
            Some(format!("{found}: …{}", String::from_utf8_lossy(around)))
        })
    }
}

fn disguises(secret: &str) -> Vec<(&'static str, String)> {
    let bytes = secret.as_bytes();
    let reversed: String = secret.chars().rev().collect();
    let mut hex = String::new();
    let mut percent = String::new();
    for byte in bytes {
        write!(hex, "{byte:02x}").unwrap();
        write!(percent, "%{byte:02X}").unwrap();
    }
    let form: String = url::form_urlencoded::byte_serialize(bytes).collect();
    let mut all = vec![
        ("as it is", secret.to_owned()),
        ("reversed", reversed),
        ("in hex", hex),
        ("every byte escaped", percent),
        ("form-encoded", form),
    ];
    // Inside a longer text, base64 begins at one of three places; the ends, which depend on the neighbours, are left out.
    for shift in 0..3 {
        let shifted: Vec<u8> = std::iter::repeat_n(b'x', shift).chain(bytes.iter().copied()).collect();
        for (name, engine) in [("in base64", &STANDARD), ("in base64url", &URL_SAFE)] {
            let text = engine.encode(&shifted);
            let inner = text.trim_end_matches('=');
            all.push((name, inner[4.min(inner.len())..inner.len().saturating_sub(2)].to_owned()));
        }
    }
    all
}

#[test]
fn a_secret_is_found_in_each_disguise_and_in_part() {
    let secret = "s3cr3t-T0ken/with+signs=and-more-of-it";
    let mut canaries = Canaries::default();
    canaries.add("token", secret);
    let reversed: String = secret.chars().rev().collect();
    let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    for leak in [
        format!("a line with {secret} in it"),
        format!("only {}", &secret[5..5 + PIECE]),
        format!("back to front {reversed}"),
        format!("?token={encoded}&x=1"),
        format!("Basic {}", STANDARD.encode(format!("id:{secret}"))),
        format!("Basic {}", STANDARD.encode(format!("client:{secret}"))),
        URL_SAFE.encode(format!("{{\"t\":\"{secret}\"}}")),
    ] {
        assert!(canaries.in_text(leak.as_bytes()).is_some(), "{leak}");
    }
    for harmless in ["", "nothing of it", &secret[..PIECE - 1], "Basic Y2xpZW50OnNvbWV0aGluZyBlbHNl"] {
        assert_eq!(canaries.in_text(harmless.as_bytes()), None, "{harmless}");
    }
}
