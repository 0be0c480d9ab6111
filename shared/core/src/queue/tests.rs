use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::id::{BackfillId, PreviewId};

fn ws() -> WorkspaceId {
    WorkspaceId::new(Uuid::from_u128(1))
}

fn invoices(count: u128) -> Vec<InvoiceId> {
    (1..=count).map(|n| InvoiceId::new(Uuid::from_u128(n))).collect()
}

fn sync(count: u128) -> Message {
    Message::Sync(SyncMessage { ws: ws(), ledger: Ledger::BusinessCentral, generation: Generation(3), invoices: invoices(count) })
}

const JOB: &str = "bkf_0000000000000000000000000000000f";

/// What lies in a queue while a new version is deployed was written by the old one: the bytes may not change without a new version.
#[test]
fn the_bodies_to_the_byte() {
    for (message, body, group) in [
        (
            sync(2),
            r#"{"v":1,"ws":"ws_00000000000000000000000000000001","ledger":"business-central","gen":3,"invoices":["inv_00000000000000000000000000000001","inv_00000000000000000000000000000002"]}"#,
            "ws_00000000000000000000000000000001:business-central",
        ),
        (
            Message::Job(JobMessage { ws: ws(), job: JOB.parse().unwrap() }),
            r#"{"v":1,"ws":"ws_00000000000000000000000000000001","job":"bkf_0000000000000000000000000000000f"}"#,
            "ws_00000000000000000000000000000001:jobs",
        ),
    ] {
        assert_eq!(message.encode().unwrap(), body);
        assert_eq!(Message::decode(body).unwrap(), message);
        assert_eq!(message.group(), group);
        assert_eq!(message.workspace(), ws());
    }
}

