//! The template: how it is read, and what it must say.

use crate::support;
use coportal_local::template::{Bindings, DEPLOYED, Effect, Expression, Projection, Template};

fn deployed() -> Template {
    Template::parse(DEPLOYED).unwrap()
}

#[test]
fn the_table_has_the_keys_indexes_and_protections_of_the_records_page() {
    let template = deployed();
    let table = &template.tables["Table"];
    assert_eq!((table.key.partition.as_str(), table.key.sort.as_deref()), ("pk", Some("sk")));
    assert_eq!(table.billing_mode, "PAY_PER_REQUEST");
    assert!(table.deletion_protection && table.point_in_time_recovery);
    assert_eq!(table.ttl_attribute.as_deref(), Some("exp"));
    assert_eq!(table.stream_view.as_deref(), Some("NEW_IMAGE"));
    assert_eq!(table.encryption_key, Some(Expression::Attribute { resource: "TableKey".to_owned(), attribute: "Arn".to_owned() }));
    let indexes: Vec<(&str, &str, &str)> =
        table.indexes.iter().map(|index| (index.name.as_str(), index.key.partition.as_str(), index.key.sort.as_deref().unwrap())).collect();
    assert_eq!(indexes, [("due", "due_pk", "due_sk"), ("list", "ix_pk", "ix_sk")]);
    let carried = |at: usize| match &table.indexes[at].projection {
        Projection::Include(names) => names.join(" "),
        Projection::All | Projection::KeysOnly => panic!("the indexes carry named attributes"),
    };
    assert_eq!(carried(0), "kind ws ledger gen inv state attempts");
    assert_eq!(carried(1), "kind ids label number status state since issue_date total");
}

#[test]
fn each_function_ends_before_the_gateway_cuts_and_keeps_its_logs_for_a_stated_time() {
    let template = deployed();
    let binaries: Vec<&str> = template.functions.values().map(|function| function.binary.as_str()).collect();
    assert!(binaries.len() >= 9, "{binaries:?}");
    for (id, function) in &template.functions {
        let routed = template.routes.iter().any(|route| &route.function == id);
        let heard = template.queue_sources.iter().any(|source| &source.function == id)
            || template.stream_sources.iter().any(|source| &source.function == id)
            || template.schedules.iter().any(|schedule| &schedule.function == id);
        assert_ne!(routed, heard, "{id} answers requests or takes events, and not both");
        assert_eq!(template.invocable.contains(id), routed, "{id}");
        assert!(function.timeout.as_secs() == 29 || heard, "{id}");
        let Some(Expression::Ref(group)) = &function.log_group else {
            panic!("{id} has no log group of its own");
        };
        assert!(template.log_groups[group].retention_days.is_some(), "{group}");
        assert!(template.alarms.contains(&format!("{id}ErrorsAlarm")), "{id}");
    }
}

/// AWS on SQS and Lambda: visibility is at least six times the function's time-out, dead letters hang on the source queue.
#[test]
fn queues_are_encrypted_watched_and_lose_nothing_to_a_slow_function() {
    let template = deployed();
    let taken: Vec<(&str, &str, usize, usize)> = template
        .queue_sources
        .iter()
        .map(|source| (source.queue.as_str(), source.function.as_str(), source.batch_size, source.concurrency))
        .collect();
    assert_eq!(taken, [("SyncNow", "AutoSyncWorker", 5, 10), ("SyncBulk", "AutoSyncWorker", 1, 5)]);
    for source in &template.queue_sources {
        let queue = &template.queues[&source.queue];
        assert!(queue.visibility >= 6 * template.functions[&source.function].timeout, "{}", source.queue);
        // More than the three receives after which the worker counts a message as broken.
        let redrive = queue.redrive.as_ref().unwrap();
        assert_eq!((redrive.dead_letters.as_str(), redrive.max_receives), (format!("{}DeadLetters", source.queue).as_str(), 5));
        let dead = &template.queues[&redrive.dead_letters];
        assert!(dead.redrive.is_none() && dead.retention > queue.retention && dead.retention.as_secs() == 14 * 86_400);
        for alarm in ["AgeAlarm", "DeadLettersAlarm"] {
            assert!(template.alarms.contains(&format!("{}{alarm}", source.queue)), "{}", source.queue);
        }
    }
    for (id, queue) in &template.queues {
        assert!(queue.encrypted, "{id}");
        let over_tls = template.queue_policies.iter().any(|(queues, statement)| {
            let plain = statement.conditions["Bool"]["aws:SecureTransport"].iter().all(|value| value.literal() == Some("false"));
            let named = statement.resources.contains(&Expression::Attribute { resource: id.clone(), attribute: "Arn".to_owned() });
            queues.contains(id) && named && statement.effect == Effect::Deny && statement.actions == ["sqs:*"] && plain
        });
        assert!(over_tls, "{id}");
    }
}

