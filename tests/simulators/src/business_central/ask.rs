//! One request to the API, alone or inside a batch, and the answers to reads (vendor notes, section 3).

use serde::Serialize;
use uuid::Uuid;

use super::cell::{Entity, Schema, Shown};
use super::filter::{self, Filter};
use super::reply::{ODATA, Refusal};
use crate::skeleton::answer::Reply;
use crate::skeleton::incoming::Incoming;

/// Section 3: most entities on a page.
const LARGEST_PAGE: usize = 20_000;

/// A request below the API's root.
pub(crate) struct Ask {
    /// In capitals.
    pub(crate) method: String,
    /// Decoded, below `api/v2.0`.
    pub(crate) segments: Vec<String>,
    /// Decoded pairs.
    pub(crate) query: Vec<(String, String)>,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The absolute address of `api/v2.0`.
    pub(crate) root: String,
    /// Below the root, as sent, without the query.
    path: String,
}

impl Ask {
    /// `skipped` path segments lead to the root, which is at `root`.
    pub(crate) fn of(call: &Incoming, root: String, skipped: usize) -> Self {
        let names = ["if-match", "if-none-match", "prefer", "content-type", "isolation", "data-access-intent", "accept"];
        let headers = names.iter().filter_map(|name| call.header(name).map(|value| ((*name).to_owned(), value.to_owned()))).collect();
        let path: Vec<&str> = call.path.split('/').filter(|segment| !segment.is_empty()).skip(skipped).collect();
        Self {
            method: call.method.clone(),
            segments: call.segments().into_iter().skip(skipped).collect(),
            query: call.query.clone(),
            headers,
            body: call.body.clone(),
            root,
            path: path.join("/"),
        }
    }

