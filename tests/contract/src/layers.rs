//! The arrows of `docs/architecture.md`, over `cargo metadata`.

use std::collections::BTreeSet;
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

fn metadata() -> Metadata {
    MetadataCommand::new().manifest_path(crate::root().join("Cargo.toml")).exec().unwrap()
}

/// `shared/core` for the package whose manifest is `shared/core/Cargo.toml`.
fn folder(package: &Package) -> String {
    crate::relative(package.manifest_path.parent().unwrap().as_std_path())
}

/// The workspace's own packages that a package names, of any dependency kind.
fn own_dependencies<'m>(metadata: &'m Metadata, package: &'m Package) -> Vec<(&'m Package, DependencyKind)> {
    let members = metadata.workspace_packages();
    package
        .dependencies
        .iter()
        .filter_map(|dependency| {
            let member = members.iter().find(|member| member.name.as_str() == dependency.name && dependency.path.is_some())?;
            Some((*member, dependency.kind))
        })
        .collect()
}

/// The names of everything that is linked into a package when it is built for itself: Cargo's own view, without the features that tests or
/// other packages of the workspace ask of a shared dependency.
fn linked(package: &Package) -> BTreeSet<String> {
    let tree = Command::new(env!("CARGO"))
        .current_dir(crate::root())
        .args(["tree", "--package", package.name.as_str(), "--edges", "normal,build", "--prefix", "none", "--format", "{p}"])
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    tree.lines().skip(1).filter_map(|line| line.split(' ').next()).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Whether a package, built for itself, links another.
pub(crate) fn links(package: &str, other: &str) -> bool {
    let metadata = metadata();
    let members = metadata.workspace_packages();
    let package = members.into_iter().find(|member| member.name.as_str() == package).unwrap_or_else(|| panic!("no package {package}"));
    linked(package).contains(other)
}

/// What a folder may name. A new package is given its place here, or the test fails.
fn may_name(from: &str) -> &'static [&'static str] {
    match from {
        "shared/core" | "tests/simulators" => &[],
        "shared/ledgers" | "shared/aws" | "shared/identity" | "shared/pages" => &["shared/core"],
        "shared/engine" => &["shared/core", "shared/ledgers", "shared/aws"],
        "shared/lambda" => &["shared/core", "shared/ledgers", "shared/aws", "shared/engine"],
        // The operator's tool stands on the product's own writes, and is deployed nowhere.
        "infra/admin" => &["shared/core", "shared/aws", "shared/lambda", "infra/local"],
        "shared/sign-in" => &["shared/core", "shared/aws", "shared/identity"],
        "infra/local" => &["shared/", "functions/", "tests/simulators"],
        // Sign-in at a customer's provider is one function's business.
        "functions/sso-routing" => {
            &["shared/core", "shared/aws", "shared/engine", "shared/lambda", "shared/pages", "shared/identity", "shared/sign-in"]
        }
        // What a browser is shown of everything else.
        "functions/settings-page" => &["shared/core", "shared/aws", "shared/engine", "shared/lambda", "shared/pages"],
        // What of it is looked at again by a schedule is a use case like any other.
        "functions/sign-in-keeper" => &["shared/lambda", "shared/sign-in"],
        _ if from.starts_with("functions/") => &["shared/core", "shared/aws", "shared/engine", "shared/lambda"],
        _ if from.starts_with("tests/") => &["shared/", "functions/", "infra/", "tests/simulators"],
        other => panic!("{other} has no place in the arrows of docs/architecture.md: give it one there and here"),
    }
}

#[test]
fn dependencies_point_one_way() {
    let metadata = metadata();
    let mut wrong = Vec::new();
    let mut arrows = 0;
    for package in metadata.workspace_packages() {
        let from = folder(package);
        for (named, kind) in own_dependencies(&metadata, package) {
            arrows += 1;
            let to = folder(named);
            let allowed = may_name(&from).iter().any(|place| if place.ends_with('/') { to.starts_with(place) } else { to == *place });
            // A crate of the product may be tested against a simulator: the simulator knows nobody, and nothing of it ships.
            let tested_against = kind == DependencyKind::Development && to == "tests/simulators";
            if !allowed && !tested_against {
                wrong.push(format!("{from} -> {to} ({kind})"));
            }
        }
    }
    assert!(arrows > 10, "only {arrows} arrows were seen: the test looks past them");
    assert!(wrong.is_empty(), "against the arrows: {wrong:#?}");
}

