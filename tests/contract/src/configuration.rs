//! The template sets what the code reads: no more, and nothing that is for one machine only.

use std::collections::BTreeSet;
use std::fs;

use coportal_lambda::config::{Scope, TABLE};

/// The names of environment variables that the template sets: the upper-case keys of its `Variables` maps.
fn set_by_the_template() -> BTreeSet<String> {
    let template = fs::read_to_string(crate::root().join("infra/template.yaml")).unwrap();
    template
        .lines()
        .filter_map(|line| line.trim().split_once(": ").map(|(name, _)| name))
        .filter(|name| name.contains('_') && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_template_sets_what_the_code_reads() {
    let set = set_by_the_template();
    assert!(!set.is_empty());
    for name in &set {
        let read = TABLE.iter().find(|variable| variable.name == name);
        assert!(
            read.is_some_and(|variable| variable.scope == Scope::Deployment),
            "the template sets {name}, which no function reads from a deployment"
        );
    }
    for variable in TABLE.iter().filter(|variable| variable.scope == Scope::Deployment && variable.default.is_none()) {
        assert!(set.contains(variable.name), "{} has no default and the template does not set it", variable.name);
    }
}

#[test]
fn local_settings_are_unknown_to_the_template() {
    let template = fs::read_to_string(crate::root().join("infra/template.yaml")).unwrap();
    let local: Vec<_> = TABLE.iter().filter(|variable| variable.scope == Scope::Local).collect();
    assert!(!local.is_empty());
    for variable in local {
        assert!(!template.contains(variable.name), "infra/template.yaml names {}", variable.name);
    }
}
