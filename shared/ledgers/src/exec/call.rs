//! One API call: from its parts to a request, from the answer to a value or a failure. The same for every ledger; what differs is data in
//! [`Caller`].

use std::marker::PhantomData;

use bytes::Bytes;
use coportal_core::failure::Failure;
use coportal_core::metering::Withheld;
use coportal_core::secret::Secret;
use http::{HeaderValue, Method, Request, Response, header};
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::{Cost, Executor, Operation, encoded, headers};
use crate::fixit::Catalogue;
use crate::judge::{self, Asked, Effect, Subject};
use crate::profile::{Idempotency, KeyCarrier};
use crate::{Access, Answered};

/// Where a call names its organisation. Every call does: a token may reach several.
#[derive(Clone, Copy)]
pub(crate) enum Tenancy {
    /// In this header.
    Header(&'static str),
    /// At the beginning of the path, as this function writes it from the organisation's id; `None` for an id that cannot be one.
    Path(fn(&str) -> Option<String>),
}

/// An API of one ledger.
#[derive(Clone)]
pub(crate) struct Caller<C> {
    pub(crate) executor: Executor,
    /// Scheme, host and path that all calls begin with, without a slash at the end.
    pub(crate) base: String,
    pub(crate) tenancy: Tenancy,
    /// How writes carry their key; `None` where the vendor takes none, and a call's key is then left out.
    pub(crate) idempotency: Option<Idempotency>,
    /// What every call's query ends with.
    pub(crate) always: &'static [(&'static str, &'static str)],
    pub(crate) catalogue: PhantomData<C>,
}

/// One call, before it is a request.
#[derive(Clone)]
pub(crate) struct Call<'a> {
    pub(crate) operation: Operation,
    pub(crate) method: Method,
    /// Path below [`Caller::base`], and below the organisation where that is in the path; each value in it is encoded already.
    pub(crate) path: String,
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// A JSON body.
    pub(crate) body: Option<Bytes>,
    /// The idempotency key.
    pub(crate) key: Option<&'a str>,
    pub(crate) effect: Effect,
    pub(crate) subject: Subject,
    /// What the vendor counts it as.
    pub(crate) cost: Cost,
}

impl<'a> Call<'a> {
    /// A GET.
    pub(crate) fn read(name: &'static str, route: &'static str, path: String, subject: Subject) -> Self {
        Self {
            operation: Operation { name, route },
            method: Method::GET,
            path,
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            key: None,
            effect: Effect::Read,
            subject,
            cost: Cost::ONE,
        }
    }

    /// A call that changes something, under an idempotency key.
    pub(crate) fn write(operation: Operation, method: Method, path: String, body: Bytes, key: &'a str, subject: Subject) -> Self {
        let Operation { name, route } = operation;
        let call = Call::read(name, route, path, subject);
        Self { method, body: Some(body), key: Some(key), effect: Effect::Write, ..call }
    }

    /// With a query parameter more.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// With a header more.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// `Authorization: Bearer …`, marked so that no layer below prints it.
pub(crate) fn bearer(token: &Secret) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// An answer with the question it is judged against.
pub(crate) struct Reply<'a, C> {
    pub(crate) asked: Asked<'a>,
    pub(crate) answer: Response<Bytes>,
    catalogue: PhantomData<C>,
}

impl<C: Catalogue> Reply<'_, C> {
    /// Whether it is a success.
    pub(crate) fn is_success(&self) -> bool {
        C::succeeded(&self.answer)
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> u16 {
        self.answer.status().as_u16()
    }

    /// Reads a success.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        judge::read::<C, T>(&self.asked, &self.answer)
    }

    /// The failure of a success that is about something else.
    pub(crate) fn unexpected(&self, why: &str) -> Failure {
        judge::unexpected::<C>(&self.asked, &self.answer, why)
    }

    /// The failure that anything but a success is.
    pub(crate) fn failure(&self) -> Failure {
        C::failure(&self.asked, &self.answer)
    }

    /// A value, with what the answer's headers told.
    pub(crate) fn answered<T>(&self, value: T) -> Answered<T> {
        let headers = self.answer.headers();
        Answered { value, vendor_request_id: headers::request_id(headers), limits: headers::limits(headers), at: headers::date(headers) }
    }
}

/// What a look-up without anything to look for comes to: no call, nothing found.
pub(crate) fn nothing<T>() -> Answered<Vec<T>> {
    Answered { value: Vec::new(), vendor_request_id: None, limits: crate::LimitsSeen::default(), at: None }
}

/// The limit that an answer refuses a call, or a part of it, for, and until when.
fn refused<C: Catalogue>(answer: &Response<Bytes>, now: Timestamp) -> Option<Withheld> {
    let (limit, unless_told) = if C::succeeded(answer) { C::limit_inside(answer) } else { C::limit(answer) }?;
    let until = headers::retry_after(answer.headers(), now).or_else(|| now.saturating_add(unless_told).ok())?;
    Some(Withheld { limit, until })
}

