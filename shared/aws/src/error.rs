//! What goes wrong between us and AWS, in two halves: the log's and the user's.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::result::CreateUnhandledError;
use coportal_core::problem::{Problem, ProblemKind};

/// A failed call to an AWS service. The texts name operations and error codes; never keys, values or secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The service did not answer, or asked for patience for longer than we have. A write may have been done.
    #[error("{operation}: unavailable ({cause})")]
    Unavailable {
        /// The operation.
        operation: &'static str,
        /// Error code of the service, or the kind of failure.
        cause: String,
    },
    /// Others kept changing the same items until the attempts of a transaction were used up. Nothing was done.
    #[error("{operation}: conflicts with other writers did not end")]
    Conflict {
        /// The operation.
        operation: &'static str,
    },
    /// A stored thing cannot be read: it was written by a newer version or damaged.
    #[error("{what} cannot be read: {cause}")]
    Corrupt {
        /// What.
        what: &'static str,
        /// Why.
        cause: String,
    },
    /// The service refused the request itself (rights, validation): our defect or the deployment's.
    #[error("{operation}: refused ({cause})")]
    Defect {
        /// The operation.
        operation: &'static str,
        /// Error code of the service.
        cause: String,
    },
}

impl StoreError {
    /// A stored thing that cannot be read.
    #[must_use]
    pub fn corrupt(what: &'static str, cause: impl std::fmt::Display) -> Self {
        Self::Corrupt { what, cause: cause.to_string() }
    }

    /// Sorts a failed SDK call by what follows from it.
    pub(crate) fn of<E, R>(operation: &'static str, error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + CreateUnhandledError,
    {
        let transport = |cause: &str| Self::Unavailable { operation, cause: cause.to_owned() };
        match error {
            SdkError::ConstructionFailure(_) => Self::Defect { operation, cause: "the request could not be built".to_owned() },
            SdkError::TimeoutError(_) => transport("time-out"),
            SdkError::DispatchFailure(_) => transport("no connection"),
            SdkError::ResponseError(_) => transport("unreadable answer"),
            SdkError::ServiceError(refusal) => {
                let code = refusal.err().code().unwrap_or("unknown").to_owned();
                if is_transient(&code) || code == "unknown" {
                    Self::Unavailable { operation, cause: code }
                } else {
                    Self::Defect { operation, cause: code }
                }
            }
            _ => transport("unknown failure"),
        }
    }
}

/// Codes after which the same request may succeed (AWS, "Error handling with DynamoDB"; KMS, SSM and SQS use the same names or those listed).
pub(crate) fn is_transient(code: &str) -> bool {
    matches!(
        code,
        "InternalServerError"
            | "InternalFailure"
            | "ServiceUnavailable"
            | "ProvisionedThroughputExceededException"
            | "RequestLimitExceeded"
            | "ThrottlingException"
            | "RequestThrottled"
            | "OverLimit"
            | "KmsThrottled"
            | "Throttling"
            | "TransactionInProgressException"
            | "LimitExceededException"
            | "KMSInternalException"
            | "DependencyTimeoutException"
            | "KeyUnavailableException"
    )
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { .. } | StoreError::Conflict { .. } => {
                Self::new(ProblemKind::Unavailable, "store_unavailable", "CoPortal's records could not be reached just now.")
                    .fix("Try again in a minute. What was already begun is continued, not repeated.", "CoPortal", true)
                    .because(error)
            }
            StoreError::Corrupt { .. } | StoreError::Defect { .. } => Self::internal_error(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_half_names_no_operation_code_or_key() {
        for error in [
            StoreError::Unavailable { operation: "UpdateItem", cause: "ThrottlingException".to_owned() },
            StoreError::Conflict { operation: "TransactWriteItems" },
            StoreError::corrupt("a sync row", "pk SYNC#ws_1"),
            StoreError::Defect { operation: "GetItem", cause: "AccessDeniedException".to_owned() },
        ] {
            let unavailable = matches!(error, StoreError::Unavailable { .. } | StoreError::Conflict { .. });
            let problem = Problem::from(error);
            assert_eq!(problem.kind == ProblemKind::Unavailable, unavailable);
            let public = format!("{} {} {:?}", problem.code, problem.detail, problem.fix);
            for secret in ["Item", "Exception", "SYNC#", "pk"] {
                assert!(!public.contains(secret), "{public}");
            }
            assert!(problem.internal().is_some());
        }
    }
}
