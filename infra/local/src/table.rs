//! The table: dynoxide, an embedded DynamoDB, shaped by the template.
//!
//! It answers in two ways over one database: [`Table::serve`] is dynoxide's own HTTP server on a loopback listener, and
//! [`Table::handle`] speaks the same protocol without a socket, for the local endpoint and for tests that must replay exactly.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use dynoxide::{Database, DynoxideError};
use http::{HeaderValue, Request, Response, StatusCode, header};
use rust_decimal::Decimal;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::aws_json::{self, ACCOUNT, Failure, REGION};
use crate::clock::Clock;
use crate::template::{self, KeySchema, Projection};

/// Prefix of `X-Amz-Target` for the table.
pub const TARGET: &str = "DynamoDB_20120810";
/// Prefix of `X-Amz-Target` for its stream.
pub const STREAMS_TARGET: &str = "DynamoDBStreams_20120810";
const CONTENT_TYPE: &str = "application/x-amz-json-1.0";
/// Operations that leave records in the stream.
const WRITES: [&str; 5] = ["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"];

/// Why the table could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The embedded database refused.
    #[error("the embedded table: {0}")]
    Database(#[from] DynoxideError),
    /// The request that creates the table could not be written.
    #[error("the table's shape: {0}")]
    Shape(#[from] serde_json::Error),
    /// The path is not text.
    #[error("{0} is not a path that the embedded table can open")]
    Path(String),
    /// The file was made by another template.
    #[error("the table {name} in this file has other keys or indexes than the template; move the file away to begin anew")]
    OtherShape {
        /// Name of the table.
        name: String,
    },
}

/// The table. Clones share the database.
#[derive(Clone)]
pub struct Table {
    database: Database,
    name: Arc<str>,
    stream_arn: Option<Arc<str>>,
    shard: Arc<str>,
    changed: Arc<watch::Sender<u64>>,
    weighs: Arc<AtomicBool>,
}

/// Where the stream is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamStart {
    /// Its oldest record.
    Oldest,
    /// The record of this number.
    At(String),
    /// The record behind that of this number.
    After(String),
}

impl Table {
    /// A table that is gone with the process. Its clock times stream records and the removal of expired items.
    ///
    /// # Errors
    /// When the database refuses the template's shape.
    pub fn in_memory(name: &str, shape: &template::Table, clock: &Clock) -> Result<Self, TableError> {
        Self::open(Database::memory_with_clock(Arc::new(TableClock(clock.clone())))?, name, shape)
    }

    /// A table in a file. The database reads the wall clock here.
    ///
    /// # Errors
    /// When the file cannot be opened, or holds a table of another shape.
    pub fn in_file(path: &Path, name: &str, shape: &template::Table) -> Result<Self, TableError> {
        let path = path.to_str().ok_or_else(|| TableError::Path(path.display().to_string()))?;
        Self::open(Database::new(path)?, name, shape)
    }

    fn open(database: Database, name: &str, shape: &template::Table) -> Result<Self, TableError> {
        let wanted = create_request(name, shape);
        let described = database.describe_table(serde_json::from_value(json!({"TableName": name}))?);
        let description = match described {
            Ok(found) => {
                let found = serde_json::to_value(found)?;
                if !found.get("Table").is_some_and(|found| same_shape(&wanted, found)) {
                    return Err(TableError::OtherShape { name: name.to_owned() });
                }
                found
            }
            Err(DynoxideError::ResourceNotFoundException(_)) => {
                database.create_table(serde_json::from_value(wanted)?)?;
                if let Some(attribute) = &shape.ttl_attribute {
                    database.update_time_to_live(serde_json::from_value(json!({
                        "TableName": name,
                        "TimeToLiveSpecification": {"AttributeName": attribute, "Enabled": true},
                    }))?)?;
                }
                let made = database.describe_table(serde_json::from_value(json!({"TableName": name}))?)?;
                serde_json::to_value(made)?
            }
            Err(other) => return Err(other.into()),
        };
        let stream_arn: Option<Arc<str>> = description.pointer("/Table/LatestStreamArn").and_then(Value::as_str).map(Into::into);
        let shard = match &stream_arn {
            Some(arn) => {
                let described = database.describe_stream(serde_json::from_value(json!({"StreamArn": arn}))?)?;
                let described = serde_json::to_value(described)?;
                described.pointer("/StreamDescription/Shards/0/ShardId").and_then(Value::as_str).unwrap_or_default().into()
            }
            None => "".into(),
        };
        Ok(Self { database, name: name.into(), stream_arn, shard, changed: Arc::new(watch::Sender::new(0)), weighs: Arc::default() })
    }

