//! What `infra/runbook.md` asks of the operator's tool.

#[cfg(test)]
mod command;
#[cfg(test)]
mod letters;
#[cfg(test)]
mod runbook;
