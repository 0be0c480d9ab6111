//! An organisation behind a socket, with a rate for each percentage and a contact for each currency.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use coportal_core::choices::Choices;
use coportal_core::facts::{AccountUse, Facts};
use coportal_core::ledger::Ledger;
use coportal_core::money::Rate;
use coportal_core::secret::Secret;
use coportal_ledgers::exec::{Egress, HttpTransport, Meter};
use coportal_ledgers::profile::Lane;
use coportal_ledgers::{Access, AuthorizeRequest, ClientCredentials, Endpoints, LedgerApi, Ledgers, pkce_challenge};
use http::Request;
use money::cases::RATES;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use simulators::skeleton::config::Config;
use simulators::skeleton::consent::Consent;
use simulators::skeleton::limits::LimitsChange;
use simulators::skeleton::simulator::AnyLedger;
use simulators::skeleton::state::Seed;
use simulators::{Answer, Clock};
use tokio::net::TcpListener;
use url::Url;

const CURRENCIES: [&str; 6] = ["GBP", "ZAR", "USD", "EUR", "JPY", "KWD"];
const REDIRECT: &str = "https://api.coportal.example/v1/oauth/callback";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// Where invoices go.
pub(crate) struct Organisation {
    pub(crate) simulator: Arc<dyn AnyLedger>,
    pub(crate) api: LedgerApi,
    pub(crate) facts: Facts,
    pub(crate) choices: Choices,
    pub(crate) contacts: BTreeMap<String, String>,
    pub(crate) one_rate: bool,
    id: String,
    token: Secret,
    meter: Meter,
}

/// The simulator, listening.
async fn served(ledger: Ledger, seed: u64) -> (Arc<dyn AnyLedger>, Url) {
    let config = Config {
        clock: Clock::fixed("2026-03-02T09:00:00Z".parse().unwrap()),
        client_id: "app-1".to_owned(),
        client_secret: "secret-1".to_owned(),
        redirect_uris: vec![REDIRECT.to_owned()],
        seed,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    macro_rules! serve {
        ($simulator:expr) => {{
            let simulator = $simulator;
            tokio::spawn(simulator.clone().serve(listener, pending()));
            Arc::new(simulator) as Arc<dyn AnyLedger>
        }};
    }
    let simulator = match ledger {
        Ledger::Xero => serve!(simulators::xero::Simulator::new(config)),
        Ledger::Quickbooks => serve!(simulators::quickbooks::Simulator::new(config)),
        Ledger::Sage => serve!(simulators::sage::Simulator::new(config)),
        Ledger::BusinessCentral => serve!(simulators::business_central::Simulator::new(config)),
    };
    (simulator, origin)
}

/// The code that an organisation has for a percentage.
fn code(ledger: Ledger, place: usize) -> String {
    match ledger {
        Ledger::Quickbooks => (900 + place).to_string(),
        Ledger::Xero | Ledger::Sage | Ledger::BusinessCentral => format!("MONEY{place}"),
    }
}

/// The rates and codes of the drawn percentages, in the vendor's wire names.
fn rates(ledger: Ledger) -> (Vec<Value>, Vec<Value>) {
    let (mut rates, mut codes) = (Vec::new(), Vec::new());
    for (place, percent) in RATES.iter().enumerate() {
        let (code, number) = (code(ledger, place), percent.parse::<Decimal>().unwrap());
        match ledger {
            // Also on the account that rounding lines go to, which is a liability.
            Ledger::Xero => rates.push(json!({
                "Name": format!("Money {percent}%"), "TaxType": code, "EffectiveRate": number,
                "CanApplyToRevenue": true, "CanApplyToLiabilities": true,
            })),
            Ledger::Quickbooks => {
                rates.push(json!({ "Id": code, "Name": format!("Money {percent}%"), "RateValue": percent }));
                codes.push(json!({ "Id": code, "Name": format!("Money {percent}%"), "Rates": [code] }));
            }
            Ledger::Sage => {
                rates.push(json!({ "id": code, "name": format!("Money {percent}%"), "percentages": [{ "percentage": percent }] }));
            }
            Ledger::BusinessCentral => {
                codes.push(json!({ "code": code, "displayName": format!("Money {percent}%") }));
                for business in ["DOMESTIC", "EXPORT"] {
                    let identifier = format!("M{percent}");
                    rates.push(json!({ "business": business, "product": code, "percent": number, "identifier": identifier }));
                }
            }
        }
    }
    (rates, codes)
}

impl Organisation {
    /// The organisation of the ledger that invoices go to; for QuickBooks one in the US as well, which taxes by document at one rate.
    pub(crate) async fn both(ledger: Ledger, seed: u64) -> Vec<Self> {
        let (simulator, origin) = served(ledger, seed).await;
        let many = Some(1_000_000);
        simulator.change_limits(LimitsChange { minute: many, day: many, app_minute: many, ..LimitsChange::default() });
        let mut names = vec![("Harbour & Hill Ltd", false, CURRENCIES.as_slice())];
        if ledger == Ledger::Quickbooks {
            names.push(("Table Rock Studio LLC", true, &["USD"]));
        }
        let mut organisations = Vec::new();
        for (name, one_rate, currencies) in names {
            organisations.push(Self::connected(ledger, Arc::clone(&simulator), &origin, name, one_rate, currencies).await);
        }
        organisations
    }

    async fn connected(
        ledger: Ledger,
        simulator: Arc<dyn AnyLedger>,
        origin: &Url,
        name: &str,
        one_rate: bool,
        currencies: &[&str],
    ) -> Self {
        let (tax_rates, tax_codes) = rates(ledger);
        let mut seeded = json!({ "name": name, "tax_rates": tax_rates, "tax_codes": tax_codes, "currencies": currencies });
        if ledger == Ledger::Quickbooks && currencies.len() > 1 {
            seeded["preferences"] = json!({ "CurrencyPrefs": { "MultiCurrencyEnabled": true } });
        }
        let bound = ledger != Ledger::Xero;
        let contacts: Vec<Value> = currencies
            .iter()
            .map(|currency| {
                let mut contact = json!({ "organisation": name, "name": format!("Client in {currency}") });
                if bound {
                    contact["currency"] = json!(currency);
                }
                contact
            })
            .collect();
        let seed: Seed = serde_json::from_value(json!({ "organisations": [seeded], "contacts": contacts })).unwrap();
        let state = simulator.seed(&seed).unwrap_or_else(|refused| panic!("{ledger}: {refused:?}"));
        let id = |currency: &&str| {
            let wanted = format!("Client in {currency}");
            let found = state.contacts.iter().rfind(|contact| contact.name == wanted).unwrap();
            ((*currency).to_owned(), found.id.clone())
        };
        let contacts = currencies.iter().map(id).collect();
        let mut endpoints = Endpoints::default();
        endpoints.simulate(ledger, origin);
        let transport = HttpTransport::new(Egress::of(endpoints.called()).unwrap()).unwrap();
        let api = Ledgers::new(Arc::new(transport), endpoints).get(ledger).unwrap().clone();
        let (id, token) = signed_in(&*simulator, &api, name).await;
        let mut organisation =
            Self { simulator, facts: blank(), choices: Choices::default(), contacts, one_rate, id, token, meter: Meter::default(), api };
        organisation.facts =
            organisation.api.facts.facts(organisation.access()).await.unwrap_or_else(|failure| panic!("{failure:?}")).value;
        organisation.choices = organisation.choose(ledger);
        organisation
    }

    /// A person's choices: an account, an item, and the code of each percentage.
    fn choose(&self, ledger: Ledger) -> Choices {
        let sales = self.facts.accounts_for(AccountUse::Sales).next();
        let tax = |(place, percent): (usize, &&str)| (Rate::try_from(percent.parse::<Decimal>().unwrap()).unwrap(), code(ledger, place));
        Choices {
            sales_account: sales.map(|account| account.code.clone().unwrap_or_else(|| account.id.clone())),
            sales_item: self.facts.items.first().map(|item| item.id.clone()),
            tax_map: RATES.iter().enumerate().map(tax).collect(),
            ..Choices::default()
        }
    }

    /// As the engine calls.
    pub(crate) fn access(&self) -> Access<'_> {
        let now = self.simulator.clock().now();
        Access { organisation: &self.id, token: &self.token, meter: &self.meter, timeout: Duration::from_secs(12), now }
    }
}

