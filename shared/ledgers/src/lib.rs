//! The ledgers: requests built and answers interpreted without I/O, one executor that sends.
