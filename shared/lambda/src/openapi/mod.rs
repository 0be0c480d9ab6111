//! What routes take and answer, read off the types of their handlers: the extractors say what a request has and who may send it, the
//! result says what is answered. The generator of `infra/openapi.json` is the only one who asks (docs/adr/0037).
//!
//! A function lists its routes beside its router: `Operations::default().route("GET /v1/clients", routes::list)`. What a signature cannot
//! say, since a handler answers with a built response, is stated there: `.route(…).created::<Client>()`.

mod extracted;
pub mod operation;

use utoipa::openapi::{RefOr, Schema};

pub use self::extracted::{Answers, Extracted, Handler};
pub use self::operation::{Operation, Who};

/// The operations of a function, in the order of its router.
#[derive(Default)]
pub struct Operations(pub Vec<Operation>);

/// Schemas by name.
pub type Schemas = Vec<(String, RefOr<Schema>)>;

impl Operations {
    /// One more, by its key in the template (`GET /v1/clients/{id}`) and its handler.
    #[must_use]
    pub fn route<H: Handler<A>, A>(mut self, key: &'static str, handler: H) -> Self {
        let mut operation = Operation::new(key);
        handler.describe(&mut operation);
        self.0.push(operation);
        self
    }

    /// Says more of the operation that was added last.
    #[must_use]
    pub fn and(mut self, more: impl FnOnce(&mut Operation)) -> Self {
        if let Some(last) = self.0.last_mut() {
            more(last);
        }
        self
    }

    /// It answers 200 with this body.
    #[must_use]
    pub fn ok<T: utoipa::ToSchema>(self) -> Self {
        self.and(|operation| operation.answers_json::<T>(200, "As asked."))
    }

    /// It answers 201 with this body, and where the record is.
    #[must_use]
    pub fn created<T: utoipa::ToSchema>(self) -> Self {
        self.and(|operation| {
            operation.answers_json::<T>(201, "Created.");
            operation.header_of(201, "Location", "Path of the new record.");
        })
    }

    /// It answers 202 with this body: the work goes on.
    #[must_use]
    pub fn accepted<T: utoipa::ToSchema>(self) -> Self {
        self.and(|operation| operation.answers_json::<T>(202, "Accepted: the work goes on."))
    }

    /// It answers 202 with this body and the path under which the work is looked at.
    #[must_use]
    pub fn accepted_at<T: utoipa::ToSchema>(self) -> Self {
        self.accepted::<T>().and(|operation| operation.header_of(202, "Location", "Path of the work."))
    }

    /// It refuses with problems of these classes too.
    #[must_use]
    pub fn refuses(self, kinds: &[coportal_core::problem::ProblemKind]) -> Self {
        self.and(|operation| operation.refuses(kinds))
    }
}
