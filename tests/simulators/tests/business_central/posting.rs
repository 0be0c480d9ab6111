//! Posting, what may change after it, and cancelling (vendor notes, sections 5, 12 and 13).

use serde_json::{Value, json};
use simulators::business_central::{Action, Blocked};

use crate::support::*;

fn preferences(value: Value) -> simulators::skeleton::state::Seed {
    serde_json::from_value(json!({ "organisations": [{ "name": "Harbour & Hill Ltd", "preferences": value }] })).unwrap()
}

async fn post_refused(caller: &Caller, invoice: &str) -> (String, String) {
    let (status, code, message) = caller.refused("POST", &format!("salesInvoices({invoice})/Microsoft.NAV.post"), &Value::Null).await;
    assert_eq!(status, 400, "{message}");
    (code, message)
}

#[tokio::test]
async fn posting_keeps_the_id_and_changes_number_and_line_ids() {
    let caller = connected().await;
    let invoice = caller.invoice("CP-1", &["10", "20"]).await;
    let path = format!("salesInvoices({invoice})");
    let before = caller.get(&format!("{path}?$expand=salesInvoiceLines")).await;
    caller.act(&format!("{path}/Microsoft.NAV.post")).await;
    let after = caller.get(&format!("{path}?$expand=salesInvoiceLines")).await;
    assert_eq!(
        pick(&after, &["id", "number", "status", "externalDocumentNumber", "remainingAmount"]),
        json!([invoice, "PS-INV103002", "Open", "CP-1", 36])
    );
    assert_ne!(before["@odata.etag"], after["@odata.etag"]);
    assert_ne!(before["salesInvoiceLines"][0]["id"], after["salesInvoiceLines"][0]["id"]);
    assert_eq!(before["salesInvoiceLines"][0]["sequence"], after["salesInvoiceLines"][0]["sequence"]);
    let (code, message) = post_refused(&caller, &invoice).await;
    assert_eq!(code, "Application_DialogException");
    assert!(message.starts_with("The action can be applied to a draft invoice only."), "{message}");
    assert_eq!(caller.simulator.state().documents[0].status, "approved");
}

#[tokio::test]
async fn after_posting_only_a_few_fields_change() {
    let caller = connected().await;
    let invoice = caller.invoice("CP-1", &["10"]).await;
    let path = format!("salesInvoices({invoice})");
    caller.act(&format!("{path}/Microsoft.NAV.post")).await;
    let changed = caller.patch(&path, &json!({ "dueDate": "2026-05-01", "promisedPayDate": "2026-05-02" })).await;
    assert_eq!(pick(&changed, &["dueDate", "promisedPayDate"]), json!(["2026-05-01", "2026-05-02"]));
    let lines = caller.get(&format!("{path}/salesInvoiceLines")).await;
    let one = format!("{path}/salesInvoiceLines({})", lines["value"][0]["id"].as_str().unwrap());
    for (method, path, body) in [
        ("PATCH", path.clone(), json!({ "externalDocumentNumber": "X", "dueDate": "2026-05-01" })),
        ("POST", format!("{path}/salesInvoiceLines"), line(20_000, "1")),
        ("PATCH", one.clone(), json!({ "quantity": 2 })),
        ("DELETE", one, Value::Null),
    ] {
        let (_, code, message) = caller.refused(method, &path, &body).await;
        assert_eq!(code, "Application_DialogException");
        assert!(message.starts_with("The invoice has been posted and can no longer be modified."), "{message}");
    }
    assert_eq!(caller.guarded("*", "DELETE", &path, &Value::Null).await.status(), 501);
    assert_eq!(caller.guarded("*", "PATCH", &path, &json!({ "disputeStatus": "X" })).await.status(), 400, "not of this version's type");
}

