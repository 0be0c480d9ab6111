//! The product's rules (`R64`, `C12`) and the tests that name them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::{files, relative, source};

/// The rule that a word names: `R64` and `C12` as such, `r64` and `c12` as a part of a test's name.
#[must_use]
pub fn rule_of(word: &str) -> Option<String> {
    let mut letters = word.chars();
    let class = letters.next().filter(|c| matches!(c, 'R' | 'C' | 'r' | 'c'))?;
    let number = letters.as_str();
    let valid = (1..=3).contains(&number.len()) && !number.starts_with('0') && number.bytes().all(|b| b.is_ascii_digit());
    valid.then(|| format!("{}{number}", class.to_ascii_uppercase()))
}

/// The rules that a word of a source names: `R64` alone, or `r64` as a part of a name; a lone `c3` is some variable or digest.
fn named_by(word: &str) -> Vec<String> {
    if word.contains('_') {
        word.split('_').filter_map(rule_of).collect()
    } else {
        rule_of(word).filter(|rule| rule == word).into_iter().collect()
    }
}

/// The rules named in a text, ranges like `R3-R6` included.
#[must_use]
pub fn rules_in(text: &str) -> BTreeSet<String> {
    // `%C3` is a byte of a URL, not a rule.
    let text = &text.replace("%C", "%c");
    let mut found: BTreeSet<String> = source::words(text).flat_map(named_by).collect();
    for range in text.split(|c: char| !(c.is_alphanumeric() || c == '-')) {
        let Some((from, to)) = range.split_once('-') else { continue };
        let (Some(from), Some(to)) = (rule_of(from), rule_of(to)) else { continue };
        let bounds = (from.get(1..).and_then(|n| n.parse::<u16>().ok()), to.get(1..).and_then(|n| n.parse::<u16>().ok()));
        if let (Some(first), Some(last), true) = (bounds.0, bounds.1, from.get(..1) == to.get(..1)) {
            found.extend((first..=last).map(|number| format!("{}{number}", from.get(..1).unwrap_or_default())));
        }
    }
    found
}

/// The rules that the tests of one file name.
///
/// # Errors
/// The file cannot be read.
pub fn rules_tested_in(path: &Path) -> Result<BTreeSet<String>> {
    Ok(rules_in(source::test_part(path, &fs::read_to_string(path)?)))
}

/// Every file whose tests name a rule, with the rules.
///
/// # Errors
/// A file cannot be read.
pub fn tested() -> Result<Vec<(String, BTreeSet<String>)>> {
    let mut all = Vec::new();
    for folder in ["functions", "shared", "infra", "tests"] {
        for path in files(folder, "rs")? {
            if relative(&path).starts_with("tests/contract/") {
                continue;
            }
            let rules = rules_tested_in(&path)?;
            if !rules.is_empty() {
                all.push((relative(&path), rules));
            }
        }
    }
    Ok(all)
}

