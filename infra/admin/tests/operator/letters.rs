//! Dead letters, against the local cloud's queues.

use std::time::Duration;

use coportal_admin::letters::{Queues, dead_letters};
use coportal_core::connection::Generation;
use coportal_core::ledger::Ledger;
use coportal_core::queue::{Message, SyncMessage};
use coportal_local::doubles::sqs;
use coportal_local::studio::text;

use crate::runbook::{access, studio};

const HOME: &str = "SyncNow";
const LETTERS: &str = "SyncNowDeadLetters";

/// What can be read goes back to its queue and is harmless there, also when it goes twice; what cannot be read stays; a look changes
/// nothing, and hides nothing from the next.
#[tokio::test]
async fn letters_are_looked_at_and_sent_again_and_twice_is_harmless() {
    let (local, studio, invoice) = studio().await;
    let queue = local.cloud.cloud.sqs().clone();
    let message = Message::Sync(SyncMessage {
        ws: studio.workspace_id.parse().unwrap(),
        ledger: Ledger::Xero,
        generation: Generation(1),
        invoices: vec![text(&invoice, "/id").parse().unwrap()],
    });
    let body = message.encode().unwrap();
    assert!(queue.send(LETTERS, &body));
    assert!(queue.send(LETTERS, "{\"v\":99}"));
    let access = access(&local);
    let (letters, home) = (sqs::url(LETTERS), sqs::url(HOME));
    let queues = Queues { dead_letters: &letters, home: &home };
    let seen = async |redrive, dry_run| {
        let report = dead_letters(&access, &queues, redrive, dry_run).await.unwrap();
        assert_eq!(report.notes.len(), 1, "the letter that nobody can read is noted: {}", report.table());
        let counts: Vec<(String, usize)> = report.counts.clone().into_iter().collect();
        (counts, report.dry_run)
    };
    let listed = vec![("readable".to_owned(), 1), ("unreadable".to_owned(), 1)];
    assert_eq!(seen(false, false).await, (listed.clone(), true), "without --redrive it is a look");
    assert_eq!(seen(true, true).await, (listed, true));
    assert_eq!(queue.counts(LETTERS).visible, 2, "nothing is hidden from the next look");

    let calls = studio.at(Ledger::Xero).calls("api").await.unwrap().len();
    let sent = vec![("sent again".to_owned(), 1), ("unreadable".to_owned(), 1)];
    assert_eq!(seen(true, false).await, (sent.clone(), false));
    assert!(local.idle(Duration::from_secs(30)).await, "the worker takes it");
    assert_eq!(queue.counts(LETTERS).visible, 1);

    // The same letter again, as after a run that sent it and could not delete it.
    assert!(queue.send(LETTERS, &body));
    assert_eq!(seen(true, false).await, (sent, false));
    assert!(local.idle(Duration::from_secs(30)).await);
    assert_eq!(studio.at(Ledger::Xero).calls("api").await.unwrap().len(), calls, "the invoice is there and unchanged: nobody is called");
    let state = studio.at(Ledger::Xero).state().await.unwrap();
    assert_eq!(state["documents"].as_array().unwrap().len(), 1);
    local.shutdown().await.unwrap();
}
