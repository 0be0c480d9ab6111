//! The options of a connection: as sentences, and as fields.

use coportal_core::connection::{
    ContactUpdate, ItemPolicy, MatchBy, NameClash, NumberPolicy, OnVoid, Options, Payments, Profile, Rounding, SyncOn,
};
use coportal_core::ledger::DraftMeaning;
use coportal_core::problem::Issue;
use coportal_engine::connect::IntegrationView;
use coportal_pages::components::{Choice, Issues, facts};
use maud::{Markup, html};

/// The fields beside which an issue is shown.
pub(super) const FIELDS: &[&str] = &[
    "payments",
    "on_void",
    "match",
    "name_only_ok",
    "name_clash",
    "number",
    "rounding",
    "contact_update",
    "item",
    "also_draft_source",
    "sync_on",
];

fn held(view: &IntegrationView) -> bool {
    view.capabilities.is_some_and(|capabilities| capabilities.draft == DraftMeaning::Held)
}

/// What the switch of auto-sync means as it stands (R35).
pub(super) fn auto_sync(options: &Options) -> &'static str {
    match (options.auto_sync, options.sync_on) {
        (false, _) => "Invoices sync when somebody presses Sync.",
        (true, SyncOn::Sent) => "Invoices sync by themselves when they are sent or change status.",
        (true, SyncOn::Created) => "Invoices sync by themselves from the moment they are created.",
    }
}

/// What the switch of drafts means as it stands (R36, C8).
pub(super) fn sync_as_draft(view: &IntegrationView, options: &Options) -> String {
    let label = view.label;
    match (options.sync_as_draft, held(view)) {
        (true, false) => format!("Invoices arrive in {label} as drafts, for you to review."),
        (true, true) => format!("{label} has no drafts, so CoPortal holds invoices until you press Post."),
        (false, true) => "Invoices are created unsent, which posts to your books.".to_owned(),
        (false, false) => format!("Invoices arrive in {label} approved. Drafts that are there stay drafts until you approve them."),
    }
}

/// What is chosen of the other options, for whoever may not change them.
pub(super) fn told(view: &IntegrationView, options: &Options) -> Markup {
    let mut entries = Vec::new();
    for field in fields_of(view, options) {
        let chosen = field.choices.iter().find(|choice| choice.value == field.chosen).map_or("", |choice| choice.label);
        entries.push((field.label, html! { (chosen) }));
    }
    facts(&entries)
}

struct Field {
    name: &'static str,
    label: &'static str,
    hint: &'static str,
    choices: Vec<Choice<'static>>,
    chosen: &'static str,
}

fn choices(pairs: &[(&'static str, &'static str)]) -> Vec<Choice<'static>> {
    pairs.iter().map(|(value, label)| Choice { value, label }).collect()
}

fn order(match_by: &[MatchBy]) -> &'static str {
    match match_by {
        [MatchBy::Email] => "email",
        [MatchBy::Name] => "name",
        [MatchBy::Name, MatchBy::Email] => "name,email",
        _ => "email,name",
    }
}

fn truth(on: bool) -> &'static str {
    if on { "true" } else { "false" }
}

fn fields_of(view: &IntegrationView, options: &Options) -> Vec<Field> {
    let mut fields = contact_fields(options);
    fields.extend(document_fields(options));
    if view.capabilities.is_none_or(|capabilities| capabilities.payments) {
        fields.push(Field {
            name: "payments",
            label: "Payments",
            hint: "A payment that is recorded here can be recorded there too, in the account chosen under Accounts and tax.",
            choices: choices(&[("none", "Are not pushed"), ("push", "Are pushed")]),
            chosen: match options.payments {
                Payments::None => "none",
                Payments::Push => "push",
            },
        });
    }
    fields.push(Field {
        name: "on_void",
        label: "When an invoice is voided here",
        hint: "A document with a payment on it, or one that CoPortal did not create, is never voided or deleted.",
        choices: choices(&[("none", "Ask me"), ("void", "Void it there"), ("delete", "Delete it there")]),
        chosen: match options.on_void {
            OnVoid::None => "none",
            OnVoid::Void => "void",
            OnVoid::Delete => "delete",
        },
    });
    fields
}

