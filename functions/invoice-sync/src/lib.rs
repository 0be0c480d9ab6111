//! The invoice-sync function.
