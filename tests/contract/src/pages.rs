//! The pages agree with the tree: links lead somewhere, files exist, rules are tested, generated blocks are fresh.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::rules::{rule_of, rules_tested_in};
use crate::{files, generated, relative, root};

fn pages() -> Vec<PathBuf> {
    let pages = files("", "md").unwrap();
    assert!(pages.len() > 10, "{} pages seen", pages.len());
    pages
}

/// The parts of a text between backticks, code blocks left out.
fn spans(page: &str) -> Vec<&str> {
    let mut in_block = false;
    let mut spans = Vec::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            spans.extend(line.split('`').skip(1).step_by(2));
        }
    }
    spans
}

#[test]
fn every_link_leads_to_a_file() {
    let mut wrong = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            if target.contains("://") || target.starts_with("mailto:") || path.is_empty() {
                continue;
            }
            if !page.parent().unwrap_or(Path::new("")).join(path).exists() {
                wrong.push(format!("{}: {target}", relative(&page)));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_file_that_a_page_names_exists() {
    let mut wrong = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for span in spans(&text) {
            let place = ["shared/", "functions/", "infra/", "tests/", "docs/", ".ci/", ".config/", ".github/"]
                .iter()
                .any(|top| span.starts_with(top));
            let literal = !span.contains([' ', '*', '{', '<', '|']);
            if place && literal && !root().join(span.trim_end_matches('/')).exists() {
                wrong.push(format!("{}: {span}", relative(&page)));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_rule_of_the_coverage_page_is_named_by_the_test_it_claims() {
    let page = fs::read_to_string(root().join("docs/rules-coverage.md")).unwrap();
    let mut claimed = BTreeSet::new();
    for row in page.lines().filter(|line| line.starts_with("| R") || line.starts_with("| C")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [rule, meaning, tests] = cells.as_slice() else { panic!("a row is rule, meaning, tests: {row}") };
        let Some(rule) = rule_of(rule) else { continue };
        assert!(!meaning.is_empty(), "{rule} says nothing");
        let named: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "{rule} names no test");
        for file in named {
            let rules = rules_tested_in(&root().join(file)).unwrap_or_else(|error| panic!("{rule}: {file}: {error}"));
            assert!(rules.contains(&rule), "{rule}: no test in {file} names it");
        }
        assert!(claimed.insert(rule.clone()), "{rule} has two rows");
    }
    assert!(!claimed.is_empty(), "the page claims nothing");
}

#[test]
fn generated_blocks_are_fresh() {
    for (page, fresh) in generated::pages().unwrap() {
        let kept = fs::read_to_string(root().join(page)).unwrap();
        assert!(kept == fresh, "{page} is older than the code: run `make update`");
    }
}
