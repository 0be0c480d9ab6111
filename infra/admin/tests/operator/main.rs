//! What `infra/runbook.md` asks of the operator's tool.

#[cfg(test)]
mod runbook;
