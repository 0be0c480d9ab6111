//! One operation as it is put together.

use std::collections::{BTreeMap, BTreeSet};

use coportal_core::problem::ProblemKind;
use utoipa::ToSchema;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{self, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Required, Response, ResponseBuilder, ResponsesBuilder, Schema};

use super::Schemas;
use crate::problem::{status, title};

/// Who may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Anyone; what counts is in the request.
    Anyone,
    /// A member of the workspace.
    Member,
    /// An admin or the owner.
    Admin,
    /// CoPortal's own backend.
    Service,
}

/// A route with everything that is known of it.
pub struct Operation {
    /// Its key in the template.
    pub key: &'static str,
    /// Who may call it.
    pub who: Who,
    /// The schemas that it names.
    pub schemas: Schemas,
    path: Vec<RefOr<Schema>>,
    parameters: Vec<Parameter>,
    body: Option<RequestBody>,
    answers: BTreeMap<u16, Response>,
    refusals: BTreeSet<u16>,
}

impl Operation {
    /// An operation that takes nothing and answers nothing yet. Each may fail (500), or find the table away (503).
    #[must_use]
    pub fn new(key: &'static str) -> Self {
        let mut new = Self {
            key,
            who: Who::Anyone,
            schemas: Schemas::new(),
            path: Vec::new(),
            parameters: Vec::new(),
            body: None,
            answers: BTreeMap::new(),
            refusals: BTreeSet::new(),
        };
        new.refuses(&[ProblemKind::Internal, ProblemKind::Unavailable]);
        new
    }

    /// It refuses with problems of these classes.
    pub fn refuses(&mut self, kinds: &[ProblemKind]) {
        self.refusals.extend(kinds.iter().map(|kind| status(*kind).as_u16()));
    }

    /// Only these may call.
    pub fn wants(&mut self, who: Who) {
        self.who = who;
        self.refuses(&[ProblemKind::Unauthenticated, ProblemKind::Forbidden]);
    }

    /// A reference to a schema, which is kept for the document.
    pub fn schema<T: ToSchema>(&mut self) -> RefOr<Schema> {
        let name = T::name();
        self.schemas.push((name.to_string(), T::schema()));
        T::schemas(&mut self.schemas);
        Ref::from_schema_name(name).into()
    }

    /// The next id in the path.
    pub fn path_part<T: ToSchema>(&mut self) {
        let part = self.schema::<T>();
        self.path.push(part);
    }

    /// Parameters of the query: the fields of a type.
    pub fn query<T: ToSchema>(&mut self) {
        T::schemas(&mut self.schemas);
        if let RefOr::T(Schema::Object(Object { properties, required, .. })) = T::schema() {
            for (name, schema) in properties {
                let needed = required.contains(&name);
                let description = described(&schema);
                self.parameter(ParameterIn::Query, &name, not_null(schema), needed, description.as_deref());
            }
        }
    }

    /// A parameter that is text.
    pub fn text_parameter(&mut self, place: ParameterIn, name: &str, needed: bool, description: &str) {
        let schema = ObjectBuilder::new().schema_type(Type::String).into();
        self.parameter(place, name, schema, needed, Some(description));
    }

    /// A parameter.
    pub fn parameter(&mut self, place: ParameterIn, name: &str, schema: RefOr<Schema>, needed: bool, description: Option<&str>) {
        let parameter = ParameterBuilder::new().name(name).parameter_in(place).schema(Some(schema)).description(description);
        self.parameters.push(parameter.required(if needed { Required::True } else { Required::False }).build());
    }

    /// A body of a media type; one that may be absent is not needed.
    pub fn takes<T: ToSchema>(&mut self, media_type: &str, needed: bool) {
        let content = ContentBuilder::new().schema(Some(self.schema::<T>())).build();
        let body = self.body.take().map_or_else(RequestBodyBuilder::new, RequestBodyBuilder::from);
        self.body = Some(body.content(media_type, content).required(Some(if needed { Required::True } else { Required::False })).build());
    }

    /// An answer in JSON.
    pub fn answers_json<T: ToSchema>(&mut self, status: u16, description: &str) {
        let schema = self.schema::<T>();
        self.answers_with(status, "application/json", Some(schema), description);
    }

    /// An answer of another media type, whose schema is not stated.
    pub fn answers_text(&mut self, status: u16, media_type: &str, description: &str) {
        self.answers_with(status, media_type, None, description);
    }

    fn answers_with(&mut self, status: u16, media_type: &str, schema: Option<RefOr<Schema>>, description: &str) {
        let content = ContentBuilder::new().schema(schema).build();
        let answer = self.answers.remove(&status).unwrap_or_else(|| Response::new(description));
        self.answers.insert(status, ResponseBuilder::from(answer).content(media_type, content).build());
    }

