//! Facts, lists, hostile answers, addresses.

use super::*;

fn facts_answers() -> Vec<Scripting> {
    vec![
        Ok(reply(200, &json!({ "id": COMPANY, "name": "Harbour", "displayName": "Harbour & Hill" }).to_string())),
        list(json!([{ "allowPostingFrom": "0001-01-01", "localCurrencyCode": "GBP" }])),
        list(json!([])),
        list(json!([{ "code": "STANDARD", "displayName": "20%", "taxType": "VAT" }])),
        list(json!([{ "code": "EUR" }])),
        list(json!([{ "id": JOURNAL, "code": "GENERAL" }])),
    ]
}

#[tokio::test]
async fn facts_take_six_calls_and_do_without_what_is_not_there() {
    let transport = Scripted::new(facts_answers());
    let (facts, calls) = with_access!(|access| ledger(&transport).facts.facts(access));
    assert_eq!((facts.unwrap().value.base_currency.to_string().as_str(), calls), ("GBP", 6));
    // An older version without the set-up page, and a user without journals.
    let mut answers = facts_answers();
    answers[1] = error(404, "BadRequest_ResourceNotFound", "Resource not found for the segment 'generalLedgerSetup'.");
    answers[5] = error(403, "Authorization_RequestDenied", "x");
    answers.push(list(json!([{ "currencyCode": "ZAR" }])));
    let transport = Scripted::new(answers);
    let (facts, calls) = with_access!(|access| ledger(&transport).facts.facts(access));
    let facts = facts.unwrap().value;
    assert_eq!((facts.base_currency.to_string().as_str(), facts.accounts.len(), calls), ("ZAR", 0, 7));
    for (index, response, code) in [
        (0, error(404, "Internal_CompanyNotFound", "x"), "company_missing"),
        (0, Ok(reply(200, &json!({ "id": OTHER, "name": "Another" }).to_string())), "answer_unexpected"),
        (2, error(403, "Authorization_RequestDenied", "x"), "permission_missing"),
        (5, error(429, "Unknown", "x"), "limit_reached"),
    ] {
        let mut answers = facts_answers();
        answers[index] = response;
        let transport = Scripted::new(answers);
        let (failed, _) = with_access!(|access| ledger(&transport).facts.facts(access));
        assert_eq!(failed.unwrap_err().code, format!("business_central_{code}"));
    }
}

#[tokio::test]
async fn lists_lead_on_within_the_company_and_end() {
    let root = format!("https://api.businesscentral.dynamics.com/v2.0/{TENANT}/Production/api/v2.0/companies({COMPANY})");
    let page = |next: &str| Ok(reply(200, &json!({ "value": [], "@odata.nextLink": next }).to_string()));
    let next = format!("{root}/salesInvoices?$skiptoken=abc");
    let look = Look { reference: Some("CP-1".to_owned()), ..Look::default() };
    let transport = Scripted::new([page(&next), list(json!([invoice_json("Draft", &[])]))]);
    let (found, calls) = with_access!(|access| ledger(&transport).documents.look(access, &look));
    assert_eq!((found.unwrap().value.len(), calls), (1, 2));
    assert_eq!(lines(&transport)[1], "GET /salesInvoices?$skiptoken=abc");
    for elsewhere in [
        "https://evil.example/v2.0/x".to_owned(),
        next.replace(COMPANY, OTHER),
        next.replace("/salesInvoices", "/../../companies"),
        next.replace("https://", "http://"),
    ] {
        let transport = Scripted::new([page(&elsewhere)]);
        let (failed, calls) = with_access!(|access| ledger(&transport).documents.look(access, &look));
        assert_eq!((failed.unwrap_err().code.as_ref(), calls), ("business_central_answer_unexpected", 1), "{elsewhere}");
    }
    let transport = Scripted::new((0..PAGES_MAX).map(|_| page(&next)));
    let (failed, calls) = with_access!(|access| ledger(&transport).documents.look(access, &look));
    assert!(failed.is_err());
    assert_eq!(usize::try_from(calls).unwrap(), PAGES_MAX);
}

