//! Creating, reading and listing sales invoices (published schema, Sales Invoices), and their arithmetic.

use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::{Value, json};
use simulators::sage::{Action, price};
use simulators::skeleton::limits::LimitsChange;
use simulators::skeleton::pricing::{Sale, SaleLine};

use crate::support::{Caller, advance, answer, connected, encode, id, text, value, whole};

async fn with_contact() -> (Caller, String) {
    let caller = connected().await;
    let contact = caller.contact("Acme Ltd").await;
    (caller, contact)
}

/// C12: 25.06 + 25.61 + 25.63 at 15% is 11.44 where tax is per line. R57: the 15% rate of the South African business.
#[tokio::test]
async fn totals_are_sums_of_lines() {
    let caller = connected().await.at(2);
    let contact = caller.contact("Acme (Pty) Ltd").await;
    let mut body = caller.body(&contact, &[("1", "25.06", "3.76"), ("1", "25.61", "3.84"), ("1", "25.63", "3.84")]).await;
    for line in body["sales_invoice"]["invoice_lines"].as_array_mut().unwrap() {
        line["tax_rate_id"] = json!("ZA_STANDARD");
    }
    let made = caller.post("/sales_invoices", &body).await;
    assert_eq!(
        (&made["net_amount"], &made["tax_amount"], &made["total_amount"]),
        (&json!("76.3"), &json!("11.44"), &json!("87.74")),
        "amounts are strings"
    );
    assert_eq!(made["tax_analysis"][0]["tax_amount"], "11.44");
    // The residue of a document that was rounded as a whole goes onto the largest line, and stays there.
    body["sales_invoice"]["invoice_lines"][2]["tax_amount"] = json!(3.85);
    assert_eq!(caller.post("/sales_invoices", &body).await["tax_amount"], "11.45");
    body["sales_invoice"]["invoice_lines"][2]["tax_amount"] = json!(5.13);
    assert_eq!(caller.invalid("POST", "/sales_invoices", &body).await, "invoice_lines.tax_amount", "20% of it");
}

#[tokio::test]
async fn an_issued_invoice_has_a_number_and_comes_back_as_sent() {
    let (caller, contact) = with_contact().await;
    let body = caller.body(&contact, &[("2", "50", "20")]).await;
    let made = caller.post("/sales_invoices", &body).await;
    assert_eq!(
        (&made["displayed_as"], &made["invoice_number_prefix"], &made["invoice_number"]),
        (&json!("SI-1"), &json!("SI-"), &json!("1"))
    );
    assert_eq!((&made["status"]["id"], &made["sent"], &made["editable"]), (&json!("UNPAID"), &json!(false), &json!(true)));
    assert_eq!((&made["reference"], &made["due_date"], &made["contact_name"]), (&json!("CP-1"), &json!("2026-03-24"), &json!("Acme Ltd")));
    assert_eq!((&made["total_amount"], &made["outstanding_amount"]), (&json!("120.0"), &json!("120.0")));
    let line = &made["invoice_lines"][0];
    assert_eq!((&line["quantity"], &line["unit_price"], &line["tax_rate"]["id"]), (&json!("2.0"), &json!("50.0"), &json!("GB_STANDARD")));
    assert_eq!(line["ledger_account"]["displayed_as"], "Sales (4000)");
    assert_eq!(caller.read(&id(&made)).await["invoice_lines"], made["invoice_lines"]);
    let document = caller.simulator.state().documents.remove(0);
    assert_eq!((document.status.as_str(), document.vendor_status.as_str(), document.created_by_app), ("approved", "UNPAID", true));
    assert_eq!((document.number.as_deref(), document.lines[0].account.as_deref()), (Some("SI-1"), Some("4000")));
}