    /// An answer without a body.
    pub fn answers_nothing(&mut self, status: u16, description: &str) {
        self.answers.insert(status, Response::new(description));
    }

    /// A header of an answer that was stated before.
    pub fn header_of(&mut self, status: u16, name: &str, description: &str) {
        if let Some(answer) = self.answers.remove(&status) {
            let schema: RefOr<Schema> = ObjectBuilder::new().schema_type(Type::String).into();
            let header = HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build();
            self.answers.insert(status, ResponseBuilder::from(answer).header(name, header).build());
        }
    }

    /// Whether any answer but a refusal is stated.
    #[must_use]
    pub fn answers_something(&self) -> bool {
        !self.answers.is_empty()
    }

    /// The names in the key's path.
    fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.key.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }

    /// How many parts of the path are typed, and how many it has.
    #[must_use]
    pub fn path_parts(&self) -> (usize, usize) {
        (self.path.len(), self.names().count())
    }

    /// Whether it changes something, as a browser's session has to prove (`x-csrf-token`).
    fn writes(&self) -> bool {
        !self.key.starts_with("GET ")
    }

    /// As it stands in the document. A refusal is a reference to one of [`refusals`].
    #[must_use]
    pub fn build(self) -> path::Operation {
        let writes = self.writes();
        let mut id = String::new();
        for part in self.key.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()) {
            if !id.is_empty() {
                id.push('_');
            }
            id.push_str(&part.to_ascii_lowercase());
        }
        let mut operation = OperationBuilder::new().operation_id(Some(id));
        for (name, schema) in self.names().zip(self.path) {
            let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
            operation = operation.parameter(parameter.schema(Some(schema)));
        }
        for parameter in self.parameters {
            operation = operation.parameter(parameter);
        }
        let mut responses = ResponsesBuilder::new();
        for (status, answer) in self.answers {
            responses = responses.response(status.to_string(), answer);
        }
        for status in self.refusals {
            responses = responses.response(status.to_string(), Ref::from_response_name(refusal_name(status)));
        }
        let none: [&str; 0] = [];
        let operation = match self.who {
            Who::Anyone => operation.security(SecurityRequirement::default()),
            Who::Service => operation.security(SecurityRequirement::new("service", none)),
            Who::Member | Who::Admin => {
                let session = SecurityRequirement::new("session", none);
                let session = if writes { session.add("csrf", none) } else { session };
                operation.security(SecurityRequirement::new("bearer", none)).security(session)
            }
        };
        operation.request_body(self.body).responses(responses.build()).build()
    }
}

fn described(schema: &RefOr<Schema>) -> Option<String> {
    match schema {
        RefOr::T(Schema::Object(object)) => object.description.clone(),
        RefOr::Ref(_) | RefOr::T(_) => None,
    }
}

/// A parameter of a query cannot be null: it is there or it is not.
fn not_null(schema: RefOr<Schema>) -> RefOr<Schema> {
    let RefOr::T(Schema::Object(mut object)) = schema else { return schema };
    if let SchemaType::Array(types) = &object.schema_type {
        let rest: Vec<Type> = types.iter().filter(|kind| **kind != Type::Null).cloned().collect();
        object.schema_type = match rest.as_slice() {
            [one] => SchemaType::Type(one.clone()),
            _ => SchemaType::Array(rest),
        };
    }
    object.description = None;
    object.into()
}

/// Every class of problem.
const KINDS: [ProblemKind; 11] = [
    ProblemKind::Unauthenticated,
    ProblemKind::Forbidden,
    ProblemKind::NotFound,
    ProblemKind::Conflict,
    ProblemKind::Stale,
    ProblemKind::PreconditionRequired,
    ProblemKind::Invalid,
    ProblemKind::TooLarge,
    ProblemKind::Limited,
    ProblemKind::Unavailable,
    ProblemKind::Internal,
];

fn refusal_name(status: u16) -> String {
    format!("problem_{status}")
}

/// The answers to what is refused or fails, by the name that operations refer to, and the schemas they name.
#[must_use]
pub fn refusals() -> (Vec<(String, Response)>, Schemas) {
    let mut any = Operation::new("");
    let answers = KINDS.iter().map(|kind| {
        let status = status(*kind).as_u16();
        let content = ContentBuilder::new().schema(Some(crate::problem::schema(&mut any))).build();
        (refusal_name(status), ResponseBuilder::new().description(title(*kind)).content("application/problem+json", content).build())
    });
    let answers = answers.collect();
    (answers, any.schemas)
}
