//! What the demo does, in order.

use anyhow::{Context as _, bail};
use coportal_core::ledger::Ledger;
use http::Method;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::contacts;
use super::report::{LedgerReport, Organisation, Report, SyncReport, Totals};
use super::story::{Story, grouped};
use crate::run::LocalRun;
use crate::studio::{Desk, Studio, text};

/// Tells the main job, ledger by ledger, and answers what was found. A step that cannot be taken ends a ledger's story; what went before
/// stays in the report.
pub(super) async fn tell(local: &LocalRun, story: &mut Story) -> Report {
    let mut report = Report::default();
    let names: Vec<&str> = local.ledgers.iter().map(|ledger| ledger.ledger.label()).collect();
    story.open(&names);
    for ledger in &local.ledgers {
        let mut demo = Demo { ledger: ledger.ledger, report: LedgerReport::default(), failures: Vec::new() };
        if let Err(error) = demo.through(local, story).await {
            demo.failures.push(format!("{error:#}"));
        }
        report.ledgers.insert(ledger.ledger.slug(), demo.report);
        report.failures.extend(demo.failures.iter().map(|failure| format!("{}: {failure}", ledger.ledger.label())));
    }
    report.ok = report.failures.is_empty() && !report.ledgers.is_empty();
    report
}

struct Demo {
    ledger: Ledger,
    report: LedgerReport,
    failures: Vec<String>,
}

impl Demo {
    async fn through(&mut self, local: &LocalRun, story: &mut Story) -> anyhow::Result<()> {
        let label = self.ledger.label();
        story.ledger(label);
        story.step("A studio bills a client");
        let studio = Studio::open(local, "Harbour Lane Studio").await?;
        let desk = studio.at(self.ledger);
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

        story.step(&format!("Connect {label}"));
        self.connect(local, desk, story).await?;

        story.step(&format!("Click \"Sync to {label}\""));
        self.report.first = self.first(desk, &invoice, story).await?;
        story.synced(label, &self.report.first);
        story.say(&self.report.first.external_url);
        let equal = self.compare(desk, &invoice, story).await?;

        story.step("Click again");
        self.report.second = click(desk, &invoice).await?;
        story.synced(label, &self.report.second);

        story.step("Edit the invoice, then click");
        let invoice = studio.edit_line(&invoice, "/lines/1/quantity", json!("4")).await?;
        let totals = totals_of(&invoice)?;
        story.say(&format!("Four licences instead of three: now {} {}.", grouped(totals.total), totals.currency));
        self.report.third = click(desk, &invoice).await?;
        story.synced(label, &self.report.third);
        self.report.totals_equal = self.compare(desk, &invoice, story).await? && equal;

        story.step(&format!("What {label} holds, by its own count"));
        let state = desk.state().await?;
        self.report.documents = count(&state, "/documents");
        self.report.contacts = count(&state, "/contacts");
        story.say(&format!("Documents: {}. Contacts: {}.", self.report.documents, self.report.contacts));
        self.judge();

        self.pay(desk, &invoice, story).await?;
        self.void(desk, &client, story).await?;
        self.import(desk, story).await
    }

    /// The ledger's contacts, previewed and imported (R24-R29).
    async fn import(&mut self, desk: Desk<'_>, story: &mut Story) -> anyhow::Result<()> {
        story.step("Import contacts: a preview first, then what is ticked");
        self.report.import = contacts::import(desk, story).await.context("the import")?;
        let told = &self.report.import;
        let promises = [
            ((told.new, told.duplicate_email, told.linked) == (1, 1, 1), "the preview shows each of the three statuses once"),
            (told.vendor_calls == 1, "a list of one page costs one call"),
            (told.created == 1 && told.clients == 3, "exactly the new contact becomes a client"),
            (told.created_again == 1 && told.clients_again == 3, "the same import again makes nothing more"),
        ];
        self.keep(&promises);
        Ok(())
    }

    async fn connect(&mut self, local: &LocalRun, desk: Desk<'_>, story: &mut Story) -> anyhow::Result<()> {
        let label = self.ledger.label();
        story.say(&format!("The owner clicks Connect, and allows it at {label}. The browser goes:"));
        let hops = desk.connect().await?;
        for hop in &hops {
            let site = if hop.url.as_str().starts_with(&local.origin) { "CoPortal" } else { "ledger" };
            story.detail(&format!("{site:<9} {:<32} {}", hop.url.path(), hop.reply.status.as_u16()));
        }
        let mut connection = desk.connection().await?;
        if text(&connection, "/status") == "choose_organisation" {
            self.choose(desk, story).await?;
            connection = desk.connection().await?;
        }
        if text(&connection, "/status") != "connected" {
            let end = hops.last().map(|hop| hop.url.path().to_owned()).unwrap_or_default();
            bail!("the connection is {connection} after the sign-in, which ended at {end}");
        }
        let of = |part: &str| text(&connection, &format!("/organisation/{part}")).to_owned();
        self.report.organisation = Organisation { id: of("id"), name: of("name") };
        story.say(&format!("Connected to {} ({}).", self.report.organisation.name, self.report.organisation.id));
        Ok(())
    }

