//! The invoices function, as Lambda runs it.

use coportal_lambda::boot::{self, Boot};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), boot::Error> {
    let shell = Boot::in_lambda(invoices::NAME)?.records_only()?;
    boot::run(invoices::router(shell)).await
}
