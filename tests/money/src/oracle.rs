//! How CoPortal and each ledger compute an invoice, in exact rationals. Nothing here comes from the product: figures enter as text.
//!
//! Sources: `docs/vendors/xero.md` section 11, `quickbooks.md` section 11, `sage.md` section 11, `business-central.md` section 13.

use num_bigint::BigInt;
use num_rational::BigRational;

/// An exact figure.
pub type Exact = BigRational;

/// A line, as it is on the invoice.
#[derive(Debug, Clone)]
pub struct Line {
    /// Units.
    pub quantity: Exact,
    /// Price of one, with or without tax as the invoice says.
    pub unit_price: Exact,
    /// Percent taken off.
    pub discount_percent: Exact,
    /// Percent of tax.
    pub tax_percent: Exact,
}

/// An invoice.
#[derive(Debug, Clone)]
pub struct Invoice {
    /// Decimals of its currency.
    pub places: u32,
    /// Whether prices contain tax.
    pub inclusive: bool,
    /// Whether CoPortal rounds tax once per rate, not line by line.
    pub by_document: bool,
    /// Its lines.
    pub lines: Vec<Line>,
}

/// Subtotal, tax and total.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    /// Without tax.
    pub subtotal: Exact,
    /// Tax.
    pub tax: Exact,
    /// With tax.
    pub total: Exact,
}

/// Where a ledger rounds tax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tax {
    /// Each line's.
    Line,
    /// That of the sum of a rate.
    Rate,
    /// That of the sum of a rate, credits apart.
    RateAndSign,
    /// It is told each line's, and adds up.
    Told,
}

/// A ledger's arithmetic.
#[derive(Debug, Clone, Copy)]
pub struct Ledger {
    /// Where it rounds tax.
    pub tax: Tax,
    /// Decimals of its amounts; `None` for those of the currency.
    pub places: Option<u32>,
    /// Whether prices that contain tax are sent net.
    pub sent_net: bool,
}

/// A decimal figure, as it is written: an optional sign, digits, at most one point. `None` for anything else.
#[must_use]
pub fn exact(text: &str) -> Option<Exact> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let figures = format!("{whole}{part}");
    if figures.is_empty() || !figures.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let numerator: BigInt = figures.parse().ok()?;
    let scale = u32::try_from(part.len()).ok()?;
    Some(Exact::new(numerator * sign, BigInt::from(10).pow(scale)))
}

fn whole(number: u32) -> Exact {
    Exact::from_integer(BigInt::from(number))
}

fn nil() -> Exact {
    whole(0)
}

/// Rounded to `places`, halves away from zero.
#[must_use]
pub fn rounded(figure: &Exact, places: u32) -> Exact {
    let unit = Exact::from_integer(BigInt::from(10).pow(places));
    let half = Exact::new(BigInt::from(1), BigInt::from(2));
    let scaled = figure * &unit;
    let nearest = if scaled < nil() { -((-scaled + half).floor()) } else { (scaled + half).floor() };
    nearest / unit
}

/// The tax on, or in, an amount; not rounded.
fn tax_of(amount: &Exact, percent: &Exact, inclusive: bool) -> Exact {
    let of = if inclusive { whole(100) + percent } else { whole(100) };
    amount * percent / of
}

fn sum<'a>(figures: impl Iterator<Item = &'a Exact>) -> Exact {
    figures.fold(nil(), |sum, figure| sum + figure)
}

fn totals(amounts: &Exact, tax: Exact, inclusive: bool) -> Totals {
    if inclusive {
        Totals { subtotal: amounts - &tax, tax, total: amounts.clone() }
    } else {
        Totals { subtotal: amounts.clone(), total: amounts + &tax, tax }
    }
}

/// The tax of lines by one of the ways to round it: members are summed by what `kin` says of them.
fn summed(lines: &[(Exact, Exact)], places: u32, inclusive: bool, kin: impl Fn(&(Exact, Exact), &(Exact, Exact)) -> bool) -> Exact {
    let mut groups: Vec<((Exact, Exact), Exact)> = Vec::new();
    for line in lines {
        match groups.iter_mut().find(|(first, _)| kin(first, line)) {
            Some((_, sum)) => *sum += &line.0,
            None => groups.push((line.clone(), line.0.clone())),
        }
    }
    groups.iter().fold(nil(), |tax, (first, sum)| tax + rounded(&tax_of(sum, &first.1, inclusive), places))
}

fn amounts(invoice: &Invoice) -> Vec<Exact> {
    let amount = |line: &Line| {
        let kept = (whole(100) - &line.discount_percent) / whole(100);
        rounded(&(&line.quantity * &line.unit_price * kept), invoice.places)
    };
    invoice.lines.iter().map(amount).collect()
}

