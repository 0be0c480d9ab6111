//! Tax inside and outside the US (vendor notes, sections 4 and 11).

use serde_json::{Value, json};

use crate::support::{Caller, aimed, body, connect, gb, line, number, seed, simulator, us};

async fn bill(caller: &Caller, more: Value, lines: Vec<Value>) -> Value {
    let customer = caller.query("select * from Customer").await["Customer"][0]["Id"].clone();
    let mut body = json!({ "CustomerRef": { "value": customer }, "TxnDate": "2026-03-10", "Line": lines });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// Section 0, fact 6: elsewhere each line needs a real tax code.
#[tokio::test]
async fn outside_the_us_every_line_needs_a_code() {
    let caller = gb().await;
    let customer = caller.customer("Acme").await;
    let mut bare = line("1", "10", "10", "2");
    bare["SalesItemLineDetail"].as_object_mut().unwrap().remove("TaxCodeRef");
    let refused = caller.refused("POST", "invoice", &body(&customer, "CP-1", vec![line("1", "1", "1", "2"), bare.clone()])).await;
    assert_eq!(refused["code"], "6000");
    assert!(refused["Detail"].as_str().unwrap().contains("Make sure all your transactions have a VAT rate before you save."));
    for (code, wanted) in [("TAX", "2500"), ("404", "2500"), ("7", "2500")] {
        let wrong = body(&customer, "CP-1", vec![line("1", "1", "1", code)]);
        assert_eq!(caller.code("POST", "invoice", &wrong).await, wanted, "{code}");
    }
    let mut outside = body(&customer, "CP-1", vec![bare]);
    outside["GlobalTaxCalculation"] = json!("NotApplicable");
    assert_eq!(caller.invoice(&outside).await["TotalAmt"], number("10.00"));
}

/// Section 11: three lines of 10.03 at 20% are taxed 2.01 each.
#[tokio::test]
async fn outside_the_us_tax_is_rounded_per_line_and_told_per_rate() {
    let caller = gb().await;
    let customer = caller.customer("Acme").await;
    let three = || vec![line("1", "10.03", "10.03", "2"), line("1", "10.03", "10.03", "2"), line("1", "10.03", "10.03", "2")];
    let mut lines = three();
    lines.push(line("1", "1", "1", "3"));
    let made = caller.invoice(&body(&customer, "CP-1", lines)).await;
    let taxes = &made["TxnTaxDetail"];
    assert_eq!(taxes["TotalTax"], number("6.08"));
    assert_eq!((&taxes["TaxLine"][0]["Amount"], &taxes["TaxLine"][1]["Amount"]), (&number("6.03"), &number("0.05")));
    let detail = &taxes["TaxLine"][0]["TaxLineDetail"];
    assert_eq!((&detail["TaxRateRef"]["value"], &detail["TaxPercent"]), (&json!("2"), &json!(20)));
    assert_eq!(detail["NetAmountTaxable"], number("30.09"));
    let mut told = body(&customer, "CP-2", three());
    told["TxnTaxDetail"] = json!({ "TotalTax": number("6.03") });
    caller.invoice(&told).await;
    told["TxnTaxDetail"] = json!({ "TotalTax": number("6.02") });
    told["DocNumber"] = json!("CP-3");
    caller.not_modelled("POST", "invoice", &told).await;
}

/// Section 10: with prices that contain tax, `TaxInclusiveAmt` decides.
#[tokio::test]
async fn inclusive_lines_are_taken_apart() {
    let caller = gb().await;
    let customer = caller.customer("Acme").await;
    let mut gross = line("1", "10.03", "10.03", "2");
    gross["SalesItemLineDetail"]["TaxInclusiveAmt"] = number("12.03");
    let mut sent = body(&customer, "CP-1", vec![gross.clone()]);
    sent["GlobalTaxCalculation"] = json!("TaxInclusive");
    assert_eq!(caller.code("POST", "invoice", &sent).await, "6070", "12.03 contains 2.01, so 10.02 is left");
    sent["Line"][0]["Amount"] = number("10.02");
    sent["Line"][0]["SalesItemLineDetail"]["UnitPrice"] = number("10.02");
    let made = caller.invoice(&sent).await;
    assert_eq!((&made["TotalAmt"], &made["TxnTaxDetail"]["TotalTax"]), (&number("12.03"), &number("2.01")));
    sent["Line"][0]["SalesItemLineDetail"].as_object_mut().unwrap().remove("TaxInclusiveAmt");
    caller.not_modelled("POST", "invoice", &sent).await;
    caller.not_modelled("POST", "invoice", &aimed(&made, json!({ "sparse": true, "GlobalTaxCalculation": "TaxExcluded" }))).await;
}

/// Section 4: the rate of the day of the invoice.
#[tokio::test]
async fn a_rate_has_its_days_and_a_code_may_combine_two() {
    let caller = gb().await;
    let customer = caller.customer("Acme").await;
    let rates = json!([
        { "Id": "20", "Name": "Old and new", "RateValue": "15", "EffectiveTaxRate": [
            { "RateValue": "14", "EffectiveDate": "2020-01-01", "EndDate": "2025-12-31" },
            { "RateValue": "15", "EffectiveDate": "2026-01-01" } ] },
        { "Id": "21", "Name": "Province", "RateValue": "9.975" },
    ]);
    let codes = json!([
        { "Id": "20", "Name": "15.0% S", "Rates": ["20"] },
        { "Id": "21", "Name": "Both", "Rates": ["20", "21"] },
        { "Id": "22", "Name": "Purchases", "Rates": [], "PurchaseRates": ["20"] },
    ]);
    seed(&caller.simulator, json!({ "organisations": [{ "name": "Harbour & Hill Ltd", "tax_rates": rates, "tax_codes": codes }] }));
    let mut old = body(&customer, "CP-1", vec![line("1", "100", "100", "20")]);
    assert_eq!(caller.invoice(&old).await["TxnTaxDetail"]["TotalTax"], number("15.00"));
    old["TxnDate"] = json!("2025-12-31");
    old["DocNumber"] = json!("CP-2");
    assert_eq!(caller.invoice(&old).await["TxnTaxDetail"]["TotalTax"], number("14.00"));
    let both = caller.invoice(&body(&customer, "CP-3", vec![line("1", "4495.16", "4495.16", "21")])).await;
    let amounts: Vec<&Value> = both["TxnTaxDetail"]["TaxLine"].as_array().unwrap().iter().map(|line| &line["Amount"]).collect();
    assert_eq!(amounts, [&number("674.27"), &number("448.39")]);
    assert_eq!(caller.code("POST", "invoice", &body(&customer, "CP-4", vec![line("1", "1", "1", "22")])).await, "6000");
}

#[tokio::test]
async fn a_company_without_tax_takes_no_codes() {
    let caller = gb().await;
    let customer = caller.customer("Acme").await;
    seed(&caller.simulator, json!({ "organisations": [{ "name": "Harbour & Hill Ltd", "pays_tax": false }] }));
    caller.not_modelled("POST", "invoice", &body(&customer, "CP-1", vec![line("1", "10", "10", "2")])).await;
    let mut bare = line("1", "10", "10", "2");
    bare["SalesItemLineDetail"].as_object_mut().unwrap().remove("TaxCodeRef");
    assert_eq!(caller.invoice(&body(&customer, "CP-1", vec![bare])).await["TotalAmt"], number("10.00"));
}

/// Section 4: pseudo codes on lines, the real code on the document, the rate on the taxable total.
#[tokio::test]
async fn in_the_us_the_document_s_code_taxes_the_lines_that_are_marked() {
    let caller = us().await;
    caller.customer("Acme").await;
    let lines = || vec![line("1", "10.03", "10.03", "TAX"), line("1", "10.03", "10.03", "TAX"), line("1", "5", "5", "NON")];
    let made = caller.invoice(&bill(&caller, json!({ "TxnTaxDetail": { "TxnTaxCodeRef": { "value": "2" } } }), lines()).await).await;
    assert_eq!(made["TxnTaxDetail"]["TotalTax"], number("1.60"), "8% of 20.06");
    assert_eq!(made["TxnTaxDetail"]["TxnTaxCodeRef"]["value"], "2");
    assert!(made.get("GlobalTaxCalculation").is_none());
    let tucson = caller.invoice(&bill(&caller, json!({ "TxnTaxDetail": { "TxnTaxCodeRef": { "value": "3" } } }), lines()).await).await;
    let amounts: Vec<&Value> = tucson["TxnTaxDetail"]["TaxLine"].as_array().unwrap().iter().map(|line| &line["Amount"]).collect();
    assert_eq!(amounts, [&number("1.42"), &number("0.40")]);
    let untaxed = caller.invoice(&bill(&caller, json!({}), lines()).await).await;
    assert_eq!(untaxed["TxnTaxDetail"]["TotalTax"], number("0.00"), "no code, no tax");
    assert_eq!(caller.code("POST", "invoice", &bill(&caller, json!({}), vec![line("1", "1", "1", "2")]).await).await, "2500");
    let unknown = bill(&caller, json!({ "TxnTaxDetail": { "TxnTaxCodeRef": { "value": "404" } } }), lines()).await;
    assert_eq!(caller.code("POST", "invoice", &unknown).await, "2500");
    // Without automated sales tax a TotalTax is computed again, whatever was sent (section 10).
    let told = json!({ "TxnTaxDetail": { "TxnTaxCodeRef": { "value": "2" }, "TotalTax": number("9.99") } });
    assert_eq!(caller.invoice(&bill(&caller, told, lines()).await).await["TxnTaxDetail"]["TotalTax"], number("1.60"));
}

/// Section 4: with automated sales tax an explicit `TotalTax` is honoured and prorated.
#[tokio::test]
async fn automated_sales_tax_honours_the_total_that_is_sent() {
    let caller = us().await;
    let preferences = json!({ "TaxPrefs": { "PartnerTaxEnabled": true } });
    seed(&caller.simulator, json!({ "organisations": [{ "name": "Table Rock Studio LLC", "preferences": preferences }] }));
    caller.customer("Acme").await;
    let lines = || vec![line("1", "100", "100", "TAX")];
    let told = json!({ "TxnTaxDetail": { "TxnTaxCodeRef": { "value": "3" }, "TotalTax": number("9.00") } });
    let made = caller.invoice(&bill(&caller, told, lines()).await).await;
    assert_eq!((&made["TxnTaxDetail"]["TotalTax"], &made["TotalAmt"]), (&number("9.00"), &number("109.00")));
    let amounts: Vec<&Value> = made["TxnTaxDetail"]["TaxLine"].as_array().unwrap().iter().map(|line| &line["Amount"]).collect();
    assert_eq!(amounts, [&number("7.02"), &number("1.98")]);
    let kept = caller.invoice(&aimed(&made, json!({ "sparse": true, "DueDate": "2026-04-01" }))).await;
    assert_eq!(kept["TxnTaxDetail"]["TotalTax"], number("9.00"));
    caller.not_modelled("POST", "invoice", &bill(&caller, json!({}), lines()).await).await;
    let alone = json!({ "TxnTaxDetail": { "TotalTax": number("9.00") } });
    caller.not_modelled("POST", "invoice", &bill(&caller, alone, lines()).await).await;
}

/// A company of another country, by seed alone.
#[tokio::test]
async fn a_south_african_company_is_seeded() {
    let simulator = simulator();
    let company = json!({
        "name": "Table Bay Studio", "country": "ZA", "currency": "ZAR", "pays_tax": true,
        "tax_rates": [{ "Id": "2", "Name": "15.0% S", "RateValue": "15" }], "tax_codes": [{ "Id": "2", "Name": "15.0% S", "Rates": ["2"] }],
        "preferences": { "SalesFormsPrefs": { "CustomTxnNumbers": true } },
    });
    seed(&simulator, json!({ "organisations": [company] }));
    let caller = connect(simulator, "Table Bay Studio").await;
    let customer = caller.customer("Acme").await;
    let prices = ["25.06", "25.61", "25.63"];
    let made = caller.invoice(&body(&customer, "CP-1", prices.iter().map(|price| line("1", price, price, "2")).collect())).await;
    assert_eq!((&made["TxnTaxDetail"]["TotalTax"], &made["CurrencyRef"]["value"]), (&number("11.44"), &json!("ZAR")));
}
