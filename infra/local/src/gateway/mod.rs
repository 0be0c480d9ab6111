//! API Gateway's HTTP API on one machine: the template's routes, payload format 2.0, and the same `lambda_http` adapter as on AWS
//! (API Gateway Developer Guide, "Work with HTTP APIs").

mod access_log;
mod event;
mod routes;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use jiff::SignedDuration;
use lambda_http::lambda_runtime::{Context, LambdaEvent};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Service as _};
use tokio::time::Instant;

use crate::aws_json::{self, ACCOUNT, REGION};
use crate::clock::Clock;
use crate::template::Template;

use access_log::Format;
use routes::RouteTable;

/// Largest request body (API Gateway quotas, "Payload size").
const MAX_REQUEST: usize = 10 * 1024 * 1024;
/// Largest answer of a function (Lambda quotas, "Invocation payload").
const MAX_FUNCTION_ANSWER: usize = 6 * 1024 * 1024;

/// Why the gateway could not be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// The template routes to a function that was not handed over.
    #[error("the template routes `{route}` to the function {binary}, which is not mounted")]
    NotMounted {
        /// Route key.
        route: String,
        /// Binary name.
        binary: String,
    },
    /// A function was handed over that the template does not have.
    #[error("the function {0} is mounted, but is not in the template")]
    NotInTemplate(String),
    /// The template lacks the permission with which API Gateway invokes the function.
    #[error("the template does not permit API Gateway to invoke {0}")]
    NotInvocable(String),
    /// A route's path is not one that is modelled.
    #[error("the route `{0}` has a path that is not modelled")]
    Path(String),
    /// The access log format has a variable that is not modelled.
    #[error("the access log format has `{0}`, which is not modelled")]
    AccessLog(String),
}

/// The gateway. Clones share routes and access log.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    clock: Clock,
    routes: RouteTable,
    functions: HashMap<String, Function>,
    access_log: Option<Format>,
    lines: access_log::Lines,
}

struct Function {
    binary: String,
    router: Router,
    timeout: Duration,
}

impl Gateway {
    /// A gateway over the template's routes; `routers` are the functions by binary name.
    ///
    /// # Errors
    /// When routes and routers do not match each other exactly, or the template holds what is not modelled.
    pub fn new(template: &Template, mut routers: HashMap<String, Router>, clock: Clock) -> Result<Self, GatewayError> {
        let routes = RouteTable::new(&template.routes)?;
        let mut functions = HashMap::new();
        for (logical_id, function) in &template.functions {
            let route = template.routes.iter().find(|route| &route.function == logical_id);
            match (routers.remove(&function.binary), route) {
                (Some(router), _) => {
                    if !template.invocable.contains(logical_id) {
                        return Err(GatewayError::NotInvocable(logical_id.clone()));
                    }
                    functions.insert(logical_id.clone(), Function { binary: function.binary.clone(), router, timeout: function.timeout });
                }
                (None, Some(route)) => {
                    return Err(GatewayError::NotMounted { route: route.key.clone(), binary: function.binary.clone() });
                }
                (None, None) => {}
            }
        }
        if let Some(binary) = routers.into_keys().next() {
            return Err(GatewayError::NotInTemplate(binary));
        }
        let access_log = template.stage.access_log_format.as_deref().map(Format::parse).transpose()?;
        Ok(Self(Arc::new(Inner { clock, routes, functions, access_log, lines: access_log::Lines::default() })))
    }

    /// The newest access log lines, oldest first; at most a thousand are kept.
    #[must_use]
    pub fn access_log(&self) -> Vec<String> {
        self.0.lines.all()
    }

