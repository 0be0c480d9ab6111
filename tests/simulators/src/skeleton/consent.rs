//! The user's side of sign-in: a scripted decision, or a page for a person.

use maud::{DOCTYPE, Markup, html};
use serde::{Deserialize, Serialize};

/// What the user decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Grant.
    Approve,
    /// Refuse.
    Deny,
    /// Show the page again (undoes an earlier decision).
    Ask,
}

/// A scripted decision, as posted to `/__sim/consent`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// What the user decides.
    pub decision: Decision,
    /// Ids or names of the organisations granted; the first alone when absent. (Microsoft Entra asks about no company: absent means all that
    /// the user may see in Business Central, named ones stand for a user who may see only these.)
    #[serde(default)]
    pub organisations: Option<Vec<String>>,
    /// Whether an organisation that is connected already keeps its first authentication event id. Xero does not document which it is.
    #[serde(default)]
    pub keep_auth_event: bool,
}

impl Consent {
    /// Approves the first organisation alone.
    #[must_use]
    pub fn approve() -> Self {
        Self { decision: Decision::Approve, organisations: None, keep_auth_event: false }
    }

    /// Approves these, by id or name.
    #[must_use]
    pub fn approve_only(organisations: &[&str]) -> Self {
        let organisations = organisations.iter().map(|one| (*one).to_owned()).collect();
        Self { organisations: Some(organisations), ..Self::approve() }
    }

    /// Denies.
    #[must_use]
    pub fn deny() -> Self {
        Self { decision: Decision::Deny, ..Self::approve() }
    }
}

/// An organisation on the page.
pub(crate) struct Choice {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) detail: String,
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;background:#eef2f5;color:#1d2b36;margin:0;display:grid;place-items:center;min-height:100vh}\
main{background:#fff;border-radius:12px;box-shadow:0 2px 16px #0002;padding:2rem 2.25rem;max-width:28rem;margin:1rem}\
h1{font-size:1.35rem;margin:0 0 .25rem}p{margin:.25rem 0 1rem;color:#4d5f6c}fieldset{border:1px solid #d5dde3;border-radius:8px;margin:0 0 1rem;padding:.75rem 1rem}\
legend{padding:0 .4rem;font-weight:600}label{display:block;padding:.3rem 0}small{color:#6a7a86}ul{margin:.25rem 0;padding-left:1.2rem}\
button{font:inherit;border-radius:6px;padding:.55rem 1.2rem;border:1px solid #b9c5cd;background:#fff;margin-right:.5rem;cursor:pointer}\
button.primary{background:#0b6e99;border-color:#0b6e99;color:#fff}";

fn page(title: &str, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (maud::PreEscaped(STYLE)) }
            }
            body { main { (body) } }
        }
    }
    .into_string()
}

/// The consent page, without a choice where the vendor's has none; its form posts `decision` and `organisation` (repeated) back to `action`.
pub(crate) fn consent_page(vendor: &str, client: &str, action: &str, scopes: &[String], choices: &[Choice]) -> String {
    choice_page(vendor, client, action, scopes, choices, "checkbox")
}

/// The same where a consent is for exactly one organisation: `organisation` is posted once.
pub(crate) fn consent_page_for_one(vendor: &str, client: &str, action: &str, scopes: &[String], choices: &[Choice]) -> String {
    choice_page(vendor, client, action, scopes, choices, "radio")
}

fn choice_page(vendor: &str, client: &str, action: &str, scopes: &[String], choices: &[Choice], input: &str) -> String {
    page(
        &format!("{vendor} simulator: allow access"),
        &html! {
            h1 { (client) " wants access to your " (vendor) " data" }
            p { "This is the " (vendor) " simulator: no real account is touched." }
            form method="post" action=(action) {
                @if !choices.is_empty() {
                    fieldset {
                        legend { "Organisations" }
                        @for (position, choice) in choices.iter().enumerate() {
                            label {
                                input type=(input) name="organisation" value=(choice.id) checked[position == 0];
                                " " (choice.name) " " small { (choice.detail) }
                            }
                        }
                    }
                }
                fieldset {
                    legend { "Permissions" }
                    ul { @for scope in scopes { li { code { (scope) } } } }
                }
                button.primary type="submit" name="decision" value="approve" { "Allow access" }
                button type="submit" name="decision" value="deny" { "Cancel" }
            }
        },
    )
}

/// The page that says why sign-in cannot go on; nothing is sent back to the app.
pub(crate) fn error_page(vendor: &str, code: &str, detail: &str) -> String {
    page(
        &format!("{vendor} simulator: error"),
        &html! {
            h1 { "Sign-in cannot go on" }
            p { (detail) }
            p { "Error: " code { (code) } }
        },
    )
}