    /// Name of the table.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// ARN of its stream, when the template asks for one.
    #[must_use]
    pub fn stream_arn(&self) -> Option<&str> {
        self.stream_arn.as_deref()
    }

    /// The stream's one shard.
    #[must_use]
    pub fn shard(&self) -> &str {
        &self.shard
    }

    /// How often the table was written to, by this process.
    #[must_use]
    pub fn version(&self) -> u64 {
        *self.changed.borrow()
    }

    /// Sees every write.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Up to a thousand records of the stream, oldest first, as Lambda hands them to a function; none when it was read to its end.
    ///
    /// # Errors
    /// When the table has no stream or the database fails.
    pub fn stream(&self, from: &StreamStart) -> Result<Vec<Value>, TableError> {
        let (kind, number) = match from {
            StreamStart::Oldest => ("TRIM_HORIZON", None),
            StreamStart::At(number) => ("AT_SEQUENCE_NUMBER", Some(number)),
            StreamStart::After(number) => ("AFTER_SEQUENCE_NUMBER", Some(number)),
        };
        let mut request = json!({"StreamArn": self.stream_arn, "ShardId": &*self.shard, "ShardIteratorType": kind});
        if let (Some(members), Some(number)) = (request.as_object_mut(), number) {
            members.insert("SequenceNumber".to_owned(), number.as_str().into());
        }
        let iterator = self.database.get_shard_iterator(serde_json::from_value(request)?)?.shard_iterator;
        let read = self.database.get_records(serde_json::from_value(json!({"ShardIterator": iterator}))?)?;
        let arn = format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{}/stream/local", self.name);
        let mut records = Vec::with_capacity(read.records.len());
        for record in read.records {
            let mut record = serde_json::to_value(record)?;
            if let Some(members) = record.as_object_mut() {
                members.insert("eventSourceARN".to_owned(), arn.as_str().into());
                members.insert("awsRegion".to_owned(), REGION.into());
            }
            records.push(record);
        }
        Ok(records)
    }

