//! Clients and invoices that pages show.

use coportal_aws::records::clients::ClientSaved;
use coportal_aws::records::invoices::{InvoiceSaved, Written};
use coportal_core::client::Client;
use coportal_core::id::{ClientId, InvoiceId, LineId};
use coportal_core::invoice::{Invoice, InvoiceStatus, LineItem, TaxMode};
use coportal_core::money::{Money, Rate};
use coportal_core::workspace::TaxRounding;
use jiff::SignedDuration;
use rust_decimal::Decimal;

use crate::world::{Tenant, World};

/// What somebody might type to break a page.
pub(crate) const HOSTILE: &str = r#"<script>alert(1)</script>"><img src=x onerror=alert(2)>'"#;

impl World {
    /// A client with that name.
    pub(crate) async fn client(&self, tenant: Tenant, name: &str, email: &str) -> Client {
        self.advance(SignedDuration::from_millis(2));
        let ctx = self.ctx();
        let client = Client {
            id: ClientId::new(ctx.uuid()),
            name: name.to_owned(),
            email: email.to_owned(),
            company: None,
            phone: None,
            billing_address: None,
            notes: None,
            archived: false,
        };
        assert_eq!(self.store().create_client(&ctx, tenant.id, &client, None).await.unwrap(), ClientSaved::Done);
        client
    }

    /// An invoice of two lines at 20 %, GBP 1,530.00 in all.
    pub(crate) async fn invoice(&self, tenant: Tenant, client: &Client, number: &str, status: InvoiceStatus) -> Invoice {
        self.advance(SignedDuration::from_millis(2));
        let ctx = self.ctx();
        let line = |description: &str, quantity: Decimal, price: Decimal| LineItem {
            id: LineId::new(ctx.uuid()),
            description: description.to_owned(),
            quantity,
            unit_price: price,
            tax_rate: Rate::try_from(Decimal::from(20)).ok(),
            discount_percent: None,
        };
        let invoice = Invoice {
            id: InvoiceId::new(ctx.uuid()),
            number: number.to_owned(),
            client_id: client.id,
            currency: "GBP".parse().unwrap(),
            issue_date: "2026-03-02".parse().unwrap(),
            due_date: "2026-03-30".parse().ok(),
            status,
            tax_mode: TaxMode::Exclusive,
            lines: vec![
                line("Design of the spring catalogue", Decimal::ONE, Decimal::from(1_250)),
                line("Hosting", Decimal::new(25, 1), Decimal::from(10)),
            ],
            payments: Vec::new(),
            version: 1,
            created_at: ctx.now(),
        };
        self.store_invoice(tenant, &invoice).await;
        invoice
    }

    /// Stores an invoice as it is.
    pub(crate) async fn store_invoice(&self, tenant: Tenant, invoice: &Invoice) {
        let total = Money::new(invoice.totals(TaxRounding::Line).total, invoice.currency);
        let saved = self.store().create_invoice(&self.ctx(), tenant.id, Written { invoice, total }, None).await.unwrap();
        assert_eq!(saved, InvoiceSaved::Done);
    }
}
