//! Rewrites the generated blocks of the pages, and the page of rules (`make update`).

use anyhow::Result;

fn main() -> Result<()> {
    for (page, fresh) in contract::generated::pages()? {
        std::fs::write(contract::root().join(page), fresh)?;
    }
    std::fs::write(contract::root().join("docs/rules-coverage.md"), contract::rules::page()?)?;
    Ok(())
}
