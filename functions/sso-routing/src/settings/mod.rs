//! Settings, Single sign-on: the page and its forms (R105). They stand here, with sign-in itself, since no other function may touch a
//! sign-in under way.

mod connection;
mod domain;
mod forms;
mod frame;
mod page;

pub(crate) use forms::{approve, ask_domain, connect, enforce, issue_codes, metadata, release_domain, remove, test, verify_domain};
pub(crate) use page::settings;
