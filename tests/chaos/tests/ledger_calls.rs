//! What each operation costs at each ledger, from the simulators' own logs, beside the fewest calls that it could be done in
//! (`tests/fixtures/calls.json`). The organisation's facts were read when it was connected and are not counted: they are read once a day.
//!
//! R64, C2, C29, C31; reliability: no call too many, and no guard left out.
//!
//! `cargo test -p chaos --test ledger_calls -- --ignored` writes the measured numbers into the file.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helpers fail the test by panicking, and print what they counted"
)]

use std::path::PathBuf;

use chaos::world::World;
use coportal_aws::keys::Choice;
use coportal_core::connection::{OnVoid, Payments};
use coportal_core::invoice::{InvoiceStatus, Payment};
use coportal_core::ledger::{DraftMeaning, Ledger};
use coportal_core::problem::Outcome;
use coportal_engine::sync::{Changed, SyncEnd};
use jiff::civil::date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use simulators::skeleton::calls::Kind;

/// One row of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// What is done.
    operation: String,
    /// Where, by its slug.
    ledger: Ledger,
    /// Calls that it takes.
    calls: usize,
    /// Calls that it could be done in at best.
    lower_bound: usize,
    /// Why that many, and what the rest are for.
    why: String,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    FirstSyncKnown,
    FirstSyncUnknown,
    Unchanged,
    Update,
    Approve,
    Void,
    Payment,
}

const ALL: [Operation; 7] = [
    Operation::FirstSyncKnown,
    Operation::FirstSyncUnknown,
    Operation::Unchanged,
    Operation::Update,
    Operation::Approve,
    Operation::Void,
    Operation::Payment,
];

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::FirstSyncKnown => "first sync, known contact",
            Self::FirstSyncUnknown => "first sync, unknown contact",
            Self::Unchanged => "unchanged",
            Self::Update => "update",
            Self::Approve => "approve",
            Self::Void => "void",
            Self::Payment => "payment",
        }
    }

    /// A world in which only this is left to be done.
    async fn prepare(self, ledger: Ledger, drafts: DraftMeaning) -> World {
        let world = World::of(ledger, 1).await.unwrap();
        let as_draft = match self {
            // What is posted can be changed no more in some ledgers.
            Self::Update => ledger == Ledger::BusinessCentral,
            Self::Approve => true,
            // As connecting leaves it (C7), where the ledger has drafts.
            Self::FirstSyncKnown | Self::FirstSyncUnknown | Self::Unchanged => drafts != DraftMeaning::Held,
            Self::Void | Self::Payment => false,
        };
        world
            .options(|options| {
                options.sync_as_draft = as_draft;
                options.on_void = OnVoid::Void;
                options.payments = Payments::Push;
            })
            .await
            .unwrap();
        self.answer_beforehand(&world).await;
        match self {
            Self::FirstSyncKnown => world.link_contact().await.unwrap(),
            Self::FirstSyncUnknown => {}
            Self::Approve if drafts == DraftMeaning::Held => {
                world.link_contact().await.unwrap();
                world.held().await.unwrap();
            }
            Self::Unchanged | Self::Update | Self::Approve | Self::Void | Self::Payment => drop(world.synced().await.unwrap()),
        }
        world
            .edit(|invoice| match self {
                Self::Update => invoice.lines.iter_mut().for_each(|line| line.unit_price += Decimal::ONE),
                Self::Void => invoice.status = InvoiceStatus::Void,
                Self::Payment => {
                    let payment = Payment { payment_id: "pay-1".to_owned(), amount: Decimal::new(50_000, 2), date: date(2026, 3, 2) };
                    invoice.payments.push(payment);
                }
                Self::FirstSyncKnown | Self::FirstSyncUnknown | Self::Unchanged | Self::Approve => {}
            })
            .await
            .unwrap();
        world
    }

    /// Which account payments go to is asked once, and has been answered.
    async fn answer_beforehand(self, world: &World) {
        let account = match world.ledger {
            Ledger::Quickbooks => "2",
            Ledger::Xero | Ledger::Sage | Ledger::BusinessCentral => return,
        };
        let generation = world.connection().await.unwrap().value.generation;
        let (store, choice) = (world.process().unwrap().store, Choice::PaymentAccount);
        store.put_choice(&world.ctx(), world.workspace, world.ledger, generation, choice, Some(account)).await.unwrap();
    }

    async fn act(self, world: &World, drafts: DraftMeaning) -> Outcome<SyncEnd> {
        match (self, drafts) {
            // Where nothing can be a draft, "Post" answers the question that it waits with.
            (Self::Approve, DraftMeaning::Held) => {
                let hold = world.row().await.unwrap().hold.unwrap();
                world.resolve(hold.id, "post").await.unwrap()
            }
            (Self::Approve, DraftMeaning::Native | DraftMeaning::Unsent) => {
                world.process().unwrap().approve(&world.ctx(), world.request()).await
            }
            _ => world.sync(world.invoice_id).await.unwrap(),
        }
    }

    fn changes(self) -> Changed {
        match self {
            Self::FirstSyncKnown | Self::FirstSyncUnknown => Changed::Created,
            Self::Unchanged => Changed::Nothing,
            Self::Update | Self::Approve | Self::Void | Self::Payment => Changed::Updated,
        }
    }

    /// The calls, method and path.
    async fn measure(self, ledger: Ledger) -> Vec<String> {
        let case = format!("{ledger}, {}", self.name());
        let rules = World::of(ledger, 1).await.unwrap().process().unwrap().ledgers.get(ledger).unwrap().rules;
        let world = Box::pin(self.prepare(ledger, rules.draft)).await;
        let before = world.simulator.calls().len();
        let end = Box::pin(self.act(&world, rules.draft)).await;
        let Ok(SyncEnd::Synced(answer)) = end else { panic!("{case}: {end:?}") };
        let posted = self == Self::Approve && rules.draft == DraftMeaning::Held;
        assert_eq!(answer.changed, if posted { Changed::Created } else { self.changes() }, "{case}");
        let calls = world.simulator.calls().split_off(before);
        let calls: Vec<_> = calls.into_iter().filter(|call| call.kind == Kind::Api).collect();
        assert!(calls.iter().all(|call| call.status.is_some_and(|status| status < 400)), "{case}: {calls:?}");
        assert_eq!(usize::try_from(answer.vendor_calls).unwrap(), calls.len(), "{case}: the answer counts what the ledger saw");
        calls.into_iter().map(|call| format!("{} {}", call.method, call.path)).collect()
    }
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/calls.json")
}

