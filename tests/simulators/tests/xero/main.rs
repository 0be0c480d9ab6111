//! The Xero simulator against the vendor's notes: every test names the section it holds the simulator to.

#[cfg(test)]
mod contacts;
#[cfg(test)]
mod controls;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod invoices;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod oauth;
#[cfg(test)]
mod support;
