//! Blocks of the Markdown pages that are written from the code: what stands between `<!-- generated:NAME -->` and
//! `<!-- /generated:NAME -->`.

use std::fs;

use anyhow::{Context, Result};

use crate::root;

/// Puts `body` into the block `name` of a page.
///
/// # Errors
/// The page has no such block.
pub fn put(page: &str, name: &str, body: &str) -> Result<String> {
    let (open, close) = (format!("<!-- generated:{name} -->"), format!("<!-- /generated:{name} -->"));
    let (before, rest) = page.split_once(&open).with_context(|| format!("no {open}"))?;
    let (_, after) = rest.split_once(&close).with_context(|| format!("no {close}"))?;
    Ok(format!("{before}{open}\n{}\n{close}{after}", body.trim_end()))
}

/// Every page with generated blocks, as (path from the top, its fresh text).
///
/// # Errors
/// A page cannot be read, or lacks a block.
pub fn pages() -> Result<Vec<(&'static str, String)>> {
    let readme = fs::read_to_string(root().join("README.md"))?;
    let readme = put(&readme, "configuration", &coportal_lambda::config::table::markdown())?;
    let readme = put(&readme, "capabilities", &crate::ledgers::capabilities())?;
    let readme = put(&readme, "calls", &crate::ledgers::calls()?)?;
    Ok(vec![("README.md", put(&readme, "decisions", &decisions()?)?)])
}

/// The list of decisions, from the headings of `docs/adr/`.
fn decisions() -> Result<String> {
    let mut list = String::new();
    for path in crate::files("docs/adr", "md")? {
        let text = fs::read_to_string(&path)?;
        let title =
            text.lines().next().and_then(|line| line.strip_prefix("# ")).with_context(|| format!("{}: no title", path.display()))?;
        list += &format!("- [{title}]({})\n", crate::relative(&path));
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_replaced_and_the_rest_kept() {
        let page = "a\n<!-- generated:x -->\nold\n<!-- /generated:x -->\nb\n";
        assert_eq!(put(page, "x", "new\n").unwrap(), "a\n<!-- generated:x -->\nnew\n<!-- /generated:x -->\nb\n");
        assert!(put(page, "y", "").is_err());
        assert!(put("<!-- generated:x -->", "x", "").is_err());
    }
}
