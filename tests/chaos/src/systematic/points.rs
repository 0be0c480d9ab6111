//! The crash points, and the grid of the plan: 22 points, from both sides, in every ledger, for every write.

use std::collections::{BTreeMap, BTreeSet};

use coportal_core::ledger::Ledger;
use serde::Serialize;

use crate::scenario::Scenario;
use crate::wire::{Fault, Passed, Side};

/// A crash point: a moment of one sync, or of what is around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Point {
    /// The invoice is written with its due mark, and the stream's record is lost.
    K1,
    /// The fan-out raised `wanted`, and its message is not sent.
    K2,
    /// The message is sent, and the due mark is not removed.
    K3,
    /// The message is received, and nothing is done.
    K4,
    /// Planned, before the claim.
    K5,
    /// Claimed with its intent, before the first vendor call.
    K6,
    /// The contact call, not reached.
    K7,
    /// The contact call, applied, its answer lost.
    K8,
    /// The contact's answer here, its link not stored.
    K9,
    /// The contact's link stored, before the document.
    K10,
    /// The document call, not reached.
    K11,
    /// The document call, applied, its answer lost.
    K12,
    /// The document's answer here, its link not stored.
    K13,
    /// Header applied, lines missing.
    K14,
    /// A line applied, its answer lost.
    K15,
    /// The link stored, what follows not.
    K16,
    /// All done, the message not deleted.
    K17,
    /// The token refreshed at the vendor, not stored.
    K18,
    /// During a backfill, between its batches.
    K19,
    /// During a vendor's batch that half fails.
    K20,
    /// During a disconnect.
    K21,
    /// During a move to another organisation.
    K22,
}

impl Point {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::K1,
        Self::K2,
        Self::K3,
        Self::K4,
        Self::K5,
        Self::K6,
        Self::K7,
        Self::K8,
        Self::K9,
        Self::K10,
        Self::K11,
        Self::K12,
        Self::K13,
        Self::K14,
        Self::K15,
        Self::K16,
        Self::K17,
        Self::K18,
        Self::K19,
        Self::K20,
        Self::K21,
        Self::K22,
    ];
}

/// From which side the moment is struck. A call that is sent is struck by a death as well as by a lost connection that the process survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// The process dies with the last call before the moment done.
    Before,
    /// It dies as it makes the first call after the moment, or lives on and its call is lost.
    After,
}

/// What is brought to the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Written {
    /// A first sync.
    Create,
    /// A changed invoice, or a draft that is approved.
    Update,
    /// A voided invoice, with the option to void.
    Void,
    /// A payment, with the option to push it.
    Paid,
}

impl Written {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Create, Self::Update, Self::Void, Self::Paid];

    /// The word in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Void => "void",
            Self::Paid => "paid",
        }
    }

    /// What a scenario writes.
    #[must_use]
    pub fn by(scenario: Scenario) -> Self {
        match scenario {
            Scenario::FirstSync | Scenario::FirstSyncLineByLine | Scenario::ExpiredToken => Self::Create,
            Scenario::Update | Scenario::Approval => Self::Update,
            Scenario::Void => Self::Void,
            Scenario::Payment => Self::Paid,
        }
    }

    /// The scenario that writes it in the ordinary way.
    #[must_use]
    pub fn scenario(self) -> Scenario {
        match self {
            Self::Create => Scenario::FirstSync,
            Self::Update => Scenario::Update,
            Self::Void => Scenario::Void,
            Self::Paid => Scenario::Payment,
        }
    }
}

fn is_vendor_write(call: &Passed) -> bool {
    call.side == Side::Vendor && !call.operation.starts_with("GET") && !is_token(call)
}

pub(super) fn is_token(call: &Passed) -> bool {
    call.side == Side::Vendor && call.operation.contains("token")
}

pub(super) fn is_contact(call: &Passed) -> bool {
    is_vendor_write(call) && ["/Contacts", "/customer", "/contacts", "/customers"].iter().any(|path| call.operation.ends_with(path))
}

pub(super) fn is_line(call: &Passed) -> bool {
    is_vendor_write(call) && (call.operation.ends_with("/salesInvoiceLines") || call.operation.ends_with("/$batch"))
}

pub(super) fn is_document(call: &Passed) -> bool {
    is_vendor_write(call) && !is_contact(call) && !is_line(call)
}

/// A claim of the row with its intent, or of the contact's.
pub(super) fn is_claim(call: &Passed) -> bool {
    call.subject == "CLAIM" || call.subject == "LINK_CLAIM"
}

/// The moments of one sync that are struck when this fault strikes at this call.
pub(super) fn moments(calls: &[Passed], at: usize, fault: Fault) -> Vec<(Point, Way)> {
    let Some(call) = calls.get(at) else { return Vec::new() };
    let sent = |reached: bool| match (is_contact(call), is_line(call), is_vendor_write(call), reached) {
        (true, _, _, false) => Some(Point::K7),
        (true, _, _, true) => Some(Point::K8),
        (_, true, _, false) => Some(Point::K14),
        (_, true, _, true) => Some(Point::K15),
        (_, _, true, false) => Some(Point::K11),
        (_, _, true, true) => Some(Point::K12),
        (false, false, false, _) => None,
    };
    let mut struck: Vec<(Point, Way)> = Vec::new();
    match fault {
        Fault::CrashBefore => {
            struck.extend(sent(false).map(|point| (point, Way::Before)));
            struck.extend(between(calls, at).into_iter().map(|point| (point, Way::After)));
        }
        Fault::CrashAfter => {
            struck.extend(sent(true).map(|point| (point, Way::Before)));
            let here = between(calls, at + 1);
            // Where no call follows, the moment before the next one and the moment after this one are the same.
            if at + 1 == calls.len() {
                struck.extend(here.iter().map(|point| (*point, Way::After)));
            }
            struck.extend(here.into_iter().map(|point| (point, Way::Before)));
        }
        Fault::RequestLost => struck.extend(sent(false).map(|point| (point, Way::After))),
        Fault::AnswerLost => struck.extend(sent(true).map(|point| (point, Way::After))),
        Fault::Held => {}
    }
    if is_token(call) && fault == Fault::AnswerLost {
        struck.push((Point::K18, Way::After));
    }
    struck
}