/// postSalesInvoices, and each line: description, ledger account, unit price; in v3.1 the tax too.
#[tokio::test]
async fn required_fields() {
    let (caller, contact) = with_contact().await;
    let good = caller.body(&contact, &[("2", "50", "20")]).await;
    for name in ["contact_id", "date", "invoice_lines"] {
        let mut body = good.clone();
        body["sales_invoice"].as_object_mut().unwrap().remove(name);
        assert_eq!(caller.invalid("POST", "/sales_invoices", &body).await, name);
    }
    let cases = [
        ("description", 422, "invoice_lines.description"),
        ("ledger_account_id", 422, "invoice_lines.ledger_account"),
        ("unit_price", 422, "invoice_lines.unit_price"),
        ("tax_amount", 422, "invoice_lines.tax_amount"),
        ("quantity", 501, ""),
        ("tax_rate_id", 501, ""),
    ];
    for (name, status, source) in cases {
        let mut body = good.clone();
        body["sales_invoice"]["invoice_lines"][0].as_object_mut().unwrap().remove(name);
        let (got, _, at) = caller.refused("POST", "/sales_invoices", &body).await;
        assert_eq!((got, at.as_str()), (status, source), "{name}");
    }
    let mut empty = good.clone();
    empty["sales_invoice"]["invoice_lines"] = json!([]);
    assert_eq!(caller.invalid("POST", "/sales_invoices", &empty).await, "invoice_lines");
    assert!(caller.simulator.state().documents.is_empty());
}

/// `tax_amount` "is inferred as 0.0" for zero, exempt and no-tax rates.
#[tokio::test]
async fn a_rate_of_nothing_needs_no_tax_and_takes_none() {
    let (caller, contact) = with_contact().await;
    for rate in ["GB_ZERO", "GB_EXEMPT", "GB_NO_TAX"] {
        let mut body = caller.body(&contact, &[("2", "50", "0")]).await;
        let line = body["sales_invoice"]["invoice_lines"][0].as_object_mut().unwrap();
        line["tax_rate_id"] = json!(rate);
        line.remove("tax_amount");
        assert_eq!(caller.post("/sales_invoices", &body).await["tax_amount"], "0.0");
        body["sales_invoice"]["invoice_lines"][0]["tax_amount"] = json!(0.01);
        assert_eq!(caller.invalid("POST", "/sales_invoices", &body).await, "invoice_lines.tax_amount");
    }
}

#[tokio::test]
async fn a_tax_of_another_rate_is_refused() {
    let (caller, contact) = with_contact().await;
    for tax in ["0", "5", "15", "19.97", "20.03", "24", "20.001"] {
        let body = caller.body(&contact, &[("2", "50", tax)]).await;
        let source = caller.invalid("POST", "/sales_invoices", &body).await;
        assert!(source.ends_with("tax_amount"), "{tax}: {source}");
    }
    for tax in ["19.99", "20.01"] {
        let body = caller.body(&contact, &[("2", "50", tax)]).await;
        assert_eq!(caller.post("/sales_invoices", &body).await["tax_amount"], *tax);
    }
}

/// The rate is that of the invoice's date: in 2009 the British standard rate was 15%.
#[tokio::test]
async fn the_percentage_is_that_of_the_date() {
    let (caller, contact) = with_contact().await;
    let mut body = caller.body(&contact, &[("1", "100", "15")]).await;
    body["sales_invoice"]["date"] = json!("2009-06-01");
    assert_eq!(caller.post("/sales_invoices", &body).await["tax_amount"], "15.0");
    body["sales_invoice"]["date"] = json!("2011-01-04");
    assert_eq!(caller.invalid("POST", "/sales_invoices", &body).await, "invoice_lines.tax_amount");
}

