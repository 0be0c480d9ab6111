//! Which events sync by themselves, as tables.

use super::*;
use crate::connection::{Options, Organisation, Payments, Profile};
use crate::id::{ClientId, ConnectionId, IntentId, InvoiceId, RunId, WorkspaceId};
use crate::invoice::TaxMode;
use crate::problem::Fix;
use crate::sync::row::{DocumentLink, Intent, IntentKind, Lease, Look};
use crate::workspace::{Plan, TaxRounding};
use jiff::SignedDuration;
use uuid::Uuid;

fn now() -> Timestamp {
    "2026-03-02T09:00:00Z".parse().unwrap()
}

fn workspace(plan: Plan) -> Workspace {
    Workspace {
        id: WorkspaceId::new(Uuid::from_u128(1)),
        name: "Studio".to_owned(),
        plan,
        currency: "GBP".parse().unwrap(),
        country: "GB".to_owned(),
        tax_rounding: TaxRounding::Line,
        default_tax_rate: None,
    }
}

fn invoice(status: InvoiceStatus) -> Invoice {
    Invoice {
        id: InvoiceId::new(Uuid::from_u128(3)),
        number: "INV-1".to_owned(),
        client_id: ClientId::new(Uuid::from_u128(2)),
        currency: "GBP".parse().unwrap(),
        // Long before the connection: what an event is about may be old (C30).
        issue_date: "2024-01-01".parse().unwrap(),
        due_date: None,
        status,
        tax_mode: TaxMode::Exclusive,
        lines: Vec::new(),
        payments: Vec::new(),
        version: 4,
        created_at: "2024-01-01T00:00:00Z".parse().unwrap(),
    }
}

fn connection(ledger: Ledger, options: impl FnOnce(&mut Options)) -> Connection {
    let mut connection = Connection {
        id: ConnectionId::new(Uuid::from_u128(4)),
        ledger,
        status: ConnectionStatus::Connected,
        organisation: Some(Organisation { id: "o".to_owned(), name: "Org".to_owned(), environment: None, link_id: None }),
        generation: Generation(1),
        grant: 1,
        options: Options { auto_sync: true, ..Options::defaults(ledger) },
        connected_at: Some(now()),
        connected_by: None,
        look_first: false,
        reconnect_reason: None,
    };
    options(&mut connection.options);
    connection
}

fn row(state: SyncState) -> SyncRow {
    SyncRow { state, wanted: 3, done: 2, attempts: 5, ..SyncRow::default() }
}

fn link() -> DocumentLink {
    DocumentLink {
        external_id: "d".to_owned(),
        external_number: None,
        url: None,
        remote_version: None,
        status: crate::document::DocumentStatus::Draft,
        sent: None,
        created_by_us: true,
        as_sent: false,
    }
}

fn intent() -> Intent {
    Intent {
        id: IntentId::new(Uuid::from_u128(5)),
        kind: IntentKind::Create,
        key: "k".to_owned(),
        first_sent_at: now(),
        send_by: now(),
        body: Vec::new(),
        look: Look::default(),
        sent: None,
        hash: "h".to_owned(),
        version: 3,
        batched: false,
    }
}

const STATUSES: [InvoiceStatus; 4] = [InvoiceStatus::Draft, InvoiceStatus::Sent, InvoiceStatus::Paid, InvoiceStatus::Void];

fn of(connection: &Connection, status: InvoiceStatus) -> Wants {
    wants(&workspace(Plan::Enterprise), connection, &invoice(status), &SyncRow::default())
}

/// R34, R37: off by default, and each connection for itself; off wants nothing whatever happens.
#[test]
fn r34_r37_off_wants_nothing() {
    for ledger in Ledger::ALL {
        let off = connection(ledger, |options| options.auto_sync = false);
        assert!(STATUSES.iter().all(|status| of(&off, *status) == Wants::Nothing), "{ledger}");
    }
}

