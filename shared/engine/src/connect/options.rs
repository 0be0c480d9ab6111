//! The options of a connection: presets, single changes, and combinations that would contradict themselves.

use coportal_aws::records::sync::Saved;
use coportal_core::connection::{
    Connection, ContactUpdate, ItemPolicy, MatchBy, NameClash, NumberPolicy, OnVoid, Options, Payments, Profile, Rounding, SyncOn,
};
use coportal_core::ctx::Ctx;
use coportal_core::ledger::{DraftMeaning, Ledger, LedgerRules, LineTarget};
use coportal_core::problem::{Issue, Outcome, Problem};
use coportal_core::timeline::Actor;
use coportal_core::workspace::Workspace;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Engine;

/// A change of options: what is absent stays, except that a profile brings its whole preset first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct OptionsPatch {
    /// Sync by itself (R35).
    #[serde(default)]
    pub auto_sync: Option<bool>,
    /// Post as drafts (R36).
    #[serde(default)]
    pub sync_as_draft: Option<bool>,
    /// A preset; `auto_sync` is no part of it, so that choosing a preset starts nothing.
    #[serde(default)]
    pub profile: Option<Profile>,
    /// Payments lane (C1).
    #[serde(default)]
    pub payments: Option<Payments>,
    /// Void lane (C10).
    #[serde(default)]
    pub on_void: Option<OnVoid>,
    /// How contacts are found, in order (C3).
    #[serde(default, rename = "match")]
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 2))]
    pub match_by: Option<Vec<MatchBy>>,
    /// A name hit whose e-mail differs is good enough (C4).
    #[serde(default)]
    pub name_only_ok: Option<bool>,
    /// When a name is taken (C5).
    #[serde(default)]
    pub name_clash: Option<NameClash>,
    /// Where our number goes (C6).
    #[serde(default)]
    pub number: Option<NumberPolicy>,
    /// When cents differ (C12).
    #[serde(default)]
    pub rounding: Option<Rounding>,
    /// When the client changes (C27).
    #[serde(default)]
    pub contact_update: Option<ContactUpdate>,
    /// What lines become (C13).
    #[serde(default)]
    pub item: Option<ItemPolicy>,
    /// Draft invoices too (C9).
    #[serde(default)]
    pub also_draft_source: Option<bool>,
    /// What triggers auto-sync (C9).
    #[serde(default)]
    pub sync_on: Option<SyncOn>,
}

impl OptionsPatch {
    /// The options after this change, if they are ones that a connection may have.
    ///
    /// # Errors
    /// 422 naming each field that contradicts another.
    pub fn apply(&self, before: &Options, ledger: Ledger) -> Outcome<Options> {
        let after = self.over(before, ledger);
        let issues = contradictions(&after);
        if issues.is_empty() { Ok(after) } else { Err(Problem::invalid(issues)) }
    }

    /// The options after this change, whether a connection may have them or not: what a refused form shows again.
    #[must_use]
    pub fn over(&self, before: &Options, ledger: Ledger) -> Options {
        let base = match self.profile {
            Some(profile) => Options { auto_sync: before.auto_sync, ..Options::preset(profile, ledger) },
            None => before.clone(),
        };
        Options {
            auto_sync: self.auto_sync.unwrap_or(base.auto_sync),
            sync_as_draft: self.sync_as_draft.unwrap_or(base.sync_as_draft),
            profile: base.profile,
            payments: self.payments.unwrap_or(base.payments),
            on_void: self.on_void.unwrap_or(base.on_void),
            match_by: self.match_by.clone().unwrap_or(base.match_by),
            name_only_ok: self.name_only_ok.unwrap_or(base.name_only_ok),
            name_clash: self.name_clash.unwrap_or(base.name_clash),
            number: self.number.unwrap_or(base.number),
            rounding: self.rounding.unwrap_or(base.rounding),
            contact_update: self.contact_update.unwrap_or(base.contact_update),
            item: self.item.unwrap_or(base.item),
            also_draft_source: self.also_draft_source.unwrap_or(base.also_draft_source),
            sync_on: self.sync_on.unwrap_or(base.sync_on),
        }
    }
}

/// What in these options contradicts something else in them.
fn contradictions(options: &Options) -> Vec<Issue> {
    let mut issues = Vec::new();
    let mut seen = Vec::new();
    for way in &options.match_by {
        if seen.contains(way) {
            issues.push(Issue::new("/match", "repeated", "Each way to match stands in the list once."));
        }
        seen.push(*way);
    }
    if options.match_by.is_empty() {
        issues.push(Issue::new("/match", "required", "Name at least one way to match: email, name, or both in order."));
    }
    if options.also_draft_source && !options.sync_as_draft {
        let text = "Draft invoices can be synced as drafts only: switch sync_as_draft on, or also_draft_source off.";
        issues.push(Issue::new("/also_draft_source", "needs_sync_as_draft", text));
    }
    if options.sync_on == SyncOn::Created && !options.also_draft_source {
        let text = "An invoice is a draft when it is created: switch also_draft_source on, or sync on sent.";
        issues.push(Issue::new("/sync_on", "needs_also_draft_source", text));
    }
    if options.profile == Profile::Copper && options.auto_sync {
        let text = "The Copper profile shows invoices and pushes none: switch auto_sync off, or choose another profile.";
        issues.push(Issue::new("/auto_sync", "view_only", text));
    }
    issues
}

