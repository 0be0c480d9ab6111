//! K1 to K4 and K17: an event on its way to the ledger, without anybody's click, and what is lost on the way.

use anyhow::{Context as _, Result, bail, ensure};
use coportal_core::ledger::Ledger;
use coportal_core::queue::Message;
use coportal_local::doubles::sqs::Received;
use jiff::SignedDuration;

use super::Report;
use super::points::{Point, Way, Written};
use super::syncs::at_rest;
use crate::wire::{Fault, Passed};
use crate::world::World;

const NOW: &str = "SyncNow";
const BULK: &str = "SyncBulk";
/// A message that was received and not deleted comes again after this.
const VISIBLE_AGAIN: SignedDuration = SignedDuration::from_secs(1_100);
/// Minutes within which an invoice is at rest: a settle time and two retries fit in.
const MINUTES: u32 = 60;

/// The machines of one world: fan-out, queue, workers, sweep.
struct Machines<'w>(&'w World);

impl Machines<'_> {
    /// The stream's record is handed to the fan-out; whether its process lived.
    async fn fan_out(&self) -> Result<bool> {
        let (auto_sync, ctx) = (self.0.process()?.auto_sync(), self.0.ctx());
        self.0.wire.forget();
        Ok(tokio::select! {
            biased;
            () = self.0.wire.death() => false,
            end = auto_sync.fan_out(&ctx, self.0.workspace, self.0.invoice_id) => {
                // A message that could not be sent is the sweep's; a table that does not answer is the stream's to repeat.
                let _ = end;
                true
            }
        })
    }

    async fn sweep(&self) -> Result<()> {
        let swept = self.0.process()?.auto_sync().sweep(&self.0.ctx()).await;
        swept.map(|_| ()).map_err(|problem| anyhow::anyhow!("the sweep: {problem:?}"))
    }

    fn receive(&self) -> Vec<(&'static str, Received)> {
        let take = |queue| self.0.cloud.cloud.sqs().receive(queue, 10).into_iter().map(move |message| (queue, message));
        take(NOW).chain(take(BULK)).collect()
    }

    /// Works on a message; whether the process lived. It is deleted by whoever asks.
    async fn work(&self, received: &Received) -> Result<bool> {
        let Ok(Message::Sync(message)) = Message::decode(&received.body) else { bail!("no message of ours: {}", received.body) };
        let (engine, ctx) = (self.0.process()?, self.0.ctx());
        Ok(tokio::select! {
            biased;
            () = self.0.wire.death() => false,
            _ = engine.work(&ctx, &message) => true,
        })
    }

    async fn deliver(&self) -> Result<()> {
        for (queue, message) in self.receive() {
            ensure!(self.work(&message).await?, "a process died although nothing was armed");
            self.0.cloud.cloud.sqs().delete(queue, &message.receipt_handle);
        }
        Ok(())
    }

    fn queued(&self) -> u64 {
        let counts = [NOW, BULK].map(|queue| self.0.cloud.cloud.sqs().counts(queue));
        counts.iter().map(|counts| counts.visible + counts.in_flight + counts.delayed).sum()
    }

    async fn is_marked(&self) -> Result<bool> {
        let engine = self.0.process()?;
        Ok(engine.store.fan_out_head(&self.0.ctx(), self.0.workspace, self.0.invoice_id).await?.version.is_some())
    }

    async fn minute(&self) -> Result<()> {
        self.0.clock.advance(SignedDuration::from_secs(60));
        self.sweep().await?;
        self.deliver().await
    }

    /// Whether the newest version has come to its end.
    async fn is_done(&self) -> Result<bool> {
        let version = self.0.invoice().await?.version;
        let rows = self.0.process()?.store.sync_rows(self.0.workspace, self.0.invoice_id).await?;
        Ok(rows.iter().any(|(_, _, row)| row.state.is_at_rest() && row.done >= version))
    }

    /// Minutes pass until it is done, nothing is queued and no mark is left.
    async fn rest(&self) -> Result<()> {
        for _ in 0..MINUTES {
            if self.is_done().await? && !self.is_marked().await? {
                if self.queued() == 0 {
                    return Ok(());
                }
                self.0.clock.advance(VISIBLE_AGAIN);
            }
            self.minute().await?;
        }
        bail!("I3: not at rest after {MINUTES} minutes: {:?}", self.0.row().await)
    }
}