#[tokio::test]
async fn discounts_and_prices_with_tax() {
    let (caller, contact) = with_contact().await;
    let mut body = caller.body(&contact, &[("3", "33.335", "18")]).await;
    body["sales_invoice"]["invoice_lines"][0]["discount_percentage"] = json!(10);
    let made = caller.post("/sales_invoices", &body).await;
    let line = &made["invoice_lines"][0];
    assert_eq!(
        (&line["discount_amount"], &line["net_amount"], &line["discount_percentage"]),
        (&json!("10.0"), &json!("90.01"), &json!("10.0"))
    );
    let mut body = caller.body(&contact, &[("1", "100", "18")]).await;
    body["sales_invoice"]["invoice_lines"][0]["discount_amount"] = json!(10);
    let made = caller.post("/sales_invoices", &body).await;
    assert_eq!((&made["net_amount"], &made["total_discount_amount"]), (&json!("90.0"), &json!("10.0")));
    body["sales_invoice"]["invoice_lines"][0]["discount_percentage"] = json!(10);
    assert_eq!(caller.refused("POST", "/sales_invoices", &body).await.0, 501, "both");
    let mut body = caller.body(&contact, &[("1", "120", "20")]).await;
    body["sales_invoice"]["invoice_lines"][0]["unit_price_includes_tax"] = json!(true);
    let made = caller.post("/sales_invoices", &body).await;
    assert_eq!((&made["net_amount"], &made["total_amount"]), (&json!("100.0"), &json!("120.0")));
}

#[tokio::test]
async fn zero_and_negative_lines_are_taken_and_a_negative_total_is_not_modelled() {
    let (caller, contact) = with_contact().await;
    let body = caller.body(&contact, &[("1", "100", "20"), ("0", "5", "0"), ("1", "-10", "-2"), ("-1", "10", "-2")]).await;
    assert_eq!(caller.post("/sales_invoices", &body).await["total_amount"], "96.0");
    let body = caller.body(&contact, &[("1", "-10", "-2")]).await;
    assert_eq!(caller.refused("POST", "/sales_invoices", &body).await.0, 501);
}

/// Header totals have to agree; the source that the vendor gives is an umbrella (byte8 documentation, "troubleshooting").
#[tokio::test]
async fn totals_that_disagree_and_entities_share_a_misleading_source() {
    let (caller, contact) = with_contact().await;
    let good = caller.body(&contact, &[("2", "50", "20")]).await;
    let mut agrees = good.clone();
    agrees["sales_invoice"]["total_amount"] = json!(120);
    caller.post("/sales_invoices", &agrees).await;
    for (name, sent) in [("net_amount", 99), ("tax_amount", 21), ("total_amount", 121)] {
        let mut body = good.clone();
        body["sales_invoice"][name] = json!(sent);
        assert_eq!(caller.invalid("POST", "/sales_invoices", &body).await, "line_items.description");
    }
    let mut entity = good.clone();
    entity["sales_invoice"]["invoice_lines"][0]["description"] = json!("Research &amp; development");
    assert_eq!(caller.invalid("POST", "/sales_invoices", &entity).await, "line_items.description");
    entity["sales_invoice"]["invoice_lines"][0]["description"] = json!("Research & development");
    caller.post("/sales_invoices", &entity).await;
}

/// Ids in the body that the place does not take: 404 that names nothing (Sage/sageone_api_php_sample#32).
#[tokio::test]
async fn what_is_not_found_is_not_named() {
    let (caller, contact) = with_contact().await;
    let good = caller.body(&contact, &[("2", "50", "20")]).await;
    let expenses = caller.get("/ledger_accounts?visible_in=expenses").await;
    let supplier = id(&caller.post("/contacts", &json!({ "contact": { "name": "S", "contact_type_ids": ["VENDOR"] } })).await);
    let deleted = caller.contact("Gone").await;
    caller.send("DELETE", &format!("/contacts/{deleted}"), &Value::Null).await;
    let line = |name: &str, value: Value| {
        let mut body = good.clone();
        body["sales_invoice"]["invoice_lines"][0][name] = value;
        body
    };
    let head = |value: &str| {
        let mut body = good.clone();
        body["sales_invoice"]["contact_id"] = json!(value);
        body
    };
    let wrong = [
        line("ledger_account_id", expenses["$items"][0]["id"].clone()),
        line("ledger_account_id", json!("4000")),
        line("tax_rate_id", json!("IE_STANDARD")),
        head(&supplier),
        head(&deleted),
        head("nobody"),
    ];
    for body in wrong {
        let refused = caller.refused("POST", "/sales_invoices", &body).await;
        assert_eq!(refused, (404, "RecordNotFound".to_owned(), String::new()), "{body}");
    }
    let archive = Action::ArchiveContact { contact_id: contact };
    caller.simulator.bookkeeper(archive).unwrap();
    assert_eq!(caller.invalid("POST", "/sales_invoices", &good).await, "contact");
}

