//! A cloud in process for this crate's tests: the real SDK over a connector without sockets; behind it dynoxide (an embedded DynamoDB)
//! with the table of docs/records.md, and small KMS, SSM and SQS. Any call can be lost before or after its effect, or answered otherwise.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coportal_core::ctx::{Clock, Ctx, Random};
use coportal_core::secret::Secret;
use dynoxide::Database;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::cloud::{
    ATTEMPT_TIMEOUT, AsyncSleep, CALL_TIMEOUT, CONNECT_TIMEOUT, Cloud, CloudConfig, CloudCredentials, Endpoints, SharedAsyncSleep, Sleep,
};
use crate::queues::QueueUrls;

/// What happens to one call.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// The call has its effect; its answer is lost.
    LoseAnswer,
    /// The call has no effect and no answer.
    LoseRequest,
    /// The service answers this instead, without an effect: status, body.
    Answer(u16, Value),
    /// `BatchGetItem` leaves all keys but the first unprocessed.
    LeaveUnprocessed,
}

/// A call that reached the connector.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) operation: String,
    pub(crate) body: Value,
}

#[derive(Default)]
struct State {
    calls: Vec<Call>,
    faults: BTreeMap<usize, Fault>,
    parameters: BTreeMap<String, String>,
}

/// The services, and the clock that tests move.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) db: Database,
    state: Arc<Mutex<State>>,
    time: Arc<Mutex<Timestamp>>,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services").finish_non_exhaustive()
    }
}

/// Name of the table in tests.
pub(crate) const TABLE: &str = "coportal";
/// Id of the key that wraps tokens in tests.
pub(crate) const TOKEN_KEY: &str = "token-key";
/// Address of `sync-now` in tests.
pub(crate) const NOW_URL: &str = "http://cloud.test/000000000000/sync-now";
/// Address of `sync-bulk` in tests.
pub(crate) const BULK_URL: &str = "http://cloud.test/000000000000/sync-bulk";

/// The table of docs/records.md, section 1.
pub(crate) fn table_request() -> Value {
    let attributes: Vec<Value> = ["pk", "sk", "due_pk", "due_sk", "ix_pk", "ix_sk"]
        .iter()
        .map(|name| json!({"AttributeName": name, "AttributeType": "S"}))
        .collect();
    let keys = |pk: &str, sk: &str| json!([{"AttributeName": pk, "KeyType": "HASH"}, {"AttributeName": sk, "KeyType": "RANGE"}]);
    let index = |name: &str, prefix: &str, projected: &[&str]| {
        json!({
            "IndexName": name, "KeySchema": keys(&format!("{prefix}_pk"), &format!("{prefix}_sk")),
            "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": projected},
        })
    };
    json!({
        "TableName": TABLE, "BillingMode": "PAY_PER_REQUEST", "AttributeDefinitions": attributes, "KeySchema": keys("pk", "sk"),
        "GlobalSecondaryIndexes": [
            index("due", "due", &["kind", "ws", "ledger", "gen", "inv", "state", "attempts"]),
            index("list", "ix", &["kind", "ids", "label", "number", "status", "state", "since", "issue_date", "total"]),
        ],
    })
}

impl Services {
    /// An empty table at 2026-03-01T09:00:00Z.
    pub(crate) fn new() -> Self {
        let db = Database::memory().unwrap();
        db.create_table(serde_json::from_value(table_request()).unwrap()).unwrap();
        let time = "2026-03-01T09:00:00Z".parse().unwrap();
        Self { db, state: Arc::default(), time: Arc::new(Mutex::new(time)) }
    }

    /// The SDK clients over these services.
    pub(crate) fn cloud(&self) -> Cloud {
        self.config().connect()
    }

    pub(crate) fn config(&self) -> CloudConfig {
        let connector = SharedHttpConnector::new(self.clone());
        CloudConfig {
            region: "eu-west-1".to_owned(),
            table: TABLE.to_owned(),
            token_key: TOKEN_KEY.to_owned(),
            queues: QueueUrls { now: Some(NOW_URL.to_owned()), bulk: Some(BULK_URL.to_owned()) },
            endpoints: Endpoints::all("http://cloud.test"),
            credentials: CloudCredentials {
                access_key_id: "AKIATEST".to_owned(),
                secret_access_key: Secret::new("test".to_owned()),
                session_token: None,
            },
            http_client: Some(http_client_fn(move |_, _| connector.clone())),
            sleep: Some(SharedAsyncSleep::new(Yield)),
            time_source: None,
        }
    }

