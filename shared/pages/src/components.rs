//! The pieces that pages are made of.
//!
//! How a page is put together:
//!
//! - [`layout::page`](crate::layout::page) takes a title, its [`Section`](crate::layout::Section) of the sidebar, the
//!   [`Viewer`] and the content, which begins with [`heading`]; [`layout::answer`](crate::layout::answer) makes the answer of it. A new
//!   section stands in `Section::SHOWN` from when its page is served.
//! - Parts of a page stand in [`card`]s, side by side in `div.cards` or one below the other in `div.stack`. A card has an `h2`; what is
//!   folded away in it is a [`fold`].
//! - What happened is a [`notice`]; how something stands is a [`pill`]; name and value are `dl.facts`, by [`facts`]; a list is a [`table`]
//!   of `tr`s and scrolls by itself on a phone; an [`empty`] one says what to do next; the next page of it is a [`more`] link.
//! - Everything that changes something is a form: [`press`] for one button, [`form`] with fields. Both carry `_csrf`. Where a viewer may
//!   not do it, show no form.
//! - A field is a [`text_field`], [`select`], [`checkbox`] or [`radio`]; what is wrong with it is found by its name in [`Issues`] and
//!   stands beside it, and a [`problem_notice`] stands above the form.
//! - Times are [`instant`]s or, for what is recent, [`ago`]; amounts are `td.number`.
//! - Class names that stand alone: `quiet` (secondary text), `lead` (the sentence under a heading), `row` (things beside each other),
//!   `number` (right-aligned digits), `mono` (to be copied), `sr-only` (for screen readers alone). Colours are the variables at the head
//!   of `assets/base.css`, in light and dark; a page names no colour of its own.
//! - Script: a `data-copy="#id"` button copies that element's text; `data-autosubmit` on an input sends its form when it changes (the
//!   form's button is hidden then); `data-filter="#table"` on a search field hides rows that do not match; `data-poll` polls (see
//!   `assets/pages.js`). None is needed: a page works without.

use coportal_core::problem::{Fix, Issue, Problem};
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use crate::layout::Viewer;

/// How a thing is coloured and announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Neither good nor bad.
    Neutral,
    /// In order, or done.
    Good,
    /// A person should look.
    Attention,
    /// It does not go on.
    Stopped,
}

impl Tone {
    /// The class that colours it.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Self::Neutral => "neutral",
            Self::Good => "good",
            Self::Attention => "attention",
            Self::Stopped => "stopped",
        }
    }

    /// The ARIA role of a notice: what failed is announced at once.
    #[must_use]
    pub fn role(self) -> &'static str {
        match self {
            Self::Neutral | Self::Good => "status",
            Self::Attention | Self::Stopped => "alert",
        }
    }
}

/// How much a button asks to be pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// The one thing that this page or card is for.
    Primary,
    /// One of several.
    Plain,
    /// It takes something away.
    Danger,
}

impl Look {
    fn class(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Plain => "plain",
            Self::Danger => "danger",
        }
    }
}

/// The heading of a page, and the sentence under it.
#[must_use]
pub fn heading(title: &str, lead: &str) -> Markup {
    html! {
        h1 { (title) }
        @if !lead.is_empty() { p.lead { (lead) } }
    }
}

/// A card: `id` is its anchor, `status` a [`pill`] or nothing.
#[must_use]
pub fn card(id: &str, title: &str, status: Option<Markup>, body: &Markup) -> Markup {
    html! {
        section.card id=(id) aria-labelledby={ (id) "-name" } {
            header {
                h2 id={ (id) "-name" } { (title) }
                @if let Some(status) = status { (status) }
            }
            (body)
        }
    }
}

/// Something folded away.
#[must_use]
pub fn fold(summary: &str, open: bool, body: &Markup) -> Markup {
    html! { details open[open] { summary { (summary) } (body) } }
}

/// What happened, or what a person should know before going on.
#[must_use]
pub fn notice(tone: Tone, title: &str, body: &Markup) -> Markup {
    html! {
        div class={ "notice " (tone.class()) } role=(tone.role()) {
            p.title { (title) }
            (body)
        }
    }
}

/// What to do about something, and where.
#[must_use]
pub fn fix(fix: &Fix) -> Markup {
    html! { p { (fix.what) @if !fix.place.is_empty() { " " span.quiet { "(" (fix.place) ")" } } } }
}

/// A refusal as a notice: what happened and what to do. Issues that stand beside their fields are left out.
#[must_use]
pub fn problem_notice(problem: &Problem, beside: &[&str]) -> Markup {
    let rest: Vec<&Issue> = problem.issues.iter().filter(|issue| !beside.contains(&field_of(issue))).collect();
    let body = html! {
        @if problem.issues.is_empty() { @if let Some(known) = &problem.fix { (fix(known)) } }
        @else if rest.is_empty() { p { "Nothing was changed. Correct what is marked below and send it again." } }
        @else { ul { @for issue in rest { li { (issue.detail) } } } }
    };
    let title = if problem.issues.is_empty() { problem.detail.as_ref() } else { "That cannot be accepted as it is" };
    notice(Tone::Stopped, title, &body)
}

