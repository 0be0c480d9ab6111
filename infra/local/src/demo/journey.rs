//! What the demo does, in order.

use anyhow::{Context as _, bail};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::report::{LedgerReport, Organisation, Report, SyncReport, Totals};
use super::story::{Story, grouped};
use crate::run::LocalRun;
use crate::studio::{Studio, text};

/// Tells the main job and answers what was found. A step that cannot be taken ends the story; what went before stays in the report.
pub(super) async fn tell(local: &LocalRun, story: &mut Story) -> Report {
    let mut demo = Demo { xero: LedgerReport::default(), failures: Vec::new() };
    story.open();
    if let Err(error) = demo.through(local, story).await {
        demo.failures.push(format!("{error:#}"));
    }
    Report { ok: demo.failures.is_empty(), ledgers: [("xero", demo.xero)].into(), failures: demo.failures }
}

struct Demo {
    xero: LedgerReport,
    failures: Vec<String>,
}

impl Demo {
    async fn through(&mut self, local: &LocalRun, story: &mut Story) -> anyhow::Result<()> {
        story.step("A studio bills a client");
        let studio = Studio::open(local, "Harbour Lane Studio").await?;
        story.say(&format!("Harbour Lane Studio is workspace {}.", studio.workspace_id));
        let client = studio.add_client("Juniper & Finch Ltd", "accounts@juniperfinch.example").await?;
        story.say(&format!("Its client is Juniper & Finch Ltd, {client}."));
        let invoice = studio.send_invoice(&client, &lines()).await?;
        let totals = totals_of(&invoice)?;
        story.say(&format!("Invoice {} is sent: {} {}.", text(&invoice, "/number"), grouped(totals.total), totals.currency));
        for line in invoice.pointer("/lines").and_then(Value::as_array).into_iter().flatten() {
            let (quantity, price, rate) = (text(line, "/quantity"), text(line, "/unit_price"), text(line, "/tax_rate"));
            story.detail(&format!("{quantity:>4} x {price:>8}, tax {rate:>2}%   {}", text(line, "/description")));
        }

        story.step("Connect Xero");
        self.connect(local, &studio, story).await?;

        story.step("Click \"Sync to Xero\"");
        self.xero.first = sync(&studio, &invoice).await?;
        story.synced(&self.xero.first);
        story.say(&self.xero.first.external_url);
        let equal = self.compare(&studio, &invoice, story).await?;

        story.step("Click again");
        self.xero.second = sync(&studio, &invoice).await?;
        story.synced(&self.xero.second);

        story.step("Edit the invoice, then click");
        let invoice = studio.edit_line(&invoice, "/lines/1/quantity", json!("4")).await?;
        let totals = totals_of(&invoice)?;
        story.say(&format!("Four licences instead of three: now {} {}.", grouped(totals.total), totals.currency));
        self.xero.third = sync(&studio, &invoice).await?;
        story.synced(&self.xero.third);
        self.xero.totals_equal = self.compare(&studio, &invoice, story).await? && equal;

        story.step("What Xero holds, by its own count");
        let state = studio.in_xero().await?;
        self.xero.documents = count(&state, "/documents");
        self.xero.contacts = count(&state, "/contacts");
        story.say(&format!("Documents: {}. Contacts: {}.", self.xero.documents, self.xero.contacts));
        self.judge();
        Ok(())
    }

    async fn connect(&mut self, local: &LocalRun, studio: &Studio, story: &mut Story) -> anyhow::Result<()> {
        story.say("The owner clicks Connect, and allows it at Xero. The browser goes:");
        let hops = studio.connect_xero().await?;
        for hop in &hops {
            let site = if hop.url.as_str().starts_with(&local.origin) { "CoPortal" } else { "Xero" };
            story.detail(&format!("{site:<9} {:<32} {}", hop.url.path(), hop.reply.status.as_u16()));
        }
        let connection = studio.connection().await?;
        if text(&connection, "/status") != "connected" {
            let end = hops.last().map(|hop| hop.url.path().to_owned()).unwrap_or_default();
            bail!("the connection is {connection} after the sign-in, which ended at {end}");
        }
        let of = |part: &str| text(&connection, &format!("/organisation/{part}")).to_owned();
        self.xero.organisation = Organisation { id: of("id"), name: of("name") };
        story.say(&format!("Connected to {} ({}).", self.xero.organisation.name, self.xero.organisation.id));
        Ok(())
    }

