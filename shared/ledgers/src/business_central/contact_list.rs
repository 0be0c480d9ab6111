//! All customers, page by page (docs/vendors/business-central.md, sections 3 and 4).

use coportal_core::contact::Contact;
use coportal_core::failure::Failure;
use coportal_core::text;

use super::contacts::FIELDS;
use super::profile::CUSTOMERS_PAGE;
use super::wire::{Page, WireCustomer};
use super::{BusinessCentral, LANGUAGE, map};
use crate::exec::call::Call;
use crate::judge::Subject;
use crate::{Access, Answered, Called, ContactList, ContactPage, ListedContact};

impl BusinessCentral {
    /// The cursor is the vendor's own link to the next page, followed on the same host and below the same company only (section 3).
    async fn list_customers(&self, access: Access<'_>, cursor: Option<&str>) -> Result<Answered<ContactPage>, Failure> {
        let place = Self::place(access)?;
        let below = |link: &str| {
            let path = self.caller.below(access, link)?;
            path.starts_with(&format!("/{}?", place.below("/customers"))).then(|| path.to_owned())
        };
        let call = match cursor {
            None => Self::read(&place, "list_customers", "/customers", "/customers", Subject::Place)
                .with("$select", format!("{FIELDS},currencyCode"))
                .with("$count", "true"),
            Some(link) => {
                let path = below(link);
                let call = Call::read("list_customers", "/customers", path.clone().unwrap_or_default(), Subject::Place);
                if path.is_none() {
                    return Err(self.caller.unsendable(access, &call, "the cursor is none of this company's list"));
                }
                call.header("accept-language", LANGUAGE)
            }
        };
        let call = call.header("prefer", format!("odata.maxpagesize={CUSTOMERS_PAGE}"));
        let (reply, page): (_, Page<WireCustomer>) = self.caller.list(access, call).await?;
        if page.next.as_deref().is_some_and(|link| below(link).is_none()) {
            return Err(reply.unexpected("the next page is elsewhere"));
        }
        Ok(reply.answered(ContactPage {
            next: page.next.filter(|_| !page.value.is_empty()),
            expected: page.count,
            // A chain: each page has the link to the next.
            ahead: Vec::new(),
            contacts: page.value.into_iter().map(listed).collect(),
        }))
    }
}

fn listed(wire: WireCustomer) -> ListedContact {
    let currency = wire.currency_code.as_deref().and_then(|code| code.parse().ok());
    let contact = map::contact(wire);
    let archived = !contact.is_usable();
    let mut emails = contact.email.iter().flat_map(|list| list.split(';')).map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned);
    ListedContact {
        email: emails.next(),
        other_emails: emails.collect(),
        external_id: contact.external_id,
        name: contact.name,
        phone: contact.phone,
        billing_address: contact.billing_address,
        archived,
        our_mark: contact.our_mark,
        currency,
        part_of_another: false,
        version: contact.version,
    }
}

impl ContactList for BusinessCentral {
    fn contact_page<'a>(&'a self, access: Access<'a>, cursor: Option<&'a str>) -> Called<'a, ContactPage> {
        Box::pin(self.list_customers(access, cursor))
    }

    fn kept_name(&self, name: &str) -> String {
        map::contact_name(name)
    }

    fn shown(&self, listed: &ListedContact, email: Option<&str>, name: Option<&str>) -> Option<Contact> {
        let name = name.map(text::tidy).filter(|name| !name.is_empty());
        // Its currency is only what is proposed: it takes documents in any.
        let contact = Contact { currency: None, ..listed.contact() };
        let contact = name.as_deref().map_or_else(|| contact.clone(), |name| map::with_whole_name(contact.clone(), name));
        let by_email = email.and_then(|email| listed.emails().find(|one| text::email_key(one) == text::email_key(email)));
        let by_name = name.as_deref().is_some_and(|name| text::name_key(&contact.name) == text::name_key(name));
        match by_email {
            Some(email) => Some(Contact { email: Some(email.to_owned()), ..contact }),
            None => by_name.then_some(contact),
        }
    }
}