/// `reference` holds 25 characters; it is not unique, and there is no key: a repeated create makes a second invoice.
#[tokio::test]
async fn a_repeated_create_really_makes_a_second_invoice() {
    let (caller, contact) = with_contact().await;
    let mut body = caller.body(&contact, &[("2", "50", "20")]).await;
    body["sales_invoice"]["reference"] = json!("x".repeat(25));
    let (one, two) = (caller.post("/sales_invoices", &body).await, caller.post("/sales_invoices", &body).await);
    assert_ne!(one["id"], two["id"]);
    assert_eq!((&one["displayed_as"], &two["displayed_as"]), (&json!("SI-1"), &json!("SI-2")));
    let found = caller.get(&format!("/sales_invoices?search={}&attributes=reference,status", "x".repeat(25))).await;
    assert_eq!(found["$total"], 2);
    body["sales_invoice"]["reference"] = json!("x".repeat(26));
    assert_eq!(caller.invalid("POST", "/sales_invoices", &body).await, "reference");
    for name in ["notes", "terms_and_conditions"] {
        body["sales_invoice"]["reference"] = json!("CP-9");
        body["sales_invoice"][name] = json!("x".repeat(2001));
        assert_eq!(caller.invalid("POST", "/sales_invoices", &body).await, name);
        body["sales_invoice"][name] = Value::Null;
    }
}

#[tokio::test]
async fn fields_that_are_not_modelled_are_said() {
    let (caller, contact) = with_contact().await;
    let good = caller.body(&contact, &[("2", "50", "20")]).await;
    for (name, sent) in [("invoice_number", json!("CP-1")), ("shipping_net_amount", json!(5)), ("vat_reverse_charge", json!(true))] {
        let mut body = good.clone();
        body["sales_invoice"][name] = sent;
        assert_eq!(caller.refused("POST", "/sales_invoices", &body).await.0, 501, "{name}");
    }
    let mut body = good.clone();
    body["sales_invoice"]["invoice_lines"][0]["product_id"] = json!("x");
    assert_eq!(caller.refused("POST", "/sales_invoices", &body).await.0, 501);
    let mut body = good;
    body["sales_invoice"]["status_id"] = json!("PAID");
    assert_eq!(caller.refused("POST", "/sales_invoices", &body).await.0, 501);
}

/// Due date: the contact's credit days, else the business's.
#[tokio::test]
async fn a_missing_due_date_follows_the_credit_days() {
    let (caller, contact) = with_contact().await;
    let mut body = caller.body(&contact, &[("2", "50", "20")]).await;
    body["sales_invoice"].as_object_mut().unwrap().remove("due_date");
    assert_eq!(caller.post("/sales_invoices", &body).await["due_date"], "2026-04-09");
    caller.put(&format!("/contacts/{contact}"), &json!({ "contact": { "credit_days": 7 } })).await;
    assert_eq!(caller.post("/sales_invoices", &body).await["due_date"], "2026-03-17");
}

/// byte8 documentation, "troubleshooting": without a delivery address the main one is copied.
#[tokio::test]
async fn addresses_are_snapshots() {
    let (caller, contact) = with_contact().await;
    let address = json!({ "contact": { "main_address": { "address_type_id": "ACCOUNTS", "city": "Leith" } } });
    caller.put(&format!("/contacts/{contact}"), &address).await;
    let mut body = caller.body(&contact, &[("2", "50", "20")]).await;
    let made = caller.post("/sales_invoices", &body).await;
    assert_eq!((&made["main_address"]["city"], &made["delivery_address"]["city"]), (&json!("Leith"), &json!("Leith")));
    body["sales_invoice"]["delivery_address"] = json!({ "city": "Perth" });
    assert_eq!(caller.post("/sales_invoices", &body).await["delivery_address"]["city"], "Perth");
    caller.put(&format!("/contacts/{contact}"), &json!({ "contact": { "name": "New", "main_address": { "city": "Oban" } } })).await;
    let kept = caller.read(&id(&made)).await;
    assert_eq!((&kept["contact_name"], &kept["main_address"]["city"]), (&json!("Acme Ltd"), &json!("Leith")));
    assert_eq!(kept["contact"]["name"], "New");
}