    /// Switches the stream off, for a harness in which nobody reads it: the database looks through all of a stream's records at each write,
    /// so that thousands of writes would take thousands of times as long.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn stop_stream(&self) -> Result<(), TableError> {
        if self.stream_arn.is_some() {
            let off = json!({"TableName": &*self.name, "StreamSpecification": {"StreamEnabled": false}});
            self.database.update_table(serde_json::from_value(off)?)?;
        }
        Ok(())
    }

    /// Removes items whose time to live is over, as DynamoDB does within days. Returns how many.
    ///
    /// # Errors
    /// When the database fails.
    pub fn remove_expired(&self) -> Result<usize, TableError> {
        Ok(self.database.sweep_ttl()?)
    }

    /// Serves dynoxide's own HTTP server until `shutdown` resolves.
    ///
    /// # Errors
    /// When the server fails.
    pub async fn serve(
        &self,
        listener: tokio::net::TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        dynoxide::server::serve_with_shutdown(listener, self.database.clone(), shutdown).await.map_err(std::io::Error::other)
    }

    /// From now on each answer carries, as an extension, what DynamoDB would charge for the call ([`Units`]). It costs the time of reading
    /// requests and answers once more.
    pub fn weigh(&self) {
        self.weighs.store(true, Ordering::Relaxed);
    }

    /// A table of this shape beside this one, with all that is in it: what a restore makes.
    ///
    /// # Errors
    /// When the database refuses it.
    pub fn copied_as(&self, name: &str, shape: &template::Table) -> Result<(), TableError> {
        let database = &self.database;
        database.create_table(serde_json::from_value(create_request(name, shape))?)?;
        let mut from = Value::Null;
        loop {
            let mut request = json!({"TableName": self.name()});
            if !from.is_null()
                && let Some(request) = request.as_object_mut()
            {
                request.insert("ExclusiveStartKey".to_owned(), from);
            }
            let page = serde_json::to_value(database.scan(serde_json::from_value(request)?)?)?;
            for item in page.get("Items").and_then(Value::as_array).into_iter().flatten() {
                database.put_item(serde_json::from_value(json!({"TableName": name, "Item": item}))?)?;
            }
            from = page.get("LastEvaluatedKey").cloned().unwrap_or_default();
            if from.is_null() {
                return Ok(());
            }
        }
    }

    /// Answers a request in process.
    #[expect(clippy::unused_async, reason = "one shape for all handlers of the local cloud")]
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        match self.respond(&request) {
            Ok(answer) => answer,
            Err(failure) => aws_json::answer(CONTENT_TYPE, Err(failure)),
        }
    }

    fn respond(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, Failure> {
        aws_json::admit(request)?;
        let headers = request.headers();
        let operation = aws_json::operation(headers, TARGET)
            .or_else(|| aws_json::operation(headers, STREAMS_TARGET))
            .ok_or_else(|| Failure::client("UnknownOperationException", "no X-Amz-Target"))?;
        let weighed = self.weighs.load(Ordering::Relaxed).then(|| weighed(operation, request.body())).flatten();
        let mut units = None;
        let (status, body) = match self.dispatch(operation, weighed.as_ref().unwrap_or(request.body()))? {
            Ok(body) => {
                if WRITES.contains(&operation) {
                    self.changed.send_modify(|version| *version = version.wrapping_add(1));
                }
                units = weighed.is_some().then(|| Units::of(&body, WRITES.contains(&operation)));
                (StatusCode::OK, body)
            }
            Err(error) => (StatusCode::from_u16(error.status_code()).unwrap_or(StatusCode::BAD_REQUEST), error.to_json()),
        };
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = status;
        if let Some(units) = units {
            response.extensions_mut().insert(units);
        }
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        if let Ok(id) = HeaderValue::from_str(&aws_json::request_id()) {
            headers.insert("x-amzn-requestid", id);
        }
        Ok(response)
    }

    /// The operations on items, and those that describe table and stream. Tables are made and changed by the template alone.
    fn dispatch(&self, operation: &str, body: &Bytes) -> Result<Result<String, DynoxideError>, Failure> {
        let db = &self.database;
        Ok(match operation {
            "GetItem" => run(body, |request| db.get_item(request)),
            "BatchGetItem" => run(body, |request| db.batch_get_item(request)),
            "TransactGetItems" => run(body, |request| db.transact_get_items(request)),
            "Query" => run(body, |request| db.query(request)),
            "Scan" => run(body, |request| db.scan(request)),
            "PutItem" => run(body, |request| db.put_item(request)),
            "UpdateItem" => run(body, |request| db.update_item(request)),
            "DeleteItem" => run(body, |request| db.delete_item(request)),
            "BatchWriteItem" => run(body, |request| db.batch_write_item(request)),
            "TransactWriteItems" => run(body, |request| db.transact_write_items(request)),
            "DescribeTable" => run(body, |request| db.describe_table(request)),
            "ListTables" => run(body, |request| db.list_tables(request)),
            "DescribeTimeToLive" => run(body, |request| db.describe_time_to_live(request)),
            "ListStreams" => run(body, |request| db.list_streams(request)),
            "DescribeStream" => run(body, |request| db.describe_stream(request)),
            "GetShardIterator" => run(body, |request| db.get_shard_iterator(request)),
            "GetRecords" => run(body, |request| db.get_records(request)),
            other => return Err(Failure::not_modelled(format_args!("dynamodb:{other}"))),
        })
    }
}

/// What DynamoDB charges for a call: request units on demand, those of its indexes among them (Amazon DynamoDB Developer Guide, "Read and
/// write operations").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Units {
    /// Read request units: one for 4 kB read consistently, twice that in a transaction, half of it where consistency is not asked for.
    pub read: Decimal,
    /// Write request units: one for 1 kB, twice that in a transaction.
    pub write: Decimal,
}

impl Units {
    /// As an answer tells them, with each table's total.
    fn of(answer: &str, write: bool) -> Self {
        let answer: Value = serde_json::from_str(answer).unwrap_or_default();
        let told = answer.get("ConsumedCapacity");
        let tables = told.and_then(Value::as_array).map_or_else(|| told.into_iter().collect::<Vec<_>>(), |tables| tables.iter().collect());
        let total = tables.iter().filter_map(|table| table.get("CapacityUnits")?.to_string().parse::<Decimal>().ok()).sum();
        if write { Self { write: total, ..Self::default() } } else { Self { read: total, ..Self::default() } }
    }
}

/// The request, with the question what it costs; `None` where an operation does not answer that.
fn weighed(operation: &str, body: &Bytes) -> Option<Bytes> {
    const WEIGHED: [&str; 10] = [
        "GetItem",
        "BatchGetItem",
        "TransactGetItems",
        "Query",
        "Scan",
        "PutItem",
        "UpdateItem",
        "DeleteItem",
        "BatchWriteItem",
        "TransactWriteItems",
    ];
    let mut request: Value = WEIGHED.contains(&operation).then(|| serde_json::from_slice(body).ok()).flatten()?;
    request.as_object_mut()?.insert("ReturnConsumedCapacity".to_owned(), "INDEXES".into());
    Some(request.to_string().into())
}