fn row(rows: &[Row], operation: Operation, ledger: Ledger) -> &Row {
    let found: Vec<&Row> = rows.iter().filter(|row| row.ledger == ledger && row.operation == operation.name()).collect();
    match found.as_slice() {
        [only] => only,
        other => panic!("{ledger}, {}: {} rows in tests/fixtures/calls.json", operation.name(), other.len()),
    }
}

fn rows() -> Vec<Row> {
    serde_json::from_str(&std::fs::read_to_string(file()).unwrap()).unwrap()
}

async fn measured() -> Vec<(Operation, Ledger, usize)> {
    let mut all = Vec::new();
    for ledger in Ledger::ALL {
        for operation in ALL {
            let calls = Box::pin(operation.measure(ledger)).await;
            println!("{ledger}, {}: {}", operation.name(), calls.len());
            for call in &calls {
                println!("  {}", call.split('?').next().unwrap_or_default());
            }
            all.push((operation, ledger, calls.len()));
        }
    }
    all
}

/// Every number in the file is what the simulators saw; none is below its bound, and each bound has a reason.
#[tokio::test(start_paused = true)]
async fn the_table_of_calls_is_what_the_ledgers_see() {
    let rows = rows();
    assert_eq!(rows.len(), ALL.len() * Ledger::ALL.len());
    for (operation, ledger, calls) in measured().await {
        let (row, name) = (row(&rows, operation, ledger), operation.name());
        assert_eq!(row.calls, calls, "{ledger}, {name}: `-- --ignored` writes it into the file, once it is meant");
        assert!(row.lower_bound <= calls, "{ledger}, {name}: fewer calls than the bound, which is then none");
        assert!(row.why.len() > 30 && row.why.ends_with('.'), "{ledger}, {name}: a reason in a sentence");
    }
}

/// The file's measured half, anew; bounds and reasons are written by hand.
#[tokio::test(start_paused = true)]
#[ignore = "it writes tests/fixtures/calls.json"]
async fn the_measured_numbers_are_written() {
    let mut rows = rows();
    for (operation, ledger, calls) in measured().await {
        for row in rows.iter_mut().filter(|row| row.ledger == ledger && row.operation == operation.name()) {
            row.calls = calls;
        }
    }
    std::fs::write(file(), serde_json::to_string_pretty(&rows).unwrap() + "\n").unwrap();
}

/// What the product promises of Xero, and of R64 everywhere.
#[tokio::test(start_paused = true)]
async fn r64_the_promised_numbers() {
    let rows = rows();
    let xero = [Operation::FirstSyncKnown, Operation::FirstSyncUnknown, Operation::Unchanged, Operation::Update];
    assert_eq!(xero.map(|operation| row(&rows, operation, Ledger::Xero).calls), [1, 3, 0, 2]);
    for ledger in Ledger::ALL {
        assert_eq!(row(&rows, Operation::Unchanged, ledger).calls, 0, "{ledger}");
    }
}

/// C31: where the ledger keeps no number apart, our number is looked up before every create.
#[tokio::test(start_paused = true)]
async fn c31_a_create_begins_with_a_look() {
    for ledger in [Ledger::Quickbooks, Ledger::Sage, Ledger::BusinessCentral] {
        let calls = Box::pin(Operation::FirstSyncKnown.measure(ledger)).await;
        assert!(calls.first().is_some_and(|call| call.starts_with("GET ")), "{ledger}: {calls:?}");
        assert!(calls.iter().skip(1).any(|call| call.starts_with("POST ")), "{ledger}: {calls:?}");
    }
}
