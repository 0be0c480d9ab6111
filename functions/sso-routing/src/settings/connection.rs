//! Connections to identity providers: made, tried, switched on with their warnings (R105-R108, C24).

use coportal_core::door::Enforcement;
use coportal_core::problem::{Issue, Outcome, Problem};
use coportal_pages::components::{Issues, Look, Tone, button, facts, fold, form, instant, notice, pill, press, radio, text_field};
use coportal_pages::layout::Viewer;
use coportal_sign_in::{ConnectionView, CreateConnection, MetadataView, ServiceProviderView, TestView};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::page::{remedy, taking_away};

/// What a person typed of a new connection.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fields {
    #[serde(default)]
    provider: String,
    #[serde(default)]
    metadata_url: String,
    #[serde(default)]
    metadata_xml: String,
    #[serde(default)]
    entity_id: String,
}

impl Fields {
    /// The request; an empty field is an absent one.
    pub(crate) fn request(&self) -> Outcome<CreateConnection> {
        if !["google", "microsoft", "saml"].contains(&self.provider.as_str()) {
            let issue = Issue::new("/provider", "required", "Choose Google Workspace, Microsoft Entra ID or SAML.");
            return Err(Problem::invalid(vec![issue]));
        }
        let mut body = Map::from_iter([("provider".to_owned(), Value::from(self.provider.clone()))]);
        // The fields of SAML are on the page for everybody, and mean something for SAML alone.
        if self.provider == "saml" {
            for (name, field) in
                [("metadata_url", &self.metadata_url), ("metadata_xml", &self.metadata_xml), ("entity_id", &self.entity_id)]
            {
                if !field.trim().is_empty() {
                    body.insert(name.to_owned(), Value::from(field.trim()));
                }
            }
        }
        serde_json::from_value(Value::Object(body)).map_err(Problem::internal_error)
    }
}

fn label(provider: &str) -> &'static str {
    match provider {
        "google" => "Google Workspace",
        "microsoft" => "Microsoft Entra ID",
        _ => "SAML 2.0",
    }
}

fn state(connection: &ConnectionView) -> (Tone, &'static str) {
    match (connection.status, connection.enforcement) {
        (_, Some(Enforcement::Require)) => (Tone::Good, "Required"),
        (_, Some(Enforcement::Offer)) => (Tone::Good, "Offered"),
        ("tenant_needed", None) => (Tone::Attention, "Try it once"),
        ("tested", None) => (Tone::Neutral, "Tested, off"),
        (_, None) => (Tone::Attention, "Not tested"),
    }
}

/// One connection. `codes` are the unused break-glass codes of owners, `proved` says whether any domain is.
pub(crate) fn card(connection: &ConnectionView, viewer: Viewer<'_>, owner: bool, codes: usize, proved: bool) -> Markup {
    let id = connection.id;
    let (tone, word) = state(connection);
    let action = |what: &str| format!("/settings/sso/connections/{id}/{what}");
    html! {
        section.card id=(id) aria-labelledby={ (id) "-name" } {
            header { h2 id={ (id) "-name" } { (label(&connection.provider)) } (pill(tone, word)) }
            (particulars(connection))
            @if let Some(metadata) = &connection.metadata { (held(metadata, viewer, &action("metadata"))) }
            @if let Some(ours) = &connection.service_provider { (told_to_the_provider(ours, connection)) }
            h3 { "Try it" }
            p { "You sign in at your provider with your own account. You stay signed in here as you are, and nothing is switched on." }
            (press(viewer, &action("test"), "Try it now", if matches!(connection.status, "untested" | "tenant_needed") { Look::Primary } else { Look::Plain }))
            @if let Some(test) = &connection.last_test { (result(test)) }
            @if let Some(failure) = &connection.last_failure {
                (notice(Tone::Attention, "The last sign-in that failed", &html! {
                    p { (failure.sentence.unwrap_or("The provider refused it.")) " " (instant(failure.at)) "." @if let Some(detail) = &failure.detail { " " span.mono { (detail) } } }
                    (remedy(failure.fix.as_ref()))
                    @if let Some(url) = &failure.admin_consent_url { p { a href=(url) rel="noreferrer" { "Open the consent page for administrators" } } }
                }))
            }
            (strictness(connection, viewer, owner, codes, proved, &action("enforce")))
            (taking_away(viewer, "Remove this connection", "Whoever came by it is signed out, and nobody is sent to it any more.", &action("remove"), "Remove the connection"))
        }
    }
}

