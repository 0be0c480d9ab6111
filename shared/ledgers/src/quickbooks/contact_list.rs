//! All customers, page by page (docs/vendors/quickbooks.md, section 2).

use coportal_core::contact::Contact;
use coportal_core::failure::Failure;

use super::map::contact;
use super::{PAGE, QuickBooks, query};
use crate::exec::call::Call;
use crate::judge::Subject;
use crate::listing::{page_after, page_number};
use crate::{Access, Answered, Called, ContactList, ContactPage, ListedContact};

impl QuickBooks {
    async fn list_customers(&self, access: Access<'_>, cursor: Option<&str>) -> Result<Answered<ContactPage>, Failure> {
        let Some((number, start)) = page_number(cursor).and_then(|number| Some((number, usize::try_from(number - 1).ok()? * PAGE + 1)))
        else {
            let call = Call::read("list_customers", "/query", "/query".to_owned(), Subject::Place);
            return Err(self.caller.unsendable(access, &call, "the cursor is none of this list"));
        };
        let (reply, found) = self.query(access, "list_customers", &query::customers_from(start, PAGE)).await?;
        let customers = Self::customers(&reply, found.customer)?;
        Ok(reply.answered(ContactPage {
            next: page_after(number, customers.len() >= PAGE),
            // Another query would count them, and whether there is a page is only known from the one before it.
            expected: None,
            ahead: Vec::new(),
            contacts: customers.into_iter().map(contact::listed).collect(),
        }))
    }
}

impl ContactList for QuickBooks {
    fn contact_page<'a>(&'a self, access: Access<'a>, cursor: Option<&'a str>) -> Called<'a, ContactPage> {
        Box::pin(self.list_customers(access, cursor))
    }

    fn kept_name(&self, name: &str) -> String {
        contact::display_name(name)
    }

    fn shown(&self, listed: &ListedContact, email: Option<&str>, name: Option<&str>) -> Option<Contact> {
        contact::fits(listed, email, name)
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
    use crate::quickbooks::{QuickBooksEndpoints, api};

    #[tokio::test]
    async fn full_pages_lead_on_and_inactive_customers_are_listed() {
        let customer = |id: usize| format!(r#"{{"Id":"{id}","DisplayName":"Customer {id}","Active":true}}"#);
        let full: Vec<String> = (1..=1000).map(customer).collect();
        let last = r#"{"Id":"1001","DisplayName":"Old (deleted)","Active":false,"Job":true,"CurrencyRef":{"value":"USD"},
            "PrimaryEmailAddr":{"Address":"ann@acme.example, bob@acme.example"},"PrimaryPhone":{"FreeFormNumber":"0700"},
            "BillAddr":{"Line1":"1 High St"}}"#;
        let answer = |list: &str| Ok(json(200, &format!(r#"{{"QueryResponse":{{"Customer":[{list}]}}}}"#)));
        let transport = Scripted::new([answer(&full.join(",")), answer(last)]);
        let ledger = api(Executor::new(transport.clone(), Ledger::Quickbooks), QuickBooksEndpoints::default());
        let (token, meter) = (Secret::new("a-1".to_owned()), Meter::default());
        let access = Access {
            organisation: "9130347957983000",
            token: &token,
            meter: &meter,
            timeout: Duration::from_secs(12),
            now: "2026-11-21T10:00:00Z".parse().unwrap(),
        };
        let first = ledger.contact_list.contact_page(access, None).await.unwrap().value;
        assert_eq!((first.contacts.len(), first.next.as_deref(), first.expected), (1000, Some("2"), None));
        let second = ledger.contact_list.contact_page(access, first.next.as_deref()).await.unwrap().value;
        assert_eq!((second.contacts.len(), second.next), (1, None));
        let read = &second.contacts[0];
        assert_eq!((read.name.as_str(), read.archived, read.part_of_another), ("Old", true, true));
        assert_eq!(read.emails().collect::<Vec<_>>(), ["ann@acme.example", "bob@acme.example"]);
        assert_eq!((read.phone.as_deref(), read.currency), (Some("0700"), Some("USD".parse().unwrap())));
        let lines = transport.lines();
        assert!(
            lines[0].contains("Active%20in%20%28true%2C%20false%29%20orderby%20Id%20startposition%201%20maxresults%201000"),
            "{lines:?}"
        );
        assert!(lines[1].contains("startposition%201001%20maxresults%201000"), "{lines:?}");
        let foreign = ledger.contact_list.contact_page(access, Some("1' or '1")).await.unwrap_err();
        assert_eq!((foreign.disposition, meter.calls()), (Disposition::Defect, 2));
    }
}
