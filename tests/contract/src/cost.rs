//! The table of `docs/cost.md`: dollars of a million syncs, worked out of what tests have measured and of the prices that the page states.

use std::fs;

use anyhow::{Context as _, Result};
use coportal_core::ledger::Ledger;
use rust_decimal::Decimal;
use serde::Deserialize;

use crate::ledgers::measured_calls;
use crate::root;

const fn thousandths(number: u32) -> Decimal {
    Decimal::from_parts(number, 0, 0, false, 3)
}

/// Write request units, a million (us-east-1, on demand).
const WRITES: Decimal = thousandths(625);
/// Read request units.
const READS: Decimal = thousandths(125);
/// Lambda requests.
const REQUESTS: Decimal = thousandths(200);
/// GB-seconds of Lambda on arm64.
const GB_SECONDS: Decimal = thousandths(13_333);
/// HTTP API requests.
const API: Decimal = thousandths(1_000);
/// SQS requests.
const QUEUE: Decimal = thousandths(400);
/// Log lines of 1 kB.
const LOG_LINES: Decimal = thousandths(500);

/// Seconds that a ledger takes for a call: assumed, since none was ever called.
const SECONDS_OF_A_CALL: Decimal = thousandths(600);
/// Seconds of everything else of a sync: assumed.
const SECONDS_OF_OURS: Decimal = thousandths(50);

/// A row of `tests/fixtures/capacity.json`.
#[derive(Debug, Deserialize)]
struct Units {
    operation: String,
    read: u32,
    write: u32,
}

/// How a sync comes about.
struct Way {
    /// As `tests/fixtures/capacity.json` names it.
    units: &'static str,
    /// As `tests/fixtures/calls.json` names it.
    calls: &'static str,
    /// Invocations, the worker's and the fan-out's.
    invocations: Decimal,
    /// Gigabytes of memory times the share of a batch.
    memory: Decimal,
    /// API, queue and log lines, in dollars.
    around: Decimal,
}

/// A click: one request of 0.25 GB, one line of the access log, one of the function.
fn click(units: &'static str, calls: &'static str) -> Way {
    Way { units, calls, invocations: Decimal::ONE, memory: thousandths(250), around: API + LOG_LINES * Decimal::TWO }
}

/// The million's table, for each ledger.
///
/// # Errors
/// A fixture cannot be read, or lacks what a row needs.
pub fn table() -> Result<String> {
    let text = fs::read_to_string(root().join("tests/fixtures/capacity.json"))?;
    let units: Vec<Units> = serde_json::from_str(&text).context("tests/fixtures/capacity.json")?;
    let ways = [
        click("a click, unknown client", "first sync, unknown contact"),
        click("a click, known client", "first sync, known contact"),
        click("a click, nothing changed", "unchanged"),
        click("a click, edited", "update"),
        // The request that sends the invoice, a tenth of a batch of the fan-out, a fifth of one of the worker, which has 0.5 GB and works on
        // all five at once; a message sent, received and deleted in batches; four lines.
        Way {
            units: "by itself, sent to the client",
            calls: "first sync, known contact",
            invocations: thousandths(1_300),
            memory: thousandths(100),
            around: API + QUEUE * thousandths(1_400) + LOG_LINES * thousandths(4_000),
        },
    ];
    let mut page = String::from("| per million | read units | write units | DynamoDB | API, queues, logs |");
    Ledger::ALL.iter().for_each(|ledger| page += &format!(" Lambda, {} | **together** |", ledger.label()));
    page += "\n|---|---|---|---|---|";
    Ledger::ALL.iter().for_each(|_| page += "---|---|");
    page.push('\n');
    for way in ways {
        let units = units.iter().find(|row| row.operation == way.units).with_context(|| way.units.to_owned())?;
        let table = Decimal::from(units.write) * WRITES + Decimal::from(units.read) * READS;
        page += &format!("| {} | {} | {} | {} | {} |", way.units, units.read, units.write, dollars(table), dollars(way.around));
        for ledger in Ledger::ALL {
            let calls = measured_calls(way.calls, ledger)?;
            let seconds = SECONDS_OF_OURS + SECONDS_OF_A_CALL * Decimal::from(calls);
            let lambda = REQUESTS * way.invocations + seconds * way.memory * GB_SECONDS;
            page += &format!(" {} | **{}** |", dollars(lambda), dollars(table + way.around + lambda));
        }
        page.push('\n');
    }
    Ok(page)
}

fn dollars(amount: Decimal) -> String {
    format!("${:.2}", amount.round_dp(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row worked out by hand: 17 x 0.625 + 17 x 0.125 = 12.75; 1 + 2 x 0.5 = 2; 0.2 + (0.05 + 1 x 0.6) x 0.25 x 13.333 = 2.37.
    #[test]
    fn a_row_is_what_it_is_by_hand() {
        let table = table().unwrap();
        let row = table.lines().find(|line| line.starts_with("| a click, known client |")).unwrap();
        assert!(row.starts_with("| a click, known client | 17 | 17 | $12.75 | $2.00 | $2.37 | **$17.12** |"), "{row}");
        let widths: Vec<usize> = table.lines().map(|line| line.matches('|').count()).collect();
        assert!(widths.len() == 7 && widths.iter().all(|width| *width == widths[0]), "{table}");
    }
}
