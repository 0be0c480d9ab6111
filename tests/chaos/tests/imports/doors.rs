//! Who may, which preview, which rows, on which plan, in which books.

use chaos::world::World;
use coportal_core::id::{PreviewId, WorkspaceId};
use coportal_core::import::{Action, Status};
use coportal_core::ledger::Ledger;
use coportal_core::problem::Problem;
use coportal_core::workspace::{Plan, Workspace};
use coportal_engine::import::{ImportAnswer, ImportRequest, PreviewState};
use jiff::SignedDuration;
use simulators::skeleton::faults::{Fault, FaultKind};
use uuid::Uuid;

use crate::scene::{actor, all_new, clients, import, imported, plant, previewed, request, rows, shown, tick, work, workspace};

fn public(problem: &Problem) -> (String, String) {
    (problem.code.to_string(), problem.detail.to_string())
}

/// I13, I15: another workspace's preview, another ledger's, an ended one and a forged row are refused as what never was.
#[tokio::test(start_paused = true)]
async fn i13_i15_foreign_ended_and_forged_ids_are_not_there() {
    let world = World::new(3).await.unwrap();
    plant(&world, 0, 2);
    let engine = world.process().unwrap();
    let preview = previewed(&world, &engine).await;
    let row = rows(&world, &engine, preview.id).await.remove(0);
    let missing = PreviewId::new(Uuid::from_u128(7));
    let (ctx, ours) = (world.ctx(), workspace(&world).await);
    let theirs = Workspace { id: WorkspaceId::new(Uuid::from_u128(99)), ..ours.clone() };
    let ticked = |id| request(id, vec![tick(&row.external_id, Action::Create)]);

    let mut refusals = Vec::new();
    refusals.push(engine.preview(&ctx, &ours, Ledger::Xero, missing, None).await.unwrap_err());
    refusals.push(engine.preview(&ctx, &theirs, Ledger::Xero, preview.id, None).await.unwrap_err());
    refusals.push(engine.preview(&ctx, &ours, Ledger::Sage, preview.id, None).await.unwrap_err());
    refusals.push(engine.import(&ctx, &ours, actor(&world), Ledger::Xero, ticked(missing)).await.unwrap_err());
    refusals.push(engine.import(&ctx, &theirs, actor(&world), Ledger::Xero, ticked(preview.id)).await.unwrap_err());
    refusals.push(engine.import(&ctx, &ours, actor(&world), Ledger::Sage, ticked(preview.id)).await.unwrap_err());
    for forged in ["0", "5ab3b5d4-9a4b-4d6e-9d4e-0a5f0f3f8a11", "", "ROWS#000000"] {
        let rows = vec![tick(&row.external_id, Action::Create), tick(forged, Action::Create)];
        refusals.push(import(&world, &engine, &ctx, request(preview.id, rows)).await.unwrap_err());
    }
    world.clock.advance(SignedDuration::from_hours(24));
    let ctx = world.ctx();
    refusals.push(engine.preview(&ctx, &ours, Ledger::Xero, preview.id, None).await.unwrap_err());
    refusals.push(engine.import(&ctx, &ours, actor(&world), Ledger::Xero, ticked(preview.id)).await.unwrap_err());
    assert!(refusals.iter().all(|refusal| public(refusal) == public(&refusals[0]) && refusal.code == "not_found"), "{refusals:?}");
    assert_eq!(clients(&world).await.len(), 1, "nothing was imported");
}

#[tokio::test(start_paused = true)]
async fn malformed_imports_are_refused_before_anything_is_done() {
    let world = World::new(3).await.unwrap();
    plant(&world, 0, 2);
    let engine = world.process().unwrap();
    let preview = previewed(&world, &engine).await;
    let row = rows(&world, &engine, preview.id).await.remove(0).external_id;
    let both = ImportRequest { all_new: true, ..request(preview.id, Vec::new()) };
    let neither = ImportRequest { preview_id: Some(preview.id), rows: None, all_new: false };
    let without = ImportRequest { preview_id: None, ..request(preview.id, vec![tick(&row, Action::Create)]) };
    let twice = request(preview.id, vec![tick(&row, Action::Create), tick(&row, Action::Skip)]);
    let mut named = request(preview.id, vec![tick(&row, Action::Create)]);
    named.rows.as_mut().unwrap()[0].client_id = Some(world.client);
    for wrong in [both, neither, without, twice, named] {
        let refused = import(&world, &engine, &world.ctx(), wrong.clone()).await.unwrap_err();
        assert_eq!(refused.code, "invalid_request", "{wrong:?}");
    }
    let refused = engine.preview(&world.ctx(), &workspace(&world).await, Ledger::Xero, preview.id, Some("1")).await.unwrap_err();
    assert_eq!(refused.code, "invalid_request", "a cursor beyond the last page");
    assert_eq!(clients(&world).await.len(), 1);
    // An import of a list that is still being read waits for it.
    let begun = engine.begin_preview(&world.ctx(), &workspace(&world).await, actor(&world), Ledger::Xero, false).await.unwrap();
    let early = import(&world, &engine, &world.ctx(), all_new(begun.id)).await.unwrap_err();
    assert_eq!(early.code, "preview_not_ready");
}