/// Published schema: `mark_as_sent` of a read by id is "Defaulted to 'true'".
#[tokio::test]
async fn a_mere_read_flags_the_invoice_as_sent() {
    let caller = connected().await;
    let made = id(&caller.invoice().await);
    let sent = async || caller.read(&made).await["sent"].clone();
    caller.get("/sales_invoices?attributes=all").await;
    assert_eq!(sent().await, false, "neither a list nor mark_as_sent=false flags it");
    assert_eq!(caller.get(&format!("/sales_invoices/{made}")).await["sent"], true);
    assert_eq!(sent().await, true);
}

/// Lists show id, name and path alone; the envelope pages.
#[tokio::test]
async fn lists_come_in_an_envelope_and_show_what_is_asked_for() {
    let (caller, contact) = with_contact().await;
    let body = caller.body(&contact, &[("2", "50", "20")]).await;
    for _ in 0..3 {
        caller.post("/sales_invoices", &body).await;
    }
    let plain = caller.get("/sales_invoices").await;
    assert_eq!(
        (&plain["$total"], &plain["$page"], &plain["$items_per_page"], &plain["$next"], &plain["$back"]),
        (&json!(3), &json!(1), &json!(20), &Value::Null, &Value::Null)
    );
    let first = plain["$items"][0].as_object().unwrap();
    assert_eq!(first.keys().collect::<Vec<_>>(), ["$path", "displayed_as", "id"]);
    let some = caller.get("/sales_invoices?attributes=reference,status,total_amount,contact&items_per_page=2").await;
    let item = &some["$items"][0];
    assert_eq!((&item["reference"], &item["status"]["id"], &item["total_amount"]), (&json!("CP-1"), &json!("UNPAID"), &json!("120.0")));
    assert!(item.get("date").is_none() && item["contact"].get("name").is_none());
    assert_eq!(some["$next"], "/sales_invoices?attributes=reference%2Cstatus%2Ctotal_amount%2Ccontact&items_per_page=2&page=2");
    let next = caller.get(some["$next"].as_str().unwrap()).await;
    assert_eq!((next["$items"].as_array().unwrap().len(), &next["$next"]), (1, &Value::Null));
    assert!(next["$back"].as_str().unwrap().ends_with("page=1"));
    let all = caller.get("/sales_invoices?attributes=all").await;
    assert!(all["$items"][0]["invoice_lines"][0].get("quantity").is_none(), "lines show their base members in lists");
    for wrong in ["items_per_page=201", "items_per_page=0", "page=0", "nested_attributes=all", "attributes=all&attributes=id"] {
        assert_eq!(caller.refused("GET", &format!("/sales_invoices?{wrong}"), &Value::Null).await.0, 501, "{wrong}");
    }
    let read = caller.get(&format!("/sales_invoices/{}?mark_as_sent=false", id(&plain["$items"][0]))).await;
    assert!(read["invoice_lines"][0].get("quantity").is_none(), "nested_attributes=all has to be asked for");
}

