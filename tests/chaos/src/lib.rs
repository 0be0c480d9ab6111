//! Crash and fault injection, in process and on a paused clock.
//!
//! The product runs as it is: the SDK's HTTP client and the executor's transport are handed the embedded table, the doubles and the
//! simulator directly. Every call to either passes one [`wire::Wire`], which counts it and, at a chosen one, stops the work before or
//! after it, loses its answer, or holds the answer back.

pub mod random;
pub mod scenario;
pub mod scene;
pub mod systematic;
pub mod wire;
pub mod world;
