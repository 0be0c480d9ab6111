//! Clients: the list, a client's page, and the forms that change it.

mod fields;
mod list;
mod page;

pub(crate) use list::{clients, create, new};
pub(crate) use page::{add_contact, archive, change, client, remove_contact, unarchive};
