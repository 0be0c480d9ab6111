//! What a warm sync costs at AWS: the first push of an invoice whose client is linked, with facts, access token and data key fresh.

use std::time::Duration;

use crate::support::{connected, lines};
use coportal_core::ledger::Ledger;

#[tokio::test]
async fn a_warm_sync_makes_at_most_four_round_trips_to_the_table_and_none_to_kms() {
    let (local, studio) = connected().await;
    let client = studio.add_client("Juniper & Finch Ltd", "accounts@juniperfinch.example").await.unwrap();
    let cold = studio.send_invoice(&client, &lines()).await.unwrap();
    let warm = studio.send_invoice(&client, &lines()).await.unwrap();
    studio.at(Ledger::Xero).synced(&cold).await.unwrap();

    // The fan-out of what was sent is not the click's.
    assert!(local.idle(Duration::from_secs(20)).await, "the stream is drained");
    local.cloud.cloud.forget_calls();
    let answer = studio.at(Ledger::Xero).synced(&warm).await.unwrap();
    assert_eq!(answer["changed"], "created");
    let calls = local.cloud.cloud.call_log();
    let operations: Vec<&str> = calls.iter().map(|call| call.operation.as_str()).collect();
    // The first is the authentication's one batch read of user, workspace and member; the count begins behind it.
    assert_eq!(operations.first(), Some(&"dynamodb:BatchGetItem"), "{operations:?}");
    let table = operations.iter().skip(1).filter(|operation| operation.starts_with("dynamodb:")).count();
    let elsewhere: Vec<&&str> = operations.iter().filter(|operation| !operation.starts_with("dynamodb:")).collect();
    assert!(table <= 4, "{table} round trips behind the authentication: {operations:?}");
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
    local.shutdown().await.unwrap();
}
