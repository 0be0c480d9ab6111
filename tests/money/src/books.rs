//! The organisations that drawn invoices go to: the rules are those of the product, the arithmetic that the oracle expects of each is
//! stated here anew.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use coportal_core::ledger::{Ledger, LedgerRules};
use coportal_ledgers::exec::{Transport, TransportError};
use coportal_ledgers::{Endpoints, Ledgers};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use rust_decimal::Decimal;
use simulators::skeleton::pricing::{Sale, Totals};

use crate::oracle;

/// What the oracle says a ledger computes.
#[must_use]
pub fn arithmetic(ledger: Ledger, one_rate: bool) -> oracle::Ledger {
    match ledger {
        Ledger::Xero => oracle::Ledger { tax: oracle::Tax::Line, places: Some(2), sent_net: false },
        // In the US the rate is applied to the sum of what is taxable.
        Ledger::Quickbooks if one_rate => oracle::Ledger { tax: oracle::Tax::Rate, places: None, sent_net: true },
        Ledger::Quickbooks => oracle::Ledger { tax: oracle::Tax::Line, places: None, sent_net: true },
        Ledger::Sage => oracle::Ledger { tax: oracle::Tax::Told, places: Some(2), sent_net: true },
        Ledger::BusinessCentral => oracle::Ledger { tax: oracle::Tax::RateAndSign, places: None, sent_net: true },
    }
}

/// What the ledger's simulator makes of a sale whose lines have these taxes beside them, where the ledger is told them. `None`: the simulator
/// refuses it.
#[must_use]
pub fn simulated(ledger: Ledger, one_rate: bool, sale: &Sale, taxes: &[Decimal]) -> Option<Totals> {
    match ledger {
        Ledger::Xero => Some(simulators::xero::price(sale)),
        Ledger::Quickbooks if one_rate => simulators::quickbooks::price_us(sale),
        Ledger::Quickbooks => Some(simulators::quickbooks::price(sale)),
        Ledger::Sage => simulators::sage::price_told(sale, taxes),
        Ledger::BusinessCentral => Some(simulators::business_central::price(sale)),
    }
}

struct NoNetwork;

impl Transport for NoNetwork {
    fn send<'a>(&'a self, _: Request<Bytes>, _: Duration) -> BoxFuture<'a, Result<Response<Bytes>, TransportError>> {
        async { Err(TransportError::NotSent("money is reckoned without a network".to_owned())) }.boxed()
    }
}

/// The rules that the product itself plans by, of every ledger that this build has.
#[must_use]
pub fn rules() -> Vec<LedgerRules> {
    let ledgers = Ledgers::new(Arc::new(NoNetwork), Endpoints::default());
    Ledger::ALL.into_iter().filter_map(|ledger| ledgers.get(ledger).map(|api| api.rules)).collect()
}
