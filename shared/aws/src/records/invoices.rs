//! Invoices, and the claims of their numbers.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use coportal_core::ctx::Ctx;
use coportal_core::id::{ClientId, InvoiceId, WorkspaceId};
use coportal_core::invoice::Invoice;
use coportal_core::money::Money;

use crate::error::StoreError;
use crate::keys::{self, Index, Key};
use crate::store::{Change, Condition, Fields, Kind, Page, Range, Store, Transacted, from_item, key_of};

/// How a save ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum InvoiceSaved {
    /// It is stored.
    Done,
    /// Another invoice has the number.
    NumberTaken,
    /// The invoice is not at the version that was read.
    Stale,
    /// The change that was to happen with it was refused (an idempotency record that another attempt holds).
    CompanionRefused,
}

/// What is stored beside the invoice itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written<'a> {
    /// The invoice as it is to be; its `version` is the new one.
    pub invoice: &'a Invoice,
    /// What it comes to, for lists.
    pub total: Money,
}

impl Store {
    /// One invoice.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn invoice(&self, ws: WorkspaceId, inv: InvoiceId) -> Result<Option<Invoice>, StoreError> {
        let item = self.get(&keys::invoice(ws, inv)).await?;
        item.map(|item| from_item(Kind::Invoice, item)).transpose()
    }

    /// Several invoices by their ids; one that is not there is not in the answer.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn invoices_by_id(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        ids: impl IntoIterator<Item = InvoiceId>,
    ) -> Result<BTreeMap<InvoiceId, Invoice>, StoreError> {
        let wanted: Vec<Key> = ids.into_iter().map(|inv| keys::invoice(ws, inv)).collect();
        let mut invoices = BTreeMap::new();
        for item in self.batch_get(ctx, &wanted).await?.into_iter().flatten() {
            let invoice: Invoice = from_item(Kind::Invoice, item)?;
            invoices.insert(invoice.id, invoice);
        }
        Ok(invoices)
    }

    /// A page of invoices, newest first.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn invoices(&self, ws: WorkspaceId, after: Option<InvoiceId>, limit: u32) -> Result<Page<Invoice>, StoreError> {
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut after = after.map(|inv| inv.to_string());
        let mut invoices: Vec<Invoice> = Vec::new();
        loop {
            // One more than a page, so that the last page knows that it is the last; a page of the table may end early, at 1 MB.
            let range = Range {
                after: after.as_deref(),
                newest_first: true,
                limit: i32::try_from(limit.saturating_add(1)).ok(),
                ..Range::default()
            };
            let page = self.query(&keys::invoices_pk(ws), &range).await?;
            for item in page.items {
                if invoices.len() == wanted {
                    return Ok(Page { next: invoices.last().map(|last| last.id.to_string()), items: invoices });
                }
                invoices.push(from_item(Kind::Invoice, item)?);
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(Page { items: invoices, next: None }),
            }
        }
    }

    /// All invoices of a client, oldest first. The index names them (it lags a moment), the table answers.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn invoices_of_client(&self, ctx: &Ctx, ws: WorkspaceId, cl: ClientId) -> Result<Vec<Invoice>, StoreError> {
        let partition = keys::invoices_of_client_pk(ws, cl);
        let (mut invoices, mut after): (Vec<Invoice>, Option<String>) = (Vec::new(), None);
        loop {
            let page = self.query_index(Index::List, &partition, &Range { after: after.as_deref(), ..Range::default() }).await?;
            let named = page.items.iter().filter_map(key_of).map(|(pk, sk)| Key { pk: pk.to_owned(), sk: sk.to_owned() });
            let named: Vec<Key> = named.collect();
            for item in self.batch_get(ctx, &named).await?.into_iter().flatten() {
                let invoice: Invoice = from_item(Kind::Invoice, item)?;
                if invoice.client_id == cl {
                    invoices.push(invoice);
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(invoices),
            }
        }
    }

    /// Draws the next number of the workspace's counter. A number that is drawn and then not used leaves a gap.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn draw_invoice_number(&self, ctx: &Ctx, ws: WorkspaceId) -> Result<u64, StoreError> {
        self.draw(ctx, &keys::workspace(ws), "next_number").await
    }

    /// Stores a new invoice with the claim of its number and, if given, `companion` (an idempotency record): all or nothing.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn create_invoice(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        written: Written<'_>,
        companion: Option<Change>,
    ) -> Result<InvoiceSaved, StoreError> {
        let invoice = written.invoice;
        let put = Change::put(keys::invoice(ws, invoice.id), fields(ctx, ws, written)?).when(Condition::absent());
        let mut changes = vec![put, claim_number(ws, invoice)];
        let with_companion = companion.is_some();
        changes.extend(companion);
        let outcome = self.transact(ctx, changes).await?;
        Ok(match outcome {
            Transacted::Done => InvoiceSaved::Done,
            Transacted::Refused(_) if with_companion && outcome.refusal(2).is_some() => InvoiceSaved::CompanionRefused,
            Transacted::Refused(_) if outcome.refusal(1).is_some() => InvoiceSaved::NumberTaken,
            Transacted::Refused(_) => InvoiceSaved::Stale,
        })
    }

    /// Stores a changed invoice on the version that was read, with the claim of a changed number and, if given, `companion`.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn save_invoice(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        before: &Invoice,
        written: Written<'_>,
        companion: Option<Change>,
    ) -> Result<InvoiceSaved, StoreError> {
        let invoice = written.invoice;
        let unmoved = Condition::new("#version = :seen").number(":seen", before.version);
        let mut changes = vec![Change::update(keys::invoice(ws, invoice.id), fields(ctx, ws, written)?).when(unmoved)];
        let with_companion = companion.is_some();
        changes.extend(companion);
        let old_number = keys::number(ws, &before.number);
        let renumbered = old_number != keys::number(ws, &invoice.number);
        let claim = changes.len();
        if renumbered {
            changes.push(claim_number(ws, invoice));
            let ours = Condition::new("attribute_not_exists(#pk) OR #inv = :inv").text(":inv", invoice.id.to_string());
            changes.push(Change::delete(old_number).when(ours));
        }
        let outcome = self.transact(ctx, changes).await?;
        Ok(match outcome {
            Transacted::Done => InvoiceSaved::Done,
            Transacted::Refused(_) if outcome.refusal(0).is_some() => InvoiceSaved::Stale,
            Transacted::Refused(_) if with_companion && outcome.refusal(1).is_some() => InvoiceSaved::CompanionRefused,
            Transacted::Refused(_) if renumbered && outcome.refusal(claim).is_some() => InvoiceSaved::NumberTaken,
            Transacted::Refused(_) => InvoiceSaved::Stale,
        })
    }
}

