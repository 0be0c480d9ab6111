//! Choices: what a person answered for one organisation. One item each; they die with the generation.

use coportal_core::choices::Choices;
use coportal_core::connection::Generation;
use coportal_core::ctx::Ctx;
use coportal_core::id::WorkspaceId;
use coportal_core::ledger::Ledger;
use coportal_core::money::Rate;

use crate::error::StoreError;
use crate::keys::{self, Choice};
use crate::store::{Change, Fields, Item, Kind, Store};

/// The keys of all choices that a document with these tax rates and products can need.
pub(crate) fn keys_for(ws: WorkspaceId, ledger: Ledger, generation: Generation, rates: &[Rate], products: &[String]) -> Vec<keys::Key> {
    let fixed = [Choice::SalesAccount, Choice::SalesItem, Choice::PaymentAccount].into_iter();
    let products = products.iter().filter_map(|product| Choice::product(product));
    fixed.chain(rates.iter().copied().map(Choice::Tax)).chain(products).map(|choice| keys::choice(ws, ledger, generation, choice)).collect()
}

/// Adds a stored choice to the others.
pub(crate) fn add(choices: &mut Choices, item: &Item) -> Result<(), StoreError> {
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
    let (Some(sk), Some(value)) = (text("sk"), text("value")) else {
        return Err(StoreError::corrupt("choice", "it has no value"));
    };
    if let Some(rate) = sk.strip_prefix("TAX#") {
        let rate: Rate = serde_json::from_value(serde_json::Value::String(rate.to_owned()))
            .map_err(|_| StoreError::corrupt("choice", "its rate is no rate"))?;
        choices.tax_map.insert(rate, value.clone());
        return Ok(());
    }
    if let Some(product) = sk.strip_prefix("PRODUCT#") {
        choices.item_map.insert(product.to_owned(), value.clone());
        return Ok(());
    }
    match sk.as_str() {
        "ACCOUNT" => choices.sales_account = Some(value.clone()),
        "ITEM" => choices.sales_item = Some(value.clone()),
        "PAY_ACCOUNT" => choices.payment_account = Some(value.clone()),
        // A choice that a newer version knows.
        _ => {}
    }
    Ok(())
}

impl Store {
    /// All choices of a generation.
    ///
    /// # Errors
    /// When the table does not answer or a choice cannot be read.
    pub async fn choices(&self, ws: WorkspaceId, ledger: Ledger, generation: Generation) -> Result<Choices, StoreError> {
        let mut choices = Choices::default();
        for item in self.query_all(&keys::choices_pk(ws, ledger, generation), "").await? {
            add(&mut choices, &item)?;
        }
        Ok(choices)
    }

    /// Stores one choice, or forgets it.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn put_choice(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        ledger: Ledger,
        generation: Generation,
        choice: Choice,
        value: Option<&str>,
    ) -> Result<(), StoreError> {
        let key = keys::choice(ws, ledger, generation, choice);
        let change = match value {
            Some(value) => Change::update(key, Fields::empty(Kind::Choice).text("value", value)),
            None => Change::delete(key),
        };
        let _always_done = self.write(ctx, change).await?;
        Ok(())
    }

    /// Writes what is another choice than `before`, which was read: new ones are stored, absent ones forgotten.
    ///
    /// # Errors
    /// When the table does not answer; choices written before stay written.
    pub async fn put_choices(
        &self,
        ctx: &Ctx,
        ws: WorkspaceId,
        ledger: Ledger,
        generation: Generation,
        before: &Choices,
        choices: &Choices,
    ) -> Result<(), StoreError> {
        let rates = before.tax_map.keys().chain(choices.tax_map.keys()).copied().collect::<std::collections::BTreeSet<_>>();
        let tax = rates.iter().map(|rate| (Choice::Tax(*rate), before.tax_map.get(rate), choices.tax_map.get(rate)));
        let fixed = [
            (Choice::SalesAccount, before.sales_account.as_ref(), choices.sales_account.as_ref()),
            (Choice::SalesItem, before.sales_item.as_ref(), choices.sales_item.as_ref()),
            (Choice::PaymentAccount, before.payment_account.as_ref(), choices.payment_account.as_ref()),
        ];
        let products = before.item_map.keys().chain(choices.item_map.keys()).cloned().collect::<std::collections::BTreeSet<_>>();
        let items = products.iter().filter_map(|product| {
            let choice = Choice::product(product)?;
            Some((choice, before.item_map.get(product), choices.item_map.get(product)))
        });
        for (choice, old, new) in fixed.into_iter().chain(tax).chain(items) {
            if old != new {
                self.put_choice(ctx, ws, ledger, generation, choice, new.map(String::as_str)).await?;
            }
        }
        Ok(())
    }
}
