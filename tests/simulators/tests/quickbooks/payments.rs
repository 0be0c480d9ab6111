//! Payments (vendor notes, section 9).

use serde_json::{Value, json};

use crate::support::{Caller, aimed, body, gb, line, number};

async fn billed(caller: &Caller, number: &str, amount: &str) -> Value {
    let known = caller.query("select * from Customer where DisplayName = 'Acme'").await;
    let customer = match known["Customer"][0]["Id"].as_str() {
        Some(id) => id.to_owned(),
        None => caller.customer("Acme").await,
    };
    caller.invoice(&body(&customer, number, vec![line("1", amount, amount, "4")])).await
}

fn payment(invoice: &Value, total: &str, lines: &[(&Value, &str)]) -> Value {
    let lines: Vec<Value> = lines
        .iter()
        .map(|(invoice, amount)| json!({ "Amount": number(amount), "LinkedTxn": [{ "TxnId": invoice["Id"], "TxnType": "Invoice" }] }))
        .collect();
    json!({
        "CustomerRef": invoice["CustomerRef"], "TotalAmt": number(total), "TxnDate": "2026-03-11", "PaymentRefNum": "ch_1",
        "PrivateNote": "coportal:pay:1", "Line": lines,
    })
}

async fn read(caller: &Caller, invoice: &Value) -> Value {
    caller.get(&format!("invoice/{}", invoice["Id"].as_str().unwrap())).await["Invoice"].clone()
}

/// Section 0, fact 5: applying a payment bumps the invoice's token.
#[tokio::test]
async fn a_payment_reduces_the_balance_and_makes_the_token_stale() {
    let caller = gb().await;
    let invoice = billed(&caller, "CP-1", "100").await;
    let made = caller.post("payment?minorversion=75&requestid=p1", &payment(&invoice, "60", &[(&invoice, "60")])).await["Payment"].clone();
    assert_eq!((&made["TotalAmt"], &made["UnappliedAmt"]), (&number("60.00"), &number("0.00")));
    assert_eq!(made["DepositToAccountRef"]["value"], "2", "Undeposited Funds");
    let after = read(&caller, &invoice).await;
    assert_eq!((&after["Balance"], &after["SyncToken"]), (&number("40.00"), &json!("1")));
    assert_eq!(after["LinkedTxn"], json!([{ "TxnId": made["Id"], "TxnType": "Payment" }]));
    let stale = aimed(&invoice, json!({ "sparse": true, "DueDate": "2026-05-01" }));
    assert_eq!(caller.code("POST", "invoice", &stale).await, "5010");
    let again = caller.post("payment?requestid=p1", &payment(&invoice, "60", &[(&invoice, "60")])).await["Payment"].clone();
    assert_eq!(again["Id"], made["Id"]);
    assert_eq!(caller.get(&format!("payment/{}", made["Id"].as_str().unwrap())).await["Payment"], made);
    let state = caller.simulator.state();
    assert_eq!((state.payments.len(), state.documents[0].amount_due.to_string()), (1, "40.00".to_owned()));
    let customer = invoice["CustomerRef"]["value"].as_str().unwrap();
    let found = caller.query(&format!("select * from Payment where CustomerRef = '{customer}'")).await;
    assert_eq!(found["Payment"][0]["PrivateNote"], "coportal:pay:1");
}

#[tokio::test]
async fn an_overpayment_stays_as_credit_and_one_payment_may_cover_two() {
    let caller = gb().await;
    let (one, two) = (billed(&caller, "CP-1", "10").await, billed(&caller, "CP-2", "20").await);
    let made = caller.post("payment", &payment(&one, "50", &[(&one, "15"), (&two, "20")])).await["Payment"].clone();
    assert_eq!((&made["UnappliedAmt"], &made["Line"][0]["Amount"]), (&number("20.00"), &number("10.00")));
    assert_eq!(
        (read(&caller, &one).await["Balance"].clone(), read(&caller, &two).await["Balance"].clone()),
        (number("0.00"), number("0.00"))
    );
    let state = caller.simulator.state();
    assert!(state.documents.iter().all(|document| document.status == "paid"));
    assert_eq!(state.payments.iter().map(|payment| payment.amount.to_string()).collect::<Vec<_>>(), ["10.00", "20.00", "20.00"]);
    assert_eq!(state.payments[2].document_id, "");
}

#[tokio::test]
async fn a_payment_has_its_rules() {
    let caller = gb().await;
    let invoice = billed(&caller, "CP-1", "100").await;
    let stranger = caller.customer("Stranger").await;
    let good = payment(&invoice, "60", &[(&invoice, "60")]);
    let with = |name: &str, value: Value| {
        let mut changed = good.clone();
        changed[name] = value;
        changed
    };
    for (name, value, code) in [
        ("CustomerRef", Value::Null, "2020"),
        ("CustomerRef", json!({ "value": "404" }), "2500"),
        ("CustomerRef", json!({ "value": stranger }), "6000"),
        ("TotalAmt", Value::Null, "2020"),
        ("TotalAmt", json!(-1), "6000"),
        ("TotalAmt", json!(59), "6000"),
        ("PaymentRefNum", json!("x".repeat(22)), "2050"),
        ("DepositToAccountRef", json!({ "value": "1" }), "2500"),
        ("Line", json!([{ "Amount": 1, "LinkedTxn": [{ "TxnId": "404", "TxnType": "Invoice" }] }]), "2500"),
    ] {
        assert_eq!(caller.code("POST", "payment", &with(name, value.clone())).await, code, "{name} {value}");
    }
    caller.not_modelled("POST", "payment", &with("PaymentMethodRef", json!({ "value": "1" }))).await;
    caller.act(json!({ "action": "close_books", "organisation": caller.realm, "until": "2026-03-31" }));
    assert_eq!(caller.code("POST", "payment", &good).await, "6210");
    assert!(caller.simulator.state().payments.is_empty());
}

