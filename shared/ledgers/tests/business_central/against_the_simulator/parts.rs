//! An update that takes more than one batch: each part is guarded by a version of its own.

use std::sync::atomic::{AtomicUsize, Ordering};

use coportal_ledgers::exec::{Transport, TransportError};
use futures_util::future::BoxFuture;
use http::Response;

use super::*;

/// The simulator in process; a bookkeeper acts after the batch of this number (0 is the first).
struct Meddled {
    simulator: Simulator,
    batches: AtomicUsize,
    after: usize,
    action: Action,
}

impl Transport for Meddled {
    fn send<'a>(&'a self, request: Request<Bytes>, _: Duration) -> BoxFuture<'a, Result<Response<Bytes>, TransportError>> {
        Box::pin(async move {
            let is_batch = request.uri().path().ends_with("/$batch");
            let Answer::Response(response) = self.simulator.handle(request).await else { panic!("no fault is scripted") };
            if is_batch && self.batches.fetch_add(1, Ordering::Relaxed) == self.after {
                self.simulator.bookkeeper(self.action.clone()).unwrap();
            }
            Ok(response)
        })
    }
}

/// R64, C29: whoever comes between two parts of one update is not written over: the next part is stale, and since the first one was done,
/// the update is found out about by a look and never taken for undone.
#[tokio::test]
async fn a_bookkeeper_between_two_parts_of_an_update_is_kept() {
    let mut connected = connected().await;
    let contact = connected.acme().await;
    let lines: Vec<WriteLine> = (1..=250).map(|number| line(&format!("Line {number}"), "1", "1")).collect();
    let wanted = DocumentWrite { lines, ..write(&contact, "CP-1") };
    let mut there = connected.header(&wanted).await.unwrap();
    while there.lines.len() < 250 {
        there = connected.go_on(&there, &wanted).await.unwrap();
    }
    let priced = |price: &str, there: &RemoteDocument| -> Vec<WriteLine> {
        (0..250).map(|index| WriteLine { unit_price: Some(dec(price)), ..as_there(there, index) }).collect()
    };
    for (price, after, done) in [("2", 0, 98), ("3", 1, 196)] {
        let words = format!("The bookkeeper's own, {after}");
        let action = Action::EditLine {
            document_id: there.external_id.clone(),
            line: Which::Position(249),
            description: Some(words.clone()),
            quantity: None,
            unit_price: None,
            account: None,
            tax_type: None,
            tracking: None,
        };
        let simulator = connected.world.simulator.clone();
        let transport = Meddled { simulator, batches: AtomicUsize::new(0), after, action };
        let mut endpoints = Endpoints::default();
        endpoints.simulate(Ledger::BusinessCentral, &"https://ledger.test".parse().unwrap());
        connected.world.ledger = Ledgers::new(Arc::new(transport), endpoints).get(Ledger::BusinessCentral).unwrap().clone();
        let failure = connected.header(&update(&there, &wanted, priced(price, &there), Vec::new())).await.unwrap_err();
        assert_eq!((failure.disposition.clone(), failure.certainly_not_done()), (Disposition::LookFirst, false), "{failure:?}");
        let books = connected.world.simulator.state();
        let lines = &books.documents.iter().find(|document| document.id == there.external_id).unwrap().lines;
        assert_eq!(lines[249].description, words);
        let written = lines.iter().filter(|line| line.unit_price == Some(dec(price))).count();
        assert_eq!(written, done, "the parts before it were done, and none after it");
        // Read and compared anew, as the core does, the next update rests on what is there.
        there = connected.read(&there.external_id).await.unwrap();
    }
}
