//! One manifest holds all versions, each exact and each in use.

use std::collections::BTreeSet;
use std::fs;

use cargo_metadata::{DependencyKind, MetadataCommand};

/// The lines of a section of a manifest that are entries, as (name, the rest).
fn entries<'m>(manifest: &'m str, section: &str) -> Vec<(&'m str, &'m str)> {
    manifest
        .lines()
        .skip_while(|line| line.trim() != section)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once('=').unwrap_or_else(|| panic!("{section}: an entry of more than one line: {line}")))
        .map(|(name, value)| (name.trim(), value.trim()))
        .collect()
}

#[test]
fn every_version_is_exact() {
    let manifest = fs::read_to_string(crate::root().join("Cargo.toml")).unwrap();
    let entries = entries(&manifest, "[workspace.dependencies]");
    assert!(entries.len() > 40, "{} entries seen", entries.len());
    for (name, value) in entries {
        let exact = value.starts_with("\"=") || value.contains("version = \"=");
        let ours = value.contains("path = \"");
        assert!(exact != ours, "{name} = {value}: pin a crate with \"=\", give our own a path");
        assert!(!value.contains("git ="), "{name}: comes from a registry, not from a repository");
    }
}

#[test]
fn versions_stand_in_the_root_manifest_alone_and_none_is_unused() {
    let root = crate::root();
    let metadata = MetadataCommand::new().manifest_path(root.join("Cargo.toml")).no_deps().exec().unwrap();
    let mut used = BTreeSet::new();
    for package in &metadata.packages {
        let manifest = fs::read_to_string(&package.manifest_path).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{}: takes the workspace's lints", package.name);
        for dependency in &package.dependencies {
            used.insert(dependency.name.clone());
            let inherited = manifest.contains(&format!("{}.workspace = true", dependency.name))
                || manifest.lines().any(|line| line.starts_with(&format!("{} = {{ workspace = true", dependency.name)));
            assert!(inherited, "{}: {} is written with workspace = true", package.name, dependency.name);
            let ours = dependency.path.is_some();
            assert!(ours || dependency.req.to_string().starts_with('='), "{}: {} {}", package.name, dependency.name, dependency.req);
            assert!(dependency.kind != DependencyKind::Build, "{}: a build script's dependency would need its own line here", package.name);
        }
    }
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let unused: Vec<_> = entries(&manifest, "[workspace.dependencies]")
        .into_iter()
        .filter(|(name, value)| !value.contains("path = ") && !used.contains(*name))
        .collect();
    assert!(unused.is_empty(), "in the root manifest and used nowhere: {unused:?}");
}

#[test]
fn a_release_unwinds_and_says_all_that_a_build_tool_would_fill_in() {
    // The runtime turns a handler's panic into an answer, and one poisonous record must not kill its batch (docs/adr/0007).
    let manifest = fs::read_to_string(crate::root().join("Cargo.toml")).unwrap();
    let release = entries(&manifest, "[profile.release]");
    let of = |name: &str| release.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
    assert_eq!(of("panic"), Some("\"unwind\""));
    for stated in ["lto", "codegen-units", "strip"] {
        assert!(of(stated).is_some(), "{stated} is left to the build tool");
    }
}
