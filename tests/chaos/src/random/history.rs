//! A history: what people, clocks and machines do, in order. All of it follows from one seed, and each step carries its own, so that a step
//! does the same when others are taken out.

use coportal_core::ledger::Ledger;
use coportal_core::workspace::Plan;
use serde::Serialize;

use super::dice::Dice;
use super::plant::Plant;

/// Workspaces of a history.
pub const WORKSPACES: usize = 2;
/// Invoices that are there at its beginning.
pub const INVOICES: usize = 10;
/// Fewest steps.
const FEWEST: u64 = 60;
/// How many more there may be.
const MORE: u64 = 3;

/// What an edit changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Edit {
    /// The first line's price grows by so many cents.
    Price(u32),
    /// The first line's text.
    Text(u32),
    /// A line more.
    Line(u32),
    /// The due date, so many days later.
    Due(u32),
}

/// What is switched on a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Toggle {
    /// Sync as draft (R36).
    Draft(bool),
    /// Auto-sync (R35).
    AutoSync(bool),
    /// Payments pushed or not (C1).
    Payments(bool),
    /// What a void does there: 0 nothing, 1 void, 2 delete (C10).
    OnVoid(u8),
}

/// What a bookkeeper does to a document of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Approves it, where it is a draft.
    Approve,
    /// Takes a part payment.
    PayInPart,
    /// Takes it out of the books.
    Void,
    /// Changes the text of its first line.
    Describe,
    /// Moves its due date.
    DueDate,
}

/// A click: an invoice, and which of its workspace's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Click {
    /// The invoice, by its place.
    pub invoice: usize,
    /// The connection, by its place among the workspace's.
    pub link: usize,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// A user changes an invoice.
    Edit(usize, Edit),
    /// A user sends it.
    Send(usize),
    /// So many cents of it are paid.
    Pay(usize, u32),
    /// A user voids it.
    Void(usize),
    /// A user makes another invoice.
    Invoice(usize),
    /// A user clicks "sync".
    Click(Click),
    /// A user approves the draft there.
    Approve(Click),
    /// A user answers the open question with the choice at this place.
    Answer(Click, usize),
    /// Somebody of the other workspace clicks on it: refused (I13).
    Stranger(Click),
    /// An admin switches an option.
    Toggle(usize, Toggle),
    /// All invoices of a connection's workspace in one call.
    Bulk(usize),
    /// Several processes at once, taking turns at every call.
    Together(Vec<Click>),
    /// The sweep's minute.
    Sweep,
    /// So many workers at once, each with what it receives; messages come once, twice or in another order.
    Work(usize),
    /// So many seconds pass.
    Wait(u32),
    /// A bookkeeper works in the ledger.
    Bookkeeper(Click, Work),
    /// An admin imports some of the ledger's contacts.
    Import(usize),
    /// An admin disconnects.
    Disconnect(usize),
    /// An admin connects anew, to the organisation that the connection began with.
    Reconnect(usize),
    /// An admin connects another organisation.
    Move(usize),
    /// Access tokens have ended, and several people click at once at one connection.
    Rush(Click),
    /// An admin brings all older invoices of a connection's workspace into the ledger.
    Backfill(usize),
    /// Somebody has the books compared.
    Drift(usize),
    /// Somebody says whose values stay, where a comparison found others.
    Keep(Click, Side),
    /// A workspace changes its plan.
    Plan(usize, Plan),
}

/// Whose values stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// CoPortal's.
    Ours,
    /// The ledger's.
    Theirs,
}

/// Faults in a thousand calls, by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rates {
    /// Of calls to AWS.
    pub aws: u64,
    /// Of calls to vendors.
    pub vendor: u64,
}

impl Rates {
    /// Nothing goes wrong.
    pub const NONE: Self = Self { aws: 0, vendor: 0 };

    /// Whether nothing can go wrong.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }
}

