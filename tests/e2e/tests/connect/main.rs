//! Connecting Xero: consent, callback, organisations, choices, options, test, disconnect; over the functions' own routers, with the real
//! SDK against the local cloud and the Xero simulator in process.

#[cfg(test)]
mod callback;
#[cfg(test)]
mod connection;
#[cfg(test)]
mod disconnect;
#[cfg(test)]
mod gates;
#[cfg(test)]
mod invoice_page;
#[cfg(test)]
mod organisations;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod record_pages;
#[cfg(test)]
mod records;
#[cfg(test)]
mod world;
