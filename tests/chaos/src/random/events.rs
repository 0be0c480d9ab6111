//! Workers: processes that receive messages. Some do what a message says and delete it; others are handed an event of several records by Lambda, and
//! answer with those that are to come again.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, ensure};
use auto_sync_worker::{NAME, State, handle};
use coportal_core::ctx::{Ctx, Random};
use coportal_core::problem::ProblemKind;
use coportal_core::queue::{JobMessage, Message};
use coportal_engine::Engine;
use coportal_lambda::config;
use coportal_lambda::events::{EventShell, LambdaEvent};
use coportal_lambda::telemetry::{Sink, Telemetry};
use coportal_local::doubles::sqs::Received;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::dice::Dice;
use super::heard::Heard;
use super::history::Rates;
use super::perform::{odd, survived};
use super::plant::Plant;
use super::universe::{BULK, NOW, Universe};
use crate::world::WorldClock;

/// A body that is no message: it is never done, and reaches the dead-letter queue.
const POISON: &str = "{ this is no message";
/// Records of an event at most.
const RECORDS: usize = 10;
/// Where what cannot be read ends.
const DEAD: [&str; 2] = ["SyncNowDeadLetters", "SyncBulkDeadLetters"];

/// The lines that a function writes.
#[derive(Clone)]
struct Lines {
    heard: Heard,
    written: Arc<Mutex<Vec<Value>>>,
}

