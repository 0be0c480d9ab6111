//! Conditional writes and transactions that recognise their own earlier attempt.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    CancellationReason, ConditionCheck, Delete, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use coportal_core::ctx::Ctx;
use jiff::Timestamp;

use super::change::{Expressed, What, key_item, whole_item};
use super::condition::names;
use super::read::rev_of;
use super::{Change, Item, MAX_ROUNDS, Store, number, string};
use crate::error::{StoreError, is_transient};
use crate::keys::{Key, PK};

/// How a conditional write ended.
#[derive(Debug, Clone)]
#[must_use]
pub enum Write {
    /// It is done, by this attempt or by one whose answer was lost.
    Done {
        /// The item's revision now; 0 after a deletion.
        rev: u64,
    },
    /// Its condition failed, and nothing was changed.
    Refused {
        /// The item as it stands, if there is one.
        old: Option<Item>,
    },
}

/// Why one change of a transaction kept all of them from happening.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The item as it stands, if there is one.
    pub old: Option<Item>,
}

/// How a transaction ended.
#[derive(Debug, Clone)]
#[must_use]
pub enum Transacted {
    /// All changes are done.
    Done,
    /// None is; per change, in their order, whether its condition failed.
    Refused(Vec<Option<Refusal>>),
}

impl Transacted {
    /// The item that stood in the way of change `index`: `Some(None)` when the condition failed on an absent item.
    #[must_use]
    pub fn refusal(&self, index: usize) -> Option<Option<&Item>> {
        match self {
            Self::Done => None,
            Self::Refused(refusals) => refusals.get(index)?.as_ref().map(|refusal| refusal.old.as_ref()),
        }
    }
}

/// The three single-item writes name the exception of a failed condition each in their own error type.
trait OfCondition {
    /// `Some` when the condition failed; within, the item as it stands.
    fn old_item(&self) -> Option<Option<Item>>;
}

macro_rules! of_condition {
    ($($error:ident),*) => {$(
        impl OfCondition for $error {
            fn old_item(&self) -> Option<Option<Item>> {
                if let Self::ConditionalCheckFailedException(failed) = self { Some(failed.item.clone()) } else { None }
            }
        }
    )*};
}

of_condition!(UpdateItemError, PutItemError, DeleteItemError);

fn condition_failed<E: OfCondition, R>(error: &SdkError<E, R>) -> Option<Option<Item>> {
    error.as_service_error().and_then(OfCondition::old_item)
}

/// A condition failed on an item that carries our own write id: an earlier attempt of this same write landed and its answer was lost.
fn is_ours(old: Option<&Item>, wid: &str) -> bool {
    old.and_then(|item| item.get("wid")).and_then(|value| value.as_s().ok()).is_some_and(|found| found == wid)
}

fn refused(operation: &'static str, old: Option<Item>, wid: &str) -> Write {
    if is_ours(old.as_ref(), wid) {
        tracing::debug!(operation, "an earlier attempt of this write had landed");
        return Write::Done { rev: old.as_ref().map(rev_of).unwrap_or_default() };
    }
    Write::Refused { old }
}

impl Store {
    /// Makes one change. A failed condition is an outcome, not an error.
    ///
    /// # Errors
    /// When the table does not answer (the change may have been made) or refuses the request itself. A check alone is refused: it belongs
    /// into a transaction.
    pub async fn write(&self, ctx: &Ctx, change: Change) -> Result<Write, StoreError> {
        let wid = write_id(ctx);
        let now = ctx.now();
        match change.what {
            What::Update(_) => self.update(change.express(&wid, now), &wid).await,
            What::Put(_) => self.put(change, &wid, now).await,
            What::Delete => self.delete(change.express(&wid, now)).await,
            What::Check => Err(StoreError::Defect { operation: "ConditionCheck", cause: "only in a transaction".to_owned() }),
        }
    }

