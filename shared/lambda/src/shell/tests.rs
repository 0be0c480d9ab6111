//! The layer around every route, and what it leaves in the log.

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use base64::Engine as _;
use coportal_core::problem::{Problem, ProblemKind};
use coportal_core::workspace::Plan;
use http::{Method, Request};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Shell;
use crate::authn::Member;
use crate::extract::{JsonBody, PathIds};
use crate::problem::{Answer, Refusal};
use crate::telemetry::Note;
use crate::testing::Bench;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    #[serde(rename = "name")]
    _name: String,
}

async fn failing(PathIds(id): PathIds<String>) -> Answer<()> {
    Err(Problem::internal_error(format!("the vendor said: token {id} is no good, Bearer {id}, code={id}")).into())
}

async fn panicking(PathIds(id): PathIds<String>) {
    let empty: Vec<u8> = Vec::new();
    assert!(!empty.is_empty(), "panicked over {id}");
}

fn router(bench: &Bench) -> Router {
    let routes = Router::new()
        .route("/ok/{id}", get(|_: PathIds<String>| async { "fine" }))
        .route("/read", post(|_: JsonBody<Named>| async { "read" }))
        .route("/failing/{id}", get(failing).post(failing))
        .route("/panicking/{id}", get(panicking))
        .route("/member/{id}", get(|State(_): State<Shell>, _: Member, note: Note| async move { note.outcome("nothing") }))
        .with_state(bench.shell.clone());
    bench.shell.serve(routes)
}

async fn get_path(bench: &Bench, path: &str) -> crate::testing::Answered {
    bench.send(&router(bench), Request::builder().uri(path).body(axum::body::Body::empty()).unwrap()).await
}

fn last_line(bench: &Bench) -> Value {
    serde_json::from_str(bench.log.lines().last().unwrap()).unwrap()
}

/// As API Gateway's HTTP APIs answer: an unknown method is 404 too.
#[tokio::test]
async fn what_is_not_there_is_404() {
    let bench = Bench::new("test");
    let nowhere = get_path(&bench, "/nowhere/secret").await;
    assert_eq!((nowhere.status, nowhere.body["code"].as_str()), (404, Some("not_found")));
    assert_eq!(last_line(&bench)["route"], "$default");
    let request = Request::builder().method(Method::DELETE).uri("/read").body(axum::body::Body::empty()).unwrap();
    assert_eq!(bench.send(&router(&bench), request).await.status, 404);
}

#[tokio::test]
async fn a_body_has_a_limit_and_a_media_type() {
    let bench = Bench::new("test");
    let send = |kind: &'static str, body: String| {
        let request = Request::builder().method(Method::POST).uri("/read").header("content-type", kind).body(body.into()).unwrap();
        let (bench, router) = (bench.clone(), router(&bench));
        async move { bench.send(&router, request).await }
    };
    let large = send("application/json", format!("{{\"name\":\"{}\"}}", "x".repeat(1024 * 1024))).await;
    assert_eq!((large.status, large.body["code"].as_str()), (413, Some("too_large")));
    assert_eq!(send("application/json; charset=utf-8", r#"{"name":"x"}"#.to_owned()).await.status, 200);
    let text = send("text/plain", r#"{"name":"x"}"#.to_owned()).await;
    assert_eq!((text.status, text.body["issues"][0]["code"].as_str()), (422, Some("content_type")));
    let unknown = send("application/json", r#"{"name":"x","more":1}"#.to_owned()).await;
    assert_eq!((unknown.status, &unknown.body["issues"][0]["pointer"]), (422, &"/more".into()));
}

#[tokio::test]
async fn a_panic_is_an_answer_and_a_line() {
    let bench = Bench::new("test");
    let answer = get_path(&bench, "/panicking/1").await;
    assert_eq!((answer.status, answer.body["code"].as_str()), (500, Some("internal")));
    assert_eq!(last_line(&bench)["status"], 500);
    // The next request finds the function as it was.
    assert_eq!(get_path(&bench, "/ok/1").await.status, 200);
}

#[tokio::test]
async fn a_problem_carries_the_request_id_that_the_log_knows() {
    let bench = Bench::new("test");
    let answer = get_path(&bench, "/failing/1").await;
    let line = last_line(&bench);
    assert_eq!(answer.body["request_id"], line["function_request_id"]);
    assert_eq!(answer.headers["x-request-id"].to_str().unwrap(), line["function_request_id"].as_str().unwrap());
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(line["problem"], "internal");
    assert!(line["internal"].as_str().unwrap().starts_with("the vendor said"));
    assert!(!answer.body.to_string().contains("vendor"));
}

#[tokio::test]
async fn one_line_tells_who_what_and_how_long_with_metrics_in_it() {
    let bench = Bench::new("clients");
    let ws = bench.workspace(Plan::Studio).await;
    let token = bench.token(ws, "member");
    for expected_cold in [true, false] {
        let answer = bench.call(&router(&bench), &token, Method::GET, "/member/7?cursor=x", &[], None).await;
        assert_eq!(answer.status, 200);
        let line = last_line(&bench);
        assert_eq!(line["cold_start"], expected_cold);
        assert_eq!(line["route"], "GET /member/{id}");
        assert_eq!((&line["workspace_id"], &line["user_id"], &line["auth"]), (&json!(ws), &"member".into(), &"bearer".into()));
        assert_eq!((&line["function"], &line["ledger"], &line["outcome"]), (&"clients".into(), &"none".into(), &"nothing".into()));
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["function", "ledger", "outcome"]]));
        for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap() {
            assert!(line[metric["Name"].as_str().unwrap()].is_u64(), "{metric}");
        }
        for key in ["level", "message", "service", "timestamp", "duration_ms", "function_request_id", "status"] {
            assert!(!line[key].is_null(), "{key}");
        }
    }
    assert_eq!(bench.log.lines().len(), 2);
}

