//! What the journeys share.

use coportal_core::ledger::Ledger;
use coportal_local::run::{LocalRun, RunOptions};
use coportal_local::studio::{Studio, text};
use jiff::SignedDuration;
use serde_json::{Value, json};

/// A local cloud with one studio that has connected Xero.
pub(crate) async fn connected() -> (LocalRun, Studio) {
    let local = LocalRun::start(RunOptions::default()).await.unwrap();
    let studio = Studio::open(&local, "Harbour Lane Studio").await.unwrap();
    connect(&studio).await;
    (local, studio)
}

pub(crate) async fn connect(studio: &Studio) {
    let hops = studio.at(Ledger::Xero).connect().await.unwrap();
    assert_eq!(studio.at(Ledger::Xero).connection().await.unwrap()["status"], "connected", "{:?}", hops.last().map(|hop| hop.url.as_str()));
}

/// One line of 100.00 plus 20%.
pub(crate) fn lines() -> Value {
    json!([{"description": "Work", "quantity": "1", "unit_price": "100.00", "tax_rate": "20"}])
}

/// Syncs until it is done, however long the clock must be moved for that.
pub(crate) async fn settled(local: &LocalRun, studio: &Studio, invoice: &Value) -> Value {
    for _ in 0..40 {
        let reply = studio.at(Ledger::Xero).sync(invoice).await.unwrap();
        match reply.status.as_u16() {
            200 => return reply.json(),
            202 | 409 => local.advance(SignedDuration::from_secs(30)),
            status => panic!("{status}: {}", reply.text()),
        }
    }
    panic!("{} is still not synced after 20 minutes", text(invoice, "/number"));
}

pub(crate) fn count(state: &Value, of: &str) -> usize {
    state[of].as_array().unwrap().len()
}

/// Facts of the ledger (rates, accounts, currencies, the organisation) are read once a day and counted apart.
pub(crate) fn is_fact(call: &Value) -> bool {
    let path = text(call, "/path").split('?').next().unwrap_or_default();
    ["/Organisation", "/Organisations", "/TaxRates", "/Accounts", "/Currencies", "/connections"].iter().any(|fact| path.ends_with(fact))
}
