//! The rows of a preview: what is shown of them, and what can be chosen.

use coportal_core::client::Address;
use coportal_core::import::{Action, Status};
use coportal_engine::import::{MappedRow, RowResult};
use coportal_pages::components::{Tone, count, empty, pill, table};
use maud::{Markup, html};

use super::Shown;

/// The rows of a page of the list that are shown.
pub(super) struct Rows<'a>(pub(super) &'a [MappedRow]);

fn slug(status: Status) -> &'static str {
    match status {
        Status::New => "new",
        Status::DuplicateEmail => "duplicate_email",
        Status::Linked => "linked",
    }
}

/// The status of this name; none for every other word.
pub(super) fn status(word: &str) -> Option<Status> {
    [Status::New, Status::DuplicateEmail, Status::Linked].into_iter().find(|status| slug(*status) == word)
}

impl Rows<'_> {
    pub(super) fn filter(to: &str, shown: &Shown, contacts: u32) -> Markup {
        let statuses = [("", "Every status"), ("new", "New"), ("duplicate_email", "Duplicate e-mail"), ("linked", "Linked")];
        html! {
            form.row.filter method="get" action=(to) role="search" {
                label { span.sr-only { "Search by name or e-mail address" } input type="search" name="q" value=(shown.q.as_deref().unwrap_or_default()) placeholder="Name or e-mail" data-filter="#contacts"; }
                label {
                    span.sr-only { "Status" }
                    select name="show" data-autosubmit {
                        @for (value, label) in statuses { option value=(value) selected[shown.show.as_deref().unwrap_or_default() == value] { (label) } }
                    }
                }
                button.plain type="submit" data-stays { "Search all " (count(u64::from(contacts), "contact", "contacts")) }
            }
        }
    }

    pub(super) fn table(&self) -> Markup {
        if self.0.is_empty() {
            return empty("No contact fits", &html! { p { "Search for something else, or show every status." } });
        }
        let rows: Vec<Markup> = self.0.iter().map(line).collect();
        table(
            "contacts",
            "Contacts of the ledger, and what becomes of each",
            &["Contact", "Status", "What becomes of it", "Phone", "Billing address"],
            &rows,
        )
    }
}

fn line(row: &MappedRow) -> Markup {
    html! {
        tr data-ticked[row.ticked] {
            th scope="row" {
                @if row.name.is_empty() { span.quiet { "No name" } } @else { (row.name) }
                br;
                span.quiet { @if let Some(email) = &row.email { (email) } @else { "No e-mail address" } }
                @if let Some(note) = &row.note { br; small.hint { (note.detail) } }
                @if row.twin_of.is_some() { br; small.hint { "Another contact of the list has the same address." } }
            }
            td {
                @match row.status {
                    Status::New => (pill(Tone::Good, "New")),
                    Status::DuplicateEmail => (pill(Tone::Attention, "Duplicate e-mail")),
                    Status::Linked => (pill(Tone::Neutral, "Linked")),
                }
                @if let Some(client) = row.client_id {
                    br;
                    a href=(format!("/clients/{client}")) aria-label=(format!("The client that {} is matched with", row.name)) { "Client" }
                    @if row.archived { " " small.hint { "archived" } }
                }
            }
            td { (choice(row)) }
            td { @if let Some(phone) = &row.phone { (phone) } }
            td { @if let Some(address) = &row.billing_address { (told(address)) } }
        }
    }
}

fn told(address: &Address) -> String {
    let Address { line1, line2, city, region, postal_code, country } = address;
    [line1, line2, city, region, postal_code, country].into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// What became of the row, or what can be chosen for it (C15).
fn choice(row: &MappedRow) -> Markup {
    match &row.outcome {
        Some(RowResult::Created { .. }) => return pill(Tone::Good, "Client made"),
        Some(RowResult::Linked { .. }) => return pill(Tone::Good, "Linked"),
        Some(RowResult::Skipped | RowResult::ChangedSincePreview { .. } | RowResult::Failed { .. }) | None => {}
    }
    if row.status == Status::Linked {
        return html! { span.quiet { "Nothing to do" } };
    }
    let failed = match &row.outcome {
        Some(RowResult::ChangedSincePreview { code }) => Some(code.detail()),
        Some(RowResult::Failed { code }) => Some(code.detail()),
        Some(RowResult::Created { .. } | RowResult::Linked { .. } | RowResult::Skipped) | None => None,
    };
    let preventing = row.note.as_ref().is_some_and(|note| ["no_name", "no_email", "malformed_email"].contains(&note.code));
    let ticked = row.ticked.then_some(row.default_action);
    let several: Vec<String> = row.client_ids.iter().map(|client| format!("link {client}")).collect();
    html! {
        select name={ "row_" (row.external_id) } aria-label=(format!("What becomes of {}", row.name)) {
            option value="skip" selected[ticked.is_none()] { "Leave it" }
            @if !preventing { option value="create" selected[ticked == Some(Action::Create)] { "Create a client" } }
            @if several.is_empty() && row.client_id.is_some() { option value="link" { "Link to the client" } }
            @for (index, link) in several.iter().enumerate() { option value=(link) { "Link to client " (index + 1) " of " (several.len()) } }
        }
        @if let Some(text) = failed { p.wrong { (text) } }
    }
}