/// What is known of an organisation before its facts are read.
fn blank() -> Facts {
    Facts {
        name: String::new(),
        base_currency: "GBP".parse().unwrap(),
        currencies: Vec::new(),
        tax_rates: Vec::new(),
        accounts: Vec::new(),
        short_code: None,
        items: Vec::new(),
        default_item: None,
        default_sales_account: None,
        assigns_numbers: false,
        tax_method: None,
        one_tax_code: false,
        pays_tax: true,
        locked_until: None,
        fetched_at: jiff::Timestamp::UNIX_EPOCH,
    }
}

/// The user's way through the consent page: the organisation's id and a token.
async fn signed_in(simulator: &dyn AnyLedger, api: &LedgerApi, name: &str) -> (String, Secret) {
    simulator.set_consent(Consent::approve_only(&[name])).unwrap();
    let challenge = pkce_challenge(&Secret::new(VERIFIER.to_owned()));
    let request =
        AuthorizeRequest { client_id: "app-1", redirect_uri: REDIRECT, state: "state-1", pkce_challenge: &challenge, lanes: &[Lane::Push] };
    let url = api.sign_in.authorize_url(&request);
    let consent = simulator.handle(Request::get(url.as_str()).body(Bytes::new()).unwrap()).await;
    let Answer::Response(response) = consent else { panic!("no consent page") };
    let back: Url = response.headers()["location"].to_str().unwrap().parse().unwrap();
    let pair = |name: &str| back.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let credentials = ClientCredentials { client_id: "app-1".to_owned(), client_secret: Secret::new("secret-1".to_owned()) };
    let (code, verifier) = (Secret::new(pair("code").unwrap()), Secret::new(VERIFIER.to_owned()));
    let (realm, now) = (pair("realmId"), simulator.clock().now());
    let set = api.sign_in.exchange_code(&credentials, &code, &verifier, REDIRECT, realm.as_deref(), now).await;
    let set = set.unwrap_or_else(|failure| panic!("{failure:?}"));
    let found = api.sign_in.organisations(&set.access_token, set.auth_event.as_deref()).await.unwrap();
    let chosen = found.into_iter().find(|organisation| organisation.name == name).unwrap_or_else(|| panic!("{name} is not there"));
    (chosen.id, set.access_token)
}
