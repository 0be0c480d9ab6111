//! Entities as OData shows them: a schema, and cells in its order.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::skeleton::number::Exact;

/// What a field holds, for filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any text; compared with its case.
    Text,
    /// Upper-case text of at most so many characters. A longer literal in a filter is an error of its own (error table,
    /// `Application_FilterErrorException`).
    Code(usize),
    /// One of a set of words.
    Choice,
    Guid,
    Number,
    Flag,
    Date,
    Instant,
}

/// One field of a type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Computed on the page, not stored in the table: nothing says what a filter on it does, and it is not modelled.
    pub(crate) computed: bool,
}

pub(crate) const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, computed: false }
}

pub(crate) const fn computed(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, computed: true }
}

/// A type and its entity set.
#[derive(Debug)]
pub(crate) struct Schema {
    /// `customers`
    pub(crate) set: &'static str,
    /// `customer`
    pub(crate) name: &'static str,
    pub(crate) fields: &'static [Field],
    /// Parts that can be expanded here.
    pub(crate) parts: &'static [&'static str],
}

impl Schema {
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    Text(String),
    /// A word of a set, not encoded (`In Review`).
    Choice(&'static str),
    Guid(Uuid),
    Number(Decimal),
    Flag(bool),
    /// `None` is the vendor's undefined date, `0001-01-01`.
    Date(Option<Date>),
    Instant(Timestamp),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for Cell {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

/// A word of a set as OData writes it: a blank is `_x0020_`, a hyphen `_x002D_` (vendor notes, sections 4 and 5).
pub(crate) fn encoded(word: &str) -> String {
    word.replace(' ', "_x0020_").replace('-', "_x002D_")
}

/// The word behind what OData writes; plain words pass as they are.
pub(crate) fn decoded(word: &str) -> String {
    word.replace("_x0020_", " ").replace("_x002D_", "-").replace("_x002d_", "-")
}

/// The undefined date.
fn undefined() -> Date {
    Date::constant(1, 1, 1)
}

/// A date as filters compare it.
pub(crate) fn date_or_undefined(date: Option<Date>) -> Date {
    date.unwrap_or_else(undefined)
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Choice(word) => serializer.serialize_str(&encoded(word)),
            Self::Guid(id) => id.serialize(serializer),
            Self::Number(number) => Exact(number.normalize()).serialize(serializer),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Date(date) => serializer.collect_str(&date_or_undefined(*date)),
            Self::Instant(at) => serializer.collect_str(&instant(*at)),
        }
    }
}

/// `2026-03-10T09:00:00.123Z`.
fn instant(at: Timestamp) -> impl fmt::Display {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
}

/// One entity.
#[derive(Clone, Debug)]
pub(crate) struct Entity {
    pub(crate) schema: &'static Schema,
    pub(crate) etag: String,
    /// In the order of the schema.
    pub(crate) cells: Vec<Cell>,
    /// Expanded parts.
    pub(crate) parts: Vec<(&'static str, Vec<Entity>)>,
}

impl Entity {
    pub(crate) fn cell(&self, position: usize) -> Option<&Cell> {
        self.cells.get(position)
    }

    /// The entity's own id: the first field of every type here.
    pub(crate) fn id(&self) -> String {
        match self.cells.first() {
            Some(Cell::Guid(id)) => id.to_string(),
            _ => String::new(),
        }
    }
}

/// An entity with the fields that were asked for.
pub(crate) struct Shown<'entity> {
    pub(crate) entity: &'entity Entity,
    /// Positions; all when `None`.
    pub(crate) select: Option<&'entity [usize]>,
    /// `@odata.context`, on a single entity.
    pub(crate) context: Option<&'entity str>,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(context) = self.context {
            map.serialize_entry("@odata.context", context)?;
        }
        map.serialize_entry("@odata.etag", &self.entity.etag)?;
        for (position, (field, cell)) in self.entity.schema.fields.iter().zip(&self.entity.cells).enumerate() {
            if self.select.is_none_or(|select| select.contains(&position)) {
                map.serialize_entry(field.name, cell)?;
            }
        }
        for (name, entities) in &self.entity.parts {
            let shown: Vec<Shown<'_>> = entities.iter().map(|entity| Shown { entity, select: None, context: None }).collect();
            map.serialize_entry(name, &shown)?;
        }
        map.end()
    }
}

/// The etag of a record at a version: weak, opaque, and another one after every change.
pub(crate) fn etag(id: Uuid, version: u64) -> String {
    use base64::Engine as _;
    let short: String = id.simple().to_string().chars().take(8).collect();
    format!("W/\"{}\"", base64::engine::general_purpose::STANDARD.encode(format!("19;{short};{version};")))
}
