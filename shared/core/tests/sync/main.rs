//! The decisions of a sync as tables and as a model: what is built, merged, settled and planned next.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test names the variants that it is about; any other one fails it")]

#[cfg(test)]
mod content;
mod drift;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod ledgers;
#[cfg(test)]
mod merge;
#[cfg(test)]
mod model;
#[cfg(test)]
mod plan;
#[cfg(test)]
mod settle;
#[cfg(test)]
mod toy;
