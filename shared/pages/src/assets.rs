//! The stylesheet, the script and the icon, embedded, each under a name that changes with its content.
//!
//! A stylesheet of many parts is one file to the browser: a new part is a file in `assets/` and a line in `STYLESHEET`.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use coportal_core::text;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};

/// Every part of the stylesheet, in the order in which they count.
const STYLESHEET: &str = concat!(
    include_str!("../assets/base.css"),
    include_str!("../assets/components.css"),
    include_str!("../assets/integrations.css"),
    include_str!("../assets/records.css"),
    include_str!("../assets/sign_in.css"),
);

/// What makes the pages nicer where scripts run; none needs it.
const SCRIPT: &str = include_str!("../assets/pages.js");

const ICON: &str = include_str!("../assets/icon.svg");

/// A file that pages name.
struct Asset {
    /// The first 64 bits of the content's SHA-256 are in it, so that a browser may keep it for good.
    name: String,
    content_type: &'static str,
    content: &'static str,
}

impl Asset {
    fn new(stem: &str, extension: &str, content_type: &'static str, content: &'static str) -> Self {
        let hash: String = text::digest([content.as_bytes()]).chars().take(16).collect();
        Self { name: format!("{stem}-{hash}.{extension}"), content_type, content }
    }

    fn path(&self) -> String {
        format!("/settings/assets/{}", self.name)
    }
}

static SHEET: LazyLock<Asset> = LazyLock::new(|| Asset::new("pages", "css", "text/css; charset=utf-8", STYLESHEET));
static MODULE: LazyLock<Asset> = LazyLock::new(|| Asset::new("pages", "js", "text/javascript; charset=utf-8", SCRIPT));
static MARK: LazyLock<Asset> = LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", ICON));

/// Where pages find the stylesheet.
#[must_use]
pub fn stylesheet() -> String {
    SHEET.path()
}

/// Where pages find the script.
#[must_use]
pub fn script() -> String {
    MODULE.path()
}

/// Where pages find their icon.
#[must_use]
pub fn icon() -> String {
    MARK.path()
}

/// The file of this name, for good; `None` when there is none, or only an older one.
#[must_use]
pub fn answer(name: &str) -> Option<Response> {
    let asset = [&*SHEET, &*MODULE, &*MARK].into_iter().find(|asset| asset.name == name)?;
    let headers =
        [(CONTENT_TYPE, asset.content_type), (CACHE_CONTROL, "public, max-age=31536000, immutable"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    Some((headers, asset.content).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_present_names_are_served_and_for_good() {
        for (path, kind) in [(stylesheet(), "text/css"), (script(), "text/javascript"), (icon(), "image/svg+xml")] {
            let found = answer(path.strip_prefix("/settings/assets/").unwrap()).unwrap();
            assert!(found.headers()[CONTENT_TYPE].to_str().unwrap().starts_with(kind));
            assert!(found.headers()[CACHE_CONTROL].to_str().unwrap().contains("immutable"));
        }
        for other in ["pages.css", "pages-0000000000000000.css", "../Cargo.toml", ""] {
            assert!(answer(other).is_none(), "{other}");
        }
    }

    /// The content security policy admits nothing from elsewhere; neither file asks for anything there.
    #[test]
    fn stylesheet_and_script_load_nothing_from_elsewhere() {
        for word in ["url(", "@import", "expression("] {
            assert!(!STYLESHEET.contains(word), "{word}");
        }
        for word in ["http:", "https:", "import ", "eval(", "innerHTML", "document.write"] {
            assert!(!SCRIPT.contains(word), "{word}");
        }
    }

    /// A part that stands in the folder and not in the list would never reach a page.
    #[test]
    fn every_part_of_the_stylesheet_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/assets");
        let mut parts = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "css") {
                parts += 1;
                assert!(STYLESHEET.contains(&std::fs::read_to_string(&path).unwrap()), "{}", path.display());
            }
        }
        assert!(parts >= 4, "{parts}");
    }
}
