//! What the source of a ledger says that it can send.

use std::collections::BTreeSet;
use std::fs;

use crate::source::{code, product_part};

/// How names of operations begin.
const VERBS: [&str; 20] = [
    "approve_",
    "cancel_",
    "continue_",
    "create_",
    "delete_",
    "end_",
    "exchange_",
    "find_",
    "list_",
    "look_",
    "post_",
    "query_",
    "read_",
    "refresh_",
    "release_",
    "revoke_",
    "search_",
    "update_",
    "void_",
    "withdraw_",
];

/// The texts in quotes of a line of code; those that are put together, and names of parameters, left out.
fn texts(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut parts = line.split('"');
    while let (Some(before), Some(text)) = (parts.next(), parts.next()) {
        if !before.ends_with("format!(") && !before.ends_with(".with(") {
            found.push(text);
        }
    }
    found
}

/// Operations and routes that a ledger's folder names, tests left out.
pub(super) fn of(folder: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut operations, mut routes) = (BTreeSet::new(), BTreeSet::new());
    for path in crate::files(&format!("shared/ledgers/src/{folder}"), "rs").unwrap() {
        let name = path.file_stem().unwrap().to_str().unwrap();
        // Words for people and codes of refusals look like names of operations.
        if matches!(name, "tests" | "fixit" | "outcome") || path.to_string_lossy().contains("/fixit/") {
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        for (_, line) in code(product_part(&source)) {
            for text in texts(line) {
                let is_name = VERBS.iter().any(|verb| text.strip_prefix(verb).is_some_and(|rest| !rest.is_empty()))
                    && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
                // Addresses of hosts stand in `profile`.
                let begins =
                    text.strip_prefix('/').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic() || "{$".contains(c)));
                let is_route = begins && !text.contains("{}") && !text.ends_with('(') && name != "profile";
                if is_name {
                    operations.insert(text.to_owned());
                } else if is_route {
                    routes.insert(text.to_owned());
                }
            }
        }
    }
    (operations, routes)
}
