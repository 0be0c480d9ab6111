//! Blocks that are written from the code: what stands between `<!-- generated:NAME -->` and `<!-- /generated:NAME -->` of a Markdown page,
//! and between `# generated:NAME` and `# /generated:NAME` of a manifest.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use coportal_local::template::{DEPLOYED, Template};

use crate::root;

/// Puts `body` into the block `name` of a page.
///
/// # Errors
/// The page has no such block.
pub fn put(page: &str, name: &str, body: &str) -> Result<String> {
    between(page, &format!("<!-- generated:{name} -->"), &format!("<!-- /generated:{name} -->"), body)
}

fn between(page: &str, open: &str, close: &str, body: &str) -> Result<String> {
    let (before, rest) = page.split_once(open).with_context(|| format!("no {open}"))?;
    let (_, after) = rest.split_once(close).with_context(|| format!("no {close}"))?;
    Ok(format!("{before}{open}\n{}\n{close}{after}", body.trim_end()))
}

/// Every page with generated blocks, and every page that is generated as a whole, as (path from the top, its fresh text).
///
/// # Errors
/// A page cannot be read, or lacks a block.
pub fn pages() -> Result<Vec<(&'static str, String)>> {
    let readme = fs::read_to_string(root().join("README.md"))?;
    let readme = put(&readme, "configuration", &coportal_lambda::config::table::markdown())?;
    let readme = put(&readme, "capabilities", &crate::ledgers::capabilities())?;
    let readme = put(&readme, "calls", &crate::ledgers::calls()?)?;
    let manifest = fs::read_to_string(root().join("Cargo.toml"))?;
    let manifest = between(&manifest, "# generated:routes", "# /generated:routes", &watched_routes()?)?;
    let cost = fs::read_to_string(root().join("docs/cost.md"))?;
    Ok(vec![
        ("docs/cost.md", put(&cost, "million", &crate::cost::table()?)?),
        ("README.md", put(&readme, "decisions", &decisions()?)?),
        ("Cargo.toml", manifest),
        (crate::openapi::PAGE, crate::openapi::document()?),
    ])
}

/// The template's routes as `cargo lambda watch` takes them: a path, and the function of each method.
fn watched_routes() -> Result<String> {
    let template = Template::parse(DEPLOYED)?;
    let mut paths: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for route in &template.routes {
        let (method, path) = route.key.split_once(' ').with_context(|| route.key.clone())?;
        let function = template.functions.get(&route.function).with_context(|| route.function.clone())?;
        paths.entry(path).or_default().push(format!("{{ method = \"{method}\", function = \"{}\" }}", function.binary));
    }
    let lines = paths.into_iter().map(|(path, mut methods)| {
        methods.sort();
        format!("\"{path}\" = [{}]\n", methods.join(", "))
    });
    Ok(format!("[workspace.metadata.lambda.watch.router]\n{}", lines.collect::<String>()))
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
