//! What changed in a ledger's books since an instant: the cheap question behind drift, a call a page.

use coportal_core::document::RemoteDocument;
use jiff::Timestamp;

use crate::{Access, Called};

/// A sales document that was made, changed or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedDocument {
    /// The ledger's id of it.
    pub external_id: String,
    /// What the list tells of it.
    pub seen: Seen,
}

/// What a list of changes tells of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// All of it.
    Whole(Box<RemoteDocument>),
    /// Its version alone, as [`RemoteDocument::version`] has it: whoever needs more reads it.
    Version(Option<String>),
    /// That it is gone.
    Deleted,
}

/// One page of what changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangedPage {
    /// The documents. One may come twice, when it is changed again while the pages are read.
    pub documents: Vec<ChangedDocument>,
    /// What the next page is asked for with; `None` after the last one.
    pub next: Option<String>,
}

/// Sales documents by when they changed.
pub trait Changes: Send + Sync {
    /// What changed at or after `since`: the first page, or the one that `cursor` (a [`ChangedPage::next`] of the same organisation and `since`)
    /// names, in one call. Drafts that were deleted are told where the ledger tells them. A cursor of another form is refused before anything
    /// is sent.
    fn changed_page<'a>(&'a self, access: Access<'a>, since: Timestamp, cursor: Option<&'a str>) -> Called<'a, ChangedPage>;
}
