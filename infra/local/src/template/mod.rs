//! `infra/template.yaml` as a typed value.
//!
//! The template is the truth about the cloud: the gateway takes its routes from here, the table its shape, the key double its key
//! policy. What this reader does not understand is an error that names the element and its line; nothing is skipped in silence.

pub mod copy;
mod expression;
mod node;
mod read;
mod work;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;
use std::time::Duration;

pub use expression::{Bindings, Condition, Expression};

use crate::pattern::Pattern;

/// The template that is deployed, as it stood when this crate was compiled.
pub const DEPLOYED: &str = include_str!("../../../template.yaml");

/// Why a template could not be read or a value of it not be worked out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{element}: {problem}", At(*.line))]
pub struct TemplateError {
    /// Dotted path of the element, for example `Resources.Clients.Properties.Timeout`.
    pub element: String,
    /// Line of the element in the file, counted from 1, where it could be found.
    pub line: Option<usize>,
    /// What is wrong with it.
    pub problem: String,
}

struct At(Option<usize>);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(line) => write!(f, "line {line}: "),
            None => Ok(()),
        }
    }
}

/// The whole template.
#[derive(Debug, Clone)]
pub struct Template {
    /// Parameters by name.
    pub parameters: BTreeMap<String, Parameter>,
    /// Conditions by name.
    pub conditions: BTreeMap<String, Condition>,
    /// Functions by logical id.
    pub functions: BTreeMap<String, Function>,
    /// Routes of the HTTP API, in the order of the file.
    pub routes: Vec<Route>,
    /// The stage of the HTTP API.
    pub stage: Stage,
    /// Tables by logical id.
    pub tables: BTreeMap<String, Table>,
    /// KMS keys by logical id.
    pub keys: BTreeMap<String, Key>,
    /// Queues by logical id.
    pub queues: BTreeMap<String, Queue>,
    /// Statements of queue policies, with the logical ids of the queues that they are put on.
    pub queue_policies: Vec<(Vec<String>, Statement)>,
    /// Functions that take from queues.
    pub queue_sources: Vec<QueueSource>,
    /// Functions that read a table's stream.
    pub stream_sources: Vec<StreamSource>,
    /// Functions that run by the clock.
    pub schedules: Vec<Schedule>,
    /// Log groups by logical id.
    pub log_groups: BTreeMap<String, LogGroup>,
    /// Logical ids of the functions that API Gateway is allowed to invoke.
    pub invocable: Vec<String>,
    /// Rule and function, by logical id, where the rule is allowed to invoke the function.
    pub schedulable: Vec<(String, String)>,
    /// Logical ids of alarms.
    pub alarms: Vec<String>,
}

/// A parameter of the stack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameter {
    /// Value when none is given at deployment.
    pub default: Option<String>,
    /// The only values that are accepted; empty when any is.
    pub allowed_values: Vec<String>,
    /// Regular expression that a value must match.
    pub allowed_pattern: Option<String>,
}

/// A Lambda function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Logical id, PascalCase of the binary's name.
    pub logical_id: String,
    /// Folder under `functions/`, package and binary name.
    pub binary: String,
    /// After this time Lambda ends the invocation.
    pub timeout: Duration,
    /// Memory in MB.
    pub memory_mb: u64,
    /// `Globals` and the function's own variables, the latter winning.
    pub environment: BTreeMap<String, Expression>,
    /// Statements of the role's inline policies.
    pub statements: Vec<Statement>,
    /// The log group it writes to.
    pub log_group: Option<Expression>,
}

/// A statement of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its name.
    pub sid: Option<String>,
    /// Whether it grants or refuses.
    pub effect: Effect,
    /// Actions such as `dynamodb:GetItem`.
    pub actions: Vec<String>,
    /// What it is about.
    pub resources: Vec<Expression>,
    /// Operator, condition key, values. Several keys are joined by AND, several values by OR.
    pub conditions: BTreeMap<String, BTreeMap<String, Vec<Expression>>>,
}

/// Effect of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Grants.
    Allow,
    /// Refuses, whatever else grants.
    Deny,
}

/// A route of the HTTP API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// As in the template and in access logs: `GET /v1/clients/{id}`.
    pub key: String,
    /// Upper-case method, or `ANY`.
    pub method: String,
    /// Path with `{name}` parameters.
    pub path: String,
    /// Logical id of the function that answers.
    pub function: String,
    /// Authorization type, `NONE` when the function itself authenticates.
    pub authorization: String,
    /// After this time API Gateway answers in the function's place.
    pub timeout: Duration,
}

/// The stage of the HTTP API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// `$default`, whose name is not part of the path.
    pub name: String,
    /// Access log line with `$context.…` variables.
    pub access_log_format: Option<String>,
}