/// reliability.md: unsigned, forged, old schema, too long, unknown kind are refused with a reason.
#[test]
fn what_is_not_exactly_a_message_is_refused_with_a_reason_that_repeats_nothing_of_it() {
    let good = sync(1).encode().unwrap();
    let with = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replacen(from, to, 1)
    };
    let cases = [
        (String::new(), "no JSON object with a version"),
        ("s3cret".to_owned(), "no JSON object with a version"),
        (format!("[1,\"{}\",\"xero\",1,[\"inv_00000000000000000000000000000001\"]]", ws()), "no JSON object with a version"),
        (format!(" {good}"), "no JSON object with a version"),
        (with("\"v\":1,", ""), "no JSON object with a version"),
        (with("\"v\":1", "\"v\":\"1\""), "no JSON object with a version"),
        (with("\"v\":1", "\"v\":1,\"v\":1"), "no JSON object with a version"),
        (with("\"v\":1", "\"v\":0"), "version 0 is not known"),
        (with("\"v\":1", "\"v\":2,\"s3cret\":true"), "version 2 is not known"),
        (with("\"gen\":3", "\"gen\":3,\"s3cret\":1"), "a field is unknown"),
        (with("\"gen\":3", "\"gen\":3,\"gen\":3"), "a field is unknown"),
        (with("\"gen\":3", "\"gen\":-3"), "a field is unknown"),
        (with("\"gen\":3", "\"gen\":null"), "a field is unknown"),
        (with("\"gen\":3,", ""), "neither ledger"),
        (with("\"gen\":3", "\"gen\":3,\"job\":null"), "a field is unknown"),
        (with("\"gen\":3", &format!("\"gen\":3,\"job\":\"{JOB}\"")), "neither ledger"),
        (with("business-central", "s3cret"), "a field is unknown"),
        (with("ws_0", "ws_s3cret"), "a field is unknown"),
        (with("inv_0", "INV_0"), "a field is unknown"),
        (with("inv_0", "cl_0"), "a field is unknown"),
        (format!("{good} s3cret"), "no JSON object with a version"),
        (r#"{"v":1,"ws":"ws_00000000000000000000000000000001"}"#.to_owned(), "neither ledger"),
        (r#"{"v":1,"ws":"ws_00000000000000000000000000000001","ledger":"xero","gen":1,"invoices":[]}"#.to_owned(), "no invoice is named"),
        (r#"{"v":1,"ws":"ws_00000000000000000000000000000001","job":"s3cret"}"#.to_owned(), "the job's id is none"),
        (
            r#"{"v":1,"ws":"ws_00000000000000000000000000000001","job":"inv_0000000000000000000000000000000f"}"#.to_owned(),
            "the job's id is none",
        ),
        (
            r#"{"v":1,"ws":"ws_00000000000000000000000000000001","job":"bkf_0000000000000000000000000000000F"}"#.to_owned(),
            "the job's id is none",
        ),
        (format!("{good}{}", " ".repeat(MAX_BODY)), "bytes are more than"),
    ];
    for (body, reason) in cases {
        let refused = Message::decode(&body).unwrap_err();
        assert!(refused.reason.starts_with(reason) || refused.reason.contains(reason), "{body}: {refused}");
        assert!(!refused.to_string().contains("s3cret"), "{refused}");
    }
}

#[test]
fn a_message_holds_one_to_fifty_invoices() {
    assert_eq!(sync(0).encode().unwrap_err().reason, "no invoice is named");
    assert_eq!(sync(51).encode().unwrap_err().reason, "51 invoices are more than 50");
    let body = sync(50).encode().unwrap();
    assert!(body.len() < MAX_BODY / 2, "{}", body.len());
    let one_more = body.replace("]}", ",\"inv_00000000000000000000000000000033\"]}");
    assert_eq!(Message::decode(&one_more).unwrap_err().reason, "51 invoices are more than 50");
}

/// AWS: 1 to 128 letters, digits and punctuation.
#[test]
fn every_group_is_one_that_the_queue_takes() {
    for ledger in Ledger::ALL {
        let message = Message::Sync(SyncMessage { ws: ws(), ledger, generation: Generation(u64::MAX), invoices: invoices(1) });
        for group in [message.group(), Message::Job(JobMessage { ws: ws(), job: JOB.parse().unwrap() }).group()] {
            assert!((1..=128).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_graphic()), "{group}");
        }
    }
}

fn messages() -> impl Strategy<Value = Message> {
    let ids = prop::collection::vec(any::<u128>().prop_map(|n| InvoiceId::new(Uuid::from_u128(n))), 1..=MAX_INVOICES);
    let workspace = || any::<u128>().prop_map(|n| WorkspaceId::new(Uuid::from_u128(n)));
    let sync = (workspace(), prop::sample::select(Ledger::ALL.to_vec()), any::<u64>(), ids)
        .prop_map(|(ws, ledger, generation, invoices)| SyncMessage { ws, ledger, generation: Generation(generation), invoices }.into());
    let job = (workspace(), any::<u128>(), 0..3_u8).prop_map(|(ws, n, kind)| {
        let job = match kind {
            0 => JobId::Backfill(BackfillId::new(Uuid::from_u128(n))),
            1 => JobId::Preview(PreviewId::new(Uuid::from_u128(n))),
            _ => JobId::Drift { ledger: Ledger::BusinessCentral, generation: Generation(u64::from(n as u32)) },
        };
        JobMessage { ws, job }.into()
    });
    prop_oneof![sync, job]
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(message in messages()) {
        prop_assert_eq!(Message::decode(&message.encode().unwrap()).unwrap(), message);
    }

    /// Whatever is read is written again as a message that means the same: there is no second meaning to a body.
    #[test]
    fn a_damaged_body_is_refused_or_is_another_message(message in messages(), at in any::<prop::sample::Index>(), byte in 0x20u8..0x7f) {
        let mut body = message.encode().unwrap().into_bytes();
        let at = at.index(body.len());
        body[at] = byte;
        let body = String::from_utf8(body).unwrap();
        if let Ok(read) = Message::decode(&body) {
            prop_assert_eq!(Message::decode(&read.encode().unwrap()).unwrap(), read);
        }
    }

    #[test]
    fn no_text_makes_it_panic(body in ".{0,300}") {
        let _ = Message::decode(&body);
    }
}