#[tokio::test]
async fn posting_checks_what_it_needs() {
    let caller = connected().await;
    let customer = caller.customer("Acme").await;
    let invoice = caller.draft(&customer, "").await;
    assert!(post_refused(&caller, &invoice).await.1.starts_with("Please add at least one line item"));
    let lines = format!("salesInvoices({invoice})/salesInvoiceLines");
    caller.post(&lines, &json!({ "lineType": "Comment", "description": "x" })).await;
    assert!(post_refused(&caller, &invoice).await.1.starts_with("Please add at least one line item"));
    let bare = caller.post(&lines, &json!({ "lineType": "Account", "lineObjectNumber": "6110" })).await;
    assert!(post_refused(&caller, &invoice).await.1.contains("no quantity"));
    caller.patch(&format!("{lines}({})", bare["id"].as_str().unwrap()), &json!({ "quantity": 1, "unitPrice": 10 })).await;

    caller.simulator.seed(&preferences(json!({ "external_document_mandatory": true }))).unwrap();
    let (code, message) = post_refused(&caller, &invoice).await;
    assert_eq!(code, "Application_FieldValidationException");
    assert!(message.starts_with("External Document No. must have a value"), "{message}");
    caller.patch(&format!("salesInvoices({invoice})"), &json!({ "externalDocumentNumber": "CP-1" })).await;

    let close = |through: Option<&str>| Action::ClosePeriod { organisation: None, through: through.map(|day| day.parse().unwrap()) };
    caller.simulator.bookkeeper(close(Some("2026-03-31"))).unwrap();
    assert_eq!(caller.get("generalLedgerSetup").await["value"][0]["allowPostingFrom"], "2026-04-01");
    assert!(post_refused(&caller, &invoice).await.1.starts_with("Posting Date is not within your range of allowed posting dates"));
    caller.simulator.bookkeeper(close(None)).unwrap();

    for blocked in [Blocked::Ship, Blocked::All] {
        caller.simulator.bookkeeper(Action::BlockContact { contact_id: customer.clone(), blocked }).unwrap();
        assert!(post_refused(&caller, &invoice).await.1.contains("is blocked with type"));
    }
    caller.simulator.bookkeeper(Action::BlockContact { contact_id: customer.clone(), blocked: Blocked::No }).unwrap();

    let account = |change: Value| {
        let mut account = json!({
            "number": "6110", "displayName": "Sales, Services", "category": "Income", "genProdPostingGroup": "SERVICES",
            "vatProdPostingGroup": "STANDARD",
        });
        for (name, value) in change.as_object().unwrap() {
            account[name] = value.clone();
        }
        serde_json::from_value(json!({ "organisations": [{ "name": "Harbour & Hill Ltd", "accounts": [account] }] })).unwrap()
    };
    for (change, message) in [
        (json!({ "blocked": true }), "Blocked must be equal to 'No' in G/L Account: No.=6110"),
        (json!({ "genProdPostingGroup": null }), "Gen. Prod. Posting Group must have a value"),
        (json!({ "requiresDimension": true }), "Select a Dimension Value Code for the Dimension Code DEPARTMENT"),
    ] {
        caller.simulator.seed(&account(change)).unwrap();
        assert!(post_refused(&caller, &invoice).await.1.starts_with(message), "{message}");
    }
    let dimension = Action::EditDocument {
        document_id: invoice.clone(),
        due_date: None,
        issue_date: None,
        reference: None,
        dimension: Some("SALES".into()),
    };
    caller.simulator.bookkeeper(dimension).unwrap();
    caller.act(&format!("salesInvoices({invoice})/Microsoft.NAV.post")).await;
    assert_eq!(caller.simulator.state().documents[0].lines[1].tracking, ["DEPARTMENT: SALES"]);
}

