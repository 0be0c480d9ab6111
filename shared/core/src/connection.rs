//! Connections: a workspace tied to one organisation in one ledger, and the options of that tie.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{ConnectionId, UserId};
use crate::ledger::Ledger;

/// The number of an organisation within (workspace, ledger): drawn once, never given twice (design decision 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl std::fmt::Display for Generation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.0, f)
    }
}

/// An organisation (company, business) inside a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organisation {
    /// The ledger's id of it: what the tenant header or URL of every call carries.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The environment, where the ledger has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The ledger's id of the link between our app and this organisation, needed to cut it (Xero: `GET /connections`, `id`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_id: Option<String>,
}

/// How a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ConnectionStatus {
    /// Tokens and organisation are there.
    Connected,
    /// Consent was given for several organisations; an admin chooses one.
    ChooseOrganisation,
    /// The grant is proven dead; links and choices are kept (C19).
    ReconnectRequired,
    /// Taken apart by an admin.
    Disconnected,
}

/// What matches a client to a contact, in order (C3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MatchBy {
    /// The e-mail address.
    Email,
    /// The name.
    Name,
}

/// What happens when a new contact's name is taken (C5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum NameClash {
    /// Ask, with two one-click answers.
    Hold,
    /// Create as "Name (email)".
    Suffix,
    /// Fail.
    Fail,
}

/// Where our invoice number goes (C6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum NumberPolicy {
    /// Number and reference.
    Both,
    /// Reference only; the ledger numbers its document.
    ReferenceOnly,
    /// Neither; the ledger numbers its document.
    LedgerAssigns,
}

/// What happens when the ledger would compute other cents (C12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// Ask.
    Hold,
    /// Add a rounding line of at most five cents.
    Line,
}

/// What happens to a linked contact when the client changes (C27).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ContactUpdate {
    /// Fill fields that are blank in the ledger.
    FillBlanks,
    /// Write ours over theirs; a blank of ours still never blanks theirs.
    Overwrite,
    /// Leave the contact alone.
    Never,
}

/// Whether payments are pushed (C1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Payments {
    /// Never (the default, R66).
    None,
    /// Each payment becomes a payment in the ledger.
    Push,
}

/// What happens in the ledger when an invoice is voided here (C10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnVoid {
    /// Ask.
    None,
    /// Void it there.
    Void,
    /// Delete it there.
    Delete,
}

/// What an invoice line becomes where the ledger wants an item (C13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ItemPolicy {
    /// The default sales item.
    DefaultService,
    /// A table of products.
    Mapped,
}

/// Which event makes an invoice sync by itself (C9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SyncOn {
    /// When it is sent.
    Sent,
    /// When it is created.
    Created,
}

/// A preset of options; [`Options::preset`] says what each sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// CoPortal's own rules.
    Coportal,
    /// Copilot's habits: e-mail match, payments pushed, ledger numbers.
    Copilot,
    /// Read only.
    Copper,
}

/// The options of a connection (per workspace, ledger and organisation).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Options {
    /// Sync by itself on send and status change (R35); off by default.
    pub auto_sync: bool,
    /// Post as drafts for review (R36); on by default (C7).
    pub sync_as_draft: bool,
    /// The preset these options came from.
    pub profile: Profile,
    /// Payments lane.
    pub payments: Payments,
    /// Void lane.
    pub on_void: OnVoid,
    /// How contacts are found.
    #[serde(rename = "match")]
    pub match_by: Vec<MatchBy>,
    /// A name hit whose e-mail differs is good enough (C4).
    pub name_only_ok: bool,
    /// When a name is taken.
    pub name_clash: NameClash,
    /// Where our number goes.
    pub number: NumberPolicy,
    /// When cents differ.
    pub rounding: Rounding,
    /// When the client changes.
    pub contact_update: ContactUpdate,
    /// What lines become.
    pub item: ItemPolicy,
    /// Draft invoices may be synced too, as drafts (C9).
    pub also_draft_source: bool,
    /// What triggers auto-sync.
    pub sync_on: SyncOn,
}

impl Options {
    /// CoPortal's defaults for a ledger (C1-C13; the match order is C3's).
    #[must_use]
    pub fn defaults(ledger: Ledger) -> Self {
        let match_by = match ledger {
            Ledger::Xero => vec![MatchBy::Email, MatchBy::Name],
            Ledger::Quickbooks | Ledger::Sage => vec![MatchBy::Name],
            Ledger::BusinessCentral => vec![MatchBy::Email],
        };
        Self {
            auto_sync: false,
            sync_as_draft: true,
            profile: Profile::Coportal,
            payments: Payments::None,
            on_void: OnVoid::None,
            match_by,
            name_only_ok: false,
            name_clash: NameClash::Hold,
            number: NumberPolicy::Both,
            rounding: if ledger == Ledger::BusinessCentral { Rounding::Line } else { Rounding::Hold },
            contact_update: ContactUpdate::FillBlanks,
            item: ItemPolicy::DefaultService,
            also_draft_source: false,
            sync_on: SyncOn::Sent,
        }
    }

