//! Values inside addresses.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but RFC 3986's unreserved characters: blanks become `%20`, a plus sign stays a plus sign.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A value for a path segment or a query.
pub(crate) fn encoded(value: &str) -> String {
    // A segment of dots only would climb the path when a server or proxy normalises it.
    if value.bytes().all(|byte| byte == b'.') { value.replace('.', "%2E") } else { utf8_percent_encode(value, RESERVED).to_string() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_encoded_value_is_one_segment(value in ".{1,30}") {
            let encoded = encoded(&value);
            prop_assert!(!encoded.contains(['/', '?', '#', '&', '+', ' ', '"']) && encoded != "." && encoded != "..");
            let back = percent_encoding::percent_decode_str(&encoded).decode_utf8().unwrap();
            prop_assert_eq!(back.as_ref(), value.as_str());
        }
    }
}
