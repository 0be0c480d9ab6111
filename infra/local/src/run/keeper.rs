//! What the simulator and the clock know, kept under `--data`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Method, Request};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use simulators::skeleton::answer::Answer;
use simulators::skeleton::limits::Ticket;
use simulators::skeleton::serve::Vendor;
use simulators::xero::Simulator;

use super::RunError;
use crate::clock::Clock;

/// How far the clock was moved; the wall clock runs on by itself.
#[derive(Serialize, Deserialize)]
struct KeptClock {
    moved: SignedDuration,
}

/// Writes simulator and clock into a folder. Clones share it.
#[derive(Clone)]
pub(super) struct Keeper(Arc<Inner>);

struct Inner {
    clock_file: PathBuf,
    xero_file: PathBuf,
    clock: Clock,
    /// Held while a snapshot is taken and written, so that the newest one is written last.
    writing: Mutex<()>,
}

impl Keeper {
    /// Opens the folder and moves the clock to where it was.
    pub(super) fn open(folder: &Path, clock: &Clock) -> Result<Self, RunError> {
        let clock_file = folder.join("clock.json");
        if let Some(kept) = read::<KeptClock>(&clock_file)? {
            clock.advance(kept.moved);
        }
        let xero_file = folder.join("xero.json");
        Ok(Self(Arc::new(Inner { clock_file, xero_file, clock: clock.clone(), writing: Mutex::default() })))
    }

    /// Takes the simulator back to what was kept of it, if anything was.
    pub(super) fn restore(&self, xero: &Simulator) -> Result<(), RunError> {
        match read(&self.0.xero_file)? {
            Some(snapshot) => xero.restore(snapshot).map_err(|_| RunError::Damaged { path: self.0.xero_file.clone() }),
            None => Ok(()),
        }
    }

    /// Writes what is so now.
    pub(super) fn save(&self, xero: &Simulator) -> Result<(), RunError> {
        let Inner { clock_file, xero_file, clock, writing } = &*self.0;
        let _writing = writing.lock().unwrap_or_else(PoisonError::into_inner);
        write(xero_file, &xero.snapshot())?;
        write(clock_file, &KeptClock { moved: clock.moved() })
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
pub(super) struct KeptXero {
    pub(super) xero: Simulator,
    pub(super) keeper: Option<Keeper>,
}

impl Vendor for KeptXero {
    fn answer(&self, request: &Request<Bytes>) -> Answer {
        let answer = Vendor::answer(&self.xero, request);
        let path = request.uri().path();
        let only_reads = request.method() == Method::GET && (path.starts_with("/__sim") || path.starts_with("/api.xro/"));
        if let Some(keeper) = self.keeper.as_ref().filter(|_| !only_reads)
            && let Err(error) = keeper.save(&self.xero)
        {
            tracing::error!(%error, "the simulator could not be kept");
        }
        answer
    }

    fn release(&self, ticket: Ticket) {
        Vendor::release(&self.xero, ticket);
    }
}