    /// The options of a preset: the defaults, with what its product is known to do otherwise.
    #[must_use]
    pub fn preset(profile: Profile, ledger: Ledger) -> Self {
        let defaults = Self { profile, ..Self::defaults(ledger) };
        match profile {
            Profile::Coportal => defaults,
            Profile::Copilot => Self {
                match_by: vec![MatchBy::Email],
                payments: Payments::Push,
                on_void: OnVoid::Delete,
                name_clash: NameClash::Fail,
                number: NumberPolicy::LedgerAssigns,
                also_draft_source: true,
                sync_on: SyncOn::Created,
                ..defaults
            },
            Profile::Copper => defaults,
        }
    }
}

/// A connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Its id.
    pub id: ConnectionId,
    /// The ledger.
    pub ledger: Ledger,
    /// How it stands.
    pub status: ConnectionStatus,
    /// The organisation, once chosen.
    pub organisation: Option<Organisation>,
    /// The organisation's number.
    pub generation: Generation,
    /// The number of the consent that the tokens came from.
    pub grant: u64,
    /// Its options.
    pub options: Options,
    /// When the present organisation was connected.
    pub connected_at: Option<Timestamp>,
    /// Who connected it.
    pub connected_by: Option<UserId>,
    /// Each create looks before it writes (after a restore from back-up).
    #[serde(default)]
    pub look_first: bool,
    /// Why a reconnect is needed, for the card.
    #[serde(default)]
    pub reconnect_reason: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The default column of C1-C13, R35 and R36: the same for every ledger but for matching (C3) and rounding (C12).
    #[test]
    fn c1_to_c13_the_defaults() {
        use MatchBy::{Email, Name};
        let matching = [vec![Email, Name], vec![Name], vec![Name], vec![Email]];
        for (ledger, match_by) in Ledger::ALL.into_iter().zip(matching) {
            let rounding = if ledger == Ledger::BusinessCentral { Rounding::Line } else { Rounding::Hold };
            let expected = Options {
                auto_sync: false,
                sync_as_draft: true,
                profile: Profile::Coportal,
                payments: Payments::None,
                on_void: OnVoid::None,
                match_by,
                name_only_ok: false,
                name_clash: NameClash::Hold,
                number: NumberPolicy::Both,
                rounding,
                contact_update: ContactUpdate::FillBlanks,
                item: ItemPolicy::DefaultService,
                also_draft_source: false,
                sync_on: SyncOn::Sent,
            };
            assert_eq!(Options::defaults(ledger), expected, "{ledger}");
            assert_eq!(Options::preset(Profile::Coportal, ledger), expected, "{ledger}");
        }
    }

    /// "Copilot": create trigger, e-mail match, payments push, void = delete, ledger numbers, default service, and its clash rule (C5).
    #[test]
    fn c3_c5_the_copilot_profile() {
        for ledger in Ledger::ALL {
            let expected = Options {
                profile: Profile::Copilot,
                match_by: vec![MatchBy::Email],
                payments: Payments::Push,
                on_void: OnVoid::Delete,
                name_clash: NameClash::Fail,
                number: NumberPolicy::LedgerAssigns,
                also_draft_source: true,
                sync_on: SyncOn::Created,
                ..Options::defaults(ledger)
            };
            assert_eq!(Options::preset(Profile::Copilot, ledger), expected, "{ledger}");
        }
    }

    /// "Copper" shows and pushes nothing (C17, R92): see `eligibility`.
    #[test]
    fn c17_the_copper_profile() {
        let options = Options::preset(Profile::Copper, Ledger::Xero);
        assert_eq!((options.profile, options.auto_sync, options.payments), (Profile::Copper, false, Payments::None));
    }

    #[test]
    fn options_are_written_in_the_words_of_the_interface() {
        let json = serde_json::to_value(Options::preset(Profile::Copilot, Ledger::Xero)).unwrap();
        assert_eq!(json["match"], serde_json::json!(["email"]));
        assert_eq!((json["number"].as_str(), json["on_void"].as_str()), (Some("ledger_assigns"), Some("delete")));
        assert_eq!(serde_json::from_value::<Options>(json).unwrap(), Options::preset(Profile::Copilot, Ledger::Xero));
    }
}
