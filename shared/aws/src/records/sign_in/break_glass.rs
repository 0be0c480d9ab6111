//! Break-glass codes: the named owner's way in when the identity provider is down.

use coportal_core::ctx::Ctx;
use coportal_core::id::{UserId, WorkspaceId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::connections::Saved;
use crate::error::StoreError;
use crate::keys;
use crate::store::{Change, Condition, Fields, Kind, Store, Write, from_item};

/// A code, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakGlassCode {
    /// Its number in the set, from 1.
    pub number: u8,
    /// The workspace that it opens.
    pub ws: WorkspaceId,
    /// Its hash.
    pub hash: String,
    /// When the set was issued.
    pub issued_at: Timestamp,
    /// When it was used.
    #[serde(default)]
    pub used_at: Option<Timestamp>,
}

impl Store {
    /// A person's codes, of all workspaces.
    ///
    /// # Errors
    /// When the table does not answer or an item cannot be read.
    pub async fn break_glass_codes(&self, user: &UserId) -> Result<Vec<BreakGlassCode>, StoreError> {
        let items = self.query_all(&keys::user(user).pk, keys::BREAK_GLASS_PREFIX).await?;
        items.into_iter().map(|item| from_item(Kind::BreakGlass, item)).collect()
    }

    /// Replaces a person's codes by a fresh set: the numbers are the same, so no old code is left.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn put_break_glass(&self, ctx: &Ctx, user: &UserId, codes: &[BreakGlassCode]) -> Result<Saved, StoreError> {
        let changes = codes.iter().map(|code| Ok(Change::put(keys::break_glass(user, code.number), Fields::of(Kind::BreakGlass, code)?)));
        Ok(Saved::of(&self.transact(ctx, changes.collect::<Result<_, StoreError>>()?).await?))
    }

    /// Uses a code. `false` when somebody else was first, or the set was replaced.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn use_break_glass(&self, ctx: &Ctx, user: &UserId, code: &BreakGlassCode) -> Result<bool, StoreError> {
        let fields = Fields::empty(Kind::BreakGlass).value("used_at", &ctx.now())?;
        let unused = Condition::new("#hash = :hash AND attribute_not_exists(#used_at)").text(":hash", &code.hash);
        match self.write(ctx, Change::update(keys::break_glass(user, code.number), fields).when(unused)).await? {
            Write::Done { .. } => Ok(true),
            Write::Refused { .. } => Ok(false),
        }
    }
}
