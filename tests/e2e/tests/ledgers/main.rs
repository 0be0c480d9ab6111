//! QuickBooks, Sage and Business Central as a studio meets them: over real HTTP against the whole local cloud. What Xero shares with them
//! is in `connect` and `journeys`; here is what is each ledger's own, and what has to hold for all four.

#[cfg(test)]
mod approving;
#[cfg(test)]
mod business_central;
#[cfg(test)]
mod cards;
#[cfg(test)]
mod choosing;
#[cfg(test)]
mod connecting;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod quickbooks;
#[cfg(test)]
mod sage;
#[cfg(test)]
mod support;
