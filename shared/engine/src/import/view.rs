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

impl RowResult {
    /// Whether a client belongs to the contact by now.
    pub(super) fn is_done(self) -> bool {
        match self {
            Self::Created { .. } | Self::Linked { .. } => true,
            Self::Skipped | Self::ChangedSincePreview { .. } | Self::Failed { .. } => false,
        }
    }

    /// Code and sentence of a row that was reported instead of done.
    fn report(self) -> Option<(String, &'static str)> {
        match self {
            Self::ChangedSincePreview { code } => Some((code_of(&code), code.detail())),
            Self::Failed { code } => Some((code_of(&code), code.detail())),
            Self::Created { .. } | Self::Linked { .. } | Self::Skipped => None,
        }
    }
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
    /// Its name, as the preview showed it.
    pub name: String,
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
    /// Rows that `all_new` would import now: ticked before anybody touches them, and not done. Once it is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all_new: Option<u32>,
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

/// Which rows of a preview are looked at: from a page on, those that hold all words and have the status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Looked<'a> {
    /// Where an earlier answer said to go on.
    pub cursor: Option<&'a str>,
    /// Words that the name or the e-mail address holds, in any case; empty for every row.
    pub words: &'a str,
    /// The status.
    pub status: Option<Status>,
}

/// Most pages of rows that one look goes through for those that fit: ten thousand rows.
const PAGES_A_LOOK: u32 = 50;

/// Rows that fit, as many as an answer holds; it may hold up to a page more, as a page is shown whole.
const ROWS_A_LOOK: usize = 200;

impl Looked<'_> {
    fn fits(&self, words: &[String], row: &Row) -> bool {
        if self.status.is_some_and(|status| status != row.status) {
            return false;
        }
        words.is_empty() || {
            let text = format!("{} {}", row.listed.name, row.listed.email.as_deref().unwrap_or_default()).to_lowercase();
            words.iter().all(|word| text.contains(word))
        }
    }
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
        looked: Looked<'_>,
    ) -> Outcome<PreviewView> {
        let ready = match preview.state {
            PreviewState::Ready | PreviewState::Committing | PreviewState::Done => true,
            PreviewState::Reading | PreviewState::Failed => false,
        };
        let first = page_of(looked.cursor, preview.pages)?;
        let step = Step { engine: self, ctx, ws, preview: id, fence: 0 };
        let words: Vec<String> = looked.words.split_whitespace().map(str::to_lowercase).collect();
        let (mut rows, mut next) = (Vec::new(), first);
        let last = if ready { preview.pages.min(first.saturating_add(PAGES_A_LOOK)) } else { first };
        while next < last && rows.len() < ROWS_A_LOOK {
            let mut fitting = step.rows(next).await?;
            fitting.retain(|row| looked.fits(&words, row));
            if !fitting.is_empty() {
                let done: Option<Results> = self.store.preview_part(ctx, (ws, id), PreviewPart::Done(next)).await?;
                let mut done = done.unwrap_or_default();
                rows.extend(fitting.into_iter().map(|row| {
                    let result = done.remove(&row.listed.external_id);
                    MappedRow::of(row, result)
                }));
            }
            next = next.saturating_add(1);
        }
        Ok(PreviewView {
            id,
            state: preview.state,
            read: preview.read,
            expected: preview.expected,
            vendor_calls: preview.calls,
            expires_at: preview.ends,
            counts: ready.then_some(preview.counts),
            field_mapping: field_mapping(preview.ledger),
            rows: ready.then_some(rows),
            all_new: ready.then(|| preview.untouched.iter().fold(0, |sum: u32, open| sum.saturating_add(*open))),
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
        let tally = commit.tally.plus(commit.begun.unwrap_or_default());
        let mut result = ImportResult {
            preview_id: Some(self.preview),
            created: tally.created,
            linked: tally.linked,
            skipped: tally.skipped,
            ..ImportResult::default()
        };
        let looked_at = commit.done.saturating_add(usize::from(commit.begun.is_some()));
        for page in commit.pages.iter().take(looked_at) {
            let done: Results = self.engine.store.preview_part(self.ctx, self.key(), PreviewPart::Done(*page)).await?.unwrap_or_default();
            let picks = self.picks(&commit.digest, *page).await?;
            let mut reported: Results =
                done.into_iter().filter(|(external_id, outcome)| picks.contains_key(external_id) && outcome.report().is_some()).collect();
            if reported.is_empty() {
                continue;
            }
            for row in self.rows(*page).await? {
                let Some(outcome) = reported.remove(&row.listed.external_id) else { continue };
                let Some((code, detail)) = outcome.report() else { continue };
                let name = Mapped::of(&row.listed).name;
                let report = RowReport { external_id: row.listed.external_id, name, code, detail };
                match outcome {
                    RowResult::ChangedSincePreview { .. } => result.changed_since_preview.push(report),
                    RowResult::Failed { .. } => result.failed.push(report),
                    RowResult::Created { .. } | RowResult::Linked { .. } | RowResult::Skipped => {}
                }
            }
        }
        Ok(Some(result))
    }
}