fn contact_fields(options: &Options) -> Vec<Field> {
    vec![
        Field {
            name: "match",
            label: "A client is found in the ledger",
            hint: "A contact that is there already is used, so that no second one is made.",
            choices: choices(&[
                ("email,name", "By e-mail address, then by name"),
                ("name,email", "By name, then by e-mail address"),
                ("email", "By e-mail address"),
                ("name", "By name"),
            ]),
            chosen: order(&options.match_by),
        },
        Field {
            name: "name_only_ok",
            label: "A contact of the same name with another address",
            hint: "Two people may share a name; asking is the safer choice.",
            choices: choices(&[("false", "Ask me"), ("true", "Use it")]),
            chosen: truth(options.name_only_ok),
        },
        Field {
            name: "name_clash",
            label: "A new contact whose name is taken",
            hint: "Some ledgers refuse two contacts of one name.",
            choices: choices(&[("hold", "Ask me"), ("suffix", "Add the e-mail address to the name"), ("fail", "Stop with an error")]),
            chosen: match options.name_clash {
                NameClash::Hold => "hold",
                NameClash::Suffix => "suffix",
                NameClash::Fail => "fail",
            },
        },
        Field {
            name: "contact_update",
            label: "When a client's details change here",
            hint: "What is blank here never blanks what is there.",
            choices: choices(&[
                ("fill_blanks", "Fill what is blank there"),
                ("overwrite", "Ours replace theirs"),
                ("never", "Leave the contact alone"),
            ]),
            chosen: match options.contact_update {
                ContactUpdate::FillBlanks => "fill_blanks",
                ContactUpdate::Overwrite => "overwrite",
                ContactUpdate::Never => "never",
            },
        },
    ]
}

fn document_fields(options: &Options) -> Vec<Field> {
    vec![
        Field {
            name: "number",
            label: "The invoice number",
            hint: "Where your own number stands on the document.",
            choices: choices(&[
                ("both", "Is the document's number and reference"),
                ("reference_only", "Is the reference; the ledger numbers"),
                ("ledger_assigns", "Is not sent; the ledger numbers"),
            ]),
            chosen: match options.number {
                NumberPolicy::Both => "both",
                NumberPolicy::ReferenceOnly => "reference_only",
                NumberPolicy::LedgerAssigns => "ledger_assigns",
            },
        },
        Field {
            name: "rounding",
            label: "When the ledger would compute other cents",
            hint: "A total that differs from your invoice is never sent.",
            choices: choices(&[("hold", "Ask me"), ("line", "Add a rounding line of at most 5 cents")]),
            chosen: match options.rounding {
                Rounding::Hold => "hold",
                Rounding::Line => "line",
            },
        },
        Field {
            name: "item",
            label: "Invoice lines become",
            hint: "Matters only where the ledger wants an item on each line.",
            choices: choices(&[("default_service", "The default sales item"), ("mapped", "An item for each product")]),
            chosen: match options.item {
                ItemPolicy::DefaultService => "default_service",
                ItemPolicy::Mapped => "mapped",
            },
        },
        Field {
            name: "also_draft_source",
            label: "Invoices that are still drafts here",
            hint: "They can be synced as drafts only.",
            choices: choices(&[("false", "Are not synced"), ("true", "Are synced as drafts")]),
            chosen: truth(options.also_draft_source),
        },
        Field {
            name: "sync_on",
            label: "Auto-sync begins when an invoice is",
            hint: "Has an effect while auto-sync is on.",
            choices: choices(&[("sent", "Sent"), ("created", "Created")]),
            chosen: match options.sync_on {
                SyncOn::Sent => "sent",
                SyncOn::Created => "created",
            },
        },
    ]
}

/// The fields of the form.
pub(super) fn fields(view: &IntegrationView, options: &Options, issues: &[Issue]) -> Markup {
    html! {
        @for field in fields_of(view, options) {
            @let wrong = Issues(issues).about(field.name);
            // The label holds its field: four cards have the same fields, and no id stands twice.
            label.field.option {
                span { (field.label) }
                small.hint { (field.hint) }
                select name=(field.name) aria-invalid=[wrong.map(|_| "true")] {
                    @for choice in &field.choices { option value=(choice.value) selected[choice.value == field.chosen] { (choice.label) } }
                }
                @if let Some(text) = wrong { span.wrong { (text) } }
            }
        }
    }
}

/// The presets, which set all of the above at once.
pub(super) fn preset(profile: Profile) -> Markup {
    let presets = [
        (Profile::Coportal, "coportal", "CoPortal: asks when in doubt"),
        (Profile::Copilot, "copilot", "Copilot: from creation, with payments"),
        (Profile::Copper, "copper", "Copper: shows invoices, pushes none"),
    ];
    html! {
        label.field.option {
            span { "Or begin with a preset" }
            small.hint { "It sets all the options above at once. Auto-sync stays as it is." }
            select name="profile" {
                @for (preset, value, label) in presets { option value=(value) selected[preset == profile] { (label) } }
            }
        }
        button.plain type="submit" { "Apply the preset" }
    }
}
