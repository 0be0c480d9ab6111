//! `make money`: a million random invoices in four ledgers, to the cent.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use money::run::{Report, run};

/// Random invoices through the core, the simulators and the oracle: equal to the cent, or not pushed.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// How many invoices; each goes to every ledger.
    #[arg(long, default_value_t = 1_000_000)]
    count: u64,
    /// The series that they are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let rules = money::books::rules();
    let bar = std::io::stderr().is_terminal();
    let told = |done: u64| {
        if bar {
            show(done, arguments.count);
        }
    };
    let report = run(arguments.count, arguments.seed, &rules, told);
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        write!(out, "{}", table(&report))?;
    }
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One line that is written over; what cannot be written is not worth ending for.
fn show(done: u64, count: u64) {
    let percent = done.saturating_mul(100) / count.max(1);
    let filled = usize::try_from(percent / 2).unwrap_or_default();
    let line = format!("\r[{}{}] {percent:>3}%  {done} invoices", "#".repeat(filled), ".".repeat(50_usize.saturating_sub(filled)));
    let end = if done >= count { "\n" } else { "" };
    drop(std::io::stderr().lock().write_all(format!("{line}{end}").as_bytes()));
}

fn table(report: &Report) -> String {
    let mut text = format!("{:<18}{:>12}{:>12}{:>15}{:>8}\n", "ledger", "pushed", "held", "rounding line", "wrong");
    for (ledger, count) in &report.ledgers {
        text += &format!("{:<18}{:>12}{:>12}{:>15}{:>8}\n", ledger.slug(), count.pushed, count.held, count.rounding_line, count.wrong);
    }
    text += &format!("{} invoices x {} ledgers, seed {}, {} s\n", report.invoices, report.ledgers.len(), report.seed, report.seconds);
    for violation in &report.violations {
        text += &format!("WRONG: {violation}\n");
    }
    text
}
