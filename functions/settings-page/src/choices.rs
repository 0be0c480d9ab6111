//! Accounts, items and tax codes of a connection: on a page of its own, because they are read from the ledger.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use axum::response::Response;
use coportal_core::ctx::Ctx;
use coportal_core::ledger::Ledger;
use coportal_core::money::Rate;
use coportal_core::problem::{Issue, Outcome, Problem};
use coportal_engine::connect::{AccountView, ChoicesRequest, ChoicesView, ReturnPath, TaxRateView};
use coportal_lambda::authn::{Admin, AdminForm, Invocation, Principal};
use coportal_lambda::extract::PathIds;
use coportal_lambda::problem::{Refusal, status};
use coportal_pages::components::{Choice, Issues, Look, ago, button, form, heading, problem_notice, select};
use coportal_pages::layout::{self as frame, Section};
use http::StatusCode;
use maud::{Markup, html};
use rust_decimal::Decimal;

use crate::cards::action;
use crate::forms::{ledger, see_other};
use crate::{AppState, layout};

/// What a field holds while nothing is chosen: an invoice that needs it asks.
const ASK: Choice<'static> = Choice { value: "", label: "Ask when an invoice needs it" };

/// `GET /settings/integrations/{ledger}/choices`.
pub(crate) async fn show(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    path: Result<PathIds<Ledger>, Refusal>,
    admin: Result<Admin, Refusal>,
) -> Response {
    let run = async {
        let (Admin(principal), ledger) = (admin?, ledger(path)?);
        Ok(answer(&state, &ctx, &principal, ledger, None).await?)
    };
    layout::paged(run.await, Section::Integrations)
}

/// `POST /settings/integrations/{ledger}/choices`.
pub(crate) async fn put(
    State(state): State<AppState>,
    Invocation(ctx): Invocation,
    path: Result<PathIds<Ledger>, Refusal>,
    form: Result<AdminForm<Vec<(String, String)>>, Refusal>,
) -> Response {
    let run = async {
        let (AdminForm { principal, form }, ledger) = (form?, ledger(path)?);
        let stored = match request(form) {
            Ok(request) => state.engine.put_choices(&ctx, &principal.workspace, principal.actor(), ledger, &request).await,
            Err(problem) => Err(problem),
        };
        match stored {
            Ok(_) => Ok(see_other(&ReturnPath::settings().with("chosen", ledger.slug()))?),
            Err(problem) if !problem.issues.is_empty() => Ok(answer(&state, &ctx, &principal, ledger, Some(&problem)).await?),
            Err(problem) => Err(Refusal::from(problem)),
        }
    };
    layout::paged(run.await, Section::Integrations)
}

/// The fields as the use case wants them: an empty one forgets.
fn request(fields: Vec<(String, String)>) -> Outcome<ChoicesRequest> {
    let mut request = ChoicesRequest::default();
    for (name, value) in fields {
        let value = Some(value).filter(|value| !value.is_empty());
        match name.as_str() {
            "sales_account" => request.sales_account = Some(value),
            "sales_item" => request.sales_item = Some(value),
            "payment_account" => request.payment_account = Some(value),
            _ => {
                let rate =
                    name.strip_prefix("tax_").and_then(|rate| rate.parse::<Decimal>().ok()).and_then(|rate| Rate::try_from(rate).ok());
                let rate = rate.ok_or_else(|| Problem::invalid(vec![Issue::new("", "form", "The form has an unknown field.")]))?;
                request.tax_map.insert(rate, value);
            }
        }
    }
    Ok(request)
}