    /// A request inside a batch; `url` is relative to the root.
    pub(crate) fn inner(root: &str, method: &str, url: &str, headers: Vec<(String, String)>, body: Vec<u8>) -> Self {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let decode = |segment: &str| percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned();
        Self {
            method: method.to_ascii_uppercase(),
            segments: path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect(),
            query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            headers: headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect(),
            body,
            root: root.to_owned(),
            path: path.trim_start_matches('/').to_owned(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Refuses parameters other than these.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        match self.query.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some((name, _)) => Err(Refusal::NotModelled(format!("the parameter {name} of {} {}", self.method, self.path))),
        }
    }

    /// Writes carry JSON.
    pub(crate) fn json(&self) -> Result<(), Refusal> {
        match self.header("content-type") {
            Some(kind) if kind.starts_with("application/json") => Ok(()),
            _ => Err(Refusal::not_modelled("a body that is not application/json")),
        }
    }

    /// Checks `If-Match` against the record's etag: `*`, or the etag itself.
    ///
    /// The notes leave open how its absence is answered (`BadRequest_InvalidToken`, or 412): a PATCH is answered the first way here, a
    /// DELETE the second, so that callers understand both.
    pub(crate) fn guard(&self, etag: &str) -> Result<(), Refusal> {
        let absent = if self.method == "DELETE" { 412 } else { 400 };
        let message = "Could not validate the client concurrency token required by the service. Please provide a valid token in the \
                       client request.";
        match self.header("if-match") {
            Some("*") => Ok(()),
            Some(sent) if sent == etag => Ok(()),
            Some(sent) if sent.starts_with("W/\"") => Err(Refusal::changed()),
            Some(_) => Err(Refusal::error(400, "BadRequest_InvalidToken", message)),
            None => Err(Refusal::error(absent, "BadRequest_InvalidToken", message)),
        }
    }

    fn context(&self, schema: &Schema, company: Uuid, single: bool) -> String {
        let entity = if single { "/$entity" } else { "" };
        format!("{}/$metadata#companies({company})/{}{entity}", self.root, schema.set)
    }

    /// The answer to a read or write of one entity.
    pub(crate) fn one(&self, status: u16, company: Uuid, entity: &Entity) -> Result<Reply, Refusal> {
        let options = Options::read(self, entity.schema, true)?;
        let context = self.context(entity.schema, company, true);
        let shown = Shown { entity, select: options.select.as_deref(), context: Some(&context) };
        let reply = Reply::new(status, ODATA, text(&shown)?).with("odata-version", "4.0");
        Ok(reply.with("etag", entity.etag.clone()))
    }

    /// The answer to a read of a set: filtered, ordered, cut to a page.
    pub(crate) fn list(&self, schema: &'static Schema, company: Uuid, all: Vec<Entity>) -> Result<Reply, Refusal> {
        let options = Options::read(self, schema, false)?;
        let mut found: Vec<Entity> =
            all.into_iter().filter(|entity| options.filter.as_ref().is_none_or(|filter| filter.selects(entity))).collect();
        if let Some((position, descending)) = options.order {
            found.sort_by(|a, b| {
                let ordering = sortable(a, position).cmp(&sortable(b, position));
                if descending { ordering.reverse() } else { ordering }
            });
        }
        let count = found.len();
        let mut found: Vec<Entity> = found.into_iter().skip(options.skip).take(options.top.unwrap_or(usize::MAX)).collect();
        if let Some(after) = &options.after {
            let Some(position) = found.iter().position(|entity| entity.id() == *after) else {
                return Err(Refusal::bad_request("The $skiptoken is not valid."));
            };
            found.drain(..=position);
        }
        let size = options.preferred.unwrap_or(LARGEST_PAGE);
        let more = found.len() > size;
        found.truncate(size);
        let shown: Vec<Shown<'_>> = found.iter().map(|entity| Shown { entity, select: options.select.as_deref(), context: None }).collect();
        let next = found.last().filter(|_| more).map(|last| self.next(&last.id()));
        let body = Page { context: self.context(schema, company, false), count: options.count.then_some(count), value: shown, next };
        let reply = Reply::new(200, ODATA, text(&body)?).with("odata-version", "4.0");
        Ok(match options.preferred {
            Some(size) => reply.with("preference-applied", format!("odata.maxpagesize={size}")),
            None => reply,
        })
    }

    /// The address of the page behind this entity: absolute, to be followed as it is.
    fn next(&self, last: &str) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in self.query.iter().filter(|(name, _)| name != "$skiptoken") {
            query.append_pair(name, value);
        }
        query.append_pair("$skiptoken", last);
        format!("{}/{}?{}", self.root, self.path, query.finish())
    }

    /// Whether a part is asked for; one that is not a part of the type is refused by [`Options::read`].
    pub(crate) fn expands(&self, part: &str) -> bool {
        self.parameter("$expand").is_some_and(|parts| parts.split(',').any(|one| one.trim() == part))
    }

    /// The filter of a read, for routes that need its values.
    pub(crate) fn filter(&self, schema: &Schema) -> Result<Option<Filter>, Refusal> {
        self.parameter("$filter").map(|text| filter::parse(text, schema)).transpose()
    }
}

fn sortable(entity: &Entity, position: usize) -> String {
    match entity.cell(position) {
        Some(cell) => serde_json::to_string(cell).unwrap_or_default(),
        None => String::new(),
    }
}

fn text(body: &impl Serialize) -> Result<String, Refusal> {
    serde_json::to_string(body).map_err(|error| Refusal::error(500, "Internal_ServerError", error.to_string()))
}

#[derive(Serialize)]
struct Page<'entities> {
    #[serde(rename = "@odata.context")]
    context: String,
    #[serde(rename = "@odata.count", skip_serializing_if = "Option::is_none")]
    count: Option<usize>,
    value: Vec<Shown<'entities>>,
    #[serde(rename = "@odata.nextLink", skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// System query options.
struct Options {
    filter: Option<Filter>,
    select: Option<Vec<usize>>,
    top: Option<usize>,
    skip: usize,
    order: Option<(usize, bool)>,
    count: bool,
    /// The id of the last entity of the page before.
    after: Option<String>,
    /// The page size that the caller prefers.
    preferred: Option<usize>,
}

