//! From the types of a handler to what its route takes and answers.

use std::future::Future;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use coportal_core::id::{
    ApprovalId, BackfillId, ClientId, ContactPersonId, DomainId, InvoiceId, PreviewId, SsoConnectionId, UserId, WorkspaceId,
};
use coportal_core::ledger::Ledger;
use coportal_core::problem::ProblemKind;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use utoipa::ToSchema;
use utoipa::openapi::path::ParameterIn;

use super::{Operation, Who};
use crate::authn::{Admin, Invocation, Member, Service};
use crate::extract::{JsonBody, Network, OptionalJsonBody, PathIds, QueryOf};
use crate::idempotency::IdempotencyKey;
use crate::problem::Answer;
use crate::telemetry::Note;

/// What an extractor says of a request.
pub trait Extracted {
    /// Adds it.
    fn describe(operation: &mut Operation);
}

/// What a handler's result says of answers. A built response says nothing: its function states it.
pub trait Answers {
    /// Adds it.
    fn describe(operation: &mut Operation);
}

/// A handler: an async function of extractors.
pub trait Handler<A> {
    /// Adds what its arguments and its result say.
    fn describe(&self, operation: &mut Operation);
}

macro_rules! handlers {
    ($($($argument:ident)*;)*) => {$(
        impl<F, Fut, R, $($argument,)*> Handler<($($argument,)*)> for F
        where
            F: Fn($($argument,)*) -> Fut,
            Fut: Future<Output = R>,
            R: Answers,
            $($argument: Extracted,)*
        {
            fn describe(&self, operation: &mut Operation) {
                $($argument::describe(operation);)*
                R::describe(operation);
            }
        }
    )*};
}

handlers! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E G;
    A B C D E G H;
    A B C D E G H I;
}

macro_rules! silent {
    ($($extractor:ty),*) => {$(
        impl Extracted for $extractor {
            fn describe(_: &mut Operation) {}
        }
    )*};
}

// What these read is the gateway's, or is stated by the function.
silent!(Invocation, Note, Network, HeaderMap, Parts, RawQuery);

impl<S> Extracted for State<S> {
    fn describe(_: &mut Operation) {}
}

impl Extracted for Member {
    fn describe(operation: &mut Operation) {
        operation.wants(Who::Member);
    }
}

impl Extracted for Admin {
    fn describe(operation: &mut Operation) {
        operation.wants(Who::Admin);
    }
}

impl Extracted for Service {
    fn describe(operation: &mut Operation) {
        operation.wants(Who::Service);
    }
}

impl Extracted for IdempotencyKey {
    fn describe(operation: &mut Operation) {
        let key =
            coportal_core::openapi::text("The same key and body get the same answer; with another body it is refused.", "^[!-~]{1,255}$");
        operation.parameter(ParameterIn::Header, "Idempotency-Key", key, false, None);
        operation.refuses(&[ProblemKind::Conflict, ProblemKind::Invalid]);
    }
}

impl<T: ToSchema> Extracted for QueryOf<T> {
    fn describe(operation: &mut Operation) {
        operation.query::<T>();
        operation.refuses(&[ProblemKind::Invalid]);
    }
}

impl<T: ToSchema> Extracted for JsonBody<T> {
    fn describe(operation: &mut Operation) {
        operation.takes::<T>("application/json", true);
        operation.refuses(&[ProblemKind::Invalid, ProblemKind::TooLarge]);
    }
}

impl<T: ToSchema> Extracted for OptionalJsonBody<T> {
    fn describe(operation: &mut Operation) {
        operation.takes::<T>("application/json", false);
        operation.refuses(&[ProblemKind::Invalid, ProblemKind::TooLarge]);
    }
}

macro_rules! path_ids {
    ($($id:ty),*) => {$(
        impl Extracted for PathIds<$id> {
            fn describe(operation: &mut Operation) {
                operation.path_part::<$id>();
                operation.refuses(&[ProblemKind::NotFound]);
            }
        }
    )*};
}

path_ids!(Ledger, ClientId, InvoiceId, WorkspaceId, SsoConnectionId, DomainId, ApprovalId);

macro_rules! path_pairs {
    ($(($one:ty, $other:ty)),*) => {$(
        impl Extracted for PathIds<($one, $other)> {
            fn describe(operation: &mut Operation) {
                operation.path_part::<$one>();
                operation.path_part::<$other>();
                operation.refuses(&[ProblemKind::NotFound]);
            }
        }
    )*};
}

path_pairs!(
    (InvoiceId, Ledger),
    (Ledger, InvoiceId),
    (Ledger, BackfillId),
    (Ledger, PreviewId),
    (ClientId, ContactPersonId),
    (WorkspaceId, UserId)
);

impl<T: Answers> Answers for Answer<T> {
    fn describe(operation: &mut Operation) {
        T::describe(operation);
    }
}

impl<T: ToSchema> Answers for Json<T> {
    fn describe(operation: &mut Operation) {
        operation.answers_json::<T>(200, "As asked.");
    }
}

impl<T: ToSchema> Answers for (StatusCode, Json<T>) {
    fn describe(_: &mut Operation) {}
}

impl Answers for StatusCode {
    fn describe(_: &mut Operation) {}
}

impl Answers for Response {
    fn describe(_: &mut Operation) {}
}
