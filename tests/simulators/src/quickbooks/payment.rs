//! Payments of customers (section 9).

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::company::Company;
use super::fault::Refusal;
use super::invoice::LinkedTxn;
use super::invoice_input::LARGEST;
use super::invoice_write::voided_note;
use super::patch::{limited, only, reference};
use super::person::PersonKind;
use super::person_write::current;
use super::price;
use super::store::Record;
use super::wire::{Head, Ref, Version, day};
use crate::skeleton::fields::Fields;
use crate::skeleton::number::{Exact, half_up};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Payment {
    pub(crate) id: String,
    pub(crate) version: Version,
    pub(crate) customer: String,
    pub(crate) currency: String,
    pub(crate) date: Date,
    pub(crate) total: Decimal,
    /// Invoices with how much of the payment is applied to each.
    pub(crate) applied: Vec<(String, Decimal)>,
    pub(crate) reference: Option<String>,
    pub(crate) private_note: Option<String>,
    pub(crate) deposit_account: String,
    pub(crate) deposited: bool,
    pub(crate) voided: bool,
    pub(crate) deleted: bool,
}

impl Record for Payment {
    fn id(&self) -> &str {
        &self.id
    }

    fn key(&self) -> Option<&str> {
        None
    }
}

/// Undeposited Funds: where a payment lands when nothing is said.
const UNDEPOSITED: &str = "2";

const FIELDS: [&str; 17] = [
    "Id",
    "SyncToken",
    "sparse",
    "CustomerRef",
    "TotalAmt",
    "TxnDate",
    "PaymentRefNum",
    "PrivateNote",
    "DepositToAccountRef",
    "CurrencyRef",
    "ExchangeRate",
    "Line",
    "domain",
    "MetaData",
    "UnappliedAmt",
    "ProcessPayment",
    "LinkedTxn",
];

/// Longest `PaymentRefNum` and `PrivateNote`, in characters.
const LONGEST_REFERENCE: usize = 21;
const LONGEST_NOTE: usize = 4000;

impl Payment {
    pub(crate) fn stands(&self) -> bool {
        !self.voided && !self.deleted
    }

    pub(crate) fn unapplied(&self) -> Decimal {
        self.total - self.applied.iter().map(|(_, amount)| *amount).sum::<Decimal>()
    }

