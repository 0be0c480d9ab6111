//! Customers (docs/vendors/quickbooks.md, section 2).

use coportal_core::client::Address;
use coportal_core::contact::{Contact, ContactContent, ContactStatus};
use coportal_core::text;
use jiff::Timestamp;

use crate::ListedContact;
use crate::json;
use crate::quickbooks::body::{AddressBody, CustomerBody, EmailBody, PhoneBody, RefBody};
use crate::quickbooks::query::DELETED;
use crate::quickbooks::wire::{WireAddress, WireCustomer, WireEmail, id_of, instant};

/// Longest name that every edition of the reference grants; newer ones grant more.
const NAME_MAX: usize = 100;
/// Longest telephone. A number cut short is another number: a longer one is left out.
const PHONE_MAX: usize = 30;

/// A customer's name as QuickBooks takes it: no colon, which stands between parent and child there, no tab or line break.
pub(in crate::quickbooks) fn display_name(name: &str) -> String {
    let cut: String = text::tidy(&name.replace(':', " ")).chars().take(NAME_MAX).collect();
    cut.trim_end().to_owned()
}

fn cut(text: &Option<String>, max: usize) -> Option<String> {
    let text = text.as_deref().map(str::trim).filter(|text| !text.is_empty())?;
    Some(text.chars().take(max).collect())
}

/// The body of a customer's create, or of an update of `there`.
pub(in crate::quickbooks) fn body(content: &ContactContent, there: Option<&Contact>) -> Vec<u8> {
    let present = |text: &'_ str| !text.is_empty();
    let address = content.billing_address.as_ref().filter(|address| !address.is_empty());
    json::bytes(&CustomerBody {
        id: there.map(|there| there.external_id.as_str()),
        sync_token: there.and_then(|there| there.version.as_deref()),
        sparse: there.map(|_| true),
        display_name: content.name.as_deref().map(display_name).filter(|name| !name.is_empty()),
        primary_email_addr: content.email.as_deref().map(str::trim).filter(|text| present(text)).map(|address| EmailBody { address }),
        primary_phone: content
            .phone
            .as_deref()
            .map(str::trim)
            .filter(|text| present(text) && text.chars().count() <= PHONE_MAX)
            .map(|free_form_number| PhoneBody { free_form_number }),
        bill_addr: address.map(|address| AddressBody {
            line1: cut(&address.line1, 500),
            line2: cut(&address.line2, 500),
            city: cut(&address.city, 255),
            country_sub_division_code: cut(&address.region, 255),
            postal_code: cut(&address.postal_code, 30),
            country: cut(&address.country, 255),
        }),
        // Fixed when the customer is made, and refused later.
        currency_ref: content.currency.as_ref().filter(|_| there.is_none()).map(|currency| RefBody { value: currency.as_str() }),
    })
}

/// The addresses of a field that may hold several.
pub(in crate::quickbooks) fn addresses(email: Option<&WireEmail>) -> impl Iterator<Item = &str> {
    let list = email.and_then(|email| email.address.as_deref()).unwrap_or_default();
    list.split([',', ';']).map(str::trim).filter(|address| !address.is_empty())
}

fn created_at(wire: &WireCustomer) -> Option<Timestamp> {
    wire.meta_data.as_ref().and_then(|meta| instant(meta.create_time.as_deref()?))
}

/// A customer as CoPortal sees it.
pub(in crate::quickbooks) fn contact(wire: WireCustomer) -> Contact {
    let created_at = created_at(&wire);
    let active = wire.active.unwrap_or(true);
    let name = wire.display_name.or(wire.company_name).unwrap_or_default();
    let plain = name.strip_suffix(DELETED).filter(|_| !active).map(str::to_owned);
    Contact {
        name: plain.unwrap_or(name),
        email: addresses(wire.primary_email_addr.as_ref()).next().map(str::to_owned),
        phone: [wire.primary_phone, wire.mobile].into_iter().flatten().find_map(|phone| phone.free_form_number),
        billing_address: wire.bill_addr.and_then(address),
        our_mark: None,
        status: if active { ContactStatus::Active } else { ContactStatus::Archived },
        merged_into: None,
        created_at,
        version: wire.sync_token,
        currency: id_of(&wire.currency_ref).and_then(|code| code.parse().ok()),
        external_id: wire.id,
    }
}

