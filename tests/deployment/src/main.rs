//! `make deploy-test`: the deployment as a user makes it, on an emulator of AWS, and the main journey over what was deployed.
//!
//! The functions run as the binaries that Lambda would start, the stream and the queues carry what is sent, and the SAM CLI creates,
//! updates and deletes the stack. The emulator takes a copy of `infra/template.yaml` that differs in two lists only
//! (`infra/local/src/template/copy.rs`).

mod emulator;
mod journey;
mod outside;
mod sam;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};
use aws_sdk_sqs::types::QueueAttributeName;
use aws_sdk_ssm::types::ParameterType;
use clap::Parser;
use coportal_core::ledger::Ledger;
use coportal_lambda::config::table;
use coportal_local::caller::Caller;
use coportal_local::template::copy::copy;
use coportal_local::template::{DEPLOYED, Template};
use tokio::time::Instant;

use crate::emulator::{Emulator, KEY, REGION};
use crate::outside::{CLIENT_ID, CLIENT_SECRET, Surroundings};
use crate::sam::Stack;

/// The origin under which browsers know the deployment. Nobody resolves it: the journey asks where the emulator is.
const PUBLIC: &str = "https://api.coportal.test";

/// Deploys infra/template.yaml onto an emulator of AWS with the SAM CLI, and walks the main journey over it.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// Folder that `infra/ci/tools.sh` fills: `bin/sam`, `emulator/bin/ministack`.
    #[arg(long, default_value = ".venv")]
    tools: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    match test(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nowhere is left to say that standard error is closed.
            let _ = writeln!(std::io::stderr(), "deployment: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Tells each step with its time.
struct Steps(Instant);

impl Steps {
    fn told(&self, what: &str) -> Result<()> {
        Ok(writeln!(std::io::stdout(), "{:6.1} s  {what}", self.0.elapsed().as_secs_f32())?)
    }
}

async fn test(arguments: &Arguments) -> Result<()> {
    let steps = Steps(Instant::now());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("no top folder")?;
    let tools = root.join(&arguments.tools);
    // Beside this program lie the functions' binaries; above them is what may be thrown away.
    let program = std::env::current_exe()?;
    let binaries = program.parent().context("a program lies in a folder")?;
    let folder = binaries.parent().context("target has folders")?.join("deployment");

    let outside = Surroundings::start(PUBLIC).await?;
    let functions = lay_out(binaries, &folder, &copy(DEPLOYED, &outside.named())?)?;
    steps.told(&format!("{functions} functions and the copy of the template are in {}", folder.display()))?;

    let emulator = Emulator::start(&tools.join("emulator/bin/ministack"), &folder).await?;
    put_vendor_clients(&emulator).await?;
    steps.told(&format!("the emulator answers at {}", emulator.endpoint))?;

    let stack = Stack { program: tools.join("bin/sam"), emulator: &emulator, root, folder: &folder };
    stack.deploy("create.log", &parameters(7, "1", "available"))?;
    steps.told("sam deploy: the stack is created")?;

    let api = stack.output("ApiOrigin")?;
    let id = api.trim_start_matches("https://").split('.').next().context("an address has a host")?;
    let api = Caller::new(&format!("{}/_aws/execute-api/{id}/$default", emulator.endpoint))?.known_as(PUBLIC);
    let walked = walk(&steps, &stack, &outside, api).await;
    walked.with_context(|| format!("what the emulator and the functions said: {}", emulator.log.display()))?;

    stack.delete()?;
    ensure!(stack.resources().is_err(), "the stack is still there");
    steps.told("sam delete: the stack is deleted")
}

async fn walk(steps: &Steps, stack: &Stack<'_>, outside: &Surroundings, api: Caller) -> Result<()> {
    let health = api.get("/healthz").await?;
    ensure!(health.status.is_success(), "/healthz: {} {}", health.status, health.text());
    steps.told("the health answer is there")?;
    let studio = journey::open(api, outside).await?;
    steps.told("a workspace is open")?;
    let invoice = journey::send(&studio).await?;
    steps.told("Xero is connected; an invoice was sent, and stream and queue carried it")?;
    journey::once(&studio, &invoice, "120.00").await?;
    steps.told("the simulator holds 1 document and 1 contact")?;

    ensure!(journey::availability(&studio, Ledger::Sage).await? == "available", "Sage is available");
    stack.deploy("update.log", &parameters(14, "2", "pending_approval"))?;
    steps.told("sam deploy: the stack is updated")?;
    let now = journey::availability(&studio, Ledger::Sage).await?;
    ensure!(now == "pending_approval", "a changed parameter has not reached the functions that answer: {now}");
    steps.told("a changed parameter has reached the functions")?;
    journey::unchanged(&studio, &invoice).await?;
    journey::once(&studio, &invoice, "120.00").await?;
    nothing_dead_lettered(stack.emulator).await?;
    steps.told("a click finds nothing to do: still 1 document, and no dead letter")
}

/// The parameters that a user gives.
fn parameters(log_days: u32, configuration: &str, sage: &str) -> Vec<String> {
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    vec![
        format!("Architecture={architecture}"),
        format!("PublicOrigin={PUBLIC}"),
        format!("AppOrigin={PUBLIC}"),
        "TokenIssuer=https://id.coportal.test".to_owned(),
        "TokenJwksUrl=https://id.coportal.test/jwks.json".to_owned(),
        format!("LogRetentionDays={log_days}"),
        format!("SageAvailability={sage}"),
        format!("ConfigurationVersion={configuration}"),
    ]
}

/// Puts the copy and each function's `bootstrap` where the template's paths lead.
fn lay_out(binaries: &Path, folder: &Path, template: &str) -> Result<usize> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder.join("infra"))?;
    fs::write(folder.join("infra/template.yaml"), template)?;
    let functions = Template::parse(DEPLOYED)?.functions;
    for function in functions.values() {
        let at = folder.join("functions").join(&function.binary);
        fs::create_dir_all(&at)?;
        let built = binaries.join(&function.binary);
        // Without the symbols of a debug build, which are most of it.
        let status = Command::new("strip").arg("-o").arg(at.join("bootstrap")).arg(&built).status().context("strip")?;
        ensure!(status.success(), "{} is not built: cargo build --workspace --bins", built.display());
    }
    Ok(functions.len())
}

