//! The query language and reads (vendor notes, section 2).

use http::Request;
use serde_json::{Value, json};

use crate::support::{answer, body, encode, gb, header, line, seed, text, us, value, whole};

fn names(found: &Value, entity: &str) -> Vec<String> {
    let member = if entity == "Customer" || entity == "Vendor" { "DisplayName" } else { "Name" };
    let all = found[entity].as_array().cloned().unwrap_or_default();
    all.iter().map(|one| one[member].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn customers_are_found_by_name_and_email_with_escapes_and_without_regard_to_case() {
    let caller = gb().await;
    for (name, email) in [("O'Neil & Sons", "o@neil.example"), ("Acme Ltd", "a@acme.example"), ("Acme Studio", "s@acme.example")] {
        caller.post("customer", &json!({ "DisplayName": name, "PrimaryEmailAddr": { "Address": email } })).await;
    }
    let ask = async |text: &str| names(&caller.query(text).await, "Customer");
    assert_eq!(ask(r"select * from Customer where DisplayName = 'O\'Neil & Sons'").await, ["O'Neil & Sons"]);
    assert_eq!(ask("select * from Customer where DisplayName = 'acme ltd'").await, ["Acme Ltd"]);
    assert_eq!(ask("select * from Customer where PrimaryEmailAddr = 'a@acme.example'").await, ["Acme Ltd"]);
    assert_eq!(ask("select * from Customer where DisplayName LIKE 'Acme%' ORDERBY DisplayName DESC").await, ["Acme Studio", "Acme Ltd"]);
    assert_eq!(ask("select * from Customer where DisplayName IN ('Acme Ltd', 'Nobody')").await, ["Acme Ltd"]);
    assert_eq!(ask("select * from Customer where DisplayName = 'Acme'").await, Vec::<String>::new());
    assert_eq!(caller.query("select * from Customer where DisplayName = 'Nobody'").await, json!({}), "only what is there");
    assert_eq!(caller.query("select count(*) from Customer").await, json!({ "totalCount": 3 }));
}

#[tokio::test]
async fn pages_are_of_a_hundred_unless_said_and_of_a_thousand_at_most() {
    let caller = gb().await;
    let contacts: Vec<Value> = (1..=120).map(|n| json!({ "name": format!("Customer {n:03}") })).collect();
    seed(&caller.simulator, json!({ "contacts": contacts }));
    let first = caller.query("select * from Customer").await;
    assert_eq!((names(&first, "Customer").len(), &first["startPosition"], &first["maxResults"]), (100, &json!(1), &json!(100)));
    let last = caller.query("select * from Customer startposition 101 maxresults 1000").await;
    assert_eq!((names(&last, "Customer").len(), &last["startPosition"], &last["maxResults"]), (20, &json!(101), &json!(20)));
    assert_eq!(caller.query_refused("select * from Customer maxresults 1001").await, "4001");
}

#[tokio::test]
async fn inactive_records_are_hidden_unless_asked_for() {
    let caller = gb().await;
    let id = caller.customer("Acme Ltd").await;
    caller.act(json!({ "action": "archive_contact", "contact_id": id }));
    assert_eq!(caller.query("select * from Customer").await, json!({}));
    let both = caller.query("select * from Customer where Active IN (true, false)").await;
    assert_eq!(names(&both, "Customer"), ["Acme Ltd (deleted)"]);
    assert_eq!(names(&caller.query("select * from Customer where Active = false").await, "Customer").len(), 1);
    assert_eq!(names(&caller.query("select * from TaxCode where Active IN (true,false)").await, "TaxCode").len(), 6);
    assert_eq!(names(&caller.query("select * from TaxCode").await, "TaxCode"), ["20.0% S", "5.0% R", "0.0% Z", "Exempt", "No VAT"]);
}

/// Section 3: neither `BillEmail` nor `PrivateNote` can be filtered by.
#[tokio::test]
async fn what_cannot_be_filtered_is_refused_even_where_nothing_is() {
    let caller = gb().await;
    for text in [
        "select * from Invoice where PrivateNote = 'coportal:1'",
        "select * from Invoice where BillEmail = 'a@b.c'",
        "select * from Customer where Notes = 'x'",
        "select * from Invoice orderby PrivateNote",
        "select * from Invoice where TotalAmt = 'lots'",
        "select * from Invoice where TxnDate LIKE '2026%'",
        "select * from invoice",
        "select * from Nonsense",
        "select Id from Customer",
        "select * from Customer where DisplayName = 'a' OR DisplayName = 'b'",
    ] {
        assert_eq!(caller.query_refused(text).await, "4001", "{text}");
    }
    caller.not_modelled("GET", &format!("query?query={}", encode("select * from Estimate")), &Value::Null).await;
}

#[tokio::test]
async fn invoices_are_found_by_number_customer_date_and_change() {
    let caller = gb().await;
    let (one, two) = (caller.customer("One").await, caller.customer("Two").await);
    let made = caller.invoice(&body(&one, "CP-1", vec![line("1", "10", "10", "2")])).await;
    caller.invoice(&body(&two, "CP-2", vec![line("1", "20", "20", "2")])).await;
    let ids = async |text: &str| caller.query(text).await["Invoice"].as_array().map_or(0, Vec::len);
    assert_eq!(caller.query("select * from Invoice where DocNumber = 'CP-1'").await["Invoice"][0]["Id"], made["Id"]);
    assert_eq!(ids(&format!("select * from Invoice where CustomerRef = '{one}' and TxnDate = '2026-03-10'")).await, 1);
    assert_eq!(ids(&format!("select * from Invoice where CustomerRef IN ('{one}','{two}')")).await, 2);
    assert_eq!(ids("select * from Invoice where Balance > '12'").await, 1);
    assert_eq!(ids("select * from Invoice where TxnDate > '2026-03-10'").await, 0);
    assert_eq!(ids("select * from Invoice where MetaData.LastUpdatedTime >= '2026-03-10T09:00:00Z'").await, 2);
    assert_eq!(ids("select * from Invoice where MetaData.LastUpdatedTime > '2026-03-10T01:00:00-08:00'").await, 0);
}

#[tokio::test]
async fn a_query_may_come_as_the_body_of_a_post() {
    let caller = gb().await;
    caller.customer("Acme").await;
    let request = Request::post(caller.path("query?minorversion=75"))
        .header("authorization", format!("Bearer {}", caller.access))
        .header("accept", "application/json")
        .header("content-type", "application/text");
    let found = whole(answer(&caller.simulator, request, "select * from Customer").await);
    assert_eq!(value(&found)["QueryResponse"]["maxResults"], 1);
}

#[tokio::test]
async fn a_company_says_what_it_is() {
    let (uk, america) = (gb().await, us().await);
    let info = uk.get(&format!("companyinfo/{}?minorversion=75", uk.realm)).await;
    assert_eq!((&info["CompanyInfo"]["CompanyName"], &info["CompanyInfo"]["Country"]), (&json!("Harbour & Hill Ltd"), &json!("GB")));
    uk.not_modelled("GET", &format!("companyinfo/{}", america.realm.replace('1', "2")), &Value::Null).await;
    let preferences = uk.get("preferences").await["Preferences"].clone();
    assert_eq!(preferences["SalesFormsPrefs"]["CustomTxnNumbers"], true);
    assert_eq!(preferences["TaxPrefs"]["UsingSalesTax"], true);
    assert_eq!(preferences["CurrencyPrefs"], json!({ "MultiCurrencyEnabled": false, "HomeCurrency": { "value": "GBP" } }));
    assert!(preferences.get("WarnDuplicateDocNumbers").is_none());
    let other = america.query("select * from Preferences").await["Preferences"][0].clone();
    assert_eq!(other["SalesFormsPrefs"]["CustomTxnNumbers"], false);
    assert!(other["TaxPrefs"].get("PartnerTaxEnabled").is_none(), "the old manual tax");
    assert_eq!(america.query("select * from CompanyInfo").await["CompanyInfo"][0]["Country"], "US");
}

#[tokio::test]
async fn items_accounts_rates_codes_and_classes_are_facts() {
    let caller = gb().await;
    let item = caller.query("select * from Item where Active = true and Type IN ('Service','NonInventory')").await["Item"][0].clone();
    assert_eq!((&item["Id"], &item["Type"], &item["IncomeAccountRef"]["value"]), (&json!("1"), &json!("Service"), &json!("1")));
    assert_eq!(caller.get("item/1").await["Item"]["Name"], "Services");
    let income = caller.query("select * from Account where AccountType = 'Income' and Active = true").await;
    assert_eq!(names(&income, "Account"), ["Sales"]);
    assert_eq!(caller.get("account/2").await["Account"]["AccountSubType"], "UndepositedFunds");
    let rate = caller.get("taxrate/2").await["TaxRate"].clone();
    assert_eq!((&rate["RateValue"], &rate["EffectiveTaxRate"][0]["RateValue"]), (&json!(20), &json!(20)));
    let code = caller.get("taxcode/2").await["TaxCode"].clone();
    assert_eq!(code["SalesTaxRateList"]["TaxRateDetail"][0]["TaxRateRef"]["value"], "2");
    assert_eq!(names(&caller.query("select * from Class").await, "Class"), ["North", "South"]);
    assert_eq!(caller.get("class/100").await["Class"]["Name"], "North");
    for missing in ["item/99", "account/99", "taxrate/99", "taxcode/99", "class/99", "vendor/99", "employee/99"] {
        assert_eq!(caller.code("GET", missing, &Value::Null).await, "610", "{missing}");
    }
    let american = us().await;
    let codes = american.query("select * from TaxCode").await;
    assert_eq!(names(&codes, "TaxCode"), ["TAX", "NON", "California", "Tucson"]);
}

/// Section 3, Items and accounts: made when missing; names are unique (6240).
#[tokio::test]
async fn an_item_is_made_once() {
    let caller = gb().await;
    let wanted = json!({ "Name": "CoPortal services", "Type": "Service", "IncomeAccountRef": { "value": "1" } });
    let made = caller.post("item", &wanted).await;
    assert_eq!(made["Item"]["Name"], "CoPortal services");
    assert_eq!(caller.code("POST", "item", &wanted).await, "6240");
    let with = |name: &str, value: Value| {
        let mut changed = wanted.clone();
        changed[name] = value;
        changed
    };
    assert_eq!(caller.code("POST", "item", &with("Name", json!("x".repeat(101)))).await, "2050");
    assert_eq!(caller.code("POST", "item", &with("Name", json!("a:b"))).await, "6000");
    assert_eq!(caller.code("POST", "item", &with("Type", json!("Magic"))).await, "2170");
    assert_eq!(caller.code("POST", "item", &with("IncomeAccountRef", json!({ "value": "2" }))).await, "2500");
    assert_eq!(caller.code("POST", "item", &with("Name", Value::Null)).await, "2020");
    caller.not_modelled("POST", "item", &with("Type", json!("Inventory"))).await;
}

/// Sections 7 and 8: the log header is on every reply; lower minor versions are ignored.
#[tokio::test]
async fn every_reply_is_signed_and_minor_versions_are_taken() {
    let caller = gb().await;
    for path in ["preferences?minorversion=75", "preferences?minorversion=4", "preferences"] {
        let reply = caller.send("GET", path, &Value::Null).await;
        assert_eq!(reply.status(), 200, "{path}: {}", text(&reply));
        assert!(header(&reply, "intuit_tid").starts_with("1-"));
    }
    let refused = caller.send("GET", "invoice/404", &Value::Null).await;
    assert!(!header(&refused, "intuit_tid").is_empty());
    caller.not_modelled("GET", "preferences?minorversion=latest", &Value::Null).await;
    caller.not_modelled("GET", "invoice/1/pdf", &Value::Null).await;
    let xml = Request::get(caller.path("preferences")).header("authorization", format!("Bearer {}", caller.access));
    assert_eq!(whole(answer(&caller.simulator, xml, "").await).status(), 501, "XML without Accept");
}
