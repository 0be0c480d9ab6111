//! Strict doubles of AWS services: exactly the operations that the product calls, with the refusals that matter to it. What they do
//! not model they answer with 501 and say so.

pub mod kms;
pub mod sqs;
pub mod ssm;