/// The field that an issue is about: the last part of its pointer.
fn field_of(issue: &Issue) -> &str {
    issue.pointer.rsplit('/').next().unwrap_or_default()
}

/// How something stands, in a word or two.
#[must_use]
pub fn pill(tone: Tone, text: &str) -> Markup {
    html! { span class={ "pill " (tone.class()) } { (text) } }
}

/// Names and values.
#[must_use]
pub fn facts(entries: &[(&str, Markup)]) -> Markup {
    html! { dl.facts { @for (name, value) in entries { dt { (name) } dd { (value) } } } }
}

/// A table: `caption` tells screen readers what it lists, `columns` are its headings, `rows` are `tr`s.
#[must_use]
pub fn table(id: &str, caption: &str, columns: &[&str], rows: &[Markup]) -> Markup {
    html! {
        // What scrolls has to be reachable by keyboard.
        div.scroll role="region" aria-labelledby={ (id) "-caption" } tabindex="0" {
            table id=(id) {
                caption.sr-only id={ (id) "-caption" } { (caption) }
                thead { tr { @for column in columns { th scope="col" { (column) } } } }
                tbody { @for row in rows { (row) } }
            }
        }
    }
}

/// A list with nothing in it: what that means, and what to do next.
#[must_use]
pub fn empty(title: &str, next: &Markup) -> Markup {
    html! { div.empty { p.title { (title) } (next) } }
}

/// The way to the next page of a list, if there is one.
#[must_use]
pub fn more(next: Option<&str>, label: &str) -> Markup {
    html! { @if let Some(href) = next { nav.more aria-label="Pages" { a.button href=(href) rel="next" { (label) } } } }
}

/// How far something is: `total` is 0 while it is not known.
#[must_use]
pub fn progress(label: &str, done: u64, total: u64) -> Markup {
    html! {
        @if total > 0 {
            progress aria-label=(label) max=(total) value=(done.min(total)) { (done) " of " (total) }
        } @else {
            progress aria-label=(label) { (done) }
        }
    }
}

/// A button that sends its form.
#[must_use]
pub fn button(label: &str, look: Look) -> Markup {
    html! { button class=(look.class()) type="submit" { (label) } }
}

/// What each form carries against forged requests.
#[must_use]
pub fn csrf(viewer: Viewer<'_>) -> Markup {
    html! { input type="hidden" name="_csrf" value=(viewer.csrf); }
}

/// A form of one button.
#[must_use]
pub fn press(viewer: Viewer<'_>, action: &str, label: &str, look: Look) -> Markup {
    form(viewer, action, &button(label, look))
}

/// A form: fields and buttons in `body`.
#[must_use]
pub fn form(viewer: Viewer<'_>, action: &str, body: &Markup) -> Markup {
    html! { form method="post" action=(action) { (csrf(viewer)) (body) } }
}

/// What is wrong with the fields of a form that came back.
#[derive(Debug, Clone, Copy, Default)]
pub struct Issues<'a>(pub &'a [Issue]);

impl<'a> Issues<'a> {
    /// The sentence about one field.
    #[must_use]
    pub fn about(self, field: &str) -> Option<&'a str> {
        self.0.iter().find(|issue| field_of(issue) == field).map(|issue| issue.detail.as_ref())
    }

    fn mark(self, field: &str) -> Markup {
        html! { @if let Some(text) = self.about(field) { p.wrong id={ (field) "-wrong" } { (text) } } }
    }
}

/// A field for text: `name` is also its id.
#[must_use]
pub fn text_field(name: &str, label: &str, kind: &str, value: &str, required: bool, issues: Issues<'_>) -> Markup {
    let wrong = issues.about(name).is_some();
    html! {
        div.field {
            label for=(name) { (label) }
            input id=(name) name=(name) type=(kind) value=(value) required[required] aria-invalid=[wrong.then_some("true")]
                aria-describedby=[wrong.then(|| format!("{name}-wrong"))];
            (issues.mark(name))
        }
    }
}

/// One thing of several that a [`select`] offers.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'a> {
    /// What the form sends.
    pub value: &'a str,
    /// What a person reads.
    pub label: &'a str,
}

