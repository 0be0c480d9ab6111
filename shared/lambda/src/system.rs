//! The machine's clock and its randomness: the only use of either in the product.

use coportal_core::ctx::{Clock, Random};
use jiff::Timestamp;

/// The wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else is given")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The operating system's randomness, through AWS-LC.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(clippy::disallowed_methods, reason = "this is the randomness that everything else is given")]
    fn fill(&self, bytes: &mut [u8]) {
        // AWS-LC aborts rather than fail once it is seeded. Should it ever answer an error, going on with known bytes as a secret would
        // be worse than not going on at all.
        if aws_lc_rs::rand::fill(bytes).is_err() {
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        let (mut one, mut two) = ([0_u8; 32], [0_u8; 32]);
        SystemRandom.fill(&mut one);
        SystemRandom.fill(&mut two);
        assert_ne!(one, two);
        assert_ne!(one, [0; 32]);
    }

    #[test]
    fn the_clock_goes_on() {
        let before = SystemClock.now();
        assert!(SystemClock.now() >= before);
    }
}
