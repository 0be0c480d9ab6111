//! Rights: what a function's policy in the template grants is what its code can come to use.
//!
//! What code uses is worked out by name from the sources: which of our own functions a function's code can reach, and which of those
//! read an index. A name that two functions share counts for both, so that this errs towards "uses it".

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use coportal_lambda::config::{Scope, TABLE, Variable, table};
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
                    // What a text says is no call.
                    let line = line.split('"').step_by(2).collect::<Vec<_>>().join(" ");
                    all.entry(name.clone()).or_default().extend(words(&line).map(str::to_owned));
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
    if calls_vendors(binary) {
        folders.push("shared/engine/src");
    } else if links(binary, "coportal-engine") {
        // Linked for the sake of the use cases that call no ledger.
        folders.push("shared/engine/src/auto_sync");
    }
    if links(binary, "coportal-sign-in") {
        folders.push("shared/sign-in/src");
    }
    let shared = bodies(&folders);
    let mut open: Vec<(String, BTreeSet<String>)> = bodies(&[own.as_str()]).into_iter().collect();
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    while let Some((name, body)) = open.pop() {
        for word in &body {
            if let Some(called) = shared.get(word).filter(|_| !seen.contains_key(word)) {
                open.push((word.clone(), called.clone()));
            }
        }
        // A function of its own may share its name with one that it calls: what both say counts.
        seen.entry(name).or_default().extend(body);
    }
    seen
}

/// Whether the function's own code boots with one of these.
fn boots_with(binary: &str, methods: &[&str]) -> bool {
    let sources = files(&format!("functions/{binary}/src"), "rs").unwrap();
    sources.iter().any(|path| {
        let source = fs::read_to_string(path).unwrap();
        code(product_part(&source)).any(|(_, line)| methods.iter().any(|method| line.contains(&format!(".{method}()"))))
    })
}

/// Whether the function has the use cases that call ledgers. Some link them for the sake of one that does not, and boot without.
fn calls_vendors(binary: &str) -> bool {
    boots_with(binary, &["engine", "sending_engine"])
}

/// Whether the function signs people in. The one that only looks at proofs and metadata again boots without keys.
fn signs_in(binary: &str) -> bool {
    let sources = files(&format!("functions/{binary}/src"), "rs").unwrap();
    sources.iter().any(|path| code(product_part(&fs::read_to_string(path).unwrap())).any(|(_, line)| line.contains(".signer(")))
}

/// Whether the function sends to the sync queues.
fn sends(binary: &str) -> bool {
    boots_with(binary, &["sending_engine", "handing_on"])
}

#[test]
fn a_function_may_query_the_indexes_that_its_code_reads() {
    let mut both = 0;
    for function in template().functions.values() {
        let reached = reached(&function.binary);
        assert!(reached.len() > 20, "{}: {} names reached", function.binary, reached.len());
        let queries: BTreeMap<_, _> = reached.iter().filter(|(_, body)| body.contains("query_index")).collect();
        let read: BTreeSet<&str> = queries
            .values()
            .flat_map(|body| [("Due", "due"), ("List", "list")].into_iter().filter(|(variant, _)| body.contains(*variant)))
            .map(|(_, index)| index)
            .collect();
        let granted: BTreeSet<&str> = allows(function)
            .filter(|statement| statement.actions.iter().any(|action| action == "dynamodb:Query"))
            .flat_map(|statement| &statement.resources)
            .flat_map(|resource| ["due", "list"].into_iter().filter(|index| resource.mentions(&format!("/index/{index}"))))
            .collect();
        assert_eq!(read, granted, "{}: read by its code ({:?}), granted by the template", function.binary, queries.keys());
        both += usize::from(read.len() == 2);
    }
    assert!(both >= 1, "no function reads both indexes: disconnecting stops what waits, so one must");
}