fn particulars(connection: &ConnectionView) -> Markup {
    let mut entries: Vec<(&str, Markup)> = Vec::new();
    if let Some(domain) = &connection.hosted_domain {
        entries.push(("Google domain", html! { (domain) }));
    }
    if let Some(tenant) = &connection.tenant {
        entries.push(("Tenant", html! { span.mono { (tenant) } }));
    }
    if let Some(provider) = &connection.identity_provider {
        entries.push(("Provider", html! { span.mono { (provider.entity_id) } }));
        for certificate in &provider.certificates {
            entries.push((
                "Certificate",
                html! { "until " (instant(certificate.not_after)) @if certificate.expiring { " " (pill(Tone::Attention, "Ends soon")) } },
            ));
        }
    }
    if let Some(metadata) = &connection.metadata {
        entries.push(("Metadata", html! { span.mono { (metadata.url) } ", read on " (instant(metadata.fetched_at)) }));
    }
    html! {
        @if connection.status == "tenant_needed" {
            p { "The first try binds this connection to your organisation's tenant: sign in with an account of your organisation." }
        }
        @if !entries.is_empty() { (facts(&entries)) }
        @if let Some(url) = &connection.admin_consent_url {
            p { a href=(url) rel="noreferrer" { "Consent for everybody, as an administrator of the tenant" } ", so that nobody is asked one by one." }
        }
        @if let Some(problem) = connection.metadata.as_ref().and_then(|metadata| metadata.problem.as_ref()) {
            (notice(Tone::Attention, "The metadata could not be read again", &html! { p { (problem) " The stored copy stays in force." } }))
        }
    }
}

fn held(metadata: &MetadataView, viewer: Viewer<'_>, action: &str) -> Markup {
    let Some(differs) = &metadata.held else { return html! {} };
    let answer = |accept: &str, text: &str, look: Look| {
        form(viewer, action, &html! { input type="hidden" name="accept" value=(accept); (button(text, look)) })
    };
    notice(
        Tone::Attention,
        "The provider's metadata names somebody else now",
        &html! {
            p { "Accept it only if your organisation has moved its identity provider. Until then the stored copy stays in force." }
            pre.mono { (serde_json::to_string_pretty(differs).unwrap_or_default()) }
            div.row { (answer("true", "Accept the change", Look::Plain)) (answer("false", "Throw it away", Look::Danger)) }
        },
    )
}

fn told_to_the_provider(ours: &ServiceProviderView, connection: &ConnectionView) -> Markup {
    let id = connection.id;
    let value = |what: &str, text: &str| {
        let place = format!("{id}-{what}");
        html! { code.mono id=(place) { (text) } " " button.plain.small type="button" data-copy={ "#" (place) } hidden { "Copy" } }
    };
    fold(
        "What your provider has to know of CoPortal",
        connection.last_test.is_none(),
        &html! {
            dl.facts.record {
                dt { "Entity id (audience)" } dd { (value("entity", &ours.entity_id)) }
                dt { "Reply address (ACS)" } dd { (value("acs", &ours.acs_url)) }
            }
            p { a href=(format!("/v1/sso/saml/{id}/metadata")) { "The same as a metadata file" } }
        },
    )
}

