//! What goes wrong on the way: lost, late and refused.

use super::*;

/// Section 10: every kind of lost answer at every step; one document with every line once.
#[tokio::test]
async fn a_lost_answer_is_found_again_and_no_line_is_made_twice() {
    let connected = connected().await;
    let contact = connected.acme().await;
    let kinds = [FaultKind::TimeoutBefore, FaultKind::TimeoutAfter, FaultKind::Truncate, FaultKind::Garbage];
    for (number, kind) in kinds.into_iter().enumerate() {
        let wanted = write(&contact, &format!("CP-{number}"));
        connected.fault("/salesInvoices", kind);
        let lost = connected.header(&wanted).await.unwrap_err();
        assert_eq!(lost.disposition, Disposition::LookFirst, "{kind:?}");
        let look = by_reference(&format!("CP-{number}"));
        let found = connected.world.ledger.documents.look(connected.access(), &look).await.unwrap().value;
        let header = match found.as_slice() {
            [only] => only.clone(),
            [] if kind == FaultKind::TimeoutBefore => connected.header(&wanted).await.unwrap(),
            other => panic!("{kind:?}: {other:?}"),
        };
        connected.fault("/$batch", kind);
        assert_eq!(connected.go_on(&header, &wanted).await.unwrap_err().disposition, Disposition::LookFirst, "{kind:?}");
        let begun = connected.read(&header.external_id).await.unwrap();
        let whole = connected.go_on(&begun, &wanted).await.unwrap_or_else(|failure| panic!("{failure:?}"));
        assert_eq!(whole.lines.len(), 2, "{kind:?}");
        // With what was known before: the lines are there already, and are not made again.
        assert_eq!(connected.go_on(&header, &wanted).await.unwrap().lines.len(), 2, "{kind:?}");
        assert_eq!(connected.documents(), number + 1);
    }
    connected.fault("/salesInvoices", FaultKind::Refuse);
    // A connection that was taken and cut proves nothing, though nothing was done.
    assert_eq!(connected.header(&write(&contact, "CP-9")).await.unwrap_err().disposition, Disposition::LookFirst);
    assert_eq!(connected.documents(), kinds.len());
}

/// A request that lands after our time-out (section 8): the sequence keeps its lines from being made twice.
#[tokio::test]
async fn lines_that_land_late_are_refused_or_counted_once() {
    let connected = connected().await;
    let wanted = write(&connected.acme().await, "CP-1");
    let header = connected.header(&wanted).await.unwrap();
    let late = Fault { after_seconds: 300, ..Fault::on("/$batch", FaultKind::Late) };
    connected.world.simulator.post_faults(vec![late]);
    assert_eq!(connected.go_on(&header, &wanted).await.unwrap_err().disposition, Disposition::LookFirst);
    assert_eq!(connected.go_on(&header, &wanted).await.unwrap().lines.len(), 2);
    connected.world.simulator.clock().advance(SignedDuration::from_secs(301));
    connected.world.simulator.settle();
    assert_eq!(connected.read(&header.external_id).await.unwrap().lines.len(), 2);
}

