//! Records by id and by the one text that they are looked up by most.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// What can be stored.
pub(crate) trait Record: Clone {
    fn id(&self) -> &str;
    /// The text that the index holds: a name or a number.
    fn key(&self) -> Option<&str>;
}

/// Records in the order of their making. None ever leaves; a deleted one says so itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Vec<T>", into = "Vec<T>", bound(serialize = "T: Record + Serialize", deserialize = "T: Record + Deserialize<'de>"))]
pub(crate) struct Store<T: Record> {
    all: Vec<T>,
    positions: HashMap<String, usize>,
    keys: HashMap<String, Vec<usize>>,
}

impl<T: Record> Default for Store<T> {
    fn default() -> Self {
        Self { all: Vec::new(), positions: HashMap::new(), keys: HashMap::new() }
    }
}

impl<T: Record> From<Vec<T>> for Store<T> {
    fn from(all: Vec<T>) -> Self {
        let mut store = Self::default();
        for record in all {
            store.put(record);
        }
        store
    }
}

impl<T: Record> From<Store<T>> for Vec<T> {
    fn from(store: Store<T>) -> Self {
        store.all
    }
}

/// How texts are compared: without regard to case. (The vendor does not say; names that differ in case alone are taken for the same.)
pub(crate) fn folded(text: &str) -> String {
    text.to_lowercase()
}

impl<T: Record> Store<T> {
    pub(crate) fn all(&self) -> &[T] {
        &self.all
    }

    pub(crate) fn get(&self, id: &str) -> Option<&T> {
        self.positions.get(id).and_then(|position| self.all.get(*position))
    }

    /// The records of this key, in the order of their making.
    pub(crate) fn by_key(&self, key: &str) -> impl Iterator<Item = &T> {
        let positions = self.keys.get(&folded(key)).map(Vec::as_slice).unwrap_or_default();
        positions.iter().filter_map(|position| self.all.get(*position))
    }

    /// Adds or replaces, keeping the indexes.
    pub(crate) fn put(&mut self, record: T) {
        let before = self.positions.get(record.id()).copied();
        let position = before.unwrap_or(self.all.len());
        let old = before.and_then(|position| self.all.get(position)).and_then(|old| old.key().map(folded));
        let new = record.key().map(folded);
        if old != new {
            if let Some(positions) = old.and_then(|old| self.keys.get_mut(&old)) {
                positions.retain(|one| *one != position);
            }
            if let Some(new) = new {
                let positions = self.keys.entry(new).or_default();
                positions.push(position);
                positions.sort_unstable();
            }
        }
        match before.and_then(|position| self.all.get_mut(position)) {
            Some(place) => *place = record,
            None => {
                self.positions.insert(record.id().to_owned(), position);
                self.all.push(record);
            }
        }
    }
}
