//! The demo workspace: somebody's studio with one client and one sent invoice, and no ledger yet.

use bytes::Bytes;
use coportal_core::id::{ClientId, InvoiceId, WorkspaceId};
use coportal_core::workspace::Plan;
use http::{Method, Response};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, civil::Date};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use super::RunError;
use super::people::{NewWorkspace, refused};
use super::routes::Local;

/// The demo workspace has the same id in every run, so that one that was kept is found again.
const WORKSPACE: WorkspaceId = WorkspaceId::new(Uuid::from_u128(0x0197_d1b0_0000_7000_8000_0000_0000_0001));
const NAME: &str = "Harbour Lane Studio";
const INVOICE_NUMBER: &str = "HL-1001";

/// What the demo workspace consists of.
#[derive(Clone)]
pub struct DemoWorkspace {
    /// Its id.
    pub workspace_id: WorkspaceId,
    /// Its name.
    pub name: &'static str,
    /// The client.
    pub client_id: ClientId,
    /// The client's name.
    pub client_name: String,
    /// The invoice, sent and not synced.
    pub invoice_id: InvoiceId,
    /// Its number.
    pub invoice_number: &'static str,
    /// What the sign-in link carries; good until the process ends.
    pub(super) sign_in: String,
}

#[derive(Deserialize)]
struct Page<T> {
    items: Vec<T>,
}

#[derive(Deserialize)]
struct Found {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    number: String,
    #[serde(default)]
    status: String,
}

/// Makes what is missing of it, through the API.
pub(super) async fn plant(local: &Local) -> Result<DemoWorkspace, RunError> {
    let shell = &local.parts().shell;
    if shell.store().workspace(WORKSPACE).await?.is_none() {
        local.open_workspace_as(WORKSPACE, &NewWorkspace::british(NAME, Plan::Enterprise)).await?.into_result("make the demo workspace")?;
    }
    let token = local.member_token(WORKSPACE, "owner")?;
    let ask = async |method: Method, path: &str, body: Option<Value>| {
        let answer = local.call(method.clone(), path, &token, body.as_ref()).await;
        if answer.status().is_success() { Ok(answer) } else { Err(refused(&format!("{method} {path}"), &answer)) }
    };

    let clients: Page<Found> = read("GET /v1/clients", &ask(Method::GET, "/v1/clients", None).await?)?;
    let client = match clients.items.into_iter().next() {
        Some(client) => client,
        None => read("POST /v1/clients", &ask(Method::POST, "/v1/clients", Some(client())).await?)?,
    };
    let invoices: Page<Found> = read("GET /v1/invoices", &ask(Method::GET, "/v1/invoices", None).await?)?;
    let invoice = match invoices.items.into_iter().find(|invoice| invoice.number == INVOICE_NUMBER) {
        Some(invoice) => invoice,
        None => {
            let today = shell.ctx().now().to_zoned(TimeZone::UTC).date();
            read("POST /v1/invoices", &ask(Method::POST, "/v1/invoices", Some(invoice(&client.id, today))).await?)?
        }
    };
    if invoice.status == "draft" {
        ask(Method::POST, &format!("/v1/invoices/{}/send", invoice.id), None).await?;
    }
    Ok(DemoWorkspace {
        workspace_id: WORKSPACE,
        name: NAME,
        client_id: id(&client.id)?,
        client_name: client.name,
        invoice_id: id(&invoice.id)?,
        invoice_number: INVOICE_NUMBER,
        sign_in: shell.ctx().token(),
    })
}

fn client() -> Value {
    json!({
        "name": "Juniper & Finch Ltd",
        "email": "accounts@juniperfinch.example",
        "company": "Juniper & Finch Ltd",
        "phone": "+44 20 7946 0958",
        "billing_address": {
            "line1": "14 Wharf Street", "city": "Bristol", "postal_code": "BS1 4RW", "country": "GB",
        },
    })
}

fn invoice(client: &str, today: Date) -> Value {
    let due = today.saturating_add(SignedDuration::from_hours(14 * 24));
    json!({
        "number": INVOICE_NUMBER,
        "client_id": client,
        "currency": "GBP",
        "issue_date": today,
        "due_date": due,
        "tax_mode": "exclusive",
        "lines": [
            {"description": "Brand identity, first round", "quantity": "1", "unit_price": "1250.00", "tax_rate": "20"},
            {"description": "Type licences", "quantity": "3", "unit_price": "33.33", "tax_rate": "20"},
            {"description": "Printed guide, per copy", "quantity": "7.5", "unit_price": "12.345", "tax_rate": "0"},
        ],
    })
}

fn read<T: DeserializeOwned>(what: &str, answer: &Response<Bytes>) -> Result<T, RunError> {
    serde_json::from_slice(answer.body()).map_err(|_| refused(what, answer))
}

fn id<T: std::str::FromStr>(text: &str) -> Result<T, RunError> {
    text.parse().map_err(|_| RunError::Refused { what: "read an id".to_owned(), status: 200, body: text.to_owned() })
}
