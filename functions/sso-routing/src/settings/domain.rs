//! Domains: the record to copy, and the live check (C23).

use coportal_core::problem::Issue;
use coportal_pages::components::{Issues, Look, Tone, button, form, instant, pill, press, text_field};
use coportal_pages::layout::Viewer;
use coportal_sign_in::DomainView;
use maud::{Markup, html};

use super::page::taking_away;

fn state(status: &str) -> (Tone, &'static str) {
    match status {
        "verified" => (Tone::Good, "Proved"),
        "pending" => (Tone::Attention, "Record needed"),
        _ => (Tone::Stopped, "Not proved"),
    }
}

/// One domain.
pub(crate) fn card(domain: &DomainView, viewer: Viewer<'_>) -> Markup {
    let id = domain.id;
    let (tone, word) = state(domain.status);
    let action = |what: &str| format!("/settings/sso/domains/{id}/{what}");
    html! {
        section.card id=(id) aria-labelledby={ (id) "-name" } {
            header { h2 id={ (id) "-name" } { (domain.domain) } (pill(tone, word)) }
            @if let Some(problem) = domain.problem { p { (problem) } }
            @if let Some(record) = &domain.record {
                @if domain.status == "pending" { p { "Set this TXT record where the DNS of " (domain.domain) " is managed:" } }
                @else { p.quiet { "The record that proves it:" } }
                dl.facts.record {
                    dt { "Type" } dd { (record.kind) }
                    dt { "Name" }
                    dd { code.mono id={ (id) "-record" } { (record.name) } " " (copy(&format!("#{id}-record"), "name")) }
                    dt { "Value" }
                    dd { code.mono id={ (id) "-value" } { (record.value) } " " (copy(&format!("#{id}-value"), "value")) }
                }
            }
            p.quiet {
                @match domain.checked_at { Some(at) => { "Last looked for on " (instant(at)) "." } None => { "Not looked for yet." } }
                @if let Some(at) = domain.verified_at { " Proved since " (instant(at)) "." }
            }
            @if domain.record.is_some() {
                (press(viewer, &action("verify"), "Check now", if domain.status == "verified" { Look::Plain } else { Look::Primary }))
            }
            (taking_away(
                viewer,
                "Give this domain up",
                "Addresses of this domain are no longer sent to your identity provider. To have it again, it has to be proved anew.",
                &action("release"),
                &format!("Give up {}", domain.domain),
            ))
        }
    }
}

fn copy(selector: &str, what: &str) -> Markup {
    html! { button.plain.small type="button" data-copy=(selector) hidden { "Copy" span.sr-only { " the " (what) } } }
}

/// The form for another domain.
pub(crate) fn new_domain(viewer: Viewer<'_>, typed: &str, issues: &[Issue], first: bool) -> Markup {
    form(
        viewer,
        "/settings/sso/domains",
        &html! {
            (text_field("domain", if first { "Your e-mail domain" } else { "Another domain" }, "text", typed, true, Issues(issues)))
            (button("Get the record to set", if first { Look::Primary } else { Look::Plain }))
        },
    )
}