    /// Several organisations were granted: the owner takes the first.
    async fn choose(&self, desk: Desk<'_>, story: &mut Story) -> anyhow::Result<()> {
        let path = format!("/v1/integrations/{}", self.ledger);
        let offered = desk.studio.owner.get(&format!("{path}/organisations")).await?.json();
        let first = text(&offered, "/items/0/id").to_owned();
        story.say(&format!("Several organisations were granted; the owner chooses {}.", text(&offered, "/items/0/name")));
        let chosen =
            desk.studio.owner.send(Method::PUT, &format!("{path}/organisation"), Some(&json!({"organisation_id": first})), &[]).await?;
        if !chosen.status.is_success() {
            bail!("the organisation could not be chosen: {}", chosen.text());
        }
        Ok(())
    }

    /// The first click, and the answers to what it asks: a ledger without drafts keeps the invoice here until somebody posts it (C8), and
    /// one that publishes no tax percentages asks for the code of each rate that it applied otherwise (C11).
    async fn first(&mut self, desk: Desk<'_>, invoice: &Value, story: &mut Story) -> anyhow::Result<SyncReport> {
        let mut report = answering(desk, invoice, story).await.context("the first sync")?;
        if report.changed == "updated" {
            // The first answer made the draft; a later one put its tax right before anything was posted.
            report.changed = "created".to_owned();
        }
        Ok(report)
    }

    /// A payment, where the connection pushes them (C1).
    async fn pay(&mut self, desk: Desk<'_>, invoice: &Value, story: &mut Story) -> anyhow::Result<()> {
        story.step("Push payments, by option: approve, receive a payment, click");
        desk.set_options(&json!({"payments": "push", "on_void": "void", "sync_as_draft": false})).await?;
        if text(&first_document(&desk.state().await?)?, "/status").eq_ignore_ascii_case("draft") {
            desk.approved(invoice).await?;
            story.say("The draft is approved first, after its totals were checked there.");
        }
        let total = totals_of(invoice)?.total;
        let paid = desk.studio.pay_invoice(invoice, "pay-1", &total.to_string()).await?;
        self.report.payment = answering(desk, &paid, story).await.context("the payment")?;
        story.synced(self.ledger.label(), &self.report.payment);
        let again = click(desk, &paid).await.context("the payment again")?;
        let state = desk.state().await?;
        self.report.payments = count(&state, "/payments");
        story.say(&format!("Payments in the ledger: {}.", self.report.payments));
        let promises = [
            (self.report.payments == 1, "one payment is recorded"),
            (again.changed == "nothing" && again.vendor_calls == 0, "a payment is not recorded twice"),
        ];
        self.keep(&promises);
        Ok(())
    }

    /// A second invoice, voided, where the connection voids (C10).
    async fn void(&mut self, desk: Desk<'_>, client: &str, story: &mut Story) -> anyhow::Result<()> {
        story.step("Void in the ledger, by option: a second invoice, synced, voided, clicked");
        let second = desk.studio.send_invoice(client, &lines()).await?;
        let made = click(desk, &second).await.context("the second invoice")?;
        desk.studio.void_invoice(&second).await?;
        self.report.void = click(desk, &second).await.context("the void")?;
        story.synced(self.ledger.label(), &self.report.void);
        let state = desk.state().await?;
        let live = |document: &&Value| {
            !["void", "voided", "deleted", "canceled", "cancelled"].contains(&text(document, "/status").to_lowercase().as_str())
        };
        let documents = state.pointer("/documents").and_then(Value::as_array).cloned().unwrap_or_default();
        let left = documents.iter().filter(live).count();
        story.say(&format!("Documents that count: {left}."));
        let promises = [
            (made.changed == "created", "the second invoice is created"),
            (self.report.void.changed == "updated", "the void reaches the ledger"),
            (left == 1, "the voided document no longer counts, and the paid one still does"),
        ];
        self.keep(&promises);
        Ok(())
    }

