//! From an event to the ledger, with nobody clicking: the time from `POST …/send` until the ledger holds the document.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use coportal_core::ledger::Ledger;
use coportal_local::run::{LocalRun, RunOptions};
use coportal_local::studio::{Studio, text};
use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Workspaces that send at once, each with an organisation of its own, so that no limit of an organisation binds.
pub const WORKSPACES: usize = 25;
/// Invoices of all of them together.
pub const INVOICES: usize = 200;
/// How often the ledger is looked at: the error of each time.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// After this the rest is given up.
const PATIENCE: Duration = Duration::from_secs(120);

/// What was measured.
#[derive(Debug)]
pub struct ByItself {
    /// One for each invoice.
    pub times: Vec<Duration>,
    /// What was left in the queues at the end, in words.
    pub other_rest: String,
}

/// A workspace that is connected, with a client that its ledger knows.
struct Sender {
    studio: Studio,
    client: String,
}

impl Sender {
    async fn open(local: &LocalRun, n: usize) -> anyhow::Result<Self> {
        let studio = Studio::open(local, &format!("Studio {n}")).await?;
        let desk = studio.at(Ledger::Xero);
        let name = format!("Books of studio {n}");
        let sales = json!({"Code": "200", "Name": "Sales", "Type": "REVENUE", "Class": "REVENUE", "TaxType": "OUTPUT2"});
        let rate = json!({"Name": "20% (VAT on Income)", "TaxType": "OUTPUT2", "EffectiveRate": "20", "CanApplyToRevenue": true});
        let organisation = json!({"name": name, "country": "GB", "currency": "GBP", "accounts": [sales], "tax_rates": [rate]});
        let seed = json!({"organisations": [organisation]});
        desk.control(Method::POST, "seed", Some(&seed)).await?;
        let state = desk.state().await?;
        let organisations = state.pointer("/organisations").and_then(Value::as_array).context("the simulator has organisations")?;
        let ours = organisations.iter().find(|organisation| text(organisation, "/name") == name).context("the seeded one is there")?;
        let consent = json!({"decision": "approve", "organisations": [text(ours, "/id")]});
        desk.control(Method::POST, "consent", Some(&consent)).await?;
        let start = studio.owner.send(Method::POST, "/v1/integrations/xero/connect", None, &[]).await?.json();
        studio.owner.browse(text(&start, "/authorize_url")).await?;
        let client = studio.add_client(&format!("Client {n}"), &format!("client{n}@example.com")).await?;
        // Links the client, fetches facts and token: the measured ones are warm.
        let first = studio.send_invoice(&client, &lines()).await?;
        desk.synced(&first).await?;
        desk.set_options(&json!({"auto_sync": true})).await?;
        Ok(Self { studio, client })
    }

    /// Writes an invoice, and sends it; answers its id and the moment before the sending.
    async fn send(&self) -> anyhow::Result<(String, Instant)> {
        let body = json!({"client_id": self.client, "issue_date": "2026-03-02", "due_date": "2026-03-16", "lines": lines()});
        let draft = self.studio.owner.post("/v1/invoices", &body).await?.json();
        let path = format!("/v1/invoices/{}/send", text(&draft, "/id"));
        let at = Instant::now();
        let sent = self.studio.owner.send(Method::POST, &path, None, &[]).await?;
        if !sent.status.is_success() {
            bail!("{path}: {}", sent.text());
        }
        Ok((text(&draft, "/id").to_owned(), at))
    }
}

fn lines() -> Value {
    json!([{"description": "Work", "quantity": "1", "unit_price": "100.00", "tax_rate": "20"}])
}

impl ByItself {
    /// Starts everything, connects each workspace to an organisation of its own, and lets all of them send at once.
    ///
    /// # Errors
    /// When a step is refused, or an invoice has not reached the ledger within two minutes.
    pub async fn measure() -> anyhow::Result<Self> {
        let local = LocalRun::start(RunOptions::default()).await?;
        let mut senders = Vec::new();
        for n in 0..WORKSPACES {
            senders.push(Sender::open(&local, n).await?);
        }
        let watcher = senders.first().context("somebody sends")?.studio.clone();
        let before = links(&watcher).await?.len();
        let mut sending = JoinSet::new();
        for sender in senders {
            sending.spawn(async move {
                let mut sent = Vec::new();
                for _ in 0..INVOICES / WORKSPACES {
                    sent.push(sender.send().await?);
                }
                anyhow::Ok(sent)
            });
        }
        let began = Instant::now();
        let mut seen: BTreeMap<String, Instant> = BTreeMap::new();
        while seen.len() < before + INVOICES && began.elapsed() < PATIENCE {
            let now = links(&watcher).await?;
            let at = Instant::now();
            for link in now {
                seen.entry(link).or_insert(at);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let mut times = Vec::new();
        while let Some(sent) = sending.join_next().await {
            for (invoice, at) in sent?? {
                let reached = seen.iter().find(|(link, _)| link.ends_with(&invoice)).map(|(_, reached)| *reached);
                let reached = reached.with_context(|| format!("{invoice} has not reached the ledger"))?;
                times.push(reached.saturating_duration_since(at));
            }
        }
        let is_idle = local.idle(PATIENCE).await;
        let work = local.work();
        let other_rest = format!(
            "at rest: {is_idle}; queued {}, in flight {}, dead-lettered {}, documents {}",
            work.queued,
            work.in_flight,
            work.dead_lettered,
            links(&watcher).await?.len() - before
        );
        local.shutdown().await?;
        Ok(Self { times, other_rest })
    }
}

/// The documents in the ledger, by the link back to their invoice.
async fn links(studio: &Studio) -> anyhow::Result<Vec<String>> {
    let state = studio.at(Ledger::Xero).state().await?;
    let documents = state.pointer("/documents").and_then(Value::as_array).context("the simulator has documents")?;
    Ok(documents.iter().map(|document| text(document, "/url").to_owned()).collect())
}
