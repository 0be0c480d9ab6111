//! What the demo does, in order.

use anyhow::{Context as _, bail};
use coportal_core::workspace::Plan;
use http::Method;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::report::{LedgerReport, Organisation, Report, SyncReport, Totals};
use super::story::{Story, grouped};
use crate::caller::{Caller, Reply};
use crate::run::LocalRun;

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

/// The invoice as CoPortal has it.
struct Invoice {
    id: String,
    view: Value,
}

impl Demo {
    async fn through(&mut self, local: &LocalRun, story: &mut Story) -> anyhow::Result<()> {
        let anybody = Caller::new(&local.origin)?;

        story.step("A studio bills a client");
        let workspace = json!({"name": "Harbour Lane Studio", "plan": Plan::Studio, "currency": "GBP", "country": "GB"});
        let workspace = accepted("open a workspace", anybody.post("/__local/workspaces", &workspace).await?)?;
        let owner = anybody.with_token(text(&workspace, "/owner_token"));
        story.say(&format!("Harbour Lane Studio is workspace {}.", text(&workspace, "/workspace_id")));
        let client = json!({"name": "Juniper & Finch Ltd", "email": "accounts@juniperfinch.example"});
        let client = accepted("add a client", owner.post("/v1/clients", &client).await?)?;
        story.say(&format!("Its client is Juniper & Finch Ltd, {}.", text(&client, "/id")));
        let mut invoice = self.send_invoice(local, &owner, &client).await?;
        let totals = totals_of(&invoice.view)?;
        story.say(&format!("Invoice {} is sent: {} {}.", text(&invoice.view, "/number"), grouped(totals.total), totals.currency));
        for line in invoice.view.pointer("/lines").and_then(Value::as_array).into_iter().flatten() {
            let (quantity, price, rate) = (text(line, "/quantity"), text(line, "/unit_price"), text(line, "/tax_rate"));
            story.detail(&format!("{quantity:>4} x {price:>8}, tax {rate:>2}%   {}", text(line, "/description")));
        }

        story.step("Connect Xero");
        self.connect(local, &owner, story).await?;

        story.step("Click \"Sync to Xero\"");
        self.xero.first = sync(local, &owner, &invoice).await?;
        story.synced(&self.xero.first);
        story.say(&self.xero.first.external_url);
        let equal = self.compare(local, &invoice, story).await?;

        story.step("Click again");
        self.xero.second = sync(local, &owner, &invoice).await?;
        story.synced(&self.xero.second);

        story.step("Edit the invoice, then click");
        self.edit(&owner, &mut invoice).await?;
        let totals = totals_of(&invoice.view)?;
        story.say(&format!("Four licences instead of three: now {} {}.", grouped(totals.total), totals.currency));
        self.xero.third = sync(local, &owner, &invoice).await?;
        story.synced(&self.xero.third);
        self.xero.totals_equal = self.compare(local, &invoice, story).await? && equal;

        story.step("What Xero holds, by its own count");
        let state = control(local, Method::GET, "state", None).await?;
        self.xero.documents = count(&state, "/documents");
        self.xero.contacts = count(&state, "/contacts");
        story.say(&format!("Documents: {}. Contacts: {}.", self.xero.documents, self.xero.contacts));
        self.judge();
        Ok(())
    }

    async fn send_invoice(&mut self, local: &LocalRun, owner: &Caller, client: &Value) -> anyhow::Result<Invoice> {
        let today = local.cloud.clock.now().to_zoned(TimeZone::UTC).date();
        let body = json!({
            "client_id": client.pointer("/id"),
            "issue_date": today,
            "due_date": today.saturating_add(jiff::SignedDuration::from_hours(14 * 24)),
            "lines": [
                {"description": "Brand identity, first round", "quantity": "1", "unit_price": "1250.00", "tax_rate": "20"},
                {"description": "Type licences", "quantity": "3", "unit_price": "33.33", "tax_rate": "20"},
                {"description": "Printed guides", "quantity": "7.5", "unit_price": "12.345", "tax_rate": "0"},
            ],
        });
        let draft = accepted("write an invoice", owner.post("/v1/invoices", &body).await?)?;
        let id = text(&draft, "/id").to_owned();
        let sent = owner.send(Method::POST, &format!("/v1/invoices/{id}/send"), None, &[]).await?;
        Ok(Invoice { id, view: accepted("send the invoice", sent)? })
    }

