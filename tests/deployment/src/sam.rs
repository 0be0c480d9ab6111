//! The SAM CLI, used as anybody uses it: the project's own `samconfig.toml`, a few parameters, dummy credentials.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use coportal_local::studio::text;
use serde_json::Value;

use crate::emulator::{Emulator, KEY, REGION};

/// The environment of `samconfig.toml` that is deployed.
const ENVIRONMENT: &str = "dev";
/// The stack that it names.
const STACK: &str = "coportal-integrations-dev";

/// A stack on the emulator.
pub(crate) struct Stack<'a> {
    pub(crate) program: PathBuf,
    pub(crate) emulator: &'a Emulator,
    /// The top of the repository.
    pub(crate) root: &'a Path,
    /// Where the copy of the template and the binaries are.
    pub(crate) folder: &'a Path,
}

impl Stack<'_> {
    fn run(&self, log: &str, arguments: &[&str]) -> Result<String> {
        let log = self.folder.join(log);
        let status = Command::new(&self.program)
            .args(arguments)
            .current_dir(self.root)
            .env("AWS_ENDPOINT_URL", &self.emulator.endpoint)
            .envs([("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", KEY), ("AWS_DEFAULT_REGION", REGION), ("SAM_CLI_TELEMETRY", "0")])
            .stdin(Stdio::null())
            .stdout(File::create(&log)?)
            .stderr(File::create(log.with_extension("err"))?)
            .status()
            .with_context(|| format!("{}: run infra/ci/tools.sh", self.program.display()))?;
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        if status.success() {
            Ok(read(&log))
        } else {
            bail!("sam {}: {status}\n{}{}", arguments.join(" "), read(&log), read(&log.with_extension("err")))
        }
    }

    /// Creates the stack, or updates it.
    pub(crate) fn deploy(&self, log: &str, parameters: &[String]) -> Result<()> {
        let template = self.folder.join("infra/template.yaml");
        let configuration = self.root.join("samconfig.toml");
        let mut arguments = vec![
            "deploy",
            "--config-file",
            configuration.to_str().context("the path is not text")?,
            "--template-file",
            template.to_str().context("the path is not text")?,
        ];
        arguments.extend([
            "--config-env",
            ENVIRONMENT,
            "--region",
            REGION,
            "--no-confirm-changeset",
            "--no-progressbar",
            "--parameter-overrides",
        ]);
        arguments.extend(parameters.iter().map(String::as_str));
        self.run(log, &arguments).map(drop)
    }

    /// One of the stack's outputs.
    pub(crate) fn output(&self, name: &str) -> Result<String> {
        let said = self.run("outputs.log", &["list", "stack-outputs", "--stack-name", STACK, "--region", REGION, "--output", "json"])?;
        let outputs: Value = serde_json::from_str(&said).with_context(|| said.clone())?;
        let found = outputs.as_array().into_iter().flatten().find(|output| text(output, "/OutputKey") == name);
        found.map(|output| text(output, "/OutputValue").to_owned()).with_context(|| format!("no output {name}: {said}"))
    }

    /// How many resources the stack has.
    pub(crate) fn resources(&self) -> Result<usize> {
        let said = self.run("resources.log", &["list", "resources", "--stack-name", STACK, "--region", REGION, "--output", "json"])?;
        let resources: Value = serde_json::from_str(&said).with_context(|| said.clone())?;
        Ok(resources.as_array().map_or(0, Vec::len))
    }

    /// Deletes the stack.
    pub(crate) fn delete(&self) -> Result<()> {
        self.run("delete.log", &["delete", "--stack-name", STACK, "--region", REGION, "--no-prompts"]).map(drop)
    }
}
