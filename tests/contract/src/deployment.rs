//! The template that the deployment test hands to an emulator of AWS is the deployed one, but for two lists.

use std::collections::BTreeSet;

use coportal_lambda::config::{Scope, table};
use coportal_local::template::copy::{CopyError, ISSUERS, Outside, REMOVED, added, copy};
use coportal_local::template::{DEPLOYED, Template};

fn copied(template: &str) -> Result<String, CopyError> {
    let ledgers = table::LEDGERS.map(|ledger| (ledger.url.name, format!("http://127.0.0.1:1/{}", ledger.ledger)));
    copy(template, &Outside { issuer: "http://127.0.0.1:2/i", jwks: "http://127.0.0.1:2/k", ledgers: &ledgers })
}

/// The lines of `this` that `other` lacks, in order; lines that both have stand in the same order.
fn only_in<'t>(this: &'t str, other: &str) -> Vec<&'t str> {
    let mut rest = other.lines().peekable();
    let mut only = Vec::new();
    let known: BTreeSet<&str> = other.lines().collect();
    for line in this.lines() {
        if known.contains(line) && rest.clone().any(|of_other| of_other == line) {
            rest.by_ref().find(|of_other| *of_other == line);
        } else {
            only.push(line);
        }
    }
    only
}

#[test]
fn the_copy_lacks_the_deployment_preferences_and_no_other_line() {
    assert_eq!(REMOVED, ["DeploymentPreference"]);
    let copied = copied(DEPLOYED).unwrap();
    assert!(!copied.contains("DeploymentPreference"));
    let gone = only_in(DEPLOYED, &copied);
    let mut within = 0;
    for line in gone.iter().filter(|line| !line.contains(ISSUERS.name)) {
        let depth = line.len() - line.trim_start().len();
        if line.trim() == "DeploymentPreference:" {
            within = depth;
        }
        assert!(
            within > 0 && (depth > within || line.trim() == "DeploymentPreference:"),
            "`{line}` is gone, and no part of what is left out"
        );
    }
    assert_eq!(gone.iter().filter(|line| line.contains(ISSUERS.name)).count(), 1);
    // What is left is the same template to whoever reads it.
    let (ours, theirs) = (Template::parse(DEPLOYED).unwrap(), Template::parse(&copied).unwrap());
    assert_eq!(ours.functions.keys().collect::<Vec<_>>(), theirs.functions.keys().collect::<Vec<_>>());
    assert_eq!(ours.routes.len(), theirs.routes.len());
}

#[test]
fn the_copy_adds_what_is_for_one_machine_to_the_environment_and_no_other_line() {
    let copied = copied(DEPLOYED).unwrap();
    let come: Vec<&str> = only_in(&copied, DEPLOYED).into_iter().map(|line| line.trim().split(':').next().unwrap()).collect();
    let names: Vec<&str> = added().map(|variable| variable.name).collect();
    assert_eq!(come, [&[ISSUERS.name][..], &names].concat(), "the list, and the one value that grows");
    assert_eq!(
        names,
        ["COPORTAL_LOCAL", "COPORTAL_XERO_URL", "COPORTAL_QUICKBOOKS_URL", "COPORTAL_SAGE_URL", "COPORTAL_BUSINESS_CENTRAL_URL"]
    );
    for variable in added() {
        assert_eq!(variable.scope, Scope::Local, "{}", variable.name);
        assert!(!DEPLOYED.contains(variable.name), "infra/template.yaml names {}", variable.name);
        // Each function has it there.
        assert_eq!(copied.matches(variable.name).count(), 1, "{}", variable.name);
    }
    // The issuer that the deployment was given stays accepted.
    let line = copied.lines().find(|line| line.contains(ISSUERS.name)).unwrap().trim();
    assert_eq!(line, r#"COPORTAL_ISSUERS: !Sub "${TokenIssuer}=${TokenJwksUrl},http://127.0.0.1:2/i=http://127.0.0.1:2/k""#);
}

#[test]
fn a_preference_goes_with_all_it_holds() {
    let template = DEPLOYED.replacen(
        "    Tracing: Active\n",
        "    DeploymentPreference:\n      Type: AllAtOnce\n      Alarms:\n        - !Ref A\n\n    Tracing: Active\n",
        1,
    );
    assert_eq!(copied(&template).unwrap(), copied(DEPLOYED).unwrap());
    assert_eq!(copied("Globals:\n"), Err(CopyError::Issuers(0)));
}

/// A parameter's new value reaches an alias with a new version only, and what SAM makes a version's name of are the references and not their
/// values. Hence each function and each version says the text that is changed with them: a version's description cannot be changed, so that
/// CloudFormation makes another one (CloudFormation User Guide, AWS::Lambda::Version).
#[test]
fn another_configuration_version_is_another_version_of_each_function() {
    let functions = Template::parse(DEPLOYED).unwrap().functions.len();
    let said = |property: &str| {
        let lines = DEPLOYED.lines().filter(|line| line.starts_with(property));
        lines.filter(|line| line.contains("${ConfigurationVersion}")).count()
    };
    assert_eq!(said("      Description: !Sub "), functions);
    assert_eq!(said("      VersionDescription: !Sub "), functions);
    // Lambda takes descriptions of up to 256 characters, the parameter's longest value of 64 among them.
    assert!(DEPLOYED.lines().filter(|line| line.contains("${ConfigurationVersion}")).all(|line| line.len() < 256 + 22 - 64 + 23));
}

/// SAM would take a function for unchanged as long as its own folder is, and nearly all code lies in others.
#[test]
fn sam_caches_no_build() {
    let configuration = include_str!("../../../samconfig.toml");
    let builds = configuration.lines().filter(|line| line.ends_with(".build.parameters]")).count();
    assert_eq!((builds, configuration.matches("\ncached = false\n").count()), (4, 4));
}

/// Each parameter can be left to its default, so that `sam deploy --guided` asks for nothing that one has to know beforehand.
#[test]
fn every_parameter_has_a_default() {
    let parameters = DEPLOYED.split("\nParameters:\n").nth(1).unwrap().split("\nRules:\n").next().unwrap();
    let named = parameters.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ") && line.ends_with(':')).count();
    let defaults = parameters.lines().filter(|line| line.starts_with("    Default: ")).count();
    assert!(named > 20);
    assert_eq!(defaults, named);
}
