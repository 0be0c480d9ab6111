//! Tests: chaos.
