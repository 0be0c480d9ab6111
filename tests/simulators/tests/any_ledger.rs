//! A ledger held without knowing which one it is, and the arithmetic of the ledgers as functions.

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use http::Request;
    use jiff::Timestamp;
    use rust_decimal::Decimal;
    use serde_json::json;
    use simulators::skeleton::config::Config;
    use simulators::skeleton::faults::{Fault, FaultKind};
    use simulators::skeleton::limits::LimitsChange;
    use simulators::skeleton::pricing::{Sale, SaleLine, Totals};
    use simulators::skeleton::serve::serve;
    use simulators::skeleton::simulator::AnyLedger;
    use simulators::skeleton::state::Seed;
    use simulators::{Answer, Clock, quickbooks, xero};

    fn config() -> Config {
        let clock = Clock::fixed("2026-03-10T09:00:00Z".parse::<Timestamp>().unwrap());
        let redirect_uris = vec!["https://app.example/callback".to_owned()];
        Config { clock, client_id: "client".into(), client_secret: "secret".into(), redirect_uris, seed: 42 }
    }

    fn ledgers() -> Vec<Arc<dyn AnyLedger>> {
        vec![Arc::new(xero::Simulator::new(config())), Arc::new(quickbooks::Simulator::new(config()))]
    }

    #[tokio::test]
    async fn a_harness_drives_a_ledger_that_it_does_not_know() {
        for ledger in ledgers() {
            drive(&*ledger).await;
        }
    }

    async fn drive(ledger: &dyn AnyLedger) {
        let seed: Seed = serde_json::from_value(json!({ "documents": [{ "status": "approved", "total": "10" }] })).unwrap();
        let planted = ledger.seed(&seed).unwrap();
        let before = ledger.snapshot();
        ledger.bookkeeper(&json!({ "action": "void", "document_id": planted.documents[0].id })).unwrap();
        assert_eq!(ledger.state().documents[0].status, "voided");
        assert!(ledger.bookkeeper(&json!({ "action": "void", "document_id": planted.documents[0].id })).is_err());
        ledger.restore(before).unwrap();
        assert_eq!(ledger.state().documents[0].status, "approved");
        assert!(ledger.restore(json!({ "not": "a snapshot" })).is_err());

        ledger.post_fault(Fault::on("/connections", FaultKind::Refuse));
        assert_eq!(ledger.faults().len(), 1);
        ledger.clear_faults();
        assert!(ledger.faults().is_empty());
        let call = || Request::get("/connections").body(Bytes::new()).unwrap();
        assert!(matches!(ledger.handle(call()).await, Answer::Response(_)));
        assert_eq!(ledger.calls().len(), 1);
        assert_eq!(ledger.change_limits(LimitsChange { replay_seconds: Some(1), ..LimitsChange::default() }).replay_seconds, 1);
        assert_eq!(ledger.control("GET", "/__sim/state", b"").status(), 200);
    }

    #[tokio::test]
    async fn a_ledger_held_without_its_type_is_served() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let served = tokio::spawn(serve(ledgers().remove(0), listener, async { drop(stopped.await) }));
        #[expect(clippy::disallowed_methods, reason = "the simulator is called as a stranger would call it")]
        let answer = reqwest::get(format!("http://{address}/__sim/clock")).await.unwrap();
        assert_eq!(answer.status(), 200);
        drop(stop);
        served.await.unwrap().unwrap();
    }

    fn number(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn sale(prices: &[&str], tax_percent: &str) -> Sale {
        let line = |price: &&str| SaleLine {
            quantity: Decimal::ONE,
            unit_price: number(price),
            discount_percent: Decimal::ZERO,
            tax_percent: number(tax_percent),
        };
        Sale { currency_decimals: 2, tax_inclusive: false, lines: prices.iter().map(line).collect() }
    }

    fn totals(subtotal: &str, tax: &str, total: &str) -> Totals {
        Totals { subtotal: number(subtotal), tax: number(tax), total: number(total) }
    }

    #[test]
    fn where_tax_is_per_line_it_is_rounded_before_it_is_summed() {
        let sale = sale(&["25.06", "25.61", "25.63"], "15");
        assert_eq!(xero::price(&sale), totals("76.30", "11.44", "87.74"));
        let inclusive = Sale { tax_inclusive: true, ..sale };
        assert_eq!(xero::price(&inclusive), totals("66.35", "9.95", "76.30"));
    }

    /// Vendor notes on Xero, section 10: a discounted amount is cut, not rounded.
    #[test]
    fn xero_cuts_discounted_amounts() {
        let mut sale = sale(&["2120.44"], "0");
        sale.lines[0].discount_percent = number("10");
        assert_eq!(xero::price(&sale).total, number("1908.39"));
    }
}
