use std::sync::Arc;
use std::time::Duration;

use coportal_core::failure::Disposition;
use coportal_core::ledger::Ledger;
use coportal_core::metering::Limit;
use jiff::SignedDuration;

use super::*;
use crate::exec::Meter;
use crate::exec::scripted::{Scripted, json};
use crate::fixit::{Common, Entry, entry};

#[derive(Clone, Copy, PartialEq, Eq)]
struct Toy;

impl Catalogue for Toy {
    fn common(_: Common) -> Self {
        Self
    }

    fn entry(self) -> Entry {
        entry("toy_failed", "It failed.", "Try again.", "here", true)
    }

    fn facts_stale(self) -> bool {
        false
    }

    fn limit(answer: &Response<Bytes>) -> Option<(Limit, SignedDuration)> {
        (answer.status().as_u16() == 429).then_some((Limit::Minute, SignedDuration::from_mins(1)))
    }

    fn failure(asked: &Asked<'_>, answer: &Response<Bytes>) -> Failure {
        judge::failed(asked, Self, Disposition::Defect, Some(answer), "")
    }
}

fn caller(transport: &Arc<Scripted>, tenancy: Tenancy, carrier: KeyCarrier) -> Caller<Toy> {
    Caller {
        executor: Executor::new(transport.clone(), Ledger::Xero),
        base: "https://api.example/v1".to_owned(),
        tenancy,
        idempotency: Some(Idempotency { carrier, key_max: 8, kept_for: SignedDuration::from_mins(5) }),
        always: &[("version", "7")],
        catalogue: PhantomData,
    }
}

fn company(id: &str) -> Option<String> {
    id.bytes().all(|byte| byte.is_ascii_digit()).then(|| format!("/company/{id}"))
}

macro_rules! with_access {
    ($organisation:expr, |$access:ident| $call:expr) => {{
        let (token, meter) = (Secret::new("a-1".to_owned()), Meter::default());
        let $access = Access {
            organisation: $organisation,
            token: &token,
            meter: &meter,
            timeout: Duration::from_secs(12),
            now: "2026-11-21T10:00:00Z".parse().unwrap(),
        };
        $call
    }};
}

fn write<'a>(key: &'a str) -> Call<'a> {
    let operation = Operation { name: "write", route: "/things" };
    Call::write(operation, Method::POST, "/things".to_owned(), Bytes::from_static(b"{}"), key, Subject::Place)
}

#[tokio::test]
async fn organisation_and_key_go_where_the_ledger_wants_them() {
    let transport = Scripted::new([Ok(json(200, "{}")), Ok(json(200, "{}"))]);
    let by_path = caller(&transport, Tenancy::Path(company), KeyCarrier::Query("requestid"));
    let by_header = caller(&transport, Tenancy::Header("x-business"), KeyCarrier::Header("idempotency-key"));
    with_access!("12", |access| by_path.send(access, write("k 1").with("a", "b c")).await.map(|_| ()).unwrap());
    with_access!("12", |access| by_header.send(access, write("k1").header("if-match", "7")).await.map(|_| ()).unwrap());
    assert_eq!(transport.lines(), ["POST /v1/company/12/things?a=b%20c&requestid=k%201&version=7", "POST /v1/things?version=7"]);
    for (name, expected) in [("x-business", "12"), ("idempotency-key", "k1"), ("if-match", "7"), ("authorization", "Bearer a-1")] {
        assert_eq!(transport.header(1, name).as_deref(), Some(expected), "{name}");
    }
    assert_eq!(transport.header(0, "x-business"), None);
}

#[tokio::test]
async fn what_cannot_be_a_request_is_not_sent() {
    let transport = Scripted::new([]);
    let caller = caller(&transport, Tenancy::Path(company), KeyCarrier::Query("requestid"));
    for (organisation, key) in [("12/../13", "k"), ("12", ""), ("12", "123456789")] {
        let failure = with_access!(organisation, |access| caller.send(access, write(key)).await.err().unwrap());
        assert_eq!(failure.disposition, Disposition::Defect, "{organisation} {key}");
    }
}

#[test]
fn a_link_is_followed_below_the_organisations_own_beginning_only() {
    let caller = caller(&Scripted::new([]), Tenancy::Path(company), KeyCarrier::Query("requestid"));
    with_access!("12", |access| {
        for (link, expected) in [
            ("https://api.example/v1/company/12/things?page=2", Some("/things?page=2")),
            ("https://api.example/v1/company/12?page=2", Some("?page=2")),
            ("https://api.example/v1/company/13/things", None),
            ("https://api.example/v1/company/123/things", None),
            ("https://api.example/v1/company/12/../13/things", None),
            ("https://api.example/v1/company/12/%2E%2E/13/things", None),
            ("https://api.example.evil.example/v1/company/12/things", None),
            ("http://api.example/v1/company/12/things", None),
            ("https://api.example/v1/company/12/things#x", None),
            ("/v1/company/12/things", None),
        ] {
            assert_eq!(caller.below(access, link), expected, "{link}");
        }
    });
}
