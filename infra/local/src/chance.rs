//! Unguessable bytes for keys, nonces and request ids of the local cloud. Nothing that the product decides depends on them.

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;

/// Fills a buffer.
#[expect(clippy::disallowed_methods, reason = "the doubles stand outside the product, which takes its chance from its context")]
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), Unspecified> {
    aws_lc_rs::rand::fill(bytes)
}

/// The generator for signatures.
#[expect(clippy::disallowed_methods, reason = "the doubles stand outside the product, which takes its chance from its context")]
pub(crate) fn generator() -> SystemRandom {
    SystemRandom::new()
}
