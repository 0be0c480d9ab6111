//! Reading a ledger's list, and comparing it with the workspace's clients.

use std::collections::HashMap;

use coportal_aws::keys::PreviewPart;
use coportal_aws::records::previews::PAGE_ROWS;
use coportal_core::import::{Action, Classifier, Counts, Known, KnownClient, Listed, Pick, Row};
use coportal_core::job::NextStep;
use coportal_core::money::Currency;
use coportal_core::problem::{Outcome, Problem, ProblemKind};
use coportal_ledgers::ContactPage;

use super::books::{Books, Stop, address_key, listed};
use super::commit::Picked;
use super::view::{Results, RowResult};
use super::{MOST_CONTACTS, Preview, PreviewState, Step};

impl Step<'_> {
    /// Reads pages of the vendor's, as many at once as its concurrency limit and its list allow, and keeps them.
    pub(super) async fn read_pages(&self, preview: &mut Preview) -> Outcome<NextStep> {
        let mut books = Books::open(*self, preview).await?;
        let window = if preview.calls == 0 { vec![None] } else { books.window(preview.next.iter()) };
        let (pages, stop) = books.pages(&window).await;
        books.close().await;
        let some = !pages.is_empty();
        for page in pages {
            self.keep(preview, page).await?;
        }
        match stop {
            None => Ok(NextStep::Now),
            Some(Stop::Until(until)) => Ok(NextStep::At(until)),
            // What was read is kept; the next step meets the same problem, or does not.
            Some(Stop::Problem(_)) if some => Ok(NextStep::Now),
            Some(Stop::Problem(problem)) => Err(problem),
        }
    }

    /// Keeps one page of the vendor's, whatever its size.
    async fn keep(&self, preview: &mut Preview, page: ContactPage) -> Outcome<()> {
        preview.calls = preview.calls.saturating_add(1);
        preview.read = preview.read.saturating_add(u32::try_from(page.contacts.len()).unwrap_or(u32::MAX));
        preview.expected = page.expected.or(preview.expected);
        if preview.read.max(preview.expected.unwrap_or_default()) > MOST_CONTACTS {
            return Err(too_many(preview));
        }
        let mut contacts = page.contacts.into_iter().map(listed).peekable();
        while contacts.peek().is_some() {
            let part: Vec<Listed> = contacts.by_ref().take(PAGE_ROWS).collect();
            self.put(preview, PreviewPart::Read(preview.read_pages), &part).await?;
            preview.read_pages = preview.read_pages.saturating_add(1);
        }
        preview.list_read = page.next.is_none();
        preview.next = page.next.into_iter().chain(page.ahead).collect();
        Ok(())
    }

    /// Compares what was read with clients, addresses and links, and writes down the rows.
    pub(super) async fn classify(&self, preview: &mut Preview) -> Outcome<NextStep> {
        let form = match self.engine.ledgers.get(preview.ledger) {
            Some(api) => api.rules.contact_mark,
            None => return Err(Problem::internal_error("a preview of a ledger that this build lacks")),
        };
        let known = self.known(preview).await?;
        let mut classifier = Classifier::new(&known, form, self.base_currency(preview).await?);
        let key = address_key(self.ws);
        let (mut rows, mut counts, mut pages): (Vec<Row>, Counts, u32) = (Vec::with_capacity(PAGE_ROWS), Counts::default(), 0);
        preview.untouched.clear();
        for page in 0..preview.read_pages {
            let part: Option<Vec<Listed>> = self.engine.store.preview_part(self.ctx, self.key(), PreviewPart::Read(page)).await?;
            for listed in part.ok_or_else(|| Problem::internal_error("a page that was read is missing"))? {
                let Some(row) = classifier.row(listed, &key) else { continue };
                counts = counts.with(row.status);
                rows.push(row);
                if rows.len() == PAGE_ROWS {
                    preview.untouched.push(untouched(&rows, &Results::new()));
                    self.put(preview, PreviewPart::Rows(pages), &rows).await?;
                    pages = pages.saturating_add(1);
                    rows.clear();
                }
            }
        }
        if !rows.is_empty() {
            preview.untouched.push(untouched(&rows, &Results::new()));
            self.put(preview, PreviewPart::Rows(pages), &rows).await?;
            pages = pages.saturating_add(1);
        }
        preview.counts = counts;
        preview.pages = pages;
        preview.state = PreviewState::Ready;
        if !preview.import_all {
            return Ok(NextStep::Rest);
        }
        let picked = self.everything_new(preview).await?;
        self.begin_commit(preview, &picked).await?;
        Ok(NextStep::Now)
    }

    /// What is ticked before anybody touches a preview (C14).
    pub(super) async fn everything_new(&self, preview: &Preview) -> Outcome<Picked> {
        let mut picked = Picked { left: preview.counts.total(), ..Picked::default() };
        for page in 0..preview.pages {
            let ticked = self.rows(page).await?.into_iter().filter(Row::is_ticked);
            let picks: Vec<_> = ticked.map(|row| (row.listed.external_id, Pick { action: Action::Create, client: None })).collect();
            if !picks.is_empty() {
                picked.left = picked.left.saturating_sub(u32::try_from(picks.len()).unwrap_or(u32::MAX));
                picked.pages.insert(page, picks.into_iter().collect());
            }
        }
        Ok(picked)
    }

    /// The currency of the organisation's books; where that was never read, the workspace's own.
    async fn base_currency(&self, preview: &Preview) -> Outcome<Currency> {
        let store = &self.engine.store;
        if let Some(facts) = store.facts(self.ws, preview.ledger, preview.generation).await? {
            return Ok(facts.base_currency);
        }
        Ok(store.workspace(self.ws).await?.ok_or_else(|| Problem::not_found("workspace"))?.currency)
    }

    /// What the workspace knows: three partitions, read to their ends.
    async fn known(&self, preview: &Preview) -> Outcome<Known> {
        let store = &self.engine.store;
        let clients = store.client_ids(self.ws).await?;
        let mut known = Known {
            clients: clients.into_iter().map(|(client, archived)| (client, KnownClient { archived, contacts_gone: 0 })).collect(),
            links: HashMap::new(),
            owners: store.all_email_owners(self.ws).await?.into_iter().collect(),
        };
        for (client, row) in store.contact_rows(self.ws, preview.ledger, preview.generation).await? {
            if let Some(about) = known.clients.get_mut(&client) {
                about.contacts_gone = about.contacts_gone.max(row.remote_generation);
            }
            if let Some(link) = row.link {
                known.links.insert(link.external_id, client);
            }
        }
        Ok(known)
    }
}

/// How many rows of a page are ticked before anybody touches them, and nothing has become of them yet.
pub(super) fn untouched(rows: &[Row], results: &Results) -> u32 {
    let is_open = |row: &&Row| row.is_ticked() && matches!(results.get(&row.listed.external_id), None | Some(RowResult::Skipped));
    u32::try_from(rows.iter().filter(is_open).count()).unwrap_or(u32::MAX)
}

fn too_many(preview: &Preview) -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "too_many_contacts",
        format!("{} has more than {MOST_CONTACTS} contacts; so many cannot be previewed at once.", preview.ledger.label()),
    )
    .fix("Archive contacts that are no longer used, or ask support to import them.", "CoPortal support", false)
}
