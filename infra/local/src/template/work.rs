//! Queues, and what makes a function run without a request: event source mappings and schedules.

use std::time::Duration;

use super::node::Node;
use super::read::resource_named;
use super::{Expression, Queue, QueueSource, Redrive, Schedule, StreamFilter, StreamSource, TemplateError};
use crate::pattern::Pattern;

pub(super) fn queue(node: &Node<'_>) -> Result<Queue, TemplateError> {
    node.only(&["SqsManagedSseEnabled", "VisibilityTimeout", "MessageRetentionPeriod", "RedrivePolicy"])?;
    let seconds = |name: &str, default: u64| -> Result<Duration, TemplateError> {
        Ok(Duration::from_secs(node.get(name)?.map_or(Ok(default), |found| found.number())?))
    };
    let redrive = match node.get("RedrivePolicy")? {
        Some(found) => {
            found.only(&["deadLetterTargetArn", "maxReceiveCount"])?;
            let receives = found.required("maxReceiveCount")?;
            let max_receives = u32::try_from(receives.number()?).map_err(|_| receives.error("is too large"))?;
            Some(Redrive { dead_letters: resource_named(&found.required("deadLetterTargetArn")?)?, max_receives })
        }
        None => None,
    };
    // AWS::SQS::Queue: 30 seconds and 4 days where nothing is said.
    Ok(Queue {
        visibility: seconds("VisibilityTimeout", 30)?,
        retention: seconds("MessageRetentionPeriod", 345_600)?,
        encrypted: node.get("SqsManagedSseEnabled")?.map_or(Ok(false), |found| found.flag())?,
        redrive,
    })
}

/// What a mapping hands to a function.
pub(super) enum Source {
    Queue(QueueSource),
    Stream(StreamSource),
}

pub(super) fn mapping(node: &Node<'_>) -> Result<Source, TemplateError> {
    let source = node.required("EventSourceArn")?;
    match source.expression()? {
        Expression::Attribute { resource, attribute } if attribute == "Arn" => queue_source(node, resource).map(Source::Queue),
        Expression::Attribute { resource, attribute } if attribute == "StreamArn" => stream_source(node, resource).map(Source::Stream),
        Expression::Attribute { .. }
        | Expression::Literal(_)
        | Expression::Ref(_)
        | Expression::Substitute(_)
        | Expression::If { .. }
        | Expression::List(_) => Err(source.error("`Arn` of a queue or `StreamArn` of a table is wanted here")),
    }
}

fn count(node: &Node<'_>, name: &str) -> Result<usize, TemplateError> {
    let found = node.required(name)?;
    usize::try_from(found.number()?).ok().filter(|number| *number > 0).ok_or_else(|| found.error("a number above 0 is wanted here"))
}

/// Partial answers are the only ones that are modelled: without them one bad record would repeat its whole batch.
fn answers_partially(node: &Node<'_>) -> Result<(), TemplateError> {
    let found = node.required("FunctionResponseTypes")?;
    if found.scalars()? == ["ReportBatchItemFailures"] { Ok(()) } else { Err(found.error("only `ReportBatchItemFailures` is modelled")) }
}

fn queue_source(node: &Node<'_>, queue: String) -> Result<QueueSource, TemplateError> {
    node.only(&["EventSourceArn", "FunctionName", "BatchSize", "FunctionResponseTypes", "ScalingConfig"])?;
    answers_partially(node)?;
    let scaling = node.required("ScalingConfig")?;
    scaling.only(&["MaximumConcurrency"])?;
    let concurrency = count(&scaling, "MaximumConcurrency")?;
    if !(2..=1_000).contains(&concurrency) {
        return Err(scaling.error("MaximumConcurrency is 2 to 1,000"));
    }
    Ok(QueueSource {
        queue,
        function: resource_named(&node.required("FunctionName")?)?,
        batch_size: count(node, "BatchSize")?,
        concurrency,
    })
}

