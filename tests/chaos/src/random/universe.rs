//! Two workspaces, three connections, four clients and their invoices: what a history happens to.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, anyhow};
use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep, Sleep};
use coportal_aws::cloud::{CloudConfig, CloudCredentials, Endpoints};
use coportal_aws::queues::QueueUrls;
use coportal_core::client::Client;
use coportal_core::connection::{Connection, Generation};
use coportal_core::ctx::{Ctx, Random};
use coportal_core::id::{BackfillId, ClientId, InvoiceId, LineId, UserId, WorkspaceId};
use coportal_core::invoice::{Invoice, InvoiceStatus, LineItem, TaxMode};
use coportal_core::ledger::Ledger;
use coportal_core::secret::Secret;
use coportal_core::workspace::{Member, Plan, Role, TaxRounding, Workspace};
use coportal_engine::{Engine, LedgerSettings, Settings};
use coportal_ledgers::{Endpoints as LedgerEndpoints, Ledgers};
use coportal_local::assembly::{LocalCloud, TABLE_NAME};
use coportal_local::doubles::sqs::{self, Sqs};
use jiff::civil::date;
use jiff::{SignedDuration, ToSpan as _};
use rust_decimal::Decimal;
use simulators::Clock;
use simulators::skeleton::config::Config;
use simulators::skeleton::limits::LimitsChange;
use simulators::skeleton::simulator::AnyLedger;
use simulators::skeleton::state::Seed;
use url::Url;
use uuid::Uuid;

use super::budget::Flights;
use super::fault::Tally;
use super::grants::{Consent, Grants};
use super::heard::Heard;
use super::history::{History, INVOICES, Rates, WORKSPACES};
use super::imports::strangers;
use super::line::{Called, Line, Street};
use super::plans::Barred;
use super::plant::Plant;
use crate::world::{BEGINNING, CLIENT_ID, CLIENT_SECRET, ORIGIN, Seeded, WorldClock, simulator, written};

/// The organisation that a connection begins with.
pub(super) fn first(ledger: Ledger) -> &'static str {
    match ledger {
        Ledger::Xero | Ledger::Quickbooks | Ledger::BusinessCentral => "Harbour & Hill Ltd",
        Ledger::Sage => "Harbour & Lane Ltd",
    }
}

/// The queue of what somebody waits for, and of batches.
pub(super) const NOW: &str = "SyncNow";
pub(super) const BULK: &str = "SyncBulk";
/// Keeps the product's draws apart from the simulators': an id that is equal to a token would look like a leak (I12).
const OF_THE_PRODUCT: u64 = 0xC0B0_27A1_5EED_0000;
/// Clients of a workspace.
const CLIENTS: usize = 2;

/// A workspace.
pub(super) struct Space {
    /// As its people last wrote it.
    pub(super) workspace: Workspace,
    pub(super) user: UserId,
    pub(super) clients: Vec<(ClientId, String)>,
}

/// An invoice.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) space: usize,
    pub(super) id: InvoiceId,
    pub(super) number: String,
    /// The step of its newest event that auto-sync hears of (sent, paid), and its version then.
    pub(super) event: Option<(u64, u64)>,
}

/// A connection, and what the checker has to know of its past.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) space: usize,
    pub(super) ledger: Ledger,
    /// Organisations that it was ever connected to.
    pub(super) organisations: BTreeSet<String>,
    /// Whether payments were ever pushed.
    pub(super) pushed_payments: bool,
    /// Since which step auto-sync has been on for the organisation that it is connected to, without a break. A grant that dies is no break.
    pub(super) auto_since: Option<u64>,
    /// Its newest consent.
    pub(super) consent: Option<Consent>,
    /// The generation of that.
    pub(super) generation: Option<Generation>,
}

/// What people did that the checker must not take for a fault.
#[derive(Debug, Default)]
pub(super) struct Excused {
    /// Documents that a bookkeeper touched, by ledger and id.
    pub(super) touched: BTreeSet<(Ledger, String)>,
    /// Invoices that somebody answered a question of, by ledger: what stands there may be their choice.
    pub(super) answered: BTreeSet<(InvoiceId, Ledger)>,
}

