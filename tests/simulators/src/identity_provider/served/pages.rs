//! What a person sees at the providers.

use std::collections::BTreeMap;

use http::StatusCode;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Person, Reply, TENANT, reply};

fn page(title: &str, body: &Markup) -> Reply {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { (title) } }
            body { h1 { (title) } (body) }
        }
    };
    reply(StatusCode::OK, "text/html; charset=utf-8", page.into_string())
}

/// The front page.
pub(super) fn front(origin: &str) -> Reply {
    let body = html! {
        p { "Identity providers of customers, simulated. Nothing is asked but an address; every address is let in." }
        ul {
            li { "Google Workspace: issuer " code { (origin) "/google" } }
            li { "Microsoft Entra ID: authority " code { (origin) "/microsoft" } ", tenant " code { (TENANT) } " unless another is named" }
            li { "SAML 2.0: metadata " a href="/saml/metadata" { code { (origin) "/saml/metadata" } } }
        }
    };
    page("Simulated identity providers", &body)
}

/// The page on which a person says who they are; what was asked goes round in a hidden field.
pub(super) fn who(action: &str, name: &str, asked: &str, hint: &str, tenant: Option<&str>) -> Reply {
    let body = html! {
        form method="post" action=(action) {
            input type="hidden" name=(name) value=(asked);
            p { label { "E-mail address " input type="email" name="email" value=(hint) required; } }
            p { label { "Name " input name="name"; } }
            p { label { "Lasting id (made of the address when empty) " input name="subject"; } }
            @if let Some(tenant) = tenant {
                @let tenant = if tenant.contains('-') { tenant } else { TENANT };
                p { label { "Tenant " input name="tenant" value=(tenant); } }
            }
            button { "Sign in" } " "
            button name="cancel" value="1" formnovalidate { "Cancel" }
        }
    };
    page("Who are you?", &body)
}

/// The person that the page's form names.
pub(super) fn person(form: &BTreeMap<String, String>) -> Option<Person> {
    let filled = |name: &str| form.get(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    Some(Person {
        email: filled("email")?,
        name: filled("name"),
        subject: filled("subject"),
        hosted_domain: None,
        tenant: filled("tenant"),
    })
}

/// The page that posts a response by itself.
pub(super) fn post(action: &str, response: &str, relay_state: &str) -> Reply {
    let body = html! {
        form method="post" action=(action) {
            input type="hidden" name="SAMLResponse" value=(response);
            input type="hidden" name="RelayState" value=(relay_state);
            noscript { button { "Continue" } }
        }
        script { (PreEscaped("document.forms[0].submit()")) }
    };
    page("Signing in", &body)
}
