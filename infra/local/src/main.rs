//! `coportal-local`: starts the whole on this machine and stops it on Ctrl-C, or tells the main job.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use coportal_core::ledger::Ledger;
use coportal_local::run::{GOOGLE_DOMAIN, LiveApp, LocalRun, RunOptions, SAML_DOMAIN, Stderr, live_variables};

/// The whole of CoPortal Integrations on one machine: the API and its pages, the simulated ledgers, and a local AWS.
#[derive(Parser)]
#[command(name = "coportal-local", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
}

#[derive(Subcommand)]
enum Command {
    /// Start everything (what happens without a command, too).
    Run(Run),
    /// Tell the main job step by step in each ledger: connect, sync an invoice, sync it again, edit it, pay it, void another. Exits with 1 when it is not as promised.
    Demo(Demo),
}

#[derive(Args)]
struct Run {
    /// Port on 127.0.0.1 that the API listens on; 0 takes any that is free.
    #[arg(long, default_value_t = 8787)]
    port: u16,
    /// Folder that keeps table, keys, issuer, simulator and clock; without it they are gone when the process ends.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Use the vendor itself in place of this ledger's simulator (xero, quickbooks, sage or business-central; may be repeated), with your
    /// own app: its id and secret are read from COPORTAL_LIVE_<LEDGER>_CLIENT_ID and COPORTAL_LIVE_<LEDGER>_CLIENT_SECRET. Writes real
    /// documents into the organisation that you connect: use a demo or sandbox company (docs/sandbox-walk.md).
    #[arg(long, value_name = "LEDGER")]
    live: Vec<Ledger>,
    /// Write the environment of functions that another program starts against this cloud (`cargo lambda watch --env-file`) into this file.
    #[arg(long, value_name = "FILE")]
    environment: Option<PathBuf>,
    /// With --live quickbooks: real companies instead of sandbox companies.
    #[arg(long, requires = "live")]
    production: bool,
}

#[derive(Args)]
struct Demo {
    /// One JSON document instead of a story.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let cli = Cli::parse();
    let ended = match cli.command.unwrap_or(Command::Run(cli.run)) {
        Command::Run(options) => run(options).await.map(|()| true),
        Command::Demo(options) => coportal_local::demo::run(options.json).await,
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nowhere is left to say that standard error is closed.
            let _ = writeln!(std::io::stderr(), "coportal-local: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Run) -> anyhow::Result<()> {
    let kept = options.data.clone();
    let live = options.live.iter().map(|ledger| live_app(*ledger, options.port)).collect::<anyhow::Result<Vec<_>>>()?;
    let lines = Arc::new(Stderr::default());
    let environment = options.environment.clone();
    let options = RunOptions {
        port: options.port,
        data: options.data,
        sink: lines.clone(),
        live,
        production: options.production,
        demo_workspace: true,
        ..RunOptions::default()
    };
    let local = LocalRun::start(options).await?;
    if let Some(file) = environment {
        // In quotes: an issuer and its keys are joined by `=`, which cargo-lambda takes for a mistake otherwise.
        let lines: String = local.environment.iter().map(|(name, value)| format!("{name}=\"{value}\"\n")).collect();
        // Whole or not at all: somebody waits for the file.
        let fresh = file.with_extension("new");
        std::fs::write(&fresh, lines).and_then(|()| std::fs::rename(&fresh, &file)).with_context(|| file.display().to_string())?;
    }
    greet(&local, kept.as_deref())?;
    lines.open();
    tokio::signal::ctrl_c().await?;
    writeln!(std::io::stdout(), "\nstopping")?;
    local.shutdown().await?;
    Ok(())
}

/// A ledger's name where there is little room.
fn short(ledger: Ledger) -> &'static str {
    match ledger {
        Ledger::Xero => "Xero",
        Ledger::Quickbooks => "QuickBooks",
        Ledger::Sage => "Sage",
        Ledger::BusinessCentral => "Business Central",
    }
}

/// The user's own app, from the environment.
#[expect(clippy::disallowed_methods, reason = "credentials of the person who starts the tool, not the product's configuration")]
fn live_app(ledger: Ledger, port: u16) -> anyhow::Result<LiveApp> {
    let variables = live_variables(ledger);
    let [client_id, client_secret] = variables.clone().map(|name| std::env::var(name).ok().filter(|value| !value.trim().is_empty()));
    let (Some(client_id), Some(client_secret)) = (client_id, client_secret) else {
        let [id, secret] = variables;
        anyhow::bail!(
            "--live {ledger} needs your own app at {}: register the redirect URI http://localhost:{port}/v1/oauth/{ledger}/callback there, \
             then set {id} and {secret} (docs/sandbox-walk.md)",
            ledger.label()
        );
    };
    Ok(LiveApp { ledger, client_id: client_id.trim().to_owned(), client_secret: client_secret.trim().to_owned() })
}

fn greet(local: &LocalRun, kept: Option<&std::path::Path>) -> anyhow::Result<()> {
    let LocalRun { origin, ledgers, aws_endpoint, .. } = local;
    let mut out = std::io::stdout().lock();
    writeln!(out, "CoPortal Integrations is running.\n")?;
    writeln!(out, "  API and pages    {origin}")?;
    if let Some(link) = local.sign_in_link() {
        writeln!(out, "  Sign in          {link}")?;
    }
    for ledger in ledgers {
        writeln!(out, "  {:<16} {} (simulator)", short(ledger.ledger), ledger.origin)?;
    }
    writeln!(out, "  Sign-in          {} (simulated Google, Microsoft and SAML; {origin}/sign-in)", local.providers_origin)?;
    writeln!(out, "  AWS endpoint     {aws_endpoint}")?;
    match kept {
        Some(folder) => writeln!(out, "  Kept in          {}\n", folder.display())?,
        None => writeln!(out, "  Kept             nothing; --data DIR keeps it\n")?,
    }
    if let Some(demo) = &local.demo {
        writeln!(out, "{} has one client, {}, and one sent invoice, {}.", demo.name, demo.client_name, demo.invoice_number)?;
        writeln!(out, "Sign in and connect a ledger, Xero for one; then sync the invoice:\n")?;
        writeln!(
            out,
            "  curl -X POST {origin}/v1/invoices/{}/sync/xero -H \"Authorization: Bearer $(curl -s {origin}/__local/demo/token)\"\n",
            demo.invoice_id
        )?;
    }
    if local.demo.is_some() {
        writeln!(
            out,
            "Single sign-on: open {origin}/sign-in, and type any address at {GOOGLE_DOMAIN} (Google) or {SAML_DOMAIN} (SAML).\n"
        )?;
    }
    writeln!(out, "One log line per request follows on standard error. Ctrl-C stops.")?;
    Ok(())
}
