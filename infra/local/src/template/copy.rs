//! The copy of the template that an emulator of AWS takes, for the test of the deployment.
//!
//! What is deployed there is `infra/template.yaml` itself but for two lists: what an emulator refuses is left out ([`REMOVED`]), and the
//! functions' environment gets what is for one machine only ([`added`]). Everything else stands line for line as it is deployed to AWS; a
//! contract test holds both.

use coportal_lambda::config::table::{self, Variable};

/// The properties that are left out with all they hold: emulators have no CodeDeploy.
pub const REMOVED: [&str; 1] = ["DeploymentPreference"];

/// The variable whose list of issuers gets the test's own.
pub const ISSUERS: Variable = table::ISSUERS;

/// The line of the template's `Globals` that sets the accepted issuers.
const ISSUERS_LINE: &str = r#"        COPORTAL_ISSUERS: !If [HasTokenIssuer, !Sub "${TokenIssuer}=${TokenJwksUrl}", none]"#;

/// The variables that the functions' environment gets: the switch, and an address for each ledger, which is also what the functions may
/// call there at all (`Egress`).
pub fn added() -> impl Iterator<Item = Variable> {
    [table::LOCAL].into_iter().chain(table::LEDGERS.map(|ledger| ledger.url))
}

/// What stands outside the emulator, on this machine.
#[derive(Debug, Clone, Copy)]
pub struct Outside<'a> {
    /// The test's issuer of bearer tokens.
    pub issuer: &'a str,
    /// Where its keys are.
    pub jwks: &'a str,
    /// The address of a ledger's simulator, by the variable that names it.
    pub ledgers: &'a [(&'static str, String)],
}

/// Why there is no copy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    /// The line that the copy changes is not there once.
    #[error("the template has {0} lines `{line}`", line = ISSUERS_LINE.trim())]
    Issuers(usize),
    /// A ledger has no simulator.
    #[error("there is no address for {0}")]
    Address(&'static str),
}

/// The copy of `template`.
///
/// # Errors
/// When the template's `Globals` do not set the issuers as they did when this was written, or an address is missing.
pub fn copy(template: &str, outside: &Outside<'_>) -> Result<String, CopyError> {
    let there = template.lines().filter(|line| *line == ISSUERS_LINE).count();
    if there != 1 {
        return Err(CopyError::Issuers(there));
    }
    let mut kept = String::with_capacity(template.len());
    // The depth of a property that is being left out: what is deeper goes with it.
    let mut leaving_out: Option<usize> = None;
    for line in template.lines() {
        let depth = line.len() - line.trim_start().len();
        if leaving_out.is_some_and(|left| line.trim().is_empty() || depth > left) {
            continue;
        }
        leaving_out = None;
        let key = line.trim_start().split(':').next().unwrap_or_default();
        if REMOVED.contains(&key) {
            leaving_out = Some(depth);
        } else if line == ISSUERS_LINE {
            let indent = &line.get(..depth).unwrap_or_default();
            let (issuer, jwks) = (outside.issuer, outside.jwks);
            kept.push_str(&format!("{indent}{}: !Sub \"${{TokenIssuer}}=${{TokenJwksUrl}},{issuer}={jwks}\"\n", ISSUERS.name));
            for variable in added() {
                let value = if variable == table::LOCAL { "1" } else { address(outside, variable.name)? };
                kept.push_str(&format!("{indent}{}: \"{value}\"\n", variable.name));
            }
        } else {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    Ok(kept)
}

fn address<'a>(outside: &'a Outside<'_>, name: &'static str) -> Result<&'a str, CopyError> {
    outside.ledgers.iter().find(|(known, _)| *known == name).map(|(_, address)| address.as_str()).ok_or(CopyError::Address(name))
}