/// The moments between the call before this place and the call at it.
fn between(calls: &[Passed], at: usize) -> Vec<Point> {
    let before = at.checked_sub(1).and_then(|before| calls.get(before));
    let after = calls.get(at);
    let mut here = BTreeSet::new();
    if let Some(before) = before {
        if is_claim(before) {
            here.insert(Point::K6);
        }
        if before.subject == "CLINK" {
            here.insert(Point::K10);
        }
        if before.subject == "SYNC" {
            here.insert(Point::K16);
        }
        if is_token(before) {
            here.insert(Point::K18);
        }
    }
    if let Some(after) = after {
        if is_claim(after) {
            here.insert(Point::K5);
        }
        if after.subject == "CLINK" {
            here.insert(Point::K9);
        }
        if after.subject == "SYNC" {
            here.insert(Point::K13);
        }
    }
    here.into_iter().collect()
}

/// Why a cell of the grid has no case.
fn not_applicable(ledger: Ledger, point: Point, written: Written) -> Option<&'static str> {
    match point {
        Point::K7 | Point::K8 | Point::K9 | Point::K10 if written != Written::Create => {
            Some("the client has been linked to its contact since the first sync: no contact call is made")
        }
        Point::K14 | Point::K15 if ledger != Ledger::BusinessCentral => Some("its documents are made in one call, lines included"),
        Point::K14 | Point::K15 if matches!(written, Written::Void | Written::Paid) => Some("a void and a payment write no lines"),
        Point::K19 if written != Written::Create => {
            Some("a backfill is of invoices that are not in the ledger yet; what changed since is an event's or a click's")
        }
        Point::K20 if ledger == Ledger::Sage => Some("it has no batches: one call, one object"),
        Point::K20 if matches!(written, Written::Void | Written::Paid) => Some("voids and payments are not sent in batches"),
        Point::K20 if ledger == Ledger::BusinessCentral => {
            Some("its batches of several invoices only look up: what they write goes one by one")
        }
        Point::K20 if ledger == Ledger::Quickbooks && written == Written::Create => {
            Some("its creates go one by one, each with its own request id: only look-ups and guarded updates are batched")
        }
        Point::K1
        | Point::K2
        | Point::K3
        | Point::K4
        | Point::K5
        | Point::K6
        | Point::K7
        | Point::K8
        | Point::K9
        | Point::K10
        | Point::K11
        | Point::K12
        | Point::K13
        | Point::K14
        | Point::K15
        | Point::K16
        | Point::K17
        | Point::K18
        | Point::K19
        | Point::K20
        | Point::K21
        | Point::K22 => None,
    }
}

/// How many cases every cell of the grid had.
#[derive(Debug, Default)]
pub(super) struct Grid(BTreeMap<(Ledger, Point, Written, Way), u64>);

/// The grid, counted.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Counted {
    /// Cells: 22 points, 2 ways, 4 writes, for each ledger.
    pub cells: u64,
    /// Cells with cases, all of which passed.
    pub passed: u64,
    /// Cells in which a case failed.
    pub failed: u64,
    /// Cells that do not apply, each for a reason that is listed.
    pub not_applicable: u64,
}

impl Grid {
    pub(super) fn add(&mut self, ledger: Ledger, written: Written, struck: &[(Point, Way)]) {
        for (point, way) in struck {
            *self.0.entry((ledger, *point, written, *way)).or_default() += 1;
        }
    }

    /// Counts a ledger's cells; answers what does not apply by its reason as well, and the gaps: cells without cases and without a reason.
    pub(super) fn counted(
        &self,
        ledger: Ledger,
        failed: &BTreeSet<(Ledger, Point, Written, Way)>,
    ) -> (Counted, BTreeMap<String, Vec<String>>, Vec<String>) {
        let mut counted = Counted::default();
        let (mut reasons, mut gaps) = (BTreeMap::<String, Vec<String>>::new(), Vec::new());
        let ways = [Way::Before, Way::After];
        let all = Point::ALL
            .into_iter()
            .flat_map(|point| Written::ALL.into_iter().flat_map(move |written| ways.map(|way| (point, written, way))));
        for (point, written, way) in all {
            counted.cells += 1;
            let cell = (ledger, point, written, way);
            if failed.contains(&cell) {
                counted.failed += 1;
            } else if self.0.contains_key(&cell) {
                counted.passed += 1;
            } else if let Some(reason) = not_applicable(ledger, point, written) {
                counted.not_applicable += 1;
                let cells = reasons.entry(format!("{ledger}: {reason}")).or_default();
                let named = format!("{point:?} {}", written.name());
                if cells.last() != Some(&named) {
                    cells.push(named);
                }
            } else {
                gaps.push(format!("{ledger}, {point:?}, {way:?}, {written:?}: no case comes there, and no reason is known"));
            }
        }
        (counted, reasons, gaps)
    }

    /// Cases by ledger and point.
    pub(super) fn by_point(&self) -> BTreeMap<String, BTreeMap<Point, u64>> {
        let mut points: BTreeMap<String, BTreeMap<Point, u64>> = BTreeMap::new();
        for ((ledger, point, _, _), count) in &self.0 {
            *points.entry(ledger.to_string()).or_default().entry(*point).or_default() += count;
        }
        points
    }
}
