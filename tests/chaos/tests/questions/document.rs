//! The document there and here: numbers, copies, changes, losses, payments, voids. (C6, C10, C29, C31)

use super::*;

fn stranger(world: &World, status: &str) -> String {
    let state = world
        .plant(json!({ "documents": [{ "number": "INV-0001", "status": status, "total": "99", "tax": "0", "issue_date": "2026-03-01" }] }))
        .unwrap();
    state.documents.first().map(|document| document.id.clone()).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn c31_number_taken_by_a_stranger() {
    for status in ["draft", "approved"] {
        for start in ["link:", "ledger_number", "skip"] {
            let case = format!("{status}, {start}");
            let world = new().await;
            let theirs = stranger(&world, status);
            let hold = world.held().await.unwrap();
            check(&world, &hold, Question::NumberTaken, &["link:", "ledger_number", "skip"]).await;
            assert_eq!(world.only().unwrap().total, dec("99"), "I7: {case}");
            if start == "skip" {
                let end = answer(&world, &hold, start).await;
                assert!(matches!(&end, Ok(SyncEnd::Synced(answer)) if answer.state == SyncState::Stopped), "{case}: {end:?}");
                assert_eq!(world.state().await.unwrap(), SyncState::Stopped);
                assert_eq!(world.only().unwrap().total, dec("99"), "I7: {case}");
                continue;
            }
            settles(&world, &hold, start).await;
            if start == "link:" {
                let only = one_document(&world).await;
                assert_eq!((only.id, only.status.as_str()), (theirs, status), "I8: {case}");
                assert!(!world.row().await.unwrap().link.unwrap().created_by_us);
            } else {
                assert_eq!(world.live().len(), 2, "{case}");
                let ours = world.live().into_iter().find(|document| document.id != theirs).unwrap();
                assert_eq!((ours.total, ours.reference.as_deref()), (total(&world).await, Some("INV-0001")), "{case}");
                assert_ne!(ours.number.as_deref(), Some("INV-0001"), "{case}");
                // The wish stays: an edit updates that document and asks nothing.
                world.edit(|invoice| invoice.due_date = Some(date(2026, 4, 15))).await.unwrap();
                assert_eq!(world.synced().await.unwrap().changed, Changed::Updated, "{case}");
                assert_eq!(world.live().len(), 2, "{case}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn c31_number_taken_by_what_is_gone() {
    for status in ["voided", "deleted"] {
        for start in ["ledger_number", "skip"] {
            let world = new().await;
            stranger(&world, status);
            let hold = world.held().await.unwrap();
            check(&world, &hold, Question::NumberTaken, &["ledger_number", "skip"]).await;
            if start == "skip" {
                assert!(answer(&world, &hold, start).await.is_ok());
                assert!(world.live().is_empty());
            } else {
                settles(&world, &hold, start).await;
                one_document(&world).await;
            }
        }
    }
}

/// A copy of a document carries the marker too: an open intent finds two, and a person says which.
#[tokio::test(start_paused = true)]
async fn c6_two_documents() {
    for which in [0, 1] {
        let world = new().await;
        // The create is done, and nobody hears of it.
        world.simulator.post_faults(vec![
            Fault { method: Some("PUT".to_owned()), ..Fault::on("/Invoices", FaultKind::TimeoutAfter) },
            Fault { method: Some("PUT".to_owned()), nth: 2, times: 5, ..Fault::on("/Invoices", FaultKind::TimeoutBefore) },
        ]);
        let end = world.sync(world.invoice_id).await.unwrap();
        assert!(matches!(end, Ok(SyncEnd::Waiting { state: SyncState::Uncertain, .. })), "{end:?}");
        let made = world.only().unwrap();
        world
            .plant(json!({ "documents": [{ "number": "INV-0001-COPY", "reference": made.reference, "url": made.url, "contact_id": made.contact_id, "total": made.total, "tax": made.tax, "issue_date": "2026-03-01", "due_date": "2026-03-31", "created_by_app": true }] }))
            .unwrap();
        world.clock.advance(SignedDuration::from_mins(20));
        let hold = world.held().await.unwrap();
        check(&world, &hold, Question::TwoDocuments, &["link:", "link:"]).await;
        let chosen = hold.choices[which].id.clone();
        let end = answer(&world, &hold, &chosen).await;
        assert!(matches!(end, Ok(SyncEnd::Synced(_))), "{end:?}");
        let link = world.row().await.unwrap().link.unwrap();
        assert_eq!(format!("link:{}", link.external_id), chosen);
        assert_eq!(world.live().len(), 2, "neither is touched");
        at_rest(&world, "two documents").await;
    }
}

#[tokio::test(start_paused = true)]
async fn c29_changed_in_ledger() {
    for start in ["ours", "theirs"] {
        let world = synced().await;
        let id = world.only().unwrap().id;
        let line = |unit_price: &str| Action::EditLine {
            document_id: id.clone(),
            line: Which::Position(0),
            description: None,
            quantity: None,
            unit_price: Some(dec(unit_price)),
            account: None,
            tax_type: None,
            tracking: None,
        };
        world.bookkeeper(line("500")).unwrap();
        world.edit(dearer).await.unwrap();
        let hold = world.held().await.unwrap();
        check(&world, &hold, Question::ChangedInLedger, &["ours", "theirs"]).await;
        assert!(hold.detail.contains("500"), "{}", hold.detail);
        let before = world.only().unwrap();
        settles(&world, &hold, start).await;
        if start == "ours" {
            assert_eq!(one_document(&world).await.id, id);
        } else {
            assert_eq!(world.only().unwrap(), before);
        }
        // An answer is about one version: what the bookkeeper does next is a new question.
        world.bookkeeper(line("600")).unwrap();
        world.edit(dearer).await.unwrap();
        let next = world.held().await.unwrap();
        assert_eq!(next.question, Question::ChangedInLedger);
        assert_ne!(next.id, hold.id);
    }
}

#[tokio::test(start_paused = true)]
async fn document_gone() {
    for deleted in [true, false] {
        for start in ["create_again", "leave"] {
            let case = format!("deleted: {deleted}, {start}");
            let world = synced().await;
            let id = world.only().unwrap().id;
            if deleted {
                world.bookkeeper(Action::Delete { document_id: id.clone() }).unwrap();
            } else {
                world.bookkeeper(Action::Approve { document_id: id.clone() }).unwrap();
                world.bookkeeper(Action::Void { document_id: id.clone() }).unwrap();
            }
            world.edit(dearer).await.unwrap();
            let hold = world.held().await.unwrap();
            check(&world, &hold, Question::DocumentGone, &["create_again", "leave"]).await;
            assert!(world.live().is_empty(), "{case}: nothing is made again unasked");
            if start == "leave" {
                let end = answer(&world, &hold, start).await;
                assert!(matches!(&end, Ok(SyncEnd::Synced(answer)) if answer.state == SyncState::Stopped), "{case}: {end:?}");
                assert!(world.live().is_empty(), "{case}");
                continue;
            }
            // Xero keeps the number of what is gone, so the number is the next question (vendor notes, section 0, fact 3).
            let number = asks(&world, &hold, start, Question::NumberTaken).await;
            settles(&world, &number, "ledger_number").await;
            assert_ne!(one_document(&world).await.id, id, "{case}");
            world.edit(dearer).await.unwrap();
            world.synced().await.unwrap();
            one_document(&world).await;
        }
    }
}

/// Where the ledger numbers, nothing stands in the way of a second document.
#[tokio::test(start_paused = true)]
async fn document_gone_where_the_ledger_numbers() {
    for policy in [NumberPolicy::ReferenceOnly, NumberPolicy::LedgerAssigns] {
        let world = new().await;
        world.options(|options| options.number = policy).await.unwrap();
        world.synced().await.unwrap();
        let id = world.only().unwrap().id;
        world.bookkeeper(Action::Delete { document_id: id.clone() }).unwrap();
        world.edit(dearer).await.unwrap();
        let hold = world.held().await.unwrap();
        settles(&world, &hold, "create_again").await;
        assert_ne!(one_document(&world).await.id, id, "{policy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn i8_paid_in_ledger() {
    for full in [true, false] {
        for start in ["retry", "leave"] {
            let case = format!("in full: {full}, {start}");
            let world = synced().await;
            let document_id = world.only().unwrap().id;
            world.bookkeeper(Action::Approve { document_id: document_id.clone() }).unwrap();
            let amount = (!full).then(|| dec("10"));
            world.bookkeeper(Action::Pay { document_id: document_id.clone(), amount, date: None }).unwrap();
            world.edit(dearer).await.unwrap();
            let hold = world.held().await.unwrap();
            check(&world, &hold, Question::PaidInLedger, &["retry", "leave"]).await;
            let hold = retry_changes_nothing(&world, &hold).await;
            let before = world.only().unwrap();
            if start == "leave" {
                settles(&world, &hold, start).await;
                assert_eq!(world.only().unwrap(), before, "I8: {case}");
            } else {
                world.bookkeeper(Action::RemovePayments { document_id }).unwrap();
                settles(&world, &hold, start).await;
                assert_eq!(one_document(&world).await.status, "approved", "I8: {case}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn c10_void_in_ledger() {
    for start in ["void", "leave", "retry"] {
        let world = synced().await;
        let only = world.only().unwrap();
        world.edit(|invoice| invoice.status = InvoiceStatus::Void).await.unwrap();
        let hold = world.held().await.unwrap();
        check(&world, &hold, Question::VoidInLedger, &["void", "leave", "retry"]).await;
        let hold = retry_changes_nothing(&world, &hold).await;
        if start == "retry" {
            world.bookkeeper(Action::Delete { document_id: only.id.clone() }).unwrap();
        }
        let end = answer(&world, &hold, start).await;
        assert!(matches!(end, Ok(SyncEnd::Synced(_))), "{end:?}");
        assert_eq!(world.state().await.unwrap(), SyncState::Synced);
        assert_eq!(world.live(), if start == "leave" { vec![only] } else { vec![] });
        let end = world.sync(world.invoice_id).await.unwrap();
        assert!(matches!(end, Ok(SyncEnd::Synced(_))), "no second question: {end:?}");
    }
}
