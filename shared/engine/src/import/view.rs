//! A preview and the result of a commit, as callers read them.

use std::collections::BTreeMap;

use coportal_aws::keys::PreviewPart;
use coportal_core::client::Address;
use coportal_core::ctx::Ctx;
use coportal_core::id::{ClientId, PreviewId, WorkspaceId};
use coportal_core::import::{Action, Changed, Counts, Failed, FieldMapping, Mapped, Row, Status, field_mapping};
use coportal_core::problem::{Issue, Outcome, Problem};
use coportal_core::sync::row::RowProblem;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Preview, PreviewState, Step};
use crate::Engine;

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum RowResult {
    /// A client was made of it.
    Created {
        /// The client.
        client_id: ClientId,
    },
    /// A client is linked to it.
    Linked {
        /// The client.
        client_id: ClientId,
    },
    /// Nothing, as was ticked.
    Skipped,
    /// It was not what the preview showed.
    ChangedSincePreview {
        /// What had changed.
        code: Changed,
    },
    /// It could not be done.
    Failed {
        /// Why not.
        code: Failed,
    },
}

/// The results of a page of rows, by contact.
pub(crate) type Results = BTreeMap<String, RowResult>;

/// What a person should know about a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RowNote {
    /// Stable code.
    pub code: &'static str,
    /// The sentence.
    pub detail: &'static str,
}

/// A row of a preview: the contact's four fields as a client would have them, and what would be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MappedRow {
    /// The ledger's id of the contact.
    pub external_id: String,
    /// Name.
    pub name: String,
    /// E-mail address.
    pub email: Option<String>,
    /// Telephone.
    pub phone: Option<String>,
    /// Billing address.
    pub billing_address: Option<Address>,
    /// How it stands.
    pub status: Status,
    /// The client that it is linked to, or duplicates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// All clients with its address, where there are several: a link then names one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub client_ids: Vec<ClientId>,
    /// That client is archived here (R148).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub archived: bool,
    /// An earlier contact of the list with the same address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub twin_of: Option<String>,
    /// What a tick means.
    pub default_action: Action,
    /// Whether it is ticked before anybody touches it.
    pub ticked: bool,
    /// What stands in the way of a client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<RowNote>,
    /// What became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<RowResult>,
}

impl MappedRow {
    fn of(row: Row, outcome: Option<RowResult>) -> Self {
        let Mapped { name, email, phone, billing_address } = Mapped::of(&row.listed);
        Self {
            name,
            email,
            phone,
            billing_address,
            status: row.status,
            client_id: row.clients.first().copied(),
            default_action: row.default_action(),
            ticked: row.is_ticked(),
            client_ids: if row.clients.len() > 1 { row.clients } else { Vec::new() },
            archived: row.archived,
            twin_of: row.twin_of,
            note: row.obstacle.map(|obstacle| RowNote { code: obstacle.code(), detail: obstacle.detail() }),
            external_id: row.listed.external_id,
            outcome,
        }
    }
}

/// A row that was reported instead of done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RowReport {
    /// The ledger's id of the contact.
    pub external_id: String,
    /// Stable code.
    pub code: String,
    /// The sentence.
    pub detail: &'static str,
}

/// What a commit came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImportResult {
    /// The preview whose rows they are: it shows what became of each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview_id: Option<PreviewId>,
    /// Clients made.
    pub created: u32,
    /// Contacts linked to clients that were there, linked ones included.
    pub linked: u32,
    /// Rows left alone, as was ticked; with "everything new" all the others.
    pub skipped: u32,
    /// Rows that were no longer what the preview showed.
    pub changed_since_preview: Vec<RowReport>,
    /// Rows that could not be done.
    pub failed: Vec<RowReport>,
}

