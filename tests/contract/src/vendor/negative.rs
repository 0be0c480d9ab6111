//! The check can fail: what is wrong with a request is found.

use serde_json::{Value, json};

use super::contract::Contract;
use super::record::Exchange;

/// One way to spoil a body.
pub(super) struct Spoilt {
    /// The vendor's line of the operation.
    pub(super) line: &'static str,
    /// The object, as a JSON pointer.
    pub(super) at: &'static str,
    /// The member.
    pub(super) member: &'static str,
    /// Its new value.
    pub(super) value: Value,
}

/// A text of so many letters.
pub(super) fn letters(count: usize) -> Value {
    json!("x".repeat(count))
}

/// Spoils recorded requests, one at a time; each passes as recorded and is refused as spoilt.
pub(super) fn assert_refused(contract: &Contract, exchanges: &[Exchange], spoilt: &[Spoilt]) {
    let corrected = contract.corrected();
    for Spoilt { line, at, member, value } in spoilt {
        let is_it = |exchange: &&Exchange| {
            let has = serde_json::from_slice::<Value>(&exchange.body).is_ok_and(|body| body.pointer(at).is_some_and(Value::is_object));
            has && corrected.check(exchange).line.as_deref() == Some(line)
        };
        let exchange = exchanges.iter().find(is_it).unwrap_or_else(|| panic!("no recorded {line} has {at}"));
        assert_eq!(corrected.check(exchange).misses, Vec::<String>::new());
        let mut body: Value = serde_json::from_slice(&exchange.body).unwrap();
        body.pointer_mut(at).unwrap()[*member] = value.clone();
        let changed = Exchange { body: body.to_string().into(), ..exchange.clone() };
        let misses = corrected.check(&changed).misses;
        assert!(!misses.is_empty(), "{line}: {at}/{member} = {value} is let pass");
    }
    // An address, a parameter and a header that nobody described.
    let exchange = &exchanges[exchanges.len() - 1];
    let uri = |text: String| Exchange { uri: text.parse().unwrap(), ..exchange.clone() };
    let (path, mark) = (exchange.uri.to_string(), if exchange.uri.query().is_some() { '&' } else { '?' });
    for changed in [uri(format!("{path}{mark}unheard=1")), uri(path.replace(exchange.uri.path(), "/of/nothing"))] {
        assert!(!corrected.check(&changed).misses.is_empty(), "{}", changed.uri);
    }
    let mut changed = exchange.clone();
    changed.headers.insert("x-unheard-of", "1".parse().unwrap());
    assert!(!corrected.check(&changed).misses.is_empty());
}