/// The cells of K1 to K4 and K17 for one write.
pub(super) async fn table(ledger: Ledger, written: Written, report: &mut Report) -> Result<()> {
    for point in [Point::K1, Point::K2, Point::K3, Point::K4, Point::K17] {
        for way in [Way::Before, Way::After] {
            let case = format!("{ledger}, {written:?}, {point:?}, {way:?}");
            let end = Box::pin(case_of(ledger, written, point, way)).await;
            report.case(ledger, written, &[(point, way)], &case, end);
        }
    }
    Ok(())
}

fn raises(call: &Passed) -> bool {
    call.subject == "SYNC"
}

fn sends(call: &Passed) -> bool {
    call.operation.contains("SendMessage")
}

async fn case_of(ledger: Ledger, written: Written, point: Point, way: Way) -> Result<()> {
    let scenario = written.scenario();
    let world = Box::pin(scenario.prepare(ledger)).await?;
    world.options(|options| options.auto_sync = true).await?;
    world.wire.disarm();
    let machines = Machines(&world);
    ensure!(machines.is_marked().await?, "the invoice has no due mark");
    match (point, way) {
        (Point::K1, Way::Before) => {
            world.wire.arm(0, Fault::CrashBefore);
            ensure!(!machines.fan_out().await?, "the fan-out lived");
        }
        (Point::K1, Way::After) => {}
        (Point::K2, Way::Before) => stopped(&machines, |call, _| raises(call), Fault::CrashAfter).await?,
        (Point::K2, Way::After) => stopped(&machines, |call, _| sends(call), Fault::CrashBefore).await?,
        (Point::K3, Way::Before) => stopped(&machines, |call, _| sends(call), Fault::CrashAfter).await?,
        (Point::K3, Way::After) => stopped(&machines, |call, _| call.subject == "INVOICE", Fault::CrashBefore).await?,
        _ => {
            ensure!(machines.fan_out().await?, "the fan-out died");
            let received = machines.receive();
            let [(queue, message)] = received.as_slice() else { bail!("one message: {received:?}") };
            if point == Point::K4 {
                if way == Way::After {
                    world.wire.arm(0, Fault::CrashBefore);
                    ensure!(!machines.work(message).await?, "the worker lived");
                }
            } else {
                finished(&machines, written, (*queue, message), way).await?;
            }
        }
    }
    world.wire.disarm();
    if point == Point::K1 {
        // Within a minute, whatever became of the record.
        machines.minute().await?;
        ensure!(machines.is_done().await?, "K1: the sweep's minute has not brought it in: {:?}", world.row().await);
    }
    machines.rest().await?;
    let calls = world.simulator.calls().len();
    machines.minute().await?;
    ensure!(world.simulator.calls().len() == calls && machines.queued() == 0, "work was left");
    at_rest(&world, scenario).await
}

async fn stopped(machines: &Machines<'_>, like: fn(&Passed, usize) -> bool, fault: Fault) -> Result<()> {
    machines.0.wire.arm_when(like, fault);
    ensure!(!machines.fan_out().await?, "the fan-out made no such call: {:?}", machines.0.wire.passed());
    Ok(())
}

/// K17: all is done, and the message comes again: as its process died with its last call done, or because its deletion was lost.
async fn finished(machines: &Machines<'_>, written: Written, message: (&str, &Received), way: Way) -> Result<()> {
    let (world, (queue, received)) = (machines.0, message);
    if way == Way::Before {
        // Where the last call stands, in a world of its own.
        let twin = Box::pin(written.scenario().prepare(world.ledger)).await?;
        twin.options(|options| options.auto_sync = true).await?;
        twin.wire.disarm();
        let twins = Machines(&twin);
        ensure!(twins.fan_out().await?, "the twin's fan-out died");
        let theirs = twins.receive();
        let (_, first) = theirs.first().context("a message of the twin")?;
        twin.wire.disarm();
        ensure!(twins.work(first).await?, "the twin's worker died");
        let last = twin.wire.passed().len().checked_sub(1).context("a worker calls somebody")?;
        world.wire.arm(last, Fault::CrashAfter);
        ensure!(!machines.work(received).await?, "the worker made no last call");
    } else {
        ensure!(machines.work(received).await?, "the worker died");
    }
    world.wire.disarm();
    ensure!(machines.is_done().await?, "not done: {:?}", world.row().await);
    let calls = world.simulator.calls().len();
    world.clock.advance(VISIBLE_AGAIN);
    let again = world.cloud.cloud.sqs().receive(queue, 10);
    ensure!(!again.is_empty(), "the message does not come again");
    for message in &again {
        ensure!(machines.work(message).await?, "a process died although nothing was armed");
        world.cloud.cloud.sqs().delete(queue, &message.receipt_handle);
    }
    ensure!(world.simulator.calls().len() == calls, "K17: the second delivery calls the vendor");
    Ok(())
}
