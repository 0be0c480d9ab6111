//! The ledgers, each with what is put into its simulator first and with ways to spoil its requests.

use std::sync::Arc;

use coportal_core::ledger::Ledger;
use serde_json::{Value, json};

use super::contract::Contract;
use super::drive;
use super::negative::{Spoilt, assert_refused, letters};
use super::verify::verify;

fn held(ledger: Ledger, make: drive::Make, seeds: &[Value], spoilt: &[(&'static str, &'static str, &'static str, Value)]) {
    let folder = ledger.slug();
    let contract = Contract::of(folder);
    let exchanges = drive::everything(ledger, make, seeds);
    verify(&contract, &folder.replace('-', "_"), &exchanges);
    let spoilt: Vec<Spoilt> = spoilt.iter().map(|(line, at, member, value)| Spoilt { line, at, member, value: value.clone() }).collect();
    assert_refused(&contract, &exchanges, &spoilt);
}

#[test]
fn xero_is_sent_what_it_describes() {
    let (invoice, line) = ("/Invoices/0", "/Invoices/0/LineItems/0");
    held(
        Ledger::Xero,
        |config| Arc::new(simulators::xero::Simulator::new(config)),
        &[json!({})],
        &[
            ("PUT /Invoices", invoice, "DeuDate", json!("2026-04-08")),
            ("PUT /Invoices", invoice, "Type", json!("ACREC")),
            ("PUT /Invoices", invoice, "Date", json!("09/03/2026")),
            ("PUT /Invoices", invoice, "InvoiceNumber", letters(256)),
            ("PUT /Invoices", invoice, "Total", json!(1)),
            ("PUT /Invoices", line, "Quantity", json!("2")),
            ("PUT /Invoices", line, "AccountID", json!("200")),
            ("POST /Invoices/{InvoiceID}", invoice, "Status", json!("APPROVED")),
            ("PUT /Contacts", "/Contacts/0", "EmailAddress", letters(256)),
            ("PUT /Contacts", "/Contacts/0/Phones/0", "PhoneType", json!("HOME")),
            ("PUT /Payments", "/Payments/0", "Amount", json!("12.34")),
        ],
    );
}

#[test]
fn sage_is_sent_what_it_describes() {
    let (invoice, line) = ("/sales_invoice", "/sales_invoice/invoice_lines/0");
    held(
        Ledger::Sage,
        |config| Arc::new(simulators::sage::Simulator::new(config)),
        &[json!({}), json!({ "organisations": [{ "currencies": ["EUR"] }] })],
        &[
            ("POST /sales_invoices", invoice, "deu_date", json!("2026-04-08")),
            ("POST /sales_invoices", invoice, "date", json!("09/03/2026")),
            ("POST /sales_invoices", invoice, "contact_id", json!(7)),
            ("POST /sales_invoices", line, "tax_ammount", json!(1)),
            ("POST /sales_invoices", line, "unit_price_includes_tax", json!("false")),
            ("PUT /sales_invoices/{key}", invoice, "reference", json!(1)),
            ("POST /contacts", "/contact", "contact_type_ids", json!("CUSTOMER")),
            ("POST /contacts", "/contact/main_address", "addres_line_1", json!("1 Long Lane")),
            ("POST /contact_payments", "/contact_payment", "total_amount", json!("12.34")),
        ],
    );
}

#[test]
fn quickbooks_is_sent_what_it_describes() {
    held(
        Ledger::Quickbooks,
        |config| Arc::new(simulators::quickbooks::Simulator::new(config)),
        &[
            json!({}),
            json!({ "organisations": [{
                "preferences": { "SalesFormsPrefs": { "CustomTxnNumbers": false }, "CurrencyPrefs": { "MultiCurrencyEnabled": true } },
                // More than a page of them.
                "items": (0..1001).map(|n| json!({ "Id": (5000 + n).to_string(), "Name": format!("Item {n}"), "IncomeAccount": "1" })).collect::<Vec<_>>(),
            }] }),
            json!({ "organisations": [{ "name": "Table Rock Studio LLC" }] }),
        ],
        &[
            ("POST /invoice", "", "DeuDate", json!("2026-04-08")),
            ("POST /invoice", "", "TxnDate", json!("09/03/2026")),
            ("POST /invoice", "", "DocNumber", letters(22)),
            ("POST /invoice", "", "EmailStatus", json!("Sent")),
            ("POST /invoice", "", "GlobalTaxCalculation", json!("Excluded")),
            ("POST /invoice", "/Line/0", "Amount", json!("50.10")),
            ("POST /invoice", "/Line/0", "Description", letters(4001)),
            ("POST /invoice", "/Line/0/SalesItemLineDetail", "ItemReference", json!({ "value": "1" })),
            ("POST /customer", "/BillAddr", "Line1", letters(501)),
            ("POST /customer", "/PrimaryPhone", "FreeFormNumber", letters(22)),
            ("POST /payment", "", "TotalAmt", json!("12.34")),
            ("POST /payment", "/Line/0/LinkedTxn/0", "TxnId", json!(7)),
        ],
    );
}

#[test]
fn business_central_is_sent_what_it_describes() {
    let (customers, invoices) = ("POST /companies({company_id})/customers", "POST /companies({company_id})/salesInvoices");
    held(
        Ledger::BusinessCentral,
        |config| Arc::new(simulators::business_central::Simulator::new(config)),
        &[json!({}), json!({ "blanked": "localCurrencyCode" })],
        &[
            (invoices, "", "deuDate", json!("2026-04-08")),
            (invoices, "", "invoiceDate", json!("09/03/2026")),
            (invoices, "", "customerId", json!("10000")),
            (invoices, "", "externalDocumentNumber", letters(36)),
            (invoices, "", "pricesIncludeTax", json!("false")),
            (customers, "", "email", letters(81)),
            (customers, "", "displayName", json!(1)),
        ],
    );
}
