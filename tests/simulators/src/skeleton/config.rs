//! How a simulator is set up.

use super::clock::Clock;

/// The app as registered with the vendor, the clock, and the seed of everything random.
#[derive(Clone)]
pub struct Config {
    /// The clock; may be shared.
    pub clock: Clock,
    /// The app's client id.
    pub client_id: String,
    /// The app's secret.
    pub client_secret: String,
    /// Where sign-in may return to; compared exactly.
    pub redirect_uris: Vec<String>,
    /// Everything random begins here.
    pub seed: u64,
}
