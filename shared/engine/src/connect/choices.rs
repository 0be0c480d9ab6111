//! Accounts, items and tax codes: what the organisation offers, and what was chosen from it.

use std::collections::BTreeMap;

use coportal_core::choices::{Choices, product_key};
use coportal_core::ctx::Ctx;
use coportal_core::facts::{Account, AccountUse, Facts, TaxRate};
use coportal_core::ledger::Ledger;
use coportal_core::money::Rate;
use coportal_core::problem::{Issue, Outcome, Problem};
use coportal_core::timeline::Actor;
use coportal_core::workspace::Workspace;
use serde::{Deserialize, Deserializer, Serialize};

use crate::Engine;

/// An account that may be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AccountView {
    /// What is stored when it is chosen: the code, or the ledger's id where there is none.
    pub id: String,
    /// The code that users know it by.
    pub code: Option<String>,
    /// Its name.
    pub name: String,
}

impl AccountView {
    fn of(account: &Account) -> Self {
        Self { id: key_of(account).to_owned(), code: account.code.clone(), name: account.name.clone() }
    }
}

/// A tax rate that may be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TaxRateView {
    /// The ledger's code: what is stored when it is chosen.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its percentage.
    pub rate: Option<Rate>,
}

/// What the organisation offers, and what is chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChoicesView {
    /// The organisation that all of this is of.
    pub organisation: String,
    /// Accounts that sales may go to.
    pub sales_accounts: Vec<AccountView>,
    /// Items, where the ledger has them.
    pub sales_items: Vec<AccountView>,
    /// Accounts that payments may go to.
    pub payment_accounts: Vec<AccountView>,
    /// Tax rates usable on sales.
    pub tax_rates: Vec<TaxRateView>,
    /// What is stored.
    pub chosen: ChosenView,
    /// When the ledger was read.
    pub read_at: jiff::Timestamp,
}

/// The stored choices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChosenView {
    /// Account of sales.
    pub sales_account: Option<String>,
    /// Item of sales.
    pub sales_item: Option<String>,
    /// Account of payments.
    pub payment_account: Option<String>,
    /// Tax code by rate.
    pub tax_map: BTreeMap<Rate, String>,
    /// How many products have an item of their own (C13).
    pub mapped_products: usize,
}

impl From<Choices> for ChosenView {
    fn from(choices: Choices) -> Self {
        let Choices { sales_account, sales_item, payment_account, tax_map, item_map } = choices;
        Self { sales_account, sales_item, payment_account, tax_map, mapped_products: item_map.len() }
    }
}

/// New choices: what is absent stays, null forgets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChoicesRequest {
    /// Account of sales.
    #[serde(default, deserialize_with = "stated")]
    pub sales_account: Option<Option<String>>,
    /// Item of sales.
    #[serde(default, deserialize_with = "stated")]
    pub sales_item: Option<Option<String>>,
    /// Account of payments.
    #[serde(default, deserialize_with = "stated")]
    pub payment_account: Option<Option<String>>,
    /// Tax code by rate; null forgets the code of that rate.
    #[serde(default)]
    pub tax_map: BTreeMap<Rate, Option<String>>,
    /// Item by product, a line's text (C13); null forgets the item of that product.
    #[serde(default)]
    pub item_map: BTreeMap<String, Option<String>>,
}

fn stated<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(deserializer).map(Some)
}

impl ChoicesRequest {
    /// The choices after this request, if the organisation offers what they name.
    ///
    /// # Errors
    /// 422 naming each field whose value the organisation does not offer.
    pub fn apply(&self, before: &Choices, facts: &Facts) -> Outcome<Choices> {
        let mut after = before.clone();
        let mut issues = Vec::new();
        if let Some(wanted) = &self.sales_account {
            after.sales_account = account(facts, wanted.as_deref(), AccountUse::Sales, "/sales_account", &mut issues);
        }
        if let Some(wanted) = &self.payment_account {
            after.payment_account = account(facts, wanted.as_deref(), AccountUse::Payment, "/payment_account", &mut issues);
        }
        if let Some(wanted) = &self.sales_item {
            after.sales_item = item(facts, wanted.as_deref(), "/sales_item".to_owned(), &mut issues);
        }
        for (product, wanted) in &self.item_map {
            let key = product_key(product);
            match item(facts, wanted.as_deref(), format!("/item_map/{product}"), &mut issues) {
                Some(item) => {
                    after.item_map.insert(key, item);
                }
                None => {
                    after.item_map.remove(&key);
                }
            }
        }
        for (rate, code) in &self.tax_map {
            match code {
                None => {
                    after.tax_map.remove(rate);
                }
                Some(code) => match tax_code(facts, *rate, code) {
                    Ok(()) => {
                        after.tax_map.insert(*rate, code.clone());
                    }
                    Err((code, text)) => issues.push(Issue::new(format!("/tax_map/{rate}"), code, text)),
                },
            }
        }
        if issues.is_empty() { Ok(after) } else { Err(Problem::invalid(issues)) }
    }
}

