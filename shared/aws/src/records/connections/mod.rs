//! Connections, and the generations that keep one organisation's records from another's.

use coportal_core::connection::{Connection, ConnectionStatus, Generation, Organisation};
use coportal_core::ctx::Ctx;
use coportal_core::id::{RunId, WorkspaceId};
use coportal_core::ledger::Ledger;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::granted::Granted;
use super::sync::Saved;
use super::tokens::{self, TokenKey, TokenRow};
use crate::error::StoreError;
use crate::keys;
use crate::store::{Change, Condition, Fields, Item, Kind, Store, Transacted, Versioned, Write, from_item, rev_of};

/// An organisation's number within (workspace, ledger).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct GenerationRecord {
    number: Generation,
    made_at: Timestamp,
    #[serde(default)]
    erased: bool,
    #[serde(default)]
    look_first: bool,
}

/// The number that an organisation has or would get. It counts once the transaction that uses it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draw {
    /// The organisation.
    pub organisation: String,
    /// Its number.
    pub generation: Generation,
    /// The number is new; else the organisation comes back to its links and choices.
    pub fresh: bool,
    /// Creates look before they write (after a restore from back-up).
    pub look_first: bool,
    /// The last number given, as it was read.
    counter: u64,
    /// Revision of the organisation's own record.
    rev: u64,
}

/// What happens to the links of an organisation at disconnect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Links {
    /// Kept: coming back to the organisation comes back to them.
    Keep,
    /// Out of reach for good: the organisation gets a new number when it comes back.
    Erase,
}

/// How a change of a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Connected {
    /// Done.
    Done {
        /// The connection's revision now.
        rev: u64,
    },
    /// The connection, its tokens or the counter were changed since they were read; nothing was done.
    Moved,
}

/// How the marking of a dead grant ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum ReconnectMarked {
    /// The connection says so now.
    Done,
    /// The token set or the consent has moved on: the grant is not proven dead.
    Moved,
    /// A refresh of the same set was sent lately and its outcome is not known: it may have rotated the token.
    Unsettled,
}

pub(crate) fn row_of(item: Item) -> Result<Versioned<Connection>, StoreError> {
    let rev = rev_of(&item);
    Ok(Versioned::new(from_item(Kind::Connection, item)?, rev))
}

impl Store {
    /// The connections of a workspace, one consistent batch of the ledgers' known keys.
    ///
    /// # Errors
    /// When the table does not answer or an item cannot be read.
    pub async fn connections(&self, ctx: &Ctx, ws: WorkspaceId) -> Result<Vec<Versioned<Connection>>, StoreError> {
        let wanted = Ledger::ALL.map(|ledger| keys::connection(ws, ledger));
        self.batch_get(ctx, &wanted).await?.into_iter().flatten().map(row_of).collect()
    }

    /// One connection.
    ///
    /// # Errors
    /// When the table does not answer or the item cannot be read.
    pub async fn connection(&self, ws: WorkspaceId, ledger: Ledger) -> Result<Option<Versioned<Connection>>, StoreError> {
        self.get(&keys::connection(ws, ledger)).await?.map(row_of).transpose()
    }

    /// The number that an organisation has, or the next one: never given twice within (workspace, ledger). Tokens are sealed for it before
    /// [`Store::connect`] makes it count.
    ///
    /// # Errors
    /// When the table does not answer or an item cannot be read.
    pub async fn draw_generation(&self, ctx: &Ctx, ws: WorkspaceId, ledger: Ledger, organisation: &str) -> Result<Draw, StoreError> {
        let wanted = [keys::generation_counter(ws, ledger), keys::generation(ws, ledger, organisation)];
        let mut found = self.batch_get(ctx, &wanted).await?.into_iter();
        let counter = found.next().flatten().and_then(|item| item.get("last").and_then(|last| last.as_n().ok()?.parse::<u64>().ok()));
        let counter = counter.unwrap_or_default();
        let own = found.next().flatten();
        let rev = own.as_ref().map(rev_of).unwrap_or_default();
        let own: Option<GenerationRecord> = own.map(|item| from_item(Kind::Generation, item)).transpose()?;
        let look_first = own.as_ref().is_some_and(|own| own.look_first);
        let kept = own.filter(|own| !own.erased);
        Ok(Draw {
            organisation: organisation.to_owned(),
            generation: kept.as_ref().map_or(Generation(counter.saturating_add(1)), |own| own.number),
            fresh: kept.is_none(),
            look_first,
            counter,
            rev,
        })
    }

