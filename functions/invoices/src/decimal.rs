//! Decimals exactly as callers wrote them: money is never rounded, and never read in a way that its writer may not have meant.

use coportal_core::money::Rate;
use rust_decimal::Decimal;
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer};

/// A decimal string: digits, at most one point between them, a minus sign before them; no exponent, no separators, nothing that a
/// decimal of 28 digits would round away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exact(pub(crate) Decimal);

impl Exact {
    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let exact = Decimal::from_str_exact(text).ok().filter(|_| plain(whole) && plain(fraction))?;
        // There is one zero: without a sign.
        Some(Self(if exact.is_zero() { exact.abs() } else { exact }))
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Exact;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a decimal string")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Exact, E> {
                Exact::parse(text).ok_or_else(|| E::custom("not a decimal string of at most 28 digits"))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// A tax rate in percent, written so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExactRate(pub(crate) Rate);

impl<'de> Deserialize<'de> for ExactRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Exact(percent) = Exact::deserialize(deserializer)?;
        Rate::try_from(percent).map(Self).map_err(D::Error::custom)
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for ExactRate {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        <Rate as utoipa::PartialSchema>::schema()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for ExactRate {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_what_counts() {
        for (text, read) in [("1", "1"), ("-1.50", "-1.50"), ("007", "7"), ("80.00", "80.00"), ("-0", "0"), ("-0.00", "0.00")] {
            assert_eq!(Exact::parse(text).unwrap().0.to_string(), read, "{text}");
        }
        assert_eq!(Exact::parse(&format!("1.{}", "0".repeat(28))).unwrap().0, Decimal::ONE);
    }

    /// Each of these would be read as something, by one reader or another: a thousand, a hundred thousand, one, nothing.
    #[test]
    fn nothing_is_guessed_and_nothing_is_rounded_away() {
        let tiny = format!("0.{}1", "0".repeat(40));
        let nearly_one = format!("1.{}1", "0".repeat(35));
        let huge = "9".repeat(30);
        for text in [
            "",
            "-",
            "+5",
            ".5",
            "5.",
            ".",
            "1_000",
            "1,000",
            "1e5",
            "1E2",
            "1e400",
            "1e-4",
            "0x1",
            "NaN",
            "Infinity",
            " 1",
            "1 ",
            "1.2.3",
            "--1",
            "1-",
            "\u{661}",
            &tiny,
            &nearly_one,
            &huge,
        ] {
            assert_eq!(Exact::parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_the_same_number(text in "-?[0-9._e+ -]{1,34}") {
            if let Some(Exact(read)) = Exact::parse(&text) {
                let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
                let digits = digits.trim_start_matches('0');
                let written = format!("{sign}{}{digits}", if digits.is_empty() || digits.starts_with('.') { "0" } else { "" });
                prop_assert!(read.to_string() == written || read.is_zero() && format!("-{read}") == written, "{text} {read}");
            }
        }
    }
}