#[test]
fn nothing_deployed_links_tests_or_the_local_cloud() {
    let metadata = metadata();
    let members = metadata.workspace_packages();
    let mut functions = 0;
    for package in members.iter().filter(|package| folder(package).starts_with("functions/")) {
        functions += 1;
        let linked = linked(package);
        for name in &linked {
            let place = members.iter().find(|member| member.name.as_str() == name).map(|member| folder(member));
            assert!(place.as_ref().is_none_or(|place| place.starts_with("shared/")), "{} links {place:?}", package.name);
            let for_tests = ["dynoxide-rs", "clap", "proptest", "insta", "rusqlite", "libsqlite3-sys", "utoipa"].contains(&name.as_str());
            // The crate of XML signatures names it for a binary of its own, which is not built.
            let for_tests = for_tests && !(name == "clap" && linked.contains("bergshamra"));
            assert!(!for_tests, "{} links {name}", package.name);
        }
    }
    assert!(functions >= 5, "{functions} functions seen");
}

#[test]
fn the_core_is_pure() {
    let metadata = metadata();
    let core = metadata.workspace_packages().into_iter().find(|package| folder(package) == "shared/core").unwrap();
    let linked = linked(core);
    assert!(linked.contains("rust_decimal"), "{linked:?}");
    for name in linked {
        let impure = ["tokio", "http", "hyper", "reqwest", "rand", "getrandom", "ring", "mio", "socket2", "tracing"]
            .contains(&name.as_str())
            || ["aws-", "rand_"].iter().any(|family| name.starts_with(family));
        assert!(!impure, "coportal-core links {name}");
    }
}

#[test]
fn one_crate_names_the_aws_sdk() {
    let metadata = metadata();
    let mut named_by_aws = 0;
    for package in metadata.workspace_packages() {
        let place = folder(package);
        let deployed = place.starts_with("shared/") || place.starts_with("functions/");
        for dependency in &package.dependencies {
            let service = dependency.name.starts_with("aws-sdk-");
            let runtime =
                ["aws-smithy-", "aws-credential-types", "aws-runtime", "serde_dynamo"].iter().any(|name| dependency.name.starts_with(name));
            if !service && !runtime {
                continue;
            }
            if place == "shared/aws" {
                named_by_aws += usize::from(service);
                continue;
            }
            // What stands in for AWS is tested with the client it stands in for, and may implement the SDK's own transport; in a deployed
            // crate such a transport is for its tests. An operator may scan the table, which no function may.
            let for_tests = dependency.kind == DependencyKind::Development || dependency.optional;
            let stands_in =
                if deployed { runtime && for_tests } else { runtime || for_tests || place.starts_with("tests/") || place == "infra/admin" };
            assert!(stands_in, "{place} names {}: only shared/aws may", dependency.name);
        }
    }
    assert!(named_by_aws >= 3, "shared/aws names {named_by_aws} services");
}

#[test]
fn the_simulators_share_no_code_with_the_product() {
    // They must not agree with us by sharing our code.
    let metadata = metadata();
    let members = metadata.workspace_packages();
    let simulators = members.iter().find(|package| folder(package) == "tests/simulators").unwrap();
    assert!(own_dependencies(&metadata, simulators).is_empty());
    let linked = linked(simulators);
    assert!(linked.len() > 10, "{linked:?}");
    let ours: Vec<_> = members.iter().filter(|member| linked.contains(member.name.as_str())).map(|member| &member.name).collect();
    assert!(ours.is_empty(), "tests/simulators links {ours:?}");
}

#[test]
fn folder_package_and_binary_share_one_name() {
    let metadata = metadata();
    for package in metadata.workspace_packages() {
        let place = folder(package);
        let Some(name) = place.strip_prefix("functions/") else { continue };
        assert_eq!(package.name.as_str(), name);
        for binary in package.targets.iter().filter(|target| target.is_bin()) {
            assert_eq!(binary.name, name, "{place}: a function has one binary, named like its folder");
        }
    }
}
