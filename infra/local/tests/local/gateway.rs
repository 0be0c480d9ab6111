//! The gateway: what a function receives and what a client gets, against the deployed template and a small one.

use crate::support;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes as BodyBytes;
use axum::extract::Path;
use axum::response::IntoResponse as _;
use axum::routing::{any, get, post};
use bytes::Bytes;
use coportal_local::gateway::{Gateway, GatewayError};
use coportal_local::template::{DEPLOYED, Template};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use lambda_http::RequestExt as _;
use lambda_http::request::RequestContext;
use serde_json::{Value, json};

/// A router that says which function it is, on every path.
fn named(name: &'static str) -> Router {
    Router::new().fallback(move || async move { name })
}

fn all_functions() -> HashMap<String, Router> {
    ["oauth-callback", "import-preview", "clients", "invoices", "invoice-sync", "settings-page", "sso-routing"]
        .into_iter()
        .map(|name| (name.to_owned(), named(name)))
        .collect()
}

fn gateway(mut with: HashMap<String, Router>) -> Gateway {
    let template = Template::parse(DEPLOYED).unwrap();
    let mut routers = all_functions();
    routers.extend(with.drain());
    Gateway::new(&template, routers, support::clock()).unwrap()
}

fn clients(router: Router) -> Gateway {
    gateway(HashMap::from([("clients".to_owned(), router)]))
}

fn request(method: Method, uri: &str) -> Request<Bytes> {
    Request::builder().method(method).uri(uri).header("host", "127.0.0.1:8787").body(Bytes::new()).unwrap()
}

fn text(response: &Response<Bytes>) -> &str {
    std::str::from_utf8(response.body()).unwrap()
}