/// Records page, section 6: due invoices that were put or changed, never removals; a bad record blocks nothing.
#[test]
fn the_stream_is_filtered_and_never_blocked() {
    let template = deployed();
    let [source] = template.stream_sources.as_slice() else { panic!("at most two consumers of a shard, and there is one") };
    assert_eq!((source.table.as_str(), source.function.as_str()), ("Table", "AutoSyncFanout"));
    assert_eq!((source.retries, source.max_age.as_secs()), (5, 3_600));
    assert!(template.queues[&source.on_failure].redrive.is_none());
    for alarm in ["AutoSyncFanoutFailuresAlarm", "AutoSyncFanoutAgeAlarm"] {
        assert!(template.alarms.contains(&alarm.to_owned()), "{alarm}");
    }
    let passes = |name: &str, kind: &str, due: bool| {
        let mut image = serde_json::json!({"pk": {"S": "x"}, "kind": {"S": kind}});
        if due {
            image["due_pk"] = serde_json::json!({"S": "DUE#1"});
        }
        let event = serde_json::json!({"eventName": name, "dynamodb": {"Keys": {}, "NewImage": image}});
        source.filters.iter().any(|filter| filter.pattern.matches(&event))
    };
    for (name, kind, due, wanted) in [
        ("INSERT", "invoice", true, true),
        ("MODIFY", "invoice", true, true),
        ("MODIFY", "invoice", false, false),
        ("REMOVE", "invoice", true, false),
        ("MODIFY", "sync", true, false),
    ] {
        assert_eq!(passes(name, kind, due), wanted, "{name} {kind} {due}");
    }
}

#[test]
fn schedules_run_what_is_due() {
    let template = deployed();
    let rules: Vec<(&str, u64)> = template.schedules.iter().map(|rule| (rule.function.as_str(), rule.every.as_secs())).collect();
    assert!(rules.contains(&("Sweep", 60)), "{rules:?}");
    for rule in &template.schedules {
        assert!(template.functions[&rule.function].timeout <= rule.every, "{}: two runs at once", rule.rule);
    }
}

#[test]
fn no_statement_of_a_role_has_a_wildcard_action_or_resource() {
    for (id, function) in &deployed().functions {
        assert!(!function.statements.is_empty(), "{id}");
        for statement in &function.statements {
            assert!(!statement.actions.iter().any(|action| action.contains('*')), "{id} {statement:?}");
            assert!(!statement.resources.iter().any(|resource| resource.mentions("*")), "{id} {statement:?}");
        }
    }
}

