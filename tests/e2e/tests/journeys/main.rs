//! What people do with the product, from the outside: over real HTTP against the whole local cloud. One file for each journey, one binary
//! for all, so that the product is linked once.

#[cfg(test)]
mod by_itself;
#[cfg(test)]
mod call_counts;
#[cfg(test)]
mod capacity;
#[cfg(test)]
mod imports;
#[cfg(test)]
mod ledger_down;
#[cfg(test)]
mod main_job;
#[cfg(test)]
mod refresh;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod round_trips;
#[cfg(test)]
mod support;
#[cfg(test)]
mod together;
#[cfg(test)]
mod two_workspaces;
