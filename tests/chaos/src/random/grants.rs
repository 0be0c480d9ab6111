//! I11 and I14: whose tokens are whose, as the wire saw them issued.
//!
//! A consent begins a line of token sets, and each refresh adds one to the line of the set that it was made with. A connection has the line of
//! its newest consent, so several connections of one ledger are told apart by the tokens that they use.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use coportal_aws::records::oauth::REFRESH;
use coportal_aws::records::tokens::TokenKey;
use coportal_aws::vault::SealContext;
use coportal_core::connection::ConnectionStatus;
use coportal_core::ledger::Ledger;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::fault::Fault;
use super::rest::Seen;
use super::universe::Universe;

/// The right to refresh lasts 30 s, and the vendor is called in its first 10: who refreshes the same set sooner than this after another had not
/// waited for its turn.
const APART: SignedDuration = SignedDuration::from_secs(20);
/// A set that was issued so short a time ago needs no refresh.
const FRESH: SignedDuration = SignedDuration::from_secs(5);

/// A consent's line of token sets, by the number of its consent.
pub(super) type Consent = usize;

/// Everything issued in one history. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Grants(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    consents: usize,
    newest: BTreeMap<Ledger, Consent>,
    /// Refresh tokens and access tokens, by the vendor that issued them.
    refresh: BTreeMap<(Ledger, String), Consent>,
    access: BTreeMap<(Ledger, String), Consent>,
    asked: Vec<Asked>,
}

/// One token request.
struct Asked {
    ledger: Ledger,
    /// The line that it belongs to; `None` until a code is redeemed.
    consent: Option<Consent>,
    /// The refresh token that it was made with.
    with: Option<String>,
    /// The refresh token that stands since its answer.
    issued: Option<String>,
    process: u64,
    at: Timestamp,
    /// The way to the vendor or back broke.
    broke: bool,
    /// Calls to AWS of its process went wrong since, or the process died: what was issued may not have been stored.
    disturbed: bool,
}

impl Asked {
    /// Whether what it may have been issued may not be stored. A refusal that arrived has issued nothing.
    fn may_be_lost(&self) -> bool {
        self.broke || (self.disturbed && self.issued.is_some())
    }
}

impl Grants {
    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call to a vendor; answers its number if it asks for tokens.
    pub(super) fn sent(
        &self,
        ledger: Ledger,
        process: u64,
        at: Timestamp,
        fault: Option<Fault>,
        request: &Request<Bytes>,
    ) -> Option<usize> {
        if !request.uri().path().contains("token") {
            return None;
        }
        let form: BTreeMap<_, _> = url::form_urlencoded::parse(request.body()).into_owned().collect();
        let with = match form.get("grant_type").map(String::as_str) {
            Some("refresh_token") => Some(form.get("refresh_token")?.clone()),
            Some("authorization_code") => None,
            _ => return None,
        };
        let mut inner = self.inner();
        let consent = with.as_ref().and_then(|with| inner.refresh.get(&(ledger, with.clone())).copied());
        let broke = fault.is_some();
        inner.asked.push(Asked { ledger, consent, with, issued: None, process, at, broke, disturbed: false });
        Some(inner.asked.len() - 1)
    }

    /// The vendor's answer to a token request, whether or not it reaches anybody.
    pub(super) fn answered(&self, number: usize, answer: &Response<Bytes>) {
        let Ok(Value::Object(fields)) = serde_json::from_slice::<Value>(answer.body()) else { return };
        if !answer.status().is_success() {
            return;
        }
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let mut inner = self.inner();
        let Inner { consents, newest, refresh, access, asked } = &mut *inner;
        let Some(asked) = asked.get_mut(number) else { return };
        let consent = *asked.consent.get_or_insert_with(|| {
            *consents += 1;
            newest.insert(asked.ledger, *consents);
            *consents
        });
        if let Some(token) = text("access_token") {
            access.insert((asked.ledger, token), consent);
        }
        // A vendor that does not rotate leaves the old one good.
        asked.issued = text("refresh_token").or_else(|| asked.with.clone());
        if let Some(token) = &asked.issued {
            refresh.insert((asked.ledger, token.clone()), consent);
        }
    }

    /// Something went wrong in a process, or it died: what it was issued before may not be stored.
    pub(super) fn disturbed(&self, process: u64) {
        for asked in self.inner().asked.iter_mut().filter(|asked| asked.process == process) {
            asked.disturbed = true;
        }
    }

