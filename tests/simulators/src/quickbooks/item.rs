//! Items, accounts and classes; `POST /item` (section 3, Items and accounts).

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::company::Company;
use super::fault::Refusal;
use super::patch::{limited, only, reference};
use super::wire::{Head, Ref, Version};
use crate::skeleton::fields::Fields;
use crate::skeleton::number::Exact;

fn yes() -> bool {
    true
}

fn service() -> String {
    "Service".to_owned()
}

fn born() -> Version {
    Version::new(Timestamp::UNIX_EPOCH)
}

/// An item. In a seed: `{"Id":"7","Name":"Design","IncomeAccount":"1"}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(rename = "Type", default = "service")]
    pub(crate) kind: String,
    #[serde(default = "yes")]
    pub(crate) active: bool,
    /// Id of the account that its sales post to.
    pub(crate) income_account: String,
    #[serde(default)]
    pub(crate) unit_price: Option<Decimal>,
    #[serde(default)]
    pub(crate) taxable: bool,
    #[serde(default = "born")]
    pub(crate) version: Version,
}

/// An account. In a seed: `{"Id":"9","Name":"Consulting","AccountType":"Income"}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) acct_num: Option<String>,
    pub(crate) account_type: String,
    #[serde(default)]
    pub(crate) account_sub_type: String,
    #[serde(default)]
    pub(crate) classification: String,
    #[serde(default = "yes")]
    pub(crate) active: bool,
    #[serde(default = "born")]
    pub(crate) version: Version,
}

/// A class: a dimension of a line. In a seed: `{"Id":"100","Name":"North"}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Class {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(default = "yes")]
    pub(crate) active: bool,
    #[serde(default = "born")]
    pub(crate) version: Version,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ItemView<'item> {
    name: &'item str,
    fully_qualified_name: &'item str,
    active: bool,
    taxable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit_price: Option<Exact>,
    #[serde(rename = "Type")]
    kind: &'item str,
    income_account_ref: Ref,
    track_qty_on_hand: bool,
    #[serde(flatten)]
    head: Head<'item>,
}

impl Item {
    pub(crate) fn view(&self, company: &Company) -> ItemView<'_> {
        let account = company.accounts.iter().find(|account| account.id == self.income_account);
        ItemView {
            name: &self.name,
            fully_qualified_name: &self.name,
            active: self.active,
            taxable: self.taxable,
            unit_price: self.unit_price.map(Exact),
            kind: &self.kind,
            income_account_ref: account.map_or_else(|| Ref::bare(&self.income_account), |one| Ref::named(&one.id, &one.name)),
            track_qty_on_hand: false,
            head: Head::of(&self.id, &self.version),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AccountView<'account> {
    name: &'account str,
    fully_qualified_name: &'account str,
    sub_account: bool,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    acct_num: Option<&'account str>,
    classification: &'account str,
    account_type: &'account str,
    account_sub_type: &'account str,
    currency_ref: Ref,
    #[serde(flatten)]
    head: Head<'account>,
}

impl Account {
    pub(crate) fn view(&self, company: &Company) -> AccountView<'_> {
        AccountView {
            name: &self.name,
            fully_qualified_name: &self.name,
            sub_account: false,
            active: self.active,
            acct_num: self.acct_num.as_deref(),
            classification: &self.classification,
            account_type: &self.account_type,
            account_sub_type: &self.account_sub_type,
            currency_ref: company.preferences.home_currency(),
            head: Head::of(&self.id, &self.version),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ClassView<'class> {
    name: &'class str,
    sub_class: bool,
    fully_qualified_name: &'class str,
    active: bool,
    #[serde(flatten)]
    head: Head<'class>,
}

impl Class {
    pub(crate) fn view(&self) -> ClassView<'_> {
        ClassView {
            name: &self.name,
            sub_class: false,
            fully_qualified_name: &self.name,
            active: self.active,
            head: Head::of(&self.id, &self.version),
        }
    }
}

/// A foreign currency that a company with multicurrency has enabled: `CompanyCurrency`.
pub(crate) struct Currency {
    pub(crate) id: String,
    pub(crate) code: String,
    pub(crate) name: String,
    pub(crate) active: bool,
    pub(crate) version: Version,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CurrencyView<'currency> {
    code: &'currency str,
    name: &'currency str,
    active: bool,
    #[serde(flatten)]
    head: Head<'currency>,
}

impl Currency {
    /// The enabled currencies, the home currency left out; none where multicurrency is off.
    pub(crate) fn of(company: &Company) -> Vec<Self> {
        let enabled = company.currencies.iter().filter(|_| company.preferences.multi_currency()).enumerate();
        let one = |(position, (code, _)): (usize, &(String, Decimal))| Self {
            id: (position + 1).to_string(),
            code: code.clone(),
            name: code.clone(),
            active: true,
            version: Version::new(company.version.created),
        };
        enabled.map(one).collect()
    }

    pub(crate) fn view(&self) -> CurrencyView<'_> {
        CurrencyView { code: &self.code, name: &self.name, active: self.active, head: Head::of(&self.id, &self.version) }
    }
}

const FIELDS: [&str; 8] = ["Name", "Type", "IncomeAccountRef", "Active", "Taxable", "UnitPrice", "sparse", "domain"];
/// Longest name of an item, in characters.
const LONGEST_NAME: usize = 100;

/// `POST /item` without an id.
pub(crate) fn create(company: &mut Company, fields: &Fields, now: Timestamp) -> Result<String, Refusal> {
    if fields.has("Id") {
        return Err(Refusal::not_modelled("changing an item through the API"));
    }
    only(fields, &FIELDS, "item")?;
    let name = limited(fields, "Name", LONGEST_NAME)?.ok_or_else(|| Refusal::missing("Name"))?;
    if name.contains(':') {
        return Err(Refusal::business("An item's name may not contain a colon."));
    }
    let kind = fields.text("Type")?.ok_or_else(|| Refusal::missing("Type"))?;
    match kind.as_str() {
        "Service" | "NonInventory" => {}
        "Inventory" | "Category" | "Group" => return Err(Refusal::NotModelled(format!("items of type {kind}"))),
        other => return Err(Refusal::enumeration("Type", other)),
    }
    let account = reference(fields, "IncomeAccountRef")?.ok_or_else(|| Refusal::missing("IncomeAccountRef"))?;
    if !company.accounts.iter().any(|one| one.id == account && one.active && one.account_type == "Income") {
        return Err(Refusal::reference("Accounts", &account));
    }
    if company.items.iter().any(|item| item.active && item.name.to_lowercase() == name.to_lowercase()) {
        return Err(Refusal::duplicate_name("product or service"));
    }
    let id = company.next_fact();
    company.items.push(Item {
        id: id.clone(),
        name,
        kind,
        active: fields.boolean("Active")?.unwrap_or(true),
        income_account: account,
        unit_price: fields.decimal("UnitPrice")?,
        taxable: fields.boolean("Taxable")?.unwrap_or(false),
        version: Version::new(now),
    });
    Ok(id)
}
