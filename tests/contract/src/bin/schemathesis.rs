//! `make schemathesis`: infra/openapi.json against the functions behind the local gateway, in both directions. What the document promises
//! is what is answered; what it forbids is refused. Each run has a local cloud and workspaces of its own, the same cases in the same
//! order, and prints how many there were (`infra/ci/schemathesis.toml` says what is allowed where).

use std::io::Write as _;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use contract::root;
use coportal_core::ledger::Ledger;
use coportal_core::workspace::Plan;
use coportal_lambda::authn::token::{SERVICE_LIFETIME, SERVICE_TYP, WORKSPACES_SCOPE, service_audience};
use coportal_lambda::config::table;
use coportal_local::caller::Caller;
use coportal_local::issuer::Grant;
use coportal_local::run::{LocalRun, NewWorkspace, RunOptions};
use coportal_local::studio::{Studio, text};
use jiff::tz::TimeZone;
use serde_json::json;

/// Where infra/ci/tools.sh put it.
const PROGRAM: &str = ".venv/bin/schemathesis";

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nowhere is left to say that standard error is closed.
            let _ = writeln!(std::io::stderr(), "schemathesis: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<bool> {
    let local = LocalRun::start(RunOptions::default()).await?;
    let mut command = command(&local).await?;
    // The functions answer in this process: a wait on its main thread would be for itself.
    let ended = tokio::task::spawn_blocking(move || command.status()).await?;
    let status = ended.with_context(|| format!("{PROGRAM} did not start: run `infra/ci/tools.sh`"))?;
    local.shutdown().await?;
    Ok(status.success())
}

/// What is asked about.
struct Furnished {
    token: String,
    client: String,
    invoice: String,
}

/// A workspace that has something to answer with: a client, a sent invoice, and a connection to each ledger.
async fn furnished(local: &LocalRun, name: &str) -> Result<Furnished> {
    let opened = local.open_workspace(&NewWorkspace::british(name, Plan::Enterprise)).await?;
    let anybody = Caller::new(&local.origin)?;
    let (owner, member) = (anybody.with_token(&opened.owner_token), anybody.with_token(&opened.member_token));
    let origins = local.ledgers.iter().map(|ledger| (ledger.ledger, ledger.origin.clone())).collect();
    let today = local.cloud.clock.now().to_zoned(TimeZone::UTC).date();
    let studio = Studio::of(&opened.workspace_id.to_string(), owner, member, origins, today);
    let client = studio.add_client("Juniper & Finch Ltd", "accounts@juniperfinch.example").await?;
    let lines = json!([{"description": "Design", "quantity": "2", "unit_price": "80.00", "tax_rate": "20"}]);
    let invoice = studio.send_invoice(&client, &lines).await?;
    for ledger in Ledger::ALL {
        studio.at(ledger).connect().await?;
    }
    Ok(Furnished { token: opened.owner_token, client, invoice: text(&invoice, "/id").to_owned() })
}

async fn command(local: &LocalRun) -> Result<Command> {
    let asked = furnished(local, "Asked").await?;
    // What is disconnected here is still there for the others.
    let taken_apart = furnished(local, "Taken apart").await?;
    // Signing out ends what a person is signed in with: nobody else's requests depend on this one.
    let leaving = local.open_workspace(&NewWorkspace::british("Signed out", Plan::Enterprise)).await?;
    let audience = local.environment.get(table::AUDIENCE.name).map(String::as_str).or(table::AUDIENCE.default).unwrap_or_default();
    let service = local.cloud.issuer.mint(&Grant {
        sub: "schemathesis",
        ws: None,
        sid: None,
        aud: &service_audience(audience),
        typ: SERVICE_TYP,
        scope: Some(WORKSPACES_SCOPE),
        amr: &[],
        ttl: SERVICE_LIFETIME,
    })?;
    let bearer = |token: &str| format!("Bearer {token}");
    let root = root();
    let mut command = Command::new(root.join(PROGRAM));
    command
        .current_dir(&root)
        .args(["--config-file", "infra/ci/schemathesis.toml", "run", "infra/openapi.json", "--no-color", "--url", &local.origin])
        .env("MEMBER", bearer(&asked.token))
        .env("TAKEN_APART", bearer(&taken_apart.token))
        .env("LEAVING", bearer(&leaving.member_token))
        .env("SERVICE", bearer(&service))
        .env("CLIENT", asked.client)
        .env("INVOICE", asked.invoice);
    Ok(command)
}