/// Whose calls of a step may go wrong. A process that AWS lets down dies before it comes to its vendor: each side is let down alone as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Faulty {
    /// Nobody's.
    None,
    /// AWS's.
    Aws,
    /// The vendors'.
    Vendor,
    /// Both.
    Both,
}

impl Faulty {
    /// The rates of a history, as far as they are this step's.
    #[must_use]
    pub fn of(self, rates: Rates) -> Rates {
        match self {
            Self::None => Rates::NONE,
            Self::Aws => Rates { vendor: 0, ..rates },
            Self::Vendor => Rates { aws: 0, ..rates },
            Self::Both => rates,
        }
    }
}

/// A step with what its faults are drawn from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What the faults, delays and turns of this step follow from.
    pub salt: u64,
    /// Whose calls of this step may go wrong.
    pub faulty: Faulty,
    /// What happens.
    pub op: Op,
}

/// A history.
#[derive(Debug, Clone, Serialize)]
pub struct History {
    /// The seed that everything was drawn from.
    pub seed: u64,
    /// Faults in a thousand calls of a faulty step, 50 to 300 on each side.
    pub rates: Rates,
    /// The connections: workspace, ledger, and whether auto-sync is on from the beginning.
    pub connections: Vec<(usize, Ledger, bool)>,
    /// What is broken on the wire on purpose, if anything is.
    pub plant: Option<Plant>,
    /// The steps.
    pub steps: Vec<Step>,
}

impl History {
    /// The history of a seed.
    #[must_use]
    pub fn drawn(seed: u64, plant: Option<Plant>) -> Self {
        let mut dice = Dice::new(seed ^ 0x5E_ED0F_C4A0_5000);
        let first = dice.place(Ledger::ALL.len());
        let second = (first + 1 + dice.place(Ledger::ALL.len() - 1)) % Ledger::ALL.len();
        let third = dice.place(Ledger::ALL.len());
        let ledger = |place: usize| Ledger::ALL.get(place).copied().unwrap_or(Ledger::Xero);
        let connections =
            vec![(0, ledger(first), dice.chance(700)), (0, ledger(second), dice.chance(700)), (1, ledger(third), dice.chance(700))];
        let rates = Rates { aws: 50 + dice.roll(251), vendor: 50 + dice.roll(251) };
        let count = FEWEST + dice.roll(MORE);
        let steps = (0..count).map(|_| step(&mut dice, connections.len())).collect();
        Self { seed, rates, connections, plant, steps }
    }
}

/// A kind of step, by how often it is drawn.
#[derive(Clone, Copy)]
enum Kind {
    Edit,
    Send,
    Pay,
    Void,
    Invoice,
    Click,
    Approve,
    Answer,
    Stranger,
    Toggle,
    Bulk,
    Together,
    Sweep,
    Work,
    Wait,
    Bookkeeper,
    Import,
    Disconnect,
    Reconnect,
    Move,
    Rush,
    Backfill,
    Drift,
    Keep,
    Plan,
}

const KINDS: [(u64, Kind); 25] = [
    (130, Kind::Edit),
    (40, Kind::Send),
    (40, Kind::Pay),
    (25, Kind::Void),
    (20, Kind::Invoice),
    (280, Kind::Click),
    (40, Kind::Approve),
    (70, Kind::Answer),
    (10, Kind::Stranger),
    (70, Kind::Toggle),
    (40, Kind::Bulk),
    (60, Kind::Together),
    (50, Kind::Sweep),
    (110, Kind::Work),
    (110, Kind::Wait),
    (45, Kind::Bookkeeper),
    (12, Kind::Import),
    (10, Kind::Disconnect),
    (25, Kind::Reconnect),
    (5, Kind::Move),
    (10, Kind::Rush),
    (8, Kind::Backfill),
    (10, Kind::Drift),
    (10, Kind::Keep),
    (8, Kind::Plan),
];

