//! The routes for the OpenAPI document.

use coportal_core::problem::ProblemKind;
use coportal_lambda::extract::PageView;
use coportal_lambda::openapi::{Operation, Operations};
use utoipa::openapi::path::ParameterIn;

use crate::view::InvoiceView;
use crate::{actions, routes};

fn version(operation: &mut Operation) {
    operation.header_of(200, "ETag", "The version, for If-Match.");
}

fn on_version(operation: &mut Operation) {
    let version =
        coportal_core::openapi::text_like("The version that was read, with or without quotes.", r#"^("[0-9]{1,18}"|[0-9]{1,18})$"#, "3");
    operation.parameter(ParameterIn::Header, "If-Match", version, true, None);
    operation.refuses(&[ProblemKind::Conflict, ProblemKind::Stale, ProblemKind::PreconditionRequired]);
}

/// What each route takes and answers.
#[must_use]
pub fn operations() -> Operations {
    Operations::default()
        .route("GET /v1/invoices", routes::list)
        .ok::<PageView<InvoiceView<'static>>>()
        .route("POST /v1/invoices", routes::create)
        .created::<InvoiceView<'static>>()
        .route("GET /v1/invoices/{id}", routes::read)
        .ok::<InvoiceView<'static>>()
        .and(version)
        .route("PUT /v1/invoices/{id}", routes::replace)
        .ok::<InvoiceView<'static>>()
        .and(version)
        .and(on_version)
        .route("POST /v1/invoices/{id}/send", actions::send)
        .ok::<InvoiceView<'static>>()
        .route("POST /v1/invoices/{id}/void", actions::void)
        .ok::<InvoiceView<'static>>()
        .route("POST /v1/invoices/{id}/pay", actions::pay)
        .ok::<InvoiceView<'static>>()
}
