use std::sync::Arc;
use std::time::Duration;

use coportal_core::failure::{Disposition, Question};
use coportal_core::ledger::Ledger;
use coportal_core::secret::Secret;

use super::*;
use crate::exec::scripted::{Scripted, Scripting, json as reply};
use crate::exec::{Executor, Meter, TransportError};
use crate::xero::{XeroEndpoints, api};

const IDS: [&str; 3] =
    ["aaaaaaaa-bbbb-4ccc-8ddd-000000000001", "aaaaaaaa-bbbb-4ccc-8ddd-000000000002", "aaaaaaaa-bbbb-4ccc-8ddd-000000000003"];

fn body(number: &str) -> Vec<u8> {
    format!(r#"{{"Invoices":[{{"Type":"ACCREC","InvoiceNumber":"{number}","Reference":"{number}","Url":"https://app/{number}","Total":1.10}}]}}"#)
        .into_bytes()
}

fn saved(id: &str, number: &str) -> String {
    format!(
        r#"{{"Type":"ACCREC","InvoiceID":"{id}","InvoiceNumber":"{number}","Reference":"{number}","Url":"https://app/{number}",
        "Contact":{{"ContactID":"c-1"}},"Status":"DRAFT","LineItems":[],"SubTotal":1.00,"TotalTax":0.20,"Total":1.20,
        "StatusAttributeString":"OK"}}"#
    )
}

fn refused(number: &str, why: &str) -> String {
    format!(
        r#"{{"Type":"ACCREC","InvoiceID":"00000000-0000-0000-0000-000000000000","InvoiceNumber":"{number}","HasErrors":true,
        "StatusAttributeString":"ERROR","ValidationErrors":[{{"Message":"{why}"}}]}}"#
    )
}