/// The database's view of the shared clock.
struct TableClock(Clock);

impl dynoxide::storage_backend::Clock for TableClock {
    fn now_unix_secs(&self) -> u64 {
        u64::try_from(self.0.now().as_second()).unwrap_or_default()
    }

    fn now_unix_secs_f64(&self) -> f64 {
        self.0.now().as_duration().as_secs_f64()
    }
}

fn run<Q: DeserializeOwned, A: Serialize>(body: &Bytes, call: impl FnOnce(Q) -> Result<A, DynoxideError>) -> Result<String, DynoxideError> {
    // One look at the whole, instead of one at each of its texts.
    let text = std::str::from_utf8(body).map_err(|error| DynoxideError::SerializationException(error.to_string()))?;
    let request = serde_json::from_str(text).map_err(|error| refusal(&error))?;
    serde_json::to_string(&call(request)?).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// A body that could not be read, as DynamoDB names it. dynoxide's request types mark what is a validation error.
fn refusal(error: &serde_json::Error) -> DynoxideError {
    let text = error.to_string();
    let marked = ["VALIDATION_REQUEST:", "VALIDATION:", "VALIDATION_AS_READ:"].iter().find_map(|mark| text.strip_prefix(mark));
    if let Some(message) = marked {
        let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
        return DynoxideError::ValidationException(message.to_owned());
    }
    if text.contains("missing field") || text.contains("unknown variant") || text.contains("AttributeValue") {
        return DynoxideError::ValidationException(text);
    }
    DynoxideError::SerializationException(text)
}

fn key_schema(key: &KeySchema) -> Value {
    let partition = json!({"AttributeName": key.partition, "KeyType": "HASH"});
    match &key.sort {
        Some(sort) => json!([partition, {"AttributeName": sort, "KeyType": "RANGE"}]),
        None => json!([partition]),
    }
}

/// The `CreateTable` request. Encryption, backups and deletion protection have no meaning for a local file and are left out.
fn create_request(name: &str, shape: &template::Table) -> Value {
    let attributes: Vec<Value> =
        shape.attributes.iter().map(|(name, kind)| json!({"AttributeName": name, "AttributeType": kind})).collect();
    let indexes: Vec<Value> = shape
        .indexes
        .iter()
        .map(|index| {
            json!({
                "IndexName": index.name,
                "KeySchema": key_schema(&index.key),
                "Projection": match &index.projection {
                    Projection::KeysOnly => json!({"ProjectionType": "KEYS_ONLY"}),
                    Projection::All => json!({"ProjectionType": "ALL"}),
                    Projection::Include(names) => json!({"ProjectionType": "INCLUDE", "NonKeyAttributes": names}),
                },
            })
        })
        .collect();
    let mut request = json!({
        "TableName": name,
        "BillingMode": shape.billing_mode,
        "AttributeDefinitions": attributes,
        "KeySchema": key_schema(&shape.key),
    });
    if let Some(members) = request.as_object_mut() {
        if !indexes.is_empty() {
            members.insert("GlobalSecondaryIndexes".to_owned(), Value::Array(indexes));
        }
        if let Some(view) = &shape.stream_view {
            members.insert("StreamSpecification".to_owned(), json!({"StreamEnabled": true, "StreamViewType": view}));
        }
    }
    request
}

/// Whether a table that exists has the wanted keys, indexes and stream.
fn same_shape(wanted: &Value, found: &Value) -> bool {
    let part = |of: &Value, pointer: &str| of.pointer(pointer).cloned().unwrap_or_default();
    let indexes = |of: &Value| -> Vec<String> {
        let all = part(of, "/GlobalSecondaryIndexes");
        let mut shapes: Vec<String> = all
            .as_array()
            .into_iter()
            .flatten()
            .map(|index| {
                let names = part(index, "/Projection/NonKeyAttributes");
                let mut carried: Vec<&str> = names.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                carried.sort_unstable();
                let kind = part(index, "/Projection/ProjectionType");
                format!("{} {} {kind} {carried:?}", part(index, "/IndexName"), part(index, "/KeySchema"))
            })
            .collect();
        shapes.sort_unstable();
        shapes
    };
    let same = |pointer: &str| part(wanted, pointer) == part(found, pointer);
    same("/KeySchema") && same("/StreamSpecification/StreamViewType") && indexes(wanted) == indexes(found)
}
