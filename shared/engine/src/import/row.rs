//! One row of a commit: decided on what is known when it is its turn, and written in one transaction.

use coportal_aws::records::contacts::{ContactClaim, ContactKey, ContactStored};
use coportal_aws::records::imports::{ContactOf, Imported, NewImport, Surroundings};
use coportal_core::client::Client;
use coportal_core::contact::ContactLink;
use coportal_core::id::ClientId;
use coportal_core::import::{Decision, Failed, Fresh, Now, Pick, Row, client_of, decide};
use coportal_core::problem::{Outcome, Problem, ProblemKind};
use coportal_core::sync::matching::contact_changes;
use coportal_core::sync::row::ContactRow;

use super::books::{Books, contact};
use super::view::RowResult;
use super::{Preview, Step};

/// How often a row is decided anew because somebody else was at its contact or its address.
const ROUNDS: usize = 8;

/// The addresses of a row's contact, its own first.
pub(super) fn emails_of(row: &Row) -> Vec<&str> {
    row.listed.emails().filter(|email| !email.trim().is_empty()).collect()
}

impl Step<'_> {
    /// What stands around some rows.
    pub(super) async fn around<'r>(
        &self,
        preview: &Preview,
        rows: impl Iterator<Item = (&'r Row, &'r Vec<&'r str>)>,
    ) -> Outcome<Vec<Surroundings>> {
        let contacts: Vec<ContactOf<'_>> = rows.map(|(row, emails)| ContactOf { external_id: &row.listed.external_id, emails }).collect();
        Ok(self.engine.store.surroundings(self.ctx, self.ws, preview.ledger, &preview.organisation, &contacts).await?)
    }

    /// Does one row.
    #[expect(clippy::too_many_arguments, reason = "each is one fact of the row")]
    pub(super) async fn import_row(
        &self,
        preview: &Preview,
        books: &Books<'_>,
        row: &Row,
        pick: Pick,
        emails: &Vec<&str>,
        around: Surroundings,
        fresh: Option<&Fresh>,
    ) -> Outcome<RowResult> {
        let own = client_of(self.preview, &row.listed.external_id);
        let mut around = around;
        for _ in 0..ROUNDS {
            let mut address_owners: Vec<ClientId> =
                around.addresses.iter().flat_map(|owners| &owners.value).map(|owner| owner.cl).collect();
            address_owners.sort_unstable();
            address_owners.dedup();
            let now = Now { owner: around.owner, own, fresh, address_owners: &address_owners };
            let done = match decide(row, pick, now) {
                Decision::Skip => Some(RowResult::Skipped),
                Decision::AlreadyCreated(client_id) => Some(RowResult::Created { client_id }),
                Decision::AlreadyLinked(client_id) => Some(RowResult::Linked { client_id }),
                Decision::Changed(code) => Some(RowResult::ChangedSincePreview { code }),
                Decision::Fail(code) => Some(RowResult::Failed { code }),
                Decision::Create(client) => self.create(preview, books, row, &client, &around).await?,
                Decision::Link(client) => self.link(preview, books, row, client).await?,
            };
            if let Some(done) = done {
                return Ok(done);
            }
            let again = self.around(preview, std::iter::once((row, emails))).await?;
            around = again.into_iter().next().unwrap_or_default();
        }
        Err(Problem::new(ProblemKind::Unavailable, "contended", "Others keep changing what this row rests on.").fix(
            "Import the row again in a minute.",
            "the preview",
            true,
        ))
    }

    fn contact_key(&self, preview: &Preview, books: &Books<'_>, row: &Row, client: ClientId) -> ContactKey {
        ContactKey {
            ws: self.ws,
            client,
            ledger: preview.ledger,
            generation: preview.generation,
            // The key that a sync of an invoice in the contact's currency looks under; without one of its own it has the books' currency.
            currency: books.api.rules.contact_has_currency.then_some(row.listed.currency.unwrap_or(books.base_currency)),
        }
    }

    /// The link as a sync makes it: with the client's digest where there is nothing that the contact lacks.
    fn linked(&self, books: &Books<'_>, row: &Row, client: &Client, before: ContactRow) -> ContactRow {
        let lacks = contact_changes(client, &contact(&row.listed), books.connection.options.contact_update);
        let hash = if lacks.is_empty() { client.contact_hash() } else { String::new() };
        let link = ContactLink { external_id: row.listed.external_id.clone(), hash, linked_at: self.ctx.now() };
        ContactRow { link: Some(link), ..before }
    }

    /// Makes a client of the contact; `None` when what the decision rested on has moved.
    async fn create(
        &self,
        preview: &Preview,
        books: &Books<'_>,
        row: &Row,
        client: &Client,
        around: &Surroundings,
    ) -> Outcome<Option<RowResult>> {
        let Some(address) = around.addresses.first() else { return Ok(Some(RowResult::Failed { code: Failed::NoEmail })) };
        let link = self.linked(books, row, client, ContactRow::default());
        let new = NewImport {
            client,
            address,
            key: self.contact_key(preview, books, row, client.id),
            row: &link,
            contact: ContactClaim { organisation: &preview.organisation, external_id: &row.listed.external_id, shared: false },
        };
        Ok(match self.engine.store.import_client(self.ctx, self.ws, new).await? {
            Imported::Done => Some(RowResult::Created { client_id: client.id }),
            // Made before, and its link erased since: it gets its link back.
            Imported::ClientThere => self.link(preview, books, row, client.id).await?,
            Imported::AddressMoved | Imported::ContactOwned(_) => None,
        })
    }

    /// Links a client that is there; `None` when what the decision rested on has moved.
    async fn link(&self, preview: &Preview, books: &Books<'_>, row: &Row, client: ClientId) -> Outcome<Option<RowResult>> {
        let Some(found) = self.engine.store.client(self.ws, client).await? else {
            return Ok(Some(RowResult::Failed { code: Failed::NoClient }));
        };
        let key = self.contact_key(preview, books, row, client);
        let before = self.engine.store.contact_row(key).await?;
        if before.value.link.as_ref().is_some_and(|link| link.external_id != row.listed.external_id) {
            return Ok(Some(RowResult::Failed { code: Failed::ClientLinked }));
        }
        if before.value.intent.is_some() || before.value.lease.is_some_and(|lease| lease.is_live(self.ctx.now())) {
            return Ok(Some(RowResult::Failed { code: Failed::SyncUnderWay }));
        }
        let link = self.linked(books, row, &found.value, before.value);
        let claim = ContactClaim { organisation: &preview.organisation, external_id: &row.listed.external_id, shared: false };
        Ok(match self.engine.store.link_contact(self.ctx, key, &link, before.rev, claim).await? {
            ContactStored::Done => Some(RowResult::Linked { client_id: client }),
            ContactStored::NotMine(_) | ContactStored::OwnedByOther { .. } => None,
        })
    }
}
