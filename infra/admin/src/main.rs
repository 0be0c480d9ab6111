//! `coportal-admin`: see `infra/runbook.md`.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use coportal_admin::access::Access;
use coportal_admin::letters::{Queues, dead_letters};
use coportal_admin::report::Report;
use coportal_admin::{forget, restore, rotate};
use coportal_core::id::WorkspaceId;

/// An operator's work on a deployed stack (infra/runbook.md). Credentials are read from AWS_ACCESS_KEY_ID and its companions.
#[derive(Parser)]
#[command(name = "coportal-admin", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Region of the stack; AWS_REGION when absent.
    #[arg(long, global = true)]
    region: Option<String>,
    /// Another address than AWS's own; AWS_ENDPOINT_URL when absent.
    #[arg(long, global = true, value_name = "URL")]
    endpoint_url: Option<String>,
    /// Say what would be done, and change nothing.
    #[arg(long, global = true)]
    dry_run: bool,
    /// One JSON document instead of a table.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Seal all tokens under another KMS key. May be stopped and run again.
    RotateTokenKey {
        /// Name of the table.
        #[arg(long)]
        table: String,
        /// ARN of the new key.
        #[arg(long, value_name = "ARN")]
        to: String,
    },
    /// List what could not be delivered; with --redrive, send what can be read to its queue again.
    DeadLetters {
        /// Address of the queue of dead letters.
        #[arg(long, value_name = "URL")]
        dead_letters: String,
        /// Address of the queue that they came from.
        #[arg(long, value_name = "URL")]
        queue: String,
        /// Send them again.
        #[arg(long)]
        redrive: bool,
    },
    /// Delete everything of a workspace.
    ForgetWorkspace {
        /// Name of the table.
        #[arg(long)]
        table: String,
        /// The workspace, ws_….
        #[arg(long)]
        workspace: WorkspaceId,
        /// The same again, to delete.
        #[arg(long)]
        confirm: Option<WorkspaceId>,
    },
    /// After a restore: creates look before they write, and tokens are carried over.
    LookFirst {
        /// Name of the restored table.
        #[arg(long)]
        table: String,
        /// Name of the table before the restore, if it still exists.
        #[arg(long, value_name = "TABLE")]
        tokens_from: Option<String>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.json;
    let ended = run(cli).await.and_then(|report| {
        report.print(json)?;
        Ok(report.of_name("failed") + report.of_name("not sent"))
    });
    match ended {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            // Nowhere is left to say that standard error is closed.
            let _ = writeln!(std::io::stderr(), "coportal-admin: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<Report> {
    let access = Access::of_environment(cli.region, cli.endpoint_url)?;
    match cli.command {
        Command::RotateTokenKey { table, to } => rotate::rotate(&access, &table, &to, cli.dry_run).await,
        Command::DeadLetters { dead_letters: letters, queue, redrive } => {
            dead_letters(&access, &Queues { dead_letters: &letters, home: &queue }, redrive, cli.dry_run).await
        }
        Command::ForgetWorkspace { table, workspace, confirm } => forget::forget(&access, &table, workspace, confirm, cli.dry_run).await,
        Command::LookFirst { table, tokens_from } => restore::look_first(&access, &table, tokens_from.as_deref(), cli.dry_run).await,
    }
}