fn step(dice: &mut Dice, connections: usize) -> Step {
    let kind = dice.weighed(&KINDS).unwrap_or(Kind::Click);
    let sides = [(300, Faulty::Both), (350, Faulty::Vendor), (150, Faulty::Aws), (200, Faulty::None)];
    let (salt, faulty) = (dice.draw(), dice.weighed(&sides).unwrap_or(Faulty::Both));
    Step { salt, faulty, op: op(dice, kind, connections) }
}

fn op(dice: &mut Dice, kind: Kind, connections: usize) -> Op {
    let invoice = dice.place(INVOICES + 3);
    let click = Click { invoice, link: dice.place(2) };
    let cents = 1 + u32::try_from(dice.roll(50_000)).unwrap_or_default();
    match kind {
        Kind::Edit => Op::Edit(
            invoice,
            match dice.roll(4) {
                0 => Edit::Text(cents),
                1 => Edit::Line(cents),
                2 => Edit::Due(cents % 60),
                _ => Edit::Price(cents),
            },
        ),
        Kind::Send => Op::Send(invoice),
        Kind::Pay => Op::Pay(invoice, cents),
        Kind::Void => Op::Void(invoice),
        Kind::Invoice => Op::Invoice(dice.place(WORKSPACES)),
        Kind::Click => Op::Click(click),
        Kind::Approve => Op::Approve(click),
        Kind::Answer => Op::Answer(click, dice.place(6)),
        Kind::Stranger => Op::Stranger(click),
        Kind::Toggle => {
            let on = dice.chance(500);
            let toggle = match dice.roll(4) {
                0 => Toggle::Draft(on),
                1 => Toggle::AutoSync(on),
                2 => Toggle::Payments(on),
                _ => Toggle::OnVoid(u8::try_from(dice.roll(3)).unwrap_or_default()),
            };
            Op::Toggle(dice.place(connections), toggle)
        }
        Kind::Bulk => Op::Bulk(dice.place(connections)),
        Kind::Together => {
            let workers = 2 + dice.place(7);
            // Half of them at one invoice: the button, auto-sync and a bulk run meet there.
            let one = |dice: &mut Dice| if dice.chance(500) { click } else { Click { invoice: dice.place(INVOICES), link: dice.place(2) } };
            Op::Together((0..workers).map(|_| one(dice)).collect())
        }
        Kind::Sweep => Op::Sweep,
        Kind::Work => Op::Work(2 + dice.place(7)),
        Kind::Wait => {
            let spans = [(40, 7), (30, 31), (20, 130), (12, 700), (6, 3_700), (3, 30_000), (2, 100_000)];
            let span = dice.weighed(&spans).unwrap_or(31);
            Op::Wait(u32::try_from(1 + dice.roll(span)).unwrap_or(1))
        }
        Kind::Bookkeeper => {
            let work = [(3, Work::Approve), (3, Work::PayInPart), (2, Work::Void), (3, Work::Describe), (3, Work::DueDate)];
            Op::Bookkeeper(click, dice.weighed(&work).unwrap_or(Work::DueDate))
        }
        Kind::Import => Op::Import(dice.place(connections)),
        Kind::Disconnect => Op::Disconnect(dice.place(connections)),
        Kind::Reconnect => Op::Reconnect(dice.place(connections)),
        Kind::Move => Op::Move(dice.place(connections)),
        Kind::Rush => Op::Rush(click),
        Kind::Backfill => Op::Backfill(dice.place(connections)),
        Kind::Drift => Op::Drift(dice.place(connections)),
        Kind::Keep => Op::Keep(click, if dice.chance(500) { Side::Ours } else { Side::Theirs }),
        Kind::Plan => {
            let plans = [(1, Plan::Solo), (1, Plan::Studio), (1, Plan::Agency), (3, Plan::Enterprise)];
            Op::Plan(dice.place(WORKSPACES), dice.weighed(&plans).unwrap_or(Plan::Enterprise))
        }
    }
}
