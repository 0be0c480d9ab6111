//! Environments, companies and their facts (vendor notes, section 2).

use serde_json::{Value, json};
use simulators::business_central::Action;
use simulators::skeleton::consent::Consent;

use crate::support::*;

async fn raw(caller: &Caller, path: &str) -> (u16, Value) {
    let response = whole(answer(&caller.simulator, caller.raw("GET", path), "").await);
    (response.status().as_u16(), value(&response))
}

fn names(list: &Value) -> Vec<&str> {
    list["value"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
}

/// R16 needs a choice: the sandbox stands first, and production has two companies.
#[tokio::test]
async fn the_sandbox_is_listed_first_and_production_has_two_companies() {
    let caller = connected().await;
    let (status, environments) = raw(&caller, "/environments/v1.2").await;
    assert_eq!((status, names(&environments)), (200, vec!["Sandbox", "Production"]));
    let production = &environments["value"][1];
    assert_eq!(
        pick(production, &["type", "applicationFamily", "aadTenantId", "countryCode"]),
        json!(["Production", "BusinessCentral", caller.tenant, "GB"])
    );
    assert!(production["webClientLoginUrl"].as_str().unwrap().ends_with("/Production"));
    let (_, companies) = raw(&caller, &format!("{}/companies", caller.root())).await;
    assert_eq!(names(&companies), ["Harbour & Hill Ltd", "Table Bay Studio (Pty) Ltd"]);
    assert_eq!(companies["value"][0]["id"], caller.company.as_str());
    let (_, sandbox) = raw(&caller, &format!("/v2.0/{}/sandbox/api/v2.0/companies", caller.tenant)).await;
    assert_eq!(names(&sandbox), ["CRONUS UK Ltd."]);
    assert_eq!(sandbox["value"][0]["displayName"], "", "may be empty");
    let (status, without_tenant) = raw(&caller, "/v2.0/Production/api/v2.0/companies").await;
    assert_eq!((status, names(&without_tenant).len()), (200, 2));
    let one = caller.at(1);
    let (_, company) = raw(&one, &format!("{}/companies({})", one.root(), one.company)).await;
    assert_eq!(company["name"], "Table Bay Studio (Pty) Ltd");
}

#[tokio::test]
async fn wrong_tenant_environment_and_company_are_told_apart() {
    let caller = connected().await;
    let nobody = "00000000-0000-4000-8000-000000000001";
    for (path, status, code) in [
        (format!("/v2.0/{nobody}/Production/api/v2.0/companies"), 401, "Authentication_InvalidCredentials"),
        (format!("/v2.0/{}/Nowhere/api/v2.0/companies", caller.tenant), 404, "NoEnvironment"),
        (format!("{}/companies({nobody})/customers", caller.root()), 404, "Internal_CompanyNotFound"),
        (format!("{}/companies({})/customers", caller.at(2).root(), caller.company), 404, "Internal_CompanyNotFound"),
        (format!("{}/companies(x)/customers", caller.root()), 404, "BadRequest_NotFound"),
    ] {
        let (got, body) = raw(&caller, &path).await;
        assert_eq!((got, body["error"]["code"].as_str().unwrap()), (status, code), "{path}");
    }
    let unsigned = whole(answer(&caller.simulator, http::Request::get("/environments/v1.2"), "").await);
    assert_eq!(unsigned.status(), 401);
}

/// Entra asks about no company; a consent that names some stands for a user who may see only these.
#[tokio::test]
async fn a_user_sees_the_companies_of_the_consent() {
    let caller = connect(simulator(), Consent::approve_only(&["Table Bay Studio (Pty) Ltd"])).await;
    let (_, environments) = raw(&caller, "/environments/v1.2").await;
    assert_eq!(names(&environments), ["Production"]);
    let (_, companies) = raw(&caller, &format!("{}/companies", caller.root())).await;
    assert_eq!(names(&companies), ["Table Bay Studio (Pty) Ltd"]);
    assert_eq!(caller.refused("GET", "customers", &Value::Null).await.0, 403, "the first company");
    assert_eq!(caller.at(2).refused("GET", "customers", &Value::Null).await.0, 401, "not in the sandbox at all");
    let second = caller.at(1);
    second.get("customers").await;
    let states: Vec<bool> = caller.simulator.state().organisations.into_iter().map(|one| one.connected).collect();
    assert_eq!(states, [false, true, false]);
    caller.simulator.bookkeeper(Action::Disconnect { organisation: second.company.clone() }).unwrap();
    assert_eq!(second.refused("GET", "customers", &Value::Null).await.0, 401);
}

#[tokio::test]
async fn a_renamed_environment_is_found_again_and_company_ids_stay() {
    let caller = connected().await;
    let rename = Action::RenameEnvironment { environment: "Production".into(), name: "Live".into() };
    caller.simulator.bookkeeper(rename).unwrap();
    caller
        .simulator
        .bookkeeper(Action::RenameOrganisation { organisation: "Harbour & Hill Ltd".into(), name: "Harbour Ltd".into() })
        .unwrap();
    assert_eq!(caller.refused("GET", "customers", &Value::Null).await.1, "NoEnvironment");
    let (_, environments) = raw(&caller, "/environments/v1.2").await;
    assert_eq!(names(&environments), ["Sandbox", "Live"]);
    let live = Caller { environment: "Live".into(), ..caller };
    live.get("customers").await;
}

#[tokio::test]
async fn an_updating_environment_is_unavailable_for_a_while() {
    let caller = connected().await;
    let update = |begins| Action::UpdateEnvironment { environment: "Production".into(), begins };
    caller.simulator.bookkeeper(update(true)).unwrap();
    let response = caller.send("GET", "customers", &Value::Null).await;
    assert_eq!((response.status().as_u16(), value(&response)["error"]["code"].as_str().unwrap()), (503, "Internal_TenantUnavailable"));
    assert_eq!(header(&response, "retry-after"), "60");
    caller.simulator.bookkeeper(update(false)).unwrap();
    caller.get("customers").await;
}

/// The first company needs no choice, the second one does: two revenue accounts. No percentage is on the API (section 6).
#[tokio::test]
async fn facts_of_the_companies() {
    let uk = connected().await;
    let revenue = "category eq 'Income' and accountType eq 'Posting' and directPosting eq true and blocked eq false";
    let sales = uk.found("accounts", revenue).await;
    assert_eq!(sales.len(), 1);
    assert_eq!(pick(&sales[0], &["number", "displayName", "category"]), json!(["6110", "Sales, Services", "Income"]));
    assert_eq!(uk.at(1).found("accounts", revenue).await.len(), 2);
    let groups = uk.get("taxGroups").await;
    let codes: Vec<_> = groups["value"].as_array().unwrap().iter().map(|one| one["code"].clone()).collect();
    assert_eq!(codes, [json!("ZERO"), json!("STANDARD"), json!("REDUCED")]);
    assert!(!groups.to_string().contains("ercent"));
    assert_eq!(groups["value"][0]["taxType"], "VAT");
    assert_eq!(uk.get("taxAreas").await["value"][0]["code"], "DOMESTIC");
    let information = uk.get("companyInformation").await["value"][0].clone();
    assert_eq!(pick(&information, &["displayName", "country", "currencyCode"]), json!(["Harbour & Hill Ltd", "GB", "GBP"]));
    assert_ne!(information["id"], uk.company.as_str());
    let setup = uk.get("generalLedgerSetup").await["value"][0].clone();
    assert_eq!(
        pick(&setup, &["localCurrencyCode", "allowPostingFrom", "shortcutDimension1Code"]),
        json!(["GBP", "0001-01-01", "DEPARTMENT"])
    );
    assert_eq!(uk.get("currencies").await["value"][1]["amountDecimalPlaces"], "0:0");
    assert_eq!(uk.get("paymentTerms").await["value"][0]["dueDateCalculation"], "14D");
    assert_eq!(uk.get("countriesRegions").await["value"][0]["code"], "GB");
    let items = uk.found("items", "type eq 'Service' or type eq 'Non_x002D_Inventory'").await;
    assert_eq!(items[0]["number"], "1900");
    let id = items[0]["id"].as_str().unwrap();
    assert_eq!(uk.get(&format!("items({id})")).await["displayName"], "Consulting hour");
    assert_eq!(uk.refused("GET", &format!("items({})", uk.company), &Value::Null).await.1, "BadRequest_NotFound");
}
