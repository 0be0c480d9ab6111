//! Several records in one call: what a vendor's batch is safe for.
//!
//! A create that is sent in a batch can be looked for afterwards and is never sent again on the strength of a key: the key of a batch
//! covers its whole body, so that no row of it could be repeated alone (docs/vendors/xero.md, section 5; design decision 8). What a ledger
//! does not do in batches is a typed absence in [`Batches`].

use std::sync::Arc;

use coportal_core::contact::Contact;
use coportal_core::document::RemoteDocument;
use coportal_core::failure::Failure;
use coportal_core::sync::row::Look;
use futures_util::future::BoxFuture;

use crate::{Access, Answered, Called};

/// How much one call takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchBound {
    /// Most rows.
    pub rows: usize,
    /// Longest body, in bytes, with what stands around the rows.
    pub bytes: usize,
}

impl BatchBound {
    /// How many of these rows, from the first, one call takes: at least one.
    #[must_use]
    pub fn first(&self, bodies: impl IntoIterator<Item = usize>) -> usize {
        // A comma beside each row, and the frame around them all.
        const FRAME: usize = 256;
        let mut total = FRAME;
        let mut rows = 0;
        for bytes in bodies.into_iter().take(self.rows) {
            total = total.saturating_add(bytes).saturating_add(1);
            if rows > 0 && total > self.bytes {
                break;
            }
            rows += 1;
        }
        rows.max(1)
    }
}

/// One row of a batch: the stored body of an intent, which travels in it byte for byte.
#[derive(Debug, Clone, Copy)]
pub struct BatchWrite<'a> {
    /// The document that an update is about.
    pub external_id: Option<&'a str>,
    /// The body, from [`crate::Documents::document_body`] or [`crate::Contacts::contact_body`].
    pub body: &'a [u8],
}

/// What a batch of writes comes to: one outcome for each row, in the order of the rows; or the failure of the call as a whole. A row that
/// the answer does not speak of, or speaks of as another one, has [`coportal_core::failure::Disposition::LookFirst`].
pub type BatchAnswer<T> = Result<Vec<Result<Answered<T>, Failure>>, Failure>;

/// What a batch call answers with.
pub type Batched<'a, T> = BoxFuture<'a, BatchAnswer<T>>;

/// Creates in batches: for a ledger that saves the good rows of a batch and says of each row what became of it.
pub trait BatchCreates: Send + Sync {
    /// How much one call takes.
    fn bound(&self) -> BatchBound;

    /// Makes documents in one call, under one key that is used for no other call.
    fn create_documents<'a>(&'a self, access: Access<'a>, rows: &'a [BatchWrite<'a>], key: &'a str) -> Batched<'a, RemoteDocument>;

    /// Makes contacts in one call, under one key that is used for no other call.
    fn create_contacts<'a>(&'a self, access: Access<'a>, rows: &'a [BatchWrite<'a>], key: &'a str) -> Batched<'a, Contact>;

    /// What [`crate::Contacts::look_contact`] would find for each of these looks, in as few calls as can be. `None` where the answer does
    /// not tell: such a one is looked for alone before it counts as a miss.
    fn look_contacts<'a>(&'a self, access: Access<'a>, looks: &'a [&'a Look]) -> Called<'a, Vec<Option<Vec<Contact>>>>;
}

/// Updates in batches.
pub trait BatchUpdates: Send + Sync {
    /// How much one call takes.
    fn bound(&self) -> BatchBound;

    /// Changes documents in one call, under one key that is used for no other call.
    fn update_documents<'a>(&'a self, access: Access<'a>, rows: &'a [BatchWrite<'a>], key: &'a str) -> Batched<'a, RemoteDocument>;
}

/// Reads and look-ups of several documents at once.
pub trait BatchReads: Send + Sync {
    /// Documents by their ids, in their order. `None` where the answer does not tell: such a one is read alone before it counts as gone.
    fn read_documents<'a>(&'a self, access: Access<'a>, external_ids: &'a [&'a str]) -> Called<'a, Vec<Option<RemoteDocument>>>;

    /// What [`crate::Documents::look`] would find for each of these looks (none of them by id), in as few calls as can be. `None` where
    /// the answer does not tell: such a one is looked for alone before it counts as a miss.
    fn look_documents<'a>(&'a self, access: Access<'a>, looks: &'a [&'a Look]) -> Called<'a, Vec<Option<Vec<RemoteDocument>>>>;
}

/// What a ledger does in batches.
#[derive(Clone, Default)]
pub struct Batches {
    /// Creates.
    pub creates: Option<Arc<dyn BatchCreates>>,
    /// Updates.
    pub updates: Option<Arc<dyn BatchUpdates>>,
    /// Reads and look-ups.
    pub reads: Option<Arc<dyn BatchReads>>,
}

impl Batches {
    /// A ledger without batches.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }
}

/// Which element of an answer is which row's: the one at its place, where it does not contradict the row; else the only one left that names
/// the row; else none. No element is two rows'.
pub(crate) fn by_row<R, E>(
    rows: &[R],
    elements: Vec<E>,
    contradicts: impl Fn(&R, &E) -> bool,
    names: impl Fn(&R, &E) -> bool,
) -> Vec<Option<E>> {
    let in_place = rows.len() == elements.len();
    let mut left: Vec<Option<E>> = elements.into_iter().map(Some).collect();
    let mut found: Vec<Option<E>> = Vec::with_capacity(rows.len());
    for (place, row) in rows.iter().enumerate() {
        let fits = in_place && left.get(place).is_some_and(|element| element.as_ref().is_some_and(|element| !contradicts(row, element)));
        found.push(if fits { left.get_mut(place).and_then(Option::take) } else { None });
    }
    for (row, found) in rows.iter().zip(&mut found).filter(|(_, found)| found.is_none()) {
        let named = |element: &Option<E>| element.as_ref().is_some_and(|element| names(row, element) && !contradicts(row, element));
        let mut places = left.iter().enumerate().filter(|(_, element)| named(element)).map(|(place, _)| place);
        if let (Some(only), None) = (places.next(), places.next()) {
            *found = left.get_mut(only).and_then(Option::take);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_call_takes_what_fits_and_at_least_one() {
        let bound = BatchBound { rows: 3, bytes: 1_000 };
        assert_eq!(bound.first([100, 100, 100, 100]), 3);
        assert_eq!(bound.first([400, 300, 400]), 2);
        assert_eq!(bound.first([5_000, 1]), 1, "a row that is too long alone is the vendor's to refuse");
        assert_eq!(bound.first([]), 1);
    }

    proptest! {
        /// K20: whatever order and subset a vendor answers in, no row gets another row's element, and none gets two.
        #[test]
        fn an_element_is_never_another_rows(count in 1_usize..12, seed in any::<u64>(), drop in 0_usize..4, foreign in 0_usize..3) {
            let rows: Vec<usize> = (0..count).collect();
            let mut elements: Vec<usize> = rows.clone();
            let mut drawn = seed;
            for place in (1..elements.len()).rev() {
                drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                elements.swap(place, usize::try_from((drawn >> 33) % u64::try_from(place + 1).unwrap()).unwrap());
            }
            elements.truncate(count.saturating_sub(drop));
            elements.extend((0..foreign).map(|n| 100 + n));
            let told = elements.clone();
            let found = by_row(&rows, elements, |row, element| row != element, |row, element| row == element);
            for (row, found) in rows.iter().zip(found) {
                prop_assert_eq!(found, told.contains(row).then_some(*row));
            }
        }
    }
}