    /// CoPortal's totals beside those of the ledger's document.
    async fn compare(&mut self, desk: Desk<'_>, invoice: &Value, story: &mut Story) -> anyhow::Result<bool> {
        let document = first_document(&desk.state().await?)?;
        self.report.coportal = totals_of(invoice)?;
        self.report.ledger = Totals {
            subtotal: decimal(&document, "/subtotal")?,
            tax: decimal(&document, "/tax")?,
            total: decimal(&document, "/total")?,
            currency: text(&document, "/currency").to_owned(),
        };
        story.totals(self.ledger.label(), &self.report.coportal, &self.report.ledger);
        Ok(self.report.coportal == self.report.ledger)
    }

    fn judge(&mut self) {
        let LedgerReport { first, second, third, documents, contacts, totals_equal, .. } = &self.report;
        let seen = |sync: &SyncReport| u64::try_from(sync.seen.len()).unwrap_or(u64::MAX);
        let promises = [
            (first.changed == "created", "the first sync creates the document"),
            (!first.external_id.is_empty(), "the ledger's id comes back"),
            (second.changed == "nothing" && second.vendor_calls == 0, "an unchanged invoice costs no call"),
            (third.changed == "updated" && third.external_id == first.external_id, "an edit updates the same document"),
            (third.vendor_calls <= 2, "an update costs two calls at most"),
            ([first, second, third].iter().all(|sync| sync.state == "synced"), "each sync ends as synced"),
            (first.vendor_calls <= seen(first), "the ledger saw the calls of the first click"),
            ([second, third].iter().all(|sync| sync.vendor_calls == seen(sync)), "the ledger saw the calls that were counted"),
            (*documents == 1, "the ledger has one document"),
            (*contacts == 1, "the ledger has one contact"),
            (*totals_equal, "totals are equal to the cent"),
        ];
        self.keep(&promises);
    }

    fn keep(&mut self, promises: &[(bool, &str)]) {
        self.failures.extend(promises.iter().filter(|(kept, _)| !kept).map(|(_, promise)| (*promise).to_owned()));
    }
}

/// What the owner of this demo answers: post it; the tax code whose name has the rate; the current account.
fn answer_to(asked: &Value) -> Option<Value> {
    let choices = asked.pointer("/hold/choices").and_then(Value::as_array)?;
    let fits = |choice: &&Value| match text(asked, "/code") {
        "post_held" => text(choice, "/id") == "post",
        "choose_payment_account" => text(choice, "/label").contains("Current"),
        "map_tax" => {
            let (rate, code) = text(choice, "/id").split_once('=').unwrap_or_default();
            !rate.is_empty() && (code.contains(rate) || text(choice, "/label").contains(rate))
        }
        _ => false,
    };
    choices.iter().find(fits).cloned()
}

fn first_document(state: &Value) -> anyhow::Result<Value> {
    state.pointer("/documents/0").cloned().context("the ledger has no document")
}

/// Three lines: a round one, one whose tax has a fraction of a cent, one with fractions of units and cents at a lower rate.
fn lines() -> Value {
    json!([
        {"description": "Brand identity, first round", "quantity": "1", "unit_price": "1250.00", "tax_rate": "20"},
        {"description": "Type licences", "quantity": "3", "unit_price": "33.33", "tax_rate": "20"},
        {"description": "Printed guides", "quantity": "7.5", "unit_price": "12.345", "tax_rate": "5"},
    ])
}

/// One click.
async fn click(desk: Desk<'_>, invoice: &Value) -> anyhow::Result<SyncReport> {
    let before = desk.calls("api").await?.len();
    let answer = desk.synced(invoice).await?;
    report_of(&answer, &desk.calls("api").await?.split_off(before))
}

/// One click, and an answer to each question that it raises.
async fn answering(desk: Desk<'_>, invoice: &Value, story: &mut Story) -> anyhow::Result<SyncReport> {
    let before = desk.calls("api").await?.len();
    let mut reply = desk.sync(invoice).await?;
    for _ in 0..4 {
        if reply.status.is_success() {
            break;
        }
        let asked = reply.json();
        let Some(choice) = answer_to(&asked) else { break };
        story.say(&format!("Asked: {}", text(&asked, "/detail")));
        story.say(&format!("The owner answers: {}.", text(&choice, "/label")));
        let path = format!("/v1/invoices/{}/sync/{}/resolve", text(invoice, "/id"), desk.ledger);
        let body = json!({"hold_id": text(&asked, "/hold/id"), "choice": text(&choice, "/id")});
        reply = desk.studio.owner.post(&path, &body).await?;
    }
    if !reply.status.is_success() {
        bail!("{}", reply.text());
    }
    report_of(&reply.json(), &desk.calls("api").await?.split_off(before))
}

fn report_of(answer: &Value, seen: &[Value]) -> anyhow::Result<SyncReport> {
    let of = |pointer: &str| text(answer, pointer).to_owned();
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
