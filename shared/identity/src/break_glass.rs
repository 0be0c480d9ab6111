//! Codes that open the door for a named owner when the identity provider does not.

use std::fmt::Write as _;

use coportal_core::ctx::Ctx;
use coportal_core::id::UserId;
use coportal_core::secret::Secret;
use coportal_core::text::digest;

use crate::reason::Reason;

/// Crockford's base 32: no letter that is mistaken for a digit.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Characters of a code, without its hyphens: 100 bits, which nobody guesses, so that a plain hash of it may be kept.
const LENGTH: usize = 20;

/// Codes of one set.
pub const CODES: usize = 8;

/// A code on its way to the owner's eyes, and what is kept of it.
pub struct IssuedCode {
    /// Its number in the set, from 1: what the audit names.
    pub number: u8,
    /// The code: four groups of five, shown once.
    pub code: Secret,
    /// What is stored: [`hash_of`] the code.
    pub hash: String,
}

/// What is stored of a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCode {
    /// Its number in the set.
    pub number: u8,
    /// Its hash.
    pub hash: String,
    /// Whether it was used.
    pub used: bool,
}

/// A fresh set of codes for an owner; the old set is to be removed in the same write.
#[must_use]
pub fn issue(ctx: &Ctx, owner: &UserId) -> Vec<IssuedCode> {
    (1..=CODES)
        .map(|number| {
            let symbols = ctx.random_bytes::<LENGTH>().map(|byte| symbol(byte & 31));
            let mut code = String::with_capacity(LENGTH + 3);
            for (index, symbol) in symbols.iter().enumerate() {
                if index > 0 && index % 5 == 0 {
                    code.push('-');
                }
                code.push(*symbol);
            }
            let hash = hash(owner, &symbols.iter().collect::<String>());
            IssuedCode { number: u8::try_from(number).unwrap_or(u8::MAX), code: Secret::new(code), hash }
        })
        .collect()
}

fn symbol(five_bits: u8) -> char {
    ALPHABET.get(usize::from(five_bits)).map_or('0', |byte| char::from(*byte))
}

/// The hash of a code as somebody typed it: case, blanks and hyphens do not count, and letters that look like digits are taken as
/// digits. `None` when it cannot be a code.
#[must_use]
pub fn hash_of(owner: &UserId, typed: &str) -> Option<String> {
    let mut symbols = String::with_capacity(LENGTH);
    for c in typed.chars().filter(|c| !matches!(c, '-' | ' ')) {
        let folded = match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        };
        let known = u8::try_from(folded).is_ok_and(|byte| ALPHABET.contains(&byte));
        if !known || symbols.write_char(folded).is_err() || symbols.len() > LENGTH {
            return None;
        }
    }
    (symbols.len() == LENGTH).then(|| hash(owner, &symbols))
}

fn hash(owner: &UserId, symbols: &str) -> String {
    digest([b"break-glass".as_slice(), owner.as_str().as_bytes(), symbols.as_bytes()])
}

/// Which of the owner's codes was typed. The caller then marks it used under the condition that it is not, and only after that opens
/// a session: the condition decides between two at once.
///
/// # Errors
/// [`Reason::BreakGlassUnknown`] or [`Reason::BreakGlassSpent`]: kept apart for the audit; to the person the two read alike.
pub fn find(owner: &UserId, typed: &str, stored: &[StoredCode]) -> Result<u8, Reason> {
    let hash = hash_of(owner, typed).ok_or(Reason::BreakGlassUnknown)?;
    let code = stored.iter().find(|code| code.hash == hash).ok_or(Reason::BreakGlassUnknown)?;
    if code.used { Err(Reason::BreakGlassSpent) } else { Ok(code.number) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::testing::ctx;

    fn owner(id: &str) -> UserId {
        id.parse().unwrap()
    }

    #[test]
    fn a_set_has_eight_codes_of_a_hundred_bits_and_each_opens_once() {
        // R102, C24: the owner's way in when `require` refuses all others.
        let issued = issue(&ctx(), &owner("usr_a"));
        assert_eq!(issued.iter().map(|code| code.hash.as_str()).collect::<BTreeSet<_>>().len(), CODES);
        let mut stored: Vec<_> =
            issued.iter().map(|code| StoredCode { number: code.number, hash: code.hash.clone(), used: false }).collect();
        for code in &issued {
            let text = code.code.expose();
            assert_eq!(text.len(), LENGTH + 3);
            assert!(text.split('-').all(|group| group.len() == 5), "{text}");
            let number = find(&owner("usr_a"), text, &stored).unwrap();
            assert_eq!(number, code.number);
            stored[usize::from(number) - 1].used = true;
            assert_eq!(find(&owner("usr_a"), text, &stored), Err(Reason::BreakGlassSpent));
            assert_eq!(find(&owner("usr_b"), text, &stored), Err(Reason::BreakGlassUnknown), "another owner's");
        }
    }

    #[test]
    fn what_a_hand_writes_is_read_kindly_and_nothing_else() {
        let a = owner("usr_a");
        let expected = hash_of(&a, "01234-56789-ABCDE-FGHJK").unwrap();
        for typed in ["0123456789abcdefghjk", "o1234 56789 ABCDE fghjk", "OI234-56789-ABCDE-FGHJK", "0L234-56789-ABCDE-FGHJK"] {
            assert_eq!(hash_of(&a, typed).as_ref(), Some(&expected), "{typed}");
        }
        for typed in ["", "01234-56789-ABCDE-FGHJ", "01234-56789-ABCDE-FGHJKK", "01234-56789-ABCDE-FGHJU", "01234-56789-ABCDE-FGHJé", "%"]
        {
            assert_eq!(hash_of(&a, typed), None, "{typed}");
        }
    }
}
