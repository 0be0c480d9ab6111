//! What an answer's headers tell: whose request it was, what is left of the limits, what time it is there, when to come back.

use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};

use crate::LimitsSeen;

/// No vendor's "come back later" is believed beyond this: the longest window in use is a day (docs/vendors/xero.md, section 6), and a
/// nonsense value must not park an organisation for a year.
pub(crate) const RETRY_AFTER_MAX: SignedDuration = SignedDuration::from_hours(25);

/// A header's value, where it is visible ASCII.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim).filter(|value| !value.is_empty())
}

/// The vendor's id of the request: short visible text, or nothing. A foreign header reaches logs and timelines.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<String> {
    ["xero-correlation-id", "intuit_tid", "x-correlation-id", "x-request-id", "request-id"]
        .into_iter()
        .find_map(|name| text(headers, name))
        .filter(|id| id.len() <= 100 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:|".contains(&byte)))
        .map(str::to_owned)
}

/// What is left of the limits (Xero: `X-MinLimit-Remaining`, `X-DayLimit-Remaining`, `X-AppMinLimit-Remaining`; "OAuth 2.0 API Limits").
pub(crate) fn limits(headers: &HeaderMap) -> LimitsSeen {
    let number = |name: &str| text(headers, name).and_then(|value| value.parse().ok());
    LimitsSeen { minute: number("x-minlimit-remaining"), day: number("x-daylimit-remaining"), app: number("x-appminlimit-remaining") }
}

/// The vendor's clock (`Date`, RFC 9110, 6.6.1).
pub(crate) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    text(headers, "date").and_then(http_date)
}

/// When to come back (`Retry-After`, RFC 9110, 10.2.3: seconds or a date), at most [`RETRY_AFTER_MAX`] from `now` and never before it.
pub(crate) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let value = text(headers, "retry-after")?;
    let wanted = if let Ok(seconds) = value.parse::<i128>() {
        let seconds = i64::try_from(seconds.clamp(0, i128::from(RETRY_AFTER_MAX.as_secs()))).unwrap_or_default();
        now.saturating_add(SignedDuration::from_secs(seconds)).ok()?
    } else {
        http_date(value)?
    };
    Some(wanted.clamp(now, now.saturating_add(RETRY_AFTER_MAX).unwrap_or(Timestamp::MAX)))
}

fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn retry_after_takes_seconds_and_dates_and_caps_nonsense() {
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        for (value, expected) in [
            ("17", Some("2026-11-21T10:00:17Z")),
            ("0", Some("2026-11-21T10:00:00Z")),
            ("-5", Some("2026-11-21T10:00:00Z")),
            ("90000", Some("2026-11-22T11:00:00Z")),
            ("99999999999999999999", Some("2026-11-22T11:00:00Z")),
            ("Sat, 21 Nov 2026 10:05:00 GMT", Some("2026-11-21T10:05:00Z")),
            ("Fri, 20 Nov 2026 10:05:00 GMT", Some("2026-11-21T10:00:00Z")),
            ("Wed, 21 Nov 2029 10:05:00 GMT", Some("2026-11-22T11:00:00Z")),
            ("soon", None),
            ("", None),
        ] {
            let expected = expected.map(|text| text.parse().unwrap());
            assert_eq!(retry_after(&with("retry-after", value), now), expected, "{value}");
        }
    }

    #[test]
    fn a_request_id_is_short_and_plain() {
        assert_eq!(request_id(&with("xero-correlation-id", "0f-1_2")).as_deref(), Some("0f-1_2"));
        assert_eq!(request_id(&with("xero-correlation-id", "<script>")), None);
        assert_eq!(request_id(&with("xero-correlation-id", &"a".repeat(101))), None);
    }

    #[test]
    fn limits_that_are_no_numbers_are_not_seen() {
        assert_eq!(limits(&with("x-minlimit-remaining", "59")).minute, Some(59));
        assert_eq!(limits(&with("x-daylimit-remaining", "-1")).day, None);
    }
}
