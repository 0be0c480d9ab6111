//! What the simulators and the clock know, kept under `--data`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use coportal_core::ledger::Ledger;
use http::{Method, Request};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use simulators::skeleton::answer::Answer;
use simulators::skeleton::limits::Ticket;
use simulators::skeleton::serve::Vendor;
use simulators::skeleton::simulator::AnyLedger;

use super::RunError;
use crate::clock::Clock;

const CLOCK_FILE: &str = "clock.json";

/// How far the clock was moved; the wall clock runs on by itself.
#[derive(Serialize, Deserialize)]
struct KeptClock {
    moved: SignedDuration,
}

/// Writes simulators and clock into a folder. Clones share it.
#[derive(Clone)]
pub(super) struct Keeper(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    clock: Clock,
    /// Held while a snapshot is taken and written, so that the newest one is written last.
    writing: Mutex<()>,
}

impl Keeper {
    /// Opens the folder and moves the clock to where it was.
    pub(super) fn open(folder: &Path, clock: &Clock) -> Result<Self, RunError> {
        if let Some(kept) = read::<KeptClock>(&folder.join(CLOCK_FILE))? {
            clock.advance(kept.moved);
        }
        Ok(Self(Arc::new(Inner { folder: folder.to_owned(), clock: clock.clone(), writing: Mutex::default() })))
    }

    /// Takes a simulator back to what was kept of it, if anything was.
    pub(super) fn restore(&self, ledger: Ledger, simulator: &dyn AnyLedger) -> Result<(), RunError> {
        let file = self.file_of(ledger);
        match read(&file)? {
            Some(snapshot) => simulator.restore(snapshot).map_err(|_| RunError::Damaged { path: file }),
            None => Ok(()),
        }
    }

    fn file_of(&self, ledger: Ledger) -> PathBuf {
        self.0.folder.join(format!("{ledger}.json"))
    }

    /// Writes what is so now.
    pub(super) fn save(&self, ledger: Ledger, simulator: &dyn AnyLedger) -> Result<(), RunError> {
        let Inner { folder, clock, writing } = &*self.0;
        let _writing = writing.lock().unwrap_or_else(PoisonError::into_inner);
        write(&self.file_of(ledger), &simulator.snapshot())?;
        write(&folder.join(CLOCK_FILE), &KeptClock { moved: clock.moved() })
    }
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, RunError> {
    let bytes = crate::kept::read(path).map_err(|source| RunError::Kept { path: path.to_path_buf(), source })?;
    bytes.map(|bytes| serde_json::from_slice(&bytes).map_err(|_| RunError::Damaged { path: path.to_path_buf() })).transpose()
}

fn write(path: &Path, value: &impl Serialize) -> Result<(), RunError> {
    let bytes = serde_json::to_vec(value).map_err(|_| RunError::Damaged { path: path.to_path_buf() })?;
    crate::kept::write(path, &bytes).map_err(|source| RunError::Kept { path: path.to_path_buf(), source })
}

/// The simulator as it is served: what changed it is kept before it is answered, so that a killed process forgets nothing that the
/// product was told.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) ledger: Ledger,
    pub(super) simulator: Arc<dyn AnyLedger>,
    pub(super) keeper: Option<Keeper>,
}

impl Vendor for Kept {
    fn answer(&self, request: &Request<Bytes>) -> Answer {
        let answer = AnyLedger::answer(&*self.simulator, request);
        // A plain read can change a ledger too (a consent page, limits used up): only the operator's own reads surely do not.
        let only_reads = request.method() == Method::GET && request.uri().path().starts_with("/__sim");
        if let Some(keeper) = self.keeper.as_ref().filter(|_| !only_reads)
            && let Err(error) = keeper.save(self.ledger, &*self.simulator)
        {
            tracing::error!(%error, "the simulator could not be kept");
        }
        answer
    }

    fn release(&self, ticket: Ticket) {
        AnyLedger::release(&*self.simulator, ticket);
    }
}
