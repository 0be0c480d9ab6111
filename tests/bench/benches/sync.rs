//! Prints what a sync costs.

use std::io::Write as _;
use std::time::Duration;

use bench::{Bench, ByItself, Cost, INVOICES, WORKSPACES};

/// Warm syncs whose times are taken.
const TIMED: usize = 50;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let bench = Bench::start().await?;
    let client = bench.client("juniper").await?;
    let (first, warm) = (bench.invoice(&client).await?, bench.invoice(&client).await?);
    let unknown = bench.sync(&first).await?;
    let known = bench.sync(&warm).await?;
    let unchanged = bench.sync(&warm).await?;
    let update = bench.sync(&bench.edit(&warm).await?).await?;

    let mut out = std::io::stdout().lock();
    writeln!(out, "calls of one sync, behind the authentication\n")?;
    for (name, cost) in [
        ("new client", &unknown),
        ("warm: client linked; facts, token and data key fresh", &known),
        ("nothing changed", &unchanged),
        ("edited", &update),
    ] {
        print(&mut out, name, cost)?;
    }

    let mut times = Vec::new();
    for _ in 0..TIMED {
        let invoice = bench.invoice(&client).await?;
        times.push(bench.sync(&invoice).await?.took);
    }
    times.sort_unstable();
    let at = |share: usize| times.get(TIMED * share / 100).copied().unwrap_or_default();
    writeln!(out, "time of {TIMED} warm syncs, over loopback with every part in one process")?;
    writeln!(out, "  median {} ms, 95th of a hundred {} ms", millis(at(50)), millis(at(95)))?;
    bench.stop().await?;

    let ByItself { mut times, other_rest } = ByItself::measure().await?;
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    writeln!(
        out,
        "\nfrom `POST …/send` to the ledger's document, by itself: {INVOICES} invoices of linked clients, {WORKSPACES} workspaces at once"
    )?;
    writeln!(
        out,
        "  median {} ms, 95th of a hundred {} ms, longest {} ms; {other_rest}",
        millis(at(50)),
        millis(at(95)),
        millis(times.last().copied().unwrap_or_default())
    )?;
    Ok(())
}

fn print(out: &mut impl std::io::Write, name: &str, cost: &Cost) -> std::io::Result<()> {
    writeln!(out, "{name} ({})", cost.changed)?;
    writeln!(
        out,
        "  DynamoDB {}   KMS {}   SSM {}   Xero {}",
        cost.calls_of("dynamodb"),
        cost.calls_of("kms"),
        cost.calls_of("ssm"),
        cost.vendor.len()
    )?;
    for (operation, count) in &cost.aws {
        writeln!(out, "    {count} {operation}")?;
    }
    for call in &cost.vendor {
        writeln!(out, "    {call}")?;
    }
    writeln!(out)
}

fn millis(took: Duration) -> String {
    format!("{}.{}", took.as_millis(), took.subsec_micros() % 1000 / 100)
}