/// I12: no secret in any log line. Canaries in every place a secret can come in by, searched in every form it could go out by.
#[tokio::test]
async fn no_canary_reaches_the_log() {
    let canaries = [
        "c4nary0123456789abcdef0123456789abcdef0123456789abcdef0123456789".to_owned(),
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJlLWNhbmFyeQ".to_owned(),
        "Q2FuYXJ5K3NlY3JldC9rZXk9PT0xMjM0".to_owned(),
    ];
    for canary in &canaries {
        let bench = Bench::new("test");
        let ws = bench.workspace(Plan::Studio).await;
        let router = router(&bench);
        let plain = utf8_percent_encode(canary, NON_ALPHANUMERIC).to_string();
        for path in ["ok", "failing", "panicking", "member", "nowhere", "read"] {
            for method in [Method::GET, Method::POST, Method::from_bytes(b"C4NARY").unwrap()] {
                let request = Request::builder()
                    .method(method)
                    .uri(format!("/{path}/{plain}?code={plain}&state={plain}"))
                    .header("authorization", format!("Bearer {canary}"))
                    .header("cookie", format!("__Host-coportal={canary}; __Host-connect={canary}"))
                    .header("x-csrf-token", canary)
                    .header("idempotency-key", canary)
                    .header("x-api-key", canary)
                    .header("content-type", "application/json")
                    .body(json!({"name": canary, canary: canary}).to_string().into())
                    .unwrap();
                let _ = bench.send(&router, request).await;
            }
        }
        let token = bench.token(ws, "member");
        let _ = bench.call(&router, &token, Method::POST, "/read", &[("x-secret", canary)], Some(&json!({canary: canary}))).await;
        let log = bench.log.lines().join("\n");
        assert!(bench.log.lines().len() >= 19);
        let engine = base64::engine::general_purpose::STANDARD;
        let url_safe = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let forms = [canary.clone(), plain.clone(), engine.encode(canary), url_safe.encode(canary), token];
        for form in forms {
            assert!(!log.contains(&form), "{form}");
            // Not even a recognisable part of it.
            for start in (0..form.len().saturating_sub(12)).step_by(4) {
                assert!(!log.contains(&form[start..start + 12]), "{}", &form[start..start + 12]);
            }
        }
    }
}

#[tokio::test]
async fn a_refusal_keeps_its_own_headers() {
    let bench = Bench::new("test");
    let limited = || async {
        Err::<(), _>(
            Refusal::new(Problem::new(ProblemKind::Limited, "limited", "Slow down.")).retry_after(jiff::SignedDuration::from_secs(3)),
        )
    };
    let router = bench.shell.serve(Router::new().route("/", get(limited)));
    let answer = bench.send(&router, Request::builder().uri("/").body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!((answer.status, answer.headers["retry-after"].to_str().unwrap()), (429, "3"));
}
