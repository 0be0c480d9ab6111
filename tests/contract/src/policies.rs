//! Rights: what a function's policy in the template grants is what its code can come to use.
//!
//! What code uses is worked out by name from the sources: which of our own functions a function's code can reach, and which of those
//! read an index. A name that two functions share counts for both, so that this errs towards "uses it".

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use coportal_local::template::{DEPLOYED, Effect, Function, Statement, Template};

use crate::files;
use crate::layers::links;
use crate::source::{code, product_part, words};

fn template() -> Template {
    Template::parse(DEPLOYED).unwrap()
}

fn allows(function: &Function) -> impl Iterator<Item = &Statement> {
    function.statements.iter().filter(|statement| statement.effect == Effect::Allow)
}

fn allowed_actions(function: &Function) -> BTreeSet<String> {
    allows(function).flat_map(|statement| statement.actions.iter().cloned()).collect()
}

/// The names of the items (functions) in these folders, each with the words of its body. A name that stands twice has both bodies.
fn bodies(folders: &[&str]) -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for folder in folders {
        for path in files(folder, "rs").unwrap() {
            let shown = crate::relative(&path);
            if shown.contains("/tests/") || shown.ends_with("/tests.rs") || shown.ends_with("/testing.rs") {
                continue;
            }
            let source = fs::read_to_string(&path).unwrap();
            let mut name = None;
            for (_, line) in code(product_part(&source)) {
                let mut parts = line.split_once("fn ").map(|(_, rest)| words(rest));
                if let Some(found) = parts.as_mut().and_then(Iterator::next).filter(|_| !line.contains("impl Fn") && line.contains('(')) {
                    name = Some(found.to_owned());
                }
                if let Some(name) = &name {
                    all.entry(name.clone()).or_default().extend(words(line).map(str::to_owned));
                }
            }
        }
    }
    all
}

/// The names that a function's own code can reach through the shared crates that it links.
fn reached(binary: &str) -> BTreeMap<String, BTreeSet<String>> {
    let own = format!("functions/{binary}/src");
    let mut folders = vec!["shared/aws/src/records", "shared/aws/src/store", "shared/lambda/src"];
    if links(binary, "coportal-engine") {
        folders.push("shared/engine/src");
    }
    let shared = bodies(&folders);
    let mut open: Vec<(String, BTreeSet<String>)> = bodies(&[own.as_str()]).into_iter().collect();
    let mut seen = BTreeMap::new();
    while let Some((name, body)) = open.pop() {
        for word in &body {
            if let Some(called) = shared.get(word).filter(|_| !seen.contains_key(word)) {
                open.push((word.clone(), called.clone()));
            }
        }
        seen.insert(name, body);
    }
    seen
}

#[test]
fn a_function_may_query_the_indexes_that_its_code_reads() {
    let mut both = 0;
    for function in template().functions.values() {
        let reached = reached(&function.binary);
        assert!(reached.len() > 20, "{}: {} names reached", function.binary, reached.len());
        let queries = reached.values().filter(|body| body.contains("query_index"));
        let read: BTreeSet<&str> = queries
            .flat_map(|body| [("Due", "due"), ("List", "list")].into_iter().filter(|(variant, _)| body.contains(*variant)))
            .map(|(_, index)| index)
            .collect();
        let granted: BTreeSet<&str> = allows(function)
            .filter(|statement| statement.actions.iter().any(|action| action == "dynamodb:Query"))
            .flat_map(|statement| &statement.resources)
            .flat_map(|resource| ["due", "list"].into_iter().filter(|index| resource.mentions(&format!("/index/{index}"))))
            .collect();
        assert_eq!(read, granted, "{}: read by its code, granted by the template", function.binary);
        both += usize::from(read.len() == 2);
    }
    assert!(both >= 1, "no function reads both indexes: disconnecting stops what waits, so one must");
}

