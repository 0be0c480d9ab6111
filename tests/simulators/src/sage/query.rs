//! Query parameters.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::reply::Refusal;
use crate::skeleton::incoming::Incoming;

/// The page asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// From 1.
    pub(crate) number: usize,
    pub(crate) size: usize,
}

/// Largest page (published schema, "Pagination"; the default is 20).
const LARGEST_PAGE: usize = 200;
const PAGE: usize = 20;

/// How records can be ordered (published schema, parameter `sort`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Created,
    Updated,
    Date,
    DueDate,
}

/// The query of a call.
pub(crate) struct Query<'call>(pub(crate) &'call Incoming);

impl<'call> Query<'call> {
    /// Refuses parameters that are not in `modelled`, and any given twice.
    pub(crate) fn only(&self, modelled: &[&str]) -> Result<(), Refusal> {
        let here = |what: &str| Refusal::NotModelled(format!("{what} of {} {}", self.0.method, self.0.path));
        for (position, (name, _)) in self.0.query.iter().enumerate() {
            if !modelled.contains(&name.as_str()) {
                return Err(here(&format!("the parameter {name}")));
            }
            if self.0.query.iter().take(position).any(|(before, _)| before == name) {
                return Err(here(&format!("the repeated parameter {name}")));
            }
        }
        Ok(())
    }

    pub(crate) fn text(&self, name: &str) -> Option<&'call str> {
        self.0.parameter(name)
    }

    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.text(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(text) => Err(Refusal::NotModelled(format!("{name}={text}"))),
        }
    }

    pub(crate) fn page(&self) -> Result<Page, Refusal> {
        let count = |name: &str, absent: usize, most: usize| match self.text(name) {
            None => Ok(absent),
            Some(text) => match text.parse::<usize>() {
                Ok(value) if (1..=most).contains(&value) => Ok(value),
                _ => Err(Refusal::NotModelled(format!("{name}={text}"))),
            },
        };
        Ok(Page { number: count("page", 1, usize::MAX)?, size: count("items_per_page", PAGE, LARGEST_PAGE)? })
    }

    /// `path` with the parameters of this call, at another page.
    pub(crate) fn at_page(&self, path: &str, number: usize) -> String {
        let mut pairs = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in self.0.query.iter().filter(|(name, _)| name != "page") {
            pairs.append_pair(name, value);
        }
        pairs.append_pair("page", &number.to_string());
        format!("/{path}?{}", pairs.finish())
    }

    /// An id to filter by. What is no id names no record.
    pub(crate) fn id(&self, name: &str) -> Result<Option<Uuid>, Refusal> {
        match self.text(name) {
            None => Ok(None),
            Some(text) => id(text).map(Some).ok_or_else(|| Refusal::NotModelled(format!("{name}={text}, which is no id"))),
        }
    }

    /// A date, or the date of a date and time.
    pub(crate) fn date(&self, name: &str) -> Result<Option<Date>, Refusal> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let day = text.get(..10).and_then(|day| day.parse::<Date>().ok());
        let rest_reads = text.len() == 10 || text.parse::<Timestamp>().is_ok();
        day.filter(|_| rest_reads).map(Some).ok_or_else(|| Refusal::invalid(name, "is not a date"))
    }

    /// An instant with its zone, or a date: its midnight in UTC.
    pub(crate) fn instant(&self, name: &str) -> Result<Option<Timestamp>, Refusal> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let midnight = || text.parse::<Date>().ok().and_then(|date| date.to_zoned(TimeZone::UTC).ok()).map(|zoned| zoned.timestamp());
        let at = if text.len() == 10 { midnight() } else { text.parse::<Timestamp>().ok() };
        at.map(Some).ok_or_else(|| Refusal::invalid(name, "is not a date or date-time"))
    }

    /// `sort=created_at:desc`.
    pub(crate) fn sort(&self) -> Result<Option<(Key, bool)>, Refusal> {
        let Some(text) = self.text("sort") else { return Ok(None) };
        let (name, direction) = text.split_once(':').unwrap_or((text, "asc"));
        let key = match name {
            "created_at" => Key::Created,
            "updated_at" => Key::Updated,
            "date" => Key::Date,
            "due_date" => Key::DueDate,
            _ => return Err(Refusal::NotModelled(format!("sort={text}"))),
        };
        match direction {
            "asc" => Ok(Some((key, false))),
            "desc" => Ok(Some((key, true))),
            _ => Err(Refusal::NotModelled(format!("sort={text}"))),
        }
    }
}

/// An id of a record: 32 hexadecimal digits in lower case, as the vendor writes them (guide "Multi Business").
pub(crate) fn id(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok().filter(|id| id.simple().to_string() == text)
}

/// Whether `text` contains `wanted`, case ignored: the `search` of lists.
pub(crate) fn contains(text: &str, wanted: &str) -> bool {
    text.to_lowercase().contains(&wanted.to_lowercase())
}
