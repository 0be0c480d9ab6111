//! Tax rates with their windows, and `GET /tax_rates`.

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::business::Business;
use super::json::{Json, Members};
use super::query::Query;
use super::reply::{self, Refusal};
use crate::skeleton::answer::Reply;
use crate::skeleton::number::half_up;

/// A tax rate. Ids are words, `<country>_<name>`, as integrators report them for GB.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaxRate {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) percentages: Vec<Window>,
    #[serde(default = "yes")]
    pub(crate) is_visible: bool,
    #[serde(default)]
    pub(crate) retailer: bool,
    /// `sales`, `purchase` or both (published schema, parameter `usage`).
    #[serde(default = "both")]
    pub(crate) usage: Vec<String>,
}

/// A percentage and the days on which it holds, both included. Seeds write the percentage as a string (`"15"`), so that it keeps its digits.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Window {
    pub(crate) percentage: Decimal,
    #[serde(default)]
    pub(crate) from_date: Option<Date>,
    #[serde(default)]
    pub(crate) to_date: Option<Date>,
}

fn yes() -> bool {
    true
}

fn both() -> Vec<String> {
    ["sales", "purchase"].map(str::to_owned).into()
}

impl Window {
    fn holds(&self, day: Date) -> bool {
        self.from_date.is_none_or(|from| from <= day) && self.to_date.is_none_or(|to| day <= to)
    }
}

impl TaxRate {
    pub(crate) fn new(id: &str, name: &str, percentage: Decimal) -> Self {
        let percentages = vec![Window { percentage, from_date: None, to_date: None }];
        Self { id: id.to_owned(), name: name.to_owned(), percentages, is_visible: true, retailer: false, usage: both() }
    }

    /// A rate that changed over time: percentage in tenths, first day, last day.
    pub(crate) fn over_time(id: &str, name: &str, windows: &[(i64, Option<Date>, Option<Date>)]) -> Self {
        let percentages = windows
            .iter()
            .map(|(tenths, from_date, to_date)| Window { percentage: Decimal::new(*tenths, 1), from_date: *from_date, to_date: *to_date })
            .collect();
        Self { percentages, ..Self::new(id, name, Decimal::ZERO) }
    }

    /// The percentage on a day; `None` outside all windows.
    pub(crate) fn on(&self, day: Date) -> Option<Decimal> {
        self.percentages.iter().find(|window| window.holds(day)).map(|window| window.percentage)
    }

    pub(crate) fn is_for_sales(&self) -> bool {
        self.usage.iter().any(|usage| usage == "sales")
    }

    fn displayed_as(&self, percentage: Decimal) -> String {
        format!("{} {}%", self.name, half_up(percentage, 2))
    }

    /// The rate by its three base members.
    pub(crate) fn base(&self, day: Date) -> Json {
        super::json::base(&self.id, &self.displayed_as(self.on(day).unwrap_or_default()), "tax_rates")
    }

    fn shown(&self, day: Date, historical: bool) -> Json {
        let percentage = self.on(day).unwrap_or_default();
        let windows = self.percentages.iter().filter(|window| historical || window.holds(day));
        let windows = windows.map(|window| {
            Json::Object(vec![
                ("percentage", Json::Number(window.percentage)),
                ("from_date", window.from_date.into()),
                ("to_date", window.to_date.into()),
            ])
        });
        Json::Object(vec![
            ("id", self.id.as_str().into()),
            ("displayed_as", self.displayed_as(percentage).into()),
            ("$path", format!("/tax_rates/{}", self.id).into()),
            ("name", self.name.as_str().into()),
            ("agency", Json::Null),
            ("percentage", Json::Number(percentage)),
            ("percentages", Json::List(windows.collect())),
            ("is_visible", self.is_visible.into()),
            ("retailer", self.retailer.into()),
            ("editable", false.into()),
            ("deletable", false.into()),
            ("is_combined_rate", false.into()),
            ("component_tax_rates", Json::List(Vec::new())),
        ])
    }
}

/// `GET /tax_rates`. Without `date` the day is today; a rate that has no percentage on the day is left out. Without
/// `include_historical_data` only the window of the day is shown. A business that is not registered for tax has its no-tax rate alone.
pub(crate) fn list(business: &Business, query: &Query<'_>, today: Date) -> Result<Reply, Refusal> {
    query.only(&["usage", "date", "include_historical_data", "items_per_page", "page", "attributes"])?;
    let usage = match query.text("usage") {
        None => None,
        Some(usage @ ("sales" | "purchase")) => Some(usage),
        Some(other) => return Err(Refusal::NotModelled(format!("usage={other}"))),
    };
    let day = query.date("date")?.unwrap_or(today);
    let historical = query.flag("include_historical_data")?.unwrap_or(false);
    let shown = business
        .usable_tax_rates()
        .filter(|rate| rate.on(day).is_some() && usage.is_none_or(|usage| rate.usage.iter().any(|one| one == usage)))
        .map(|rate| rate.shown(day, historical))
        .collect();
    reply::list(query, "tax_rates", shown, &Members::All)
}

/// `GET /tax_rates/{key}`.
pub(crate) fn one(business: &Business, query: &Query<'_>, key: &str, today: Date) -> Result<Reply, Refusal> {
    query.only(&["date", "attributes"])?;
    let day = query.date("date")?.unwrap_or(today);
    let rate = business.usable_tax_rates().find(|rate| rate.id == key).ok_or(Refusal::NotFound)?;
    Ok(reply::one(query, rate.shown(day, true)))
}