/// A variable that is missing in one function's environment would count as its default there, and as what was set in all others.
#[test]
fn each_function_is_given_the_variables_that_it_boots_with_and_no_other() {
    let ledgers = table::LEDGERS.iter().flat_map(|ledger| [ledger.client_id, ledger.client_secret, ledger.availability]);
    let vendors: Vec<Variable> = ledgers.chain([table::QUICKBOOKS_ENVIRONMENT, table::TOKEN_KEY]).collect();
    let queues = [table::SYNC_NOW_URL, table::SYNC_BULK_URL];
    let providers = [
        table::GOOGLE_CLIENT_ID,
        table::GOOGLE_CLIENT_SECRET,
        table::MICROSOFT_CLIENT_ID,
        table::MICROSOFT_CLIENT_SECRET,
        table::SIGNING_KEY,
    ];
    // Their defaults are what is meant, in every deployment.
    let never = [table::DNS_SERVERS, table::SERVICE_NAME];
    let some = [vendors.as_slice(), &queues, &providers, &never].concat();
    let everywhere: Vec<Variable> =
        TABLE.iter().filter(|variable| variable.scope == Scope::Deployment && !some.contains(variable)).copied().collect();
    let functions = template().functions;
    assert!(functions.len() > 9, "{} functions", functions.len());
    for function in functions.values() {
        let binary = function.binary.as_str();
        let groups =
            [(true, everywhere.as_slice()), (calls_vendors(binary), &vendors), (sends(binary), &queues), (signs_in(binary), &providers)];
        let read = groups.iter().filter(|(reads, _)| *reads).flat_map(|(_, group)| group.iter().map(|variable| variable.name));
        let given: BTreeSet<&str> = function.environment.keys().map(String::as_str).collect();
        assert_eq!(read.collect::<BTreeSet<_>>(), given, "{binary}: read by its code, given by the template");
    }
}