fn claim_number(ws: WorkspaceId, invoice: &Invoice) -> Change {
    let inv = invoice.id.to_string();
    let free = Condition::new("attribute_not_exists(#pk) OR #inv = :inv").text(":inv", &inv);
    Change::update(keys::number(ws, &invoice.number), Fields::empty(Kind::InvoiceNumber).text("inv", inv)).when(free)
}

/// The invoice with its due mark, which the fan-out removes once every connection that wants this version knows of it, and its place in
/// the list of its client's invoices.
fn fields(ctx: &Ctx, ws: WorkspaceId, written: Written<'_>) -> Result<Fields, StoreError> {
    let Written { invoice, total } = written;
    Ok(Fields::of(Kind::Invoice, invoice)?
        .text("ws", ws)
        .text("inv", invoice.id)
        .text("total", total.amount)
        .number("autosync_version", invoice.version)
        .due(Some(keys::due_invoice(ctx.now(), ws, invoice.id)))
        .listed(Some(keys::invoice_of_client(ws, invoice.client_id, invoice.issue_date, invoice.id)))
        .set("ids", AttributeValue::L(vec![AttributeValue::S(invoice.id.to_string()), AttributeValue::S(invoice.client_id.to_string())])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::idempotency;
    use crate::records::idempotency::{Begin, KeptAnswer};
    use crate::testing::{Fault, Services};
    use coportal_core::id::LineId;
    use coportal_core::invoice::{InvoiceStatus, LineItem, Payment, TaxMode};
    use coportal_core::workspace::{Plan, TaxRounding, Workspace};
    use rust_decimal::Decimal;
    use uuid::Uuid;

    fn ws() -> WorkspaceId {
        WorkspaceId::new(Uuid::from_u128(1))
    }

    fn invoice(id: u128, number: &str) -> Invoice {
        Invoice {
            id: InvoiceId::new(Uuid::from_u128(id)),
            number: number.to_owned(),
            client_id: ClientId::new(Uuid::from_u128(2)),
            currency: "GBP".parse().unwrap(),
            issue_date: "2026-03-01".parse().unwrap(),
            due_date: Some("2026-03-31".parse().unwrap()),
            status: InvoiceStatus::Sent,
            tax_mode: TaxMode::Inclusive,
            lines: vec![LineItem {
                id: LineId::new(Uuid::from_u128(3)),
                description: "Design".to_owned(),
                quantity: Decimal::new(25, 1),
                unit_price: Decimal::new(80_000_001, 6),
                tax_rate: None,
                discount_percent: Some(Decimal::TEN),
            }],
            payments: vec![Payment { payment_id: "p".to_owned(), amount: Decimal::new(1000, 2), date: "2026-03-02".parse().unwrap() }],
            version: 1,
            created_at: "2026-03-01T09:00:00.123456789Z".parse().unwrap(),
        }
    }

    fn written(invoice: &Invoice) -> Written<'_> {
        Written { invoice, total: Money::new(Decimal::from(200), invoice.currency) }
    }

    #[tokio::test]
    async fn an_invoice_comes_back_as_it_was_stored() {
        let services = Services::new();
        let (store, ctx) = (services.cloud().store, services.ctx());
        let invoice = invoice(7, "A-1");
        assert_eq!(store.create_invoice(&ctx, ws(), written(&invoice), None).await.unwrap(), InvoiceSaved::Done);
        assert_eq!(store.invoice(ws(), invoice.id).await.unwrap(), Some(invoice.clone()));
        let bare = Invoice { due_date: None, payments: Vec::new(), version: 2, ..invoice.clone() };
        assert_eq!(store.save_invoice(&ctx, ws(), &invoice, written(&bare), None).await.unwrap(), InvoiceSaved::Done);
        assert_eq!(store.invoice(ws(), invoice.id).await.unwrap(), Some(bare));
    }

    /// The SDK asks again after a lost answer: the second try must not read as somebody else's claim of the number.
    #[tokio::test]
    async fn a_lost_answer_is_not_a_taken_number_or_a_stale_version() {
        let services = Services::new();
        let (store, ctx) = (services.cloud().store, services.ctx());
        let first = invoice(7, "A-1");
        services.fault(0, Fault::LoseAnswer);
        assert_eq!(store.create_invoice(&ctx, ws(), written(&first), None).await.unwrap(), InvoiceSaved::Done);
        let second = Invoice { version: 2, number: "A-2".to_owned(), ..first.clone() };
        services.fault(0, Fault::LoseAnswer);
        assert_eq!(store.save_invoice(&ctx, ws(), &first, written(&second), None).await.unwrap(), InvoiceSaved::Done);
        assert_eq!(store.save_invoice(&ctx, ws(), &first, written(&second), None).await.unwrap(), InvoiceSaved::Stale);
    }

    #[tokio::test]
    async fn a_refused_companion_keeps_the_invoice_from_happening() {
        let services = Services::new();
        let (store, ctx) = (services.cloud().store, services.ctx());
        let key = idempotency(ws(), "ann", "POST /v1/invoices", "k");
        let Begin::Mine(claim) = store.begin_idempotent(&ctx, key.clone(), "body").await.unwrap() else { panic!("the key is fresh") };
        // The first attempt is slow; another takes the key over.
        services.advance(jiff::SignedDuration::from_secs(40));
        let ctx = services.ctx();
        assert!(matches!(store.begin_idempotent(&ctx, key, "body").await.unwrap(), Begin::Mine(_)));
        let answer = KeptAnswer { status: 201, location: None, body: b"{}".to_vec() };
        let invoice = invoice(7, "A-1");
        let companion = claim.completed(&answer).unwrap();
        let saved = store.create_invoice(&ctx, ws(), written(&invoice), Some(companion)).await.unwrap();
        assert_eq!(saved, InvoiceSaved::CompanionRefused);
        assert_eq!(store.invoice(ws(), invoice.id).await.unwrap(), None);
    }

    #[tokio::test]
    async fn numbers_are_drawn_once_and_a_lost_one_is_skipped() {
        let services = Services::new();
        let (store, ctx) = (services.cloud().store, services.ctx());
        assert!(store.draw_invoice_number(&ctx, ws()).await.is_err(), "no workspace");
        let workspace = Workspace {
            id: ws(),
            name: "North".to_owned(),
            plan: Plan::Solo,
            currency: "GBP".parse().unwrap(),
            country: "GB".to_owned(),
            tax_rounding: TaxRounding::Line,
            default_tax_rate: None,
        };
        let _ = store.put_workspace(&ctx, &workspace).await.unwrap();
        assert_eq!(store.draw_invoice_number(&ctx, ws()).await.unwrap(), 1);
        services.fault(0, Fault::LoseAnswer);
        assert_eq!(store.draw_invoice_number(&ctx, ws()).await.unwrap(), 3);
    }
}
