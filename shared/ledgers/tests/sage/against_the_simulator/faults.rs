//! What is left when an answer is lost, and how refusals are told apart.

use super::*;

/// Without keys nothing is ever sent again on a doubt: it is looked for.
#[tokio::test]
async fn a_lost_answer_is_found_again_and_nothing_is_made_twice() {
    let connected = connected().await;
    let contact = connected.make_contact("Acme", "ann@acme.example", "0A1B2C3D4E", "GBP").await.unwrap().external_id;
    let account = connected.account(AccountUse::Sales).await;
    for (index, kind) in [FaultKind::TimeoutAfter, FaultKind::Truncate, FaultKind::Garbage].into_iter().enumerate() {
        let reference = format!("CP-{index}");
        connected.world.simulator.post_faults(vec![Fault::on("/sales_invoices", kind)]);
        let lost = connected.write(&draft(&contact, &account, &reference)).await.unwrap_err();
        assert_eq!((lost.code.as_ref(), lost.disposition), ("sage_outcome_unknown", Disposition::LookFirst), "{kind:?}");
        assert_eq!(connected.look(&reference).await.len(), 1, "{kind:?}");
    }
    let made = connected.look("CP-0").await.remove(0);
    // A release that was done and whose read failed is a doubt too.
    for fault in
        [Fault::on("/release", FaultKind::TimeoutAfter), Fault { status: Some(502), ..Fault::on("mark_as_sent", FaultKind::Status) }]
    {
        let draft = connected.write(&draft(&contact, &account, "CP-R")).await.unwrap();
        connected.world.simulator.post_faults(vec![fault]);
        assert_eq!(connected.approve(&draft).await.unwrap_err().disposition, Disposition::LookFirst);
        assert_eq!(connected.read(&draft.external_id).await.status, DocumentStatus::Approved);
    }
    connected
        .world
        .simulator
        .post_faults(vec![Fault { method: Some("DELETE".to_owned()), ..Fault::on("/sales_invoices", FaultKind::TimeoutAfter) }]);
    assert_eq!(connected.end(&made).await.unwrap_err().disposition, Disposition::LookFirst);
    assert_eq!(connected.world.ledger.documents.read_document(connected.access(), &made.external_id).await.unwrap().value, None);

    // It lands after our time-out: nothing is there yet, and a minute later it is.
    connected.world.simulator.post_faults(vec![Fault { after_seconds: 60, ..Fault::on("/sales_invoices", FaultKind::Late) }]);
    let late = connected.write(&draft(&contact, &account, "CP-L")).await.unwrap_err();
    assert_eq!(late.disposition, Disposition::LookFirst);
    assert!(connected.look("CP-L").await.is_empty());
    connected.world.simulator.clock().advance(SignedDuration::from_secs(61));
    assert_eq!(connected.look("CP-L").await.len(), 1);
    assert!(connected.world.ledger.rules.settle > SignedDuration::from_secs(61), "a miss counts only after that");

    let before = connected.world.simulator.state().documents.len();
    for kind in [FaultKind::Refuse, FaultKind::TimeoutBefore] {
        connected.world.simulator.post_faults(vec![Fault::on("/sales_invoices", kind)]);
        let failure = connected.write(&draft(&contact, &account, "CP-N")).await.unwrap_err();
        // Over a kept connection a cut cannot be told from a lost answer: never called certain.
        assert!(matches!(failure.disposition, Disposition::LookFirst | Disposition::Retry { .. }), "{kind:?}");
        assert!(connected.look("CP-N").await.is_empty());
    }
    assert_eq!(connected.world.simulator.state().documents.len(), before);
}

