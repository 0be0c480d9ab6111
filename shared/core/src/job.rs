//! Jobs: work that is done in bounded steps, a message each. This module has their names, and what a step says of the next one.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::connection::Generation;
use crate::id::{BackfillId, PreviewId};
use crate::ledger::Ledger;

/// Which job. Its text form is what a message carries, and its beginning says what kind of job it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum JobId {
    /// `bkf_…`: a backfill, or the approval of many drafts.
    Backfill(BackfillId),
    /// `prv_…`: the reading of an import preview, or its commit.
    Preview(PreviewId),
    /// `drift_{ledger}_{generation}`: what somebody changed in the books of a connection. One for each, and it begins anew by itself.
    Drift {
        /// The ledger.
        ledger: Ledger,
        /// The generation whose documents are compared.
        generation: Generation,
    },
}

/// A text names no job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a job is bkf_…, prv_… or drift_{{ledger}}_{{generation}}")]
pub struct UnknownJob;

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backfill(id) => fmt::Display::fmt(id, f),
            Self::Preview(id) => fmt::Display::fmt(id, f),
            Self::Drift { ledger, generation } => write!(f, "drift_{ledger}_{generation}"),
        }
    }
}

impl FromStr for JobId {
    type Err = UnknownJob;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, rest) = text.split_once('_').ok_or(UnknownJob)?;
        match kind {
            BackfillId::PREFIX => text.parse().map(Self::Backfill).map_err(|_| UnknownJob),
            PreviewId::PREFIX => text.parse().map(Self::Preview).map_err(|_| UnknownJob),
            "drift" => {
                let (ledger, generation) = rest.split_once('_').ok_or(UnknownJob)?;
                let ledger = ledger.parse().map_err(|_| UnknownJob)?;
                let number: u64 = generation.parse().map_err(|_| UnknownJob)?;
                // One spelling per job: no sign, no zeros in front.
                if number.to_string() != generation {
                    return Err(UnknownJob);
                }
                Ok(Self::Drift { ledger, generation: Generation(number) })
            }
            _ => Err(UnknownJob),
        }
    }
}

impl TryFrom<String> for JobId {
    type Error = UnknownJob;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<JobId> for String {
    fn from(job: JobId) -> Self {
        job.to_string()
    }
}

/// When a job goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// At once: the step sends the next message itself.
    Now,
    /// Then: the sweep sends the message.
    At(Timestamp),
    /// Never: the job is at rest.
    Rest,
}

/// When a step that failed for a reason of ours is tried again after so many failures in a row; `None` when it is given up. The times are those of a
/// sync row's retries.
#[must_use]
pub fn retry_after(failures: u32) -> Option<SignedDuration> {
    Some(SignedDuration::from_secs(match failures {
        0 | 1 => 5,
        2 => 30,
        3 => 120,
        4 => 600,
        5 => 3_600,
        6 => 21_600,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_has_one_spelling() {
        let names = ["bkf_00000000000000000000000000000007", "prv_00000000000000000000000000000007", "drift_business-central_12"];
        for name in names {
            assert_eq!(name.parse::<JobId>().unwrap().to_string(), name);
        }
        for wrong in [
            "",
            "bkf",
            "bkf_7",
            "inv_00000000000000000000000000000007",
            "drift_xero",
            "drift_xero_",
            "drift_xero_01",
            "drift_xero_+1",
            "drift_mars_1",
            "DRIFT_xero_1",
            "drift_xero_1_2",
        ] {
            assert!(wrong.parse::<JobId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_failing_step_is_given_up_in_the_end() {
        let waits: Vec<_> = (1..).map_while(retry_after).collect();
        assert_eq!(waits.len(), 6);
        assert!(waits.is_sorted());
    }
}
