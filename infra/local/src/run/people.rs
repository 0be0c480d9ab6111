//! Workspaces and their people, made through the same service routes that CoPortal's own backend calls.

use bytes::Bytes;
use coportal_core::id::WorkspaceId;
use coportal_core::money::{Currency, Rate};
use coportal_core::workspace::{Plan, TaxRounding};
use coportal_lambda::authn::token::{MEMBER_TYP, SERVICE_TYP, WORKSPACES_SCOPE, service_audience};
use http::{Method, Request, Response, StatusCode, header};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::RunError;
use super::routes::Local;
use crate::issuer::Grant;

/// How long a member's token is valid.
const MEMBER_TOKEN: SignedDuration = SignedDuration::from_hours(12);
/// A service's token is made for a call.
const SERVICE_TOKEN: SignedDuration = SignedDuration::from_mins(5);

/// A workspace to make.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewWorkspace {
    /// Its name.
    pub name: String,
    /// What it pays for.
    pub plan: Plan,
    /// The currency of new invoices; pounds when absent.
    #[serde(default)]
    pub currency: Option<Currency>,
    /// ISO 3166-1 alpha-2; the United Kingdom when absent.
    #[serde(default)]
    pub country: Option<String>,
    /// Where tax is rounded; per line when absent.
    #[serde(default)]
    pub tax_rounding: TaxRounding,
    /// The rate of lines that were sent without one.
    #[serde(default)]
    pub default_tax_rate: Option<Rate>,
}

impl NewWorkspace {
    /// A workspace in the United Kingdom.
    #[must_use]
    pub fn british(name: &str, plan: Plan) -> Self {
        Self { name: name.to_owned(), plan, currency: None, country: None, tax_rounding: TaxRounding::Line, default_tax_rate: None }
    }

    fn statement(&self) -> Value {
        json!({
            "name": self.name,
            "plan": self.plan,
            "currency": self.currency.map_or_else(|| "GBP".to_owned(), String::from),
            "country": self.country.as_deref().unwrap_or("GB"),
            "tax_rounding": self.tax_rounding,
            "default_tax_rate": self.default_tax_rate,
        })
    }
}

/// A workspace and tokens for three of its people, valid for twelve hours.
#[derive(Clone, Serialize)]
pub struct OpenedWorkspace {
    /// Its id.
    pub workspace_id: WorkspaceId,
    /// Bearer token of its owner.
    pub owner_token: String,
    /// Bearer token of an admin.
    pub admin_token: String,
    /// Bearer token of a member.
    pub member_token: String,
}

/// What came of a statement about a workspace.
pub(super) enum Stated {
    /// It holds.
    Opened(OpenedWorkspace),
    /// The API refused it; its own answer.
    Refused(Response<Bytes>),
}

impl Stated {
    pub(super) fn into_result(self, what: &str) -> Result<OpenedWorkspace, RunError> {
        match self {
            Self::Opened(opened) => Ok(opened),
            Self::Refused(answer) => Err(refused(what, &answer)),
        }
    }
}

pub(super) fn refused(what: &str, answer: &Response<Bytes>) -> RunError {
    RunError::Refused { what: what.to_owned(), status: answer.status().as_u16(), body: String::from_utf8_lossy(answer.body()).into_owned() }
}

/// The user id of one of the three people.
pub(super) fn user_id(role: &str, workspace: WorkspaceId) -> String {
    format!("{role}@{workspace}")
}

impl Local {
    /// Makes a workspace under a fresh id.
    pub(super) async fn open_workspace(&self, new: &NewWorkspace) -> Result<Stated, RunError> {
        let id = WorkspaceId::new(self.parts().shell.ctx().uuid());
        self.state_workspace(id, &new.statement()).await
    }

    /// Makes a workspace under this id, with its three people.
    pub(super) async fn open_workspace_as(&self, id: WorkspaceId, new: &NewWorkspace) -> Result<Stated, RunError> {
        self.state_workspace(id, &new.statement()).await
    }

    /// Changes the plan of a workspace; `None` when there is no such workspace.
    pub(super) async fn change_plan(&self, id: WorkspaceId, plan: Plan) -> Result<Option<Stated>, RunError> {
        let Some(workspace) = self.parts().shell.store().workspace(id).await? else { return Ok(None) };
        let mut statement = serde_json::to_value(&workspace).unwrap_or_default();
        if let Some(members) = statement.as_object_mut() {
            members.remove("id");
            members.insert("plan".to_owned(), json!(plan));
        }
        self.state_workspace(id, &statement).await.map(Some)
    }

    async fn state_workspace(&self, id: WorkspaceId, statement: &Value) -> Result<Stated, RunError> {
        let path = format!("/v1/workspaces/{id}");
        let token = self.service_token()?;
        let answer = self.call(Method::PUT, &path, &token, Some(statement)).await;
        if !answer.status().is_success() {
            return Ok(Stated::Refused(answer));
        }
        for role in ["owner", "admin", "member"] {
            let path = format!("{path}/members/{}", user_id(role, id));
            let answer = self.call(Method::PUT, &path, &token, Some(&json!({"role": role}))).await;
            if !answer.status().is_success() {
                return Ok(Stated::Refused(answer));
            }
        }
        let token = |role| self.member_token(id, role);
        Ok(Stated::Opened(OpenedWorkspace {
            workspace_id: id,
            owner_token: token("owner")?,
            admin_token: token("admin")?,
            member_token: token("member")?,
        }))
    }

    /// Makes a user a member.
    pub(super) async fn join(&self, workspace: &str, user: &str) -> Result<(), RunError> {
        let path = format!("/v1/workspaces/{workspace}/members/{user}");
        let answer = self.call(Method::PUT, &path, &self.service_token()?, Some(&json!({"role": "member"}))).await;
        if answer.status().is_success() { Ok(()) } else { Err(refused("make a member", &answer)) }
    }

    /// A bearer token of one of the three people.
    pub(super) fn member_token(&self, workspace: WorkspaceId, role: &str) -> Result<String, RunError> {
        let parts = self.parts();
        Ok(parts.cloud.issuer.mint(&Grant {
            sub: &user_id(role, workspace),
            ws: Some(&workspace.to_string()),
            sid: None,
            aud: &parts.audience,
            typ: MEMBER_TYP,
            scope: None,
            amr: &["local"],
            ttl: MEMBER_TOKEN,
        })?)
    }

    fn service_token(&self) -> Result<String, RunError> {
        let parts = self.parts();
        Ok(parts.cloud.issuer.mint(&Grant {
            sub: "local",
            ws: None,
            sid: None,
            aud: &service_audience(&parts.audience),
            typ: SERVICE_TYP,
            scope: Some(WORKSPACES_SCOPE),
            amr: &[],
            ttl: SERVICE_TOKEN,
        })?)
    }

    /// Calls the API through the gateway.
    pub(super) async fn call(&self, method: Method, path: &str, token: &str, body: Option<&Value>) -> Response<Bytes> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.parts().origin.trim_start_matches("http://"))
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.map(|body| Bytes::from(body.to_string())).unwrap_or_default());
        match request {
            Ok(request) => self.parts().gateway.handle(request).await,
            Err(error) => {
                let mut answer = Response::new(Bytes::from(error.to_string()));
                *answer.status_mut() = StatusCode::BAD_REQUEST;
                answer
            }
        }
    }
}