/// Answers that a vendor, a proxy or an attacker may give: a failure, never a panic, and never half a truth.
#[tokio::test]
async fn hostile_answers_are_failures() {
    let mut huge = invoice_json("Draft", &[10_000]).to_string().into_bytes();
    huge.resize(ANSWER_MAX + 1, b' ');
    let replaced = |field: &str, value: Value| {
        let mut json = invoice_json("Draft", &[10_000]);
        json[field] = value;
        Ok(reply(200, &json.to_string()))
    };
    let hostile: Vec<(&str, Scripting)> = vec![
        ("empty", Ok(reply(200, ""))),
        ("html", Ok(answer(200, &[("content-type", "text/html")], "<html>sign in to the hotel's network</html>"))),
        ("truncated", Ok(reply(200, r#"{"id":"#))),
        ("a list", Ok(reply(200, "[]"))),
        ("huge", Ok(answer(200, &[("content-type", "application/json")], huge))),
        ("another invoice", replaced("id", OTHER.into())),
        ("no id", replaced("id", Value::Null)),
        ("an amount beyond all", Ok(reply(200, &invoice_json("Draft", &[]).to_string().replace(":120", ":1e99")))),
        (
            "a sequence below all",
            Ok(reply(200, &invoice_json("Draft", &[10_000]).to_string().replace("\"sequence\":10000", "\"sequence\":-1"))),
        ),
        ("no status", replaced("status", Value::Null)),
        ("lines that are none", replaced("salesInvoiceLines", "many".into())),
    ];
    for (what, response) in hostile {
        let transport = Scripted::new([response.clone()]);
        let (failed, _) = with_access!(|access| ledger(&transport).documents.read_document(access, INVOICE));
        let failure = failed.expect_err(what);
        assert_ne!(failure.disposition, Disposition::LookFirst, "{what}");
        // As the answer to a write it leaves open what was done.
        let transport = Scripted::new([response]);
        let api = ledger(&transport);
        let body = api.documents.document_body(&write_of(1));
        if what != "another invoice" {
            let (failed, _) = with_access!(|access| api.documents.write_document(access, None, &body, "key"));
            assert_eq!(failed.expect_err(what).disposition, Disposition::LookFirst, "{what}");
        }
    }
}

#[tokio::test]
async fn an_organisation_of_another_form_is_never_called() {
    let transport = Scripted::new([]);
    let api = ledger(&transport);
    let (token, meter) = (Secret::new("a-1".to_owned()), Meter::default());
    for organisation in ["", "x", "a/b/c", &format!("{TENANT}/..%2F/{COMPANY}"), &format!("{TENANT}/Production/{COMPANY}/x")] {
        let access = Access {
            organisation,
            token: &token,
            meter: &meter,
            timeout: Duration::from_secs(12),
            now: "2026-11-21T10:00:00Z".parse().unwrap(),
        };
        assert_eq!(api.documents.read_document(access, INVOICE).await.unwrap_err().disposition, Disposition::Defect);
        assert_eq!(api.documents.write_document(access, None, b"{}", "key").await.unwrap_err().disposition, Disposition::Defect);
        assert!(api.facts.facts(access).await.is_err());
    }
    assert_eq!(meter.calls(), 0);
}

/// R63, section 11: the draft's page, then the posted one's.
#[test]
fn r63_a_document_opens_where_it_stands() {
    let transport = Scripted::new([]);
    let api = ledger(&transport);
    let now = "2026-11-21T10:00:00Z".parse().unwrap();
    let parts = map::Parts {
        company: serde_json::from_value(json!({ "id": COMPANY, "name": "Harbour & Hill" })).unwrap(),
        setup: serde_json::from_value(json!({ "localCurrencyCode": "GBP" })).unwrap(),
        information: wire::WireInformation::default(),
        accounts: Vec::new(),
        tax_groups: Vec::new(),
        currencies: Vec::new(),
        journals: Vec::new(),
    };
    let facts = map::facts(parts, now).unwrap();
    let url = |status: &str| api.documents.document_url(&facts, &organisation(), &there(invoice_json(status, &[])));
    let expected = |page: u32| {
        let filter = "%27No.%27%20IS%20%27S-INV1%27";
        Some(format!("https://businesscentral.dynamics.com/{TENANT}/Production/?company=Harbour%20%26%20Hill&page={page}&filter={filter}"))
    };
    assert_eq!((url("Draft"), url("Open"), url("Paid")), (expected(43), expected(132), expected(132)));
    let unknown = coportal_core::facts::Facts { short_code: None, ..facts };
    assert_eq!(api.documents.document_url(&unknown, &organisation(), &there(invoice_json("Draft", &[]))), None);
}
