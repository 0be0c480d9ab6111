//! One clock for the product, the doubles and the simulators, so that all of them move together.

pub use simulators::Clock;