fn credentials() -> aws_credential_types::Credentials {
    aws_credential_types::Credentials::from_keys(KEY, KEY, None)
}

/// What the README asks of whoever deploys: each vendor's client id and secret, as parameters.
async fn put_vendor_clients(emulator: &Emulator) -> Result<()> {
    let config = aws_sdk_ssm::Config::builder()
        .behavior_version(aws_sdk_ssm::config::BehaviorVersion::latest())
        .region(aws_sdk_ssm::config::Region::new(REGION))
        .credentials_provider(credentials())
        .endpoint_url(&emulator.endpoint);
    let parameters = aws_sdk_ssm::Client::from_conf(config.build());
    for ledger in table::LEDGERS {
        let values =
            [(ledger.client_id, CLIENT_ID, ParameterType::String), (ledger.client_secret, CLIENT_SECRET, ParameterType::SecureString)];
        for (variable, value, kind) in values {
            let name = variable.default.with_context(|| format!("{} has no default", variable.name))?;
            parameters.put_parameter().name(name).value(value).r#type(kind).overwrite(true).send().await?;
        }
    }
    Ok(())
}

/// No queue of failures holds anything.
async fn nothing_dead_lettered(emulator: &Emulator) -> Result<()> {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
        .region(aws_sdk_sqs::config::Region::new(REGION))
        .credentials_provider(credentials())
        .endpoint_url(&emulator.endpoint);
    let queues = aws_sdk_sqs::Client::from_conf(config.build());
    let urls = queues.list_queues().send().await?.queue_urls.unwrap_or_default();
    let failures: Vec<&String> = urls.iter().filter(|url| url.contains("DeadLetters") || url.contains("Failures")).collect();
    ensure!(failures.len() >= 3, "{urls:?}");
    for url in failures {
        let held =
            queues.get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::ApproximateNumberOfMessages).send().await?;
        let held = held.attributes.unwrap_or_default();
        let held = held.get(&QueueAttributeName::ApproximateNumberOfMessages).map(String::as_str);
        ensure!(held == Some("0"), "{url} holds {held:?}");
    }
    Ok(())
}
