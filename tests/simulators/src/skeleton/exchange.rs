//! One call and what happens to it: its effect, a scripted fault, its place in the log.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Response;
use jiff::{SignedDuration, Timestamp};

use super::answer::{Answer, Reply};
use super::calls::{Call, Dropped};
use super::config::Config;
use super::faults::{Fault, FaultKind};
use super::incoming::Incoming;
use super::world::World;

pub(crate) struct Exchange<'world, W> {
    pub(crate) world: &'world mut W,
    pub(crate) config: &'world Config,
    pub(crate) call: Incoming,
    pub(crate) now: Timestamp,
}

impl<W: World> Exchange<'_, W> {
    pub(crate) fn run(mut self, fault: Option<Fault>) -> Answer {
        let Some(fault) = fault else {
            let response = self.respond(None);
            return self.at_its_pace(response);
        };
        let after = SignedDuration::from_secs(fault.after_seconds);
        match fault.kind {
            FaultKind::Refuse => {
                self.log(None, 0, Some(Dropped::Refused));
                Answer::Refused
            }
            FaultKind::TimeoutBefore => {
                self.log(None, 0, Some(Dropped::Before));
                Answer::Dropped { applied: false }
            }
            FaultKind::TimeoutAfter => {
                self.respond(Some(Dropped::After));
                Answer::Dropped { applied: true }
            }
            FaultKind::Late => {
                self.log(None, 0, Some(Dropped::Late));
                if let Some(pass) = self.world.admit(&self.call, self.config, self.now) {
                    self.world.common_mut().postpone(self.call, pass, self.now, after);
                }
                Answer::Dropped { applied: false }
            }
            FaultKind::Status => {
                let status = fault.status.unwrap_or(503);
                let body = fault.body.unwrap_or_default();
                let response = scripted(Reply::new(status, "", body), fault.headers).into_response();
                self.log(Some(response.status().as_u16()), response.body().len(), None);
                Answer::Response(response)
            }
            FaultKind::Truncate => {
                let response = self.respond(Some(Dropped::Truncated));
                Answer::Truncated(response.map(|body| body.slice(..body.len() / 2)))
            }
            FaultKind::Slow => {
                let response = self.respond(None);
                self.slow(after, response)
            }
            FaultKind::Garbage => {
                let mut reply = self.effect();
                reply.body = fault.body.unwrap_or_else(|| "<html><body>Bad gateway".to_owned());
                let response = scripted(reply, fault.headers).into_response();
                self.log(Some(response.status().as_u16()), response.body().len(), None);
                Answer::Response(response)
            }
        }
    }

    fn effect(&mut self) -> Reply {
        self.world.respond(&self.call, self.config, self.now)
    }

    fn respond(&mut self, dropped: Option<Dropped>) -> Response<Bytes> {
        let response = self.effect().into_response();
        self.log(Some(response.status().as_u16()), response.body().len(), dropped);
        response
    }

    /// Calls of an organisation that were admitted take the time that the limits set.
    fn at_its_pace(self, response: Response<Bytes>) -> Answer {
        let latency = self.world.common().meter.limits().latency_ms;
        let admitted = W::named(&self.call).is_some() && !matches!(response.status().as_u16(), 401 | 403 | 429);
        if latency == 0 || !admitted {
            return Answer::Response(response);
        }
        self.slow(SignedDuration::from_millis(latency.into()), response)
    }

    fn slow(self, after: SignedDuration, response: Response<Bytes>) -> Answer {
        let organisation = W::named(&self.call).unwrap_or_default();
        let ticket = self.world.common_mut().meter.take_off(&organisation, self.now, after);
        Answer::Slow { after, response, ticket }
    }

    fn log(&mut self, status: Option<u16>, bytes: usize, dropped: Option<Dropped>) {
        let call = Call {
            method: self.call.method.clone(),
            path: self.call.path_and_query.clone(),
            status,
            bytes,
            at: self.now,
            organisation: W::named(&self.call),
            kind: W::kind(&self.call),
            dropped,
        };
        self.world.common_mut().calls.push(call);
    }
}

fn scripted(mut reply: Reply, headers: BTreeMap<String, String>) -> Reply {
    for (name, value) in headers {
        if name.eq_ignore_ascii_case("content-type") {
            reply.content_type = value;
        } else {
            reply = reply.with(&name, value);
        }
    }
    reply
}
