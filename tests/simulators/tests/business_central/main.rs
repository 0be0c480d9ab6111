//! The Business Central simulator against the vendor's notes: every test names the section it holds the simulator to.

#[cfg(test)]
mod batch;
#[cfg(test)]
mod controls;
#[cfg(test)]
mod customers;
#[cfg(test)]
mod discovery;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod invoices;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod lines;
#[cfg(test)]
mod oauth;
#[cfg(test)]
mod payments;
#[cfg(test)]
mod posting;
#[cfg(test)]
mod query;
#[cfg(test)]
mod support;
