//! Queues: what they are called.

use crate::aws_json::{ACCOUNT, REGION};

/// Address of a queue, as SQS forms it; the client's endpoint decides where it is asked.
#[must_use]
pub fn url(queue: &str) -> String {
    format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{queue}")
}

/// ARN of a queue.
#[must_use]
pub fn arn(queue: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}")
}
