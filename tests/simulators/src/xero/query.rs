//! Query parameters and conditional headers.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::reply::Refusal;
use crate::skeleton::incoming::Incoming;

/// A page asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) number: usize,
    pub(crate) size: usize,
}

impl Page {
    /// The records of this page; all of them without paging.
    pub(crate) fn cut<T>(page: Option<Self>, all: &[T]) -> &[T] {
        let Some(Self { number, size }) = page else { return all };
        let from = number.saturating_sub(1).saturating_mul(size).min(all.len());
        let to = from.saturating_add(size).min(all.len());
        all.get(from..to).unwrap_or_default()
    }
}

/// The query of a call.
pub(crate) struct Query<'call>(pub(crate) &'call Incoming);

impl<'call> Query<'call> {
    /// Refuses parameters that are not in `modelled`.
    pub(crate) fn only(&self, modelled: &[&str]) -> Result<(), Refusal> {
        match self.0.query.iter().find(|(name, _)| !modelled.contains(&name.as_str())) {
            None => Ok(()),
            Some((name, _)) => Err(Refusal::NotModelled(format!("the parameter {name} of {} {}", self.0.method, self.0.path))),
        }
    }

    pub(crate) fn text(&self, name: &str) -> Option<&'call str> {
        self.0.parameter(name)
    }

    pub(crate) fn optional_flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.text(name) {
            None => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(text) => Err(Refusal::NotModelled(format!("{name}={text}"))),
        }
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        Ok(self.optional_flag(name)?.unwrap_or(false))
    }

    /// Decimal places of unit prices: 4 with `unitdp=4`, otherwise 2 (vendor notes, section 0, fact 6).
    pub(crate) fn unitdp(&self) -> Result<u32, Refusal> {
        match self.text("unitdp") {
            None | Some("2") => Ok(2),
            Some("4") => Ok(4),
            Some(other) => Err(Refusal::NotModelled(format!("unitdp={other}"))),
        }
    }

    /// `page` and `pageSize` (100 when absent, 1000 at most); `None` without `page`.
    pub(crate) fn page(&self) -> Result<Option<Page>, Refusal> {
        let Some(number) = self.text("page") else {
            return match self.text("pageSize") {
                None => Ok(None),
                Some(_) => Err(Refusal::not_modelled("pageSize without page")),
            };
        };
        let count = |name: &str, text: &str, most: usize| match text.parse::<usize>() {
            Ok(value) if (1..=most).contains(&value) => Ok(value),
            _ => Err(Refusal::NotModelled(format!("{name}={text}"))),
        };
        let size = self.text("pageSize").map_or(Ok(100), |text| count("pageSize", text, 1000))?;
        Ok(Some(Page { number: count("page", number, usize::MAX)?, size }))
    }

    /// A comma-separated list.
    pub(crate) fn list(&self, name: &str) -> Option<Vec<&'call str>> {
        self.text(name).map(|text| text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect())
    }

    /// A comma-separated list of GUIDs.
    pub(crate) fn ids(&self, name: &str) -> Result<Option<Vec<Uuid>>, Refusal> {
        let Some(parts) = self.list(name) else { return Ok(None) };
        let parsed = parts.iter().map(|part| Uuid::parse_str(part).map_err(|_| Refusal::Query(format!("{part} is not a GUID"))));
        parsed.collect::<Result<_, _>>().map(Some)
    }

    /// `If-Modified-Since`: RFC 3339, or a date and time in UTC; 412 when it cannot be read.
    pub(crate) fn modified_since(&self) -> Result<Option<Timestamp>, Refusal> {
        let Some(text) = self.0.header("if-modified-since") else { return Ok(None) };
        if let Ok(at) = text.parse::<Timestamp>() {
            return Ok(Some(at));
        }
        let civil = text.parse::<DateTime>().ok().and_then(|civil| civil.to_zoned(TimeZone::UTC).ok());
        civil.map(|zoned| Some(zoned.timestamp())).ok_or(Refusal::Precondition)
    }
}
