//! The pages in a browser.

#[cfg(test)]
mod journeys;
