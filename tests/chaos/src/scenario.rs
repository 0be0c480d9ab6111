//! What is under way when something goes wrong: the writes of every ledger.

use anyhow::{Result, bail};
use coportal_core::connection::{OnVoid, Payments};
use coportal_core::invoice::{Invoice, InvoiceStatus, Payment};
use coportal_core::ledger::{DraftMeaning, Ledger};
use coportal_engine::sync::SyncEnd;
use jiff::SignedDuration;
use jiff::civil::date;
use rust_decimal::Decimal;
use simulators::skeleton::faults::{Fault, FaultKind};

use crate::world::{Run, World};

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scenario {
    /// A first sync; the client is not in the ledger yet. Approved at once where the ledger can.
    FirstSync,
    /// The same, with each line in a call of its own, because the ledger takes no batch.
    FirstSyncLineByLine,
    /// The document is there, and the invoice was changed.
    Update,
    /// A draft is there, and somebody approves it.
    Approval,
    /// The document is there, and the invoice was voided; the connection voids.
    Void,
    /// The document is approved, and a payment was received; the connection pushes payments.
    Payment,
    /// A first sync of a linked contact, with an access token that has ended.
    ExpiredToken,
}

/// The first line's price grows by so many cents.
pub fn dearer(invoice: &mut Invoice, by: i64) {
    if let Some(line) = invoice.lines.first_mut() {
        line.unit_price += Decimal::new(by, 2);
    }
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::FirstSync, Self::FirstSyncLineByLine, Self::Update, Self::Approval, Self::Void, Self::Payment, Self::ExpiredToken];

    /// Why a ledger has no such scenario.
    #[must_use]
    pub fn not_applicable(self, ledger: Ledger, draft: DraftMeaning) -> Option<&'static str> {
        match self {
            Self::Approval if draft == DraftMeaning::Held => Some("it has no drafts: the invoice waits in CoPortal and is then created"),
            Self::FirstSyncLineByLine if ledger != Ledger::BusinessCentral => Some("its documents are made in one call"),
            Self::FirstSync
            | Self::FirstSyncLineByLine
            | Self::Update
            | Self::Approval
            | Self::Void
            | Self::Payment
            | Self::ExpiredToken => None,
        }
    }

    /// A world in which only the click is left to be done.
    ///
    /// # Errors
    /// When the world cannot be brought there: a defect of the harness or of the product without any fault.
    pub async fn prepare(self, ledger: Ledger) -> Result<World> {
        let world = World::of(ledger, 1).await?;
        let draft = self == Self::Approval;
        world.options(|options| options.sync_as_draft = draft).await?;
        match self {
            Self::FirstSync => {}
            Self::FirstSyncLineByLine => {
                let refused = Fault { status: Some(501), times: 999, ..Fault::on("$batch", FaultKind::Status) };
                world.simulator.post_faults(vec![refused]);
            }
            Self::ExpiredToken => {
                world.link_contact().await?;
                world.clock.advance(SignedDuration::from_mins(61));
            }
            Self::Update => {
                // A draft there: what is posted can be changed no more in some ledgers.
                world.options(|options| options.sync_as_draft = ledger == Ledger::BusinessCentral).await?;
                synced(&world).await?;
                world.edit(|invoice| dearer(invoice, 150)).await?;
            }
            Self::Approval => synced(&world).await?,
            Self::Void => {
                world.options(|options| options.on_void = OnVoid::Void).await?;
                synced(&world).await?;
                world.edit(|invoice| invoice.status = InvoiceStatus::Void).await?;
            }
            Self::Payment => {
                world.options(|options| options.payments = Payments::Push).await?;
                world.choose_payment_account().await?;
                synced(&world).await?;
                let payment = Payment { payment_id: "pay-1".to_owned(), amount: Decimal::new(50_000, 2), date: date(2026, 3, 2) };
                world.edit(|invoice| invoice.payments.push(payment)).await?;
            }
        }
        world.wire.disarm();
        Ok(world)
    }

    /// The click, in a process that may die.
    ///
    /// # Errors
    /// When the harness is malformed.
    pub async fn act(self, world: &World) -> Result<Run> {
        if self == Self::Approval { world.approve().await } else { world.click().await }
    }
}

async fn synced(world: &World) -> Result<()> {
    let end = world.settle().await?;
    if matches!(end, Ok(SyncEnd::Synced(_))) { Ok(()) } else { bail!("{:?} before the fault: {end:?}", world.ledger) }
}