fn result(test: &TestView) -> Markup {
    let (tone, title) = match (test.passed, test.counts) {
        (true, true) => (Tone::Good, "The last try passed"),
        (true, false) => (Tone::Attention, "The last try passed, but something has changed since"),
        (false, _) => (Tone::Stopped, "The last try did not pass"),
    };
    let claims: Vec<(&String, &Value)> = test.claims.as_object().into_iter().flatten().collect();
    notice(
        tone,
        title,
        &html! {
            p { @if let Some(sentence) = test.sentence.filter(|_| !test.passed) { (sentence) " " } "By " (test.by) " on " (instant(test.at)) "." }
            @if !test.passed { (remedy(test.fix.as_ref())) }
            @if let Some(detail) = &test.detail { p { "The provider's own word: " span.mono { (detail) } } }
            @if !claims.is_empty() {
                (fold("What the provider said about the person", false, &html! {
                    dl.facts { @for (name, value) in claims { dt { (name) } dd { (text_of(value)) } } }
                }))
            }
        },
    )
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Off, offered, required: each with what it means for people who are at work at this moment.
fn strictness(connection: &ConnectionView, viewer: Viewer<'_>, owner: bool, codes: usize, proved: bool, action: &str) -> Markup {
    let now = connection.enforcement;
    let ready = now.is_some() || connection.status == "tested";
    html! {
        h3 { "Switch it on" }
        @if !ready { p.quiet { "It can be switched on once a try has passed." } }
        @else {
            @if !proved { p.quiet { "No domain is proved yet: nobody is sent here by their address before that." } }
            (form(viewer, action, &html! {
                fieldset {
                    legend { "How people sign in" }
                    (radio("enforcement", "off", "Off", "This connection lets nobody in.", now.is_none()))
                    (radio("enforcement", "offer", "Offered", "Addresses of your domains are sent to the provider; other ways still open the workspace.", now == Some(Enforcement::Offer)))
                    (radio("enforcement", "require", "Required", "No other way opens the workspace.", now == Some(Enforcement::Require)))
                }
                (notice(Tone::Attention, "Before you require it", &html! {
                    ul {
                        li { "Everybody who signed in another way is signed out at once, you too if you did." }
                        li { "You must have passed the try yourself since anything last changed." }
                        li {
                            @if codes > 0 { "Owners hold unused break-glass codes for the day the provider fails." }
                            @else if owner { "You get break-glass codes with it, for the day the provider fails. They are shown once." }
                            @else { "An owner has to hold break-glass codes first." }
                        }
                    }
                }))
                @if owner && codes == 0 {
                    div.field {
                        label for=(format!("{}-break-glass", connection.id)) { "Your e-mail address, by which you will use the codes" }
                        input id=(format!("{}-break-glass", connection.id)) name="break_glass_email" type="email" autocomplete="email";
                        p.hint { "Needed for Required only. Leave it empty to use the one that CoPortal knows." }
                    }
                }
                label.tick { input type="checkbox" name="confirm" value="yes"; span { "I have read this, and require it" small { "Needed for Required only." } } }
                (button("Save", Look::Primary))
            }))
        }
    }
}

/// The form for another connection.
pub(crate) fn new_connection(viewer: Viewer<'_>, fields: &Fields, issues: &[Issue], first: bool) -> Markup {
    let issues = Issues(issues);
    let chosen = |provider: &str| fields.provider == provider;
    let body = form(
        viewer,
        "/settings/sso/connections",
        &html! {
            fieldset {
                legend { "Which provider?" }
                (radio("provider", "google", "Google Workspace", "No further configuration.", chosen("google")))
                (radio("provider", "microsoft", "Microsoft Entra ID", "Your tenant must allow applications of other organisations.", chosen("microsoft")))
                (radio("provider", "saml", "SAML 2.0", "Okta, OneLogin, Ping, ADFS and others: paste the address of its metadata, or the metadata itself.", chosen("saml")))
                @if let Some(wrong) = issues.about("provider") { p.wrong { (wrong) } }
            }
            fieldset {
                legend { "For SAML" }
                (text_field("metadata_url", "Address of the metadata", "url", &fields.metadata_url, false, issues))
                div.field {
                    label for="metadata_xml" { "Or the metadata itself" }
                    textarea #metadata_xml name="metadata_xml" rows="4" spellcheck="false" { (fields.metadata_xml) }
                    @if let Some(wrong) = issues.about("metadata_xml") { p.wrong { (wrong) } }
                }
                (text_field("entity_id", "Which provider, where the metadata names several", "text", &fields.entity_id, false, issues))
            }
            (button("Make the connection", Look::Primary))
        },
    );
    if first { body } else { fold("Add another connection", !fields.provider.is_empty(), &body) }
}
