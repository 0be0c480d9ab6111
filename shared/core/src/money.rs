//! Money: decimals with a currency, rounding by name. No floats anywhere.

use std::fmt;
use std::str::FromStr;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

/// An ISO 4217 currency code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

/// A text is not a currency code that CoPortal knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an ISO 4217 currency code in use")]
pub struct UnknownCurrency;

/// Active ISO 4217 codes whose minor unit is two decimals (list one of the standard's maintenance agency, 2026).
const TWO_DECIMALS: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG";
/// Codes without a minor unit.
const NO_DECIMALS: &str = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF";
/// Codes with a thousandth.
const THREE_DECIMALS: &str = "BHD IQD JOD KWD LYD OMR TND";

impl Currency {
    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // The constructor admits ASCII letters only.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Decimals of the minor unit: 2 for most, 0 for the yen, 3 for the Kuwaiti dinar.
    #[must_use]
    pub fn minor_units(&self) -> u32 {
        let listed = |list: &str| list.split(' ').any(|code| code == self.as_str());
        if listed(NO_DECIMALS) {
            0
        } else if listed(THREE_DECIMALS) {
            3
        } else {
            2
        }
    }

    /// Rounds an amount to this currency's minor unit, halves away from zero.
    #[must_use]
    pub fn round(&self, amount: Decimal) -> Decimal {
        round(amount, self.minor_units())
    }

    /// Whether an amount has no digits below the minor unit.
    #[must_use]
    pub fn is_exact(&self, amount: Decimal) -> bool {
        self.round(amount) == amount
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Currency {
    type Err = UnknownCurrency;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes: [u8; 3] = text.as_bytes().try_into().map_err(|_| UnknownCurrency)?;
        let known = [TWO_DECIMALS, NO_DECIMALS, THREE_DECIMALS].iter().any(|list| list.split(' ').any(|code| code == text));
        if known { Ok(Self(bytes)) } else { Err(UnknownCurrency) }
    }
}

impl TryFrom<String> for Currency {
    type Error = UnknownCurrency;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for Currency {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        let codes = [TWO_DECIMALS, NO_DECIMALS, THREE_DECIMALS].iter().flat_map(|list| list.split(' '));
        utoipa::openapi::schema::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .description(Some("An ISO 4217 currency code in use."))
            .enum_values(Some(codes))
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for Currency {}

/// Rounds to `decimals`, halves away from zero: CoPortal's own rule, and the working assumption for Xero
/// (docs/vendors/xero.md, section 11).
#[must_use]
pub fn round(amount: Decimal, decimals: u32) -> Decimal {
    amount.round_dp_with_strategy(decimals, RoundingStrategy::MidpointAwayFromZero)
}

/// An amount in a currency, as the API writes it: `{"amount":"1250.00","currency":"ZAR"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// The amount, in major units.
    pub amount: Decimal,
    /// Its currency.
    pub currency: Currency,
}

impl Money {
    /// An amount with exactly the currency's decimals, so that 1250 is written `1250.00`.
    #[must_use]
    pub fn new(amount: Decimal, currency: Currency) -> Self {
        let mut amount = currency.round(amount);
        amount.rescale(currency.minor_units());
        Self { amount, currency }
    }
}

/// A tax rate in percent (`15` is 15%), 0 to 100 with up to four decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Decimal", into = "Decimal")]
pub struct Rate(Decimal);

/// A rate is negative, above 100%, or has more than four decimals.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a tax rate is a percentage from 0 to 100 with at most four decimals")]
pub struct InvalidRate;

impl Rate {
    /// No tax.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// The percentage: `15` for 15%.
    #[must_use]
    pub fn percent(&self) -> Decimal {
        self.0
    }

    /// The factor: `0.15` for 15%.
    #[must_use]
    pub fn factor(&self) -> Decimal {
        self.0 / Decimal::ONE_HUNDRED
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl TryFrom<Decimal> for Rate {
    type Error = InvalidRate;

    fn try_from(percent: Decimal) -> Result<Self, Self::Error> {
        let percent = percent.normalize();
        if percent < Decimal::ZERO || percent > Decimal::ONE_HUNDRED || percent.scale() > 4 {
            return Err(InvalidRate);
        }
        Ok(Self(percent))
    }
}

impl From<Rate> for Decimal {
    fn from(rate: Rate) -> Self {
        rate.0
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for Rate {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        crate::openapi::text_like(
            "A tax rate in percent as a decimal string, 0 to 100 with at most four decimals.",
            r"^(100(\.0{1,4})?|[0-9]{1,2}(\.[0-9]{1,4})?)$",
            "15",
        )
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for Rate {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_go_away_from_zero() {
        let gbp: Currency = "GBP".parse().unwrap();
        assert_eq!(gbp.round("2.005".parse().unwrap()), "2.01".parse().unwrap());
        assert_eq!(gbp.round("-2.005".parse().unwrap()), "-2.01".parse().unwrap());
    }

    #[test]
    fn minor_units_follow_the_currency() {
        assert_eq!("JPY".parse::<Currency>().unwrap().minor_units(), 0);
        assert_eq!("KWD".parse::<Currency>().unwrap().minor_units(), 3);
        assert_eq!("ZAR".parse::<Currency>().unwrap().minor_units(), 2);
        assert!("ZZZ".parse::<Currency>().is_err());
        assert!("gbp".parse::<Currency>().is_err());
        assert!("GB ".parse::<Currency>().is_err());
    }

    #[test]
    fn money_is_written_with_its_decimals() {
        let money = Money::new("1250".parse().unwrap(), "ZAR".parse().unwrap());
        assert_eq!(serde_json::to_string(&money).unwrap(), r#"{"amount":"1250.00","currency":"ZAR"}"#);
    }

    #[test]
    fn rates_are_percentages() {
        assert!(Rate::try_from(Decimal::new(9375, 3)).is_ok());
        assert!(Rate::try_from(Decimal::new(-1, 0)).is_err());
        assert!(Rate::try_from(Decimal::new(10001, 2)).is_err());
        assert_eq!(Rate::try_from(Decimal::new(1500, 2)).unwrap().to_string(), "15");
    }
}
