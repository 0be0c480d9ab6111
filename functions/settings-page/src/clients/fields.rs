//! The fields of a client's form, and what they ask for.

use coportal_core::client::{Address, Client};
use coportal_core::problem::Problem;
use coportal_lambda::clients::{ChangeClientRequest, CreateClientRequest};
use coportal_pages::components::{Issues, Look, button, form, problem_notice, text_field};
use coportal_pages::layout::Viewer;
use maud::{Markup, html};
use serde::Deserialize;

/// What a person typed; an empty field is an absent one.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fields {
    #[serde(default)]
    name: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    company: String,
    #[serde(default)]
    phone: String,
    #[serde(default)]
    line1: String,
    #[serde(default)]
    line2: String,
    #[serde(default)]
    city: String,
    #[serde(default)]
    region: String,
    #[serde(default)]
    postal_code: String,
    #[serde(default)]
    country: String,
    #[serde(default)]
    notes: String,
}

impl Fields {
    /// The fields of a client as it is.
    pub(crate) fn of(client: &Client) -> Self {
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        let address = client.billing_address.clone().unwrap_or_default();
        Self {
            name: client.name.clone(),
            email: client.email.clone(),
            company: text(&client.company),
            phone: text(&client.phone),
            line1: text(&address.line1),
            line2: text(&address.line2),
            city: text(&address.city),
            region: text(&address.region),
            postal_code: text(&address.postal_code),
            country: text(&address.country),
            notes: text(&client.notes),
        }
    }

    fn address(&self) -> Address {
        let part = |field: &String| Some(field.clone()).filter(|field| !field.is_empty());
        Address {
            line1: part(&self.line1),
            line2: part(&self.line2),
            city: part(&self.city),
            region: part(&self.region),
            postal_code: part(&self.postal_code),
            country: part(&self.country),
        }
    }

    /// A new client (R110).
    pub(crate) fn creating(&self) -> CreateClientRequest {
        let Self { name, email, company, phone, notes, .. } = self.clone();
        CreateClientRequest {
            name,
            email,
            company: Some(company),
            phone: Some(phone),
            billing_address: Some(self.address()),
            notes: Some(notes),
            archived: false,
        }
    }

    /// A client with these fields: the form shows all of them, so that an empty one was emptied.
    pub(crate) fn changing(&self) -> ChangeClientRequest {
        let Self { name, email, company, phone, notes, .. } = self.clone();
        ChangeClientRequest {
            name: Some(name),
            email: Some(email),
            company: Some(Some(company)),
            phone: Some(Some(phone)),
            billing_address: Some(Some(self.address())),
            notes: Some(Some(notes)),
            archived: None,
        }
    }

    /// The form, with what is wrong beside its fields.
    pub(crate) fn form(&self, viewer: Viewer<'_>, action: &str, label: &str, refused: Option<&Problem>) -> Markup {
        let issues = Issues(refused.map(|problem| problem.issues.as_slice()).unwrap_or_default());
        let optional = |name, label, value: &str| text_field(name, label, "text", value, false, issues);
        html! {
            @if let Some(problem) = refused { (problem_notice(problem, &["name", "email", "company", "phone", "notes"])) }
            (form(viewer, action, &html! {
                (text_field("name", "Legal name", "text", &self.name, true, issues))
                (text_field("email", "E-mail", "email", &self.email, true, issues))
                (optional("company", "Company, if it differs from the name", &self.company))
                (text_field("phone", "Phone", "tel", &self.phone, false, issues))
                fieldset.fields {
                    legend { "Billing address" }
                    (optional("line1", "First line", &self.line1))
                    (optional("line2", "Second line", &self.line2))
                    (optional("city", "Town or city", &self.city))
                    (optional("region", "County or state", &self.region))
                    (optional("postal_code", "Postcode", &self.postal_code))
                    (optional("country", "Country", &self.country))
                }
                div.field {
                    label for="notes" { "Notes" }
                    p.hint #notes-hint { "Only your team sees them." }
                    textarea #notes name="notes" rows="4" aria-describedby="notes-hint" { (self.notes) }
                    @if let Some(wrong) = issues.about("notes") { p.wrong { (wrong) } }
                }
                (button(label, Look::Primary))
            }))
        }
    }
}