#[tokio::test]
async fn a_payment_is_voided_or_deleted_and_its_invoice_is_open_again() {
    let caller = gb().await;
    let invoice = billed(&caller, "CP-1", "100").await;
    let made = caller.post("payment", &payment(&invoice, "60", &[(&invoice, "60")])).await["Payment"].clone();
    let aim = aimed(&made, json!({ "sparse": true }));
    let void = caller.post("payment?operation=update&include=void", &aim).await["Payment"].clone();
    assert_eq!((&void["TotalAmt"], &void["PrivateNote"]), (&number("0.00"), &json!("Voided - coportal:pay:1")));
    assert_eq!((&void["Line"], &read(&caller, &invoice).await["Balance"]), (&json!([]), &number("100.00")));
    assert_eq!(caller.code("POST", "payment?operation=delete", &aim).await, "5010");
    let second = caller.post("payment", &payment(&invoice, "60", &[(&invoice, "60")])).await["Payment"].clone();
    let reply = caller.post("payment?operation=delete", &aimed(&second, json!({}))).await;
    assert_eq!(reply["Payment"], json!({ "status": "Deleted", "domain": "QBO", "Id": second["Id"] }));
    assert_eq!(caller.code("GET", &format!("payment/{}", second["Id"].as_str().unwrap()), &Value::Null).await, "610");
    assert_eq!(read(&caller, &invoice).await["SyncToken"], "4", "each of the four changed it");
    caller.not_modelled("POST", "payment?operation=void", &aimed(&void, json!({}))).await;
    caller.not_modelled("POST", "payment", &aimed(&void, json!({ "sparse": true, "PrivateNote": "x" }))).await;
}

/// Section 3: a void leaves the payment unapplied; a deposited one refuses it (6540).
#[tokio::test]
async fn voiding_a_paid_invoice_makes_credit_unless_the_money_is_deposited() {
    let caller = gb().await;
    let (one, two) = (billed(&caller, "CP-1", "100").await, billed(&caller, "CP-2", "100").await);
    let made = caller.post("payment", &payment(&one, "100", &[(&one, "100")])).await["Payment"].clone();
    let paid = read(&caller, &one).await;
    caller.post("invoice?operation=void", &aimed(&paid, json!({}))).await;
    let credit = caller.get(&format!("payment/{}", made["Id"].as_str().unwrap())).await["Payment"].clone();
    assert_eq!((&credit["UnappliedAmt"], &credit["SyncToken"]), (&number("100.00"), &json!("1")));
    caller.act(json!({ "action": "pay", "document_id": two["Id"] }));
    caller.act(json!({ "action": "deposit", "document_id": two["Id"] }));
    let paid = read(&caller, &two).await;
    for path in ["invoice?operation=void", "invoice?operation=delete"] {
        assert_eq!(caller.code("POST", path, &aimed(&paid, json!({}))).await, "6540", "{path}");
    }
    let less = aimed(&paid, json!({ "sparse": true, "Line": [line("1", "50", "50", "4")] }));
    assert_eq!(caller.code("POST", "invoice", &less).await, "6540");
    let deposited = paid["LinkedTxn"][0]["TxnId"].as_str().unwrap();
    let aim = aimed(&caller.get(&format!("payment/{deposited}")).await["Payment"], json!({ "sparse": true }));
    assert_eq!(caller.code("POST", "payment?operation=update&include=void", &aim).await, "6540");
}

/// Section 3: any field stays editable when paid; what is over becomes credit.
#[tokio::test]
async fn a_paid_invoice_can_be_changed_and_its_payment_gives_way() {
    let caller = gb().await;
    let invoice = billed(&caller, "CP-1", "100").await;
    caller.act(json!({ "action": "pay", "document_id": invoice["Id"], "amount": "80" }));
    let paid = read(&caller, &invoice).await;
    let less = caller.invoice(&aimed(&paid, json!({ "sparse": true, "Line": [line("1", "50", "50", "4")] }))).await;
    assert_eq!((&less["TotalAmt"], &less["Balance"]), (&number("50.00"), &number("0.00")));
    let payment = caller.get(&format!("payment/{}", paid["LinkedTxn"][0]["TxnId"].as_str().unwrap())).await["Payment"].clone();
    assert_eq!(payment["UnappliedAmt"], number("30.00"));
    caller.act(json!({ "action": "remove_payments", "document_id": invoice["Id"] }));
    assert_eq!(read(&caller, &invoice).await["Balance"], number("50.00"));
}
