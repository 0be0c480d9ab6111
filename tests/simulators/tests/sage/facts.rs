//! Tax rates, ledger accounts, settings, statuses of the businesses out of the box.

use serde_json::{Value, json};

use crate::support::{Caller, connected, id, text};

async fn rates(caller: &Caller, query: &str) -> Vec<(String, String)> {
    let rates = caller.get(&format!("/tax_rates?attributes=all&items_per_page=200&{query}")).await;
    let items = rates["$items"].as_array().unwrap().clone();
    items.iter().map(|rate| (id(rate), rate["percentage"].to_string())).collect()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(id, percentage)| ((*id).to_owned(), (*percentage).to_owned())).collect()
}

/// C11: the rates of each business; three of the British ones are 0%, so 0% alone does not choose.
#[tokio::test]
async fn tax_rates_of_the_three_businesses() {
    let gb = connected().await;
    let british = [("GB_STANDARD", "20.0"), ("GB_LOWER", "5.0"), ("GB_ZERO", "0.0"), ("GB_EXEMPT", "0.0"), ("GB_NO_TAX", "0.0")];
    assert_eq!(rates(&gb, "usage=sales&date=2026-03-10").await, pairs(&british));
    let irish = rates(&gb.at(1), "usage=sales").await;
    assert_eq!(irish[0], ("IE_STANDARD".to_owned(), "23.0".to_owned()));
    // R57: the 15% standard rate.
    assert_eq!(rates(&gb.at(2), "usage=sales").await[0], ("ZA_STANDARD".to_owned(), "15.0".to_owned()));
    let standard = gb.get("/tax_rates/GB_STANDARD").await;
    assert_eq!(standard["displayed_as"], "Standard 20.00%");
    assert_eq!((&standard["is_visible"], &standard["retailer"]), (&json!(true), &json!(false)));
    assert_eq!(gb.refused("GET", "/tax_rates/ZA_STANDARD", &Value::Null).await.0, 404);
    let raw = text(&gb.send("GET", "/tax_rates/GB_STANDARD", &Value::Null).await);
    assert!(raw.contains(r#""percentage":20.0,"#), "a number, unlike amounts: {raw}");
}

/// `date` shows the percentage of that day, `include_historical_data` the other windows.
#[tokio::test]
async fn percentages_have_windows() {
    let caller = connected().await;
    assert_eq!(rates(&caller, "date=2009-06-01").await[0], ("GB_STANDARD".to_owned(), "15.0".to_owned()));
    assert_eq!(rates(&caller.at(1), "date=2020-09-01").await[0].1, "21.0");
    let windows = async |query: &str| caller.get(&format!("/tax_rates?attributes=percentages{query}")).await["$items"][0].clone();
    let today = windows("").await;
    assert_eq!(today["percentages"].as_array().unwrap().len(), 1);
    assert_eq!(today["percentages"][0]["from_date"], "2011-01-04");
    assert_eq!(windows("&include_historical_data=true").await["percentages"].as_array().unwrap().len(), 4);
}

/// An inactive rate, one for purchases, one whose window is over, and two of 15%.
#[tokio::test]
async fn seeded_rates_show_as_they_are() {
    let caller = connected().await;
    let rate = |id: &str, more: Value| {
        let mut rate = json!({ "id": id, "name": id, "percentages": [{ "percentage": "15" }] });
        for (name, value) in more.as_object().unwrap() {
            rate[name] = value.clone();
        }
        rate
    };
    let over = json!([{ "percentage": "15", "to_date": "2020-01-01" }]);
    let seed = json!({ "organisations": [{ "id": caller.business, "tax_rates": [
        rate("GB_A", json!({})), rate("GB_B", json!({ "is_visible": false })), rate("GB_C", json!({ "usage": ["purchase"] })),
        rate("GB_D", json!({ "percentages": over })), rate("GB_E", json!({ "retailer": true })),
    ] }] });
    caller.simulator.seed(&serde_json::from_value(seed).unwrap()).unwrap();
    let fifteen: Vec<String> =
        rates(&caller, "usage=sales&date=2026-03-10").await.into_iter().filter(|(_, percent)| percent == "15").map(|(id, _)| id).collect();
    assert_eq!(fifteen, ["GB_A", "GB_B", "GB_E"]);
    assert_eq!(caller.get("/tax_rates/GB_B").await["is_visible"], false);
    let contact = caller.contact("Acme").await;
    let mut body = caller.body(&contact, &[("1", "100", "15")]).await;
    body["sales_invoice"]["invoice_lines"][0]["tax_rate_id"] = json!("GB_C");
    assert_eq!(caller.refused("POST", "/sales_invoices", &body).await.0, 404, "not for sales");
    body["sales_invoice"]["invoice_lines"][0]["tax_rate_id"] = json!("GB_D");
    assert_eq!(caller.invalid("POST", "/sales_invoices", &body).await, "invoice_lines.tax_rate");
}

/// One sales account in Britain, so that nothing has to be chosen; two in Ireland.
#[tokio::test]
async fn ledger_accounts() {
    let caller = connected().await;
    let sales = caller.get("/ledger_accounts?visible_in=sales&attributes=all").await;
    assert_eq!((&sales["$total"], &sales["$items"][0]["nominal_code"]), (&json!(1), &json!(4000)));
    assert_eq!(sales["$items"][0]["visible_in_sales"], true);
    assert_eq!(caller.at(1).get("/ledger_accounts?visible_in=sales").await["$total"], 2);
    assert_eq!(caller.get("/ledger_accounts").await["$total"], 4);
    assert_eq!(caller.get("/ledger_accounts?search=debt").await["$total"], 1);
    let one = id(&sales["$items"][0]);
    assert_eq!(caller.get(&format!("/ledger_accounts/{one}")).await["displayed_as"], "Sales (4000)");
    assert_eq!(caller.refused("GET", "/ledger_accounts?visible_in=journals", &Value::Null).await.0, 501);
}

#[tokio::test]
async fn settings_and_statuses() {
    let caller = connected().await;
    let financial = caller.get("/financial_settings").await;
    assert_eq!((&financial["base_currency"]["id"], &financial["tax_scheme"]["id"]), (&json!("GBP"), &json!("STANDARD")));
    assert_eq!(financial["tax_number"], "GB123456789");
    let invoices = caller.get("/invoice_settings").await;
    assert_eq!(
        (&invoices["sales_invoice_number_prefix"], &invoices["next_invoice_number"], &invoices["customer_credit_days"]),
        (&json!("SI-"), &json!(1), &json!(30))
    );
    let statuses = caller.get("/artefact_statuses").await;
    let ids: Vec<String> = statuses["$items"].as_array().unwrap().iter().map(id).collect();
    assert_eq!(ids, ["DRAFT", "UNPAID", "PART_PAID", "PAID", "VOID"]);
}