    /// A context of one invocation: this clock, fresh chance.
    pub(crate) fn ctx(&self) -> Ctx {
        Ctx::new(Arc::new(self.clone()), Arc::new(SystemRandom), SignedDuration::from_secs(24))
    }

    pub(crate) fn now(&self) -> Timestamp {
        *self.time.lock().unwrap()
    }

    pub(crate) fn advance(&self, by: SignedDuration) {
        let mut time = self.time.lock().unwrap();
        *time = time.checked_add(by).unwrap();
    }

    /// Plans a fault for the `ahead`-th call from now (0 = the next).
    pub(crate) fn fault(&self, ahead: usize, fault: Fault) {
        let mut state = self.state.lock().unwrap();
        let index = state.calls.len() + ahead;
        state.faults.insert(index, fault);
    }

    pub(crate) fn parameter(&self, name: &str, value: &str) {
        self.state.lock().unwrap().parameters.insert(name.to_owned(), value.to_owned());
    }

    /// The calls so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.state.lock().unwrap().calls.clone()
    }

    /// Names of the operations since call number `since`.
    pub(crate) fn operations(&self, since: usize) -> Vec<String> {
        self.calls().into_iter().skip(since).map(|call| call.operation).collect()
    }

    fn record(&self, operation: &str, body: &Value) -> Option<Fault> {
        let mut state = self.state.lock().unwrap();
        let index = state.calls.len();
        state.calls.push(Call { operation: operation.to_owned(), body: body.clone() });
        state.faults.remove(&index)
    }

    fn answer(&self, target: &str, mut body: Value) -> Result<(u16, String), ConnectorError> {
        let (service, operation) = target.split_once('.').unwrap();
        let lost = || ConnectorError::io("connection reset".into());
        let fault = self.record(operation, &body);
        match fault {
            Some(Fault::LoseRequest) => return Err(lost()),
            Some(Fault::Answer(status, body)) => return Ok((status, body.to_string())),
            Some(Fault::LoseAnswer) => {
                let _ = self.dispatch(service, operation, body);
                return Err(lost());
            }
            Some(Fault::LeaveUnprocessed) => {
                let keys = body["RequestItems"][TABLE]["Keys"].as_array_mut().unwrap();
                let left: Vec<Value> = keys.drain(1..).collect();
                let (status, text) = self.dispatch(service, operation, body);
                let mut answer: Value = serde_json::from_str(&text).unwrap();
                answer["UnprocessedKeys"] = json!({TABLE: {"Keys": left, "ConsistentRead": true}});
                return Ok((status, answer.to_string()));
            }
            None => {}
        }
        Ok(self.dispatch(service, operation, body))
    }

    fn dispatch(&self, service: &str, operation: &str, body: Value) -> (u16, String) {
        match service {
            "DynamoDB_20120810" => self.dynamodb(operation, body),
            "TrentService" => kms(operation, &body),
            "AmazonSSM" => self.ssm(&body),
            "AmazonSQS" => sqs(operation, &body),
            other => panic!("no such service: {other}"),
        }
    }

    fn dynamodb(&self, operation: &str, body: Value) -> (u16, String) {
        macro_rules! run {
            ($method:ident) => {
                match serde_json::from_value(body) {
                    Ok(request) => match self.db.$method(request) {
                        Ok(answer) => (200, serde_json::to_string(&answer).unwrap()),
                        Err(error) => (error.status_code(), error.to_json()),
                    },
                    Err(error) => panic!("{operation}: {error}"),
                }
            };
        }
        match operation {
            "GetItem" => run!(get_item),
            "BatchGetItem" => run!(batch_get_item),
            "Query" => run!(query),
            "PutItem" => run!(put_item),
            "UpdateItem" => run!(update_item),
            "DeleteItem" => run!(delete_item),
            "TransactWriteItems" => run!(transact_write_items),
            other => panic!("no such operation: {other}"),
        }
    }

    fn ssm(&self, body: &Value) -> (u16, String) {
        assert_eq!(body["WithDecryption"], true);
        let state = self.state.lock().unwrap();
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for name in body["Names"].as_array().unwrap() {
            match state.parameters.get(name.as_str().unwrap()) {
                Some(value) => found.push(json!({"Name": name, "Value": value, "Type": "SecureString"})),
                None => missing.push(name.clone()),
            }
        }
        (200, json!({"Parameters": found, "InvalidParameters": missing}).to_string())
    }
}

