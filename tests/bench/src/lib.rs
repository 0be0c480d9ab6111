//! What a sync costs, measured from the outside: a studio clicks over real HTTP, the local cloud counts AWS calls and the simulator counts
//! vendor calls. `make bench` prints it; `tests/e2e` holds the numbers that are promised.

use coportal_core::ledger::Ledger;
use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use coportal_local::run::{LocalRun, RunOptions};
use coportal_local::studio::{Studio, text};
use http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

mod by_itself;

pub use by_itself::{ByItself, INVOICES, WORKSPACES};

/// What one click cost.
#[derive(Debug)]
pub struct Cost {
    /// `created`, `updated` or `nothing`.
    pub changed: String,
    /// Vendor calls: method and path.
    pub vendor: Vec<String>,
    /// AWS calls behind the authentication, by operation.
    pub aws: BTreeMap<String, u64>,
    /// From the click to the answer.
    pub took: Duration,
}

impl Cost {
    /// AWS calls of one service (`dynamodb`, `kms`, `ssm`).
    #[must_use]
    pub fn calls_of(&self, service: &str) -> u64 {
        self.aws.iter().filter(|(operation, _)| operation.split(':').next() == Some(service)).map(|(_, count)| count).sum()
    }
}

/// A studio that has connected Xero, and counts.
pub struct Bench {
    local: LocalRun,
    studio: Studio,
}

impl Bench {
    /// Starts everything and connects. Xero's limits are lifted: they would be measured instead.
    ///
    /// # Errors
    /// When a step is refused.
    pub async fn start() -> anyhow::Result<Self> {
        let local = LocalRun::start(RunOptions::default()).await?;
        let studio = Studio::open(&local, "Harbour Lane Studio").await?;
        studio.at(Ledger::Xero).connect().await?;
        let limits = json!({"minute": 100_000, "day": 1_000_000, "concurrent": 1_000, "app_minute": 1_000_000});
        studio.at(Ledger::Xero).control(Method::POST, "limits", Some(&limits)).await?;
        Ok(Self { local, studio })
    }

    /// Adds a client.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn client(&self, name: &str) -> anyhow::Result<String> {
        Ok(self.studio.add_client(name, &format!("{name}@example.com")).await?)
    }

    /// Sends an invoice of three lines.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn invoice(&self, client: &str) -> anyhow::Result<Value> {
        let lines = json!([
            {"description": "Brand identity, first round", "quantity": "1", "unit_price": "1250.00", "tax_rate": "20"},
            {"description": "Type licences", "quantity": "3", "unit_price": "33.33", "tax_rate": "20"},
            {"description": "Printed guides", "quantity": "7.5", "unit_price": "12.345", "tax_rate": "0"},
        ]);
        Ok(self.studio.send_invoice(client, &lines).await?)
    }

    /// Changes a line of an invoice.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn edit(&self, invoice: &Value) -> anyhow::Result<Value> {
        Ok(self.studio.edit_line(invoice, "/lines/1/quantity", json!("4")).await?)
    }

    /// Clicks "Sync to Xero" and counts.
    ///
    /// # Errors
    /// When the sync does not end there and then.
    pub async fn sync(&self, invoice: &Value) -> anyhow::Result<Cost> {
        let before = self.studio.at(Ledger::Xero).calls("api").await?.len();
        self.local.cloud.cloud.forget_calls();
        let began = Instant::now();
        let answer = self.studio.at(Ledger::Xero).synced(invoice).await?;
        let took = began.elapsed();
        let mut aws = self.local.cloud.cloud.calls();
        // Who asks is read in one batch, whatever is asked for.
        let authentication = aws.get_mut("dynamodb:BatchGetItem").context("the sync did not authenticate")?;
        *authentication = authentication.saturating_sub(1);
        aws.retain(|_, count| *count > 0);
        let calls = self.studio.at(Ledger::Xero).calls("api").await?.split_off(before);
        let vendor = calls.iter().map(|call| {
            let path = text(call, "/path").split('?').next().unwrap_or_default();
            format!("{} {path}", text(call, "/method"))
        });
        Ok(Cost { changed: text(&answer, "/changed").to_owned(), vendor: vendor.collect(), aws, took })
    }

    /// Stops everything.
    ///
    /// # Errors
    /// When a server failed.
    pub async fn stop(self) -> anyhow::Result<()> {
        Ok(self.local.shutdown().await?)
    }
}