#[tokio::test]
async fn refusals_of_a_document_are_told_apart() {
    let connected = connected().await;
    let contact = connected.make_contact("Acme", "ann@acme.example", "0A1B2C3D4E", "GBP").await.unwrap().external_id;
    let account = connected.account(AccountUse::Sales).await;
    let with = |line: WriteLine| DocumentWrite { lines: vec![line], ..draft(&contact, &account, "CP-1") };
    let good = || line(&account, "A", "1", "10", "2");
    let nowhere = "9".repeat(32);
    for (write, code) in [
        (with(WriteLine { account: Some(nowhere.clone()), ..good() }), "sage_record_missing"),
        (with(WriteLine { tax_code: Some("GB_NOTHING".to_owned()), ..good() }), "sage_record_missing"),
        (draft(&nowhere, &account, "CP-1"), "sage_contact_missing"),
        (with(WriteLine { tax: Some(dec("9")), ..good() }), "sage_tax_refused"),
        (with(WriteLine { description: " ".to_owned(), ..good() }), "sage_lines_refused"),
        (DocumentWrite { currency: "JPY".parse().unwrap(), ..draft(&contact, &account, "CP-1") }, "sage_currency_refused"),
        (DocumentWrite { reference: Some("x".repeat(26)), ..draft(&contact, &account, "") }, "sage_refused"),
    ] {
        let failure = connected.write(&write).await.unwrap_err();
        assert_eq!(failure.code, code, "{}", failure.internal);
        assert!(failure.certainly_not_done());
    }
    let lock = |date: Option<&str>| Action::Lock { organisation: BRITISH.to_owned(), date: date.map(|date| date.parse().unwrap()) };
    connected.world.simulator.bookkeeper(lock(Some("2026-11-20"))).unwrap();
    let locked = connected.write(&draft(&contact, &account, "CP-1")).await.unwrap_err();
    assert_eq!((locked.disposition, locked.facts_stale), (Disposition::Hold { question: Question::PeriodLocked }, true));
    let facts = connected.world.ledger.facts.facts(connected.access()).await.unwrap().value;
    assert_eq!(facts.locked_until, Some("2026-11-20".parse().unwrap()));
    connected.world.simulator.bookkeeper(lock(None)).unwrap();

    let issued = DocumentWrite { status: DocumentStatus::Approved, ..draft(&contact, &account, "CP-1") };
    let made = connected.write(&issued).await.unwrap();
    connected.world.simulator.bookkeeper(Action::FileTaxReturn { document_id: made.external_id.clone() }).unwrap();
    assert_eq!(connected.read(&made.external_id).await.changeable, Changeable::Nothing);
    let update = DocumentWrite { external_id: Some(made.external_id.clone()), ..issued };
    assert_eq!(connected.write(&update).await.unwrap_err().disposition, Disposition::Hold { question: Question::LockedInLedger });
    assert_eq!(connected.world.simulator.state().documents.len(), 1);
}

/// A 401 is a new token, unless it is the subscription; a 403 is for a person.
#[tokio::test]
async fn dead_tokens_ended_subscriptions_and_lost_rights_are_told_apart() {
    let connected = connected().await;
    let contacts = &connected.world.ledger.contacts;
    let nobody = "9".repeat(32);
    let failure = async || contacts.read_contact(connected.access(), &nobody).await.unwrap_err();
    let subscription = |active| Action::Subscription { organisation: BRITISH.to_owned(), active };
    connected.world.simulator.bookkeeper(subscription(false)).unwrap();
    let ended = failure().await;
    assert_eq!((ended.code.as_ref(), ended.disposition), ("sage_subscription_inactive", Disposition::Reject { issues: Vec::new() }));
    let facts = connected.world.ledger.facts.facts(connected.access()).await.unwrap_err();
    assert_eq!(facts.code, "sage_subscription_inactive");
    connected.world.simulator.bookkeeper(subscription(true)).unwrap();

    connected.world.simulator.bookkeeper(Action::RemoveUsers { organisation: BRITISH.to_owned() }).unwrap();
    assert_eq!(failure().await.code, "sage_business_not_reached");
    connected.world.simulator.clock().advance(SignedDuration::from_mins(6));
    let expired = failure().await;
    assert_eq!((expired.code.as_ref(), expired.disposition), ("sage_token_refused", Disposition::Reauthorize));
}

#[tokio::test]
async fn lost_rights_are_told_by_area() {
    let connected = connected().await;
    let seed = |denied: &[&str]| {
        let seed = serde_json::json!({ "organisations": [{ "name": BRITISH, "refused_actions": denied }] });
        connected.world.simulator.seed(&serde_json::from_value::<Seed>(seed).unwrap()).unwrap();
    };
    seed(&["Contacts.write"]);
    let refused = connected.make_contact("Acme", "ann@acme.example", "0A1B2C3D4E", "GBP").await.unwrap_err();
    assert_eq!((refused.code.as_ref(), refused.disposition), ("sage_permission_missing", Disposition::Reject { issues: Vec::new() }));
}

#[tokio::test]
async fn a_hit_limit_waits_a_minute_where_the_vendor_does_not_say() {
    let connected = connected().await;
    let nobody = "9".repeat(32);
    let mut outcome = connected.world.ledger.contacts.read_contact(connected.access(), &nobody).await;
    for _ in 0..100 {
        if outcome.is_ok() {
            outcome = connected.world.ledger.contacts.read_contact(connected.access(), &nobody).await;
        }
    }
    let limited = outcome.unwrap_err();
    let in_a_minute = connected.access().now + SignedDuration::from_mins(1);
    assert_eq!((limited.code.as_ref(), limited.disposition), ("sage_limit_reached", Disposition::Retry { not_before: Some(in_a_minute) }));
}
