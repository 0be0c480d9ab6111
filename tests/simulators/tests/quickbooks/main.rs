//! The QuickBooks Online simulator against the vendor's notes: every test names the section it holds the simulator to.

#[cfg(test)]
mod batches;
#[cfg(test)]
mod controls;
#[cfg(test)]
mod customers;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod invoices;
#[cfg(test)]
mod money;
#[cfg(test)]
mod oauth;
#[cfg(test)]
mod payments;
#[cfg(test)]
mod queries;
#[cfg(test)]
mod replays;
#[cfg(test)]
mod support;
#[cfg(test)]
mod taxes;
