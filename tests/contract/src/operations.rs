//! Running it: every alarm leads to a section of the runbook, and every function is called by an alias that a deployment moves.

use std::collections::BTreeSet;
use std::fs;

use coportal_aws::keys::Index;
use coportal_aws::store::Kind;
use coportal_local::template::{DEPLOYED, Template};
use serde_json::json;

/// The resources of a type, as (logical id, text of the block).
fn blocks(kind: &str) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let mut open: Option<(&str, String)> = None;
    for line in DEPLOYED.lines().chain(["Outputs:"]) {
        let id = line.strip_prefix("  ").and_then(|line| line.strip_suffix(':')).filter(|id| id.chars().all(char::is_alphanumeric));
        if id.is_some() || !line.starts_with(' ') && !line.is_empty() {
            found.extend(open.take().filter(|(_, text)| text.contains(&format!("    Type: {kind}\n"))));
            open = id.map(|id| (id, String::new()));
        } else if let Some((_, text)) = &mut open {
            text.push_str(line);
            text.push('\n');
        }
    }
    found
}

/// `Errors of a function` is the section `errors-of-a-function`.
fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || [' ', '-'].contains(c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn every_alarm_leads_to_its_section_of_the_runbook() {
    let runbook = fs::read_to_string(crate::root().join("infra/runbook.md")).unwrap();
    let sections: Vec<(String, &str)> =
        runbook.split("\n## ").skip(1).filter_map(|part| part.split_once('\n')).map(|(head, text)| (anchor(head), text)).collect();
    let template = Template::parse(DEPLOYED).unwrap();
    let alarms = blocks("AWS::CloudWatch::Alarm");
    assert_eq!(alarms.len(), template.alarms.len());
    let mut led_to = BTreeSet::new();
    for (id, text) in &alarms {
        let section = text.split("Runbook: infra/runbook.md#").nth(1).and_then(|rest| rest.split('"').next());
        let section = section.unwrap_or_else(|| panic!("{id} names no section of infra/runbook.md in its description"));
        let (_, body) = sections
            .iter()
            .find(|(anchor, _)| anchor == section)
            .unwrap_or_else(|| panic!("{id}: infra/runbook.md has no section {section}"));
        for part in ["**Means.**", "**Look at.**", "**Do.**"] {
            assert!(body.contains(part), "infra/runbook.md, {section}: no {part}");
        }
        led_to.insert(section.to_owned());
    }
    assert!(led_to.len() >= 6, "{led_to:?}");
}

/// What calls a function calls its alias, so that a canary sees the calls, and an alarm of the function ends it.
#[test]
fn every_function_is_called_by_an_alias_that_a_deployment_moves() {
    assert!(DEPLOYED.contains("\n    AutoPublishAlias: live\n"), "Globals publish an alias");
    let template = Template::parse(DEPLOYED).unwrap();
    let functions = blocks("AWS::Serverless::Function");
    assert_eq!(functions.len(), template.functions.len());
    for (id, text) in &functions {
        let answers = template.routes.iter().any(|route| route.function == *id);
        // A poller has no share of calls to try a version on; it is taken back when its alarm is raised.
        let kind = if answers { "Canary10Percent5Minutes" } else { "AllAtOnce" };
        assert!(
            text.contains(&format!(
                "      DeploymentPreference:\n        Type: {kind}\n        Alarms:\n          - !Ref {id}ErrorsAlarm\n"
            )),
            "{id}"
        );
    }
    let callers = [
        ("AWS::ApiGatewayV2::Integration", "IntegrationUri: "),
        ("AWS::Lambda::Permission", "FunctionName: "),
        ("AWS::Lambda::EventSourceMapping", "FunctionName: "),
        ("AWS::Events::Rule", "Arn: "),
    ];
    for (kind, property) in callers {
        let found = blocks(kind);
        assert!(!found.is_empty(), "{kind}");
        for (id, text) in found {
            let line = text.lines().map(str::trim).find_map(|line| line.strip_prefix(property)).unwrap_or_default();
            let function = line.strip_prefix("!Ref ").and_then(|line| line.strip_suffix(".Alias"));
            assert!(function.is_some_and(|function| template.functions.contains_key(function)), "{id}: {property}{line}");
        }
    }
}

/// A function without retention keeps its lines for good, and one without alarms fails unseen.
#[test]
fn every_function_has_its_log_group_and_its_alarms() {
    let template = Template::parse(DEPLOYED).unwrap();
    for id in template.functions.keys() {
        for what in ["ErrorsAlarm", "ThrottlesAlarm"] {
            assert!(template.alarms.contains(&format!("{id}{what}")), "{id}{what}");
        }
        let group = template.log_groups.get(&format!("{id}LogGroup")).unwrap_or_else(|| panic!("{id} has no log group"));
        assert!(group.retention_days.is_some(), "{id}: its lines are kept for good");
    }
    let dashboard = blocks("AWS::CloudWatch::Dashboard");
    let [(_, dashboard)] = dashboard.as_slice() else { panic!("{} dashboards", dashboard.len()) };
    for id in template.functions.keys() {
        for metric in ["Errors", "Duration"] {
            assert!(
                dashboard.contains(&format!("\"AWS/Lambda\", \"{metric}\", \"FunctionName\", \"${{{id}}}\"")),
                "the dashboard shows no {metric} of {id}"
            );
        }
    }
}

/// Each stream's filter lets through what its function works on, by the code's own names, and nothing else.
#[test]
fn the_filter_of_the_stream_names_what_the_fan_out_works_on() {
    let template = Template::parse(DEPLOYED).unwrap();
    let [source] = template.stream_sources.as_slice() else { panic!("{} streams", template.stream_sources.len()) };
    assert_eq!((source.function.as_str(), source.table.as_str()), ("AutoSyncFanout", "Table"));
    let passes = |name: &str, kind: Kind, attribute: &str| {
        let image = json!({"kind": {"S": kind.as_str()}, attribute: {"S": "x"}});
        let record = json!({"eventName": name, "dynamodb": {"NewImage": image}});
        source.filters.iter().any(|filter| filter.pattern.matches(&record))
    };
    let due = Index::Due.pk();
    assert!(passes("INSERT", Kind::Invoice, due) && passes("MODIFY", Kind::Invoice, due));
    // What is removed was removed by its time to live; what is at rest needs nothing; a row that is due is the sweep's.
    assert!(!passes("REMOVE", Kind::Invoice, due));
    assert!(!passes("MODIFY", Kind::Invoice, Index::List.pk()));
    assert!(!passes("MODIFY", Kind::SyncRow, due));
}