    /// Connects: the connection as given, its tokens, the organisation's number and its use, in one transaction. A consent to several
    /// organisations is first kept by [`Store::offer`], with generation 0 and tokens sealed for a pending organisation; choosing one is
    /// this call, with tokens sealed anew. Tokens and use of what `before` was connected to go.
    ///
    /// # Errors
    /// When the table does not answer; the same call may then be made again after reading.
    pub async fn connect(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        before: Option<&Versioned<Connection>>,
        connection: &Connection,
        tokens: &TokenRow,
        draw: Option<&Draw>,
    ) -> Result<Connected, StoreError> {
        self.connect_with(ctx, ws, before, connection, tokens, draw, None).await
    }

    /// Keeps a consent to several organisations until one is chosen: the connection as given, its tokens, and the organisations to choose
    /// from, in one transaction. Of two consents at once the list belongs to the one whose tokens are stored.
    ///
    /// # Errors
    /// As [`Store::connect`].
    pub async fn offer(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        before: Option<&Versioned<Connection>>,
        connection: &Connection,
        tokens: &TokenRow,
        granted: &Granted,
    ) -> Result<Connected, StoreError> {
        self.connect_with(ctx, ws, before, connection, tokens, None, Some(granted)).await
    }

    #[expect(clippy::too_many_arguments, reason = "each is one part of the transaction")]
    async fn connect_with(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        before: Option<&Versioned<Connection>>,
        connection: &Connection,
        tokens: &TokenRow,
        draw: Option<&Draw>,
        granted: Option<&Granted>,
    ) -> Result<Connected, StoreError> {
        let ledger = connection.ledger;
        let read_rev = before.map_or(0, |before| before.rev);
        let token_key = TokenKey { ws, ledger, generation: connection.generation };
        let mut changes = vec![
            Change::update(keys::connection(ws, ledger), connection_fields(ws, connection)?).when(Condition::rev(read_rev)),
            Change::update(token_key.key(), tokens::fields(&token_key, tokens, ctx.now())?),
        ];
        if let Some(granted) = granted {
            changes.push(granted.change(ws, ledger)?);
        }
        if let Some(draw) = draw {
            changes.extend(self.number(ctx, ws, ledger, draw)?);
        }
        if let Some(organisation) = &connection.organisation {
            let fields = Fields::empty(Kind::OrganisationUse)
                .text("ws", ws)
                .text("connection", connection.id)
                .optional("link_id", organisation.link_id.clone().map(crate::store::string));
            changes.push(Change::update(keys::organisation_use(ledger, &organisation.id, ws), fields));
        }
        if let Some(before) = before.map(|before| &before.value) {
            if before.generation != connection.generation {
                changes.push(Change::delete(TokenKey { ws, ledger, generation: before.generation }.key()));
            }
            let now = connection.organisation.as_ref().map(|organisation| &organisation.id);
            if let Some(old) = before.organisation.as_ref().filter(|old| Some(&old.id) != now) {
                changes.push(Change::delete(keys::organisation_use(ledger, &old.id, ws)));
            }
        }
        Ok(match self.transact(ctx, changes).await? {
            Transacted::Done => Connected::Done { rev: read_rev.saturating_add(1) },
            Transacted::Refused(_) => Connected::Moved,
        })
    }

    /// The changes that make a drawn number count. The counter moves on only if it is as it was read: a number is never given twice.
    fn number(&self, ctx: &Ctx, ws: WorkspaceId, ledger: Ledger, draw: &Draw) -> Result<Vec<Change>, StoreError> {
        let own = keys::generation(ws, ledger, &draw.organisation);
        if !draw.fresh {
            return Ok(vec![Change::check(own, Condition::rev(draw.rev))]);
        }
        let record = GenerationRecord { number: draw.generation, made_at: ctx.now(), erased: false, look_first: draw.look_first };
        let last = Condition::new("#last = :last").number(":last", draw.counter);
        let unmoved = if draw.counter == 0 { Condition::absent() } else { last };
        let counter = Fields::empty(Kind::GenerationCounter).number("last", draw.generation);
        Ok(vec![
            Change::update(own, Fields::of(Kind::Generation, &record)?).when(Condition::rev(draw.rev)),
            Change::update(keys::generation_counter(ws, ledger), counter).when(unmoved),
        ])
    }