#[tokio::test]
async fn a_lost_posting_is_found_out() {
    let connected = connected().await;
    let contact = connected.acme().await;
    for (number, kind) in [FaultKind::TimeoutBefore, FaultKind::TimeoutAfter].into_iter().enumerate() {
        let draft = connected.make(&write(&contact, &format!("CP-{number}"))).await;
        connected.fault("Microsoft.NAV.post", kind);
        assert_eq!(connected.post(&draft).await.unwrap_err().disposition, Disposition::LookFirst, "{kind:?}");
        let stands = connected.read(&draft.external_id).await.unwrap();
        assert_eq!(stands.status == DocumentStatus::Draft, kind == FaultKind::TimeoutBefore);
        assert_eq!(connected.post(&draft).await.unwrap().status, DocumentStatus::Approved, "{kind:?}");
    }
    let draft = connected.make(&write(&contact, "CP-7")).await;
    connected.bookkeeper(Action::SendForApproval { document_id: draft.external_id.clone() });
    let waiting = connected.read(&draft.external_id).await.unwrap();
    assert_eq!((waiting.status, waiting.changeable), (DocumentStatus::Draft, Changeable::Nothing));
    assert_eq!(connected.post(&waiting).await.unwrap_err().code, "business_central_approval_pending");
    connected.bookkeeper(Action::Reopen { document_id: draft.external_id.clone() });
    connected.bookkeeper(Action::Release { document_id: draft.external_id.clone() });
    let released = connected.read(&draft.external_id).await.unwrap();
    assert_eq!((released.status, released.has_payments), (DocumentStatus::Approved, false), "never taken for a draft");
    assert_eq!(connected.void(&released).await.unwrap_err().disposition, Disposition::Hold { question: Question::LockedInLedger });
}

/// Status, code, the disposition of a read and of a write: `retry`, `look`, `reauthorize`, `no`.
const ANSWERS: [(u16, &str, &str, &str); 9] = [
    (401, "Authentication_InvalidCredentials", "reauthorize", "reauthorize"),
    (403, "Authorization_RequestDenied", "no", "no"),
    (408, "Unknown", "retry", "look"),
    (429, "Unknown", "retry", "retry"),
    (500, "Internal_ServerError", "retry", "look"),
    (502, "", "retry", "look"),
    (503, "Internal_TenantUnavailable", "retry", "look"),
    (504, "Unknown", "retry", "look"),
    (404, "Internal_CompanyNotFound", "no", "no"),
];

fn word(failure: &Failure) -> &'static str {
    match failure.disposition {
        Disposition::Retry { .. } => "retry",
        Disposition::LookFirst => "look",
        Disposition::Reauthorize => "reauthorize",
        Disposition::Reject { .. } | Disposition::Hold { .. } | Disposition::Stale | Disposition::Defect => "no",
    }
}