/// Records page, rules for keys 1: tokens are kept from every role that does not call vendors, sign-in records from every function
/// that does not sign in.
#[test]
fn roles_that_do_not_call_vendors_are_denied_tokens_and_key() {
    for (id, function) in &deployed().functions {
        let denied = |class: &str, action: &str| {
            function.statements.iter().any(|statement| {
                statement.effect == Effect::Deny
                    && statement.actions.iter().any(|denied| denied == action)
                    && statement.conditions["ForAnyValue:StringLike"]["dynamodb:LeadingKeys"]
                        .iter()
                        .any(|value| value.literal() == Some(class))
            })
        };
        let calls_vendors = function.environment.contains_key("COPORTAL_XERO_CLIENT_SECRET_PARAMETER");
        let signs_in = function.environment.contains_key("COPORTAL_SIGNING_KEY");
        let unwraps = function
            .statements
            .iter()
            .any(|statement| statement.effect == Effect::Allow && statement.actions.iter().any(|action| action == "kms:Decrypt"));
        assert_eq!(calls_vendors, unwraps, "{id}");
        for action in [
            "dynamodb:GetItem",
            "dynamodb:BatchGetItem",
            "dynamodb:Query",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
            "dynamodb:DeleteItem",
            "dynamodb:ConditionCheckItem",
        ] {
            assert_eq!(denied("TOK#*", action), !calls_vendors, "{id} {action}");
            for class in ["LOGIN#*", "CODE#*", "IDENT#*"] {
                assert_eq!(denied(class, action), !signs_in, "{id} {class} {action}");
            }
        }
        // Who does not sign in opens and ends no session; that one is in use, its idle end, may be written down by all.
        for action in ["dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:UpdateItem"] {
            assert_eq!(denied("SESSION#*", action), !signs_in, "{id} {action}");
        }
        let narrowed = function.statements.iter().filter(|statement| statement.sid.as_deref() == Some("NoSessionChanges"));
        let kept: Vec<_> =
            narrowed.flat_map(|statement| &statement.conditions["ForAnyValue:StringNotEquals"]["dynamodb:Attributes"]).collect();
        let kept: Vec<_> = kept.into_iter().filter_map(|value| value.literal()).collect();
        let expected = ["pk", "sk", "kind", "v", "rev", "wid", "updated_at", "idle_until"];
        // A function that answers no browser may not even do that.
        let answers = deployed().routes.iter().any(|route| route.function == *id);
        let wanted: &[&str] = if answers && !signs_in { &expected } else { &[] };
        assert_eq!(kept, wanted, "{id}");
        assert!(!denied("SESSION#*", "dynamodb:GetItem"), "{id}");
    }
    let calling: Vec<String> = deployed()
        .functions
        .iter()
        .filter(|(_, function)| function.environment.contains_key("COPORTAL_TOKEN_KEY"))
        .map(|(id, _)| id.clone())
        .collect();
    assert_eq!(calling, ["AutoSyncWorker", "ImportPreview", "InvoiceSync", "OauthCallback", "SettingsPage", "TokenKeeper"]);
}

#[test]
fn the_token_key_has_one_denial_for_each_part_of_the_context() {
    let template = deployed();
    let denials: Vec<String> = template.keys["TokenKey"]
        .statements
        .iter()
        .filter(|statement| statement.effect == Effect::Deny)
        .map(|statement| {
            assert_eq!(statement.actions, ["kms:Decrypt", "kms:GenerateDataKey"]);
            let keys: Vec<&String> = statement.conditions["Null"].keys().collect();
            assert_eq!(keys.len(), 1, "several keys in one statement would be joined by AND");
            keys[0].clone()
        })
        .collect();
    assert_eq!(denials, ["kms:EncryptionContext:workspace", "kms:EncryptionContext:ledger", "kms:EncryptionContext:purpose"]);
    assert!(!template.keys["TableKey"].statements.iter().any(|statement| statement.effect == Effect::Deny));
}

#[test]
fn only_https_issuers_are_accepted() {
    let template = deployed();
    for name in ["TokenIssuer", "TokenJwksUrl", "PublicOrigin", "AppOrigin"] {
        assert!(template.parameters[name].allowed_pattern.as_deref().unwrap().starts_with("^(https://"), "{name}");
    }
}

#[test]
fn the_access_log_holds_the_route_key_and_neither_path_nor_query() {
    let format = deployed().stage.access_log_format.unwrap();
    assert!(format.contains("$context.routeKey"));
    for forbidden in ["path", "query", "Path", "Query", "authorizer", "identity", "header"] {
        assert!(!format.contains(forbidden), "{forbidden}");
    }
    serde_json::from_str::<serde_json::Value>(&format).unwrap();
}

#[test]
fn the_routes_are_those_of_the_contract() {
    let template = deployed();
    let mut routes: Vec<String> =
        template.routes.iter().map(|route| format!("{} -> {}", route.key, template.functions[&route.function].binary)).collect();
    routes.sort();
    let mut wanted: Vec<&str> = include_str!("routes.txt").lines().collect();
    wanted.sort_unstable();
    assert_eq!(routes, wanted);
}

