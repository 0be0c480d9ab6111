//! One ledger, verified.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::contract::{Contract, Corrected};
use super::inventory;
use super::overlay::Correction;
use super::record::{Exchange, Kind};

/// All that is against the corrected description, each once, with how often.
fn misses(corrected: &Corrected, exchanges: &[Exchange]) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for exchange in exchanges {
        for miss in corrected.check(exchange).misses {
            *found.entry(miss).or_insert(0) += 1;
        }
    }
    found
}

/// Every call is as the vendor describes it, every kind is there, and every correction has its reason. All that is wrong is told at once.
pub(super) fn verify(contract: &Contract, folder: &str, exchanges: &[Exchange]) {
    // What travels in a batch is checked as if it had been sent alone.
    let packed = exchanges.iter().flat_map(Corrected::unpacked);
    let exchanges: &[Exchange] = &exchanges.iter().cloned().chain(packed).collect::<Vec<_>>();
    let (corrected, overlay) = (contract.corrected(), &contract.overlay);
    let mut wrong: Vec<String> = misses(&corrected, exchanges).into_iter().map(|(miss, times)| format!("{times} x {miss}")).collect();

    let kinds: BTreeSet<&Kind> = exchanges.iter().map(|exchange| &exchange.kind).collect();
    let recorded: BTreeSet<String> = kinds.iter().map(ToString::to_string).collect();
    wrong.extend(recorded.difference(&overlay.kinds).map(|kind| format!("a kind that is not listed: {kind}")));
    wrong.extend(overlay.kinds.difference(&recorded).map(|kind| format!("a kind that nothing drives: {kind}")));

    let unanswered = exchanges.iter().filter(|exchange| exchange.status == http::StatusCode::NOT_IMPLEMENTED);
    let unanswered: BTreeSet<&String> = unanswered.map(|exchange| &exchange.kind.operation).collect();
    let listed: BTreeSet<&String> = overlay.not_modelled.keys().collect();
    wrong.extend(unanswered.symmetric_difference(&listed).map(|name| format!("{name}: not modelled by the simulator, or listed so")));

    let (operations, routes) = inventory::of(folder);
    assert!(operations.len() > 5 && routes.len() > 5, "the source of {folder} is looked past: {operations:?} {routes:?}");
    let undriven = operations.iter().filter(|&name| !kinds.iter().any(|kind| kind.operation == *name));
    wrong.extend(undriven.map(|name| format!("an operation of the source that nothing drives: {name}")));
    let sent = |route: &String| {
        kinds.iter().any(|kind| kind.route == *route) || exchanges.iter().any(|exchange| exchange.uri.path().ends_with(route.as_str()))
    };
    wrong.extend(routes.iter().filter(|route| !sent(route)).map(|route| format!("a route of the source that nothing drives: {route}")));

    let used: BTreeSet<String> = exchanges.iter().filter_map(|exchange| corrected.check(exchange).line).collect();
    wrong.extend(corrected.lines().filter(|line| !used.contains(*line)).map(|line| format!("described and never sent: {line}")));

    for (index, correction) in overlay.corrections.iter().enumerate() {
        let (says, source) = (&correction.says, &correction.source);
        assert!(says.len() > 10 && source.len() > 10, "a correction says what is so and how that is known: {says}");
        let without = contract.without(index).corrected();
        match &correction.refuses {
            None if !misses(&without, exchanges).is_empty() => {}
            None => wrong.push(format!("nothing needs this correction: {says}")),
            Some(_) => wrong.extend(refuses(&corrected, &without, exchanges, correction).err().map(|why| format!("{why}: {says}"))),
        }
    }
    assert!(wrong.is_empty(), "{folder}, {} things:\n  {}", wrong.len(), wrong.join("\n  "));
    let described = exchanges.iter().filter(|exchange| corrected.check(exchange).answer_described).count();
    println!(
        "{folder}: {} kinds of requests, {} calls, all as described ({} operations, {} corrections); {described} answers held against a schema",
        kinds.len(),
        exchanges.len(),
        used.len(),
        overlay.corrections.len(),
    );
    for kind in kinds {
        println!("  {kind}");
    }
}

/// A correction that tightens refuses its own example, and nothing else does.
fn refuses(corrected: &Corrected, without: &Corrected, exchanges: &[Exchange], correction: &Correction) -> Result<(), String> {
    let refused = correction.refuses.as_ref().unwrap();
    let spoilt =
        exchanges.iter().filter(|exchange| corrected.check(exchange).line.as_deref() == Some(&refused.operation)).find_map(|exchange| {
            let value = refused.value();
            match refused.at.split_once(' ') {
                Some(("header", name)) => {
                    let mut changed = exchange.clone();
                    let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
                    changed.headers.insert(name, value.as_str()?.parse().unwrap()).map(|_| changed)
                }
                Some(("query", name)) => {
                    let mut address = url::Url::parse(&exchange.uri.to_string()).unwrap();
                    let pairs: Vec<(String, String)> = address.query_pairs().into_owned().collect();
                    pairs.iter().any(|(sent, _)| sent == name).then_some(())?;
                    let pairs =
                        pairs.iter().map(|(sent, text)| if sent == name { (sent, value.as_str().unwrap()) } else { (sent, text.as_str()) });
                    address.query_pairs_mut().clear().extend_pairs(pairs);
                    Some(Exchange { uri: address.as_str().parse().unwrap(), ..exchange.clone() })
                }
                _ => {
                    let mut body: Value = serde_json::from_slice(&exchange.body).ok()?;
                    *body.pointer_mut(&refused.at)? = value;
                    Some(Exchange { body: body.to_string().into(), ..exchange.clone() })
                }
            }
        });
    let spoilt = spoilt.ok_or_else(|| format!("no recorded request has {} {}", refused.operation, refused.at))?;
    if corrected.check(&spoilt).misses.is_empty() {
        return Err("it refuses nothing".to_owned());
    }
    let others = without.check(&spoilt).misses;
    if others.is_empty() { Ok(()) } else { Err(format!("it is refused without it too: {others:?}")) }
}
