//! What the sources may not say, where no lint can see it.

use std::fs;

use crate::source::{code, product_part, words};
use crate::{files, relative};

/// The lines of shipping code below these folders that hold one of these words.
fn found(folders: &[&str], banned: &[&str]) -> Vec<String> {
    let mut hits = Vec::new();
    let mut seen = 0;
    for folder in folders {
        for path in files(folder, "rs").unwrap() {
            seen += 1;
            let source = fs::read_to_string(&path).unwrap();
            for (line, text) in code(product_part(&source)) {
                if words(text).any(|word| banned.contains(&word)) {
                    hits.push(format!("{}:{line}: {}", relative(&path), text.trim()));
                }
            }
        }
    }
    assert!(seen > 0, "no source below {folders:?}");
    hits
}

#[test]
fn no_float_stands_where_money_passes() {
    // clippy's float_arithmetic sees sums, not types and conversions.
    let hits = found(
        &["shared/core", "shared/ledgers", "shared/aws", "shared/engine", "functions", "tests/money"],
        &["f32", "f64", "as_f64", "from_f64", "to_f64"],
    );
    assert!(hits.is_empty(), "{hits:#?}");
}

/// The oracle of the money tests is worth its name while it shares nothing with what it judges.
#[test]
fn the_moneys_oracle_knows_no_crate_of_ours() {
    let source = fs::read_to_string(crate::root().join("tests/money/src/oracle.rs")).unwrap();
    let names = ["coportal", "simulators", "rust_decimal", "crate::"];
    let hits: Vec<_> = code(&source).filter(|(_, text)| names.iter().any(|name| text.contains(name))).collect();
    assert!(hits.is_empty(), "{hits:#?}");
}

#[test]
fn local_only_routes_are_unknown_to_what_is_deployed() {
    let hits = found(&["shared", "functions"], &["__local", "__sim"]);
    assert!(hits.is_empty(), "{hits:#?}");
}

#[test]
fn nothing_shipping_starts_a_process() {
    // A function that is frozen between invocations must not leave work behind.
    let hits = found(&["shared", "functions"], &["Command", "option_env"]);
    assert!(hits.is_empty(), "{hits:#?}");
}

#[test]
fn every_lint_is_answered_with_expect_and_a_reason() {
    // Clippy sees an outer attribute; this sees an inner one too. A module that several test binaries share may be used by each in part,
    // which expect cannot say: there an allow stands, with its reason.
    for folder in ["shared", "functions", "infra", "tests"] {
        for path in files(folder, "rs").unwrap() {
            let (source, shown) = (fs::read_to_string(&path).unwrap(), relative(&path));
            let shared_by_tests = shown.contains("/tests/support/");
            for (line, text) in code(&source) {
                let allows = ["#[", "#!["].iter().any(|open| text.trim_start().starts_with(&format!("{open}{}(", "allow")));
                assert!(!allows || shared_by_tests && text.contains("reason = "), "{shown}:{line}: write expect, with a reason");
            }
        }
    }
}

#[test]
fn every_snapshot_was_accepted_and_still_has_its_test() {
    let mut wrong = Vec::new();
    for folder in ["shared", "functions", "infra", "tests"] {
        wrong.extend(files(folder, "new").unwrap().iter().map(|path| format!("{}: not reviewed", relative(path))));
        for path in files(folder, "snap").unwrap() {
            let text = fs::read_to_string(&path).unwrap();
            let source = text.lines().find_map(|line| line.strip_prefix("source: ")).map(str::trim);
            let source = source.and_then(|source| fs::read_to_string(crate::root().join(source)).ok()).unwrap_or_default();
            // `crate__module__tests__NAME.snap`, with `-2` for the second of one test.
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let name = stem.rsplit("__").next().unwrap_or_default().trim_end_matches(|c: char| c == '-' || c.is_ascii_digit());
            if !words(&source).any(|word| word.starts_with(name)) {
                wrong.push(format!("{}: no test makes it", relative(&path)));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
