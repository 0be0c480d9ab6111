//! The stylesheet, embedded, under a name that changes with its content.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use coportal_core::text;
use coportal_lambda::problem::{Refusal, no_such_route};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

const STYLESHEET: &str = include_str!("../assets/settings.css");

/// The file name: the first 64 bits of the content's SHA-256 are in it, so that a browser may keep it for good.
static NAME: LazyLock<String> = LazyLock::new(|| {
    let hash: String = text::digest([STYLESHEET.as_bytes()]).chars().take(16).collect();
    format!("settings-{hash}.css")
});

/// Where pages find the stylesheet.
pub(crate) fn stylesheet() -> String {
    format!("/settings/assets/{}", *NAME)
}

/// `GET /settings/assets/{name}`.
pub(crate) async fn asset(Path(name): Path<String>) -> Response {
    if name != *NAME {
        return Refusal::new(no_such_route()).into_response();
    }
    let headers = [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (headers, STYLESHEET).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_present_name_is_served_and_for_good() {
        let answer = asset(Path(NAME.clone())).await;
        assert_eq!(answer.status(), http::StatusCode::OK);
        assert!(answer.headers()[CACHE_CONTROL].to_str().unwrap().contains("immutable"));
        for other in ["settings.css", "settings-0000000000000000.css", "../Cargo.toml"] {
            assert_eq!(asset(Path(other.to_owned())).await.status(), http::StatusCode::NOT_FOUND, "{other}");
        }
    }

    /// The content security policy admits nothing from elsewhere; the stylesheet asks for nothing either.
    #[test]
    fn the_stylesheet_loads_nothing() {
        for word in ["url(", "@import", "expression("] {
            assert!(!STYLESHEET.contains(word), "{word}");
        }
    }
}
