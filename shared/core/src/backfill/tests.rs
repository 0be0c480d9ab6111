use super::*;
use jiff::civil::date;
use uuid::Uuid;

fn inv(n: u128) -> InvoiceId {
    InvoiceId::new(Uuid::from_u128(n))
}

fn invoice(issued: Date, status: InvoiceStatus) -> Invoice {
    Invoice {
        id: inv(1),
        number: "1".into(),
        client_id: crate::id::ClientId::new(Uuid::from_u128(2)),
        currency: "GBP".parse().unwrap(),
        issue_date: issued,
        due_date: None,
        status,
        tax_mode: crate::invoice::TaxMode::Exclusive,
        lines: vec![],
        payments: vec![],
        version: 1,
        created_at: Timestamp::UNIX_EPOCH,
    }
}

#[test]
fn c30_a_backfill_begins_on_the_day_of_the_connection() {
    let connected = date(2026, 3, 1);
    let all = Selection::of(connected, None, None, &[], false).unwrap();
    for (issued, status, taken) in [
        (date(2026, 2, 28), InvoiceStatus::Sent, false),
        (date(2026, 3, 1), InvoiceStatus::Sent, true),
        (date(2027, 1, 1), InvoiceStatus::Paid, true),
        (date(2026, 3, 1), InvoiceStatus::Draft, false),
        (date(2026, 3, 1), InvoiceStatus::Void, false),
    ] {
        assert_eq!(all.takes(&invoice(issued, status)), taken, "{issued} {status:?}");
    }
    let narrow = Selection::of(connected, Some(date(2025, 1, 1)), Some(date(2025, 1, 31)), &[InvoiceStatus::Paid], false).unwrap();
    assert!(narrow.takes(&invoice(date(2025, 1, 31), InvoiceStatus::Paid)));
    assert!(!narrow.takes(&invoice(date(2025, 2, 1), InvoiceStatus::Paid)));
    assert!(!narrow.takes(&invoice(date(2025, 1, 31), InvoiceStatus::Sent)));
}

#[test]
fn c9_what_is_never_synced_is_refused_with_the_reason() {
    let connected = date(2026, 3, 1);
    let refused = |statuses: &[InvoiceStatus], drafts| Selection::of(connected, None, None, statuses, drafts).unwrap_err().issues.len();
    assert_eq!(refused(&[InvoiceStatus::Void], true), 1);
    assert_eq!(refused(&[InvoiceStatus::Draft, InvoiceStatus::Void], false), 2);
    assert!(Selection::of(connected, None, None, &[InvoiceStatus::Draft], true).is_ok());
    let crossed = Selection::of(connected, Some(date(2026, 3, 2)), Some(date(2026, 3, 1)), &[], false).unwrap_err();
    assert_eq!(crossed.issues.first().unwrap().pointer, "/to");
}

/// Progress is the sum over chunks, and every invoice is counted once.
#[test]
fn progress_counts_each_invoice_once() {
    let mut one = Chunk::of(&[inv(1), inv(2), inv(3), inv(4)]);
    one.vendor_calls = 2;
    one.note(inv(1), Came::Synced, None);
    one.note(inv(2), Came::Held, None);
    let until = Timestamp::UNIX_EPOCH;
    one.note(inv(3), Came::Waiting, Some(Wait { reason: WaitingFor::Limit, until }));
    assert!(!one.is_over());
    assert_eq!(one.pending().collect::<Vec<_>>(), [inv(4)]);
    let mut two = Chunk::of(&[inv(5), inv(6), inv(7)]);
    for (n, came) in [(5, Came::Unchanged), (6, Came::Failed), (7, Came::Skipped)] {
        two.note(inv(n), came, None);
    }
    assert!(two.is_over());
    let mut progress = Progress::default();
    progress.add(&one);
    progress.add(&two);
    let counts =
        [progress.synced, progress.unchanged, progress.held, progress.failed, progress.skipped, progress.waiting, progress.pending];
    assert_eq!(counts, [1; 7]);
    assert_eq!((progress.total, progress.vendor_calls), (7, 2));
}

/// Xero's: 50 documents or contacts a call.
const XERO: Costs = Costs {
    create: Calls::batched(1, 50),
    update: Calls::batched(2, 50),
    approve: Calls::batched(2, 50),
    contact: Calls::batched(1, 50),
    least_create: Calls::batched(1, 50),
    least_contact: Calls::batched(1, 50),
};

#[test]
fn a_plan_adds_up() {
    let load = Load { invoices: 1_000, creates: 1_000, clients: 200, contacts: 200, contact_pages: 2, ..Load::default() };
    let plan = estimate(load, &XERO, 60, 5_000);
    assert_eq!((plan.invoices, plan.vendor_calls, plan.lower_bound), (1_000, 20 + 4 + 2, 26));
    assert_eq!(plan.day_budget_share, Decimal::new(52, 4));
    assert_eq!(plan.seconds, 26);
    let nothing = estimate(Load { invoices: 1_000, ..Load::default() }, &XERO, 60, 5_000);
    assert_eq!((nothing.vendor_calls, nothing.lower_bound, nothing.day_budget_share), (0, 0, Decimal::ZERO));
    assert_eq!(nothing.seconds, 5, "the table's pace");
    let slow = estimate(load, &XERO, 10, 20);
    assert_eq!(slow.day_budget_share, Decimal::new(13, 1));
    assert_eq!(slow.seconds, 86_400 + 36, "20 on the first day, 6 on the next");
}

#[test]
fn the_expected_end_follows_the_wait_and_the_pace_so_far() {
    let now: Timestamp = "2026-03-02T09:00:00Z".parse().unwrap();
    let progress = Progress { total: 100, synced: 50, pending: 50, vendor_calls: 10, ..Progress::default() };
    assert_eq!(eta(now, None, &progress, 60, 5_000), now + SignedDuration::from_secs(10));
    let until = now + SignedDuration::from_hours(5);
    let wait = Wait { reason: WaitingFor::Limit, until };
    assert_eq!(eta(now, Some(wait), &progress, 60, 5_000), until + SignedDuration::from_secs(10));
    let unbegun = Progress { total: 100, pending: 100, ..Progress::default() };
    assert_eq!(eta(now, None, &unbegun, 60, 5_000), now + SignedDuration::from_secs(100));
    let done = Progress { total: 100, synced: 100, vendor_calls: 2, ..Progress::default() };
    assert_eq!(eta(now, None, &done, 60, 5_000), now);
}
