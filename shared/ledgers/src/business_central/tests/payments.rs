//! Payments.

use super::*;

fn payment_json(id: &str, invoice: &str, mark: &str, amount: i64) -> Value {
    json!({ "id": id, "appliesToInvoiceId": invoice, "externalDocumentNumber": mark, "amount": amount, "postingDate": "2026-11-21" })
}

/// C1: what waits in a journal counts, ours or not; what is posted has left it.
#[tokio::test]
async fn c1_payments_are_left_for_the_bookkeeper() {
    let transport = Scripted::new([
        invoice("Open", &[]),
        list(json!([{ "id": JOURNAL, "code": "GENERAL" }, { "id": OTHER, "code": "CASH" }])),
        list(json!([payment_json(CUSTOMER, INVOICE, "CP-0123456789ABCDEF0", -30), payment_json(OTHER, OTHER, "X", -5)])),
        list(json!([payment_json(TENANT, INVOICE, "", -20)])),
        invoice("Draft", &[]),
    ]);
    let api = ledger(&transport);
    let payments = api.payments.clone().unwrap();
    let (paid, calls) = with_access!(|access| payments.payments(access, INVOICE));
    let paid = paid.unwrap().value;
    assert_eq!((paid.balance, paid.payments.len(), calls), (70.into(), 2, 4));
    assert_eq!(paid.payments[0].external_id, format!("{JOURNAL}/{CUSTOMER}"));
    assert_eq!((paid.payments[0].mark.as_deref(), paid.payments[0].amount), (Some("CP-0123456789ABCDEF0"), 30.into()));
    let (draft, calls) = with_access!(|access| payments.payments(access, INVOICE));
    // C1: nothing is open on it, and it is not paid: an answer that contradicts what is linked settles no payment.
    assert_eq!((draft.unwrap_err().code.as_ref(), calls), ("business_central_answer_unexpected", 1));
}

#[tokio::test]
async fn c1_a_payment_answers_with_its_own_mark() {
    let made = |mark: &str| Ok(reply(201, &payment_json(CUSTOMER, INVOICE, mark, -30).to_string()));
    let transport = Scripted::new([
        made("CP-0123456789ABCDEF0"),
        made("CP-OTHER"),
        lost(),
        error(404, "BadRequest_NotFound", "x"),
        error(400, "Application_DialogException", "The \"amount\" should be a negative number."),
    ]);
    let api = ledger(&transport);
    let payments = api.payments.clone().unwrap();
    let write = PaymentWrite {
        mark: "CP-0123456789ABCDEF0".to_owned(),
        document: INVOICE.to_owned(),
        document_number: None,
        contact: CUSTOMER.to_owned(),
        amount: 30.into(),
        currency: "GBP".parse().unwrap(),
        date: "2026-11-21".parse().unwrap(),
        account: JOURNAL.to_owned(),
        text: "Payment of invoice CP-1".to_owned(),
    };
    let body = payments.payment_body(&write);
    let (done, _) = with_access!(|access| payments.write_payment(access, &body, "key"));
    assert_eq!(done.unwrap().value.mark.as_deref(), Some("CP-0123456789ABCDEF0"));
    assert_eq!(lines(&transport)[0], format!("POST /customerPaymentJournals({JOURNAL})/customerPayments"));
    for expected in ["look", "look", "no", "no"] {
        let (failed, _) = with_access!(|access| payments.write_payment(access, &body, "key"));
        let failure = failed.unwrap_err();
        assert_eq!(failure.disposition == Disposition::LookFirst, expected == "look", "{failure:?}");
        assert!(expected == "look" || failure.code == "business_central_payment_refused");
    }
    let body = payments.payment_body(&PaymentWrite { account: "2910".to_owned(), ..write });
    let (failed, calls) = with_access!(|access| payments.write_payment(access, &body, "key"));
    assert_eq!((failed.unwrap_err().code.as_ref(), calls), ("business_central_payment_refused", 0), "an account is no journal");
}
