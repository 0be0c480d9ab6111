//! Where a write happens: one company, at one moment.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::company::Company;
use super::reply::Refusal;
use crate::skeleton::clock::plus;
use crate::skeleton::ids::Ids;

/// What writes need.
pub(crate) struct Desk<'world> {
    pub(crate) company: &'world mut Company,
    pub(crate) ids: &'world mut Ids,
    pub(crate) now: Timestamp,
}

/// The instant of a change: later than the one before, also on a clock that stands still.
pub(crate) fn touched(now: Timestamp, before: Timestamp) -> Timestamp {
    now.max(plus(before, SignedDuration::from_millis(1)))
}

/// The day of an instant in UTC, the work date here.
pub(crate) fn day(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

impl Company {
    /// Whether the user's permission sets allow this.
    pub(crate) fn permitted(&self, action: &str) -> Result<(), Refusal> {
        if self.refused_actions.iter().any(|refused| refused == action) {
            let message = format!("The server has denied the requested operation: you do not have permission for {action}.");
            return Err(Refusal::error(403, "Authorization_RequestDenied", message));
        }
        Ok(())
    }
}
