//! A document's version mark: its etag, and what an update must know of the header that it rests on.
//!
//! An update names only what changes: sending a customer, a currency or a date again would have the document validated anew, and may end
//! in a question that no API call can answer (docs/vendors/business-central.md, section 5). The core hands the mark back as it is, so what
//! stood there travels in it, beside the etag.

use coportal_core::money::Currency;
use jiff::civil::Date;

/// What an update rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    /// The header's `@odata.etag`.
    pub(super) etag: String,
    /// The customer, the currency and the dates that stood in the header.
    pub(super) contact: String,
    pub(super) currency: Option<Currency>,
    pub(super) issue_date: Option<Date>,
    pub(super) due_date: Option<Date>,
    /// `pricesIncludeTax`: such a document takes no net prices (section 6).
    pub(super) is_gross: bool,
}

const NONE: &str = "-";
const GROSS: &str = "gross";
const NET: &str = "net";

impl Version {
    /// As a text.
    pub(super) fn write(&self) -> String {
        let currency = self.currency.map_or_else(|| NONE.to_owned(), |currency| currency.to_string());
        let date = |date: Option<Date>| date.map_or_else(|| NONE.to_owned(), |date| date.to_string());
        let prices = if self.is_gross { GROSS } else { NET };
        [self.contact.as_str(), &currency, &date(self.issue_date), &date(self.due_date), prices, self.etag.as_str()].join(" ")
    }

    /// From a text of [`Self::write`]; `None` for anything else.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(6, ' ');
        let mut next = || parts.next().filter(|part| !part.is_empty());
        let (contact, currency, issue_date, due_date, prices, etag) = (next()?, next()?, next()?, next()?, next()?, next()?);
        let date = |text: &str| text.parse().ok();
        Some(Self {
            etag: etag.to_owned(),
            contact: contact.to_owned(),
            currency: currency.parse().ok(),
            issue_date: date(issue_date),
            due_date: date(due_date),
            is_gross: prices == GROSS,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_comes_back_as_it_was() {
        for (currency, date, is_gross, etag) in
            [(Some("GBP"), Some("2026-11-21"), false, "W/\"JzE5Ozk7MTsn\""), (None, None, true, "W/\"with blanks inside\"")]
        {
            let version = Version {
                etag: etag.to_owned(),
                contact: "c-1".to_owned(),
                currency: currency.map(|code| code.parse().unwrap()),
                issue_date: date.map(|day| day.parse().unwrap()),
                due_date: None,
                is_gross,
            };
            assert_eq!(Version::read(&version.write()), Some(version));
        }
        for text in ["", "a b", "a b c d e", "W/\"x\""] {
            assert_eq!(Version::read(text), None, "{text}");
        }
    }
}