#[test]
fn a_function_without_the_use_cases_reaches_neither_keys_nor_secrets_nor_tokens() {
    let (mut with, mut without) = (0, 0);
    for function in template().functions.values() {
        let calls_vendors = links(&function.binary, "coportal-engine");
        assert_eq!(links(&function.binary, "coportal-ledgers"), calls_vendors, "{}", function.binary);
        let actions = allowed_actions(function);
        for service in ["kms:", "ssm:"] {
            let granted = actions.iter().any(|action| action.starts_with(service));
            assert_eq!(granted, calls_vendors, "{}: {service}", function.binary);
        }
        let denied = function.statements.iter().filter(|statement| statement.effect == Effect::Deny).any(|statement| {
            let keys = statement.conditions.values().filter_map(|operator| operator.get("dynamodb:LeadingKeys")).flatten();
            let mut keys = keys.filter_map(|value| value.literal());
            keys.any(|class| class == "TOK#*")
                && actions.iter().filter(|a| a.starts_with("dynamodb:")).all(|a| statement.actions.contains(a))
        });
        assert_eq!(denied, !calls_vendors, "{}: tokens are denied for every action that it has", function.binary);
        let variables = ["COPORTAL_TOKEN_KEY", "COPORTAL_XERO_CLIENT_SECRET_PARAMETER"];
        assert!(variables.iter().all(|name| function.environment.contains_key(*name) == calls_vendors), "{}", function.binary);
        if calls_vendors { with += 1 } else { without += 1 }
    }
    assert!(with >= 1 && without >= 1, "{with} with, {without} without");
}

/// The operations that `shared/aws` sends, as IAM names their actions: a transaction is allowed by the actions of its parts.
fn sent_operations() -> BTreeSet<String> {
    const OPERATIONS: &[(&str, &[&str])] = &[
        ("get_item", &["dynamodb:GetItem"]),
        ("batch_get_item", &["dynamodb:BatchGetItem"]),
        ("query", &["dynamodb:Query"]),
        ("scan", &["dynamodb:Scan"]),
        ("put_item", &["dynamodb:PutItem"]),
        ("update_item", &["dynamodb:UpdateItem"]),
        ("delete_item", &["dynamodb:DeleteItem"]),
        ("batch_write_item", &["dynamodb:BatchWriteItem"]),
        ("transact_get_items", &["dynamodb:GetItem"]),
        ("transact_write_items", &["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"]),
        ("generate_data_key", &["kms:GenerateDataKey"]),
        ("encrypt", &["kms:Encrypt"]),
        ("decrypt", &["kms:Decrypt"]),
        ("re_encrypt", &["kms:ReEncrypt"]),
        ("describe_key", &["kms:DescribeKey"]),
        ("sign", &["kms:Sign"]),
        ("get_public_key", &["kms:GetPublicKey"]),
        ("get_parameter", &["ssm:GetParameter"]),
        ("get_parameters", &["ssm:GetParameters"]),
        ("put_parameter", &["ssm:PutParameter"]),
        ("send_message", &["sqs:SendMessage"]),
        ("send_message_batch", &["sqs:SendMessage"]),
        ("receive_message", &["sqs:ReceiveMessage"]),
        ("delete_message", &["sqs:DeleteMessage"]),
    ];
    let mut sent = BTreeSet::new();
    for path in files("shared/aws/src", "rs").unwrap() {
        if path.ends_with("testing.rs") || path.ends_with("tests.rs") {
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        let ships: String = code(product_part(&source)).map(|(_, line)| line).collect();
        for (method, actions) in OPERATIONS {
            if ships.contains(&format!(".{method}()")) {
                sent.extend(actions.iter().map(|action| (*action).to_owned()));
            }
        }
    }
    sent
}

#[test]
fn the_template_grants_the_operations_that_are_sent_and_no_other() {
    let sent = sent_operations();
    assert!(sent.len() >= 9, "{sent:?}");
    for function in template().functions.values() {
        let calls_vendors = links(&function.binary, "coportal-engine");
        let sends = function.environment.contains_key("COPORTAL_SYNC_NOW_URL");
        let used = |action: &str| match action.split(':').next() {
            Some("dynamodb") => true,
            Some("sqs") => sends,
            Some(_) | None => calls_vendors,
        };
        let wanted: BTreeSet<String> = sent.iter().filter(|action| used(action)).cloned().collect();
        assert_eq!(allowed_actions(function), wanted, "{}", function.binary);
    }
}