    pub(crate) fn view(&self, company: &Company) -> PaymentView<'_> {
        let places = price::decimals(&self.currency);
        PaymentView {
            head: Head::of(&self.id, &self.version),
            customer_ref: Ref {
                value: self.customer.clone(),
                name: company.people.get(&self.customer).map(|customer| customer.display_name.clone()),
            },
            deposit_to_account_ref: Ref::bare(&self.deposit_account),
            total_amt: Exact(half_up(self.total, places)),
            unapplied_amt: Exact(half_up(self.unapplied(), places)),
            process_payment: false,
            txn_date: self.date,
            currency_ref: Ref::bare(&self.currency),
            payment_ref_num: self.reference.as_deref(),
            private_note: self.private_note.as_deref(),
            line: self
                .applied
                .iter()
                .map(|(invoice, amount)| PaymentLine {
                    amount: Exact(half_up(*amount, places)),
                    linked_txn: [LinkedTxn { txn_id: invoice, txn_type: "Invoice" }],
                })
                .collect(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PaymentLine<'payment> {
    amount: Exact,
    linked_txn: [LinkedTxn<'payment>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PaymentView<'payment> {
    #[serde(flatten)]
    head: Head<'payment>,
    customer_ref: Ref,
    deposit_to_account_ref: Ref,
    total_amt: Exact,
    unapplied_amt: Exact,
    process_payment: bool,
    txn_date: Date,
    currency_ref: Ref,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_ref_num: Option<&'payment str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    private_note: Option<&'payment str>,
    line: Vec<PaymentLine<'payment>>,
}

/// A payment to make.
pub(crate) struct NewPayment {
    pub(crate) customer: String,
    pub(crate) date: Date,
    pub(crate) total: Decimal,
    /// Invoices with how much is meant for each.
    pub(crate) lines: Vec<(String, Decimal)>,
    pub(crate) reference: Option<String>,
    pub(crate) private_note: Option<String>,
    pub(crate) deposit_account: Option<String>,
}

/// `POST /payment` without an id.
pub(crate) fn create(company: &mut Company, fields: &Fields, now: Timestamp) -> Result<String, Refusal> {
    only(fields, &FIELDS, "payment")?;
    if fields.has("Id") {
        return Err(Refusal::not_modelled("changing a payment other than to void it"));
    }
    let customer = reference(fields, "CustomerRef")?.ok_or_else(|| Refusal::missing("CustomerRef"))?;
    let total = fields.decimal("TotalAmt")?.ok_or_else(|| Refusal::missing("TotalAmt"))?;
    if total.abs() >= LARGEST {
        return Err(Refusal::not_modelled("amounts of more than ten digits"));
    }
    let currency = company.people.get(&customer).map(|customer| customer.currency.clone());
    let sent = reference(fields, "CurrencyRef")?;
    if sent.is_some() && sent != currency {
        return Err(Refusal::business("The currency of the transaction must be that of its customer."));
    }
    let mut lines = Vec::new();
    for line in fields.objects("Line")?.unwrap_or_default() {
        only(&line, &["Amount", "LinkedTxn"], "payment's line")?;
        let amount = line.decimal("Amount")?.ok_or_else(|| Refusal::missing("Line.Amount"))?;
        if amount.abs() >= LARGEST {
            return Err(Refusal::not_modelled("amounts of more than ten digits"));
        }
        let linked = line.objects("LinkedTxn")?.unwrap_or_default();
        let [linked] = linked.as_slice() else {
            return Err(Refusal::not_modelled("a payment's line with other than one LinkedTxn"));
        };
        only(linked, &["TxnId", "TxnType"], "LinkedTxn")?;
        match linked.text("TxnType")?.as_deref() {
            Some("Invoice") => {}
            Some(other) => return Err(Refusal::NotModelled(format!("payments linked to {other}"))),
            None => return Err(Refusal::missing("TxnType")),
        }
        lines.push((linked.text("TxnId")?.ok_or_else(|| Refusal::missing("TxnId"))?, amount));
    }
    let payment = NewPayment {
        customer,
        date: fields.date("TxnDate")?.unwrap_or_else(|| day(now)),
        total,
        lines,
        reference: limited(fields, "PaymentRefNum", LONGEST_REFERENCE)?,
        private_note: limited(fields, "PrivateNote", LONGEST_NOTE)?,
        deposit_account: reference(fields, "DepositToAccountRef")?,
    };
    make(company, payment, now)
}

/// Makes a payment and applies it.
pub(crate) fn make(company: &mut Company, new: NewPayment, now: Timestamp) -> Result<String, Refusal> {
    let customer = match company.person(PersonKind::Customer, &new.customer) {
        Ok(customer) if customer.active => customer,
        _ => return Err(Refusal::reference("Customers", &new.customer)),
    };
    let currency = customer.currency.clone();
    company.open_on(new.date)?;
    let deposit_account = new.deposit_account.unwrap_or_else(|| UNDEPOSITED.to_owned());
    let takes = |kind: &str| matches!(kind, "Bank" | "Other Current Asset");
    if !company.accounts.iter().any(|account| account.id == deposit_account && account.active && takes(&account.account_type)) {
        return Err(Refusal::reference("Accounts", &deposit_account));
    }
    let places = price::decimals(&currency);
    let total = half_up(new.total, places);
    if total.is_sign_negative() {
        return Err(Refusal::business("Transaction amount must be 0 or greater."));
    }
    let meant: Decimal = new.lines.iter().map(|(_, amount)| *amount).sum();
    if meant > total {
        return Err(Refusal::business("The payment lines come to more than the payment."));
    }
    let mut applied: Vec<(String, Decimal)> = Vec::new();
    for (id, amount) in &new.lines {
        let Ok(invoice) = company.invoice(id) else { return Err(Refusal::reference("Txns", id)) };
        if invoice.customer != new.customer {
            return Err(Refusal::business("The payment and the invoice must be of the same customer."));
        }
        if amount.is_sign_negative() || applied.iter().any(|(other, _)| other == id) {
            return Err(Refusal::not_modelled("a payment's line that is negative, or a second one for the same invoice"));
        }
        // Overpayment is accepted; the rest stays as credit (section 9).
        let amount = half_up((*amount).min(invoice.balance()), places);
        if !amount.is_zero() {
            applied.push((id.clone(), amount));
        }
    }
    let payment = Payment {
        id: company.next_transaction(),
        version: Version::new(now),
        customer: new.customer,
        currency,
        date: new.date,
        total,
        applied: Vec::new(),
        reference: new.reference,
        private_note: new.private_note,
        deposit_account,
        deposited: false,
        voided: false,
        deleted: false,
    };
    let id = payment.id.clone();
    company.payments.put(payment);
    for (invoice, amount) in applied {
        link(company, &id, &invoice, amount, now);
    }
    Ok(id)
}

/// Applies an amount of a payment to an invoice, whose version grows by it (section 0, fact 5).
fn link(company: &mut Company, payment: &str, invoice: &str, amount: Decimal, now: Timestamp) {
    let (Some(payment), Some(invoice)) = (company.payments.get(payment), company.invoices.get(invoice)) else { return };
    let (mut payment, mut invoice) = (payment.clone(), invoice.clone());
    payment.applied.push((invoice.id.clone(), amount));
    invoice.applied += amount;
    invoice.payments.push(payment.id.clone());
    invoice.version.bump(now);
    company.payments.put(payment);
    company.invoices.put(invoice);
}

/// Applies the customer's credit to a new invoice (`AutoApplyCredit`, section 9).
pub(crate) fn apply_credit(company: &mut Company, invoice: &str, now: Timestamp) -> Result<(), Refusal> {
    let customer = company.invoice(invoice)?.customer.clone();
    let credits: Vec<(String, Decimal)> = company
        .payments
        .all()
        .iter()
        .filter(|payment| payment.stands() && payment.customer == customer && !payment.unapplied().is_zero())
        .map(|payment| (payment.id.clone(), payment.unapplied()))
        .collect();
    for (payment, credit) in credits {
        let amount = credit.min(company.invoice(invoice)?.balance());
        if amount.is_zero() {
            break;
        }
        link(company, &payment, invoice, amount, now);
        if let Some(mut changed) = company.payments.get(&payment).cloned() {
            changed.version.bump(now);
            company.payments.put(changed);
        }
    }
    Ok(())
}

/// Takes every payment off an invoice that ends: the money becomes credit of the customer. The invoice itself is the caller's.
pub(crate) fn release(company: &mut Company, invoice: &str, now: Timestamp) {
    let paying = company.invoices.get(invoice).map(|invoice| invoice.payments.clone()).unwrap_or_default();
    for id in paying {
        if let Some(mut payment) = company.payments.get(&id).cloned() {
            payment.applied.retain(|(other, _)| other != invoice);
            payment.version.bump(now);
            company.payments.put(payment);
        }
    }
}

/// Cuts payments back to what an invoice comes to after a change; the last ones give way.
pub(crate) fn trim(company: &mut Company, invoice: &str, now: Timestamp) -> Result<(), Refusal> {
    loop {
        let held = company.invoice(invoice)?;
        let over = held.applied - held.total;
        let Some(last) = held.payments.last().filter(|_| over > Decimal::ZERO).cloned() else { return Ok(()) };
        let (mut held, Some(mut payment)) = (held.clone(), company.payments.get(&last).cloned()) else { return Ok(()) };
        if payment.deposited {
            return Err(Refusal::deposited());
        }
        let mut cut = Decimal::ZERO;
        for (_, amount) in payment.applied.iter_mut().filter(|(other, _)| other == invoice) {
            cut = over.min(*amount);
            *amount -= cut;
        }
        payment.applied.retain(|(_, amount)| !amount.is_zero());
        held.applied -= cut;
        if !payment.applied.iter().any(|(other, _)| other == invoice) {
            held.payments.retain(|id| *id != last);
        }
        payment.version.bump(now);
        company.payments.put(payment);
        company.invoices.put(held);
    }
}

fn ending(company: &Company, fields: &Fields) -> Result<Payment, Refusal> {
    let id = fields.text("Id")?.ok_or_else(|| Refusal::missing("Id"))?;
    let payment = company.payment(&id)?;
    current(fields, &payment.version)?;
    company.open_on(payment.date)?;
    if payment.deposited { Err(Refusal::deposited()) } else { Ok(payment.clone()) }
}

/// `operation=update&include=void`, or the batch's `optionsData: void`.
pub(crate) fn void(company: &mut Company, fields: &Fields, now: Timestamp) -> Result<String, Refusal> {
    let payment = ending(company, fields)?;
    if payment.voided {
        return Err(Refusal::not_modelled("voiding a voided payment"));
    }
    Ok(end(company, payment, true, now))
}

/// `operation=delete`.
pub(crate) fn delete(company: &mut Company, fields: &Fields, now: Timestamp) -> Result<String, Refusal> {
    let payment = ending(company, fields)?;
    Ok(end(company, payment, false, now))
}

/// Ends a payment: its invoices are open again.
pub(crate) fn end(company: &mut Company, mut payment: Payment, voiding: bool, now: Timestamp) -> String {
    for (invoice, amount) in std::mem::take(&mut payment.applied) {
        if let Some(mut invoice) = company.invoices.get(&invoice).cloned() {
            invoice.applied -= amount;
            invoice.payments.retain(|id| *id != payment.id);
            invoice.version.bump(now);
            company.invoices.put(invoice);
        }
    }
    if voiding {
        payment.voided = true;
        payment.total = Decimal::ZERO;
        payment.private_note = Some(voided_note(payment.private_note.as_deref()));
    } else {
        payment.deleted = true;
    }
    payment.version.bump(now);
    let id = payment.id.clone();
    company.payments.put(payment);
    id
}

impl Company {
    /// The payment that is there; 610 otherwise.
    pub(crate) fn payment(&self, id: &str) -> Result<&Payment, Refusal> {
        self.payments.get(id).filter(|payment| !payment.deleted).ok_or_else(Refusal::not_found)
    }
}