    /// Answers a request in process.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let inner = &self.0;
        let began = Instant::now();
        let request_id = aws_json::request_id();
        let now = inner.clock.now();
        let matched = inner.routes.find(request.method(), request.uri().path());
        let mut invoked = None;
        let outcome = match &matched {
            None => Err(Refusal::NOT_FOUND),
            Some(_) if request.body().len() > MAX_REQUEST => Err(Refusal::TOO_LARGE),
            Some(found) => {
                let source = source_ip(&request);
                let event = event::build(&request, found, &request_id, now, source);
                let started = Instant::now();
                let outcome = inner.invoke(found, event, &request_id).await;
                invoked = Some(started.elapsed());
                outcome
            }
        };
        let error = outcome.as_ref().err().map(|refusal| refusal.message);
        let integration_status = outcome.as_ref().ok().map(Response::status);
        let mut response = outcome.unwrap_or_else(Refusal::answer);
        if let Ok(id) = HeaderValue::from_str(&request_id) {
            response.headers_mut().insert("apigw-requestid", id);
        }
        if let Some(format) = &inner.access_log {
            let line = format.line(&access_log::Entry {
                request_id: &request_id,
                at: now,
                route_key: matched.as_ref().map(|found| found.route.key.as_str()),
                status: response.status(),
                response_latency: began.elapsed(),
                integration_latency: invoked,
                integration_status,
                response_length: response.body().len(),
                error,
            });
            tracing::info!(target: "access_log", "{line}");
            inner.lines.push(line);
        }
        response
    }

    /// The gateway as a router's only handler, to be the fallback of local routes.
    pub fn into_router(self) -> Router {
        Router::new().fallback(move |request: axum::extract::Request| {
            let gateway = self.clone();
            async move { gateway.over_http(request).await }
        })
    }

    /// Serves over HTTP until `shutdown` resolves; requests under way are finished.
    ///
    /// # Errors
    /// When the server fails.
    pub async fn serve(
        self,
        listener: tokio::net::TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let service = self.into_router().into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, service).with_graceful_shutdown(shutdown).await
    }

    async fn over_http(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        // A length that is announced is refused before the body is waited for.
        if body.size_hint().lower() > MAX_REQUEST as u64 {
            return Refusal::TOO_LARGE.answer().map(Body::from);
        }
        match Limited::new(body, MAX_REQUEST).collect().await {
            Ok(collected) => {
                let request = Request::from_parts(parts, collected.to_bytes());
                self.handle(request).await.map(Body::from)
            }
            Err(_) => Refusal::TOO_LARGE.answer().map(Body::from),
        }
    }
}

impl Inner {
    /// Invokes the function in a task of its own: on AWS, too, a function runs on when the client or the gateway has given up.
    async fn invoke(&self, found: &routes::Found<'_>, event: Vec<u8>, request_id: &str) -> Result<Response<Bytes>, Refusal> {
        let function = self.functions.get(&found.route.function).ok_or(Refusal::FUNCTION_FAILED)?;
        let mut context = Context::default();
        context.request_id = request_id.to_owned();
        context.invoked_function_arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{}", function.binary);
        let allowed = SignedDuration::try_from(function.timeout).unwrap_or(SignedDuration::MAX);
        let deadline = self.clock.now().saturating_add(allowed);
        context.deadline = deadline.ok().and_then(|deadline| u64::try_from(deadline.as_millisecond()).ok()).unwrap_or_default();

        let router = function.router.clone();
        let invocation = async move {
            let request: LambdaRequest = serde_json::from_slice(&event).map_err(|error| error.to_string())?;
            let answering = Adapter::from(router).call(LambdaEvent::new(request, context));
            let Ok(answer) = answering.await;
            serde_json::to_vec(&answer).map_err(|error| error.to_string())
        };
        let task = tokio::spawn(tokio::time::timeout(function.timeout, invocation));
        let binary = function.binary.as_str();
        match tokio::time::timeout(found.route.timeout, task).await {
            Err(_) => Err(Refusal::TIMED_OUT),
            Ok(Err(_)) => {
                tracing::error!(function = binary, "the function panicked");
                Err(Refusal::FUNCTION_FAILED)
            }
            Ok(Ok(Err(_))) => {
                tracing::error!(function = binary, "the function ran into its time-out");
                Err(Refusal::FUNCTION_FAILED)
            }
            Ok(Ok(Ok(Err(problem)))) => {
                tracing::error!(function = binary, problem, "the event or answer could not be read");
                Err(Refusal::FUNCTION_FAILED)
            }
            Ok(Ok(Ok(Ok(answer)))) if answer.len() > MAX_FUNCTION_ANSWER => {
                tracing::error!(function = binary, bytes = answer.len(), "the answer is too large for Lambda");
                Err(Refusal::FUNCTION_FAILED)
            }
            Ok(Ok(Ok(Ok(answer)))) => event::answer(&answer).ok_or(Refusal::FUNCTION_FAILED),
        }
    }
}

/// An answer of the gateway itself, in its own words.
#[derive(Debug, Clone, Copy)]
struct Refusal {
    status: StatusCode,
    message: &'static str,
}

impl Refusal {
    const NOT_FOUND: Self = Self { status: StatusCode::NOT_FOUND, message: "Not Found" };
    const TOO_LARGE: Self = Self { status: StatusCode::PAYLOAD_TOO_LARGE, message: "Request Entity Too Large" };
    const TIMED_OUT: Self = Self { status: StatusCode::GATEWAY_TIMEOUT, message: "Endpoint request timed out" };
    const FUNCTION_FAILED: Self = Self { status: StatusCode::INTERNAL_SERVER_ERROR, message: "Internal Server Error" };

    fn answer(self) -> Response<Bytes> {
        let body = serde_json::json!({"message": self.message}).to_string();
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = self.status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

fn source_ip(request: &Request<Bytes>) -> IpAddr {
    request.extensions().get::<ConnectInfo<SocketAddr>>().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |ConnectInfo(peer)| peer.ip())
}