fn address(wire: WireAddress) -> Option<Address> {
    let rest = [&wire.line2, &wire.line3, &wire.line4, &wire.line5];
    let rest = rest.into_iter().flatten().map(|line| line.trim()).collect::<Vec<_>>().join(", ");
    let address = Address {
        line1: wire.line1,
        line2: Some(rest).filter(|rest| !rest.is_empty()),
        city: wire.city,
        region: wire.country_sub_division_code,
        postal_code: wire.postal_code,
        country: wire.country,
    };
    (!address.is_empty()).then_some(address)
}

/// A customer as a list shows it.
pub(in crate::quickbooks) fn listed(wire: WireCustomer) -> ListedContact {
    let mut emails = addresses(wire.primary_email_addr.as_ref()).map(str::to_owned).collect::<Vec<_>>().into_iter();
    let part_of_another = wire.job == Some(true);
    let contact = contact(wire);
    ListedContact {
        archived: !contact.is_usable(),
        external_id: contact.external_id,
        name: contact.name,
        email: emails.next(),
        other_emails: emails.collect(),
        phone: contact.phone,
        billing_address: contact.billing_address,
        our_mark: contact.our_mark,
        currency: contact.currency,
        part_of_another,
        version: contact.version,
    }
}

/// A customer that has this name or address, by a comparison of our own, shown under the words that were asked for: QuickBooks spells a
/// name without its colons, and keeps several addresses in one field.
pub(in crate::quickbooks) fn fits(listed: &ListedContact, email: Option<&str>, name: Option<&str>) -> Option<Contact> {
    let by_name = name.filter(|name| {
        let key = text::name_key(&display_name(name));
        !key.is_empty() && key == text::name_key(&listed.name)
    });
    let by_email = email.and_then(|email| listed.emails().find(|listed| text::email_key(listed) == text::email_key(email)));
    // A sub-customer or project answers to its parent's address: only its own name is it.
    if by_name.is_none() && (by_email.is_none() || listed.part_of_another) {
        return None;
    }
    let mut contact = listed.contact();
    if let Some(name) = by_name {
        contact.name = name.trim().to_owned();
    }
    if let Some(email) = by_email {
        contact.email = Some(email.to_owned());
    }
    Some(contact)
}