/// Everything.
pub(super) struct Universe {
    pub(super) clock: Clock,
    cloud: LocalCloud,
    street: Street,
    pub(super) ledgers: Arc<BTreeMap<Ledger, Arc<dyn AnyLedger>>>,
    pub(super) spaces: Vec<Space>,
    pub(super) links: Vec<Link>,
    pub(super) invoices: Vec<Known>,
    /// Invoices as their users last wrote them.
    newest: HashMap<InvoiceId, Invoice>,
    pub(super) excused: Excused,
    /// Invoices, by ledger, of which a click at rest found nothing to do.
    pub(super) unchanged: BTreeSet<(InvoiceId, Ledger)>,
    /// Payments that a bookkeeper recorded, by ledger and id. All others are ours: nobody else writes any in a history.
    pub(super) their_payments: BTreeSet<(Ledger, String)>,
    /// Consents that ended with a disconnect, each with the newest process of that time: no later one may call the ledger with their tokens.
    pub(super) silent: Vec<(Ledger, Consent, u64)>,
    /// Contacts that were ticked in an import which came to its end, by workspace and name.
    pub(super) imported: BTreeSet<(usize, String)>,
    pub(super) quiet: Engine,
    pub(super) random: Arc<Seeded>,
    pub(super) lines: u64,
    /// Which step is being done, from 1.
    pub(super) step: u64,
    pub(super) plant: Option<Plant>,
    pub(super) seed: u64,
    /// Bodies that are no message and were put into the queues.
    pub(super) poisoned: u64,
    /// Backfills that were begun.
    pub(super) backfills: Vec<(usize, BackfillId)>,
    /// Consents that their workspace's plan does not include, or did not: what lies between these processes calls nothing with them (R146).
    pub(super) barred: Vec<Barred>,
    /// Processes of disconnects: they give a grant back on any plan.
    pub(super) leaving: BTreeSet<u64>,
}

/// Waits of the SDK in whole seconds: its jitter would otherwise decide who goes first.
#[derive(Debug)]
struct Even;

impl AsyncSleep for Even {
    fn sleep(&self, duration: std::time::Duration) -> Sleep {
        let whole = std::time::Duration::from_secs(duration.as_secs() + u64::from(duration.subsec_nanos() > 0));
        Sleep::new(tokio::time::sleep(whole))
    }
}

fn id(seed: u64, n: u128) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | (u128::from(seed & 0xFFFF_FFFF) << 16) | n)
}

