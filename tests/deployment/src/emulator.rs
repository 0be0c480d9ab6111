//! The emulator of AWS, as a process of our own.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use coportal_local::caller::Caller;
use tokio::time::Instant;

/// The region that everything is deployed to.
pub(crate) const REGION: &str = "eu-west-1";
/// What the emulator takes for an access key.
pub(crate) const KEY: &str = "test";
/// The services that the template's resources and the SAM CLI need.
const SERVICES: &str =
    "apigateway,apigatewayv2,cloudformation,cloudwatch,dynamodb,dynamodbstreams,events,iam,kms,lambda,logs,monitoring,s3,sqs,ssm,sts";
/// How long it may take to start.
const START: Duration = Duration::from_secs(60);
/// How long it may take to end, with the functions that it runs.
const END: Duration = Duration::from_secs(15);

/// The emulator; it ends with this value.
pub(crate) struct Emulator {
    process: Child,
    /// Its address.
    pub(crate) endpoint: String,
    /// Where it and the functions write their lines.
    pub(crate) log: PathBuf,
}

impl Emulator {
    /// Starts it on a free port and waits until it answers.
    pub(crate) async fn start(program: &Path, folder: &Path) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let endpoint = format!("http://127.0.0.1:{port}");
        let log = folder.join("emulator.log");
        let out = File::create(&log)?;
        fs::create_dir_all(folder.join("tmp"))?;
        let process = Command::new(program)
            .envs([("BIND_HOST", "127.0.0.1"), ("MINISTACK_REGION", REGION), ("SERVICES", SERVICES), ("IOT_MTLS_ENABLED", "0")])
            .env("GATEWAY_PORT", port.to_string())
            // The functions are told this address as AWS's.
            .env("AWS_ENDPOINT_URL", &endpoint)
            .env("TMPDIR", folder.join("tmp"))
            .stdin(Stdio::null())
            .stderr(out.try_clone()?)
            .stdout(out)
            .spawn()
            .with_context(|| format!("{}: run infra/ci/tools.sh", program.display()))?;
        let mut emulator = Self { process, endpoint, log };
        let health = Caller::new(&emulator.endpoint)?;
        let began = Instant::now();
        while !health.get("/_ministack/health").await.is_ok_and(|reply| reply.status.is_success()) {
            if let Some(status) = emulator.process.try_wait()? {
                bail!("the emulator ended with {status}: {}", emulator.log.display());
            }
            if began.elapsed() > START {
                bail!("the emulator does not answer: {}", emulator.log.display());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(emulator)
    }
}

impl Drop for Emulator {
    /// Asks it to end, so that it ends the functions it runs, and ends it when it does not.
    fn drop(&mut self) {
        // What cannot be asked is ended below.
        let _ = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        let began = Instant::now();
        while began.elapsed() < END {
            if matches!(self.process.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        // It is gone, or it is not ours to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