fn stream_source(node: &Node<'_>, table: String) -> Result<StreamSource, TemplateError> {
    node.only(&[
        "EventSourceArn",
        "FunctionName",
        "StartingPosition",
        "BatchSize",
        "ParallelizationFactor",
        "BisectBatchOnFunctionError",
        "MaximumRetryAttempts",
        "MaximumRecordAgeInSeconds",
        "FunctionResponseTypes",
        "FilterCriteria",
        "DestinationConfig",
    ])?;
    answers_partially(node)?;
    let start = node.required("StartingPosition")?;
    if !["TRIM_HORIZON", "LATEST"].contains(&start.scalar()?.as_str()) {
        return Err(start.error("TRIM_HORIZON or LATEST is wanted here"));
    }
    let bisect = node.required("BisectBatchOnFunctionError")?;
    if !bisect.flag()? {
        return Err(bisect.error("a batch that failed is always bisected here"));
    }
    let criteria = node.required("FilterCriteria")?;
    criteria.only(&["Filters"])?;
    let mut filters = Vec::new();
    for filter in criteria.required("Filters")?.elements() {
        filter.only(&["Pattern"])?;
        let pattern = filter.required("Pattern")?;
        let text = pattern.scalar()?;
        let parsed = Pattern::parse(&text).map_err(|problem| pattern.error(problem))?;
        filters.push(StreamFilter { text, pattern: parsed });
    }
    let destination = node.required("DestinationConfig")?;
    destination.only(&["OnFailure"])?;
    let destination = destination.required("OnFailure")?;
    destination.only(&["Destination"])?;
    let parallel = node.get("ParallelizationFactor")?;
    Ok(StreamSource {
        table,
        function: resource_named(&node.required("FunctionName")?)?,
        batch_size: count(node, "BatchSize")?,
        lanes: match parallel {
            Some(_) => count(node, "ParallelizationFactor")?,
            None => 1,
        },
        retries: node.required("MaximumRetryAttempts")?.number()?,
        max_age: Duration::from_secs(node.required("MaximumRecordAgeInSeconds")?.number()?),
        filters,
        on_failure: resource_named(&destination.required("Destination")?)?,
    })
}

/// A rule of EventBridge with `rate(…)`.
pub(super) fn schedule(id: &str, node: &Node<'_>) -> Result<Schedule, TemplateError> {
    node.only(&["Description", "ScheduleExpression", "State", "Targets"])?;
    let expression = node.required("ScheduleExpression")?;
    let text = expression.scalar()?;
    let every = rate(&text).ok_or_else(|| expression.error("only `rate(number unit)` is modelled"))?;
    if let Some(state) = node.get("State")?
        && state.scalar()? != "ENABLED"
    {
        return Err(state.error("only ENABLED is modelled"));
    }
    let targets = node.required("Targets")?;
    let targets_found = targets.elements();
    let [target] = targets_found.as_slice() else { return Err(targets.error("exactly one target is modelled")) };
    target.only(&["Id", "Arn"])?;
    Ok(Schedule { rule: id.to_owned(), function: resource_named(&target.required("Arn")?)?, every })
}

/// `rate(1 minute)`, `rate(2 hours)` (EventBridge User Guide, "Rate expressions": the unit of 1 is singular, of others plural).
fn rate(text: &str) -> Option<Duration> {
    let (number, unit) = text.strip_prefix("rate(")?.strip_suffix(')')?.split_once(' ')?;
    let number: u64 = number.parse().ok().filter(|number| *number > 0)?;
    let unit = if number == 1 { unit } else { unit.strip_suffix('s')? };
    let seconds = match unit {
        "minute" => 60,
        "hour" => 60 * 60,
        "day" => 24 * 60 * 60,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_eventbridge_reads_them() {
        for (text, seconds) in
            [("rate(1 minute)", Some(60)), ("rate(5 minutes)", Some(300)), ("rate(1 hour)", Some(3_600)), ("rate(2 days)", Some(172_800))]
        {
            assert_eq!(rate(text), seconds.map(Duration::from_secs), "{text}");
        }
        for text in ["rate(0 minutes)", "rate(1 minutes)", "rate(5 minute)", "rate(1 second)", "cron(0 12 * * ? *)", "rate(minute)", ""] {
            assert_eq!(rate(text), None, "{text}");
        }
    }
}