    async fn connect(&mut self, local: &LocalRun, owner: &Caller, story: &mut Story) -> anyhow::Result<()> {
        let consent = json!({"decision": "approve"});
        control(local, Method::POST, "consent", Some(&consent)).await?;
        let start = accepted("begin to connect", owner.send(Method::POST, "/v1/integrations/xero/connect", None, &[]).await?)?;
        story.say("The owner clicks Connect, and allows it at Xero. The browser goes:");
        let hops = owner.browse(text(&start, "/authorize_url")).await?;
        for hop in &hops {
            let site = if hop.url.as_str().starts_with(&local.origin) { "CoPortal" } else { "Xero" };
            story.detail(&format!("{site:<9} {:<32} {}", hop.url.path(), hop.reply.status.as_u16()));
        }
        let list = accepted("list the integrations", owner.get("/v1/integrations").await?)?;
        let cards = list.pointer("/items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let connection = cards.iter().find(|card| text(card, "/ledger") == "xero").and_then(|card| card.pointer("/connection"));
        let connection = connection.context("the list of integrations has no connection to Xero")?;
        if text(connection, "/status") != "connected" {
            let end = hops.last().map(|hop| hop.url.path().to_owned()).unwrap_or_default();
            bail!("Xero is {} after the sign-in, which ended at {end}", text(connection, "/status"));
        }
        let of = |part: &str| text(connection, &format!("/organisation/{part}")).to_owned();
        self.xero.organisation = Organisation { id: of("id"), name: of("name") };
        story.say(&format!("Connected to {} ({}).", self.xero.organisation.name, self.xero.organisation.id));
        Ok(())
    }

    async fn edit(&mut self, owner: &Caller, invoice: &mut Invoice) -> anyhow::Result<()> {
        let seen = &invoice.view;
        let mut lines = seen.pointer("/lines").cloned().unwrap_or_default();
        *lines.pointer_mut("/1/quantity").context("the invoice has no second line")? = json!("4");
        let body = json!({
            "number": seen["number"], "client_id": seen["client_id"], "currency": seen["currency"], "issue_date": seen["issue_date"],
            "due_date": seen["due_date"], "tax_mode": seen["tax_mode"], "lines": lines,
        });
        let version = seen["version"].to_string();
        let path = format!("/v1/invoices/{}", invoice.id);
        let changed = owner.send(Method::PUT, &path, Some(&body), &[("if-match", &version)]).await?;
        invoice.view = accepted("edit the invoice", changed)?;
        Ok(())
    }

    /// CoPortal's totals beside those of the ledger's document.
    async fn compare(&mut self, local: &LocalRun, invoice: &Invoice, story: &mut Story) -> anyhow::Result<bool> {
        let state = control(local, Method::GET, "state", None).await?;
        let document = state.pointer("/documents/0").context("Xero has no document")?;
        self.xero.coportal = totals_of(&invoice.view)?;
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

/// One click.
async fn sync(local: &LocalRun, owner: &Caller, invoice: &Invoice) -> anyhow::Result<SyncReport> {
    let before = api_calls(local).await?.len();
    let path = format!("/v1/invoices/{}/sync/xero", invoice.id);
    let reply = owner.send(Method::POST, &path, None, &[]).await?;
    let answer = accepted("sync the invoice", reply)?;
    let seen = api_calls(local).await?.split_off(before);
    let of = |pointer: &str| text(&answer, pointer).to_owned();
    Ok(SyncReport {
        state: of("/state"),
        changed: of("/changed"),
        external_id: of("/external_id"),
        external_number: of("/external_number"),
        external_url: of("/external_url"),
        vendor_calls: answer.pointer("/vendor_calls").and_then(Value::as_u64).context("the answer counts no vendor calls")?,
        seen,
    })
}

/// The calls of the ledger's API, as the simulator saw them; the query stays out, for it holds what is searched for.
async fn api_calls(local: &LocalRun) -> anyhow::Result<Vec<String>> {
    let calls = control(local, Method::GET, "calls", None).await?;
    let calls = calls.as_array().context("the simulator's log is no list")?;
    let api = calls.iter().filter(|call| text(call, "/kind") == "api");
    Ok(api
        .map(|call| {
            let path = text(call, "/path");
            format!("{:<5} {}", text(call, "/method"), path.split('?').next().unwrap_or_default())
        })
        .collect())
}

async fn control(local: &LocalRun, method: Method, name: &str, body: Option<&Value>) -> anyhow::Result<Value> {
    let reply = Caller::new(&local.xero_origin)?.send(method, &format!("/__sim/{name}"), body, &[]).await?;
    accepted(&format!("/__sim/{name}"), reply)
}

fn accepted(what: &str, reply: Reply) -> anyhow::Result<Value> {
    if !reply.status.is_success() {
        bail!("{what}: {} {}", reply.status, reply.text());
    }
    serde_json::from_slice(&reply.body).with_context(|| format!("{what}: the answer is not JSON"))
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
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
