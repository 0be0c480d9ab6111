//! The Sage simulator against the published schema, the vendor's guides, and what integrators report.

#[cfg(test)]
mod bookkeeper;
#[cfg(test)]
mod contacts;
#[cfg(test)]
mod controls;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod facts;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod invoices;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod oauth;
#[cfg(test)]
mod payments;
#[cfg(test)]
mod support;
