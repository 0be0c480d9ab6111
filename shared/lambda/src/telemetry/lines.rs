//! Events between requests: boot, and what our own crates say on the way. Other crates' events are dropped, since a library that logs
//! a request at `debug` does not know which of its headers is secret.

use std::fmt;
use std::sync::Arc;

use coportal_core::ctx::Clock;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use super::{Sink, scrub};

/// Beginnings of the targets that are ours: the crates of `shared/` and `functions/`, and the executor's line per vendor call.
const OURS: [&str; 9] =
    ["coportal_", "vendor_call", "oauth_callback", "clients", "invoices", "invoice_sync", "settings_page", "auto_sync_", "sweep"];

/// Writes the events of our own crates, one JSON line each.
struct Lines {
    service: String,
    level: Level,
    clock: Arc<dyn Clock>,
    sink: Arc<dyn Sink>,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let about = event.metadata();
        if *about.level() > self.level || !OURS.iter().any(|ours| about.target().starts_with(ours)) {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut line = fields.0;
        line.insert("level".to_owned(), about.level().as_str().into());
        line.insert("service".to_owned(), self.service.clone().into());
        line.insert("timestamp".to_owned(), format!("{:.3}", self.clock.now()).into());
        line.insert("location".to_owned(), about.target().into());
        self.sink.write(&Value::Object(line).to_string());
    }
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), scrub(&format!("{value:?}")).into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), scrub(value).into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

/// The subscriber for a service's events; [`install`] makes it the process's own.
pub(super) fn subscriber(service: &str, level: Level, clock: Arc<dyn Clock>, sink: Arc<dyn Sink>) -> impl Subscriber + Send + Sync {
    tracing_subscriber::registry().with(Lines { service: service.to_owned(), level, clock, sink })
}

/// Sends the process's events to `sink`. Only the first call of a process counts: later ones change nothing.
pub fn install(service: &str, level: Level, clock: Arc<dyn Clock>, sink: Arc<dyn Sink>) {
    let _ = tracing::subscriber::set_global_default(subscriber(service, level, clock, sink));
}

/// Sends panics to `sink` instead of standard error: the place, and the message without what looks like a secret.
pub fn report_panics(service: &str, clock: Arc<dyn Clock>, sink: Arc<dyn Sink>) {
    let service = service.to_owned();
    std::panic::set_hook(Box::new(move |panic| {
        sink.write(&panic_line(&service, &clock, panic.payload(), panic.location()));
    }));
}

fn panic_line(service: &str, clock: &Arc<dyn Clock>, payload: &dyn std::any::Any, place: Option<&std::panic::Location<'_>>) -> String {
    let message = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let place = place.map(|at| format!("{}:{}", at.file(), at.line()));
    serde_json::json!({
        "level": "ERROR",
        "message": "panic",
        "service": service,
        "timestamp": format!("{:.3}", clock.now()),
        "location": place,
        "internal": message.map(scrub),
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Collected, FixedClock};

    #[test]
    fn only_our_own_events_are_written_and_never_a_secret_in_them() {
        let collected = Collected::default();
        let subscriber = subscriber("clients", Level::INFO, Arc::new(FixedClock::default()), Arc::new(collected.clone()));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "coportal_engine::sync", attempts = 2_u64, leased = true, "sent with Bearer s3cr3t");
            tracing::info!(target: "hyper::client", "authorization: Bearer s3cr3t");
            tracing::debug!(target: "coportal_engine::sync", "below the level");
        });
        let lines = collected.lines();
        assert_eq!(lines.len(), 1, "{lines:?}");
        let line: Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(line["message"], "sent with Bearer [redacted]");
        assert_eq!((&line["attempts"], &line["leased"], &line["level"]), (&2.into(), &true.into(), &"INFO".into()));
    }

    #[test]
    fn a_panic_is_one_line_without_secrets() {
        let clock: Arc<dyn Clock> = Arc::new(FixedClock::default());
        let line = panic_line("clients", &clock, &"got refresh_token=abc from it".to_owned(), Some(std::panic::Location::caller()));
        assert!(line.contains("lines.rs:") && line.contains("[redacted]"), "{line}");
        assert!(!line.contains("abc"), "{line}");
    }
}
