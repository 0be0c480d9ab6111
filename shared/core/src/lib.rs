//! The domain and every decision: pure, no I/O.