    /// The line of the access token that a call carries.
    pub(super) fn of_call(&self, ledger: Ledger, request: &Request<Bytes>) -> Option<Consent> {
        let carried = request.headers().get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")?;
        self.inner().access.get(&(ledger, carried.to_owned())).copied()
    }

    /// The newest consent to a ledger.
    pub(super) fn newest(&self, ledger: Ledger) -> Option<Consent> {
        self.inner().newest.get(&ledger).copied()
    }

    /// Whether a token set of this line may have been lost on its way: only then may the grant be.
    pub(super) fn may_be_lost(&self, consent: Option<Consent>) -> bool {
        self.inner().asked.iter().any(|asked| asked.consent.is_some() && asked.consent == consent && asked.may_be_lost())
    }

    /// I11: no two processes refresh one line at a time.
    fn at_once(&self) -> Vec<String> {
        let inner = self.inner();
        let mut wrong = Vec::new();
        for (place, one) in inner.asked.iter().enumerate() {
            // What never came back leaves nobody at it.
            if one.consent.is_none() || one.with.is_none() || one.broke || one.issued.is_none() {
                continue;
            }
            let same = |next: &&Asked| next.consent == one.consent && next.with.is_some() && next.process != one.process;
            let Some(next) = inner.asked.iter().skip(place + 1).find(same) else { continue };
            let apart = one.at.duration_until(next.at);
            let (again, renewed) = (next.with == one.with, next.with == one.issued);
            if (again && apart < APART) || (renewed && apart < FRESH) {
                let (ledger, first, second) = (one.ledger, one.process, next.process);
                wrong.push(format!("I11: {ledger}: process {second} refreshes {apart:#} after process {first} did, with its tokens there"));
            }
        }
        wrong
    }

    /// What is wrong about the refresh token that a connection of this line has stored.
    fn judged(&self, ledger: Ledger, consent: Option<Consent>, stored: Option<&str>) -> Option<&'static str> {
        let inner = self.inner();
        let issued = |asked: &&Asked| asked.consent.is_some() && asked.consent == consent && asked.issued.is_some();
        let newest = inner.asked.iter().rev().find(issued)?;
        if stored == newest.issued.as_deref() {
            return None;
        }
        let Some(stored) = stored else { return Some("is not there") };
        if inner.refresh.get(&(ledger, stored.to_owned())).copied() != consent {
            return Some("is of another consent");
        }
        // Of two that were issued for one set, the second may find the first stored: where the first was slower than its right lasted.
        let rival =
            |other: &Asked| other.consent == consent && other.with == newest.with && other.process != newest.process && !other.broke;
        let excused = newest.may_be_lost() || inner.asked.iter().any(rival);
        (!excused).then_some("is not the last one that the vendor issued")
    }
}

impl Universe {
    /// I11, at rest: of each connection the refresh token that is stored is the last one that its vendor issued.
    pub(super) async fn last_tokens(&self, seen: &Seen) -> Result<Vec<String>> {
        let mut wrong = self.grants().at_once();
        for (place, link) in self.links.iter().enumerate() {
            let connection = seen.connection(place)?;
            let Some(organisation) = connection.organisation.as_ref().filter(|_| connection.status == ConnectionStatus::Connected) else {
                continue;
            };
            let ws = self.space(link.space)?.workspace.id;
            let key = TokenKey { ws, ledger: link.ledger, generation: connection.generation };
            let row = self.quiet.store.tokens(key).await?.context("a connection that stands has tokens")?.value;
            let context = SealContext::tokens(ws, link.ledger, &organisation.id, connection.generation);
            let mut opened = self.quiet.vault.open(&self.ctx(), &row.envelope, &context, row.token_gen).await?;
            let stored = opened.take(REFRESH);
            let stored = stored.as_ref().map(coportal_core::secret::Secret::expose);
            if let Some(why) = self.grants().judged(link.ledger, link.consent, stored) {
                wrong.push(format!("I11: the refresh token that is stored for {} of workspace {} {why}", link.ledger, link.space + 1));
            }
        }
        Ok(wrong)
    }

    /// I14: no process that began after a disconnect calls the ledger with what that connection had.
    pub(super) fn after_a_disconnect(&self) -> Vec<String> {
        let late = |called: &[super::line::Called]| {
            let mut wrong = Vec::new();
            for (ledger, consent, since) in &self.silent {
                let late = called.iter().filter(|call| call.ledger == *ledger && call.consent == Some(*consent) && call.line > *since);
                wrong.extend(late.map(|call| format!("I14: {ledger} was called after its disconnect: {call:?}")));
            }
            wrong
        };
        self.with_called(late)
    }
}