fn answered(matching: &str, status: u16, code: &str) -> Fault {
    let body = if code.is_empty() { "<html>".to_owned() } else { format!(r#"{{"error":{{"code":"{code}","message":"words"}}}}"#) };
    let kind = if code.is_empty() { "text/html" } else { "application/json" };
    let headers = [("content-type".to_owned(), kind.to_owned())].into();
    Fault { status: Some(status), body: Some(body), headers, ..Fault::on(matching, FaultKind::Status) }
}

/// Every status of the error table at every call: what was certainly not done says so, and the rest is looked up.
#[tokio::test]
async fn every_status_at_every_call() {
    let connected = connected().await;
    let contact = connected.acme().await;
    let draft = connected.make(&write(&contact, "CP-2")).await;
    let posted = connected.post(&connected.make(&write(&contact, "CP-3")).await).await.unwrap();
    let mut seen = 0;
    for (status, code, on_read, on_write) in ANSWERS {
        let fault = |matching: &str| connected.world.simulator.post_faults(vec![answered(matching, status, code)]);
        let check = |what: &str, failure: Option<Failure>, expected: &str| {
            let failure = failure.unwrap_or_else(|| panic!("{what} after {status} {code}"));
            assert_eq!(word(&failure), expected, "{what} after {status} {code}: {failure:?}");
            assert_eq!(failure.status, Some(status), "{what}");
        };
        fault("/salesInvoices(");
        check("a read", connected.world.ledger.documents.read_document(connected.access(), &draft.external_id).await.err(), on_read);
        fault("/salesInvoices?");
        check("a look", connected.world.ledger.documents.look(connected.access(), &by_reference("CP-1")).await.err(), on_read);
        fault("/salesInvoices");
        check("a header", connected.header(&write(&contact, "CP-9")).await.err(), on_write);
        let begun = write(&contact, &format!("CP-{status}"));
        let header = connected.header(&begun).await.unwrap();
        fault("/$batch");
        check("lines", connected.go_on(&header, &begun).await.err(), on_write);
        // Refused for good, the empty draft is taken back; else it waits for its lines.
        assert_eq!(connected.read(&header.external_id).await.is_none(), on_write == "no", "{status} {code}");
        fault("/$batch");
        let changed = update(&draft, &write(&contact, "CP-2"), vec![as_there(&draft, 0), line("New", "1", "1")], Vec::new());
        check("an update", connected.header(&changed).await.err(), on_write);
        fault("Microsoft.NAV.post");
        check("a posting", connected.post(&draft).await.err(), on_write);
        fault("Microsoft.NAV.cancel");
        check("a cancellation", connected.void(&posted).await.err(), on_write);
        fault("/salesInvoices(");
        check("a deletion", connected.void(&draft).await.err(), on_write);
        fault("/customers");
        check("a customer", connected.customer("New", "new@acme.example", "").await.err(), on_write);
        fault("/$batch");
        let found = connected.world.ledger.contacts.search(connected.access(), Some("ann@acme.example"), Some("Acme")).await;
        check("a search", found.err(), on_read);
        fault("/accounts");
        check("facts", connected.world.ledger.facts.facts(connected.access()).await.err(), on_read);
        fault("/customerPaymentJournals");
        let payments = connected.world.ledger.payments.as_ref().unwrap();
        check("payments", payments.payments(connected.access(), &posted.external_id).await.err(), on_read);
        seen += 12;
    }
    let none = connected.world.ledger.documents.look(connected.access(), &by_reference("CP-9")).await.unwrap().value;
    assert!(none.is_empty(), "nothing came of any of them");
    assert_eq!(connected.read(&draft.external_id).await.as_ref(), Some(&draft));
    assert_eq!(connected.read(&posted.external_id).await.unwrap().status, DocumentStatus::Approved);
    println!("{seen} failures of {} statuses at 12 calls", ANSWERS.len());
}

/// The kinds of write that the tests above do not lose: each is found out, and none is done twice.
#[tokio::test]
async fn every_other_write_may_be_lost() {
    let connected = connected().await;
    let contact = connected.acme().await;
    for (number, kind) in [FaultKind::TimeoutAfter, FaultKind::Truncate].into_iter().enumerate() {
        let email = format!("n{number}@acme.example");
        connected.fault("/customers", kind);
        assert_eq!(connected.customer("New", &email, "").await.unwrap_err().disposition, Disposition::LookFirst, "{kind:?}");
        let look = Look { name: Some("New".to_owned()), email: Some(email), ..Look::default() };
        let found = connected.world.ledger.contacts.look_contact(connected.access(), &look).await.unwrap().value;
        assert_eq!(found.len(), 1, "{kind:?}");
        assert!(found[0].created_at.is_some_and(|at| at >= "2026-11-21T10:00:00Z".parse().unwrap()), "young enough to be ours");

        let wanted = write(&contact, &format!("CP-{number}"));
        let made = connected.make(&wanted).await;
        let changed = update(&made, &wanted, vec![as_there(&made, 0), as_there(&made, 1), line("New", "1", "1")], Vec::new());
        connected.fault("/$batch", kind);
        assert_eq!(connected.header(&changed).await.unwrap_err().disposition, Disposition::LookFirst, "{kind:?}");
        let there = connected.read(&made.external_id).await.unwrap();
        assert_eq!(there.lines.len(), 3, "{kind:?}");
        // What rests on the version before it is refused: the update is done once.
        assert_eq!(connected.header(&changed).await.unwrap_err().disposition, Disposition::Stale, "{kind:?}");

        let posted = connected.post(&there).await.unwrap();
        connected.fault("Microsoft.NAV.cancel", kind);
        assert_eq!(connected.void(&posted).await.err().map(|failure| word(&failure)).unwrap_or("look"), "look", "{kind:?}");
        assert_eq!(connected.void(&posted).await.unwrap().status, DocumentStatus::Voided, "{kind:?}");
    }
}
