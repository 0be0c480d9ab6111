//! The routes for the OpenAPI document.

use coportal_core::client::{Client, ContactPerson};
use coportal_core::problem::ProblemKind;
use coportal_lambda::openapi::Operations;

use crate::{contacts, overview, routes};

/// What each route takes and answers.
#[must_use]
pub fn operations() -> Operations {
    Operations::default()
        .route("GET /v1/clients", routes::list)
        .route("POST /v1/clients", routes::create)
        .created::<Client>()
        .route("GET /v1/clients/{id}", routes::read)
        .route("PATCH /v1/clients/{id}", routes::change)
        .refuses(&[ProblemKind::Conflict])
        .route("POST /v1/clients/{id}/archive", routes::archive)
        .ok::<Client>()
        .route("POST /v1/clients/{id}/unarchive", routes::unarchive)
        .ok::<Client>()
        .route("GET /v1/clients/{id}/overview", overview::overview)
        .route("GET /v1/clients/{id}/contacts", contacts::list)
        .route("POST /v1/clients/{id}/contacts", contacts::create)
        .created::<ContactPerson>()
        .route("GET /v1/clients/{id}/contacts/{contact}", contacts::read)
        .route("DELETE /v1/clients/{id}/contacts/{contact}", contacts::remove)
}
