//! Shapes that many entities share on the wire.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};
use serde::{Deserialize, Serialize};

/// The vendor's own zone is US Pacific (section 10). The simulator has it at eight hours behind UTC all year: it needs no time-zone data.
const PACIFIC: Offset = Offset::constant(-8);

/// An instant as `MetaData` shows it.
pub(crate) fn instant(at: Timestamp) -> String {
    format!("{}-08:00", PACIFIC.to_datetime(at).strftime("%Y-%m-%dT%H:%M:%S"))
}

/// An instant as `time` of a reply shows it.
pub(crate) fn stamp(at: Timestamp) -> String {
    format!("{}-08:00", PACIFIC.to_datetime(at).strftime("%Y-%m-%dT%H:%M:%S%.3f"))
}

/// The vendor's day: what a missing `TxnDate` becomes.
pub(crate) fn day(at: Timestamp) -> Date {
    PACIFIC.to_datetime(at).date()
}

/// An instant as a query or `changedSince` names it: with an offset, or a civil time or date in the vendor's zone.
pub(crate) fn parse_instant(text: &str) -> Option<Timestamp> {
    let civil = |civil: DateTime| civil.to_zoned(TimeZone::fixed(PACIFIC)).ok().map(|zoned| zoned.timestamp());
    let at = text.parse::<Timestamp>().ok();
    at.or_else(|| text.parse::<DateTime>().ok().and_then(civil)).or_else(|| text.parse::<Date>().ok().and_then(|date| civil(date.into())))
}

/// A reference to another record.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Ref {
    pub(crate) value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
}

impl Ref {
    pub(crate) fn bare(value: &str) -> Self {
        Self { value: value.to_owned(), name: None }
    }

    pub(crate) fn named(value: &str, name: &str) -> Self {
        Self { value: value.to_owned(), name: Some(name.to_owned()) }
    }
}

/// When a record was made and changed, and how often.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) token: u64,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
}

impl Version {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { token: 0, created: now, updated: now }
    }

    /// One change more.
    pub(crate) fn bump(&mut self, now: Timestamp) {
        self.token = self.token.saturating_add(1);
        self.updated = now;
    }

    pub(crate) fn meta(&self) -> MetaData {
        MetaData { create_time: instant(self.created), last_updated_time: instant(self.updated) }
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct MetaData {
    create_time: String,
    last_updated_time: String,
}

/// What every entity of a reply begins with.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Head<'record> {
    pub(crate) domain: &'static str,
    pub(crate) sparse: bool,
    #[serde(rename = "Id")]
    pub(crate) id: &'record str,
    #[serde(rename = "SyncToken")]
    pub(crate) sync_token: String,
    #[serde(rename = "MetaData")]
    pub(crate) meta_data: MetaData,
}

impl<'record> Head<'record> {
    pub(crate) fn of(id: &'record str, version: &Version) -> Self {
        Self { domain: "QBO", sparse: false, id, sync_token: version.token.to_string(), meta_data: version.meta() }
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct EmailAddress<'text> {
    pub(crate) address: &'text str,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Telephone<'text> {
    pub(crate) free_form_number: &'text str,
}
