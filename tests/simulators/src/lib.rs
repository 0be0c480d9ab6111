//! Stateful simulators of the ledgers; they share no code with the product.