/// One option that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OptionChange {
    /// Its name in the API.
    pub field: String,
    /// As it was.
    pub from: Value,
    /// As it is, or would be.
    pub to: Value,
}

/// What a change of options does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OptionsView {
    /// Whether nothing was stored.
    pub dry_run: bool,
    /// The options that differ.
    pub changes: Vec<OptionChange>,
    /// The options after the change.
    pub options: Options,
    /// What an admin should know about the change, in sentences.
    pub notes: Vec<String>,
}

impl OptionsView {
    pub(super) fn new(before: &Options, after: Options, ledger: Ledger, rules: Option<&LedgerRules>, dry_run: bool) -> Outcome<Self> {
        let changes = changes(before, &after)?;
        let notes = notes(before, &after, ledger, rules);
        Ok(Self { dry_run, changes, options: after, notes })
    }
}

fn changes(before: &Options, after: &Options) -> Outcome<Vec<OptionChange>> {
    let fields = |options: &Options| match serde_json::to_value(options) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Problem::internal_error("options are not an object")),
        Err(error) => Err(Problem::internal_error(error)),
    };
    let (before, after) = (fields(before)?, fields(after)?);
    let changed = after.into_iter().filter_map(|(field, to)| {
        let from = before.get(&field).cloned().unwrap_or_default();
        (from != to).then_some(OptionChange { field, from, to })
    });
    Ok(changed.collect())
}

fn notes(before: &Options, after: &Options, ledger: Ledger, rules: Option<&LedgerRules>) -> Vec<String> {
    let (draft, target) = (rules.map(|rules| rules.draft), rules.map(|rules| rules.line_target));
    let label = ledger.label();
    let mut notes = Vec::new();
    if before.sync_as_draft && !after.sync_as_draft {
        notes.push(format!(
            "Invoices synced from now on are approved in {label} at once. Documents that are already there stay as they are; approve drafts explicitly."
        ));
    }
    if !before.sync_as_draft && after.sync_as_draft {
        notes.push(format!("Invoices synced from now on become drafts. What is approved in {label} is never taken back to draft."));
    }
    if after.sync_as_draft && draft == Some(DraftMeaning::Held) {
        notes.push(format!("{label} has no drafts: CoPortal holds such invoices until you press Post. To create them there unsent at once, which posts to your books, switch \"sync as draft\" off."));
    }
    if before.payments != after.payments && after.payments == Payments::Push {
        notes.push(format!("Payments need an account in {label} to go to: choose payment_account, or each payment asks for it."));
    }
    if before.on_void != after.on_void && after.on_void != OnVoid::None {
        notes.push(format!("A document in {label} with a payment on it, or one that CoPortal did not create, is never voided or deleted."));
    }
    if before.item != after.item && after.item == ItemPolicy::Mapped && target != Some(LineTarget::Item) {
        notes.push(format!("{label} takes invoice lines without an item, so a table of products has no effect there."));
    }
    if !before.auto_sync && after.auto_sync {
        let when = match after.sync_on {
            SyncOn::Sent => "when they are sent, and whenever they change after that",
            SyncOn::Created => "from the moment they are created, and whenever they change",
        };
        notes.push(format!(
            "From now on invoices go to {label} by themselves {when}. Those that are there already are not touched until they change."
        ));
    }
    if before.auto_sync && !after.auto_sync {
        notes.push(
            "From now on invoices are synced when somebody presses Sync. What is queued already is still brought to its end.".to_owned(),
        );
    }
    if after.name_only_ok && !after.match_by.contains(&MatchBy::Name) {
        notes.push("name_only_ok has no effect while names are not matched.".to_owned());
    }
    notes
}