fn with_rates(invoice: &Invoice, amounts: Vec<Exact>) -> Vec<(Exact, Exact)> {
    amounts.into_iter().zip(invoice.lines.iter().map(|line| line.tax_percent.clone())).collect()
}

/// What CoPortal shows (design decision 11).
#[must_use]
pub fn shown(invoice: &Invoice) -> Totals {
    let lines = with_rates(invoice, amounts(invoice));
    let tax = if invoice.by_document {
        summed(&lines, invoice.places, invoice.inclusive, |a, b| a.1 == b.1)
    } else {
        lines.iter().fold(nil(), |tax, (amount, percent)| tax + rounded(&tax_of(amount, percent, invoice.inclusive), invoice.places))
    };
    totals(&sum(lines.iter().map(|(amount, _)| amount)), tax, invoice.inclusive)
}

/// Each line's part of the tax that CoPortal shows: what rounding by document has over or lacks is the last largest line's of its rate.
fn shares(invoice: &Invoice) -> Vec<Exact> {
    let lines = with_rates(invoice, amounts(invoice));
    let mut shares: Vec<Exact> =
        lines.iter().map(|(amount, percent)| rounded(&tax_of(amount, percent, invoice.inclusive), invoice.places)).collect();
    if !invoice.by_document {
        return shares;
    }
    let mut rates: Vec<Exact> = Vec::new();
    for (_, percent) in &lines {
        if !rates.contains(percent) {
            rates.push(percent.clone());
        }
    }
    let size = |amount: &Exact| if *amount < nil() { -amount.clone() } else { amount.clone() };
    for rate in rates {
        let mut largest: Option<(usize, Exact)> = None;
        let (mut gross, mut taxes) = (nil(), nil());
        for (place, ((amount, percent), share)) in lines.iter().zip(&shares).enumerate() {
            if *percent != rate {
                continue;
            }
            gross += amount;
            taxes += share;
            if largest.as_ref().is_none_or(|(_, most)| size(amount) >= *most) {
                largest = Some((place, size(amount)));
            }
        }
        let missing = rounded(&tax_of(&gross, &rate, invoice.inclusive), invoice.places) - taxes;
        if let Some(share) = largest.and_then(|(place, _)| shares.get_mut(place)) {
            *share += missing;
        }
    }
    shares
}

/// Whether rounding explains that a told tax is so far from the line's own: half a unit for every line of the document, for the document and
/// for the line itself. A ledger need not take more.
fn is_explained(away: &Exact, lines: usize, places: u32) -> bool {
    let halves = u32::try_from(lines).unwrap_or(u32::MAX).saturating_add(2);
    let most = whole(halves) / Exact::from_integer(BigInt::from(2) * BigInt::from(10).pow(places));
    -&most <= *away && *away <= most
}

/// What a ledger makes of the invoice as CoPortal would send it: each line at exactly the amount that CoPortal shows, as far as the
/// ledger's decimals go.
#[must_use]
pub fn in_ledger(invoice: &Invoice, ledger: Ledger) -> Totals {
    let places = ledger.places.unwrap_or(invoice.places);
    let net = invoice.inclusive && ledger.sent_net;
    let inclusive = invoice.inclusive && !net;
    let shares = if net || ledger.tax == Tax::Told { shares(invoice) } else { Vec::new() };
    let mut sent = amounts(invoice);
    if net {
        sent = sent.iter().zip(&shares).map(|(amount, share)| amount - share).collect();
    }
    let sent: Vec<Exact> = sent.iter().map(|amount| rounded(amount, places)).collect();
    let lines = with_rates(invoice, sent);
    let tax = match ledger.tax {
        Tax::Line => lines.iter().fold(nil(), |tax, (amount, percent)| tax + rounded(&tax_of(amount, percent, inclusive), places)),
        Tax::Rate => summed(&lines, places, inclusive, |a, b| a.1 == b.1),
        Tax::RateAndSign => summed(&lines, places, inclusive, |a, b| a.1 == b.1 && (a.0 < nil()) == (b.0 < nil())),
        Tax::Told => lines.iter().zip(&shares).fold(nil(), |tax, ((amount, percent), share)| {
            let own = tax_of(amount, percent, inclusive);
            tax + rounded(if is_explained(&(share - &own), lines.len(), places) { share } else { &own }, places)
        }),
    };
    totals(&sum(lines.iter().map(|(amount, _)| amount)), tax, inclusive)
}
