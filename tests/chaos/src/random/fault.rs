//! What goes wrong with calls, and how often it did.

use std::collections::BTreeMap;

use serde::Serialize;

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// AWS: the request is lost.
    AwsRequestLost,
    /// AWS: done, and the answer is lost.
    AwsAnswerLost,
    /// AWS: refused for its rate.
    AwsThrottled,
    /// AWS: 500, before anything was done.
    AwsServerError,
    /// The process dies before the call.
    CrashBefore,
    /// The call is done, and the process dies before it reads the answer.
    CrashAfter,
    /// The process stands still for longer than a lease, after the call.
    Stall,
    /// Vendor: the connection is refused.
    Refused,
    /// Vendor: the request is lost, and nobody knows.
    RequestLost,
    /// Vendor: done, and the answer is lost.
    AnswerLost,
    /// Vendor: lost for the caller, and done much later.
    Late,
    /// Vendor: 429.
    Throttled,
    /// Vendor: 500, before anything was done.
    ServerError,
    /// Vendor: 503 from something on the way.
    Unavailable,
}

/// What goes wrong with calls to AWS, by how often.
pub(super) const AWS: [(u64, Fault); 7] = [
    (25, Fault::AwsRequestLost),
    (25, Fault::AwsAnswerLost),
    (20, Fault::AwsThrottled),
    (12, Fault::AwsServerError),
    (5, Fault::CrashBefore),
    (7, Fault::CrashAfter),
    (3, Fault::Stall),
];

/// What goes wrong with calls to vendors.
pub(super) const VENDOR: [(u64, Fault); 10] = [
    (8, Fault::Refused),
    (18, Fault::RequestLost),
    (22, Fault::AnswerLost),
    (12, Fault::Late),
    (12, Fault::Throttled),
    (8, Fault::ServerError),
    (6, Fault::Unavailable),
    (5, Fault::CrashBefore),
    (7, Fault::CrashAfter),
    (3, Fault::Stall),
];

/// Counts of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Calls to vendors.
    pub vendor_calls: u64,
    /// Calls to AWS.
    pub aws_calls: u64,
    /// Calls to AWS that could go wrong: of processes whose AWS side was faulty.
    pub aws_exposed: u64,
    /// Calls to vendors that could go wrong.
    pub vendor_exposed: u64,
    /// Processes that died.
    pub crashes: u64,
    /// Faults, by kind.
    pub faults: BTreeMap<Fault, u64>,
    /// Faults of calls to AWS.
    pub aws_faults: u64,
    /// Faults of calls to vendors.
    pub vendor_faults: u64,
    /// Secrets that were looked for in what the product said (I12).
    pub secrets: u64,
    /// Bytes that it said: log lines, writes, messages, addresses, answers.
    pub said_bytes: u64,
    /// Log lines among them.
    pub log_lines: u64,
}

impl Tally {
    /// Adds another run's.
    pub fn add(&mut self, other: &Self) {
        self.vendor_calls += other.vendor_calls;
        self.aws_calls += other.aws_calls;
        self.aws_exposed += other.aws_exposed;
        self.vendor_exposed += other.vendor_exposed;
        self.aws_faults += other.aws_faults;
        self.vendor_faults += other.vendor_faults;
        self.secrets += other.secrets;
        self.said_bytes += other.said_bytes;
        self.log_lines += other.log_lines;
        self.crashes += other.crashes;
        for (fault, count) in &other.faults {
            *self.faults.entry(*fault).or_default() += count;
        }
    }
}