/// R3, R146: the plan is checked when a preview begins, when its job goes on, and when it is committed.
#[tokio::test(start_paused = true)]
async fn r146_a_smaller_plan_stops_previews_and_imports() {
    let world = World::new(4).await.unwrap();
    plant(&world, 0, 2);
    let engine = world.process().unwrap();
    let ready = previewed(&world, &engine).await;
    let begun = engine.begin_preview(&world.ctx(), &workspace(&world).await, actor(&world), Ledger::Xero, false).await.unwrap();
    world.settings(|workspace| workspace.plan = Plan::Solo).await.unwrap();
    let ours = workspace(&world).await;
    let calls = world.simulator.calls().len();
    let refused = engine.begin_preview(&world.ctx(), &ours, actor(&world), Ledger::Xero, false).await.unwrap_err();
    assert_eq!(refused.code, "plan_required");
    assert_eq!(import(&world, &engine, &world.ctx(), all_new(ready.id)).await.unwrap_err().code, "plan_required");
    work(&world, &engine, begun.id).await;
    assert_eq!(world.simulator.calls().len(), calls, "no vendor call");
    world.settings(|workspace| workspace.plan = Plan::Studio).await.unwrap();
    let failed = shown(&world, &engine, begun.id).await;
    assert_eq!((failed.state, failed.problem.unwrap().code.as_ref()), (PreviewState::Failed, "plan_required"));
    assert_eq!(import(&world, &engine, &world.ctx(), all_new(begun.id)).await.unwrap_err().code, "plan_required");
}

/// R145: a preview of one organisation is not committed into another one's links.
#[tokio::test(start_paused = true)]
async fn r145_another_organisation_ends_a_preview() {
    let world = World::new(5).await.unwrap();
    plant(&world, 0, 2);
    let engine = world.process().unwrap();
    let ready = previewed(&world, &engine).await;
    let organisations: Vec<String> = world.books().organisations.into_iter().map(|organisation| organisation.name).collect();
    world.reconnect(&[&organisations[1]]).await.unwrap();
    let refused = import(&world, &engine, &world.ctx(), all_new(ready.id)).await.unwrap_err();
    assert_eq!(refused.code, "organisation_changed");
    assert_eq!(clients(&world).await.len(), 1);
}

/// What the ledger refuses for a while is tried again, and nothing is read twice that was read.
#[tokio::test(start_paused = true)]
async fn a_preview_outlasts_a_vendor_that_is_away() {
    let world = World::new(6).await.unwrap();
    plant(&world, 0, 5);
    let engine = world.process().unwrap();
    for kind in [FaultKind::TimeoutBefore, FaultKind::Refuse, FaultKind::Garbage] {
        world.simulator.post_faults(vec![Fault { times: 2, ..Fault::on("/Contacts", kind) }]);
        let preview = previewed(&world, &engine).await;
        assert_eq!((preview.state, preview.read), (PreviewState::Ready, 5), "{kind:?}: {:?}", preview.problem);
        world.heal().unwrap();
    }
    let status = Fault { status: Some(503), times: 99, ..Fault::on("/Contacts", FaultKind::Status) };
    world.simulator.post_faults(vec![status]);
    let begun = engine.begin_preview(&world.ctx(), &workspace(&world).await, actor(&world), Ledger::Xero, false).await.unwrap();
    for _ in 0..8 {
        let _ = engine.run_job(&world.ctx(), world.workspace, coportal_core::job::JobId::Preview(begun.id)).await.unwrap();
        world.clock.advance(SignedDuration::from_hours(2));
    }
    let view = shown(&world, &engine, begun.id).await;
    assert!(matches!(view.state, PreviewState::Reading | PreviewState::Failed), "{view:?}");
    assert_eq!(view.read, 0);
}