#[tokio::test]
async fn every_route_of_the_template_reaches_its_function_and_nothing_else_is_there() {
    let template = Template::parse(DEPLOYED).unwrap();
    let gateway = gateway(HashMap::new());
    for route in &template.routes {
        let path = route.path.replace('{', "x-").replace('}', "");
        let method: Method = route.method.parse().unwrap();
        let answer = gateway.handle(request(method.clone(), &path)).await;
        assert_eq!(
            (answer.status(), text(&answer)),
            (StatusCode::OK, template.functions[&route.function].binary.as_str()),
            "{}",
            route.key
        );
    }
    for (method, path) in [
        (Method::GET, "/"),
        (Method::GET, "/v1/nothing"),
        (Method::GET, "/v1/clients/"),
        (Method::DELETE, "/v1/clients"),
        (Method::OPTIONS, "/v1/clients"),
        (Method::HEAD, "/healthz"),
        (Method::GET, "/__local"),
    ] {
        let answer = gateway.handle(request(method.clone(), path)).await;
        assert_eq!((answer.status(), text(&answer)), (StatusCode::NOT_FOUND, r#"{"message":"Not Found"}"#), "{method} {path}");
    }
}

/// Answers with the event's own view of the request.
fn mirror() -> Router {
    Router::new().fallback(any(|request: axum::extract::Request| async move {
        let context = match request.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => serde_json::to_value(context).unwrap(),
            _ => Value::Null,
        };
        let parameters: HashMap<String, String> =
            request.path_parameters().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let headers: HashMap<String, Vec<String>> = request
            .headers()
            .keys()
            .map(|name| {
                let values = request.headers().get_all(name);
                (name.to_string(), values.iter().map(|value| value.to_str().unwrap().to_owned()).collect())
            })
            .collect();
        let uri = request.uri().to_string();
        let raw_path = request.raw_http_path().to_owned();
        let lambda = request.lambda_context_ref().unwrap();
        let (arn, deadline) = (lambda.invoked_function_arn.clone(), lambda.deadline);
        let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap();
        axum::Json(json!({
            "context": context, "parameters": parameters, "headers": headers, "uri": uri, "raw_path": raw_path,
            "arn": arn, "deadline": deadline, "body": body.to_vec(),
        }))
    }))
}

#[tokio::test]
async fn a_function_sees_the_event_of_payload_format_two() {
    let gateway = clients(mirror());
    let mut sent = request(Method::PATCH, "/v1/clients/cl%5F1?limit=2&limit=3&q=a%20b");
    *sent.body_mut() = Bytes::from_static(b"{\"name\":\"Ann\"}");
    let headers = sent.headers_mut();
    headers.insert("content-type", "application/json".parse().unwrap());
    headers.append("x-many", "one".parse().unwrap());
    headers.append("x-many", "two".parse().unwrap());
    headers.append("cookie", "a=1; b=2".parse().unwrap());
    headers.append("cookie", "c=3".parse().unwrap());
    headers.insert("x-forwarded-for", "203.0.113.9".parse().unwrap());
    let answer = gateway.handle(sent).await;
    assert_eq!(answer.status(), StatusCode::OK, "{}", text(&answer));
    let seen = support::body(&answer);
    assert_eq!(seen["parameters"], json!({"id": "cl_1"}));
    assert_eq!(seen["raw_path"], "/v1/clients/cl_1");
    assert_eq!(seen["uri"], "http://127.0.0.1:8787/v1/clients/cl_1?limit=2&limit=3&q=a%20b");
    assert_eq!(seen["body"], json!(b"{\"name\":\"Ann\"}".to_vec()));
    let headers = &seen["headers"];
    assert_eq!(headers["x-many"], json!(["one,two"]));
    assert_eq!(headers["cookie"], json!(["a=1; b=2; c=3"]));
    assert_eq!(headers["x-forwarded-for"], json!(["203.0.113.9, 127.0.0.1"]));
    let context = &seen["context"];
    assert_eq!(context["routeKey"], "PATCH /v1/clients/{id}");
    assert_eq!(context["stage"], "$default");
    assert_eq!(context["http"]["method"], "PATCH");
    assert_eq!(context["http"]["path"], "/v1/clients/cl_1");
    assert_eq!(context["http"]["sourceIp"], "127.0.0.1");
    assert_eq!(context["timeEpoch"], 1_772_355_600_000_i64);
    assert_eq!(context["time"], "01/Mar/2026:09:00:00 +0000");
    assert_eq!(context["requestId"].as_str().unwrap(), answer.headers()["apigw-requestid"].to_str().unwrap());
    assert_eq!(seen["arn"], "arn:aws:lambda:eu-west-1:000000000000:function:clients");
    assert_eq!(seen["deadline"], 1_772_355_629_000_i64);
}

#[tokio::test]
async fn a_path_with_blanks_umlauts_or_an_encoded_slash_arrives() {
    let gateway = clients(mirror());
    for (sent, id) in [("/v1/clients/a%20b", "a b"), ("/v1/clients/%C3%BC", "ü"), ("/v1/clients/a%2Fb", "a/b")] {
        let answer = gateway.handle(request(Method::GET, sent)).await;
        assert_eq!(answer.status(), StatusCode::OK, "{sent}");
        assert_eq!(support::body(&answer)["parameters"]["id"], id);
    }
}

#[tokio::test]
async fn bodies_arrive_byte_for_byte_as_text_form_or_binary() {
    let gateway = clients(Router::new().route("/v1/clients", post(|body: BodyBytes| async move { body.to_vec() })));
    for (kind, body) in [
        ("application/json", b"{\"a\":\"\xC3\xBC\"}".as_slice()),
        ("application/json", b"\xFF\xFE"),
        ("application/x-www-form-urlencoded", b"a=1&b=%20"),
        ("application/octet-stream", b"\x00\x01\xFF"),
        ("text/csv", b"a,b"),
    ] {
        let mut sent = request(Method::POST, "/v1/clients");
        sent.headers_mut().insert("content-type", kind.parse().unwrap());
        *sent.body_mut() = Bytes::copy_from_slice(body);
        let answer = gateway.handle(sent).await;
        assert_eq!(answer.body().as_ref(), body, "{kind}");
    }
}

#[tokio::test]
async fn an_answer_keeps_status_headers_every_cookie_and_a_binary_body() {
    let router = Router::new().route(
        "/v1/clients",
        get(|| async {
            let mut headers = HeaderMap::new();
            headers.insert("content-type", "image/png".parse().unwrap());
            headers.insert("location", "/settings/integrations?connected=xero".parse().unwrap());
            headers.append("set-cookie", "__Host-connect=x; Secure; Path=/; HttpOnly".parse().unwrap());
            headers.append("set-cookie", "other=y; Expires=Sun, 01 Mar 2026 10:00:00 GMT".parse().unwrap());
            (StatusCode::SEE_OTHER, headers, vec![0x89_u8, b'P', 0xFF, 0]).into_response()
        }),
    );
    let answer = clients(router).handle(request(Method::GET, "/v1/clients")).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(answer.headers()["location"], "/settings/integrations?connected=xero");
    assert_eq!(answer.headers()["content-type"], "image/png");
    let cookies: Vec<&str> = answer.headers().get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap()).collect();
    assert_eq!(cookies.len(), 2);
    assert!(cookies[1].ends_with("10:00:00 GMT"));
    assert_eq!(answer.body().as_ref(), [0x89, b'P', 0xFF, 0]);
}