/// A queue that takes everything; what it took is among the calls.
fn sqs(operation: &str, body: &Value) -> (u16, String) {
    assert_eq!(operation, "SendMessageBatch");
    let done = |entry: &Value| json!({"Id": entry["Id"], "MessageId": entry["Id"], "MD5OfMessageBody": ""});
    let done: Vec<Value> = body["Entries"].as_array().unwrap().iter().map(done).collect();
    (200, json!({"Successful": done, "Failed": []}).to_string())
}

/// A KMS of one key: AES-256-GCM with the encryption context as associated data, as KMS does.
fn kms(operation: &str, body: &Value) -> (u16, String) {
    let key = || LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).unwrap());
    let aad = body["EncryptionContext"].to_string();
    let context: BTreeMap<String, String> = serde_json::from_str(&aad).unwrap();
    let aad = serde_json::to_vec(&context).unwrap();
    let refuse = |kind: &str| (400, json!({"__type": kind, "message": "no"}).to_string());
    match operation {
        "GenerateDataKey" => {
            let (mut plain, mut nonce) = ([0; 32], [0; 12]);
            SystemRandom.fill(&mut plain);
            SystemRandom.fill(&mut nonce);
            let mut blob = plain.to_vec();
            key().seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(&aad), &mut blob).unwrap();
            let blob = [nonce.to_vec(), blob].concat();
            let answer = json!({"KeyId": TOKEN_KEY, "Plaintext": STANDARD.encode(plain), "CiphertextBlob": STANDARD.encode(blob)});
            (200, answer.to_string())
        }
        "Decrypt" => {
            let mut blob = STANDARD.decode(body["CiphertextBlob"].as_str().unwrap()).unwrap();
            if body["KeyId"].as_str().is_some_and(|id| id != TOKEN_KEY) {
                return refuse("NotFoundException");
            }
            if blob.len() < 12 {
                return refuse("InvalidCiphertextException");
            }
            let mut sealed = blob.split_off(12);
            let nonce = Nonce::try_assume_unique_for_key(&blob).unwrap();
            match key().open_in_place(nonce, Aad::from(&aad), &mut sealed) {
                Ok(plain) => (200, json!({"KeyId": TOKEN_KEY, "Plaintext": STANDARD.encode(plain)}).to_string()),
                Err(_) => refuse("InvalidCiphertextException"),
            }
        }
        other => panic!("no such operation: {other}"),
    }
}

impl HttpConnector for Services {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap().to_owned();
        let body = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        let services = self.clone();
        HttpConnectorFuture::new(async move {
            // Others get their turn before and after each call, as on a network.
            tokio::task::yield_now().await;
            let answer = services.answer(&target, body);
            tokio::task::yield_now().await;
            answer.map(|(status, text)| HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(text)))
        })
    }
}

impl Clock for Services {
    fn now(&self) -> Timestamp {
        Services::now(self)
    }
}

struct SystemRandom;

#[expect(clippy::disallowed_methods, reason = "the source of chance of these tests")]
impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).unwrap();
    }
}

/// Waiting takes no time: a back-off is a turn for others, a time-out never comes.
#[derive(Debug)]
struct Yield;

impl AsyncSleep for Yield {
    fn sleep(&self, duration: Duration) -> Sleep {
        if [CONNECT_TIMEOUT, ATTEMPT_TIMEOUT, CALL_TIMEOUT].contains(&duration) {
            return Sleep::new(std::future::pending());
        }
        Sleep::new(async { tokio::task::yield_now().await })
    }
}

/// Bytes of chance in a fixed order, for tests that compare.
pub(crate) struct Scripted(pub(crate) Mutex<VecDeque<u8>>);

impl Random for Scripted {
    fn fill(&self, bytes: &mut [u8]) {
        let mut left = self.0.lock().unwrap();
        bytes.fill_with(|| left.pop_front().unwrap_or(0xA5));
    }
}
