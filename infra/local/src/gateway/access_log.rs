//! Access log lines in the template's format (API Gateway Developer Guide, "Customize HTTP API access logs").

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;

use super::GatewayError;

const KEPT: usize = 1000;

/// Lines that can be read back.
#[derive(Default)]
pub(super) struct Lines(Mutex<VecDeque<String>>);

impl Lines {
    pub(super) fn push(&self, line: String) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    pub(super) fn all(&self) -> Vec<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().cloned().collect()
    }
}

/// What a line can be made of.
pub(super) struct Entry<'a> {
    pub(super) request_id: &'a str,
    pub(super) at: Timestamp,
    pub(super) route_key: Option<&'a str>,
    pub(super) status: StatusCode,
    pub(super) response_latency: Duration,
    pub(super) integration_latency: Option<Duration>,
    pub(super) integration_status: Option<StatusCode>,
    pub(super) response_length: usize,
    pub(super) error: Option<&'a str>,
}

enum Part {
    Text(String),
    Variable(Variable),
}

#[derive(Clone, Copy)]
enum Variable {
    RequestId,
    RequestTimeEpoch,
    RouteKey,
    Status,
    ResponseLatency,
    IntegrationLatency,
    IntegrationStatus,
    ResponseLength,
    ErrorMessage,
}

/// A format, read once.
pub(super) struct Format(Vec<Part>);

impl Format {
    pub(super) fn parse(format: &str) -> Result<Self, GatewayError> {
        let mut parts = Vec::new();
        let mut rest = format;
        while let Some((before, after)) = rest.split_once("$context.") {
            parts.push(Part::Text(before.to_owned()));
            let end = after.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '.' && letter != '_').unwrap_or(after.len());
            let (name, tail) = after.split_at(end);
            parts.push(Part::Variable(variable(name)?));
            rest = tail;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self(parts))
    }

    pub(super) fn line(&self, entry: &Entry<'_>) -> String {
        self.0
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.clone(),
                Part::Variable(variable) => value(*variable, entry).unwrap_or_else(|| "-".to_owned()),
            })
            .collect()
    }
}

fn variable(name: &str) -> Result<Variable, GatewayError> {
    Ok(match name {
        "requestId" => Variable::RequestId,
        "requestTimeEpoch" => Variable::RequestTimeEpoch,
        "routeKey" => Variable::RouteKey,
        "status" => Variable::Status,
        "responseLatency" => Variable::ResponseLatency,
        "integrationLatency" => Variable::IntegrationLatency,
        "integrationStatus" => Variable::IntegrationStatus,
        "responseLength" => Variable::ResponseLength,
        "error.message" => Variable::ErrorMessage,
        other => return Err(GatewayError::AccessLog(format!("$context.{other}"))),
    })
}

fn value(variable: Variable, entry: &Entry<'_>) -> Option<String> {
    match variable {
        Variable::RequestId => Some(entry.request_id.to_owned()),
        Variable::RequestTimeEpoch => Some(entry.at.as_millisecond().to_string()),
        Variable::RouteKey => entry.route_key.map(str::to_owned),
        Variable::Status => Some(entry.status.as_u16().to_string()),
        Variable::ResponseLatency => Some(entry.response_latency.as_millis().to_string()),
        Variable::IntegrationLatency => entry.integration_latency.map(|took| took.as_millis().to_string()),
        Variable::IntegrationStatus => entry.integration_status.map(|status| status.as_u16().to_string()),
        Variable::ResponseLength => Some(entry.response_length.to_string()),
        Variable::ErrorMessage => entry.error.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_is_not_modelled_is_refused() {
        let refused = Format::parse("$context.routeKey $context.path").err().unwrap();
        assert_eq!(refused, GatewayError::AccessLog("$context.path".to_owned()));
    }

    #[test]
    fn what_is_not_known_is_a_dash() {
        let format = Format::parse(r#"{"route":"$context.routeKey","status":"$context.status","error":"$context.error.message"}"#).unwrap();
        let line = format.line(&Entry {
            request_id: "r",
            at: Timestamp::UNIX_EPOCH,
            route_key: None,
            status: StatusCode::NOT_FOUND,
            response_latency: Duration::ZERO,
            integration_latency: None,
            integration_status: None,
            response_length: 0,
            error: Some("Not Found"),
        });
        assert_eq!(line, r#"{"route":"-","status":"404","error":"Not Found"}"#);
    }

    #[test]
    fn only_the_newest_thousand_lines_are_kept() {
        let lines = Lines::default();
        for number in 0..1005 {
            lines.push(number.to_string());
        }
        let all = lines.all();
        assert_eq!(all.len(), 1000);
        assert_eq!(all.first().unwrap(), "5");
        assert_eq!(all.last().unwrap(), "1004");
    }
}
