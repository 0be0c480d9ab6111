//! Which route answers (API Gateway Developer Guide, "Create routes for HTTP APIs": the most specific match wins, a route of the
//! method before one for ANY).

use std::collections::BTreeMap;

use http::Method;
use percent_encoding::percent_decode_str;

use super::GatewayError;
use crate::template::Route;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Fixed(String),
    Parameter(String),
}

struct Compiled {
    route: Route,
    segments: Vec<Segment>,
}

/// The routes, the most specific first.
pub(super) struct RouteTable(Vec<Compiled>);

/// A match.
pub(super) struct Found<'a> {
    pub(super) route: &'a Route,
    pub(super) parameters: BTreeMap<String, String>,
}

impl RouteTable {
    pub(super) fn new(routes: &[Route]) -> Result<Self, GatewayError> {
        let mut compiled = routes
            .iter()
            .map(|route| {
                let segments = segments_of(&route.path).ok_or_else(|| GatewayError::Path(route.key.clone()))?;
                Ok(Compiled { route: route.clone(), segments })
            })
            .collect::<Result<Vec<_>, GatewayError>>()?;
        compiled.sort_by(|one, other| {
            let rank = |of: &Compiled| {
                let kinds: Vec<bool> = of.segments.iter().map(|segment| matches!(segment, Segment::Parameter(_))).collect();
                (kinds, of.route.method == "ANY")
            };
            rank(one).cmp(&rank(other))
        });
        Ok(Self(compiled))
    }

    /// The route of this method and path (as sent, still percent-encoded).
    pub(super) fn find(&self, method: &Method, path: &str) -> Option<Found<'_>> {
        let sent: Vec<String> =
            path.strip_prefix('/')?.split('/').map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned()).collect();
        self.0.iter().filter(|compiled| compiled.route.method == method.as_str() || compiled.route.method == "ANY").find_map(|compiled| {
            let parameters = fit(&compiled.segments, &sent)?;
            Some(Found { route: &compiled.route, parameters })
        })
    }
}

fn segments_of(path: &str) -> Option<Vec<Segment>> {
    path.strip_prefix('/')?
        .split('/')
        .map(|segment| match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) if name.ends_with('+') || name.is_empty() => None,
            Some(name) => Some(Segment::Parameter(name.to_owned())),
            None if segment.contains(['{', '}']) => None,
            None => Some(Segment::Fixed(segment.to_owned())),
        })
        .collect()
}

fn fit(pattern: &[Segment], sent: &[String]) -> Option<BTreeMap<String, String>> {
    if pattern.len() != sent.len() {
        return None;
    }
    let mut parameters = BTreeMap::new();
    for (segment, value) in pattern.iter().zip(sent) {
        match segment {
            Segment::Fixed(text) if text == value => {}
            Segment::Fixed(_) => return None,
            Segment::Parameter(_) if value.is_empty() => return None,
            Segment::Parameter(name) => {
                parameters.insert(name.clone(), value.clone());
            }
        }
    }
    Some(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn table(keys: &[&str]) -> RouteTable {
        let routes: Vec<Route> = keys
            .iter()
            .map(|key| {
                let (method, path) = key.split_once(' ').unwrap();
                Route {
                    key: (*key).to_owned(),
                    method: method.to_owned(),
                    path: path.to_owned(),
                    function: "Clients".to_owned(),
                    authorization: "NONE".to_owned(),
                    timeout: Duration::from_secs(30),
                }
            })
            .collect();
        RouteTable::new(&routes).unwrap()
    }

    fn key_of(table: &RouteTable, method: Method, path: &str) -> Option<String> {
        table.find(&method, path).map(|found| found.route.key.clone())
    }

    #[test]
    fn the_more_specific_route_wins_whatever_the_order() {
        let routes = table(&["GET /a/{x}", "ANY /a/b", "GET /a/b", "GET /{y}/b"]);
        assert_eq!(key_of(&routes, Method::GET, "/a/b").unwrap(), "GET /a/b");
        assert_eq!(key_of(&routes, Method::PUT, "/a/b").unwrap(), "ANY /a/b");
        assert_eq!(key_of(&routes, Method::GET, "/a/c").unwrap(), "GET /a/{x}");
        assert_eq!(key_of(&routes, Method::GET, "/c/b").unwrap(), "GET /{y}/b");
        assert_eq!(key_of(&routes, Method::GET, "/a"), None);
        assert_eq!(key_of(&routes, Method::GET, "/a/"), None);
        assert_eq!(key_of(&routes, Method::GET, "/a/b/"), None);
    }

    #[test]
    fn a_parameter_is_decoded_and_an_encoded_slash_stays_in_its_segment() {
        let routes = table(&["GET /clients/{id}"]);
        let found = routes.find(&Method::GET, "/clients/a%2Fb%20c").unwrap();
        assert_eq!(found.parameters["id"], "a/b c");
    }

    #[test]
    fn greedy_and_half_parameters_are_refused_rather_than_misread() {
        for path in ["/a/{proxy+}", "/a/x{id}", "/a/{}"] {
            assert!(segments_of(path).is_none(), "{path}");
        }
    }
}
