//! A studio that uses CoPortal over real HTTP: what the demo tells, the journeys test and the benchmarks measure.

use std::collections::BTreeMap;

use coportal_core::ledger::Ledger;
use coportal_core::workspace::Plan;
use http::{Method, StatusCode};
use jiff::civil::Date;
use serde_json::{Value, json};

use crate::caller::{CallError, Caller, Hop, Reply};
use crate::run::LocalRun;

/// Why a studio could not go on.
#[derive(Debug, thiserror::Error)]
pub enum StudioError {
    /// The call has no answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// This build has no simulator of the ledger.
    #[error("there is no simulator of {0}")]
    NoSimulator(Ledger),
    /// The answer is a refusal.
    #[error("{what}: {status} {body}")]
    Refused {
        /// What was asked for.
        what: String,
        /// HTTP status.
        status: StatusCode,
        /// The answer.
        body: String,
    },
}

/// A workspace with its owner, and the operator's hand on the simulated ledgers.
#[derive(Clone)]
pub struct Studio {
    /// The workspace's id.
    pub workspace_id: String,
    /// Calls as the owner.
    pub owner: Caller,
    /// Calls as a plain member.
    pub member: Caller,
    origins: BTreeMap<Ledger, String>,
    today: Date,
}

impl Studio {
    /// Opens a workspace in the United Kingdom.
    ///
    /// # Errors
    /// When a call fails or is refused.
    pub async fn open(local: &LocalRun, name: &str) -> Result<Self, StudioError> {
        let anybody = Caller::new(&local.origin)?;
        let new = json!({"name": name, "plan": Plan::Enterprise, "currency": "GBP", "country": "GB"});
        let opened = accepted("open a workspace", anybody.post("/__local/workspaces", &new).await?)?;
        let token = |role: &str| text(&opened, &format!("/{role}_token"));
        Ok(Self {
            workspace_id: text(&opened, "/workspace_id").to_owned(),
            owner: anybody.with_token(token("owner")),
            member: anybody.with_token(token("member")),
            origins: local.ledgers.iter().map(|ledger| (ledger.ledger, ledger.origin.clone())).collect(),
            today: local.cloud.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date(),
        })
    }

    /// A studio whose workspace exists, of an API elsewhere; `origins` are the addresses of the simulated ledgers.
    #[must_use]
    pub fn of(workspace_id: &str, owner: Caller, member: Caller, origins: BTreeMap<Ledger, String>, today: Date) -> Self {
        Self { workspace_id: workspace_id.to_owned(), owner, member, origins, today }
    }

    /// The studio's desk at one ledger.
    #[must_use]
    pub fn at(&self, ledger: Ledger) -> Desk<'_> {
        Desk { studio: self, ledger }
    }

    /// Adds a client; answers its id.
    ///
    /// # Errors
    /// When a call fails or is refused.
    pub async fn add_client(&self, name: &str, email: &str) -> Result<String, StudioError> {
        let added = accepted("add a client", self.owner.post("/v1/clients", &json!({"name": name, "email": email})).await?)?;
        Ok(text(&added, "/id").to_owned())
    }

    /// Writes an invoice of today with these lines and sends it; answers the invoice.
    ///
    /// # Errors
    /// When a call fails or is refused.
    pub async fn send_invoice(&self, client: &str, lines: &Value) -> Result<Value, StudioError> {
        let due = self.today.saturating_add(jiff::SignedDuration::from_hours(14 * 24));
        let body = json!({"client_id": client, "issue_date": self.today, "due_date": due, "lines": lines});
        let draft = accepted("write an invoice", self.owner.post("/v1/invoices", &body).await?)?;
        let path = format!("/v1/invoices/{}/send", text(&draft, "/id"));
        accepted("send the invoice", self.owner.send(Method::POST, &path, None, &[]).await?)
    }

    /// Replaces one member of one line of an invoice; answers the invoice.
    ///
    /// # Errors
    /// When a call fails or is refused.
    pub async fn edit_line(&self, invoice: &Value, pointer: &str, value: Value) -> Result<Value, StudioError> {
        let mut changed = invoice.clone();
        if let Some(place) = changed.pointer_mut(pointer) {
            *place = value;
        }
        let body: Value = ["number", "client_id", "currency", "issue_date", "due_date", "tax_mode", "lines"]
            .into_iter()
            .map(|name| (name.to_owned(), changed.get(name).cloned().unwrap_or_default()))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let version = changed.get("version").map(Value::to_string).unwrap_or_default();
        let path = format!("/v1/invoices/{}", text(invoice, "/id"));
        accepted("edit the invoice", self.owner.send(Method::PUT, &path, Some(&body), &[("if-match", &version)]).await?)
    }

    /// Voids an invoice; answers it.
    ///
    /// # Errors
    /// When a call fails or is refused.
    pub async fn void_invoice(&self, invoice: &Value) -> Result<Value, StudioError> {
        let path = format!("/v1/invoices/{}/void", text(invoice, "/id"));
        accepted("void the invoice", self.owner.send(Method::POST, &path, None, &[]).await?)
    }

    /// Records a payment of today; answers the invoice.
    ///
    /// # Errors
    /// When a call fails or is refused.
    pub async fn pay_invoice(&self, invoice: &Value, payment_id: &str, amount: &str) -> Result<Value, StudioError> {
        let path = format!("/v1/invoices/{}/pay", text(invoice, "/id"));
        let body = json!({"payment_id": payment_id, "amount": amount, "date": self.today});
        accepted("record a payment", self.owner.post(&path, &body).await?)
    }
}

