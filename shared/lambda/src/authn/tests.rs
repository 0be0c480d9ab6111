//! Credentials that must not count, each by name.

use axum::Json;
use axum::Router;
use axum::routing::{get, post};
use coportal_aws::records::sessions::SignIn;
use coportal_core::workspace::{Member as MemberRecord, Plan, Role};
use http::{Method, Request};
use jiff::SignedDuration;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::token::{MEMBER_TYP, SERVICE_TYP};
use super::{Admin, Member, MemberForm, SESSION_COOKIE, Service, csrf_token, new_session};
use crate::shell::Shell;
use crate::testing::{Answered, Bench, ORIGIN};

#[derive(Deserialize)]
struct Fields {
    name: String,
}

fn routes(bench: &Bench) -> Router {
    let routes = Router::new()
        .route("/me", get(|Member(me): Member| async move { Json(json!({"user": me.user, "role": me.role, "plan": me.workspace.plan})) }))
        .route("/write", post(|Member(_): Member| async { "done" }))
        .route("/admin", get(|Admin(_): Admin| async { "done" }))
        .route("/service", get(|Service(service): Service| async move { service.name }))
        .route("/form", post(|sent: MemberForm<Fields>| async move { Json(json!({"name": sent.form.name})) }))
        .with_state::<()>(bench.shell.clone());
    bench.shell.serve(routes)
}

struct Case {
    bench: Bench,
    router: Router,
    ws: coportal_core::id::WorkspaceId,
}

async fn case() -> Case {
    let bench = Bench::new("test");
    let ws = bench.workspace(Plan::Studio).await;
    let router = routes(&bench);
    Case { bench, router, ws }
}

impl Case {
    async fn get(&self, path: &str, token: &str) -> Answered {
        self.bench.call(&self.router, token, Method::GET, path, &[], None).await
    }

    fn signed(&self, change: impl FnOnce(&mut Header, &mut Value)) -> String {
        let mut header = self.bench.issuer.header(MEMBER_TYP);
        let mut claims = serde_json::to_value(self.bench.claims(self.ws, "member")).unwrap();
        change(&mut header, &mut claims);
        self.bench.issuer.sign(&header, &claims)
    }

    /// A session of the member: the cookie's value.
    async fn session(&self) -> String {
        let ctx = self.bench.ctx();
        let (cookie, session) = new_session(&ctx, "member".parse().unwrap(), self.ws, "local");
        self.bench.store().put_session(&ctx, cookie.expose(), &session).await.unwrap();
        cookie.expose().to_owned()
    }