impl Engine {
    /// Changes options, or tells what a change would do.
    ///
    /// # Errors
    /// 404 while the ledger was never connected; 422 when the options would contradict themselves; 409 when another admin changed the
    /// connection at the same moment.
    pub async fn patch_options(
        &self,
        ctx: &Ctx,
        workspace: &Workspace,
        actor: Actor,
        ledger: Ledger,
        patch: &OptionsPatch,
        dry_run: bool,
    ) -> Outcome<OptionsView> {
        let connection = self.known_connection(workspace.id, ledger).await?;
        let after = patch.apply(&connection.value.options, ledger)?;
        let rules = self.ledgers.get(ledger).map(|api| &api.rules);
        let view = OptionsView::new(&connection.value.options, after, ledger, rules, dry_run)?;
        if dry_run || view.changes.is_empty() {
            return Ok(view);
        }
        let changed: Vec<String> =
            view.changes.iter().map(|change| format!("{}: {} -> {}", change.field, change.from, change.to)).collect();
        let after = Connection { options: view.options.clone(), ..connection.value };
        match self.store.save_connection(ctx, workspace.id, &after, connection.rev).await? {
            Saved::Done { .. } => {}
            Saved::Moved(_) => return Err(super::moved(ledger)),
        }
        self.audit(ctx, workspace.id, actor, "options_changed", Some(ledger), changed.join(", ")).await?;
        self.keep_checking_drift(ctx, workspace.id, &after).await?;
        Ok(view)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(text: &str) -> OptionsPatch {
        serde_json::from_str(text).unwrap()
    }

    fn issue(text: &str) -> String {
        let problem = patch(text).apply(&Options::defaults(Ledger::Xero), Ledger::Xero).unwrap_err();
        problem.issues.first().unwrap().code.to_string()
    }

    /// R34, R36, C7: off and on by default, and independent of each other.
    #[test]
    fn the_two_toggles_are_independent() {
        let defaults = Options::defaults(Ledger::Xero);
        assert!(!defaults.auto_sync && defaults.sync_as_draft);
        let after = patch(r#"{"auto_sync":true}"#).apply(&defaults, Ledger::Xero).unwrap();
        assert!(after.auto_sync && after.sync_as_draft);
        let after = patch(r#"{"sync_as_draft":false}"#).apply(&after, Ledger::Xero).unwrap();
        assert!(after.auto_sync && !after.sync_as_draft);
    }

    /// C9: draft sources need drafts there; "on creation" needs draft sources. An empty or doubled match order means nothing (C3).
    #[test]
    fn contradictions_are_refused_by_field() {
        assert_eq!(issue(r#"{"sync_as_draft":false,"also_draft_source":true}"#), "needs_sync_as_draft");
        assert_eq!(issue(r#"{"sync_on":"created"}"#), "needs_also_draft_source");
        assert_eq!(issue(r#"{"match":[]}"#), "required");
        assert_eq!(issue(r#"{"match":["email","email"]}"#), "repeated");
        assert_eq!(issue(r#"{"profile":"copper","auto_sync":true}"#), "view_only");
        assert!(serde_json::from_str::<OptionsPatch>(r#"{"auto_sink":true}"#).is_err());
    }

    /// Profiles: the preset first, single fields over it, and auto-sync is never started by a preset.
    #[test]
    fn a_profile_brings_its_preset_and_starts_nothing() {
        let mut before = Options::defaults(Ledger::Xero);
        before.rounding = Rounding::Line;
        let after = patch(r#"{"profile":"copilot","on_void":"void"}"#).apply(&before, Ledger::Xero).unwrap();
        assert_eq!(after, Options { on_void: OnVoid::Void, ..Options::preset(Profile::Copilot, Ledger::Xero) });
        assert!(!after.auto_sync);
        before.auto_sync = true;
        assert!(patch(r#"{"profile":"copilot"}"#).apply(&before, Ledger::Xero).unwrap().auto_sync);
        for profile in [Profile::Coportal, Profile::Copilot, Profile::Copper] {
            for ledger in Ledger::ALL {
                assert!(contradictions(&Options::preset(profile, ledger)).is_empty(), "{profile:?} {ledger}");
            }
        }
    }

    #[test]
    fn what_changes_is_told_with_what_follows_from_it() {
        let before = Options::defaults(Ledger::Xero);
        let after = patch(r#"{"sync_as_draft":false,"match":["name"]}"#).apply(&before, Ledger::Xero).unwrap();
        let view = OptionsView::new(&before, after, Ledger::Xero, None, true).unwrap();
        let fields: Vec<&str> = view.changes.iter().map(|change| change.field.as_str()).collect();
        assert_eq!(fields, ["match", "sync_as_draft"]);
        assert!(view.notes.iter().any(|note| note.contains("stay as they are")), "C7: {:?}", view.notes);
    }

    /// R35, C30: switching auto-sync on or off says what follows; an option that has no effect says so.
    #[test]
    fn r35_auto_sync_says_what_follows() {
        let before = Options::defaults(Ledger::Xero);
        let notes = |text: &str| {
            let after = patch(text).apply(&before, Ledger::Xero).unwrap();
            OptionsView::new(&before, after, Ledger::Xero, None, true).unwrap().notes
        };
        let on = |text| notes(text).into_iter().find(|note| note.starts_with("From now on invoices go to Xero by themselves")).unwrap();
        assert!(on(r#"{"auto_sync":true}"#).contains("when they are sent"));
        assert!(on(r#"{"auto_sync":true,"also_draft_source":true,"sync_on":"created"}"#).contains("created"));
        let running = patch(r#"{"auto_sync":true}"#).apply(&before, Ledger::Xero).unwrap();
        let off = patch(r#"{"auto_sync":false}"#).apply(&running, Ledger::Xero).unwrap();
        let told = OptionsView::new(&running, off, Ledger::Xero, None, true).unwrap().notes;
        assert!(told.iter().any(|note| note.contains("What is queued already")), "{told:?}");
        assert!(notes(r#"{"item":"mapped"}"#).iter().any(|note| note.contains("has no effect there")), "Xero has no items");
        assert!(notes(r#"{"rounding":"line"}"#).is_empty());
    }
}
