//! `coportal-local`: starts the local cloud and stops it on Ctrl-C.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use coportal_local::assembly::LocalCloud;
use coportal_local::clock::Clock;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// The whole of CoPortal Integrations on one machine.
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
    /// Start the local cloud (what happens without a command, too).
    Run(Run),
}

#[derive(Args)]
struct Run {
    /// Port on 127.0.0.1 that is listened on.
    #[arg(long, default_value_t = 8787)]
    port: u16,
    /// Folder that keeps table, keys and issuer; without it they are gone when the process ends.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let cli = Cli::parse();
    let Command::Run(options) = cli.command.unwrap_or(Command::Run(cli.run));
    run(options).await
}

async fn run(options: Run) -> anyhow::Result<()> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, options.port)))
        .await
        .with_context(|| format!("port {} is taken; choose another with --port", options.port))?;
    let origin = format!("http://{}", listener.local_addr()?);
    let local = LocalCloud::open(&origin, options.data.as_deref(), Clock::system())?;
    let endpoint = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    writeln!(
        std::io::stdout(),
        "AWS endpoint  http://{}\nToken keys    {origin}{}",
        endpoint.local_addr()?,
        coportal_local::issuer::JWKS_PATH
    )?;

    let (stop, stopped) = watch::channel(());
    let until = || {
        let mut stopped = stopped.clone();
        async move {
            // An error means that the sender is gone, which also ends the servers.
            stopped.changed().await.ok();
        }
    };
    let endpoint = tokio::spawn(local.cloud.clone().serve(endpoint, until()));
    let public = axum::serve(listener, local.issuer.router()).with_graceful_shutdown(until());
    let public = tokio::spawn(async move { public.await });
    tokio::signal::ctrl_c().await?;
    drop(stop);
    endpoint.await??;
    public.await??;
    Ok(())
}
