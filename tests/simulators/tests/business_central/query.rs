//! Reading sets: filters, selections, pages (vendor notes, section 3), and what is not modelled.

use serde_json::{Value, json};

use crate::support::*;

async fn with_customers(count: usize) -> Caller {
    let caller = connected().await;
    for position in 0..count {
        caller.customer(&format!("Customer {position}")).await;
    }
    caller
}

async fn page(caller: &Caller, path: &str, prefer: &str) -> (u16, Value) {
    let response = whole(answer(&caller.simulator, caller.raw("GET", path).header("prefer", prefer), "").await);
    (response.status().as_u16(), value(&response))
}

#[tokio::test]
async fn the_next_link_is_absolute_and_leads_through_all_pages() {
    let caller = with_customers(5).await;
    let first = format!("{}/companies({})/customers?$select=displayName&$filter=blocked+eq+'_x0020_'", caller.root(), caller.company);
    let host = whole(
        answer(&caller.simulator, caller.raw("GET", &first).header("prefer", "odata.maxpagesize=2").header("host", "sim.example:81"), "")
            .await,
    );
    assert_eq!(header(&host, "preference-applied"), "odata.maxpagesize=2");
    let link = value(&host)["@odata.nextLink"].as_str().unwrap().to_owned();
    assert!(link.starts_with(&format!("http://sim.example:81/v2.0/{}/Production/api/v2.0/companies(", caller.tenant)), "{link}");
    let mut seen = Vec::new();
    let mut next = Some(format!("https://api.example{first}"));
    while let Some(address) = next {
        assert!(address.starts_with("https://api.example/"), "the origin that was asked");
        let (status, body) = page(&caller, &address, "odata.maxpagesize=2").await;
        assert_eq!(status, 200, "{body}");
        for one in body["value"].as_array().unwrap() {
            assert_eq!(one.as_object().unwrap().len(), 2, "what was selected, and the etag");
            seen.push(one["displayName"].as_str().unwrap().to_owned());
        }
        next = body["@odata.nextLink"].as_str().map(str::to_owned);
    }
    assert_eq!(seen, ["Customer 0", "Customer 1", "Customer 2", "Customer 3", "Customer 4"]);
    let (status, _) = page(&caller, &format!("{first}&$skiptoken=nonsense"), "odata.maxpagesize=2").await;
    assert_eq!(status, 400);
    assert_eq!(page(&caller, &first, "odata.maxpagesize=0").await.0, 400);
}

#[tokio::test]
async fn top_skip_count_and_order() {
    let caller = with_customers(4).await;
    let list = caller.get("customers?$top=2&$skip=1&$count=true&$orderby=displayName+desc&$select=displayName").await;
    let names: Vec<_> = list["value"].as_array().unwrap().iter().map(|one| one["displayName"].clone()).collect();
    assert_eq!((names, &list["@odata.count"]), (vec![json!("Customer 2"), json!("Customer 1")], &json!(4)));
    assert!(list.get("@odata.nextLink").is_none());
    assert!(list["@odata.context"].as_str().unwrap().ends_with("/customers"));
}

#[tokio::test]
async fn filters_on_what_changed_and_by_range() {
    let caller = with_customers(1).await;
    advance(&caller.simulator, 60);
    caller.customer("Late").await;
    assert_eq!(caller.found("customers", "lastModifiedDateTime gt 2026-03-10T09:00:30Z").await.len(), 1);
    let invoice = caller.invoice("CP-1", &["10"]).await;
    assert_eq!(caller.found("salesInvoices", "totalAmountIncludingTax ge 12 and totalAmountIncludingTax le 12.00").await.len(), 1);
    assert_eq!(caller.found("salesInvoices", "invoiceDate lt 2026-03-10").await.len(), 0);
    let customer = caller.get(&format!("salesInvoices({invoice})")).await["customerId"].as_str().unwrap().to_owned();
    assert_eq!(caller.found("salesInvoices", &format!("customerId eq {customer} and status ne 'Canceled'")).await.len(), 1);
}

#[tokio::test]
async fn a_wrong_query_is_refused_also_on_an_empty_set() {
    let caller = connected().await;
    for (query, code) in [
        ("$filter=nickname eq 'x'", "BadRequest"),
        ("$filter=displayName eq x'", "BadRequest"),
        ("$filter=displayName eq 'x' or email eq 'x'", "Application_FilterErrorException"),
        ("$filter=number eq '123456789012345678901'", "Application_FilterErrorException"),
        ("$filter=displayName in ('x')", "BadRequest"),
        ("$select=nickname", "BadRequest"),
        ("$orderby=nickname", "BadRequest"),
        ("$top=many", "BadRequest"),
    ] {
        let path = format!("customers?{}", query.replace(' ', "+").replace('\'', "%27"));
        let (status, got, _) = caller.refused("GET", &path, &Value::Null).await;
        assert_eq!((status, got.as_str()), (400, code), "{query}");
    }
}

#[tokio::test]
async fn what_is_not_modelled_says_so() {
    let caller = with_customers(1).await;
    let invoice = caller.invoice("CP-1", &["10"]).await;
    let calls = [
        ("GET", "customers?$schemaversion=2.1".to_owned()),
        ("GET", "customers?$expand=defaultDimensions".to_owned()),
        ("GET", "customers?company=x".to_owned()),
        ("GET", format!("salesInvoices({invoice})?$filter=number+eq+'x'")),
        ("GET", "salesInvoices?$filter=remainingAmount+eq+0".to_owned()),
        ("GET", "salesInvoices?$orderby=totalTaxAmount".to_owned()),
        ("GET", "salesCreditMemos".to_owned()),
        ("GET", "journals".to_owned()),
        ("POST", format!("salesInvoices({invoice})/Microsoft.NAV.postAndSend")),
        ("POST", format!("salesInvoices({invoice})/Microsoft.NAV.makeCorrectiveCreditMemo")),
        ("DELETE", "customers".to_owned()),
        ("POST", "accounts".to_owned()),
    ];
    for (method, path) in calls {
        let reply = caller.send(method, &path, &Value::Null).await;
        assert_eq!((reply.status().as_u16(), &value(&reply)["Type"]), (501, &json!("NotModelled")), "{method} {path}: {}", text(&reply));
        assert!(value(&reply)["Message"].as_str().unwrap().starts_with("the simulator does not model "));
    }
    let replica = caller.request("GET", "customers").header("data-access-intent", "ReadOnly");
    assert_eq!(whole(answer(&caller.simulator, replica, "").await).status(), 501, "a replica lags");
    let minimal = caller.request("POST", "customers").header("prefer", "return=minimal");
    assert_eq!(whole(answer(&caller.simulator, minimal, r#"{"displayName":"x"}"#).await).status(), 501);
    let mut form = caller.request("POST", "customers");
    form.headers_mut().unwrap().insert("content-type", "text/plain".parse().unwrap());
    assert_eq!(whole(answer(&caller.simulator, form, "{}").await).status(), 501);
    for path in ["/payroll".to_owned(), format!("{}/customers", caller.root()), format!("{}/$metadata", caller.root()), caller.root()] {
        let elsewhere = whole(answer(&caller.simulator, caller.raw("GET", &path), "").await);
        assert_eq!(elsewhere.status(), 501, "{path}");
    }
}