#[test]
fn a_function_without_the_use_cases_reaches_neither_keys_nor_secrets_nor_tokens() {
    let (mut with, mut without) = (0, 0);
    for function in template().functions.values() {
        let calls_vendors = calls_vendors(&function.binary);
        assert!(links(&function.binary, "coportal-ledgers") || !calls_vendors, "{}", function.binary);
        let actions = allowed_actions(function);
        // Sign-in has a key of its own, which signs and opens nothing, and CoPortal's registrations at the identity providers.
        let signs_in = signs_in(&function.binary);
        for (service, wanted) in [
            ("kms:Decrypt", calls_vendors),
            ("kms:GenerateDataKey", calls_vendors),
            ("kms:Sign", signs_in),
            ("ssm:", calls_vendors || signs_in),
        ] {
            let granted = actions.iter().any(|action| action.starts_with(service));
            assert_eq!(granted, wanted, "{}: {service}", function.binary);
        }
        let denied = function.statements.iter().filter(|statement| statement.effect == Effect::Deny).any(|statement| {
            let keys = statement.conditions.values().filter_map(|operator| operator.get("dynamodb:LeadingKeys")).flatten();
            let mut keys = keys.filter_map(|value| value.literal());
            // Reading the stream is a right about the stream, not about items; what passes there of a token row is its seal.
            let of_stream = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"];
            let mut about_items = actions.iter().filter(|a| a.starts_with("dynamodb:") && !of_stream.contains(&a.as_str()));
            keys.any(|class| class == "TOK#*") && about_items.all(|a| statement.actions.contains(a))
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

/// What Lambda does in the function's name for its event sources (Lambda Developer Guide, "Execution role permissions" of each).
fn polled(template: &Template, function: &Function) -> Vec<String> {
    let mut actions: Vec<&str> = Vec::new();
    if template.queue_sources.iter().any(|source| source.function == function.logical_id) {
        actions.extend(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]);
    }
    if template.stream_sources.iter().any(|source| source.function == function.logical_id) {
        let stream = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"];
        actions.extend(stream.into_iter().chain(["sqs:SendMessage"]));
    }
    actions.into_iter().map(str::to_owned).collect()
}

/// A right about queues names the queues of its purpose: those that are sent to, those that are taken from, those that are told.
#[test]
fn rights_about_queues_are_those_of_the_mappings() {
    let template = template();
    let mut granted_any = 0;
    for function in template.functions.values() {
        let may = |action: &str| -> BTreeSet<String> {
            let statements = allows(function).filter(|statement| statement.actions.iter().any(|allowed| allowed == action));
            let resources: Vec<_> = statements.flat_map(|statement| &statement.resources).collect();
            let named = |queue: &str| resources.iter().any(|resource| resource.mentions(&format!("{queue}.Arn")));
            template.queues.keys().filter(|queue| named(queue)).cloned().collect()
        };
        let mut told: BTreeSet<String> =
            if sends(&function.binary) { ["SyncBulk".to_owned(), "SyncNow".to_owned()].into() } else { BTreeSet::new() };
        let streams = template.stream_sources.iter().filter(|source| source.function == function.logical_id);
        told.extend(streams.map(|source| source.on_failure.clone()));
        let queues = template.queue_sources.iter().filter(|source| source.function == function.logical_id);
        let taken: BTreeSet<String> = queues.map(|source| source.queue.clone()).collect();
        assert_eq!(may("sqs:SendMessage"), told, "{}", function.binary);
        for action in ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"] {
            assert_eq!(may(action), taken, "{} {action}", function.binary);
        }
        granted_any += told.len() + taken.len();
    }
    assert!(granted_any >= 6, "{granted_any}");
}

/// What the template hands events to exists and takes them: each folder of `functions/` is reached by a route or by events, and a
/// function of events has a `handle` of the event that its source hands it.
#[test]
fn functions_of_events_handle_what_their_sources_hand_them() {
    let template = template();
    let source_of = |binary: &str| fs::read_to_string(crate::root().join(format!("functions/{binary}/src/lib.rs"))).unwrap();
    let mut heard = 0;
    for function in template.functions.values() {
        let id = &function.logical_id;
        let events = [
            ("SqsEvent", template.queue_sources.iter().any(|source| &source.function == id)),
            ("dynamodb::Event", template.stream_sources.iter().any(|source| &source.function == id)),
            ("IgnoredAny", template.schedules.iter().any(|schedule| &schedule.function == id)),
        ];
        let source = source_of(&function.binary);
        for (event, is_source) in events {
            assert_eq!(source.contains(event), is_source, "{}: {event}", function.binary);
        }
        let takes_events = events.iter().any(|(_, is_source)| *is_source);
        assert_eq!(source.contains("pub async fn handle("), takes_events, "{}", function.binary);
        assert_eq!(source.contains("pub fn router("), !takes_events, "{}", function.binary);
        heard += usize::from(takes_events);
    }
    let folders =
        fs::read_dir(crate::root().join("functions")).unwrap().filter(|entry| entry.as_ref().unwrap().path().join("Cargo.toml").exists());
    assert_eq!(folders.count(), template.functions.len(), "a folder of functions/ that the template does not deploy");
    assert!(heard >= 3, "{heard}");
}

#[test]
fn the_template_grants_the_operations_that_are_sent_and_no_other() {
    let sent = sent_operations();
    assert!(sent.len() >= 9, "{sent:?}");
    let template = template();
    for function in template.functions.values() {
        let (calls_vendors, sends) = (calls_vendors(&function.binary), sends(&function.binary));
        let signs_in = signs_in(&function.binary);
        for variable in ["COPORTAL_SYNC_NOW_URL", "COPORTAL_SYNC_BULK_URL"] {
            assert_eq!(function.environment.contains_key(variable), sends, "{} {variable}", function.binary);
        }
        let used = |action: &str| match action {
            "kms:Sign" | "kms:GetPublicKey" => signs_in,
            "ssm:GetParameters" => calls_vendors || signs_in,
            other => match other.split(':').next() {
                Some("dynamodb") => true,
                Some("sqs") => sends,
                Some(_) | None => calls_vendors,
            },
        };
        let mut wanted: BTreeSet<String> = sent.iter().filter(|action| used(action)).cloned().collect();
        wanted.extend(polled(&template, function));
        assert_eq!(allowed_actions(function), wanted, "{}", function.binary);
    }
}
