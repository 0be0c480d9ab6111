//! Payment journals (vendor notes, section 12).

use serde_json::{Value, json};
use simulators::business_central::Action;

use crate::support::*;

async fn journal(caller: &Caller) -> String {
    caller.found("customerPaymentJournals", "code eq 'GENERAL'").await[0]["id"].as_str().unwrap().to_owned()
}

async fn posted(caller: &Caller) -> String {
    let invoice = caller.invoice("CP-1", &["10"]).await;
    caller.act(&format!("salesInvoices({invoice})/Microsoft.NAV.post")).await;
    invoice
}

#[tokio::test]
async fn a_payment_waits_in_its_journal_until_a_person_posts_it() {
    let caller = connected().await;
    let (journal, invoice) = (journal(&caller).await, posted(&caller).await);
    let lines = format!("customerPaymentJournals({journal})/customerPayments");
    let made = caller
        .post(
            &lines,
            &json!({ "appliesToInvoiceId": invoice, "amount": -12.0, "postingDate": "2026-03-11", "externalDocumentNumber": "cp-pay-1" }),
        )
        .await;
    assert_eq!(
        pick(&made, &["amount", "appliesToInvoiceNumber", "customerNumber", "externalDocumentNumber", "journalDisplayName", "lineNumber"]),
        json!([-12, "PS-INV103002", "C00020", "CP-PAY-1", "GENERAL", 10_000])
    );
    let head = format!("salesInvoices({invoice})");
    assert_eq!(pick(&caller.get(&head).await, &["status", "remainingAmount"]), json!(["Open", 12]), "nothing is paid yet");
    assert_eq!(caller.found(&lines, "externalDocumentNumber eq 'CP-PAY-1'").await.len(), 1);
    let state = caller.simulator.state();
    assert_eq!((state.payments.len(), state.payments[0].amount.to_string().as_str()), (1, "12.00"));
    caller.simulator.bookkeeper(Action::PostPayments { organisation: None }).unwrap();
    assert_eq!(pick(&caller.get(&head).await, &["status", "remainingAmount"]), json!(["Paid", 0]));
    assert_eq!(caller.get(&lines).await["value"].as_array().unwrap().len(), 0, "posted lines leave the journal");
    assert_eq!(caller.simulator.state().payments.len(), 1);
    assert_eq!(caller.refused("GET", &format!("{lines}({})", made["id"].as_str().unwrap()), &Value::Null).await.0, 404);
}

#[tokio::test]
async fn payments_have_their_rules() {
    let caller = connected().await;
    let (journal, invoice) = (journal(&caller).await, posted(&caller).await);
    let customer = caller.get(&format!("salesInvoices({invoice})")).await["customerId"].clone();
    let draft = caller.draft(customer.as_str().unwrap(), "CP-2").await;
    let other = caller.post("customers", &json!({ "displayName": "Other" })).await;
    let lines = format!("customerPaymentJournals({journal})/customerPayments");
    for (sent, code, says) in [
        (json!({ "appliesToInvoiceId": draft, "amount": -1 }), "Application_DialogException", "Open, Paid, Corrective, or Canceled"),
        (json!({ "appliesToInvoiceId": invoice, "amount": 1 }), "Application_DialogException", "should be a negative number"),
        (json!({ "customerId": caller.company, "amount": -1 }), "Application_DialogException", "does not match to a Customer"),
        (json!({ "customerNumber": "C99999", "amount": -1 }), "Application_DialogException", "does not match to a Customer"),
        (json!({ "customerId": customer, "customerNumber": other["number"], "amount": -1 }), "Application_DialogException", "do not match"),
        (json!({ "customerId": customer, "journalId": caller.company, "amount": -1 }), "Application_DialogException", "do not match"),
        (json!({ "customerId": customer, "externalDocumentNumber": "x".repeat(36) }), "Application_StringExceededLength", ""),
        (json!({ "customerId": customer, "paid": true }), "BadRequest", "'paid'"),
        (json!({ "customerId": customer, "id": caller.company }), "BadRequest_InvalidOperation", "'id'"),
    ] {
        let (_, got, message) = caller.refused("POST", &lines, &sent).await;
        assert_eq!(got, code, "{sent}");
        assert!(message.contains(says), "{message}");
    }
    for sent in [json!({ "amount": -1 }), json!({ "appliesToInvoiceId": invoice, "customerId": other["id"], "amount": -1 })] {
        assert_eq!(caller.send("POST", &lines, &sent).await.status(), 501, "{sent}");
    }
    assert_eq!(caller.refused("POST", &format!("customerPaymentJournals({})/customerPayments", caller.company), &json!({})).await.0, 404);
    assert!(caller.simulator.state().payments.is_empty());
    // Nothing keeps the same payment from being entered twice.
    let one = json!({ "appliesToInvoiceId": invoice, "amount": -12, "externalDocumentNumber": "P1" });
    caller.post(&lines, &one).await;
    let second = caller.post(&lines, &one).await;
    assert_eq!(caller.simulator.state().payments.len(), 2);
    assert!(caller.simulator.bookkeeper(Action::PostPayments { organisation: None }).is_err(), "more than is due");
    let path = format!("{lines}({})", second["id"].as_str().unwrap());
    assert_eq!(caller.send("DELETE", &path, &Value::Null).await.status(), 412);
    assert_eq!(caller.guarded(second["@odata.etag"].as_str().unwrap(), "DELETE", &path, &Value::Null).await.status(), 204);
    caller.simulator.bookkeeper(Action::PostPayments { organisation: None }).unwrap();
    assert_eq!(caller.send("POST", &format!("journals({journal})/Microsoft.NAV.post"), &Value::Null).await.status(), 501);
}

#[tokio::test]
async fn a_journal_is_made_once() {
    let caller = connected().await;
    let account = caller.found("accounts", "number eq '2910'").await[0]["id"].clone();
    let sent = json!({ "code": "coportal", "displayName": "CoPortal", "balancingAccountId": account });
    let made = caller.post("customerPaymentJournals", &sent).await;
    assert_eq!(pick(&made, &["code", "balancingAccountNumber"]), json!(["COPORTAL", "2910"]));
    assert_eq!(caller.refused("POST", "customerPaymentJournals", &sent).await.1, "Internal_EntityWithSameKeyExists");
    assert_eq!(caller.get(&format!("customerPaymentJournals({})", made["id"].as_str().unwrap())).await["displayName"], "CoPortal");
    for (sent, code) in [
        (json!({}), "Application_FieldValidationException"),
        (json!({ "code": "x".repeat(11) }), "Application_StringExceededLength"),
        (json!({ "code": "A", "balancingAccountId": caller.company }), "Internal_InvalidTableRelation"),
        (json!({ "code": "A", "balancingAccountNumber": "2910" }), "BadRequest_InvalidOperation"),
    ] {
        assert_eq!(caller.refused("POST", "customerPaymentJournals", &sent).await.1, code, "{sent}");
    }
}
