//! All contacts, page by page ("Contacts"; docs/vendors/xero.md, section 2).

use coportal_core::contact::Contact;
use coportal_core::failure::Failure;

use super::wire::{ContactsAnswer, WireContact};
use super::{Xero, is_id, map};
use crate::exec::call::Call;
use crate::judge::Subject;
use crate::listing::{page_after, page_number, pages_ahead};
use crate::{Access, Answered, Called, ContactList, ContactPage, ListedContact};

/// Contacts of a page: the vendor's most.
const PAGE: usize = 1_000;

impl Xero {
    async fn list_contacts(&self, access: Access<'_>, cursor: Option<&str>) -> Result<Answered<ContactPage>, Failure> {
        let call = Call::read("list_contacts", "/Contacts", "/Contacts".to_owned(), Subject::Place);
        let Some(number) = page_number(cursor) else {
            return Err(self.caller.unsendable(access, &call, "the cursor is none of this list"));
        };
        // In an order that no rename changes: a contact that is made meanwhile shifts others to later pages, and none is passed over.
        let call = call.with("includeArchived", "true").with("order", "ContactID");
        let call = call.with("page", number.to_string()).with("pageSize", PAGE.to_string());
        let (reply, answer): (_, ContactsAnswer) = self.caller.list(access, call).await?;
        if answer.contacts.iter().any(|contact| !is_id(&contact.id)) {
            return Err(reply.unexpected("a contact without an id"));
        }
        let told = answer.pagination.as_ref().and_then(|pagination| pagination.page_count);
        let full = told.map_or(answer.contacts.len() >= PAGE, |pages| number < pages);
        let next = page_after(number, full && !answer.contacts.is_empty());
        Ok(reply.answered(ContactPage {
            ahead: if next.is_some() { pages_ahead(number, told.unwrap_or_default()) } else { Vec::new() },
            next,
            expected: answer.pagination.and_then(|pagination| pagination.item_count),
            contacts: answer.contacts.into_iter().map(listed).collect(),
        }))
    }
}

fn listed(wire: WireContact) -> ListedContact {
    let currency = wire.default_currency.as_deref().and_then(|code| code.parse().ok());
    ListedContact { currency, ..ListedContact::of(map::contact(wire)) }
}

impl ContactList for Xero {
    fn contact_page<'a>(&'a self, access: Access<'a>, cursor: Option<&'a str>) -> Called<'a, ContactPage> {
        Box::pin(self.list_contacts(access, cursor))
    }

    fn kept_name(&self, name: &str) -> String {
        map::contact_name(name)
    }

    fn shown(&self, listed: &ListedContact, email: Option<&str>, name: Option<&str>) -> Option<Contact> {
        // Its currency is only what is proposed: it takes documents in any.
        listed.answers_to(email, name.map(map::contact_name).as_deref()).then(|| Contact { currency: None, ..listed.contact() })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use coportal_core::failure::Disposition;
    use coportal_core::ledger::Ledger;
    use coportal_core::secret::Secret;

    use crate::exec::scripted::{Scripted, json};
    use crate::exec::{Executor, Meter};
    use crate::xero::{XeroEndpoints, api};
    use crate::{Access, Answered, ContactPage};
    use coportal_core::failure::Failure;

    async fn page(transport: &Arc<Scripted>, cursor: Option<&str>) -> (Result<Answered<ContactPage>, Failure>, u32) {
        let (token, meter) = (Secret::new("a-1".to_owned()), Meter::default());
        let access = Access {
            organisation: "0f0f0f0f-1111-4222-8333-444444444444",
            token: &token,
            meter: &meter,
            timeout: Duration::from_secs(12),
            now: "2026-11-21T10:00:00Z".parse().unwrap(),
        };
        let ledger = api(Executor::new(transport.clone(), Ledger::Xero), XeroEndpoints::default());
        let read = ledger.contact_list.contact_page(access, cursor).await;
        (read, meter.calls())
    }

    #[tokio::test]
    async fn a_page_is_the_largest_and_tells_of_the_next() {
        let one = r#"{"ContactID":"aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee","Name":"Acme Ltd","EmailAddress":"ann@acme.example","ContactNumber":"CRM-7",
            "ContactStatus":"ARCHIVED","DefaultCurrency":"EUR","Phones":[{"PhoneType":"DEFAULT","PhoneNumber":"5550101","PhoneAreaCode":"20"}],
            "Addresses":[{"AddressType":"POBOX","AddressLine1":"1 Long Lane","City":"London"}]}"#;
        let answer = |pages: &str| Ok(json(200, &format!(r#"{{"pagination":{pages},"Contacts":[{one}]}}"#)));
        let transport = Scripted::new([
            answer(r#"{"page":1,"pageSize":1000,"pageCount":2,"itemCount":1001}"#),
            answer(r#"{"page":2,"pageSize":1000,"pageCount":2,"itemCount":1001}"#),
            answer("null"),
        ]);
        let first = page(&transport, None).await.0.unwrap().value;
        assert_eq!((first.next.as_deref(), first.expected, first.contacts.len()), (Some("2"), Some(1001), 1));
        assert!(first.ahead.is_empty());
        let read = &first.contacts[0];
        assert_eq!((read.name.as_str(), read.email.as_deref(), read.archived), ("Acme Ltd", Some("ann@acme.example"), true));
        assert_eq!((read.our_mark.as_deref(), read.phone.as_deref()), (Some("CRM-7"), Some("20 5550101")));
        assert_eq!(read.currency, Some("EUR".parse().unwrap()));
        assert_eq!(read.billing_address.as_ref().unwrap().city.as_deref(), Some("London"));
        let last = page(&transport, Some("2")).await.0.unwrap().value;
        assert_eq!((last.next, last.expected), (None, Some(1001)));
        // A short page without the member that counts is the last one.
        assert_eq!(page(&transport, None).await.0.unwrap().value.next, None);
        assert_eq!(
            transport.lines(),
            [1, 2, 1].map(|number| format!("GET /api.xro/2.0/Contacts?includeArchived=true&order=ContactID&page={number}&pageSize=1000"))
        );
    }

    #[tokio::test]
    async fn a_foreign_cursor_sends_nothing_and_a_hostile_answer_ends() {
        let transport = Scripted::new([]);
        let (refused, calls) = page(&transport, Some("2&where=1")).await;
        assert_eq!((refused.unwrap_err().disposition, calls), (Disposition::Defect, 0));
        let many = Scripted::new([Ok(json(
            200,
            r#"{"pagination":{"pageCount":5},"Contacts":[{"ContactID":"aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee","Name":"x"}]}"#,
        ))]);
        let of_five = page(&many, Some("2")).await.0.unwrap().value;
        assert_eq!((of_five.next.as_deref(), of_five.ahead.as_slice()), (Some("3"), ["4".to_owned(), "5".to_owned()].as_slice()));
        let endless = || Ok(json(200, r#"{"pagination":{"pageCount":4000000000},"Contacts":[]}"#));
        let nameless = Ok(json(200, r#"{"Contacts":[{"Name":"x"}]}"#));
        let transport = Scripted::new([endless(), nameless]);
        assert_eq!(page(&transport, None).await.0.unwrap().value.next, None, "an empty page has none behind it");
        assert_eq!(page(&transport, None).await.0.unwrap_err().disposition, Disposition::Defect);
    }
}