/// R35, R66, C2: sent and paid are wanted whether or not payments are pushed: what a paid invoice comes to is the sync's to say.
#[test]
fn r35_c2_sent_and_paid_are_wanted() {
    for payments in [Payments::None, Payments::Push] {
        for ledger in Ledger::ALL {
            let on = connection(ledger, |options| options.payments = payments);
            assert_eq!(
                STATUSES.map(|status| of(&on, status)),
                [Wants::Nothing, Wants::Sync, Wants::Sync, Wants::NothingBecause(Reason::VoidBefore)]
            );
        }
    }
}

/// R67, C9: on creation only with "also draft invoices" and "sync as draft"; "on send" leaves a draft alone even where a click may sync it.
#[test]
fn r67_c9_drafts_are_wanted_on_creation_only() {
    let draft = |sync_on, also, as_draft| {
        let on = connection(Ledger::Xero, |options| {
            (options.sync_on, options.also_draft_source, options.sync_as_draft) = (sync_on, also, as_draft);
        });
        of(&on, InvoiceStatus::Draft)
    };
    assert_eq!(draft(SyncOn::Created, true, true), Wants::Sync);
    assert_eq!(draft(SyncOn::Sent, true, true), Wants::Nothing);
    assert_eq!(draft(SyncOn::Created, false, true), Wants::Nothing);
    assert_eq!(draft(SyncOn::Created, true, false), Wants::Nothing);
    let copper = connection(Ledger::Xero, |options| options.profile = Profile::Copper);
    assert!(STATUSES.iter().all(|status| of(&copper, *status) == Wants::Nothing), "C17: a connection that only shows pushes nothing");
}

/// C10: a void is wanted where the ledger has, or may have, the invoice, and where something still waits for it.
#[test]
fn c10_a_void_is_wanted_where_the_ledger_may_know_the_invoice() {
    let on = connection(Ledger::Xero, |_| ());
    let void = |row: &SyncRow| wants(&workspace(Plan::Studio), &on, &invoice(InvoiceStatus::Void), row);
    assert_eq!(void(&SyncRow { link: Some(link()), ..row(SyncState::Synced) }), Wants::Sync);
    assert_eq!(void(&SyncRow { link: Some(link()), ..row(SyncState::Stopped) }), Wants::Sync);
    assert_eq!(void(&SyncRow { intent: Some(intent()), ..row(SyncState::Uncertain) }), Wants::Sync);
    for state in [SyncState::Queued, SyncState::Held, SyncState::Failed, SyncState::Waiting] {
        assert_eq!(void(&row(state)), Wants::Sync, "{state:?}");
    }
    for state in [SyncState::Never, SyncState::Stopped] {
        assert_eq!(void(&row(state)), Wants::NothingBecause(Reason::VoidBefore), "{state:?}");
    }
}

