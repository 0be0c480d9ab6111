//! Businesses put in or changed from outside.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use super::business::{BankAccount, Business, Currency, LedgerAccount};
use super::seed::given_id;
use super::tax::TaxRate;
use super::world::World;
use crate::skeleton::controls::Refused;
use crate::skeleton::state::SeedOrganisation;

/// Settings that can be seeded, in the vendor's names (invoice settings, but for `tax_number`).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    customer_credit_days: Option<u32>,
    sales_invoice_number_prefix: Option<String>,
    next_invoice_number: Option<u32>,
    tax_number: Option<String>,
}

/// What a role can lack: see [`Business::denied`].
const DENIALS: [&str; 10] =
    ["Sales", "Sales.write", "Sales.full", "Contacts", "Contacts.write", "Contacts.full", "Bank", "Bank.write", "Bank.full", "Settings"];

fn wire<T: DeserializeOwned>(value: &Value) -> Result<T, Refused> {
    serde_json::from_value(value.clone()).map_err(|error| Refused(format!("{value}: {error}")))
}

pub(super) fn plant_business(world: &mut World, seed: &SeedOrganisation, now: Timestamp) -> Result<Uuid, Refused> {
    if !seed.items.is_empty() || !seed.tax_codes.is_empty() || !seed.dimensions.is_empty() || seed.edition.is_some() {
        return Err(Refused("items, tax codes, dimensions and editions are not seeded here".to_owned()));
    }
    if seed.period_lock_date.flatten().is_some() {
        return Err(Refused("there is one lock here: end_of_year_lock_date".to_owned()));
    }
    let wanted = seed.id.as_deref().or(seed.organisation.as_deref()).or(seed.name.as_deref());
    let id = match wanted.and_then(|wanted| world.find_business(wanted)) {
        Some(id) => id,
        None => {
            let name = seed.name.as_deref().ok_or_else(|| Refused("a new organisation needs a name".to_owned()))?;
            let (country, currency) = (seed.country.as_deref().unwrap_or("GB"), seed.currency.as_deref().unwrap_or("GBP"));
            let mut made = Business::new(&mut world.common.ids, now, name, country, currency);
            if seed.id.is_some() {
                made.id = given_id(seed.id.as_deref(), &mut world.common.ids)?;
            }
            let id = made.id;
            world.businesses.push(made);
            id
        }
    };
    let ids = &mut world.common.ids;
    let business = world.businesses.iter_mut().find(|business| business.id == id);
    let business = business.ok_or_else(|| Refused("there is no such organisation".to_owned()))?;
    if let Some(name) = &seed.name {
        business.name.clone_from(name);
    }
    if let Some(lock) = seed.end_of_year_lock_date {
        business.year_end_lockdown_date = lock;
    }
    business.pays_tax = seed.pays_tax.unwrap_or(business.pays_tax);
    if let Some(refused) = &seed.refused_actions {
        if let Some(unknown) = refused.iter().find(|one| !DENIALS.contains(&one.as_str())) {
            return Err(Refused(format!("there is no action {unknown}; those that can be refused are {}", DENIALS.join(", "))));
        }
        business.denied.clone_from(refused);
    }
    if let Some(settings) = &seed.preferences {
        let settings: Settings = wire(settings)?;
        business.customer_credit_days = settings.customer_credit_days.unwrap_or(business.customer_credit_days);
        business.next_invoice_number = settings.next_invoice_number.unwrap_or(business.next_invoice_number);
        if let Some(prefix) = settings.sales_invoice_number_prefix {
            business.invoice_prefix = prefix;
        }
        business.tax_number = settings.tax_number.or_else(|| business.tax_number.take());
    }
    for value in &seed.accounts {
        let mut account: LedgerAccount = wire(value)?;
        if account.id.is_nil() {
            let known = business.ledger_accounts.iter().find(|other| other.nominal_code == account.nominal_code);
            account.id = known.map_or_else(|| ids.uuid(), |known| known.id);
        }
        business.ledger_accounts.retain(|other| other.id != account.id);
        business.ledger_accounts.push(account);
    }
    for value in &seed.tax_rates {
        let rate: TaxRate = wire(value)?;
        business.tax_rates.retain(|other| other.id != rate.id);
        business.tax_rates.push(rate);
    }
    for code in &seed.currencies {
        if !business.trades_in(code) {
            business.foreign.push(Currency { code: code.clone(), day_rate: Decimal::ONE });
            let name = format!("Current {code}");
            business.bank_accounts.push(BankAccount { id: ids.uuid(), name, nominal_code: 1210, currency: code.clone(), is_active: true });
        }
    }
    Ok(id)
}
