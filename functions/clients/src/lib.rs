//! The clients function.
