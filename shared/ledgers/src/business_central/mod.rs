//! Microsoft Business Central: the calls. What is known of the vendor is in docs/vendors/business-central.md.

mod batch;
mod batches;
mod body;
mod changes;
mod contact_list;
mod contacts;
mod document;
mod documents;
mod facts;
mod filter;
mod fixit;
mod map;
mod outcome;
mod payments;
mod place;
mod profile;
mod sequence;
mod sign_in;
mod version;
mod wire;

use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use coportal_core::failure::Failure;
use http::Method;
use serde::de::DeserializeOwned;

use self::batch::Inner;
use self::fixit::Cause;
use self::place::Place;
pub use self::profile::BusinessCentralEndpoints;
use self::profile::{PAGES_MAX, PROFILE, RULES};
use self::wire::Page;
use crate::batches::Batches;
use crate::exec::call::{Call, Caller, Reply, Tenancy};
use crate::exec::{Cost, Executor, Operation};
use crate::judge::{self, Asked, Effect, Subject};
use crate::{Access, LedgerApi};

/// The language of messages: what an error means is read from its words (section 3).
const LANGUAGE: &str = "en-US";

/// Business Central, sending through `executor`.
pub(crate) fn api(executor: Executor, endpoints: BusinessCentralEndpoints) -> LedgerApi {
    let caller = Caller {
        executor: executor.clone(),
        base: endpoints.api.as_str().trim_end_matches('/').to_owned(),
        tenancy: Tenancy::Path(|organisation| Place::read(organisation).map(|place| place.root())),
        idempotency: None,
        always: &[],
        catalogue: PhantomData,
    };
    let calls = Arc::new(BusinessCentral { caller });
    LedgerApi {
        rules: RULES,
        profile: &PROFILE,
        sign_in: Arc::new(sign_in::EntraSignIn::new(executor, endpoints)),
        facts: calls.clone(),
        contacts: calls.clone(),
        contact_list: calls.clone(),
        documents: calls.clone(),
        // A document takes several calls of its own, and a posting commits inside a batch (section 7): only reads are gathered.
        batches: Batches { creates: None, updates: None, reads: Some(calls.clone()) },
        changes: calls.clone(),
        drafts: Some(calls.clone()),
        stepwise: Some(calls.clone()),
        payments: Some(calls),
        notice: None,
    }
}

/// The API v2.0.
struct BusinessCentral {
    caller: Caller<Cause>,
}

/// What a change is sent with.
struct Change<'a> {
    operation: Operation,
    method: Method,
    /// Below the company.
    path: String,
    if_match: Option<&'a str>,
    body: Option<Bytes>,
    subject: Subject,
}

impl BusinessCentral {
    /// The company that every call is about; an id of another form reaches no address.
    fn place(access: Access<'_>) -> Result<Place, Failure> {
        Place::read(access.organisation)
            .ok_or_else(|| judge::unbuildable::<Cause>(&ask(access, Effect::Read), "no organisation of this ledger"))
    }

    /// A read below the company.
    fn read(place: &Place, name: &'static str, route: &'static str, path: &str, subject: Subject) -> Call<'static> {
        Call::read(name, route, format!("/{}", place.below(path)), subject).header("accept-language", LANGUAGE)
    }

    /// Sends a change; its answer may be empty.
    async fn change<'a>(&self, access: Access<'a>, change: Change<'_>) -> Result<Reply<'a, Cause>, Failure> {
        let place = Self::place(access)?;
        let Operation { name, route } = change.operation;
        let read = Self::read(&place, name, route, &change.path, change.subject);
        let mut call = Call { method: change.method, body: change.body, effect: Effect::Write, ..read };
        if let Some(version) = change.if_match {
            call = call.header("if-match", version);
        }
        self.caller.send(access, call).await
    }

    /// All entities of a list, page by page (section 3). Links lead on within this company only, and not without an end.
    async fn list<'a, T: DeserializeOwned>(
        &self,
        access: Access<'a>,
        call: Call<'_>,
        page: usize,
    ) -> Result<(Reply<'a, Cause>, Vec<T>), Failure> {
        let place = Self::place(access)?;
        let prefer = format!("odata.maxpagesize={page}");
        let (operation, subject) = (call.operation, call.subject);
        let (mut reply, mut read): (_, Page<T>) = self.caller.list(access, call.header("prefer", prefer.clone())).await?;
        let mut found = read.value;
        for _ in 1..PAGES_MAX {
            let Some(link) = read.next else { return Ok((reply, found)) };
            let here = self.caller.below(access, &link).filter(|path| path.starts_with(&format!("/{}", place.below("/"))));
            let path = here.ok_or_else(|| reply.unexpected("the next page is elsewhere"))?.to_owned();
            let next = Call::read(operation.name, operation.route, path, subject).header("accept-language", LANGUAGE);
            let (next_reply, next_read): (_, Page<T>) = self.caller.list(access, next.header("prefer", prefer.clone())).await?;
            found.extend(next_read.value);
            (reply, read.next) = (next_reply, next_read.next);
        }
        match read.next {
            None => Ok((reply, found)),
            Some(_) => Err(reply.unexpected("a list of more pages than any company has")),
        }
    }

    /// Sends a batch; the caller judges its answer. With `snapshot` its requests are done all or not at all (section 7).
    async fn batch<'a>(
        &self,
        access: Access<'a>,
        name: &'static str,
        requests: &[Inner<'_>],
        effect: Effect,
        subject: Subject,
    ) -> Result<Reply<'a, Cause>, Failure> {
        let mut call = Call {
            method: Method::POST,
            body: Some(Bytes::from(batch::body(requests))),
            // Whether the requests inside count is not documented (section 14): counted, they never exceed.
            cost: Cost { calls: u32::try_from(requests.len()).unwrap_or(u32::MAX).saturating_add(1), batch: false },
            effect,
            ..Call::read(name, "/$batch", "/$batch".to_owned(), subject).header("accept-language", LANGUAGE)
        };
        if effect == Effect::Write {
            call = call.header("isolation", "snapshot");
        }
        self.caller.exchange(access, call).await
    }
}

/// Reads a body that an intent stores: another form than this code writes is a defect, and nothing is sent.
fn stored<T: DeserializeOwned>(access: Access<'_>, body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body)
        .map_err(|_| judge::unbuildable::<Cause>(&ask(access, Effect::Write), "the stored body is none of this ledger's"))
}

/// The question that a failure without a call is judged by.
fn ask(access: Access<'_>, effect: Effect) -> Asked<'_> {
    Asked { effect, subject: Subject::Place, now: access.now, token: access.token.expose() }
}

#[cfg(test)]
mod tests;