/// A preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PreviewView {
    /// Its id.
    pub id: PreviewId,
    /// Where it stands.
    pub state: PreviewState,
    /// Contacts read so far.
    pub read: u32,
    /// Contacts in all, where the ledger says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<u32>,
    /// Vendor calls that the list took so far: one for each page.
    pub vendor_calls: u32,
    /// Until when it can be looked at and committed.
    pub expires_at: Timestamp,
    /// Rows of each status, once it is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// Which field becomes which (R28).
    pub field_mapping: [FieldMapping; 4],
    /// A page of rows, once it is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<Vec<MappedRow>>,
    /// The next page of rows.
    pub next_cursor: Option<String>,
    /// What the newest commit came to, or has come to so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<ImportResult>,
    /// Why it failed, or why the newest commit ended early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<RowProblem>,
}

fn page_of(cursor: Option<&str>, pages: u32) -> Outcome<u32> {
    let Some(text) = cursor else { return Ok(0) };
    let page = text.parse::<u32>().ok().filter(|page| *page < pages && page.to_string() == text);
    page.ok_or_else(|| Problem::invalid(vec![Issue::new("", "cursor", "This cursor did not come from this preview.")]))
}

fn code_of<T: Serialize>(code: &T) -> String {
    serde_json::to_value(code).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

impl Engine {
    pub(super) async fn preview_view(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        id: PreviewId,
        preview: &Preview,
        cursor: Option<&str>,
    ) -> Outcome<PreviewView> {
        let ready = match preview.state {
            PreviewState::Ready | PreviewState::Committing | PreviewState::Done => true,
            PreviewState::Reading | PreviewState::Failed => false,
        };
        let page = page_of(cursor, preview.pages)?;
        let step = Step { engine: self, ctx, ws, preview: id, fence: 0 };
        let mut rows = None;
        if ready && page < preview.pages {
            let mut results: Results = self.store.preview_part(ctx, (ws, id), PreviewPart::Done(page)).await?.unwrap_or_default();
            let mapped = step.rows(page).await?.into_iter().map(|row| {
                let result = results.remove(&row.listed.external_id);
                MappedRow::of(row, result)
            });
            rows = Some(mapped.collect());
        } else if ready {
            rows = Some(Vec::new());
        }
        let next = page.saturating_add(1);
        Ok(PreviewView {
            id,
            state: preview.state,
            read: preview.read,
            expected: preview.expected,
            vendor_calls: preview.calls,
            expires_at: preview.ends,
            counts: ready.then_some(preview.counts),
            field_mapping: field_mapping(preview.ledger),
            rows,
            next_cursor: (ready && next < preview.pages).then(|| next.to_string()),
            result: step.result(preview).await?,
            problem: preview.problem.clone(),
        })
    }
}

impl Step<'_> {
    /// What the newest commit came to so far.
    pub(super) async fn result(&self, preview: &Preview) -> Outcome<Option<ImportResult>> {
        let Some(commit) = &preview.commit else { return Ok(None) };
        let mut result = ImportResult {
            preview_id: Some(self.preview),
            created: commit.tally.created,
            linked: commit.tally.linked,
            skipped: commit.tally.skipped,
            ..ImportResult::default()
        };
        for page in commit.pages.iter().take(commit.done) {
            let done: Results = self.engine.store.preview_part(self.ctx, self.key(), PreviewPart::Done(*page)).await?.unwrap_or_default();
            let picks = self.picks(&commit.digest, *page).await?;
            for (external_id, outcome) in done.into_iter().filter(|(external_id, _)| picks.contains_key(external_id)) {
                match outcome {
                    RowResult::ChangedSincePreview { code } => {
                        result.changed_since_preview.push(RowReport { external_id, code: code_of(&code), detail: code.detail() });
                    }
                    RowResult::Failed { code } => {
                        result.failed.push(RowReport { external_id, code: code_of(&code), detail: code.detail() });
                    }
                    RowResult::Created { .. } | RowResult::Linked { .. } | RowResult::Skipped => {}
                }
            }
        }
        Ok(Some(result))
    }
}