fn answer(list: &[String]) -> Scripting {
    Ok(reply(200, &format!(r#"{{"Invoices":[{}]}}"#, list.join(","))))
}

async fn create(transport: &Arc<Scripted>, numbers: &[&str]) -> BatchAnswer<RemoteDocument> {
    let ledger = api(Executor::new(transport.clone(), Ledger::Xero), XeroEndpoints::default());
    let (token, meter) = (Secret::new("a-1".to_owned()), Meter::default());
    let access = Access {
        organisation: "0f0f0f0f-1111-4222-8333-444444444444",
        token: &token,
        meter: &meter,
        timeout: Duration::from_secs(60),
        now: "2026-11-21T10:00:00Z".parse().unwrap(),
    };
    let bodies: Vec<Vec<u8>> = numbers.iter().map(|number| body(number)).collect();
    let rows: Vec<BatchWrite<'_>> = bodies.iter().map(|body| BatchWrite { external_id: None, body }).collect();
    ledger.batches.creates.unwrap().create_documents(access, &rows, "batch-1").await
}

fn shown(answer: BatchAnswer<RemoteDocument>) -> Vec<String> {
    let row = |row: Result<Answered<RemoteDocument>, Failure>| match row {
        Ok(answered) => answered.value.external_id.chars().last().unwrap().to_string(),
        Err(failure) => match &failure.disposition {
            Disposition::LookFirst => "look".to_owned(),
            Disposition::Hold { question } => question.code().to_owned(),
            other @ (Disposition::Retry { .. }
            | Disposition::Reauthorize
            | Disposition::Reject { .. }
            | Disposition::Stale
            | Disposition::Defect) => format!("{other:?}"),
        },
    };
    answer.unwrap().into_iter().map(row).collect()
}

#[tokio::test]
async fn rows_travel_byte_for_byte_under_one_key() {
    let transport = Scripted::new([answer(&[saved(IDS[0], "A"), saved(IDS[1], "B")])]);
    assert_eq!(shown(create(&transport, &["A", "B"]).await), ["1", "2"]);
    assert_eq!(transport.lines(), ["PUT /api.xro/2.0/Invoices?summarizeErrors=false&unitdp=4"]);
    assert_eq!(transport.header(0, "idempotency-key").as_deref(), Some("batch-1"));
    let sent = transport.body(0);
    for number in ["A", "B"] {
        let one = String::from_utf8(body(number)).unwrap();
        let element = one.strip_prefix(r#"{"Invoices":["#).and_then(|rest| rest.strip_suffix("]}")).unwrap();
        assert!(sent.contains(element), "{sent}");
    }
}

/// K20: each row has its own outcome, whatever the others came to and in whatever order the vendor speaks of them.
#[tokio::test]
async fn k20_each_row_gets_its_own_element_or_is_in_doubt() {
    let (a, b, c) = (saved(IDS[0], "A"), saved(IDS[1], "B"), saved(IDS[2], "C"));
    let taken = refused("B", "Invoice # must be unique.");
    let numbers = ["A", "B", "C"];
    for (case, list, expected) in [
        ("in order", vec![a.clone(), b.clone(), c.clone()], ["1", "2", "3"]),
        ("one refused", vec![a.clone(), taken.clone(), c.clone()], ["1", "number_taken", "3"]),
        ("in another order", vec![c.clone(), a.clone(), b.clone()], ["1", "2", "3"]),
        ("refused, in another order", vec![taken, c.clone(), a.clone()], ["1", "number_taken", "3"]),
        ("one missing", vec![a.clone(), c.clone()], ["1", "look", "3"]),
        ("none", vec![], ["look", "look", "look"]),
        ("a foreign one in its place", vec![a.clone(), saved(IDS[1], "X"), c.clone()], ["1", "look", "3"]),
        ("one twice", vec![a.clone(), a.clone(), c.clone()], ["1", "look", "3"]),
        ("two with one id", vec![a.clone(), saved(IDS[0], "B"), c.clone()], ["1", "look", "3"]),
        ("one without an id", vec![a.clone(), saved("", "B"), c.clone()], ["1", "look", "3"]),
        ("a bill", vec![a.clone(), b.replace("ACCREC", "ACCPAY"), c.clone()], ["1", "look", "3"]),
        ("one too many", vec![a, b, c, saved("aaaaaaaa-bbbb-4ccc-8ddd-000000000009", "Z")], ["1", "2", "3"]),
    ] {
        let transport = Scripted::new([answer(&list)]);
        assert_eq!(shown(create(&transport, &numbers).await), expected, "{case}");
    }
    assert_eq!(Question::NumberTaken.code(), "number_taken");
}

/// What is wrong with the call is the failure of the call: a lost answer leaves every row in doubt.
#[tokio::test]
async fn a_failed_call_is_nobodys_row() {
    for (case, answer, expected) in [
        ("lost", Err(TransportError::MaybeSent("cut".to_owned())), Disposition::LookFirst),
        ("damaged", Ok(reply(200, r#"{"Invoices":["#)), Disposition::LookFirst),
        ("another shape", Ok(reply(200, r#"{"Invoices":7}"#)), Disposition::LookFirst),
        ("a server error", Ok(reply(500, "")), Disposition::LookFirst),
        ("never sent", Err(TransportError::NotSent("refused".to_owned())), Disposition::Retry { not_before: None }),
        ("no token", Ok(reply(401, r#"{"Detail":"TokenExpired: token expired"}"#)), Disposition::Reauthorize),
    ] {
        let transport = Scripted::new([answer]);
        assert_eq!(create(&transport, &["A", "B"]).await.unwrap_err().disposition, expected, "{case}");
    }
}

#[tokio::test]
async fn looks_ask_for_number_and_reference_in_filters_that_fit_an_address() {
    let ledger = |transport: &Arc<Scripted>| api(Executor::new(transport.clone(), Ledger::Xero), XeroEndpoints::default());
    let (token, meter) = (Secret::new("a-1".to_owned()), Meter::default());
    let access = Access {
        organisation: "0f0f0f0f-1111-4222-8333-444444444444",
        token: &token,
        meter: &meter,
        timeout: Duration::from_secs(60),
        now: "2026-11-21T10:00:00Z".parse().unwrap(),
    };
    let look = |number: &str| Look { number: Some(number.to_owned()), reference: Some(number.to_owned()), ..Look::default() };
    let looks: Vec<Look> = (0..50).map(|n| look(&format!("INV-{n:04}"))).collect();
    let looks: Vec<&Look> = looks.iter().collect();
    // Somebody has renumbered the second: its reference still tells.
    let renumbered = saved(IDS[1], "INV-0001").replace(r#""InvoiceNumber":"INV-0001""#, r#""InvoiceNumber":"OTHER""#);
    let transport = Scripted::new([answer(&[saved(IDS[0], "INV-0000"), renumbered])]);
    let found = ledger(&transport).batches.reads.unwrap().look_documents(access, &looks).await.unwrap().value;
    assert_eq!(transport.lines().len(), 1, "fifty rows in one call");
    assert!(transport.lines()[0].len() < 8_000);
    let told: Vec<usize> = found.iter().map(|found| found.as_ref().unwrap().len()).collect();
    assert_eq!((told[0], told[1], told[2..].iter().sum::<usize>()), (1, 1, 0));
    // What cannot stand in a filter is looked for alone; long numbers take more calls, each within bounds.
    let (hostile, long) = (look(r#"x" OR 1==1"#), (0..50).map(|n| look(&format!("{}{n:04}", "LONG-".repeat(20)))));
    let mixed: Vec<Look> = std::iter::once(hostile).chain(long).collect();
    let mixed: Vec<&Look> = mixed.iter().collect();
    let transport = Scripted::new((0..9).map(|_| answer(&[])));
    let found = ledger(&transport).batches.reads.unwrap().look_documents(access, &mixed).await.unwrap().value;
    assert!(found[0].is_none() && found[1..].iter().all(Option::is_some));
    assert!(transport.lines().iter().all(|line| line.len() < 7_000 && !line.contains("1%3D%3D1")));
}
