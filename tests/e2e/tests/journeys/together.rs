//! Many at once: one document, one contact.

use coportal_core::ledger::Ledger;
use coportal_local::studio::text;
use futures_util::future::join_all;

use crate::support::{connected, count, lines, settled};

/// Fifty impatient clicks on one invoice.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_clicks_at_once_make_one_document() {
    let (local, studio) = connected().await;
    let client = studio.add_client("Juniper & Finch Ltd", "accounts@juniperfinch.example").await.unwrap();
    let invoice = studio.send_invoice(&client, &lines()).await.unwrap();
    let replies = join_all((0..50).map(|_| studio.at(Ledger::Xero).sync(&invoice))).await;
    let mut statuses = std::collections::BTreeMap::<u16, u32>::new();
    for reply in replies {
        let reply = reply.unwrap();
        let (status, body) = (reply.status.as_u16(), reply.json());
        *statuses.entry(status).or_default() += 1;
        match status {
            200 => assert_eq!(text(&body, "/state"), "synced"),
            202 => {}
            409 => assert_eq!(text(&body, "/code"), "sync_in_progress"),
            _ => panic!("{status}: {}", reply.text()),
        }
    }
    println!("answers by status: {statuses:?}");
    settled(&local, &studio, &invoice).await;
    let state = studio.at(Ledger::Xero).state().await.unwrap();
    assert_eq!((count(&state, "documents"), count(&state, "contacts")), (1, 1));
    local.shutdown().await.unwrap();
}

/// C3: two invoices of a client that Xero does not know, at the same moment.
#[tokio::test(flavor = "multi_thread")]
async fn two_invoices_of_a_new_client_at_once_make_one_contact() {
    let (local, studio) = connected().await;
    for round in 0..5_usize {
        let client = studio.add_client(&format!("Client {round}"), &format!("client{round}@example.com")).await.unwrap();
        let one = studio.send_invoice(&client, &lines()).await.unwrap();
        let two = studio.send_invoice(&client, &lines()).await.unwrap();
        for reply in join_all([studio.at(Ledger::Xero).sync(&one), studio.at(Ledger::Xero).sync(&two)]).await {
            let reply = reply.unwrap();
            assert!(matches!(reply.status.as_u16(), 200 | 202 | 409), "{}", reply.text());
        }
        let (one, two) = (settled(&local, &studio, &one).await, settled(&local, &studio, &two).await);
        assert_ne!(one["external_id"], two["external_id"]);
        let state = studio.at(Ledger::Xero).state().await.unwrap();
        assert_eq!((count(&state, "documents"), count(&state, "contacts")), (2 * (round + 1), round + 1));
    }
    local.shutdown().await.unwrap();
}