impl<C: Catalogue> Caller<C> {
    /// Sends one call; anything but a success is a failure.
    pub(crate) async fn send<'a>(&self, access: Access<'a>, call: Call<'_>) -> Result<Reply<'a, C>, Failure> {
        let reply = self.exchange(access, call).await?;
        if reply.is_success() { Ok(reply) } else { Err(reply.failure()) }
    }

    /// Sends one call whose answer the caller judges.
    pub(crate) async fn exchange<'a>(&self, access: Access<'a>, call: Call<'_>) -> Result<Reply<'a, C>, Failure> {
        let asked = Asked { effect: call.effect, subject: call.subject, now: access.now, token: access.token.expose() };
        let (operation, cost) = (call.operation, call.cost);
        let request = self.request(access, call).map_err(|why| judge::unbuildable::<C>(&asked, why))?;
        let unanswered = |error| judge::unanswered::<C>(&asked, &error);
        access.meter.pass(cost).await.map_err(unanswered)?;
        let answer = self.executor.send(operation, request, access.timeout, Some(access.meter)).await.map_err(unanswered)?;
        let asked = Asked { now: access.meter.answered_at(access.now), ..asked };
        access.meter.heard(headers::limits(answer.headers()), refused::<C>(&answer, asked.now)).await;
        Ok(Reply { asked, answer, catalogue: PhantomData })
    }

    /// The failure of a call that is not sent, since what it is made of cannot be right.
    pub(crate) fn unsendable(&self, access: Access<'_>, call: &Call<'_>, why: &str) -> Failure {
        let asked = Asked { effect: call.effect, subject: call.subject, now: access.now, token: access.token.expose() };
        judge::unbuildable::<C>(&asked, why)
    }

    /// Sends one call and reads its success.
    pub(crate) async fn list<'a, T: DeserializeOwned>(&self, access: Access<'a>, call: Call<'_>) -> Result<(Reply<'a, C>, T), Failure> {
        let reply = self.send(access, call).await?;
        let value = reply.read()?;
        Ok((reply, value))
    }

    /// The address that a call of this organisation begins with.
    fn beginning(&self, organisation: &str) -> Result<String, &'static str> {
        match self.tenancy {
            Tenancy::Header(_) => Ok(self.base.clone()),
            Tenancy::Path(write) => {
                write(organisation).map(|path| format!("{}{path}", self.base)).ok_or("the organisation's id is no id of this ledger")
            }
        }
    }

    /// The path and query of a link in an answer ("the next page"), below this organisation's own beginning; `None` for a link that leads
    /// anywhere else, which must not be followed.
    pub(crate) fn below<'l>(&self, access: Access<'_>, link: &'l str) -> Option<&'l str> {
        let rest = link.strip_prefix(self.beginning(access.organisation).ok()?.as_str())?;
        let climbs =
            rest.split(['/', '?', '\\']).any(|segment| matches!(segment.to_ascii_lowercase().as_str(), ".." | "%2e%2e" | ".%2e" | "%2e."));
        (rest.starts_with(['/', '?']) && !climbs && !rest.contains('#')).then_some(rest)
    }

    fn request(&self, access: Access<'_>, call: Call<'_>) -> Result<Request<Bytes>, &'static str> {
        let mut query: Vec<String> = call.query.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let mut request = Request::builder()
            .method(call.method)
            .header(header::AUTHORIZATION, bearer(access.token).ok_or("the access token is no header")?)
            .header(header::ACCEPT, "application/json");
        if let Tenancy::Header(name) = self.tenancy {
            request = request.header(name, access.organisation);
        }
        if let (Some(idempotency), Some(key)) = (self.idempotency, call.key) {
            if key.is_empty() || key.len() > idempotency.key_max {
                return Err("the idempotency key is empty or too long");
            }
            match idempotency.carrier {
                KeyCarrier::Header(name) => request = request.header(name, key),
                KeyCarrier::Query(name) => query.push(format!("{name}={}", encoded(key))),
            }
        }
        query.extend(self.always.iter().map(|(name, value)| format!("{name}={value}")));
        for (name, value) in call.headers {
            request = request.header(name, value);
        }
        if call.body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let mark = match (query.is_empty(), call.path.contains('?')) {
            (true, _) => "",
            (false, true) => "&",
            (false, false) => "?",
        };
        request
            .uri(format!("{}{}{mark}{}", self.beginning(access.organisation)?, call.path, query.join("&")))
            .body(call.body.unwrap_or_default())
            .map_err(|_| "a header or the address is not valid")
    }
}

#[cfg(test)]
mod tests;
