//! Bodies as sent: what is absent stays, what is null is cleared, what is too long is refused.

use rust_decimal::Decimal;
use uuid::Uuid;

use super::contact::Address;
use super::query::id;
use super::reply::{Fault, Refusal, fault};
use crate::skeleton::fields::Fields;
use crate::skeleton::ids::Ids;
use crate::skeleton::incoming::Incoming;

/// The object under `root` of a JSON body; nothing may stand beside it.
pub(crate) fn body(call: &Incoming, root: &str) -> Result<Fields, Refusal> {
    if !call.header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
        return Err(Refusal::MediaType);
    }
    let whole = Fields::parse(&call.body)?;
    known(&whole, &[root], "body")?;
    whole.object(root)?.ok_or_else(|| Refusal::invalid(root, "is missing"))
}

/// Refuses fields that the simulator does not model, whether or not Sage has them.
pub(crate) fn known(fields: &Fields, known: &[&str], what: &str) -> Result<(), Refusal> {
    match fields.unknown(known) {
        None => Ok(()),
        Some(field) => Err(Refusal::NotModelled(format!("writing the {what} field {field}"))),
    }
}

/// Changes a text, if it was sent; null and the empty text clear it.
pub(crate) fn text(
    fields: &Fields,
    name: &str,
    source: &str,
    longest: usize,
    faults: &mut Vec<Fault>,
    target: &mut Option<String>,
) -> Result<(), Refusal> {
    if !fields.has(name) {
        return Ok(());
    }
    let sent = fields.text(name)?.filter(|text| !text.is_empty());
    if sent.as_ref().is_some_and(|text| text.chars().count() > longest) {
        faults.push(fault(source, &format!("is too long (maximum is {longest} characters)")));
    }
    *target = sent;
    Ok(())
}

/// An id of a record in a body. What is not one names nothing, and the vendor does not say which (404).
pub(crate) fn record(fields: &Fields, name: &str) -> Result<Option<Uuid>, Refusal> {
    fields.text(name)?.map(|text| id(&text).ok_or(Refusal::NotFound)).transpose()
}

/// Below it no product or sum leaves the range of a decimal.
const LARGEST: Decimal = Decimal::from_parts(1_410_065_408, 2, 0, false, 0);

/// A number of at most ten digits before and `places` after the point.
pub(crate) fn number(fields: &Fields, name: &str, places: u32) -> Result<Option<Decimal>, Refusal> {
    let number = fields.decimal(name)?;
    match number {
        Some(number) if number.abs() >= LARGEST => Err(Refusal::NotModelled(format!("{name} of more than ten digits"))),
        Some(number) if number.normalize().scale() > places => {
            Err(Refusal::invalid(name, &format!("has more than {places} decimal places")))
        }
        other => Ok(other),
    }
}

/// Address types that the simulator knows (from memory: the vendor lists them under `/address_types`).
const ADDRESS_TYPES: [&str; 5] = ["ACCOUNTS", "DELIVERY", "MAIN", "PURCHASING", "SALES"];

const ADDRESS: [&str; 8] = ["address_type_id", "name", "address_line_1", "address_line_2", "city", "region", "postal_code", "country_id"];

/// Changes an address inside a contact or an invoice; what is absent stays.
pub(crate) fn address(
    fields: &Fields,
    source: &str,
    typed: bool,
    ids: &mut Ids,
    faults: &mut Vec<Fault>,
    target: &mut Option<Address>,
) -> Result<(), Refusal> {
    known(fields, &ADDRESS, source)?;
    let mut address = target.take().unwrap_or_else(|| Address { id: ids.uuid(), ..Address::default() });
    if let Some(kind) = fields.text("address_type_id")? {
        if !ADDRESS_TYPES.contains(&kind.as_str()) {
            return Err(Refusal::NotFound);
        }
        address.address_type = Some(kind);
    }
    if typed && address.address_type.is_none() {
        faults.push(fault(&format!("{source}.address_type"), "is missing"));
    }
    let at = |name: &str| format!("{source}.{name}");
    text(fields, "name", &at("name"), 50, faults, &mut address.name)?;
    text(fields, "address_line_1", &at("address_line_1"), 50, faults, &mut address.address_line_1)?;
    text(fields, "address_line_2", &at("address_line_2"), 50, faults, &mut address.address_line_2)?;
    text(fields, "city", &at("city"), 50, faults, &mut address.city)?;
    text(fields, "region", &at("region"), 50, faults, &mut address.region)?;
    text(fields, "postal_code", &at("postal_code"), 10, faults, &mut address.postal_code)?;
    if fields.has("country_id") {
        let country = fields.text("country_id")?.filter(|code| !code.is_empty());
        if country.as_ref().is_some_and(|code| code.len() != 2 || !code.bytes().all(|byte| byte.is_ascii_uppercase())) {
            return Err(Refusal::NotFound);
        }
        address.country = country;
    }
    *target = Some(address);
    Ok(())
}

/// Refuses when a rule was broken.
pub(crate) fn settle(faults: Vec<Fault>) -> Result<(), Refusal> {
    if faults.is_empty() { Ok(()) } else { Err(Refusal::Invalid(faults)) }
}