fn account(facts: &Facts, wanted: Option<&str>, purpose: AccountUse, pointer: &'static str, issues: &mut Vec<Issue>) -> Option<String> {
    let wanted = wanted?;
    let found = facts.account(wanted).filter(|account| account.uses.contains(&purpose));
    if found.is_none() {
        let text = match purpose {
            AccountUse::Sales => "The organisation has no such account for sales.",
            AccountUse::Payment => "The organisation has no such account for payments.",
            AccountUse::Rounding => "The organisation has no such rounding account.",
        };
        issues.push(Issue::new(pointer, "not_offered", text));
    }
    found.map(|account| key_of(account).to_owned())
}

/// An item of the organisation. Where facts have none, the ledger takes lines without one.
fn item(facts: &Facts, wanted: Option<&str>, pointer: String, issues: &mut Vec<Issue>) -> Option<String> {
    let wanted = wanted?;
    let found = facts.items.iter().find(|item| item.id == wanted);
    if found.is_none() {
        let text = match facts.items.as_slice() {
            [] => "This ledger takes invoice lines without an item, or the organisation has none.",
            _ => "The organisation has no such active item.",
        };
        issues.push(Issue::new(pointer, "not_offered", text));
    }
    found.map(|item| item.id.clone())
}

/// The code must be usable on sales and be of this rate: a wrong percentage would change what the client owes (C11, C12).
fn tax_code(facts: &Facts, rate: Rate, code: &str) -> Result<(), (&'static str, &'static str)> {
    let found: Option<&TaxRate> = facts.tax_rates.iter().find(|known| known.code == code && known.on_sales);
    let Some(found) = found else {
        return Err(("not_offered", "The organisation has no such tax code for sales."));
    };
    // A ledger that publishes no percentages has its lines checked instead (C11).
    match found.rate {
        Some(other) if other != rate => Err(("other_rate", "This tax code has another percentage.")),
        Some(_) | None => Ok(()),
    }
}

/// What is stored of an account.
fn key_of(account: &Account) -> &str {
    account.code.as_deref().unwrap_or(&account.id)
}