    /// CoPortal's totals beside those of the ledger's document.
    async fn compare(&mut self, studio: &Studio, invoice: &Value, story: &mut Story) -> anyhow::Result<bool> {
        let state = studio.in_xero().await?;
        let document = state.pointer("/documents/0").context("Xero has no document")?;
        self.xero.coportal = totals_of(invoice)?;
        self.xero.ledger = Totals {
            subtotal: decimal(document, "/subtotal")?,
            tax: decimal(document, "/tax")?,
            total: decimal(document, "/total")?,
            currency: text(document, "/currency").to_owned(),
        };
        story.totals(&self.xero.coportal, &self.xero.ledger);
        Ok(self.xero.coportal == self.xero.ledger)
    }

    fn judge(&mut self) {
        let LedgerReport { first, second, third, documents, contacts, totals_equal, .. } = &self.xero;
        let seen = |sync: &SyncReport| u64::try_from(sync.seen.len()).unwrap_or(u64::MAX);
        let promises = [
            (first.changed == "created", "the first sync creates the document"),
            (!first.external_id.is_empty() && !first.external_number.is_empty(), "the ledger's id and number come back"),
            (first.external_url.starts_with("https://"), "a link leads to the document"),
            (first.vendor_calls <= 3, "an unknown contact costs three calls at most"),
            (second.changed == "nothing" && second.vendor_calls == 0, "an unchanged invoice costs no call"),
            (third.changed == "updated" && third.external_id == first.external_id, "an edit updates the same document"),
            (third.vendor_calls == 2, "an update is one read and one write"),
            ([first, second, third].iter().all(|sync| sync.state == "synced"), "each sync ends as synced"),
            ([first, second, third].iter().all(|sync| sync.vendor_calls == seen(sync)), "the ledger saw the calls that were counted"),
            (*documents == 1, "the ledger has one document"),
            (*contacts == 1, "the ledger has one contact"),
            (*totals_equal, "totals are equal to the cent"),
        ];
        self.failures.extend(promises.iter().filter(|(kept, _)| !kept).map(|(_, promise)| (*promise).to_owned()));
    }
}

/// Three lines: a round one, one whose tax has a fraction of a cent, one with fractions of units and cents and no tax.
fn lines() -> Value {
    json!([
        {"description": "Brand identity, first round", "quantity": "1", "unit_price": "1250.00", "tax_rate": "20"},
        {"description": "Type licences", "quantity": "3", "unit_price": "33.33", "tax_rate": "20"},
        {"description": "Printed guides", "quantity": "7.5", "unit_price": "12.345", "tax_rate": "0"},
    ])
}

/// One click.
async fn sync(studio: &Studio, invoice: &Value) -> anyhow::Result<SyncReport> {
    let before = studio.xero_calls("api").await?.len();
    let answer = studio.synced(invoice).await?;
    let seen = studio.xero_calls("api").await?.split_off(before);
    let of = |pointer: &str| text(&answer, pointer).to_owned();
    Ok(SyncReport {
        state: of("/state"),
        changed: of("/changed"),
        external_id: of("/external_id"),
        external_number: of("/external_number"),
        external_url: of("/external_url"),
        vendor_calls: answer.pointer("/vendor_calls").and_then(Value::as_u64).context("the answer counts no vendor calls")?,
        seen: seen.iter().map(shown).collect(),
    })
}

/// A call as the ledger saw it. The query stays out: it holds what is searched for.
fn shown(call: &Value) -> String {
    let path = text(call, "/path").split('?').next().unwrap_or_default();
    format!("{:<5} {path}", text(call, "/method"))
}

fn count(value: &Value, pointer: &str) -> usize {
    value.pointer(pointer).and_then(Value::as_array).map_or(0, Vec::len)
}

fn decimal(value: &Value, pointer: &str) -> anyhow::Result<Decimal> {
    text(value, pointer).parse().with_context(|| format!("{pointer} is no decimal"))
}

fn totals_of(invoice: &Value) -> anyhow::Result<Totals> {
    Ok(Totals {
        subtotal: decimal(invoice, "/totals/subtotal/amount")?,
        tax: decimal(invoice, "/totals/tax/amount")?,
        total: decimal(invoice, "/totals/total/amount")?,
        currency: text(invoice, "/currency").to_owned(),
    })
}