#[tokio::test]
async fn a_line_without_vat_group_or_account_and_a_negative_total_cannot_be_posted() {
    let caller = connected().await;
    let invoice = caller.invoice("CP-1", &["10"]).await;
    let lines = format!("salesInvoices({invoice})/salesInvoiceLines");
    let first = caller.get(&lines).await["value"][0]["id"].as_str().unwrap().to_owned();
    caller.patch(&format!("{lines}({first})"), &json!({ "taxCode": "" })).await;
    assert!(post_refused(&caller, &invoice).await.1.starts_with("VAT Prod. Posting Group must have a value"));
    caller.patch(&format!("{lines}({first})"), &json!({ "taxCode": "STANDARD", "quantity": -1 })).await;
    assert!(post_refused(&caller, &invoice).await.1.starts_with("The total amount for the invoice must be 0 or greater."));
    caller.patch(&format!("{lines}({first})"), &json!({ "quantity": 1 })).await;
    let text = caller.post(&lines, &json!({ "description": "becomes an item", "quantity": 1, "unitPrice": 0 })).await;
    assert!(post_refused(&caller, &invoice).await.1.starts_with("No. must have a value in Sales Line"));
    let path = format!("{lines}({})", text["id"].as_str().unwrap());
    assert_eq!(caller.guarded("*", "DELETE", &path, &Value::Null).await.status(), 204);
    caller.act(&format!("salesInvoices({invoice})/Microsoft.NAV.post")).await;
}

/// Section 5, "Posting checks", and trap 13.
#[tokio::test]
async fn a_workflow_stops_posting_and_a_background_queue_may_fail_behind_a_204() {
    let caller = connected().await;
    let invoice = caller.invoice("CP-1", &["10"]).await;
    caller.simulator.seed(&preferences(json!({ "approval_workflow": true }))).unwrap();
    assert!(post_refused(&caller, &invoice).await.1.contains("must be approved and released"));
    caller.simulator.bookkeeper(Action::SendForApproval { document_id: invoice.clone() }).unwrap();
    assert!(post_refused(&caller, &invoice).await.1.contains("approval process"));
    caller.simulator.bookkeeper(Action::Reopen { document_id: invoice.clone() }).unwrap();
    caller.simulator.seed(&preferences(json!({ "approval_workflow": false, "background_posting_fails": true }))).unwrap();
    caller.act(&format!("salesInvoices({invoice})/Microsoft.NAV.post")).await;
    assert_eq!(caller.get(&format!("salesInvoices({invoice})")).await["status"], "Draft");
    caller.simulator.seed(&preferences(json!({ "background_posting_fails": false }))).unwrap();
    caller.simulator.bookkeeper(Action::Release { document_id: invoice.clone() }).unwrap();
    caller.act(&format!("salesInvoices({invoice})/Microsoft.NAV.post")).await;
    assert_eq!(caller.get(&format!("salesInvoices({invoice})")).await["number"], "PS-INV103002");
}

/// Section 13: totals of a draft and of the posted invoice can differ.
#[tokio::test]
async fn invoice_rounding_adds_a_line_at_posting() {
    let caller = connected().await;
    caller.simulator.seed(&preferences(json!({ "invoice_rounding": "0.05" }))).unwrap();
    let invoice = caller.invoice("CP-1", &["10.02"]).await;
    let path = format!("salesInvoices({invoice})");
    assert_eq!(caller.get(&path).await["totalAmountIncludingTax"], 12.02);
    caller.act(&format!("{path}/Microsoft.NAV.post")).await;
    let posted = caller.get(&format!("{path}?$expand=salesInvoiceLines")).await;
    assert_eq!(pick(&posted, &["totalAmountExcludingTax", "totalTaxAmount", "totalAmountIncludingTax"]), json!([10, 2, 12]));
    assert_eq!(pick(&posted["salesInvoiceLines"][1], &["description", "netAmount"]), json!(["Invoice rounding", -0.02]));
}

