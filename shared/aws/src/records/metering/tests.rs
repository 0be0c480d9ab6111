use coportal_core::id::RunId;
use coportal_core::metering::{Ask, Decision, Limit, Limits, Withheld};
use uuid::Uuid;

use super::*;
use crate::testing::{Fault, Services};

const LIMITS: Limits =
    Limits { per_minute: 60, burst: 10, concurrent: 5, per_day: 5_000, app_per_minute: 10_000, batches_per_minute: u32::MAX };

fn ask(services: &Services, n: u128) -> Ask {
    Ask { calls: 1, batches: 0, slots: 0, owner: RunId::new(Uuid::from_u128(n)), until: services.now(), waited: false }
}

fn taking(services: &Services, known: &CallsKnown, app: bool) -> PermitWrite {
    let mut bucket = known.bucket.clone();
    assert_eq!(bucket.value.take(&LIMITS, services.now(), &ask(services, 1)), Decision::Granted { calls: 1 });
    let mut taken = known.app.clone();
    let _ = taken.value.take(&LIMITS, services.now()).unwrap();
    PermitWrite { ledger: Ledger::Xero, organisation: "org".to_owned(), bucket, app: app.then_some(taken), at: services.now() }
}

/// Contention costs a retry, never a wrong count: of two who read the same bucket one is refused.
#[tokio::test]
async fn two_who_read_one_bucket_never_take_the_same_permit() {
    for app in [false, true] {
        let services = Services::new();
        let store = services.cloud().store;
        let known = store.calls_known(&services.ctx(), Ledger::Xero, "org").await.unwrap();
        assert_eq!(known, CallsKnown::default());
        let write = taking(&services, &known, app);
        assert!(store.write_permits(&services.ctx(), &write).await.unwrap());
        assert!(!store.write_permits(&services.ctx(), &taking(&services, &known, app)).await.unwrap());
        let stands = store.calls_known(&services.ctx(), Ledger::Xero, "org").await.unwrap();
        assert_eq!(stands, write.written(&known));
        assert_eq!(stands.bucket.value.used_today(services.now()), 1);
        let other = store.calls_known(&services.ctx(), Ledger::Xero, "another").await.unwrap();
        assert_eq!(other.bucket, Versioned::default(), "each organisation has its own");
    }
}

#[tokio::test]
async fn a_lost_answer_of_a_permit_is_a_permit() {
    for app in [false, true] {
        let services = Services::new();
        let store = services.cloud().store;
        let known = store.calls_known(&services.ctx(), Ledger::Xero, "org").await.unwrap();
        services.fault(0, Fault::LoseAnswer);
        assert!(store.write_permits(&services.ctx(), &taking(&services, &known, app)).await.unwrap());
    }
}

#[tokio::test]
async fn a_block_reaches_a_bucket_that_moves_meanwhile() {
    let services = Services::new();
    let store = services.cloud().store;
    let until = services.now() + SignedDuration::from_secs(40);
    let known = store.calls_known(&services.ctx(), Ledger::Xero, "org").await.unwrap();
    assert!(store.write_permits(&services.ctx(), &taking(&services, &known, false)).await.unwrap());
    // Its first write finds that somebody has taken a permit since it read.
    let moved = services.clone();
    let (mut turns, other) = (0, services.cloud().store);
    let before = store.calls_known(&services.ctx(), Ledger::Xero, "org").await.unwrap();
    let write = taking(&services, &before, false);
    let bucket = store
        .change_bucket(&services.ctx(), Ledger::Xero, "org", None, |bucket| {
            turns += 1;
            if turns == 1 {
                let (other, write, ctx) = (other.clone(), write.clone(), moved.ctx());
                std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    assert!(runtime.block_on(other.write_permits(&ctx, &write)).unwrap());
                })
                .join()
                .unwrap();
            }
            bucket.block(&LIMITS, moved.now(), Withheld { limit: Limit::Minute, until }, 0);
            true
        })
        .await
        .unwrap();
    assert_eq!(turns, 2);
    assert_eq!(bucket.value.blocked(services.now()).map(|no| no.until), Some(until));
    assert_eq!(bucket.value.used_today(services.now()), 2, "what was counted stays");
    let stands = store.calls_known(&services.ctx(), Ledger::Xero, "org").await.unwrap();
    assert_eq!(stands.bucket, bucket);
    let calls = services.calls().len();
    let _ = store.change_bucket(&services.ctx(), Ledger::Xero, "org", None, |_| false).await.unwrap();
    assert_eq!(services.operations(calls), ["GetItem"], "nothing to say, nothing written");
    // Whoever knows the bucket need not read it; what was known too long ago is what the refused write brings.
    for operations in [vec!["UpdateItem"], vec!["UpdateItem", "UpdateItem"]] {
        let later = until + SignedDuration::from_secs(1);
        let block = |bucket: &mut Bucket| {
            bucket.block(&LIMITS, services.now(), Withheld { limit: Limit::Minute, until: later }, 0);
            true
        };
        let calls = services.calls().len();
        let known = Some(stands.bucket.clone());
        let told = store.change_bucket(&services.ctx(), Ledger::Xero, "org", known, block).await.unwrap();
        assert_eq!(services.operations(calls), operations);
        assert_eq!(told, store.calls_known(&services.ctx(), Ledger::Xero, "org").await.unwrap().bucket);
    }
}

/// The app's permits are taken in tranches, used by whoever is next, and only for a while.
#[tokio::test]
async fn a_tranche_serves_several_calls_and_ends() {
    let services = Services::new();
    let store = services.cloud().store;
    assert!(!store.use_tranche(Ledger::Xero, services.now(), 1));
    store.keep_tranche(Ledger::Xero, services.now(), 3);
    assert!(store.use_tranche(Ledger::Xero, services.now(), 2));
    assert!(!store.use_tranche(Ledger::Xero, services.now(), 2));
    assert!(store.clone().use_tranche(Ledger::Xero, services.now(), 1), "clones share it");
    store.keep_tranche(Ledger::Xero, services.now(), 3);
    assert!(!store.use_tranche(Ledger::Sage, services.now(), 1));
    assert!(!store.use_tranche(Ledger::Xero, services.now() + TRANCHE_FOR, 1));
    store.block_app(&services.ctx(), Ledger::Xero, services.now() + SignedDuration::from_secs(30)).await.unwrap();
    assert!(!store.use_tranche(Ledger::Xero, services.now(), 1), "the vendor's word counts at once");
    let mut app = store.calls_known(&services.ctx(), Ledger::Xero, "org").await.unwrap().app.value;
    assert_eq!(app.take(&LIMITS, services.now()).unwrap_err().limit, Limit::App);
}