/// A field with a list: `hint` is a sentence under the label, or empty. `name` is also its id.
#[must_use]
pub fn select(name: &str, label: &str, hint: &str, choices: &[Choice<'_>], chosen: &str, issues: Issues<'_>) -> Markup {
    let wrong = issues.about(name).is_some();
    let mut described = Vec::new();
    if !hint.is_empty() {
        described.push(format!("{name}-hint"));
    }
    if wrong {
        described.push(format!("{name}-wrong"));
    }
    html! {
        div.field {
            label for=(name) { (label) }
            @if !hint.is_empty() { p.hint id={ (name) "-hint" } { (hint) } }
            select id=(name) name=(name) aria-invalid=[wrong.then_some("true")]
                aria-describedby=[(!described.is_empty()).then(|| described.join(" "))] {
                @for choice in choices { option value=(choice.value) selected[choice.value == chosen] { (choice.label) } }
            }
            (issues.mark(name))
        }
    }
}

/// A box to tick, which sends `value`; `hint` is a sentence under the label, or empty.
#[must_use]
pub fn checkbox(name: &str, value: &str, label: &str, hint: &str, ticked: bool, issues: Issues<'_>) -> Markup {
    html! {
        label.tick {
            input type="checkbox" name=(name) value=(value) checked[ticked];
            span { (label) @if !hint.is_empty() { small { (hint) } } }
        }
        (issues.mark(name))
    }
}

/// One of several, which sends `value`; `hint` is a sentence under the label, or empty.
#[must_use]
pub fn radio(name: &str, value: &str, label: &str, hint: &str, chosen: bool) -> Markup {
    html! {
        label.tick {
            input type="radio" name=(name) value=(value) checked[chosen] required;
            span { (label) @if !hint.is_empty() { small { (hint) } } }
        }
    }
}

/// `1 Mar 2026, 09:00 UTC`, readable by machines too.
#[must_use]
pub fn instant(at: Timestamp) -> Markup {
    html! { time datetime=(format!("{at:.0}")) { (at.strftime("%-d %b %Y, %H:%M UTC")) } }
}

/// `2 minutes ago`, with the moment itself on hover; what is older than a day is an [`instant`].
#[must_use]
pub fn ago(now: Timestamp, at: Timestamp) -> Markup {
    let past = at.duration_until(now);
    if past >= SignedDuration::from_hours(24) || past < SignedDuration::ZERO {
        return instant(at);
    }
    html! { time datetime=(format!("{at:.0}")) title=(at.strftime("%-d %b %Y, %H:%M UTC")) { (since(past)) } }
}

fn since(past: SignedDuration) -> String {
    match (past.as_hours(), past.as_mins()) {
        (0, 0) => "just now".to_owned(),
        (0, 1) => "1 minute ago".to_owned(),
        (0, minutes) => format!("{minutes} minutes ago"),
        (1, _) => "1 hour ago".to_owned(),
        (hours, _) => format!("{hours} hours ago"),
    }
}

/// `1 invoice`, `2 invoices`.
#[must_use]
pub fn count(number: u64, one: &str, many: &str) -> String {
    let noun = if number == 1 { one } else { many };
    format!("{number} {noun}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use coportal_core::problem::ProblemKind;

    fn viewer() -> Viewer<'static> {
        Viewer { csrf: "token", admin: true, workspace: "Studio One", plan: "Studio" }
    }

    #[test]
    fn every_form_carries_the_token() {
        for form in [press(viewer(), "/x", "Go", Look::Primary), form(viewer(), "/x", &html! {})] {
            assert!(form.into_string().contains(r#"<input type="hidden" name="_csrf" value="token">"#));
        }
    }

    #[test]
    fn what_is_wrong_stands_beside_its_field_and_once() {
        let problem =
            Problem::invalid(vec![Issue::new("/sales_account", "not_offered", "No such account."), Issue::new("", "form", "Odd.")]);
        let field = text_field("sales_account", "Account", "text", "<x>", true, Issues(&problem.issues)).into_string();
        assert!(field.contains("No such account.") && field.contains(r#"aria-invalid="true""#) && field.contains("&lt;x&gt;"));
        let above = problem_notice(&problem, &["sales_account"]).into_string();
        assert!(above.contains("Odd.") && !above.contains("No such account."));
        let plain = Problem::new(ProblemKind::Conflict, "x", "It moved.").fix("Look again.", "the page", true);
        assert!(problem_notice(&plain, &[]).into_string().contains("Look again."));
    }

    #[test]
    fn time_in_words() {
        let now: Timestamp = "2026-03-02T09:00:00Z".parse().unwrap();
        let text = |at: &str| ago(now, at.parse().unwrap()).into_string();
        for (at, words) in [
            ("2026-03-02T08:59:30Z", ">just now<"),
            ("2026-03-02T08:58:59Z", ">1 minute ago<"),
            ("2026-03-02T08:58:00Z", ">2 minutes ago<"),
            ("2026-03-02T08:00:00Z", ">1 hour ago<"),
            ("2026-03-01T09:00:01Z", ">23 hours ago<"),
            ("2026-03-01T09:00:00Z", ">1 Mar 2026, 09:00 UTC<"),
            ("2026-03-02T09:00:05Z", ">2 Mar 2026, 09:00 UTC<"),
        ] {
            assert!(text(at).contains(words), "{at}: {}", text(at));
        }
        assert_eq!((count(1, "invoice", "invoices"), count(0, "invoice", "invoices")), ("1 invoice".to_owned(), "0 invoices".to_owned()));
    }
}
