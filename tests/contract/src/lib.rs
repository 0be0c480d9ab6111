//! Promises about the tree itself, held by tests: which crate may know which, that every dependency is pinned, and that the pages under
//! `docs/` speak of files and rules that exist.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

pub mod cost;
pub mod generated;
pub mod ledgers;
pub mod openapi;
pub mod rules;
pub mod source;

#[cfg(test)]
mod configuration;
#[cfg(test)]
mod deployment;
#[cfg(test)]
mod house;
#[cfg(test)]
mod layers;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod pins;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod routes;
#[cfg(test)]
mod vendor;

/// The top folder of the repository.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or_else(|| Path::new(".")).to_owned()
}

/// Every file below `folder` (relative to the top) whose name ends in `.extension`, in a stable order. Hidden folders, build output and
/// installed packages are passed over.
///
/// # Errors
/// A folder cannot be read.
pub fn files(folder: &str, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() {
                if !name.starts_with('.') && name != "target" && name != "node_modules" {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A path as the pages write it: relative to the top, with forward slashes.
#[must_use]
pub fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().replace('\\', "/")
}