/// C10: without auto-sync a void is a person's question, unless nothing stands there or a person has spoken already.
#[test]
fn c10_without_auto_sync_a_void_is_asked_about() {
    let off = connection(Ledger::Sage, |options| (options.auto_sync, options.on_void) = (false, crate::connection::OnVoid::Void));
    // Whatever the plan is: nothing is sent.
    let void = |row: &SyncRow| wants(&workspace(Plan::Solo), &off, &invoice(InvoiceStatus::Void), row);
    let linked = |state| SyncRow { link: Some(link()), ..row(state) };
    for state in [SyncState::Synced, SyncState::Held, SyncState::Failed, SyncState::Stopped, SyncState::Waiting] {
        assert_eq!(void(&linked(state)), Wants::Ask, "{state:?}");
        assert_eq!(void(&row(state)), Wants::Nothing, "{state:?}");
    }
    let gone = DocumentLink { status: crate::document::DocumentStatus::Voided, ..link() };
    assert_eq!(void(&SyncRow { link: Some(gone), ..row(SyncState::Synced) }), Wants::Nothing);
    assert_eq!(void(&SyncRow { left_out: true, ..linked(SyncState::Stopped) }), Wants::Nothing);
    let copper = connection(Ledger::Xero, |options| (options.auto_sync, options.profile) = (false, Profile::Copper));
    assert_eq!(wants(&workspace(Plan::Studio), &copper, &invoice(InvoiceStatus::Void), &linked(SyncState::Synced)), Wants::Nothing);

    let hold = HoldId::new(Uuid::from_u128(8));
    let ask = |row: &SyncRow| ask_about_void(row, Ledger::Sage, 4, hold, now());
    let asked = ask(&linked(SyncState::Synced)).unwrap();
    let question = asked.hold.clone().unwrap();
    assert_eq!((asked.state, asked.wanted, asked.done, question.id), (SyncState::Held, 4, 2, hold));
    assert!(question.choices.iter().any(|choice| choice.id == "void"));
    assert_eq!(ask(&asked), None, "I10: told of this version already");
    // The same question, asked about the same document before: it keeps its id.
    let again = ask(&SyncRow { wanted: 3, ..asked.clone() }).unwrap();
    assert_eq!(again.hold.unwrap().id, hold);
    // A person has said to leave it.
    let answer = crate::sync::row::Answer { question: question.question, choice: "leave".to_owned(), inputs_hash: question.inputs_hash };
    let left = SyncRow { answers: vec![answer], ..linked(SyncState::Synced) };
    assert_eq!((void(&left), ask(&left)), (Wants::Nothing, None));
    // Not ours to void, or paid: said so, and not offered.
    for link in [DocumentLink { created_by_us: false, ..link() }, DocumentLink { status: crate::document::DocumentStatus::Paid, ..link() }]
    {
        let asked = ask(&SyncRow { link: Some(link), ..row(SyncState::Synced) }).unwrap().hold.unwrap();
        assert!(asked.choices.iter().all(|choice| choice.id != "void"), "{asked:?}");
    }
    // What somebody is at, or what is in doubt, is only told.
    for state in [SyncState::Queued, SyncState::Syncing, SyncState::Waiting, SyncState::Uncertain] {
        assert_eq!(ask(&linked(state)).unwrap(), SyncRow { wanted: 4, ..linked(state) });
    }
}

/// I14, C19: nothing is queued for what is not connected; a dead grant queues, and what is queued waits.
#[test]
fn i14_c19_the_connection_decides() {
    let stands = |status, organised: bool| {
        let mut on = connection(Ledger::Xero, |_| ());
        on.status = status;
        on.organisation = on.organisation.filter(|_| organised);
        of(&on, InvoiceStatus::Sent)
    };
    assert_eq!(stands(ConnectionStatus::ReconnectRequired, true), Wants::Sync);
    assert_eq!(stands(ConnectionStatus::Connected, false), Wants::Nothing);
    assert_eq!(stands(ConnectionStatus::ChooseOrganisation, true), Wants::Nothing);
    assert_eq!(stands(ConnectionStatus::Disconnected, true), Wants::Nothing);
}

/// R146: what the plan does not include waits for it.
#[test]
fn r146_what_the_plan_does_not_include_waits() {
    for ledger in Ledger::ALL {
        let on = connection(ledger, |_| ());
        for plan in [Plan::Solo, Plan::Studio, Plan::Agency, Plan::Enterprise] {
            let expected = if plan < ledger.plan_required() { Wants::Park } else { Wants::Sync };
            assert_eq!(wants(&workspace(plan), &on, &invoice(InvoiceStatus::Sent), &SyncRow::default()), expected, "{ledger} {plan:?}");
        }
    }
}

/// "Not this invoice" is a person's word, and no event takes it back; what a disconnect stopped goes on with the next event.
#[test]
fn what_a_person_left_out_stays_out() {
    let on = connection(Ledger::Xero, |_| ());
    let sent = |row: &SyncRow| wants(&workspace(Plan::Studio), &on, &invoice(InvoiceStatus::Sent), row);
    let left_out = SyncRow { left_out: true, ..row(SyncState::Stopped) };
    assert_eq!(sent(&left_out), Wants::NothingBecause(Reason::LeftOut));
    assert_eq!(sent(&row(SyncState::Stopped)), Wants::Sync);
    // It counts for a stopped row alone.
    assert_eq!(sent(&SyncRow { left_out: true, ..row(SyncState::Synced) }), Wants::Sync);
}