    /// Draws the next value of a counter on an item, beginning with 1: each value is given once, and one whose answer is lost is skipped.
    ///
    /// # Errors
    /// When the table does not answer, or the item is not there.
    pub async fn draw(&self, ctx: &Ctx, key: &Key, counter: &'static str) -> Result<u64, StoreError> {
        const OPERATION: &str = "UpdateItem";
        let answer = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key_item(key)))
            .update_expression("SET #c = if_not_exists(#c, :one) + :one, #w = :wid, #u = :now ADD #r :one")
            .condition_expression("attribute_exists(#p)")
            .expression_attribute_names("#c", counter)
            .expression_attribute_names("#w", "wid")
            .expression_attribute_names("#u", "updated_at")
            .expression_attribute_names("#r", "rev")
            .expression_attribute_names("#p", PK)
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":wid", string(write_id(ctx)))
            .expression_attribute_values(":now", string(format!("{:.3}", ctx.now())))
            .return_values(ReturnValue::UpdatedNew)
            .send()
            .await
            .map_err(|error| StoreError::of(OPERATION, &error))?;
        let next = answer.attributes.as_ref().and_then(|item| item.get(counter)?.as_n().ok()?.parse::<u64>().ok());
        next.map(|next| next.saturating_sub(1)).ok_or_else(|| StoreError::corrupt("a counter", "no number came back"))
    }

    async fn update(&self, request: Expressed, wid: &str) -> Result<Write, StoreError> {
        // Every attribute that was written would come back, for the sake of one number.
        let asked = if request.rev.is_some() { ReturnValue::None } else { ReturnValue::UpdatedNew };
        let sent = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(request.key))
            .set_update_expression(request.update)
            .set_condition_expression(request.condition)
            .set_expression_attribute_names(request.names)
            .set_expression_attribute_values(request.values)
            .return_values(asked)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match sent {
            Ok(answer) => Ok(Write::Done { rev: request.rev.or(answer.attributes.as_ref().map(rev_of)).unwrap_or_default() }),
            Err(error) => match condition_failed(&error) {
                Some(old) => Ok(refused("UpdateItem", old, wid)),
                None => Err(StoreError::of("UpdateItem", &error)),
            },
        }
    }

    async fn put(&self, change: Change, wid: &str, now: Timestamp) -> Result<Write, StoreError> {
        let request = PutRequest::of(change, wid, now);
        let sent = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(request.item))
            .set_condition_expression(request.condition)
            .set_expression_attribute_names(request.names)
            .set_expression_attribute_values(request.values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(Write::Done { rev: 1 }),
            Err(error) => match condition_failed(&error) {
                Some(old) => Ok(refused("PutItem", old, wid)),
                None => Err(StoreError::of("PutItem", &error)),
            },
        }
    }

    /// A deletion leaves nothing that could carry a write id: after a lost answer the item is simply gone, and a condition on its being
    /// there fails. Callers that must tell apart "gone before" and "gone by us" delete in a transaction.
    async fn delete(&self, request: Expressed) -> Result<Write, StoreError> {
        let sent = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(request.key))
            .set_condition_expression(request.condition)
            .set_expression_attribute_names(request.names)
            .set_expression_attribute_values(request.values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(Write::Done { rev: 0 }),
            Err(error) => match condition_failed(&error) {
                Some(old) => Ok(Write::Refused { old }),
                None => Err(StoreError::of("DeleteItem", &error)),
            },
        }
    }

    /// Makes all changes or none. Conflicts with other writers and throttling are tried again with the same token, so that one of the
    /// attempts counts at most.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when conflicts do not end (nothing was done); otherwise as [`Store::write`].
    pub async fn transact(&self, ctx: &Ctx, changes: Vec<Change>) -> Result<Transacted, StoreError> {
        const OPERATION: &str = "TransactWriteItems";
        let wid = write_id(ctx);
        let now = ctx.now();
        let items = changes.into_iter().map(|change| self.part(change, &wid, now)).collect::<Result<Vec<_>, _>>()?;
        for round in 0..MAX_ROUNDS {
            if round > 0 {
                self.back_off(ctx, round).await;
            }
            let sent = self.client.transact_write_items().set_transact_items(Some(items.clone())).client_request_token(&wid).send().await;
            match sent {
                Ok(_) => return Ok(Transacted::Done),
                Err(SdkError::ServiceError(refusal)) if is_to_be_repeated(refusal.err()) => {}
                Err(SdkError::ServiceError(refusal)) if refusal.err().is_transaction_canceled_exception() => {
                    let TransactWriteItemsError::TransactionCanceledException(cancelled) = refusal.into_err() else {
                        return Err(StoreError::Defect { operation: OPERATION, cause: "unreadable cancellation".to_owned() });
                    };
                    return cancellation(cancelled.cancellation_reasons.unwrap_or_default(), &wid);
                }
                Err(error) => return Err(StoreError::of(OPERATION, &error)),
            }
        }
        Err(StoreError::Conflict { operation: OPERATION })
    }

    fn part(&self, change: Change, wid: &str, now: Timestamp) -> Result<TransactWriteItem, StoreError> {
        let defect = |_| StoreError::Defect { operation: "TransactWriteItems", cause: "an incomplete change".to_owned() };
        let old = ReturnValuesOnConditionCheckFailure::AllOld;
        let part = TransactWriteItem::builder();
        let part = match change.what {
            What::Put(_) => {
                let request = PutRequest::of(change, wid, now);
                let put = Put::builder()
                    .table_name(&self.table)
                    .set_item(Some(request.item))
                    .set_condition_expression(request.condition)
                    .set_expression_attribute_names(request.names)
                    .set_expression_attribute_values(request.values)
                    .return_values_on_condition_check_failure(old);
                part.put(put.build().map_err(defect)?)
            }
            What::Update(_) => {
                let request = change.express(wid, now);
                let update = Update::builder()
                    .table_name(&self.table)
                    .set_key(Some(request.key))
                    .set_update_expression(request.update)
                    .set_condition_expression(request.condition)
                    .set_expression_attribute_names(request.names)
                    .set_expression_attribute_values(request.values)
                    .return_values_on_condition_check_failure(old);
                part.update(update.build().map_err(defect)?)
            }
            What::Delete => {
                let request = change.express(wid, now);
                let delete = Delete::builder()
                    .table_name(&self.table)
                    .set_key(Some(request.key))
                    .set_condition_expression(request.condition)
                    .set_expression_attribute_names(request.names)
                    .set_expression_attribute_values(request.values)
                    .return_values_on_condition_check_failure(old);
                part.delete(delete.build().map_err(defect)?)
            }
            What::Check => {
                let request = change.express(wid, now);
                let check = ConditionCheck::builder()
                    .table_name(&self.table)
                    .set_key(Some(request.key))
                    .set_condition_expression(request.condition)
                    .set_expression_attribute_names(request.names)
                    .set_expression_attribute_values(request.values)
                    .return_values_on_condition_check_failure(old);
                part.condition_check(check.build().map_err(defect)?)
            }
        };
        Ok(part.build())
    }
}