/// A studio's work with one ledger.
#[derive(Clone, Copy)]
pub struct Desk<'s> {
    /// The studio.
    pub studio: &'s Studio,
    /// The ledger.
    pub ledger: Ledger,
}

impl Desk<'_> {
    /// Connects the ledger to its first organisation, as a browser does; answers each stop of the way.
    ///
    /// # Errors
    /// When a call fails or is refused.
    pub async fn connect(self) -> Result<Vec<Hop>, StudioError> {
        self.control(Method::POST, "consent", Some(&json!({"decision": "approve"}))).await?;
        let path = format!("/v1/integrations/{}/connect", self.ledger);
        let start = accepted("begin to connect", self.studio.owner.send(Method::POST, &path, None, &[]).await?)?;
        Ok(self.studio.owner.browse(text(&start, "/authorize_url")).await?)
    }

    /// How the connection stands; null when there is none.
    ///
    /// # Errors
    /// When a call fails or is refused.
    pub async fn connection(self) -> Result<Value, StudioError> {
        let list = accepted("list the integrations", self.studio.owner.get("/v1/integrations").await?)?;
        let cards = list.pointer("/items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let card = cards.iter().find(|card| text(card, "/ledger") == self.ledger.slug());
        Ok(card.and_then(|card| card.pointer("/connection")).cloned().unwrap_or_default())
    }

    /// Changes options of the connection.
    ///
    /// # Errors
    /// When a call fails or is refused.
    pub async fn set_options(self, options: &Value) -> Result<Value, StudioError> {
        let path = format!("/v1/integrations/{}/options", self.ledger);
        accepted("change options", self.studio.owner.send(Method::PATCH, &path, Some(options), &[]).await?)
    }

    /// Clicks "Sync"; answers whatever came.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn sync(self, invoice: &Value) -> Result<Reply, StudioError> {
        let path = format!("/v1/invoices/{}/sync/{}", text(invoice, "/id"), self.ledger);
        Ok(self.studio.member.send(Method::POST, &path, None, &[]).await?)
    }

    /// Clicks "Sync" and expects it to end there and then; answers the body.
    ///
    /// # Errors
    /// When the call fails, or does not end in 200.
    pub async fn synced(self, invoice: &Value) -> Result<Value, StudioError> {
        let reply = self.sync(invoice).await?;
        if reply.status == StatusCode::OK { accepted("sync the invoice", reply) } else { Err(refused("sync the invoice", &reply)) }
    }

    /// Approves (posts) the draft and expects it to end there and then; answers the body.
    ///
    /// # Errors
    /// When the call fails, or does not end in 200.
    pub async fn approved(self, invoice: &Value) -> Result<Value, StudioError> {
        let path = format!("/v1/invoices/{}/sync/{}/approve", text(invoice, "/id"), self.ledger);
        let reply = self.studio.owner.send(Method::POST, &path, None, &[]).await?;
        if reply.status == StatusCode::OK { accepted("approve the draft", reply) } else { Err(refused("approve the draft", &reply)) }
    }

    /// One of the simulator's controls.
    ///
    /// # Errors
    /// When this build has no simulator of the ledger, or the call fails or is refused.
    pub async fn control(self, method: Method, control: &str, body: Option<&Value>) -> Result<Value, StudioError> {
        let path = format!("/__sim/{control}");
        let origin = self.studio.origins.get(&self.ledger).ok_or(StudioError::NoSimulator(self.ledger))?;
        let operator = Caller::new(origin)?;
        accepted(&path, operator.send(method, &path, body, &[]).await?)
    }

    /// What the ledger holds.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn state(self) -> Result<Value, StudioError> {
        self.control(Method::GET, "state", None).await
    }

    /// The calls that the ledger saw, oldest first, of one kind: `api` (business calls) or `oauth`.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn calls(self, kind: &str) -> Result<Vec<Value>, StudioError> {
        let calls = self.control(Method::GET, "calls", None).await?;
        let calls = calls.as_array().cloned().unwrap_or_default();
        Ok(calls.into_iter().filter(|call| text(call, "/kind") == kind).collect())
    }
}

fn accepted(what: &str, reply: Reply) -> Result<Value, StudioError> {
    if !reply.status.is_success() {
        return Err(refused(what, &reply));
    }
    serde_json::from_slice(&reply.body).map_err(|_| refused(what, &reply))
}

fn refused(what: &str, reply: &Reply) -> StudioError {
    StudioError::Refused { what: what.to_owned(), status: reply.status, body: reply.text() }
}

/// A text in an answer; empty when it is not there.
#[must_use]
pub fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