/// I10: a row never learns of an older version, nor of the same one twice.
#[test]
fn i10_an_older_version_raises_nothing() {
    for state in [SyncState::Never, SyncState::Queued, SyncState::Syncing, SyncState::Synced, SyncState::Uncertain] {
        assert_eq!(raise(&row(state), 2, now()), None);
        assert_eq!(raise(&row(state), 3, now()), None);
        assert_eq!(raise(&row(state), 4, now()).unwrap().row.wanted, 4);
    }
}

/// What rests is queued and begins its tries anew; what is under way, in doubt or waiting is only told.
#[test]
fn raising_starts_what_rests_and_tells_what_does_not() {
    use SyncState::{Failed, Held, Never, Queued, Stopped, Synced, Syncing, Uncertain, Waiting};
    for state in [Never, Synced, Held, Failed, Stopped] {
        let raised = raise(&row(state), 4, now()).unwrap();
        assert!(raised.send, "{state:?}");
        assert_eq!((raised.row.state, raised.row.attempts, raised.row.since, raised.row.waiting), (Queued, 0, Some(now()), None));
    }
    let queued = raise(&row(Queued), 4, now()).unwrap();
    assert_eq!((queued.send, queued.row), (true, SyncRow { wanted: 4, ..row(Queued) }));
    for state in [Syncing, Uncertain, Waiting] {
        let told = raise(&row(state), 4, now()).unwrap();
        assert_eq!((told.send, told.row), (false, SyncRow { wanted: 4, ..row(state) }), "{state:?}");
    }
}

/// R146: an open intent stays open while its row waits for the plan, a live holder is left alone, and what waits already is not written.
#[test]
fn parking_keeps_what_is_in_doubt() {
    let problem = || RowProblem { code: "plan_required".into(), detail: "d".into(), fix: Fix::new("f", "p", false), issues: Vec::new() };
    let in_doubt = SyncRow { intent: Some(intent()), ..row(SyncState::Uncertain) };
    let parked = park_for_plan(&in_doubt, problem(), now()).unwrap();
    assert_eq!((parked.state, parked.intent.is_some()), (SyncState::Waiting, true));
    assert_eq!(parked.waiting, Some(Waiting { reason: WaitingFor::Plan, until: None }));
    assert_eq!(park_for_plan(&parked, problem(), now()), None);
    let until = now().saturating_add(SignedDuration::from_secs(1)).unwrap();
    let held = SyncRow { lease: Some(Lease { owner: RunId::new(Uuid::from_u128(9)), until }), ..row(SyncState::Syncing) };
    assert_eq!(park_for_plan(&held, problem(), now()), None);
    assert!(park_for_plan(&held, problem(), until).is_some());
}

/// R146, design decision 9, I14: asked again when queued work starts.
#[test]
fn r146_i14_the_gate_of_queued_work() {
    let of = |plan, status, generation| {
        let mut on = connection(Ledger::Xero, |_| ());
        on.status = status;
        gate(&workspace(plan), Some(&on), Ledger::Xero, Generation(generation))
    };
    let stops = |gate| matches!(gate, Gate::Stop(reason) if reason.starts_with("Xero ") && reason.ends_with('.'));
    for status in [ConnectionStatus::Connected, ConnectionStatus::ReconnectRequired] {
        assert_eq!(of(Plan::Studio, status, 1), Gate::Open);
        assert_eq!(of(Plan::Solo, status, 1), Gate::Plan);
        assert!(stops(of(Plan::Studio, status, 2)) && stops(of(Plan::Solo, status, 2)), "another organisation's");
    }
    for status in [ConnectionStatus::Disconnected, ConnectionStatus::ChooseOrganisation] {
        assert!(stops(of(Plan::Studio, status, 1)) && stops(of(Plan::Solo, status, 1)));
    }
    assert!(stops(gate(&workspace(Plan::Studio), None, Ledger::Xero, Generation(1))));
}