impl Sink for Lines {
    fn write(&self, line: &str) {
        self.heard.say(line.as_bytes());
        let line = serde_json::from_str(line).unwrap_or_default();
        self.written.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

impl Universe {
    /// Workers at once, each a process of its own with up to ten messages of one queue.
    pub(super) async fn workers(&mut self, workers: usize, salt: u64, faults: Rates) -> Result<Vec<String>> {
        let mut dice = Dice::new(salt);
        let mut all = Vec::new();
        for _ in 0..workers {
            let queue = if dice.chance(750) { NOW } else { BULK };
            let is_event = dice.chance(400);
            if is_event && dice.chance(60) {
                ensure!(self.queues().send(queue, POISON), "a body of twenty bytes is taken");
                self.poisoned += 1;
            }
            let mut messages = self.queues().receive(queue, 1 + dice.place(RECORDS));
            if dice.chance(300) {
                messages.reverse();
            }
            if dice.chance(200) {
                self.queues().double_next(queue, 1);
            }
            if messages.is_empty() {
                continue;
            }
            let (engine, line) = self.process(dice.draw(), faults, true)?;
            all.push((queue, messages, is_event, engine, line, self.ctx()));
        }
        let universe: &Self = self;
        let ends = join_all(all.iter().map(|(queue, messages, is_event, engine, line, ctx)| {
            survived(line, async {
                let faulty = !line.is_faultless();
                if *is_event {
                    universe.event(queue, messages, engine, faulty).await
                } else {
                    universe.one_by_one(queue, messages, engine, ctx, faulty).await
                }
            })
        }))
        .await;
        Ok(ends.into_iter().flatten().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// One batch of messages in one process, in one of the two ways.
    pub(super) async fn handled(&self, queue: &str, messages: &[Received], engine: &Engine, is_event: bool) -> Result<Vec<String>> {
        if is_event {
            self.event(queue, messages, engine, false).await
        } else {
            self.one_by_one(queue, messages, engine, &self.ctx(), false).await
        }
    }

    /// A message is deleted when its work is done.
    async fn one_by_one(&self, queue: &str, messages: &[Received], engine: &Engine, ctx: &Ctx, faulty: bool) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        for message in messages {
            if self.plant == Some(Plant::MessageDeleted) {
                self.queues().delete(queue, &message.receipt_handle);
                continue;
            }
            let ends = match Message::decode(&message.body) {
                Ok(Message::Sync(sync)) => Box::pin(engine.work(ctx, &sync)).await,
                Ok(Message::Job(JobMessage { ws, job })) => Box::pin(engine.run_job(ctx, ws, job)).await.map(|_| Vec::new()),
                Err(_) if message.body == POISON => continue,
                Err(undecodable) => {
                    wrong.push(format!("a message of our own cannot be read: {undecodable}"));
                    continue;
                }
            };
            match ends {
                Ok(ends) => {
                    wrong.extend(ends.iter().filter_map(|(invoice, end)| odd(end, faulty).map(|why| format!("{invoice}: {why}"))));
                    self.queues().delete(queue, &message.receipt_handle);
                }
                Err(problem) if problem.kind == ProblemKind::Internal && !faulty => wrong.push(format!("a worker: {problem:?}")),
                Err(_) => {}
            }
        }
        Ok(wrong)
    }

    /// The messages as one event, to the handler that the function runs; as Lambda does, deletes those that the answer does not name.
    async fn event(&self, queue: &str, messages: &[Received], engine: &Engine, faulty: bool) -> Result<Vec<String>> {
        if self.plant == Some(Plant::MessageDeleted) {
            for message in messages {
                self.queues().delete(queue, &message.receipt_handle);
            }
            return Ok(Vec::new());
        }
        let records: Vec<Value> = messages.iter().map(|message| message.record(queue)).collect();
        let event = serde_json::from_value(json!({ "Records": records }))?;
        let lines = Lines { heard: self.heard().clone(), written: Arc::default() };
        let settings = config::Telemetry { service: None, namespace: "CoPortal".to_owned(), level: tracing::Level::INFO };
        let telemetry = Telemetry::new(NAME, &settings, Arc::new(lines.clone()));
        let random = Arc::clone(&self.random) as Arc<dyn Random>;
        let shell = EventShell::new(Arc::new(WorldClock(self.clock.clone())), random, telemetry);
        let answered = Box::pin(handle(State { shell, engine: engine.clone() }, LambdaEvent::new(event, Default::default()))).await;
        let Ok(answer) = answered else { return Ok(vec!["the worker function failed as a whole".to_owned()]) };
        let again: Vec<String> = answer.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect();
        let lines = lines.written.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let wrong = misanswered(messages, &again, &lines, faulty);
        for message in messages.iter().filter(|message| !again.contains(&message.message_id)) {
            self.queues().delete(queue, &message.receipt_handle);
        }
        Ok(wrong)
    }

    /// Messages that are not done yet, whether they can be received or not. What can never be done is none.
    pub(super) fn undone(&self) -> u64 {
        let counts = [NOW, BULK].map(|queue| self.queues().counts(queue));
        let there: u64 = counts.iter().map(|counts| counts.visible + counts.in_flight + counts.delayed).sum();
        let dead: u64 = DEAD.iter().map(|queue| self.queues().counts(queue)).map(|counts| counts.visible + counts.in_flight).sum();
        there.saturating_sub(self.poisoned.saturating_sub(dead))
    }

    /// At rest: dead letters are what cannot be read, and nothing else is.
    pub(super) fn dead_letters(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for queue in DEAD {
            let odd = |message: &Received| message.body != POISON;
            let dead = self.queues().receive(queue, RECORDS);
            wrong.extend(dead.into_iter().filter(odd).map(|message| format!("I3: {queue} holds what could be done: {}", message.body)));
        }
        wrong
    }
}

/// What is wrong about an answer to an event: what comes again is exactly what was not done, and each record has a line that says what became of it.
fn misanswered(messages: &[Received], again: &[String], lines: &[Value], faulty: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let of = |id: &str| -> Vec<&Value> { lines.iter().filter(|line| line.get("record").and_then(Value::as_str) == Some(id)).collect() };
    let text = |line: &Value, field: &str| line.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    if lines.len() != messages.len() || again.iter().any(|id| !messages.iter().any(|message| message.message_id == *id)) {
        wrong.push(format!("an event of {} records has {} lines, and {again:?} are to come again", messages.len(), lines.len()));
    }
    for message in messages {
        // A message that was delivered twice at once has a line for each, and comes again if one of them came to no end.
        let told = of(&message.message_id);
        let Some(line) = told.first() else {
            wrong.push(format!("nothing is said of the record {}", message.message_id));
            continue;
        };
        let (outcome, comes_again) = (text(line, "outcome"), again.contains(&message.message_id));
        let is_readable = Message::decode(&message.body).is_ok();
        // What a job's message came to has words of its own.
        let ended = |outcome: &str| outcome == "done" || outcome.starts_with("job_");
        let all_ended = told.iter().all(|line| ended(&text(line, "outcome")));
        if is_readable == (outcome == "undecodable") || (!is_readable && !comes_again) || (all_ended && comes_again) {
            wrong.push(format!("a record that can be read ({is_readable}) is {outcome}, and comes again: {comes_again}"));
        }
        if outcome == "given_back" && text(line, "problem") == "internal" && !faulty {
            wrong.push(format!("a worker: {line}"));
        }
    }
    wrong
}