/// What is chosen by itself when an organisation is connected: its own default for sales, or the one account or item that there is.
pub(super) fn single_choices(facts: &Facts) -> Choices {
    let mut sales = facts.accounts_for(AccountUse::Sales);
    let by_default =
        facts.default_sales_account.as_deref().and_then(|id| facts.account(id)).filter(|a| a.uses.contains(&AccountUse::Sales));
    let account = by_default.or_else(|| sales.next().filter(|_| sales.next().is_none()));
    let default_item = facts.items.iter().find(|item| facts.default_item.as_ref() == Some(&item.id));
    let item = match (default_item, facts.items.as_slice()) {
        (Some(item), _) => Some(item),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    Choices {
        sales_account: account.map(|account| key_of(account).to_owned()),
        sales_item: item.map(|item| item.id.clone()),
        ..Choices::default()
    }
}

/// What an organisation offers, as a page or a client shows it.
pub(super) fn view(organisation: String, facts: &Facts, choices: Choices) -> ChoicesView {
    let accounts = |purpose| facts.accounts_for(purpose).map(AccountView::of).collect();
    let on_sales = facts.tax_rates.iter().filter(|rate| rate.on_sales);
    ChoicesView {
        organisation,
        sales_accounts: accounts(AccountUse::Sales),
        sales_items: facts.items.iter().map(|item| AccountView { id: item.id.clone(), code: None, name: item.name.clone() }).collect(),
        payment_accounts: accounts(AccountUse::Payment),
        tax_rates: on_sales.map(|rate| TaxRateView { id: rate.code.clone(), name: rate.name.clone(), rate: rate.rate }).collect(),
        chosen: choices.into(),
        read_at: facts.fetched_at,
    }
}

impl Engine {
    /// Accounts, items and tax rates of the organisation, with what is chosen. Facts older than a day are read again.
    ///
    /// # Errors
    /// 409 without a connected organisation; the ledger's own failure when it must be read and cannot.
    pub async fn choices(&self, ctx: &Ctx, workspace: &Workspace, ledger: Ledger) -> Outcome<ChoicesView> {
        let (connection, organisation) = self.usable_connection(workspace, ledger).await?;
        let facts = self.fresh_facts(ctx, workspace.id, &connection.value, &organisation).await?;
        let choices = self.store.choices(workspace.id, ledger, connection.value.generation).await?;
        Ok(view(organisation.name, &facts, choices))
    }

    /// Stores choices that the organisation offers. They belong to the organisation's generation and die with it (design decision 9).
    ///
    /// # Errors
    /// As [`Engine::choices`]; 422 for what the organisation does not offer.
    pub async fn put_choices(
        &self,
        ctx: &Ctx,
        workspace: &Workspace,
        actor: Actor,
        ledger: Ledger,
        request: &ChoicesRequest,
    ) -> Outcome<ChoicesView> {
        let (connection, organisation) = self.usable_connection(workspace, ledger).await?;
        let facts = self.fresh_facts(ctx, workspace.id, &connection.value, &organisation).await?;
        let before = self.store.choices(workspace.id, ledger, connection.value.generation).await?;
        let after = request.apply(&before, &facts)?;
        if after != before {
            self.store.put_choices(ctx, workspace.id, ledger, connection.value.generation, &before, &after).await?;
            let text = format!("{}: {}", organisation.name, described(&before, &after));
            self.audit(ctx, workspace.id, actor, "choices_changed", Some(ledger), text).await?;
        }
        Ok(view(organisation.name, &facts, after))
    }
}

/// The difference between two sets of choices, for the audit list.
fn described(before: &Choices, after: &Choices) -> String {
    let shown = |value: Option<&String>| value.cloned().unwrap_or_else(|| "none".to_owned());
    let mut parts = Vec::new();
    for (name, old, new) in [
        ("sales_account", &before.sales_account, &after.sales_account),
        ("sales_item", &before.sales_item, &after.sales_item),
        ("payment_account", &before.payment_account, &after.payment_account),
    ] {
        if old != new {
            parts.push(format!("{name} {} -> {}", shown(old.as_ref()), shown(new.as_ref())));
        }
    }
    let rates: std::collections::BTreeSet<&Rate> = before.tax_map.keys().chain(after.tax_map.keys()).collect();
    for rate in rates {
        let (old, new) = (before.tax_map.get(rate), after.tax_map.get(rate));
        if old != new {
            parts.push(format!("tax {rate}% {} -> {}", shown(old), shown(new)));
        }
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(sales: usize) -> Facts {
        let account = |n: usize, uses: AccountUse, code: Option<&str>| Account {
            id: format!("id-{n}"),
            code: code.map(str::to_owned),
            name: format!("Account {n}"),
            uses: vec![uses],
            tax_code: None,
        };
        let mut accounts: Vec<Account> = (0..sales).map(|n| account(n, AccountUse::Sales, Some(["200", "210"][n]))).collect();
        accounts.push(account(9, AccountUse::Payment, None));
        let rate = |code: &str, percent: &str, on_sales: bool| TaxRate {
            code: code.to_owned(),
            name: code.to_owned(),
            rate: Some(serde_json::from_value(serde_json::Value::String(percent.to_owned())).unwrap()),
            on_sales,
            class: None,
            parts: Vec::new(),
            windows: Vec::new(),
        };
        Facts {
            name: "Org".to_owned(),
            base_currency: "GBP".parse().unwrap(),
            currencies: Vec::new(),
            tax_rates: vec![rate("OUTPUT2", "20", true), rate("INPUT2", "20", false)],
            accounts,
            short_code: None,
            items: Vec::new(),
            default_item: None,
            default_sales_account: None,
            assigns_numbers: false,
            tax_method: None,
            one_tax_code: false,
            pays_tax: true,
            locked_until: None,
            fetched_at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    fn request(text: &str) -> ChoicesRequest {
        serde_json::from_str(text).unwrap()
    }

    /// A single sales account is stored at connect; of several, none is guessed.
    #[test]
    fn a_single_account_is_chosen_by_itself() {
        assert_eq!(single_choices(&facts(1)).sales_account.as_deref(), Some("200"));
        assert_eq!(single_choices(&facts(2)).sales_account, None);
        assert_eq!(single_choices(&facts(0)).sales_account, None);
    }

    #[test]
    fn what_is_offered_can_be_chosen_kept_and_forgotten() {
        let facts = facts(2);
        let chosen = request(r#"{"sales_account":"id-1","payment_account":"id-9","tax_map":{"20":"OUTPUT2"}}"#)
            .apply(&Choices::default(), &facts)
            .unwrap();
        assert_eq!(chosen.sales_account.as_deref(), Some("210"), "an account is stored by its code");
        assert_eq!(chosen.payment_account.as_deref(), Some("id-9"), "or by its id where it has none");
        let after = request(r#"{"payment_account":null,"tax_map":{"20":null}}"#).apply(&chosen, &facts).unwrap();
        assert_eq!(after, Choices { sales_account: Some("210".to_owned()), ..Choices::default() });
        assert_eq!(described(&chosen, &after), "payment_account id-9 -> none, tax 20% OUTPUT2 -> none");
    }

    /// C11: a tax code of another percentage, or one that is not for sales, is refused.
    #[test]
    fn what_is_not_offered_is_refused_by_field() {
        for (text, pointer, code) in [
            (r#"{"sales_account":"999"}"#, "/sales_account", "not_offered"),
            (r#"{"sales_account":"id-9"}"#, "/sales_account", "not_offered"),
            (r#"{"payment_account":"200"}"#, "/payment_account", "not_offered"),
            (r#"{"sales_item":"x"}"#, "/sales_item", "not_offered"),
            (r#"{"tax_map":{"15":"OUTPUT2"}}"#, "/tax_map/15", "other_rate"),
            (r#"{"tax_map":{"20":"INPUT2"}}"#, "/tax_map/20", "not_offered"),
        ] {
            let problem = request(text).apply(&Choices::default(), &facts(1)).unwrap_err();
            let issue = problem.issues.first().unwrap();
            assert_eq!((issue.pointer.as_ref(), issue.code.as_ref()), (pointer, code), "{text}");
        }
    }
}
