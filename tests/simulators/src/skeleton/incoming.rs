//! A request as the simulators read it.

use bytes::Bytes;
use http::Request;
use serde::{Deserialize, Serialize};

/// One request, owned and storable (a `late` one waits for its effect).
#[derive(Clone, Serialize, Deserialize)]
pub struct Incoming {
    /// The method, in capitals.
    pub method: String,
    /// Percent-encoded, without the query.
    pub path: String,
    /// Path with query, as sent.
    pub path_and_query: String,
    /// Scheme and authority that the caller addressed: of an absolute request URI, else `http` and the `Host` header.
    pub origin: Option<String>,
    /// Decoded pairs, in order.
    pub query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    /// The body, as sent.
    pub body: Vec<u8>,
}

impl Incoming {
    pub(crate) fn read(request: &Request<Bytes>) -> Self {
        let uri = request.uri();
        let path = uri.path().to_owned();
        let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let headers = request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let host = request.headers().get(http::header::HOST).and_then(|value| value.to_str().ok());
        let origin = match (uri.scheme_str(), uri.authority()) {
            (Some(scheme), Some(authority)) => Some(format!("{scheme}://{authority}")),
            _ => host.map(|host| format!("http://{host}")),
        };
        let path_and_query = uri.path_and_query().map_or_else(|| path.clone(), |both| both.as_str().to_owned());
        Self { method: request.method().as_str().to_owned(), path, path_and_query, query, origin, headers, body: request.body().to_vec() }
    }

    /// The first header of this (lower-case) name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first query parameter of this name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The decoded path segments, empty ones left out.
    #[must_use]
    pub fn segments(&self) -> Vec<String> {
        self.path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect()
    }

    /// The body as form pairs.
    #[must_use]
    pub fn form(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }
}

/// The first value of this name among form pairs.
pub(crate) fn first<'pairs>(pairs: &'pairs [(String, String)], name: &str) -> Option<&'pairs str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}
