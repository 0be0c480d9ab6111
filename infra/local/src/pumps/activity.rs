//! Who is at work, so that rest can be waited for.

use std::sync::Arc;

use tokio::sync::watch;

/// Counts what is under way. Clones count together.
#[derive(Clone)]
pub(super) struct Activity(Arc<watch::Sender<u64>>);

/// Something that is under way until this is dropped.
pub(super) struct Busy(Activity);

impl Activity {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }

    pub(super) fn begin(&self) -> Busy {
        self.0.send_modify(|count| *count += 1);
        Busy(self.clone())
    }

    pub(super) fn is_quiet(&self) -> bool {
        *self.0.borrow() == 0
    }

    /// Sees every beginning and every end.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}
