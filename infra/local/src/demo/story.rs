//! The demo as a person reads it.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use rust_decimal::Decimal;
use tokio::time::Instant;

use super::report::{Report, SyncReport, Totals};

/// Prints steps as they happen; silent when a machine reads the report.
pub(super) struct Story {
    aloud: bool,
    colours: bool,
    began: Instant,
    step: u32,
    broken: Option<io::Error>,
}

#[derive(Clone, Copy)]
enum Style {
    Bold,
    Dim,
    Green,
    Red,
}

impl Story {
    pub(super) fn new(aloud: bool) -> Self {
        Self { aloud, colours: io::stdout().is_terminal() && !no_color(), began: Instant::now(), step: 0, broken: None }
    }

    /// The opening lines.
    pub(super) fn open(&mut self, ledgers: &[&str]) {
        let title = self.styled(Style::Bold, "CoPortal Integrations: from nothing to an invoice in every ledger");
        self.line(&title);
        let note = format!("Real HTTP, real conditions and encryption, on this machine. Simulated: {}.", ledgers.join(", "));
        let note = self.styled(Style::Dim, &note);
        self.line(&note);
    }

    /// Another ledger's story begins.
    pub(super) fn ledger(&mut self, label: &str) {
        self.step = 0;
        let title = self.styled(Style::Bold, &format!("=== {label}"));
        self.line("");
        self.line(&title);
    }

    /// A new step.
    pub(super) fn step(&mut self, title: &str) {
        self.step += 1;
        let title = self.styled(Style::Bold, &format!("{}  {title}", self.step));
        self.line("");
        self.line(&title);
    }

    /// What happened.
    pub(super) fn say(&mut self, text: &str) {
        self.line(&format!("   {text}"));
    }

    /// A detail of it.
    pub(super) fn detail(&mut self, text: &str) {
        let text = self.styled(Style::Dim, text);
        self.line(&format!("      {text}"));
    }

    /// A click on "Sync" and what came of it.
    pub(super) fn synced(&mut self, label: &str, sync: &SyncReport) {
        let word = self.styled(Style::Green, &sync.changed);
        match sync.changed.as_str() {
            "nothing" => self.say(&format!("{word} to do: what {label} has is what CoPortal has.")),
            _ => {
                let number = if sync.external_number.is_empty() { "none yet" } else { &sync.external_number };
                self.say(&format!("{word}: number {number}, id {}", sync.external_id));
            }
        }
        match sync.seen.len() {
            0 => self.say(&format!("{label} was not called.")),
            1 => self.say(&format!("{label} was called once:")),
            count => self.say(&format!("{label} was called {count} times:")),
        }
        for call in &sync.seen {
            self.detail(call);
        }
    }

    /// Both totals, side by side.
    pub(super) fn totals(&mut self, label: &str, coportal: &Totals, ledger: &Totals) {
        let verdict =
            if coportal == ledger { self.styled(Style::Green, "equal to the cent") } else { self.styled(Style::Red, "DIFFERENT") };
        self.say(&format!("Totals: {verdict}"));
        for (name, totals) in [("CoPortal", coportal), (label, ledger)] {
            let Totals { subtotal, tax, total, currency } = totals;
            let (subtotal, tax, total) = (grouped(*subtotal), grouped(*tax), grouped(*total));
            self.detail(&format!("{name:<9} {subtotal:>10} + {tax:>8} tax = {total:>10} {currency}"));
        }
    }

    /// The last line, or what was not as promised.
    pub(super) fn end(mut self, report: &Report) -> io::Result<()> {
        self.line("");
        if report.ok {
            let took = seconds(self.began.elapsed());
            let text = self.styled(Style::Green, "One document, one contact, one payment in each; everything as promised.");
            self.line(&format!("{text} It took {took} s."));
        }
        for failure in &report.failures {
            let text = self.styled(Style::Red, failure);
            self.line(&format!("not as promised: {text}"));
        }
        self.broken.map_or(Ok(()), Err)
    }

    fn styled(&self, style: Style, text: &str) -> String {
        if !self.colours {
            return text.to_owned();
        }
        let code = match style {
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Green => "32",
            Style::Red => "31",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    fn line(&mut self, text: &str) {
        if self.aloud && self.broken.is_none() {
            self.broken = writeln!(io::stdout(), "{text}").err();
        }
    }
}

/// Whether the user wants no colours (no-color.org).
#[expect(clippy::disallowed_methods, reason = "a matter of the terminal, not of the product's configuration")]
fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

fn seconds(took: Duration) -> String {
    format!("{}.{}", took.as_secs(), took.subsec_millis() / 100)
}

/// `1234.5` as `1,234.50`.
pub(super) fn grouped(amount: Decimal) -> String {
    let mut amount = amount;
    if amount.scale() < 2 {
        amount.rescale(2);
    }
    let text = amount.to_string();
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
    let (whole, cents) = digits.split_once('.').unwrap_or((digits, ""));
    let mut out = String::new();
    for (position, digit) in whole.chars().enumerate() {
        if position > 0 && (whole.len() - position).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    format!("{sign}{out}.{cents}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_grouped_by_thousands_and_keep_their_cents() {
        for (amount, shown) in [
            ("0", "0.00"),
            ("12.5", "12.50"),
            ("999.99", "999.99"),
            ("1000", "1,000.00"),
            ("1234567.89", "1,234,567.89"),
            ("-1500", "-1,500.00"),
        ] {
            assert_eq!(grouped(amount.parse().unwrap()), shown);
        }
    }
}
