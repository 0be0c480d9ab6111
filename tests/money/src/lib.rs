//! Money, to the cent: random invoices are built through the core for each ledger, priced by that ledger's simulator, and compared with an
//! oracle of exact rationals that shares no code with the product (C12, R54, I6).
//!
//! - [`cases`] draws invoices, each by its seed and number: the same everywhere, also for a test over HTTP.
//! - [`oracle`] knows how CoPortal and each ledger compute, and nothing of the product's crates.
//! - [`books`] are the organisations that the invoices go to, with the rules that the product itself uses.
//! - [`verdict`] judges one invoice in one ledger; [`run`] does so for many.

pub mod books;
pub mod cases;
pub mod oracle;
pub mod run;
pub mod verdict;

#[cfg(test)]
mod tests;
