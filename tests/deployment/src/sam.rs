//! The SAM CLI, used as anybody uses it: the project's own `samconfig.toml`, a few parameters, dummy credentials.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
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
        let text = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        if status.success() {
            Ok(text(&log))
        } else {
            bail!("sam {}: {status}\n{}{}", arguments.join(" "), text(&log), text(&log.with_extension("err")))
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
        let text = self.run("outputs.log", &["list", "stack-outputs", "--stack-name", STACK, "--region", REGION, "--output", "json"])?;
        let outputs: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
        let found = outputs.as_array().into_iter().flatten().find(|output| output["OutputKey"] == name);
        found.and_then(|output| output["OutputValue"].as_str()).map(str::to_owned).with_context(|| format!("no output {name}: {text}"))
    }

    /// How many resources of a type the stack has.
    pub(crate) fn resources(&self) -> Result<usize> {
        let text = self.run("resources.log", &["list", "resources", "--stack-name", STACK, "--region", REGION, "--output", "json"])?;
        let resources: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
        Ok(resources.as_array().map_or(0, Vec::len))
    }

    /// Deletes the stack.
    pub(crate) fn delete(&self) -> Result<()> {
        self.run("delete.log", &["delete", "--stack-name", STACK, "--region", REGION, "--no-prompts"]).map(drop)
    }
}