#[tokio::test]
async fn an_invoice_of_nothing_is_paid_when_it_is_posted() {
    let caller = connected().await;
    let invoice = caller.invoice("CP-1", &["0"]).await;
    caller.act(&format!("salesInvoices({invoice})/Microsoft.NAV.post")).await;
    assert_eq!(caller.get(&format!("salesInvoices({invoice})")).await["status"], "Paid");
}

#[tokio::test]
async fn a_posted_invoice_is_cancelled_once() {
    let caller = connected().await;
    let invoice = caller.invoice("CP-1", &["10"]).await;
    let path = format!("salesInvoices({invoice})");
    let cancel = format!("{path}/Microsoft.NAV.cancel");
    let why = |refused: (u16, String, String)| refused.2;
    assert!(why(caller.refused("POST", &cancel, &Value::Null).await).starts_with("The action can be applied to a posted invoice only."));
    caller.act(&format!("{path}/Microsoft.NAV.post")).await;
    caller.act(&cancel).await;
    let after = caller.get(&path).await;
    assert_eq!(pick(&after, &["status", "remainingAmount", "externalDocumentNumber"]), json!(["Canceled", 0, "CP-1"]));
    assert!(why(caller.refused("POST", &cancel, &Value::Null).await).contains("already been canceled"));
    let document = &caller.simulator.state().documents[0];
    assert_eq!((document.status.as_str(), document.amount_due.to_string().as_str()), ("voided", "0"));
}

#[tokio::test]
async fn a_cancel_is_refused_with_its_reason() {
    let caller = connected().await;
    let posted = |caller: Caller, number: &'static str| async move {
        let invoice = caller.invoice(number, &["10"]).await;
        caller.act(&format!("salesInvoices({invoice})/Microsoft.NAV.post")).await;
        (caller, invoice)
    };
    let (caller, invoice) = posted(caller, "CP-1").await;
    let cancel = format!("salesInvoices({invoice})/Microsoft.NAV.cancel");
    let customer = caller.get(&format!("salesInvoices({invoice})")).await["customerId"].as_str().unwrap().to_owned();
    let simulator = caller.simulator.clone();
    let refused = async |caller: &Caller, why: &str| {
        let (status, code, message) = caller.refused("POST", &cancel, &Value::Null).await;
        assert_eq!((status, code.as_str()), (400, "Application_DialogException"));
        assert!(message.contains(why), "{message}");
    };
    simulator.bookkeeper(Action::ClosePeriod { organisation: None, through: Some("2026-03-31".parse().unwrap()) }).unwrap();
    refused(&caller, "already closed").await;
    simulator.bookkeeper(Action::ClosePeriod { organisation: None, through: None }).unwrap();
    simulator.bookkeeper(Action::BlockContact { contact_id: customer.clone(), blocked: Blocked::All }).unwrap();
    refused(&caller, "is blocked").await;
    simulator.bookkeeper(Action::BlockContact { contact_id: customer, blocked: Blocked::No }).unwrap();
    let pay = |amount: Option<&str>| Action::Pay {
        document_id: invoice.clone(),
        amount: amount.map(|amount| amount.parse().unwrap()),
        date: None,
    };
    simulator.bookkeeper(pay(Some("1"))).unwrap();
    refused(&caller, "fully or partially paid").await;
    simulator.bookkeeper(pay(None)).unwrap();
    assert_eq!(caller.get(&format!("salesInvoices({invoice})")).await["status"], "Paid");
    refused(&caller, "fully or partially paid").await;
    let seed =
        json!({ "documents": [{ "status": "corrective", "reference": "CP-1", "lines": [{ "description": "x", "unit_price": "5" }] }] });
    let made = simulator.seed(&serde_json::from_value(seed).unwrap()).unwrap().documents[0].clone();
    assert_eq!(made.vendor_status, "Corrective");
    let (_, _, message) = caller.refused("POST", &format!("salesInvoices({})/Microsoft.NAV.cancel", made.id), &Value::Null).await;
    assert!(message.contains("corrective document"), "{message}");
}
