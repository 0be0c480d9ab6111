//! From the clock to a function: `rate(…)` rules of EventBridge, on the one clock.
//!
//! When the clock is moved over several runs, the rule runs once: what a run finds due is a matter of the time, not of the number of runs.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::{Mutex, watch};

use super::activity::Activity;
use super::invoke::Function;
use super::queue::{changed_within, stopping};
use crate::aws_json::{self, ACCOUNT, REGION};
use crate::clock::Clock;
use crate::template::Schedule;

/// One rule and its function.
pub(super) struct SchedulePump {
    rule: Schedule,
    function: Function,
    clock: Clock,
    activity: Activity,
    /// Held during a run, so that there is never a second one.
    next: Mutex<Timestamp>,
}

impl SchedulePump {
    /// The first run is one period from now, as with a rule that was just made.
    pub(super) fn new(rule: Schedule, function: Function, clock: Clock, activity: Activity) -> Self {
        let next = Mutex::new(after(clock.now(), rule.every));
        Self { rule, function, clock, activity, next }
    }

    /// Runs the function when its time has come; answers after the run.
    pub(super) async fn run_due(&self) {
        let mut next = self.next.lock().await;
        let now = self.clock.now();
        if now < *next {
            return;
        }
        let busy = self.activity.begin();
        // What failed is tried again by the next run.
        let _ = self.function.invoke(self.event(now)).await;
        drop(busy);
        *next = after(self.clock.now(), self.rule.every);
    }

    pub(super) async fn run(&self, mut moved: watch::Receiver<u64>, mut stop: watch::Receiver<bool>) {
        loop {
            let left = Duration::try_from(self.clock.now().duration_until(*self.next.lock().await)).unwrap_or_default();
            if stopping(&mut stop, changed_within(&mut moved, Some(left))).await.is_none() {
                break;
            }
            self.run_due().await;
        }
    }

    /// EventBridge User Guide, "Events from scheduled rules".
    fn event(&self, now: Timestamp) -> Value {
        json!({
            "version": "0",
            "id": aws_json::request_id(),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": ACCOUNT,
            "time": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "region": REGION,
            "resources": [format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/{}", self.rule.rule)],
            "detail": {},
        })
    }
}

fn after(at: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| at.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}
