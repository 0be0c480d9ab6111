//! The operator's work of `infra/runbook.md`. Each command may be stopped and run again; `--dry-run` changes nothing.

pub mod access;
pub mod forget;
pub mod letters;
pub mod report;
pub mod restore;
pub mod rotate;
pub mod rows;