async fn answer(state: &AppState, ctx: &Ctx, principal: &Principal, ledger: Ledger, refused: Option<&Problem>) -> Outcome<Response> {
    let view = state.engine.choices(ctx, &principal.workspace, ledger).await?;
    let viewer = layout::viewer(principal);
    let issues = refused.map(|problem| problem.issues.as_slice()).unwrap_or_default();
    let rates = rates(&view, principal.workspace.default_tax_rate);
    let names: Vec<String> = rates.keys().map(ToString::to_string).collect();
    let mut beside = vec!["sales_account", "sales_item", "payment_account"];
    beside.extend(names.iter().map(String::as_str));
    let lead =
        format!("What invoices use in {}, as its books offer it. A choice counts for invoices synced from now on.", view.organisation);
    let main = html! {
        (heading("Accounts and tax", &lead))
        @if let Some(problem) = refused { (problem_notice(problem, &beside)) }
        section.card {
            (form(viewer, &action(ledger, "choices"), &html! {
                (fields(&view, Issues(issues)))
                (taxes(&view, &rates, Issues(issues)))
                div.row { (button("Save", Look::Primary)) a.button href={ "/settings/integrations#" (ledger.slug()) } { "Back" } }
            }))
            p.quiet { "Read from " (ledger.label()) " " (ago(ctx.now(), view.read_at)) "." }
        }
    };
    let page = frame::page("Accounts and tax", Section::Integrations, viewer, &main);
    Ok(frame::answer(refused.map_or(StatusCode::OK, |problem| status(problem.kind)), page, &[]))
}

fn named(accounts: &[AccountView]) -> Vec<String> {
    let name = |account: &AccountView| match &account.code {
        Some(code) => format!("{code} · {}", account.name),
        None => account.name.clone(),
    };
    accounts.iter().map(name).collect()
}

fn of_accounts(name: &str, label: &str, hint: &str, accounts: &[AccountView], chosen: Option<&str>, issues: Issues<'_>) -> Markup {
    let labels = named(accounts);
    let mut choices = vec![ASK];
    choices.extend(accounts.iter().zip(&labels).map(|(account, label)| Choice { value: &account.id, label }));
    select(name, label, hint, &choices, chosen.unwrap_or_default(), issues)
}

fn fields(view: &ChoicesView, issues: Issues<'_>) -> Markup {
    let chosen = &view.chosen;
    html! {
        @if !view.sales_accounts.is_empty() {
            (of_accounts("sales_account", "Sales account", "Where the amounts of invoice lines are booked.", &view.sales_accounts, chosen.sales_account.as_deref(), issues))
        }
        @if !view.sales_items.is_empty() {
            (of_accounts("sales_item", "Sales item", "What each invoice line is an item of.", &view.sales_items, chosen.sales_item.as_deref(), issues))
        }
        @if chosen.mapped_products > 0 {
            p.hint { (coportal_pages::components::count(u64::try_from(chosen.mapped_products).unwrap_or(u64::MAX), "product has an item of its own", "products have items of their own")) "." }
        }
        @if !view.payment_accounts.is_empty() {
            (of_accounts("payment_account", "Payment account", "Where payments go, if they are pushed.", &view.payment_accounts, chosen.payment_account.as_deref(), issues))
        }
        @if view.sales_accounts.is_empty() && view.sales_items.is_empty() {
            p { "The books offer no account and no item for sales. Add one there, then open this page again." }
        }
    }
}

/// The rates that invoices may have, each with the codes that fit it. A ledger that publishes no percentages has its codes fit all (C11).
fn rates(view: &ChoicesView, default: Option<Rate>) -> BTreeMap<Rate, Vec<&TaxRateView>> {
    let known: BTreeSet<Rate> =
        view.tax_rates.iter().filter_map(|code| code.rate).chain(view.chosen.tax_map.keys().copied()).chain(default).collect();
    let fit = |rate: Rate| view.tax_rates.iter().filter(|code| code.rate.is_none_or(|own| own == rate)).collect();
    known.into_iter().map(|rate| (rate, fit(rate))).collect()
}

fn taxes(view: &ChoicesView, rates: &BTreeMap<Rate, Vec<&TaxRateView>>, issues: Issues<'_>) -> Markup {
    html! {
        @if !rates.is_empty() {
            h2 { "Tax codes" }
            p.hint { "Which code of the books each rate of your invoices has. Only codes of the same percentage can be chosen." }
        }
        @for (rate, codes) in rates {
            @let name = format!("tax_{rate}");
            @let chosen = view.chosen.tax_map.get(rate).map(String::as_str).unwrap_or_default();
            @let labels: Vec<String> = codes.iter().map(|code| format!("{} ({})", code.name, code.id)).collect();
            @let choices: Vec<Choice<'_>> = std::iter::once(ASK).chain(codes.iter().zip(&labels).map(|(code, label)| Choice { value: &code.id, label })).collect();
            (select(&name, &format!("{rate}%"), "", &choices, chosen, issues))
            @if let Some(text) = issues.about(&rate.to_string()) { p.wrong { (text) } }
        }
    }
}