impl Universe {
    /// A connected universe.
    ///
    /// # Errors
    /// When it cannot be built: a defect of the harness or of connecting.
    pub(super) async fn open(history: &History, heard: Heard, tally: Arc<Mutex<Tally>>) -> Result<Self> {
        let clock = Clock::fixed(BEGINNING.parse().context("the beginning")?);
        let cloud = LocalCloud::open(ORIGIN, None, clock.clone())?;
        // A history hands on itself what the stream would.
        cloud.cloud.table().stop_stream()?;
        let mut ledgers: BTreeMap<Ledger, Arc<dyn AnyLedger>> = BTreeMap::new();
        for (_, ledger, _) in &history.connections {
            cloud.cloud.ssm().put_text(&client_id(*ledger), CLIENT_ID);
            cloud.cloud.ssm().put_secure(&client_secret(*ledger), CLIENT_SECRET);
            // A seed of its own for each vendor: of one seed, the one's id would be the other's token.
            let place = u64::try_from(ledgers.len())?;
            ledgers.entry(*ledger).or_insert_with(|| {
                let config = Config {
                    clock: clock.clone(),
                    client_id: CLIENT_ID.to_owned(),
                    client_secret: CLIENT_SECRET.to_owned(),
                    redirect_uris: vec![redirect_uri(*ledger)],
                    seed: history.seed ^ (place << 56),
                };
                simulator(*ledger, config)
            });
        }
        for (ledger, simulator) in &ledgers {
            // I7: what others wrote there is theirs.
            let theirs: Seed = serde_json::from_value(serde_json::json!({
                "contacts": strangers(*ledger).into_iter().map(|(name, email)| serde_json::json!({ "name": name, "email": email })).collect::<Vec<_>>(),
                "documents": [{ "status": "approved", "lines": [{ "description": "By hand", "quantity": "1", "unit_price": "100" }] }],
            }))?;
            simulator.seed(&theirs).map_err(|refused| anyhow!("{refused:?}"))?;
            // The scripted faults are this harness's to post; the vendor's own limits have a suite of their own.
            let many = Some(1_000_000);
            simulator.change_limits(LimitsChange { minute: many, day: many, app_minute: many, ..LimitsChange::default() });
        }
        let ledgers = Arc::new(ledgers);
        let street = Street {
            clock: clock.clone(),
            cloud: cloud.cloud.clone(),
            ledgers: Arc::clone(&ledgers),
            tally,
            called: Arc::default(),
            plant: history.plant,
            heard,
            flights: Flights::default(),
            grants: Grants::default(),
        };
        let quiet = assembled(&cloud, &Line::new(street.clone(), 0, history.seed, Rates::NONE, false), &ledgers)?;
        let mut universe = Self {
            clock,
            cloud,
            street,
            ledgers,
            spaces: Vec::new(),
            links: Vec::new(),
            invoices: Vec::new(),
            newest: HashMap::new(),
            excused: Excused::default(),
            unchanged: BTreeSet::new(),
            their_payments: BTreeSet::new(),
            silent: Vec::new(),
            imported: BTreeSet::new(),
            quiet,
            random: Arc::new(Seeded(Mutex::new(history.seed ^ OF_THE_PRODUCT))),
            lines: 0,
            step: 0,
            plant: history.plant,
            seed: history.seed,
            poisoned: 0,
            backfills: Vec::new(),
            barred: Vec::new(),
            leaving: BTreeSet::new(),
        };
        universe.people().await?;
        for (space, ledger, auto) in &history.connections {
            let link = Link {
                space: *space,
                ledger: *ledger,
                organisations: BTreeSet::new(),
                pushed_payments: false,
                auto_since: None,
                consent: None,
                generation: None,
            };
            universe.links.push(link);
            let place = universe.links.len() - 1;
            universe.found(place, first(*ledger), *auto).await?;
        }
        // The ledgers were asked beside the product's meters: no minute may hold these calls and a step's.
        universe.clock.advance(SignedDuration::from_mins(1));
        Ok(universe)
    }

    async fn people(&mut self) -> Result<()> {
        for space in 0..WORKSPACES {
            let n = u128::try_from(space)? + 1;
            let workspace = Workspace {
                id: WorkspaceId::new(id(self.seed, n)),
                name: format!("Studio {n}"),
                plan: Plan::Enterprise,
                currency: "GBP".parse()?,
                country: "GB".to_owned(),
                tax_rounding: TaxRounding::Line,
                default_tax_rate: None,
            };
            let ctx = self.ctx();
            let _ = self.quiet.store.put_workspace(&ctx, &workspace).await?;
            let made = Space { workspace, user: "usr_chaos".parse()?, clients: Vec::new() };
            let owner = Member { user: made.user.clone(), role: Role::Owner, teams: Vec::new(), active: true };
            let _ = self.quiet.store.put_member(&ctx, made.workspace.id, &owner).await?;
            self.spaces.push(made);
            for number in 0..CLIENTS {
                self.client(space, number).await?;
            }
        }
        for number in 0..INVOICES {
            // Most are sent, some are drafts that somebody has yet to send.
            let status = if number % 5 == 4 { InvoiceStatus::Draft } else { InvoiceStatus::Sent };
            self.invoice(number % WORKSPACES, status).await?;
        }
        Ok(())
    }