    async fn with_cookie(&self, method: Method, path: &str, cookie: &str, headers: &[(&str, &str)], body: &str) -> Answered {
        let mut request = Request::builder().method(method).uri(path).header("cookie", format!("a=b; {SESSION_COOKIE}={cookie}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.bench.send(&self.router, request.body(body.to_owned().into()).unwrap()).await
    }
}

fn refused(answer: &Answered, status: u16, code: &str) {
    assert_eq!((answer.status, answer.body["code"].as_str()), (status, Some(code)), "{answer:?}");
}

#[tokio::test]
async fn a_members_token_is_admitted_with_the_role_and_plan_of_the_records() {
    let case = case().await;
    for (user, role) in [("owner", "owner"), ("admin", "admin"), ("member", "member")] {
        let answer = case.get("/me", &case.bench.token(case.ws, user)).await;
        assert_eq!((answer.status, &answer.body), (200, &json!({"user": user, "role": role, "plan": "studio"})));
    }
    // A role that a token claims is worth nothing.
    let boasting = case.signed(|_, claims| claims["role"] = "owner".into());
    assert_eq!(case.get("/me", &boasting).await.body["role"], "member");
}

#[tokio::test]
async fn tokens_that_do_not_count() {
    let case = case().await;
    let now = case.bench.clock_seconds();
    type Change = Box<dyn Fn(&mut Header, &mut Value)>;
    let cases: Vec<(&str, Change)> = vec![
        ("expired", Box::new(move |_, c| c["exp"] = (now - 31).into())),
        ("not yet valid", Box::new(move |_, c| c["nbf"] = (now + 31).into())),
        ("made in the future", Box::new(move |_, c| c["iat"] = (now + 31).into())),
        ("no end", Box::new(|_, c| drop(c.as_object_mut().unwrap().remove("exp")))),
        ("wrong aud", Box::new(|_, c| c["aud"] = "another".into())),
        ("a service's aud", Box::new(|_, c| c["aud"] = "coportal/service".into())),
        ("wrong iss", Box::new(|_, c| c["iss"] = "https://evil.test".into())),
        ("iss with a slash more", Box::new(|_, c| c["iss"] = "https://id.test/".into())),
        ("wrong typ", Box::new(|h, _| h.typ = Some("JWT".into()))),
        ("a service's typ", Box::new(|h, _| h.typ = Some(SERVICE_TYP.into()))),
        ("no typ", Box::new(|h, _| h.typ = None)),
        ("unknown kid", Box::new(|h, _| h.kid = Some("key-9".into()))),
        ("no kid", Box::new(|h, _| h.kid = None)),
        ("no workspace", Box::new(|_, c| drop(c.as_object_mut().unwrap().remove("ws")))),
        ("a workspace that is no id", Box::new(|_, c| c["ws"] = "WS#1".into())),
        ("a subject that forges a key", Box::new(|_, c| c["sub"] = "x#META".into())),
    ];
    for (name, change) in cases {
        let answer = case.get("/me", &case.signed(change)).await;
        assert_eq!((name, answer.status, answer.body["code"].as_str()), (name, 401, Some("unauthenticated")));
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
    for garbage in ["", "x", "a.b.c", "....", "eyJhbGciOiJub25lIn0.e30."] {
        refused(&case.get("/me", garbage).await, 401, "unauthenticated");
    }
}

#[tokio::test]
async fn a_signature_of_another_kind_does_not_count() {
    let case = case().await;
    let claims = serde_json::to_value(case.bench.claims(case.ws, "member")).unwrap();
    // HS256 with something public as the secret: the classic confusion of algorithms.
    let mut header = case.bench.issuer.header(MEMBER_TYP);
    header.alg = Algorithm::HS256;
    let forged = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(b"key-1")).unwrap();
    refused(&case.get("/me", &forged).await, 401, "unauthenticated");
    // `alg: none`, and the signature of another token.
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let none = json!({"alg": "none", "typ": MEMBER_TYP, "kid": "key-1"});
    let unsigned = format!("{}.{}.", engine.encode(none.to_string()), engine.encode(claims.to_string()));
    refused(&case.get("/me", &unsigned).await, 401, "unauthenticated");
    let good = case.bench.token(case.ws, "member");
    let mut owner = claims.clone();
    owner["sub"] = "owner".into();
    let parts: Vec<&str> = good.split('.').collect();
    let swapped = format!("{}.{}.{}", parts[0], engine.encode(owner.to_string()), parts[2]);
    refused(&case.get("/me", &swapped).await, 401, "unauthenticated");
}

#[tokio::test]
async fn keys_are_cached_and_strangers_cannot_make_us_ask_the_issuer_at_will() {
    let case = case().await;
    let token = case.bench.token(case.ws, "member");
    for _ in 0..3 {
        assert_eq!(case.get("/me", &token).await.status, 200);
    }
    assert_eq!(case.bench.issuer.fetches(), 1);
    for n in 0..20 {
        let unknown = case.signed(|header, _| header.kid = Some(format!("unknown-{n}")));
        refused(&case.get("/me", &unknown).await, 401, "unauthenticated");
    }
    assert_eq!(case.bench.issuer.fetches(), 1);
    // A rotated key is found once the pause is over, and the withdrawn one no longer counts.
    case.bench.issuer.rotate("key-2");
    case.bench.clock.advance(SignedDuration::from_secs(61));
    assert_eq!(case.get("/me", &case.bench.token(case.ws, "member")).await.status, 200);
    assert_eq!(case.bench.issuer.fetches(), 2);
    refused(&case.get("/me", &token).await, 401, "unauthenticated");
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_is_not_the_callers_fault() {
    let case = case().await;
    case.bench.issuer.reachable(false);
    refused(&case.get("/me", &case.bench.token(case.ws, "member")).await, 503, "sign_in_unavailable");
    // Keys that were read before go on counting for a day.
    case.bench.issuer.reachable(true);
    case.bench.clock.advance(SignedDuration::from_secs(61));
    assert_eq!(case.get("/me", &case.bench.token(case.ws, "member")).await.status, 200);
    case.bench.issuer.reachable(false);
    case.bench.clock.advance(SignedDuration::from_hours(2));
    assert_eq!(case.get("/me", &case.bench.token(case.ws, "member")).await.status, 200);
    case.bench.clock.advance(SignedDuration::from_hours(23));
    refused(&case.get("/me", &case.bench.token(case.ws, "member")).await, 503, "sign_in_unavailable");
}

#[tokio::test]
async fn membership_is_read_on_every_request() {
    let case = case().await;
    let token = case.bench.token(case.ws, "member");
    assert_eq!(case.get("/me", &token).await.status, 200);
    let ctx = case.bench.ctx();
    let removed = MemberRecord { user: "member".parse().unwrap(), role: Role::Member, teams: Vec::new(), active: false };
    let _ = case.bench.store().put_member(&ctx, case.ws, &removed).await.unwrap();
    refused(&case.get("/me", &token).await, 403, "not_a_member");
    refused(&case.get("/me", &case.bench.token(case.ws, "stranger")).await, 403, "not_a_member");
    let elsewhere = coportal_core::id::WorkspaceId::new(ctx.uuid());
    refused(&case.get("/me", &case.bench.token(elsewhere, "owner")).await, 403, "not_a_member");
}

#[tokio::test]
async fn sign_ins_from_before_a_users_not_before_are_void() {
    let case = case().await;
    let old = case.bench.token(case.ws, "member");
    let timeless = case.signed(|_, claims| drop(claims.as_object_mut().unwrap().remove("iat")));
    let cookie = case.session().await;
    assert_eq!(case.get("/me", &timeless).await.status, 200);
    case.bench.clock.advance(SignedDuration::from_secs(10));
    let ctx = case.bench.ctx();
    case.bench.store().end_sign_ins(&ctx, &"member".parse().unwrap(), ctx.now()).await.unwrap();
    refused(&case.get("/me", &old).await, 401, "session_ended");
    refused(&case.get("/me", &timeless).await, 401, "session_ended");
    refused(&case.with_cookie(Method::GET, "/me", &cookie, &[], "").await, 401, "session_ended");
    assert_eq!(case.get("/me", &case.bench.token(case.ws, "member")).await.status, 200);
}

#[tokio::test]
async fn a_role_that_is_too_low_is_refused_and_the_needed_one_named() {
    let case = case().await;
    assert_eq!(case.get("/admin", &case.bench.token(case.ws, "owner")).await.status, 200);
    assert_eq!(case.get("/admin", &case.bench.token(case.ws, "admin")).await.status, 200);
    let answer = case.get("/admin", &case.bench.token(case.ws, "member")).await;
    refused(&answer, 403, "role_required");
    assert!(answer.body["detail"].as_str().unwrap().contains("admin"));
}

#[tokio::test]
async fn service_routes_take_a_services_token_and_no_members() {
    let case = case().await;
    assert_eq!(case.get("/service", &case.bench.service_token()).await.status, 200);
    refused(&case.get("/service", &case.bench.token(case.ws, "owner")).await, 401, "unauthenticated");
    refused(&case.get("/me", &case.bench.service_token()).await, 401, "unauthenticated");
    let now = case.bench.clock_seconds();
    let service = |change: &dyn Fn(&mut Value)| {
        let mut claims =
            json!({"iss": "https://id.test", "aud": "coportal/service", "sub": "b", "exp": now + 300, "iat": now, "scope": "workspaces"});
        change(&mut claims);
        case.bench.issuer.sign(&case.bench.issuer.header(SERVICE_TYP), &claims)
    };
    refused(&case.get("/service", &service(&|c| c["scope"] = "other workspaces2".into())).await, 403, "scope_required");
    refused(&case.get("/service", &service(&|c| c["exp"] = (now + 16 * 60).into())).await, 401, "unauthenticated");
    refused(&case.get("/service", &service(&|c| drop(c.as_object_mut().unwrap().remove("iat")))).await, 401, "unauthenticated");
}

#[tokio::test]
async fn a_session_reads_without_more_and_writes_only_from_our_own_page() {
    let case = case().await;
    let cookie = case.session().await;
    assert_eq!(case.with_cookie(Method::GET, "/me", &cookie, &[], "").await.status, 200);
    let token = csrf_token(&cookie);
    let origin = ("origin", ORIGIN);
    let good = case.with_cookie(Method::POST, "/write", &cookie, &[origin, ("x-csrf-token", &token)], "").await;
    assert_eq!(good.status, 200, "{good:?}");
    let other = csrf_token("another cookie");
    let forged: [&[(&str, &str)]; 7] = [
        &[origin],
        &[("x-csrf-token", &token)],
        &[("origin", "https://evil.test"), ("x-csrf-token", &token)],
        &[("origin", "https://api.test.evil.test"), ("x-csrf-token", &token)],
        &[("origin", "http://api.test"), ("x-csrf-token", &token)],
        &[("origin", "null"), ("x-csrf-token", &token)],
        &[origin, ("x-csrf-token", &other)],
    ];
    for headers in forged {
        refused(&case.with_cookie(Method::POST, "/write", &cookie, headers, "").await, 403, "csrf");
    }
}

#[tokio::test]
async fn a_form_carries_the_token_in_a_field_of_its_own() {
    let case = case().await;
    let cookie = case.session().await;
    let headers = [("origin", ORIGIN), ("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let body = format!("name=Ann+B&_csrf={}", csrf_token(&cookie));
    let answer = case.with_cookie(Method::POST, "/form", &cookie, &headers, &body).await;
    assert_eq!((answer.status, &answer.body["name"]), (200, &"Ann B".into()));
    refused(&case.with_cookie(Method::POST, "/form", &cookie, &headers, "name=Ann").await, 403, "csrf");
    refused(&case.with_cookie(Method::POST, "/form", &cookie, &headers, "name=Ann&_csrf=x").await, 403, "csrf");
    let json = [("origin", ORIGIN), ("content-type", "application/json")];
    refused(&case.with_cookie(Method::POST, "/form", &cookie, &json, "{}").await, 422, "invalid_request");
}

#[tokio::test]
async fn a_session_ends_idle_or_absolutely() {
    let case = case().await;
    let ctx = case.bench.ctx();
    let minutes = |n: i64| ctx.now().checked_add(SignedDuration::from_mins(n)).unwrap();
    let store = |idle, absolute| {
        let (case, ctx) = (&case, &ctx);
        async move {
            let (cookie, mut session) = new_session(ctx, "member".parse().unwrap(), case.ws, "local");
            (session.idle_until, session.absolute_until) = (idle, absolute);
            case.bench.store().put_session(ctx, cookie.expose(), &session).await.unwrap();
            cookie.expose().to_owned()
        }
    };
    let idle = store(minutes(5), minutes(60)).await;
    let absolute = store(minutes(60), minutes(5)).await;
    assert_eq!(case.with_cookie(Method::GET, "/me", &absolute, &[], "").await.status, 200);
    case.bench.clock.advance(SignedDuration::from_mins(5));
    for cookie in [&idle, &absolute] {
        refused(&case.with_cookie(Method::GET, "/me", cookie, &[], "").await, 401, "session_ended");
    }
}

/// Each use begins the idle time anew; the absolute end stays where it is.
#[tokio::test]
async fn a_session_in_use_goes_on_until_its_absolute_end() {
    let case = case().await;
    let cookie = case.session().await;
    for _ in 0..7 {
        case.bench.clock.advance(SignedDuration::from_mins(100));
        assert_eq!(case.with_cookie(Method::GET, "/me", &cookie, &[], "").await.status, 200);
    }
    case.bench.clock.advance(SignedDuration::from_mins(20));
    refused(&case.with_cookie(Method::GET, "/me", &cookie, &[], "").await, 401, "session_ended");
    let unused = case.session().await;
    case.bench.clock.advance(SignedDuration::from_mins(120));
    refused(&case.with_cookie(Method::GET, "/me", &unused, &[], "").await, 401, "session_ended");
}

#[tokio::test]
async fn cookies_that_do_not_count() {
    let case = case().await;
    let cookie = case.session().await;
    refused(&case.with_cookie(Method::GET, "/me", "unknown", &[], "").await, 401, "unauthenticated");
    refused(&case.with_cookie(Method::GET, "/me", "", &[], "").await, 401, "unauthenticated");
    let twice = format!("{cookie}; {SESSION_COOKIE}={cookie}");
    refused(&case.with_cookie(Method::GET, "/me", &twice, &[], "").await, 401, "unauthenticated");
    case.bench.store().delete_session(&case.bench.ctx(), &cookie).await.unwrap();
    refused(&case.with_cookie(Method::GET, "/me", &cookie, &[], "").await, 401, "unauthenticated");
    let nobody = Request::builder().uri("/me").body(axum::body::Body::empty()).unwrap();
    refused(&case.bench.send(&case.router, nobody).await, 401, "unauthenticated");
}

#[tokio::test]
async fn a_cookie_is_stored_by_its_hash_alone() {
    let case = case().await;
    let cookie = case.session().await;
    let session = case.bench.store().session(&cookie).await.unwrap().unwrap();
    assert!(!format!("{session:?}").contains(&cookie));
    assert!(!format!("{session:?}").contains(&csrf_token(&cookie)));
    let _: &Shell = &case.bench.shell;
}

/// What a form carries against forged requests is a secret of the session: a principal can be printed without it.
#[test]
fn a_principal_is_printed_without_what_protects_its_forms() {
    let csrf = csrf_token("cookie");
    let sign_in = SignIn { method: "local".to_owned(), connection: None, at: jiff::Timestamp::UNIX_EPOCH };
    let auth = super::Auth::Session { csrf: csrf.clone(), reference: "r".to_owned(), sign_in, until: jiff::Timestamp::UNIX_EPOCH };
    let printed = format!("{auth:?}");
    assert!(printed.contains("Session") && !printed.contains(&csrf), "{printed}");
}
