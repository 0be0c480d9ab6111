//! The routes for the OpenAPI document. The page at `/sign-in` is for people and is not part of it.

use coportal_core::problem::ProblemKind;
use coportal_lambda::openapi::{Extracted, Operation, Operations};
use coportal_sign_in::{ConnectionView, DomainView};
use utoipa::openapi::path::ParameterIn;

use crate::admin::{Removed, TestStarted};
use crate::doors::{Code, CodeRequest};
use crate::session::{SessionView, SignedOut};
use crate::{admin, browser, doors, session};

/// What a provider's browser is sent with: RFC 6749 section 4.1.2, and the state that it brings.
const CALLBACK: [(&str, &str); 3] =
    [("state", "As it was sent there."), ("code", "What the sign-in is traded for."), ("error", "Why there is none.")];

impl Extracted for Code {
    fn describe(operation: &mut Operation) {
        operation.takes::<CodeRequest>("application/json", true);
        operation.takes::<CodeRequest>("application/x-www-form-urlencoded", true);
        operation.refuses(&[ProblemKind::Invalid, ProblemKind::TooLarge]);
    }
}

/// What a provider's page posts (SAML bindings 2.0, section 3.5.4).
#[derive(utoipa::ToSchema)]
#[schema(as = SamlResponse)]
pub(crate) struct Posted {
    /// The response, in base 64.
    #[schema(rename = "SAMLResponse")]
    #[expect(dead_code, reason = "only its schema is asked for")]
    saml_response: String,
    /// The state, as it was sent there.
    #[schema(rename = "RelayState")]
    #[expect(dead_code, reason = "only its schema is asked for")]
    relay_state: Option<String>,
}

impl Extracted for browser::Form {
    fn describe(operation: &mut Operation) {
        operation.takes::<Posted>("application/x-www-form-urlencoded", true);
    }
}

/// A step that ends with the browser at another page.
fn sent_on(status: u16) -> impl FnOnce(&mut Operation) {
    move |operation| {
        operation.answers_nothing(status, "The next step, or the sign-in page with the reason.");
        operation.header_of(status, "Location", "Where the browser goes.");
    }
}

/// What each route takes and answers.
#[must_use]
pub fn operations() -> Operations {
    Operations::default()
        .route("POST /v1/sso/discover", doors::discover)
        .refuses(&[ProblemKind::Limited])
        .route("GET /v1/sso/start", browser::start)
        .and(sent_on(302))
        .and(sent_on(303))
        .route("GET /v1/sso/oidc/callback", browser::callback)
        .and(|operation| {
            for (name, what) in CALLBACK {
                operation.text_parameter(ParameterIn::Query, name, false, what);
            }
        })
        .and(sent_on(303))
        .route("POST /v1/sso/saml/{connection}/acs", browser::acs)
        .and(sent_on(303))
        .route("GET /v1/sso/saml/{connection}/metadata", browser::metadata)
        .and(|operation| operation.answers_text(200, "application/samlmetadata+xml", "What the provider is given of us."))
        .route("GET /v1/sso/complete", browser::complete)
        .and(sent_on(303))
        .route("POST /v1/sso/exchange", doors::exchange)
        .ok::<SessionView>()
        .and(|operation| operation.header_of(200, "Set-Cookie", "`__Host-coportal`: the session."))
        .and(sent_on(303))
        .refuses(&[ProblemKind::Unauthenticated, ProblemKind::Forbidden])
        .route("POST /v1/sso/break-glass", doors::break_glass)
        .ok::<SessionView>()
        .and(|operation| operation.header_of(200, "Set-Cookie", "`__Host-coportal`: the session."))
        .refuses(&[ProblemKind::Unauthenticated, ProblemKind::Forbidden, ProblemKind::Limited])
        .route("POST /v1/sso/break-glass/codes", admin::issue_codes)
        .refuses(&[ProblemKind::Conflict])
        .route("GET /v1/sso/connections", admin::connections)
        .route("POST /v1/sso/connections", admin::create_connection)
        .created::<ConnectionView>()
        .refuses(&[ProblemKind::Conflict])
        .route("GET /v1/sso/connections/{id}", admin::connection)
        .route("DELETE /v1/sso/connections/{id}", admin::delete_connection)
        .ok::<Removed>()
        .refuses(&[ProblemKind::Conflict])
        .route("POST /v1/sso/connections/{id}/test", admin::test)
        .ok::<TestStarted>()
        .refuses(&[ProblemKind::Conflict])
        .route("POST /v1/sso/connections/{id}/enforce", admin::enforce)
        .refuses(&[ProblemKind::Conflict])
        .route("POST /v1/sso/connections/{id}/metadata", admin::answer_held)
        .refuses(&[ProblemKind::Conflict])
        .route("GET /v1/sso/approvals", admin::approvals)
        .route("POST /v1/sso/approvals/{id}", admin::answer_approval)
        .refuses(&[ProblemKind::Conflict])
        .route("GET /v1/sso/domains", admin::domains)
        .route("POST /v1/sso/domains", admin::ask_domain)
        .created::<DomainView>()
        .refuses(&[ProblemKind::Conflict])
        .route("GET /v1/sso/domains/{id}", admin::domain)
        .route("DELETE /v1/sso/domains/{id}", admin::release_domain)
        .ok::<Removed>()
        .refuses(&[ProblemKind::Conflict])
        .route("POST /v1/sso/domains/{id}/verify", admin::verify_domain)
        .refuses(&[ProblemKind::Conflict])
        .route("GET /v1/session", session::read)
        .route("DELETE /v1/session", session::end)
        .ok::<SignedOut>()
        .route("POST /v1/session/token", session::token)
        .route("GET /.well-known/jwks.json", session::jwks)
        .and(|operation| operation.answers_text(200, "application/jwk-set+json", "The keys of the tokens that are made of sessions."))
}