    async fn client(&mut self, space: usize, number: usize) -> Result<()> {
        let n = u128::try_from(100 + space * 10 + number)?;
        let name = format!("Client {}-{}", space + 1, number + 1);
        let client = Client {
            id: ClientId::new(id(self.seed, n)),
            name: name.clone(),
            email: format!("accounts{n}@client.example"),
            company: None,
            phone: None,
            billing_address: None,
            notes: None,
            archived: false,
        };
        let ctx = self.ctx();
        let space = self.spaces.get_mut(space).context("a workspace")?;
        let _ = self.quiet.store.create_client(&ctx, space.workspace.id, &client, None).await?;
        space.clients.push((client.id, name));
        Ok(())
    }

    /// A user makes an invoice.
    pub(super) async fn invoice(&mut self, space: usize, status: InvoiceStatus) -> Result<()> {
        let place = self.invoices.len();
        let client = (place / WORKSPACES) % CLIENTS;
        let line = |n: u128, text: &str, quantity: i64, price: Decimal| -> Result<LineItem> {
            Ok(LineItem {
                id: LineId::new(Uuid::from_u128(n)),
                description: text.to_owned(),
                quantity: Decimal::from(quantity),
                unit_price: price,
                tax_rate: Some(Decimal::from(20).try_into()?),
                discount_percent: None,
            })
        };
        let number = format!("INV-{}-{place:04}", space + 1);
        let at = self.spaces.get(space).context("a workspace")?;
        let (client_id, _) = at.clients.get(client).context("a client")?;
        let invoice = Invoice {
            id: InvoiceId::new(id(self.seed, 1_000 + u128::try_from(place)?)),
            number: number.clone(),
            client_id: *client_id,
            currency: "GBP".parse()?,
            issue_date: date(2026, 3, 1),
            due_date: Some(date(2026, 3, 31)),
            status,
            tax_mode: TaxMode::Exclusive,
            lines: vec![line(1, "Brand workshop", 2, Decimal::new(48_050, 2))?, line(2, "Logo", 1, Decimal::new(120_099, 2))?],
            payments: Vec::new(),
            version: 1,
            created_at: self.clock.now(),
        };
        let _ = self.quiet.store.create_invoice(&self.ctx(), at.workspace.id, written(&invoice), None).await?;
        self.invoices.push(Known { space, id: invoice.id, number, event: None });
        self.newest.insert(invoice.id, invoice);
        Ok(())
    }

    /// A user changes an invoice; answers what is stored then, if anything is another than before. It is not read for that: nobody but users
    /// writes what an invoice says, and a save over anything else is refused.
    pub(super) async fn edit(&mut self, known: &Known, change: impl FnOnce(&mut Invoice)) -> Result<Option<Invoice>> {
        let at = self.space(known.space)?;
        let before = self.newest.get(&known.id).context("the invoice is there")?;
        let mut after = before.clone();
        change(&mut after);
        if after == *before {
            return Ok(None);
        }
        after.version = before.version + 1;
        let _ = self.quiet.store.save_invoice(&self.ctx(), at.workspace.id, before, written(&after), None).await?;
        self.newest.insert(known.id, after.clone());
        Ok(Some(after))
    }

    pub(super) fn space(&self, space: usize) -> Result<&Space> {
        self.spaces.get(space).context("a workspace")
    }

    pub(super) fn link(&self, link: usize) -> Result<&Link> {
        self.links.get(link).context("a connection")
    }

    /// The present generation of a connection: its newest consent's, since nothing else in a history gives it another.
    pub(super) fn generation(&self, link: usize) -> Result<Generation> {
        self.link(link)?.generation.context("it was connected")
    }

    pub(super) fn ledger(&self, ledger: Ledger) -> Result<&Arc<dyn AnyLedger>> {
        self.ledgers.get(&ledger).context("a ledger of this universe")
    }

    /// The connections of a workspace, by their places.
    pub(super) fn links_of(&self, space: usize) -> Vec<usize> {
        self.links.iter().enumerate().filter(|(_, link)| link.space == space).map(|(place, _)| place).collect()
    }

    /// A connection as it is stored.
    pub(super) async fn connection(&self, link: usize) -> Result<Connection> {
        let link = self.link(link)?;
        let stored = self.quiet.store.connection(self.space(link.space)?.workspace.id, link.ledger).await?;
        Ok(stored.context("it was connected")?.value)
    }