/// More than a page of 200.
#[tokio::test]
async fn pages_go_on_beyond_two_hundred() {
    let caller = connected().await;
    let documents: Vec<Value> = (0..405).map(|n| json!({ "reference": format!("CP-{n}"), "status": "approved", "total": "10" })).collect();
    caller.simulator.seed(&serde_json::from_value(json!({ "documents": documents })).unwrap()).unwrap();
    let mut path = "/sales_invoices?items_per_page=200&attributes=reference&sort=created_at".to_owned();
    let mut seen = Vec::new();
    for page in 1.. {
        let got = caller.get(&path).await;
        assert_eq!((&got["$page"], &got["$total"]), (&json!(page), &json!(405)));
        seen.extend(got["$items"].as_array().unwrap().iter().map(|item| item["reference"].as_str().unwrap().to_owned()));
        let Some(next) = got["$next"].as_str() else { break };
        path = next.to_owned();
    }
    let expected: Vec<String> = (0..405).map(|n| format!("CP-{n}")).collect();
    assert_eq!(seen, expected);
}

/// `search` is in reference or contact name; the other filters narrow.
#[tokio::test]
async fn filters() {
    let caller = connected().await;
    let (acme, zenith) = (caller.contact("Acme CP-7 Ltd").await, caller.contact("Zenith").await);
    for (contact, reference, date, draft) in
        [(&acme, "X-1", "2026-03-01", false), (&zenith, "CP-7", "2026-03-05", true), (&zenith, "CP-70", "2026-03-09", false)]
    {
        let mut body = caller.body(contact, &[("2", "50", "20")]).await;
        body["sales_invoice"]["reference"] = json!(reference);
        body["sales_invoice"]["date"] = json!(date);
        if draft {
            body["sales_invoice"]["status_id"] = json!("DRAFT");
        }
        caller.post("/sales_invoices", &body).await;
        advance(&caller.simulator, 60);
    }
    let total = async |query: &str| caller.get(&format!("/sales_invoices?{query}")).await["$total"].as_u64().unwrap();
    assert_eq!(total("search=cp-7").await, 3, "a substring of the reference or of the contact's name");
    assert_eq!(total(&format!("search=CP-7&contact_id={zenith}")).await, 2);
    assert_eq!(total("status_id=DRAFT").await, 1);
    assert_eq!(total("from_date=2026-03-05&to_date=2026-03-09").await, 2);
    assert_eq!(total(&format!("updated_or_created_since={}", encode("2026-03-10T10:01:00+01:00"))).await, 2, "inclusive");
    let newest = caller.get("/sales_invoices?sort=created_at:desc&attributes=reference").await;
    assert_eq!(newest["$items"][0]["reference"], "CP-70");
    assert_eq!(caller.refused("GET", "/sales_invoices?updated_or_created_since=yesterday", &Value::Null).await.0, 422);
    for wrong in ["status_id=OVERDUE", "sort=total_amount", "sort=date:up", "contact_id=acme", "show_payments_allocations=1"] {
        assert_eq!(caller.refused("GET", &format!("/sales_invoices?{wrong}"), &Value::Null).await.0, 501, "{wrong}");
    }
}

/// A business that is not registered for tax has no rates to choose from, and its lines need none.
#[tokio::test]
async fn a_business_without_tax() {
    let (caller, contact) = with_contact().await;
    let name = caller.simulator.state().organisations[0].name.clone();
    let seed = json!({ "organisations": [{ "name": name, "pays_tax": false }] });
    caller.simulator.seed(&serde_json::from_value(seed).unwrap()).unwrap();
    let rates = caller.get("/tax_rates?usage=sales").await;
    assert_eq!((&rates["$total"], &rates["$items"][0]["id"]), (&json!(1), &json!("GB_NO_TAX")));
    assert_eq!(caller.get("/financial_settings").await["tax_scheme"], Value::Null);
    let mut body = caller.body(&contact, &[("2", "50", "0")]).await;
    assert_eq!(caller.refused("POST", "/sales_invoices", &body).await.0, 404, "GB_STANDARD is not there");
    let line = body["sales_invoice"]["invoice_lines"][0].as_object_mut().unwrap();
    line.remove("tax_rate_id");
    line.remove("tax_amount");
    assert_eq!(caller.post("/sales_invoices", &body).await["total_amount"], "100.0");
}