    /// Disconnects: the connection as given (status and all), its tokens and its use of the organisation gone, its links kept or put out
    /// of reach, in one transaction.
    ///
    /// # Errors
    /// When the table does not answer; the same call may then be made again after reading.
    pub async fn disconnect(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        before: &Versioned<Connection>,
        links: Links,
    ) -> Result<Connected, StoreError> {
        let ledger = before.value.ledger;
        let connection = Connection { status: ConnectionStatus::Disconnected, reconnect_reason: None, ..before.value.clone() };
        let mut changes = vec![
            Change::update(keys::connection(ws, ledger), connection_fields(ws, &connection)?).when(Condition::rev(before.rev)),
            Change::delete(TokenKey { ws, ledger, generation: before.value.generation }.key()),
        ];
        if let Some(Organisation { id, .. }) = &before.value.organisation {
            changes.push(Change::delete(keys::organisation_use(ledger, id, ws)));
            if links == Links::Erase {
                let erased = Fields::empty(Kind::Generation).set("erased", aws_sdk_dynamodb::types::AttributeValue::Bool(true));
                let own = keys::generation(ws, ledger, id);
                let number = Condition::new("#number = :number").number(":number", before.value.generation);
                changes.push(Change::update(own, erased).when(number));
            }
        }
        Ok(match self.transact(ctx, changes).await? {
            Transacted::Done => Connected::Done { rev: before.rev.saturating_add(1) },
            Transacted::Refused(_) => Connected::Moved,
        })
    }

    /// Writes a connection that was read at `read_rev`: options, health. Organisation and tokens change by [`Store::connect`] only.
    ///
    /// # Errors
    /// When the table does not answer; the write may then have been done.
    pub async fn save_connection(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        connection: &Connection,
        read_rev: u64,
    ) -> Result<Saved<Connection>, StoreError> {
        let fields = connection_fields(ws, connection)?;
        let change = Change::update(keys::connection(ws, connection.ledger), fields).when(Condition::rev(read_rev));
        Ok(match self.write(ctx, change).await? {
            Write::Done { rev } => Saved::Done { rev },
            Write::Refused { old } => Saved::Moved(Box::new(old.map(row_of).transpose()?.unwrap_or(Versioned::new(connection.clone(), 0)))),
        })
    }

    /// Says that a connection's grant is dead, with the reason for its card.
    ///
    /// Condition: token set `token_gen` and consent `grant` are unmoved, and no refresh from that set by another run than `proven_by` was
    /// sent in the last 15 minutes without an outcome.
    ///
    /// # Errors
    /// When the table does not answer or an item cannot be read.
    pub async fn mark_reconnect_required(
        &self,
        ctx: &Ctx,
        key: TokenKey,
        token_gen: u64,
        grant: u64,
        proven_by: Option<RunId>,
        reason: &str,
    ) -> Result<ReconnectMarked, StoreError> {
        let Some(tokens) = self.tokens(key).await? else {
            return Ok(ReconnectMarked::Moved);
        };
        if tokens.value.token_gen != token_gen || tokens.value.grant != grant {
            return Ok(ReconnectMarked::Moved);
        }
        if tokens.value.has_unsettled_refresh(ctx.now(), proven_by) {
            return Ok(ReconnectMarked::Unsettled);
        }
        let fields =
            Fields::empty(Kind::Connection).value("status", &ConnectionStatus::ReconnectRequired)?.text("reconnect_reason", reason);
        let same = Condition::new("#grant = :grant AND #generation = :generation AND #status <> :disconnected")
            .number(":grant", grant)
            .number(":generation", key.generation)
            .text(":disconnected", "disconnected");
        let changes = vec![
            Change::update(keys::connection(key.ws, key.ledger), fields).when(same),
            Change::check(key.key(), Condition::rev(tokens.rev)),
        ];
        Ok(match self.transact(ctx, changes).await? {
            Transacted::Done => ReconnectMarked::Done,
            Transacted::Refused(_) => ReconnectMarked::Moved,
        })
    }

    /// The other workspaces that use an organisation. Where there is none, a disconnect may cut the vendor's own link.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn other_users_of(&self, ledger: Ledger, organisation: &str, ws: WorkspaceId) -> Result<Vec<WorkspaceId>, StoreError> {
        let users = self.users_of(ledger, organisation).await?;
        Ok(users.into_iter().filter(|user| *user != ws).collect())
    }

    /// All workspaces that use an organisation.
    ///
    /// # Errors
    /// When the table does not answer.
    pub(crate) async fn users_of(&self, ledger: Ledger, organisation: &str) -> Result<Vec<WorkspaceId>, StoreError> {
        let items = self.query_all(&keys::organisation_uses_pk(ledger, organisation), "").await?;
        Ok(items.iter().filter_map(|item| crate::store::key_of(item)?.1.parse().ok()).collect())
    }
}

fn connection_fields(ws: WorkspaceId, connection: &Connection) -> Result<Fields, StoreError> {
    Ok(Fields::of(Kind::Connection, connection)?.text("ws", ws))
}

#[cfg(test)]
mod tests;