struct PutRequest {
    item: Item,
    condition: Option<String>,
    names: Option<std::collections::HashMap<String, String>>,
    values: Option<Item>,
}

impl PutRequest {
    fn of(change: Change, wid: &str, now: Timestamp) -> Self {
        let conditional = !change.condition.is_none();
        let (condition, values) = change.condition.into_parts();
        let mut used = std::collections::HashMap::new();
        names(&condition, &mut used);
        let item = match change.what {
            What::Put(fields) | What::Update(fields) => whole_item(&change.key, fields, wid, now),
            What::Delete | What::Check => Item::new(),
        };
        Self {
            item,
            condition: conditional.then_some(condition),
            names: (!used.is_empty()).then_some(used),
            values: (!values.is_empty()).then_some(values),
        }
    }
}

/// 128 bits of chance: names one write, and is the token of one transaction (at most 36 characters).
fn write_id(ctx: &Ctx) -> String {
    hex::encode(ctx.random_bytes::<16>())
}

/// Nothing was done, and the same transaction may be sent again: no condition failed, only others were in the way.
fn is_to_be_repeated(error: &TransactWriteItemsError) -> bool {
    if let TransactWriteItemsError::TransactionCanceledException(cancelled) = error {
        let codes = || cancelled.cancellation_reasons().iter().filter_map(CancellationReason::code);
        let passing = |code: &str| matches!(code, "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded");
        return codes().any(passing) && codes().all(|code| code == "None" || passing(code));
    }
    error.code().is_some_and(is_transient)
}

pub(super) fn cancellation(reasons: Vec<CancellationReason>, wid: &str) -> Result<Transacted, StoreError> {
    if let Some(code) = reasons.iter().filter_map(|reason| reason.code.as_deref()).find(|code| is_defect(code)) {
        return Err(StoreError::Defect { operation: "TransactWriteItems", cause: code.to_owned() });
    }
    let refusals: Vec<Option<Refusal>> = reasons
        .into_iter()
        .map(|reason| (reason.code.as_deref() == Some("ConditionalCheckFailed")).then_some(Refusal { old: reason.item }))
        .collect();
    // All or nothing: one item with our write id says that all changes of this transaction are there.
    if refusals.iter().flatten().any(|refusal| is_ours(refusal.old.as_ref(), wid)) {
        return Ok(Transacted::Done);
    }
    Ok(Transacted::Refused(refusals))
}

fn is_defect(code: &str) -> bool {
    !matches!(code, "None" | "ConditionalCheckFailed" | "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded")
}