/// The rules that this tree can be asked about, each in a sentence: `R` from the product's documents, `C` where two of them disagree.
const RULES: &[(&str, &str)] = &[
    ("R1", "every ledger is managed from Settings, Integrations"),
    ("R2", "a link in the sidebar leads there"),
    ("R3", "Xero needs the Studio plan or a higher one"),
    ("R4", "QuickBooks needs Studio"),
    ("R5", "Sage needs Agency"),
    ("R6", "Business Central needs Enterprise"),
    ("R8", "single sign-on needs the Enterprise plan"),
    ("R9", "a ledger whose app awaits the platform's approval says so, apart from plan and connection"),
    ("R10", "nothing is pushed without a connected account"),
    ("R12", "Xero is connected by OAuth from the settings page, and the user comes back to it"),
    ("R19", "only an admin connects"),
    ("R20", "a successful connection is confirmed on return"),
    ("R21", "an ended grant asks for a reconnect"),
    ("R22", "tokens are encrypted at rest with AES-256-GCM"),
    ("R23", "a connection can be tested from its card"),
    ("R24", "a preview shows what an import would do, before anything is imported"),
    ("R25", "what is new becomes a client"),
    ("R26", "a duplicate address is skipped unless it is ticked"),
    ("R27", "a contact that is linked already is shown as linked"),
    ("R28", "four fields are mapped, read only"),
    ("R29", "what is wanted is ticked, then confirmed; nothing is committed before"),
    ("R30", "every ledger has the preview, with its three statuses"),
    ("R31", "on Sage's card the button is \"Preview import\""),
    ("R32", "everything new can be imported in one request"),
    ("R33", "clients that are there by their address are skipped"),
    ("R34", "two independent switches per ledger"),
    ("R35", "with auto-sync on, an invoice syncs when it is sent or changes status"),
    ("R36", "sync as draft: drafts for review, or approved"),
    ("R37", "switches are per ledger"),
    ("R38", "one click pushes an invoice"),
    ("R39", "\"Sync to Xero\" works on sent and paid invoices once connected"),
    ("R43", "contact and invoice are created or updated"),
    ("R44", "the contact comes before the invoice"),
    ("R45", "number, lines, tax rate and due date are carried"),
    ("R46", "the invoice number is carried as the reference too"),
    ("R47", "the client is matched to a contact, or one is created"),
    ("R48", "each line has description, quantity and unit price"),
    ("R49", "tax is applied at the invoice's rate"),
    ("R50", "the due date is carried if set"),
    ("R51", "a draft here becomes draft or awaiting payment there"),
    ("R52", "the document has all lines, tax and the client"),
    ("R54", "totals are exactly those of the invoice"),
    ("R63", "the ledger's id and the time of the last sync are kept and shown"),
    ("R64", "pushing again updates the same document, never makes a second"),
    ("R65", "one way only: CoPortal pushes"),
    ("R66", "marking an invoice paid here does not touch the ledger"),
    ("R67", "by option, from the invoice's creation"),
    ("R68", "an existing contact is used again"),
    ("R69", "changes and payments are sent too"),
    ("R72", "at once: on creation, payment and voiding"),
    ("R76", "by option, a void here deletes there"),
    ("R102", "a workspace can require its identity provider"),
    ("R103", "an address of a proved domain is sent to its identity provider"),
    ("R104", "after signing in there one is in CoPortal with a session"),
    ("R106", "Google Workspace needs no further configuration"),
    ("R107", "Microsoft: one tenant, which must allow the application"),
    ("R108", "SAML: the metadata's address is enough"),
    ("R110", "a client is made"),
    ("R111", "a client has a name"),
    ("R112", "a client has an e-mail address"),
    ("R113", "a company is shown beside the name where it differs"),
    ("R114", "a phone number is kept for reference"),
    ("R115", "notes are the team's own"),
    ("R117", "a client has many contact persons"),
    ("R118", "a contact person is added inside its client"),
    ("R119", "a contact person has a name and an address of its own"),
    ("R129", "the overview has what was invoiced, what is open and what was paid"),
    ("R133", "archiving hides from the list and keeps everything"),
    ("R134", "an archived client can be shown again at any time"),
    ("R140", "a durable link, so that no crash makes a second document"),
    ("R141", "a durable link of client and contact, too"),
    ("R142", "a failed ledger never keeps an invoice from being sent"),
    ("R143", "totals are compared before the push"),
    ("R144", "the ledger's tax code is found for a rate"),
    ("R145", "another organisation never sees old ids"),
    ("R146", "plan gates are checked at connect, at each call and when queued work starts"),
    ("R148", "an archived client is still a match"),
    ("R149", "a contact person's address counts as the client's"),
    ("R150", "a ledger that is not yet approved shows why it cannot be connected"),
    ("C1", "payments are pushed only by option"),
    ("C2", "a paid event never carries paid; unchanged content costs no call"),
    ("C3", "matching goes by an ordered list; several hits are a question"),
    ("C4", "half a match is a question"),
    ("C5", "a taken name is a question with two answers"),
    ("C6", "number and reference by policy; ownership is never the number alone"),
    ("C7", "drafts by default; approved never goes back"),
    ("C8", "what a draft means is a ledger's own"),
    ("C9", "sent and paid invoices may be synced, drafts by option"),
    ("C10", "a void here is a question there, unless an option says otherwise"),
    ("C11", "the invoice's rate is the truth; no nearest code"),
    ("C12", "the ledger's arithmetic is computed first, to the cent"),
    ("C13", "what a line becomes where the ledger wants an item"),
    ("C14", "everything new is ticked before anybody touches it, duplicates are not"),
    ("C15", "a duplicate may be linked or created"),
    ("C16", "push, import and view have scopes of their own"),
    ("C19", "refreshed by itself; reconnect only on a proven dead grant"),
    ("C20", "a visible state for all that waits"),
    ("C21", "who may connect, choose and resolve"),
    ("C23", "a domain is proved before anybody is routed by it"),
    ("C24", "single sign-on is offered or required; a code for the owner opens it"),
    ("C27", "a contact is filled in, never blanked"),
    ("C29", "an update compares three values per field and keeps the bookkeeper's"),
    ("C30", "a date in a locked period is a question"),
    ("C31", "a document with our number that is not ours is a question"),
];

const HEAD: &str = "\
# Rules, and the tests that name them

The product's rules that this tree claims to keep: `R` from the product's documents, `C` where two documents disagree and one rule honours both. Each row names files whose tests name the rule; a test
of `tests/contract` checks that they do. Written by `make update`.

| rule | what it says | tests |
| --- | --- | --- |
";

/// The coverage page, from the tests that there are now.
///
/// # Errors
/// A source cannot be read.
pub fn page() -> Result<String> {
    let tested = tested()?;
    let (mut page, mut without) = (HEAD.to_owned(), Vec::new());
    for (rule, meaning) in RULES {
        let files: Vec<String> =
            tested.iter().filter(|(_, rules)| rules.contains(*rule)).take(4).map(|(file, _)| format!("`{file}`")).collect();
        if files.is_empty() {
            without.push(*rule);
        } else {
            page += &format!("| {rule} | {meaning} | {} |\n", files.join(", "));
        }
    }
    if !without.is_empty() {
        page += &format!("\nNo test names these yet, so they are not claimed: {}.\n", without.join(", "));
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_found_in_names_comments_and_ranges() {
        let found = rules_in("fn r64_pushing_again_updates(c3: C) {} // R3-R6, C12; not Rust, R0, C2PA, R1234 or %C3%BC");
        let wanted = ["C12", "R3", "R4", "R5", "R6", "R64"].map(str::to_owned);
        assert_eq!(found, BTreeSet::from(wanted));
    }
}