/// A DynamoDB table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Partition key and sort key.
    pub key: KeySchema,
    /// Attribute types of all keys: `S`, `N` or `B`.
    pub attributes: BTreeMap<String, String>,
    /// Global secondary indexes.
    pub indexes: Vec<Index>,
    /// Attribute that holds the time to live.
    pub ttl_attribute: Option<String>,
    /// What the stream carries, for example `NEW_IMAGE`.
    pub stream_view: Option<String>,
    /// `PAY_PER_REQUEST` or `PROVISIONED`.
    pub billing_mode: String,
    /// Whether the table refuses to be deleted.
    pub deletion_protection: bool,
    /// Whether it can be restored to a point in time.
    pub point_in_time_recovery: bool,
    /// The KMS key that encrypts it.
    pub encryption_key: Option<Expression>,
}

/// Names of the key attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySchema {
    /// Partition key.
    pub partition: String,
    /// Sort key.
    pub sort: Option<String>,
}

/// A global secondary index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Its key.
    pub key: KeySchema,
    /// Which attributes it carries beside the keys.
    pub projection: Projection,
}

/// What an index carries beside the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Projection {
    /// Keys alone.
    KeysOnly,
    /// Everything.
    All,
    /// These attributes.
    Include(Vec<String>),
}

/// A KMS key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// `SYMMETRIC_DEFAULT`, or for example `ECC_NIST_P256`.
    pub spec: String,
    /// Key policy.
    pub statements: Vec<Statement>,
}

/// An SQS queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// How long a received message is hidden from others.
    pub visibility: Duration,
    /// How long a message is kept.
    pub retention: Duration,
    /// Whether bodies are encrypted at rest, with keys that SQS keeps.
    pub encrypted: bool,
    /// Where messages go that were received too often.
    pub redrive: Option<Redrive>,
}

/// Where messages go that were received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// Logical id of the dead-letter queue.
    pub dead_letters: String,
    /// Receives after which the next one moves the message.
    pub max_receives: u32,
}

/// An event source mapping of a queue. Its answers are partial: a message that is not named in them is deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSource {
    /// Logical id of the queue.
    pub queue: String,
    /// Logical id of the function.
    pub function: String,
    /// Most messages of one event.
    pub batch_size: usize,
    /// Most invocations at the same time.
    pub concurrency: usize,
}

/// An event source mapping of a table's stream. Its answers are partial, and a batch that failed is bisected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSource {
    /// Logical id of the table.
    pub table: String,
    /// Logical id of the function.
    pub function: String,
    /// Most records of one event.
    pub batch_size: usize,
    /// Batches of one shard that are under way at the same time; records of one item keep their order.
    pub lanes: usize,
    /// How often a failed batch is tried again.
    pub retries: u64,
    /// Records older than this are given up.
    pub max_age: Duration,
    /// A record that matches one of these is handed over.
    pub filters: Vec<StreamFilter>,
    /// Logical id of the queue that is told of records that were given up.
    pub on_failure: String,
}

/// A filter of a stream's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamFilter {
    /// As in the template.
    pub text: String,
    /// As understood.
    pub pattern: Pattern,
}

/// A rule that runs a function by the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Logical id of the rule.
    pub rule: String,
    /// Logical id of the function.
    pub function: String,
    /// Time from run to run.
    pub every: Duration,
}

/// A log group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogGroup {
    /// Days that lines are kept; absent means for ever.
    pub retention_days: Option<Expression>,
}

impl Template {
    /// The template that is deployed; read once for all the clouds of a process.
    ///
    /// # Errors
    /// As [`Template::parse`].
    pub fn deployed() -> Result<&'static Self, TemplateError> {
        static READ: LazyLock<Result<Template, TemplateError>> = LazyLock::new(|| Template::parse(DEPLOYED));
        READ.as_ref().map_err(Clone::clone)
    }

    /// Reads a template.
    ///
    /// # Errors
    /// Names the element (and its line) that is missing, malformed or of a kind that the local cloud does not model.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        read::template(text)
    }

    /// Works out a value under these bindings.
    ///
    /// # Errors
    /// When the value refers to something that is neither bound nor a parameter with a default.
    pub fn evaluate(&self, expression: &Expression, bindings: &Bindings) -> Result<String, TemplateError> {
        expression::evaluate(self, expression, bindings)
    }

    /// The environment variables of a function (by logical id), worked out.
    ///
    /// # Errors
    /// When there is no such function, or a variable cannot be worked out.
    pub fn environment(&self, function: &str, bindings: &Bindings) -> Result<BTreeMap<String, String>, TemplateError> {
        let element = format!("Resources.{function}");
        let function =
            self.functions.get(function).ok_or_else(|| TemplateError { element, line: None, problem: "no such function".to_owned() })?;
        function.environment.iter().map(|(name, value)| Ok((name.clone(), self.evaluate(value, bindings)?))).collect()
    }

    /// The function of this binary name.
    #[must_use]
    pub fn function_of_binary(&self, binary: &str) -> Option<&Function> {
        self.functions.values().find(|function| function.binary == binary)
    }
}