    /// A context as an HTTP function has it.
    pub(super) fn ctx(&self) -> Ctx {
        Ctx::new(Arc::new(WorldClock(self.clock.clone())), Arc::clone(&self.random) as Arc<dyn Random>, SignedDuration::from_secs(24))
    }

    /// A fresh process: nothing is cached, everything goes over its line.
    pub(super) fn process(&mut self, salt: u64, rates: Rates, turns: bool) -> Result<(Engine, Line)> {
        self.lines += 1;
        let line = Line::new(self.street.clone(), self.lines, salt, rates, turns);
        Ok((assembled(&self.cloud, &line, &self.ledgers)?, line))
    }

    /// The queues.
    pub(super) fn queues(&self) -> &Sqs {
        self.cloud.cloud.sqs()
    }

    /// Looks at the counts so far.
    pub(super) fn with_tally<T>(&self, look: impl FnOnce(&Tally) -> T) -> T {
        look(&self.street.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the product said.
    pub(super) fn heard(&self) -> &Heard {
        &self.street.heard
    }

    /// How many calls were in flight at an organisation at once.
    pub(super) fn flights(&self) -> &Flights {
        &self.street.flights
    }

    /// Looks at the vendor calls so far.
    pub(super) fn with_called<T>(&self, look: impl FnOnce(&[Called]) -> T) -> T {
        look(&self.street.called.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many calls to vendors there were so far.
    pub(super) fn calls(&self) -> usize {
        self.with_called(<[Called]>::len)
    }

    /// Whose tokens are whose.
    pub(super) fn grants(&self) -> &Grants {
        &self.street.grants
    }

    /// The issue date plus so many days, as a due date.
    pub(super) fn due_in(days: u32) -> Option<jiff::civil::Date> {
        date(2026, 3, 1).checked_add(i64::from(days).days()).ok()
    }
}

/// Where a ledger's consent leads back to.
pub(super) fn redirect_uri(ledger: Ledger) -> String {
    format!("{ORIGIN}/v1/oauth/{ledger}/callback")
}

fn client_id(ledger: Ledger) -> String {
    format!("/coportal/{ledger}/client-id")
}

fn client_secret(ledger: Ledger) -> String {
    format!("/coportal/{ledger}/client-secret")
}

/// The product, put together over one line.
fn assembled(cloud: &LocalCloud, line: &Line, ledgers: &BTreeMap<Ledger, Arc<dyn AnyLedger>>) -> Result<Engine> {
    let config = CloudConfig {
        region: "eu-west-1".to_owned(),
        table: TABLE_NAME.to_owned(),
        token_key: cloud.cloud.kms().arn("TokenKey").context("the template has a TokenKey")?,
        endpoints: Endpoints::all("https://aws.test"),
        queues: QueueUrls { now: Some(sqs::url(NOW)), bulk: Some(sqs::url(BULK)) },
        credentials: CloudCredentials {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: Secret::new("chaos".to_owned()),
            session_token: None,
        },
        http_client: Some(line.aws()),
        sleep: Some(SharedAsyncSleep::new(Even)),
        time_source: None,
    };
    let connected = config.connect();
    let mut endpoints = LedgerEndpoints::default();
    let mut settings = Settings { public_url: ORIGIN.to_owned(), app_url: ORIGIN.to_owned(), ledgers: BTreeMap::new() };
    for ledger in ledgers.keys() {
        endpoints.simulate(*ledger, &Url::parse(&format!("https://{ledger}.test"))?);
        let parameters =
            LedgerSettings { client_id_parameter: client_id(*ledger), client_secret_parameter: client_secret(*ledger), available: true };
        settings.ledgers.insert(*ledger, parameters);
    }
    Ok(Engine {
        store: connected.store,
        vault: connected.vault,
        queues: connected.queues,
        parameters: connected.parameters,
        ledgers: Ledgers::new(Arc::new(line.clone()), endpoints),
        settings: Arc::new(settings),
    })
}