#[test]
fn the_environment_is_worked_out_as_cloudformation_would() {
    let local = support::local();
    let bindings = local.bindings();
    let sync = local.template.environment("InvoiceSync", &bindings).unwrap();
    assert_eq!(sync["COPORTAL_TABLE"], "coportal");
    assert_eq!(sync["COPORTAL_TOKEN_KEY"], local.cloud.kms().arn("TokenKey").unwrap());
    assert_eq!(sync["COPORTAL_XERO_CLIENT_SECRET_PARAMETER"], "/coportal/xero/client-secret");
    assert_eq!(sync["COPORTAL_PUBLIC_URL"], "http://127.0.0.1:8787");
    let clients = local.template.environment("Clients", &bindings).unwrap();
    assert!(!clients.contains_key("COPORTAL_TOKEN_KEY"));

    let own_address = bindings.reference("PublicOrigin", "");
    let clients = local.template.environment("Clients", &own_address).unwrap();
    assert_eq!(clients["COPORTAL_PUBLIC_URL"], "https://local.execute-api.eu-west-1.amazonaws.com");
    let unbound = local.template.environment("Clients", &Bindings::default()).unwrap_err();
    assert!(unbound.problem.contains("neither bound"), "{unbound}");
    assert!(local.template.environment("Nobody", &own_address).is_err());
}

fn refused(from: &str, to: &str) -> String {
    let text = DEPLOYED.replacen(from, to, 1);
    assert_ne!(text, DEPLOYED, "{from} is not in the template");
    Template::parse(&text).unwrap_err().to_string()
}

#[test]
fn what_is_not_understood_is_named_with_its_line() {
    let text = DEPLOYED.replacen("      BillingMode:", "      TableClass: STANDARD\n      BillingMode:", 1);
    let line = text.lines().position(|line| line.contains("TableClass")).unwrap() + 1;
    let error = Template::parse(&text).unwrap_err();
    assert_eq!(error.element, "Resources.Table.Properties.TableClass");
    assert_eq!(error.line, Some(line));
    assert_eq!(error.to_string(), format!("line {line}: Resources.Table.Properties.TableClass: is not understood here"));

    for (from, to, says) in [
        ("AWS::Logs::LogGroup", "AWS::S3::Bucket", "does not model"),
        ("!GetAtt TokenKey.Arn", "!ImportValue token-key", "`ImportValue` is not a function"),
        ("CodeUri: ../functions/clients", "CodeUri: ../functions/customers", "must be `Customers`"),
        ("integrations/${ClientsIntegration}", "integrations/${Clients}", "of an integration is wanted"),
        ("\"POST /v1/clients\"", "\"GET /v1/clients\"", "the route `GET /v1/clients` twice"),
        ("AuthorizationType: NONE", "AuthorizationType: JWT", "not modelled"),
        ("PayloadFormatVersion: \"2.0\"", "PayloadFormatVersion: \"1.0\"", "only `2.0` is modelled"),
        ("HasAlarmTopic: !Not", "HasAlarmTopic: !Or", "`Or` is not a condition"),
        ("Effect: Deny", "Effect: Forbid", "Allow or Deny"),
        ("KeyType: HASH", "KeyType: SORTED", "HASH or RANGE"),
        ("StageName: $default", "StageName: live", "only the stage `$default`"),
        ("Timeout: 29", "Timeout: soon", "a number is wanted"),
        ("[ReportBatchItemFailures]", "[]", "only `ReportBatchItemFailures`"),
        ("rate(1 minute)", "cron(* * * * ? *)", "only `rate(number unit)`"),
        ("[{\"exists\": true}]", "[{\"numeric\": [\">\", 1]}]", "is not modelled"),
        ("BisectBatchOnFunctionError: true", "BisectBatchOnFunctionError: false", "always bisected"),
        ("MaximumConcurrency: 10", "MaximumConcurrency: 1", "2 to 1,000"),
        ("SourceArn: !GetAtt SweepSchedule.Arn", "SourceArn: !GetAtt Sweep.Arn", "does not permit `SweepSchedule`"),
        ("EventSourceArn: !GetAtt SyncBulk.Arn", "EventSourceArn: !GetAtt TokenKey.Arn", "not a queue and a function"),
        ("deadLetterTargetArn: !GetAtt SyncNowDeadLetters.Arn", "deadLetterTargetArn: !GetAtt TokenKey.Arn", "is not a queue"),
        ("Description: CoPortal Integrations.", "Description: [", "template"),
    ] {
        let error = refused(from, to);
        assert!(error.contains(says), "{from}: {error}");
        assert!(error.starts_with("line "), "{error}");
    }
}