impl Options {
    fn read(ask: &Ask, schema: &Schema, single: bool) -> Result<Self, Refusal> {
        let known: &[&str] = if single {
            &["$select", "$expand"]
        } else {
            &["$filter", "$select", "$expand", "$top", "$skip", "$orderby", "$count", "$skiptoken"]
        };
        ask.only(known)?;
        if ask.header("data-access-intent").is_some() {
            // Section 3: a read-only intent reads a replica, which lags.
            return Err(Refusal::not_modelled("the replica that Data-Access-Intent reads"));
        }
        let unknown = |name: &str| {
            let message = format!("Could not find a property named '{name}' on type 'Microsoft.NAV.{}'.", schema.name);
            Refusal::bad_request(message)
        };
        let select = ask.parameter("$select").map(|names| {
            names.split(',').map(|name| schema.position(name.trim()).ok_or_else(|| unknown(name.trim()))).collect::<Result<Vec<_>, _>>()
        });
        for part in ask.parameter("$expand").iter().flat_map(|parts| parts.split(',')).map(str::trim) {
            if !schema.parts.contains(&part) {
                return Err(Refusal::NotModelled(format!("$expand={part} on {}", schema.set)));
            }
        }
        let number = |name: &str| {
            let wrong = || Refusal::bad_request(format!("Invalid value for the query option {name}."));
            ask.parameter(name).map(|text| text.parse::<usize>().map_err(|_| wrong())).transpose()
        };
        let order = ask.parameter("$orderby").map(|text| match text.trim().split(' ').collect::<Vec<_>>().as_slice() {
            [name] | [name, "asc"] => schema.position(name).map(|position| (position, false)).ok_or_else(|| unknown(name)),
            [name, "desc"] => schema.position(name).map(|position| (position, true)).ok_or_else(|| unknown(name)),
            _ => Err(Refusal::not_modelled("$orderby with other than one field")),
        });
        let order = order.transpose()?;
        if let Some((position, _)) = order {
            use super::cell::Kind;
            // Numbers would have to be compared as numbers.
            if schema.fields.get(position).is_some_and(|field| field.kind == Kind::Number || field.computed) {
                return Err(Refusal::not_modelled("$orderby on a number"));
            }
        }
        let preferred = ask.header("prefer").and_then(|preference| {
            preference.split([',', ';']).find_map(|one| one.trim().strip_prefix("odata.maxpagesize=").map(str::to_owned))
        });
        let preferred = match preferred {
            None => None,
            Some(text) => match text.parse::<usize>() {
                Ok(size) if size > 0 => Some(size.min(LARGEST_PAGE)),
                _ => return Err(Refusal::bad_request("The preference odata.maxpagesize is not valid.")),
            },
        };
        if ask.header("prefer").is_some_and(|preference| preference.contains("return=")) {
            return Err(Refusal::not_modelled("a preferred return"));
        }
        Ok(Self {
            filter: ask.filter(schema)?,
            select: select.transpose()?,
            top: number("$top")?,
            skip: number("$skip")?.unwrap_or_default(),
            order,
            count: ask.parameter("$count") == Some("true"),
            after: ask.parameter("$skiptoken").map(str::to_owned),
            preferred,
        })
    }
}

/// The name and key of a segment: `customers(…)`.
pub(crate) fn keyed(segment: &str) -> (&str, Option<&str>) {
    match segment.strip_suffix(')').and_then(|open| open.split_once('(')) {
        Some((name, key)) => (name, Some(key)),
        None => (segment, None),
    }
}

/// A key that is a GUID.
pub(crate) fn guid(key: &str) -> Result<Uuid, Refusal> {
    let hyphened = key.len() == 36;
    Uuid::parse_str(key).ok().filter(|_| hyphened).ok_or_else(Refusal::not_found)
}