/// R148, R149, C15: an archived client's address, and a contact person's, are duplicates; a tick links them, and makes nobody.
#[tokio::test(start_paused = true)]
async fn r148_r149_c15_archived_clients_and_contact_persons_are_matches() {
    use coportal_core::client::ContactPerson;
    use coportal_core::id::ContactPersonId;
    let world = World::new(9).await.unwrap();
    let engine = world.process().unwrap();
    let archived = world.add_client(1).await.unwrap();
    world
        .edit_client(archived, |client| {
            client.email = "old@example.com".to_owned();
            client.archived = true;
        })
        .await
        .unwrap();
    let fay = ContactPerson { id: ContactPersonId::new(Uuid::from_u128(5)), name: "Fay".into(), email: "finance@rosewood.example".into() };
    let _ = engine.store.create_person(&world.ctx(), world.workspace, world.client, &fay, None).await.unwrap();
    world
        .plant(serde_json::json!({"contacts": [
            {"name": "Old Friend", "email": "OLD@example.com"},
            {"name": "Rosewood finance", "email": "finance@rosewood.example"},
            {"name": "Somebody new", "email": "new@example.com"},
            {"name": "Nobody"},
        ]}))
        .unwrap();
    let preview = previewed(&world, &engine).await;
    let rows = rows(&world, &engine, preview.id).await;
    let row = |name: &str| rows.iter().find(|row| row.name == name).unwrap();
    let (old, finance, fresh, nobody) = (row("Old Friend"), row("Rosewood finance"), row("Somebody new"), row("Nobody"));
    assert_eq!((old.status, old.archived, old.client_id), (Status::DuplicateEmail, true, Some(archived)));
    assert_eq!((finance.status, finance.archived, finance.client_id), (Status::DuplicateEmail, false, Some(world.client)));
    assert_eq!((old.default_action, old.ticked, fresh.default_action, fresh.ticked), (Action::Link, false, Action::Create, true));
    assert_eq!((nobody.ticked, nobody.note.as_ref().unwrap().code), (false, "no_email"));
    let ticked = [old, finance, fresh].map(|row| tick(&row.external_id, row.default_action)).to_vec();
    let result = imported(&world, &engine, request(preview.id, ticked)).await;
    assert_eq!((result.created, result.linked), (1, 2), "{result:?}");
    assert_eq!(clients(&world).await.len(), 3);
    let forced = imported(&world, &engine, request(preview.id, vec![tick(&nobody.external_id, Action::Create)])).await;
    assert_eq!((forced.created, forced.failed[0].code.as_str()), (0, "no_email"));
}

/// C14, R32, R33: everything new in one request, without a look; clients that are there by their address are skipped.
#[tokio::test(start_paused = true)]
async fn c14_r32_r33_all_new_in_one_request() {
    let world = World::of(Ledger::BusinessCentral, 2).await.unwrap();
    plant(&world, 0, 60);
    let engine = world.process().unwrap();
    world.plant(serde_json::json!({"contacts": [{"name": "Rosewood", "email": "accounts@rosewood.example"}]})).unwrap();
    let whole = ImportRequest { preview_id: None, rows: None, all_new: true };
    let ImportAnswer::Done(result) = import(&world, &engine, &world.ctx(), whole.clone()).await.unwrap() else {
        panic!("sixty customers are done in the request itself")
    };
    assert_eq!((result.created, result.linked, result.skipped), (60, 0, 1), "{result:?}");
    let shown_now = shown(&world, &engine, result.preview_id.unwrap()).await;
    assert_eq!((shown_now.state, shown_now.counts.unwrap().duplicate_email), (PreviewState::Done, 1));
    assert_eq!(clients(&world).await.len(), 61);
    // The same once more: everything is linked by now. More than a hundred new ones are a job.
    let ImportAnswer::Done(again) = import(&world, &engine, &world.ctx(), whole.clone()).await.unwrap() else { panic!("nothing is new") };
    assert_eq!((again.created, again.skipped), (0, 61));
    plant(&world, 60, 130);
    let answer = import(&world, &engine, &world.ctx(), whole).await.unwrap();
    let ImportAnswer::Accepted(view) = answer else { panic!("{answer:?}") };
    work(&world, &engine, view.id).await;
    let done = shown(&world, &engine, view.id).await;
    let result = done.result.unwrap();
    assert_eq!((done.state, result.created, result.skipped), (PreviewState::Done, 130, 61));
    assert_eq!(clients(&world).await.len(), 191);
}