#[tokio::test]
async fn numbers_keep_their_digits() {
    let (caller, contact) = with_contact().await;
    let body = caller.body(&contact, &[("1.2345", "0.123456", "0.03")]).await;
    let reply = caller.send("POST", "/sales_invoices", &body).await;
    assert!(text(&reply).contains(r#""quantity":"1.2345","unit_price":"0.123456","net_amount":"0.15""#), "{}", text(&reply));
    let mut body = caller.body(&contact, &[("1", "10", "2")]).await;
    body["sales_invoice"]["invoice_lines"][0]["unit_price"] = json!("10");
    assert_eq!(caller.refused("POST", "/sales_invoices", &body).await.0, 422, "the schema wants numbers");
    body["sales_invoice"]["invoice_lines"][0]["unit_price"] = json!(10_000_000_000_u64);
    assert_eq!(caller.refused("POST", "/sales_invoices", &body).await.0, 501);
}

/// `price` is the arithmetic of the routes: 200 invoices of 1 to 6 lines, at 20%, 5% and 0%, with discounts, negative lines, and prices
/// with and without tax. The tax of each line is rounded here, by hand.
#[tokio::test]
async fn price_is_what_the_routes_do() {
    let (caller, contact) = with_contact().await;
    caller.simulator.change_limits(LimitsChange { minute: Some(10_000), ..LimitsChange::default() });
    let account = caller.sales_account().await;
    let mut state = 7_u64;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for _ in 0..200 {
        let tax_inclusive = draw(2) == 1;
        let count = draw(6) + 1;
        let sale = Sale {
            currency_decimals: 2,
            tax_inclusive,
            lines: (0..count)
                .map(|position| SaleLine {
                    quantity: Decimal::new(i64::try_from(draw(90_000)).unwrap() + 10_000, 4),
                    // The first line outweighs the negative ones.
                    unit_price: if position == 0 {
                        Decimal::from(9_000)
                    } else {
                        Decimal::new(i64::try_from(draw(2_000_000)).unwrap() - 500_000, 4)
                    },
                    discount_percent: Decimal::new([0, 0, 75, 125][usize::try_from(draw(4)).unwrap()], 1),
                    tax_percent: Decimal::from([20, 20, 5, 0][usize::try_from(draw(4)).unwrap()]),
                })
                .collect(),
        };
        let cents = |value: Decimal| value.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
        let raw = |value: Decimal| serde_json::value::RawValue::from_string(value.to_string()).unwrap();
        let lines: Vec<String> = sale
            .lines
            .iter()
            .map(|line| {
                let gross = line.quantity * line.unit_price;
                let amount = cents(gross - cents(gross * line.discount_percent / Decimal::ONE_HUNDRED));
                let of = if tax_inclusive { Decimal::ONE_HUNDRED + line.tax_percent } else { Decimal::ONE_HUNDRED };
                let rate = if line.tax_percent.is_zero() { "GB_ZERO" } else if line.tax_percent == Decimal::from(5) { "GB_LOWER" } else { "GB_STANDARD" };
                format!(
                    r#"{{"description":"x","ledger_account_id":"{account}","quantity":{},"unit_price":{},"discount_percentage":{},"unit_price_includes_tax":{tax_inclusive},"tax_rate_id":"{rate}","tax_amount":{}}}"#,
                    raw(line.quantity), raw(line.unit_price), raw(line.discount_percent), raw(cents(amount * line.tax_percent / of))
                )
            })
            .collect();
        let body = format!(r#"{{"sales_invoice":{{"contact_id":"{contact}","date":"2026-03-10","invoice_lines":[{}]}}}}"#, lines.join(","));
        let reply = whole(answer(&caller.simulator, caller.request("POST", "/sales_invoices"), &body).await);
        assert_eq!(reply.status(), 201, "{body}: {}", text(&reply));
        let made = value(&reply);
        let said = |name: &str| made[name].as_str().unwrap().parse::<Decimal>().unwrap();
        let priced = price(&sale);
        assert_eq!((said("net_amount"), said("tax_amount"), said("total_amount")), (priced.subtotal, priced.tax, priced.total), "{body}");
    }
}