#[tokio::test]
async fn a_body_above_ten_megabytes_is_refused_before_the_function() {
    let gateway = gateway(HashMap::new());
    let mut sent = request(Method::POST, "/v1/clients");
    *sent.body_mut() = Bytes::from(vec![b' '; 10 * 1024 * 1024 + 1]);
    let answer = gateway.handle(sent).await;
    assert_eq!((answer.status(), text(&answer)), (StatusCode::PAYLOAD_TOO_LARGE, r#"{"message":"Request Entity Too Large"}"#));
}

async fn boom() -> &'static str {
    panic!("boom")
}

#[tokio::test]
async fn a_panic_or_an_answer_too_large_for_lambda_is_an_internal_error() {
    let router = Router::new()
        .route("/v1/clients", get(boom))
        .route("/v1/clients/{id}", get(|Path(_): Path<String>| async { "x".repeat(7 * 1024 * 1024) }));
    let gateway = clients(router);
    for path in ["/v1/clients", "/v1/clients/1"] {
        let answer = gateway.handle(request(Method::GET, path)).await;
        assert_eq!((answer.status(), text(&answer)), (StatusCode::INTERNAL_SERVER_ERROR, r#"{"message":"Internal Server Error"}"#));
    }
}

fn slow(seconds: u64, finished: &Arc<AtomicBool>) -> Router {
    let finished = Arc::clone(finished);
    Router::new().route(
        "/v1/clients",
        get(move || async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            finished.store(true, Ordering::SeqCst);
            "late"
        }),
    )
}

/// The template lets a function end a second before the gateway gives up, so that the error is the function's own.
#[tokio::test(start_paused = true)]
async fn a_function_that_outlives_its_time_is_ended() {
    let finished = Arc::new(AtomicBool::new(false));
    let gateway = clients(slow(40, &finished));
    let answer = gateway.handle(request(Method::GET, "/v1/clients")).await;
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!finished.load(Ordering::SeqCst));
}

/// As on AWS, the gateway giving up does not stop the function.
#[tokio::test(start_paused = true)]
async fn after_thirty_seconds_the_gateway_answers_and_the_function_runs_on() {
    let template = Template::parse(&DEPLOYED.replacen("Timeout: 29", "Timeout: 60", 1)).unwrap();
    let finished = Arc::new(AtomicBool::new(false));
    let mut routers = all_functions();
    routers.insert("clients".to_owned(), slow(40, &finished));
    let gateway = Gateway::new(&template, routers, support::clock()).unwrap();
    let began = tokio::time::Instant::now();
    let answer = gateway.handle(request(Method::GET, "/v1/clients")).await;
    assert_eq!((answer.status(), text(&answer)), (StatusCode::GATEWAY_TIMEOUT, r#"{"message":"Endpoint request timed out"}"#));
    assert_eq!(began.elapsed().as_secs(), 30);
    assert!(!finished.load(Ordering::SeqCst));
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert!(finished.load(Ordering::SeqCst));
}

#[tokio::test]
async fn the_access_log_names_the_route_and_never_the_path_or_query() {
    let gateway = gateway(HashMap::new());
    gateway.handle(request(Method::GET, "/v1/oauth/xero/callback?code=CANARY&state=CANARY")).await;
    gateway.handle(request(Method::GET, "/v1/clients/CANARY")).await;
    gateway.handle(request(Method::GET, "/CANARY")).await;
    let lines: Vec<Value> = gateway.access_log().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let routes: Vec<&str> = lines.iter().map(|line| line["route"].as_str().unwrap()).collect();
    assert_eq!(routes, ["GET /v1/oauth/{ledger}/callback", "GET /v1/clients/{id}", "-"]);
    assert_eq!((lines[0]["status"].as_str(), lines[0]["integration_status"].as_str()), (Some("200"), Some("200")));
    assert_eq!((lines[2]["status"].as_str(), lines[2]["error"].as_str()), (Some("404"), Some("Not Found")));
    assert!(!gateway.access_log().join("\n").contains("CANARY"));
}

#[test]
fn routes_and_functions_must_match_exactly() {
    let template = Template::parse(DEPLOYED).unwrap();
    let built = |template: &Template, routers| Gateway::new(template, routers, support::clock()).err();
    let mut missing = all_functions();
    missing.remove("clients");
    assert!(matches!(built(&template, missing), Some(GatewayError::NotMounted { binary, .. }) if binary == "clients"));
    let mut surplus = all_functions();
    surplus.insert("portal".to_owned(), named("portal"));
    assert_eq!(built(&template, surplus), Some(GatewayError::NotInTemplate("portal".to_owned())));
    let unpermitted = DEPLOYED.replacen("FunctionName: !Ref Clients", "FunctionName: !Ref Invoices", 1);
    let unpermitted = Template::parse(&unpermitted).unwrap();
    assert_eq!(built(&unpermitted, all_functions()), Some(GatewayError::NotInvocable("Clients".to_owned())));
    let greedy = Template::parse(&DEPLOYED.replacen("GET /v1/audit", "GET /v1/{proxy+}", 1)).unwrap();
    assert_eq!(built(&greedy, all_functions()), Some(GatewayError::Path("GET /v1/{proxy+}".to_owned())));
    let path = Template::parse(&DEPLOYED.replacen("$context.routeKey", "$context.path", 1)).unwrap();
    assert_eq!(built(&path, all_functions()), Some(GatewayError::AccessLog("$context.path".to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_serves_over_http_until_it_is_stopped() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let gateway = gateway(HashMap::new());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(gateway.serve(listener, async { stopped.await.unwrap_or(()) }));
    let ask = |head: String| async move {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = ask("GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_owned()).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("settings-page"), "{answer}");
    let answer = ask("POST /v1/clients HTTP/1.1\r\nhost: x\r\ncontent-length: 10485761\r\nconnection: close\r\n\r\n".to_owned()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
}
