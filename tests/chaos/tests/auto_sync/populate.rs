//! Many clients and invoices, written by one process.

use chaos::world::World;
use coportal_aws::records::invoices::Written;
use coportal_core::client::Client;
use coportal_core::id::{ClientId, InvoiceId};
use coportal_core::invoice::Invoice;
use coportal_core::money::Money;
use coportal_core::workspace::TaxRounding;
use uuid::Uuid;

/// So many clients, the world's own included; all of them new to the ledger.
pub(crate) async fn clients(world: &World, count: u128) -> Vec<ClientId> {
    let engine = world.process().unwrap();
    let like = engine.store.client(world.workspace, world.client).await.unwrap().unwrap().value;
    let mut all = vec![world.client];
    for n in 1..count {
        let id = ClientId::new(Uuid::from_u128(0x0190_0000_0000_7000_c000_0000_0000_0000 | n));
        let client = Client { id, name: format!("Client {n:04} Ltd"), email: format!("office{n}@client.example"), ..like.clone() };
        let _ = engine.store.create_client(&world.ctx(), world.workspace, &client, None).await.unwrap();
        all.push(id);
    }
    all
}

/// So many sent invoices, the world's own included, the clients in turn.
pub(crate) async fn invoices(world: &World, clients: &[ClientId], count: usize) -> Vec<InvoiceId> {
    let engine = world.process().unwrap();
    let like = world.invoice().await.unwrap();
    let mut all = vec![world.invoice_id];
    for (n, client) in (0_u128..).zip(clients.iter().cycle()).take(count).skip(1) {
        let id = InvoiceId::new(Uuid::from_u128(0x0190_0000_0000_7000_d000_0000_0000_0000 | n));
        let invoice = Invoice { id, number: format!("INV-B{n:05}"), client_id: *client, version: 1, ..like.clone() };
        let total = Money::new(invoice.totals(TaxRounding::Line).total, invoice.currency);
        let _ = engine.store.create_invoice(&world.ctx(), world.workspace, Written { invoice: &invoice, total }, None).await.unwrap();
        all.push(id);
    }
    world.wire.disarm();
    all
}

/// Each invoice has one document, and each client one contact (I1, I2): none lost, none doubled.
pub(crate) fn none_lost_none_doubled(world: &World, invoices: usize, clients: usize) {
    let books = world.books();
    let live: Vec<_> = books.documents.into_iter().filter(|document| document.status != "voided").collect();
    let mut references: Vec<String> = live.into_iter().map(|document| document.number.or(document.reference).unwrap()).collect();
    references.sort();
    let documents = references.len();
    references.dedup();
    assert_eq!((documents, references.len()), (invoices, invoices));
    let ours = |name: &str| name == "Rosewood & Vale" || (name.starts_with("Client ") && name.ends_with(" Ltd"));
    assert_eq!(books.contacts.iter().filter(|contact| ours(&contact.name)).count(), clients);
}
