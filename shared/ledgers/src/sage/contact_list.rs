//! All customers, page by page (docs/vendors/sage.md, section 2).

use coportal_core::contact::Contact;
use coportal_core::failure::Failure;

use super::wire::{Page, WireContact};
use super::{Sage, map};
use crate::listing::{page_after, page_number, pages_ahead};
use crate::{Access, Answered, Called, ContactList, ContactPage, ListedContact};

/// Contacts of a page: the vendor's most.
const ITEMS: u32 = 200;

impl Sage {
    async fn list_contacts(&self, access: Access<'_>, cursor: Option<&str>) -> Result<Answered<ContactPage>, Failure> {
        let call = Self::contacts("list_contacts").with("items_per_page", ITEMS.to_string());
        let Some(number) = page_number(cursor) else {
            return Err(self.caller.unsendable(access, &call, "the cursor is none of this list"));
        };
        let call = if number == 1 { call } else { call.with("page", number.to_string()) };
        let (reply, Page { items, next, total }) = self.caller.list::<Page<WireContact>>(access, call).await?;
        let contacts = Self::known(&reply, items)?;
        // The vendor's own link only tells that there is another page: a link is never followed.
        let next = page_after(number, next.is_some() && !contacts.is_empty());
        let last = total.map_or(0, |total| total.div_ceil(ITEMS));
        Ok(reply.answered(ContactPage {
            ahead: if next.is_some() { pages_ahead(number, last) } else { Vec::new() },
            next,
            expected: total,
            contacts: contacts.into_iter().map(ListedContact::of).collect(),
        }))
    }
}

impl ContactList for Sage {
    fn contact_page<'a>(&'a self, access: Access<'a>, cursor: Option<&'a str>) -> Called<'a, ContactPage> {
        Box::pin(self.list_contacts(access, cursor))
    }

    fn kept_name(&self, name: &str) -> String {
        map::contact_name(name)
    }

    fn shown(&self, listed: &ListedContact, email: Option<&str>, name: Option<&str>) -> Option<Contact> {
        listed.answers_to(email, name.map(map::contact_name).as_deref()).then(|| listed.contact())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use coportal_core::failure::Disposition;
    use coportal_core::ledger::Ledger;
    use coportal_core::secret::Secret;

    use crate::Access;
    use crate::exec::scripted::{Scripted, json};
    use crate::exec::{Executor, Meter};
    use crate::sage::{SageEndpoints, api};

    #[tokio::test]
    async fn pages_are_counted_here_and_inactive_contacts_are_listed() {
        let items = r#"[{"id":"b1","name":"Acme Ltd","reference":"CP7F","email":"ann@acme.example","is_active":false,"currency":{"id":"GBP"},
            "main_contact_person":{"telephone":"0700"},"main_address":{"address_line_1":"1 High St","country":{"id":"GB"}}}]"#;
        let link = r#""https://evil.example/contacts?page=2""#;
        let transport = Scripted::new([
            Ok(json(200, &format!(r#"{{"$total":201,"$next":{link},"$items":{items}}}"#))),
            Ok(json(200, &format!(r#"{{"$total":201,"$next":null,"$items":{items}}}"#))),
            Ok(json(200, &format!(r#"{{"$next":{link},"$items":[]}}"#))),
        ]);
        let ledger = api(Executor::new(transport.clone(), Ledger::Sage), SageEndpoints::default());
        let (token, meter) = (Secret::new("a-1".to_owned()), Meter::default());
        let access = Access {
            organisation: "b-1",
            token: &token,
            meter: &meter,
            timeout: Duration::from_secs(12),
            now: "2026-11-21T10:00:00Z".parse().unwrap(),
        };
        let first = ledger.contact_list.contact_page(access, None).await.unwrap().value;
        assert_eq!((first.next.as_deref(), first.expected, first.contacts.len()), (Some("2"), Some(201), 1));
        let read = &first.contacts[0];
        assert_eq!((read.archived, read.our_mark.as_deref(), read.phone.as_deref()), (true, Some("CP7F"), Some("0700")));
        assert_eq!(read.billing_address.as_ref().unwrap().country.as_deref(), Some("United Kingdom"));
        assert_eq!(ledger.contact_list.contact_page(access, Some("2")).await.unwrap().value.next, None);
        assert_eq!(ledger.contact_list.contact_page(access, Some("3")).await.unwrap().value.next, None, "nothing is behind an empty page");
        let foreign = ledger.contact_list.contact_page(access, Some("https://evil.example")).await.unwrap_err();
        assert_eq!((foreign.disposition, meter.calls()), (Disposition::Defect, 3));
        let lines = transport.lines();
        assert!(lines.iter().all(|line| line.contains("contact_type_id=CUSTOMER") && line.contains("items_per_page=200")), "{lines:?}");
        assert!(!lines[0].contains("&page=") && lines[1].ends_with("&page=2"), "{lines:?}");
    }
}