/// The customers of an answer that have this name or address ([`fits`]), each once, with what only a search tells of them.
pub(in crate::quickbooks) fn fitting(found: Vec<WireCustomer>, email: Option<&str>, name: Option<&str>) -> Vec<Contact> {
    let mut fitting: Vec<Contact> = Vec::new();
    for wire in found {
        let created_at = created_at(&wire);
        let Some(contact) = fits(&listed(wire), email, name) else { continue };
        if fitting.iter().all(|known| known.external_id != contact.external_id) {
            fitting.push(Contact { created_at, ..contact });
        }
    }
    fitting
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content() -> ContactContent {
        ContactContent {
            name: Some("  Acme:  Holdings\tLtd ".to_owned()),
            email: Some(" ann@acme.example ".to_owned()),
            phone: Some("+44 20 7946 0000".to_owned()),
            billing_address: Some(Address {
                line1: Some("1 High Street".to_owned()),
                region: Some("West Yorkshire".to_owned()),
                ..Address::default()
            }),
            our_mark: None,
            currency: Some("GBP".parse().unwrap()),
        }
    }

    fn customer(json: &str) -> WireCustomer {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_create_has_the_currency_and_an_update_the_version() {
        let text = |there| String::from_utf8(body(&content(), there)).unwrap();
        insta::assert_snapshot!(text(None), @r#"{"DisplayName":"Acme Holdings Ltd","PrimaryEmailAddr":{"Address":"ann@acme.example"},"PrimaryPhone":{"FreeFormNumber":"+44 20 7946 0000"},"BillAddr":{"Line1":"1 High Street","CountrySubDivisionCode":"West Yorkshire"},"CurrencyRef":{"value":"GBP"}}"#);
        let there = contact(customer(r#"{"Id":"12","SyncToken":"3","DisplayName":"Acme"}"#));
        insta::assert_snapshot!(text(Some(&there)), @r#"{"Id":"12","SyncToken":"3","sparse":true,"DisplayName":"Acme Holdings Ltd","PrimaryEmailAddr":{"Address":"ann@acme.example"},"PrimaryPhone":{"FreeFormNumber":"+44 20 7946 0000"},"BillAddr":{"Line1":"1 High Street","CountrySubDivisionCode":"West Yorkshire"}}"#);
        let long = ContactContent { phone: Some("1".repeat(31)), ..content() };
        assert!(!String::from_utf8(body(&long, None)).unwrap().contains("PrimaryPhone"), "a number cut short is another number");
    }

    #[test]
    fn a_customer_is_read_whole() {
        let read = contact(customer(
            r#"{"Id":"12","SyncToken":"3","DisplayName":"Acme (deleted)","Active":false,"PrimaryEmailAddr":{"Address":"ann@acme.example, bob@acme.example"},
            "Mobile":{"FreeFormNumber":"0700"},"BillAddr":{"Id":"9","Line1":"1 High St","Line2":"Floor 2","Line4":"Left","PostalCode":"LS1"},
            "CurrencyRef":{"value":"GBP","name":"x"},"MetaData":{"CreateTime":"2026-11-21T02:00:00-08:00"}}"#,
        ));
        assert_eq!((read.name.as_str(), read.status, read.email.as_deref()), ("Acme", ContactStatus::Archived, Some("ann@acme.example")));
        assert_eq!((read.phone.as_deref(), read.version.as_deref()), (Some("0700"), Some("3")));
        assert_eq!(read.billing_address.unwrap().line2.as_deref(), Some("Floor 2, Left"));
        assert_eq!((read.created_at, read.currency), (Some("2026-11-21T10:00:00Z".parse().unwrap()), Some("GBP".parse().unwrap())));
        assert_eq!(contact(customer(r#"{"Id":"1","DisplayName":"Real (deleted)"}"#)).name, "Real (deleted)");
        assert_eq!(contact(customer(r#"{"Id":"1","CompanyName":"Only Ltd"}"#)).name, "Only Ltd");
    }

    #[test]
    fn c3_a_hit_is_by_the_whole_name_or_one_whole_address() {
        let found = || {
            vec![
                customer(r#"{"Id":"1","DisplayName":"Acme Holdings"}"#),
                customer(r#"{"Id":"2","DisplayName":"Other","PrimaryEmailAddr":{"Address":"bob@acme.example; ANN@acme.example"}}"#),
                customer(r#"{"Id":"3","DisplayName":"Third","PrimaryEmailAddr":{"Address":"joann@acme.example"}}"#),
                customer(r#"{"Id":"4","DisplayName":"Job","Job":true,"PrimaryEmailAddr":{"Address":"ann@acme.example"}}"#),
                customer(r#"{"Id":"1","DisplayName":"Acme Holdings"}"#),
            ]
        };
        let fits = |email, name| -> Vec<(String, String, Option<String>)> {
            fitting(found(), email, name).into_iter().map(|one| (one.external_id, one.name, one.email)).collect()
        };
        let second = ("2".to_owned(), "Other".to_owned(), Some("ANN@acme.example".to_owned()));
        assert_eq!(fits(Some("ann@acme.example"), None), std::slice::from_ref(&second));
        assert_eq!(fits(None, Some("ACME:holdings")), [("1".to_owned(), "ACME:holdings".to_owned(), None)]);
        assert_eq!(fits(Some("ann@acme.example"), Some("job")).len(), 2);
        assert!(fits(None, Some(":")).is_empty() && fits(None, None).is_empty());
    }
}
