//! Random invoices, each by a seed and its number.

use rust_decimal::Decimal;

/// A line of a drawn invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseLine {
    /// Units, up to four decimals; may be zero or negative.
    pub quantity: Decimal,
    /// Price of one, up to six decimals; may be zero or negative.
    pub unit_price: Decimal,
    /// Percent taken off, where there is a discount.
    pub discount_percent: Option<Decimal>,
    /// Percent of tax.
    pub tax_percent: Decimal,
}

/// A drawn invoice, with the choices of the workspace and the connection that its cents depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// ISO 4217 code.
    pub currency: &'static str,
    /// Whether prices contain tax.
    pub tax_inclusive: bool,
    /// Whether the workspace rounds tax by document rather than by line.
    pub by_document: bool,
    /// Whether the connection allows a rounding line.
    pub rounding_line: bool,
    /// Whether the organisation taxes by document at one rate, where its ledger has such (QuickBooks in the US).
    pub one_rate: bool,
    /// 1 to 60 lines.
    pub lines: Vec<CaseLine>,
}

/// Percentages of tax that invoices are drawn with; some have more decimals than cents bear.
pub const RATES: [&str; 12] = ["0", "5", "6.5", "7.25", "8.875", "9.375", "12", "14.975", "15", "17.5", "20", "25"];

/// A generator of numbers that is the same on every machine (SplitMix64).
#[derive(Debug, Clone)]
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// 0 to `sides` less one.
    fn roll(&mut self, sides: u64) -> u64 {
        self.next() % sides.max(1)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.roll(100) < percent
    }

    fn pick<T: Copy>(&mut self, of: &[T], otherwise: T) -> T {
        let place = usize::try_from(self.roll(u64::try_from(of.len()).unwrap_or(1))).unwrap_or_default();
        of.get(place).copied().unwrap_or(otherwise)
    }

    /// A figure below `units` with up to `decimals` decimals.
    fn figure(&mut self, units: u64, decimals: u64) -> Decimal {
        let scale = u32::try_from(self.roll(decimals + 1)).unwrap_or_default();
        let most = units.saturating_mul(10_u64.pow(scale));
        Decimal::new(i64::try_from(self.roll(most)).unwrap_or(i64::MAX), scale)
    }
}

impl Case {
    /// The invoice of this number in the series of a seed. It is one that CoPortal takes: its total is not negative.
    #[must_use]
    pub fn nth(seed: u64, number: u64) -> Self {
        let mut dice = Dice(seed ^ number.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        let currency = match dice.roll(100) {
            0..35 => "GBP",
            35..55 => "ZAR",
            55..70 => "USD",
            70..80 => "EUR",
            80..90 => "JPY",
            _ => "KWD",
        };
        let palette: Vec<&str> = (0..=dice.roll(4)).map(|_| dice.pick(&RATES, "0")).collect();
        let count = match dice.roll(100) {
            0..50 => 1 + dice.roll(6),
            50..85 => 7 + dice.roll(14),
            _ => 21 + dice.roll(40),
        };
        let discounts = dice.chance(35);
        let mut case = Self {
            currency,
            tax_inclusive: dice.chance(40),
            by_document: dice.chance(30),
            rounding_line: dice.chance(50),
            one_rate: dice.chance(30),
            lines: (0..count).map(|_| line(&mut dice, &palette, discounts)).collect(),
        };
        if case.total() < Decimal::ZERO {
            for line in &mut case.lines {
                (line.quantity, line.unit_price) = (line.quantity.abs(), line.unit_price.abs());
            }
        }
        case
    }

    /// Near enough to tell whether it is negative: each line's net or gross, with the tax on top of it where there is any.
    fn total(&self) -> Decimal {
        let of_line = |line: &CaseLine| {
            let kept = Decimal::ONE_HUNDRED - line.discount_percent.unwrap_or_default();
            let amount = line.quantity * line.unit_price * kept / Decimal::ONE_HUNDRED;
            let tax = if self.tax_inclusive { Decimal::ZERO } else { amount * line.tax_percent / Decimal::ONE_HUNDRED };
            // A cent for the rounding of each line.
            amount + tax - Decimal::ONE
        };
        self.lines.iter().map(of_line).sum()
    }
}

fn line(dice: &mut Dice, palette: &[&'static str], discounts: bool) -> CaseLine {
    let quantity = match dice.roll(100) {
        0..45 => Decimal::ONE,
        45..70 => Decimal::from(1 + dice.roll(40)),
        70..96 => dice.figure(400, 4),
        96..98 => Decimal::ZERO,
        _ => -dice.figure(20, 4),
    };
    let unit_price = match dice.roll(100) {
        0..45 => dice.figure(2_000, 2),
        45..90 => dice.figure(50_000, 6),
        90..92 => Decimal::ZERO,
        92..96 => dice.figure(900_000_000, 6),
        _ => -dice.figure(500, 4),
    };
    let discount = discounts && dice.chance(50);
    CaseLine {
        quantity,
        unit_price,
        discount_percent: discount.then(|| if dice.chance(5) { Decimal::ONE_HUNDRED } else { dice.figure(100, 4) }),
        tax_percent: dice.pick(palette, "0").parse().unwrap_or_default(),
    }
}
