//! The Xero simulator against the vendor's notes: every test names the section it holds the simulator to.

#[cfg(test)]
mod invoices;
#[cfg(test)]
mod support;
