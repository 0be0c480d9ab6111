//! No secret anywhere (I12): the secrets of a whole run are gathered where they are made, then everything that the product said, stored
//! and sent in addresses is searched for them, whole and in pieces, plain and in the usual disguises.
//!
//! A binary of its own: it takes over the process's log and its panics.

#[cfg(test)]
mod journey;
#[cfg(test)]
mod search;
#[cfg(test)]
mod stored;
