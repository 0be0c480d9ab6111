//! Sign-in through the customer's own identity provider, over HTTP from beginning to end (R102-R108, C23-C24).
#![cfg(test)]

mod approvals;
mod attacks;
mod keeping;
mod npm;
mod oidc;
mod require;
mod routing;
mod saml;
mod settings_page;
mod ssrf;
mod support;
