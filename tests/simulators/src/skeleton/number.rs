//! Exact numbers on the wire: decimals leave as raw JSON numbers, never through a float.

use rust_decimal::{Decimal, RoundingStrategy};
use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// A decimal that serializes as a JSON number with exactly its own digits (`12.50` stays `12.50`). Only for JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exact(pub Decimal);

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.to_string()).map_err(S::Error::custom)?.serialize(serializer)
    }
}

/// Rounds half away from zero to `places` and pads to exactly as many.
#[must_use]
pub fn half_up(value: Decimal, places: u32) -> Decimal {
    let mut rounded = value.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero);
    rounded.rescale(places);
    rounded
}

/// Cuts towards zero to `places` and pads to exactly as many.
#[must_use]
pub fn truncated(value: Decimal, places: u32) -> Decimal {
    let mut cut = value.round_dp_with_strategy(places, RoundingStrategy::ToZero);
    cut.rescale(places);
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits() {
        let value = half_up(Decimal::new(1005, 3), 2);
        assert_eq!(serde_json::to_string(&Exact(value)).unwrap(), "1.01");
        assert_eq!(serde_json::to_string(&Exact(half_up(Decimal::ONE, 2))).unwrap(), "1.00");
        assert_eq!(half_up(Decimal::new(-1005, 3), 2).to_string(), "-1.01");
        assert_eq!(truncated(Decimal::new(1_908_396, 3), 2).to_string(), "1908.39");
    }
}
