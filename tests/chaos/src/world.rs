//! One workspace, one ledger, one client, one invoice: the smallest world in which a document could be made twice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::{Context as _, Result, anyhow, bail};
use bytes::Bytes;
use coportal_aws::cloud::{CloudConfig, CloudCredentials, Endpoints};
use coportal_aws::queues::QueueUrls;
use coportal_aws::records::contacts::{ContactClaim, ContactKey, ContactStored};
use coportal_aws::records::invoices::Written;
use coportal_core::client::Client;
use coportal_core::contact::ContactLink;
use coportal_core::ctx::{Ctx, Random};
use coportal_core::id::{ClientId, InvoiceId, LineId, UserId, WorkspaceId};
use coportal_core::invoice::{Invoice, InvoiceStatus, LineItem, TaxMode};
use coportal_core::ledger::Ledger;
use coportal_core::money::Money;
use coportal_core::problem::Outcome;
use coportal_core::secret::Secret;
use coportal_core::sync::row::{ContactRow, SyncState};
use coportal_core::timeline::Actor;
use coportal_core::workspace::{Member, Plan, Role, TaxRounding, Workspace};
use coportal_engine::connect::{CallbackQuery, ReturnPath};
use coportal_engine::sync::{SyncEnd, SyncRequest};
use coportal_engine::{Engine, LedgerSettings, Settings};
use coportal_ledgers::profile::{Limits, Profile};
use coportal_ledgers::{Endpoints as LedgerEndpoints, LedgerApi, Ledgers};
use coportal_local::assembly::{LocalCloud, TABLE_NAME};
use coportal_local::doubles::sqs;
use jiff::civil::date;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use simulators::Clock;
use simulators::skeleton::config::Config;
use simulators::skeleton::consent::Consent;
use simulators::skeleton::simulator::AnyLedger;
use simulators::skeleton::state::{Seed, State};
use url::Url;
use uuid::Uuid;

use crate::wire::{VendorSide, Wire, aws_client};

pub(crate) const CLIENT_ID: &str = "chaos-client";
pub(crate) const CLIENT_SECRET: &str = "chaos-secret";
pub(crate) const ORIGIN: &str = "https://coportal.test";
const VENDOR: &str = "https://ledger.test";
/// Every world begins at this instant.
pub(crate) const BEGINNING: &str = "2026-03-02T09:00:00Z";

/// The product's clock is the harness's.
pub(crate) struct WorldClock(pub(crate) Clock);

impl coportal_core::ctx::Clock for WorldClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

/// A seeded source, so that a world replays exactly (SplitMix64; nothing here needs to be unguessable).
pub(crate) struct Seeded(pub(crate) Mutex<u64>);

impl Random for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in bytes.chunks_mut(8) {
            *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = *state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            let drawn = (mixed ^ (mixed >> 31)).to_be_bytes();
            let length = chunk.len();
            chunk.copy_from_slice(drawn.get(..length).unwrap_or_default());
        }
    }
}

fn client_id_parameter(ledger: Ledger) -> String {
    format!("/coportal/{ledger}/client-id")
}

fn client_secret_parameter(ledger: Ledger) -> String {
    format!("/coportal/{ledger}/client-secret")
}

/// The ledgers with wide limits: this world's clock stands still between clicks, and no minute would ever pass. What limits do is tested
/// where the clock moves.
fn unhurried(ledgers: &Ledgers) -> Result<Ledgers> {
    static WIDE: OnceLock<Vec<Profile>> = OnceLock::new();
    let known: Vec<LedgerApi> = Ledger::ALL.into_iter().filter_map(|ledger| ledgers.get(ledger).cloned()).collect();
    let wide = WIDE.get_or_init(|| {
        let limits = |profile: &Profile| Limits { per_minute: 100_000, burst: 50_000, ..profile.limits };
        known.iter().map(|api| Profile { limits: limits(api.profile), ..*api.profile }).collect()
    });
    let profile = |ledger| wide.iter().find(|profile| profile.ledger == ledger).context("a profile for each ledger");
    let apis: Result<Vec<LedgerApi>> = known.into_iter().map(|api| Ok(LedgerApi { profile: profile(api.rules.ledger)?, ..api })).collect();
    Ok(Ledgers::of(apis?))
}

pub(crate) fn simulator(ledger: Ledger, config: Config) -> Arc<dyn AnyLedger> {
    match ledger {
        Ledger::Xero => Arc::new(simulators::xero::Simulator::new(config)),
        Ledger::Quickbooks => Arc::new(simulators::quickbooks::Simulator::new(config)),
        Ledger::Sage => Arc::new(simulators::sage::Simulator::new(config)),
        Ledger::BusinessCentral => Arc::new(simulators::business_central::Simulator::new(config)),
    }
}

/// The world. It outlives the processes that die in it.
pub struct World {
    /// Counts calls and strikes.
    pub wire: Wire,
    /// Which ledger it is connected to.
    pub ledger: Ledger,
    /// The vendor.
    pub simulator: Arc<dyn AnyLedger>,
    /// The clock of everything.
    pub clock: Clock,
    /// Table, keys, parameters.
    pub cloud: LocalCloud,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The client.
    pub client: ClientId,
    /// The invoice's id.
    pub invoice_id: InvoiceId,
    /// Who clicks.
    pub user: UserId,
    random: Arc<Seeded>,
}

/// What a sync came to.
#[derive(Debug)]
pub enum Run {
    /// It ended.
    Ended(Box<Outcome<SyncEnd>>),
    /// The process died.
    Died,
}

impl World {
    /// A world that is connected to Xero.
    ///
    /// # Errors
    /// As [`World::of`].
    pub async fn new(seed: u64) -> Result<Self> {
        Self::of(Ledger::Xero, seed).await
    }

    /// A connected world with a sent invoice that was never synced, and facts and tokens as connecting leaves them.
    ///
    /// # Errors
    /// When the world cannot be built: a defect of the harness or of connecting.
    pub async fn of(ledger: Ledger, seed: u64) -> Result<Self> {
        let clock = Clock::fixed(BEGINNING.parse().context("the beginning")?);
        let cloud = LocalCloud::open(ORIGIN, None, clock.clone())?;
        // The tests hand on themselves what the stream would.
        cloud.cloud.table().stop_stream()?;
        cloud.cloud.ssm().put_text(&client_id_parameter(ledger), CLIENT_ID);
        cloud.cloud.ssm().put_secure(&client_secret_parameter(ledger), CLIENT_SECRET);
        let config = Config {
            clock: clock.clone(),
            client_id: CLIENT_ID.to_owned(),
            client_secret: CLIENT_SECRET.to_owned(),
            redirect_uris: vec![format!("{ORIGIN}/v1/oauth/{ledger}/callback")],
            seed,
        };
        let simulator = simulator(ledger, config);
        let random = Arc::new(Seeded(Mutex::new(seed)));
        let id = |n: u128| Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | (u128::from(seed) << 16) | n);
        let world = Self {
            wire: Wire::default(),
            ledger,
            simulator,
            clock,
            cloud,
            workspace: WorkspaceId::new(id(1)),
            client: ClientId::new(id(2)),
            invoice_id: InvoiceId::new(id(3)),
            user: "usr_chaos".parse()?,
            random,
        };
        world.seed().await?;
        world.connect().await?;
        world.wire.disarm();
        Ok(world)
    }

    /// Another workspace of the same cloud and the same vendor, connected to an organisation of its own; it shares clock and wire.
    ///
    /// # Errors
    /// As [`World::of`].
    pub async fn beside(&self, n: u128) -> Result<Self> {
        let name = format!("Books {n}");
        let sales = serde_json::json!({ "Code": "200", "Name": "Sales", "Type": "REVENUE", "Class": "REVENUE", "TaxType": "OUTPUT2" });
        let rate =
            serde_json::json!({ "Name": "20% (VAT on Income)", "TaxType": "OUTPUT2", "EffectiveRate": "20", "CanApplyToRevenue": true });
        let seed = serde_json::json!({ "organisations": [{
            "name": name, "country": "GB", "currency": "GBP", "accounts": [sales], "tax_rates": [rate],
        }] });
        self.simulator.seed(&serde_json::from_value(seed)?).map_err(|refused| anyhow!("{refused:?}"))?;
        let id = |m: u128| Uuid::from_u128(0x0190_0000_0000_7000_b000_0000_0000_0000 | (n << 16) | m);
        let world = Self {
            wire: self.wire.clone(),
            ledger: self.ledger,
            simulator: Arc::clone(&self.simulator),
            clock: self.clock.clone(),
            cloud: self.cloud.clone(),
            workspace: WorkspaceId::new(id(1)),
            client: ClientId::new(id(2)),
            invoice_id: InvoiceId::new(id(3)),
            user: self.user.clone(),
            random: Arc::clone(&self.random),
        };
        world.seed().await?;
        self.simulator.set_consent(Consent::approve_only(&[&name])).map_err(|refused| anyhow!("{refused:?}"))?;
        let (engine, ctx) = (world.process()?, world.ctx());
        world.consent(&engine, &ctx, &world.workspace_record()?).await?;
        Ok(world)
    }

    async fn seed(&self) -> Result<()> {
        let (engine, ctx) = (self.process()?, self.ctx());
        let workspace = self.workspace_record()?;
        let _ = engine.store.put_workspace(&ctx, &workspace).await?;
        let owner = Member { user: self.user.clone(), role: Role::Owner, teams: Vec::new(), active: true };
        let _ = engine.store.put_member(&ctx, self.workspace, &owner).await?;
        self.put_client(&engine, &ctx).await?;
        self.put_invoice(&engine, &ctx).await
    }

    fn workspace_record(&self) -> Result<Workspace> {
        Ok(Workspace {
            id: self.workspace,
            name: "Studio".to_owned(),
            plan: Plan::Enterprise,
            currency: "GBP".parse()?,
            country: "GB".to_owned(),
            tax_rounding: TaxRounding::Line,
            default_tax_rate: None,
        })
    }

    async fn put_client(&self, engine: &Engine, ctx: &Ctx) -> Result<()> {
        let client = Client {
            id: self.client,
            name: "Rosewood & Vale".to_owned(),
            email: "accounts@rosewood.example".to_owned(),
            company: None,
            phone: Some("+44 20 5550 0101".to_owned()),
            billing_address: None,
            notes: None,
            archived: false,
        };
        let _ = engine.store.create_client(ctx, self.workspace, &client, None).await?;
        Ok(())
    }

    async fn put_invoice(&self, engine: &Engine, ctx: &Ctx) -> Result<()> {
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
        let invoice = Invoice {
            id: self.invoice_id,
            number: "INV-0001".to_owned(),
            client_id: self.client,
            currency: "GBP".parse()?,
            issue_date: date(2026, 3, 1),
            due_date: Some(date(2026, 3, 31)),
            status: InvoiceStatus::Sent,
            tax_mode: TaxMode::Exclusive,
            lines: vec![line(1, "Brand workshop", 2, Decimal::new(48050, 2))?, line(2, "Logo", 1, Decimal::new(120099, 2))?],
            payments: Vec::new(),
            version: 1,
            created_at: self.clock.now(),
        };
        let _ = engine.store.create_invoice(ctx, self.workspace, written(&invoice), None).await?;
        Ok(())
    }

    async fn connect(&self) -> Result<()> {
        self.simulator.set_consent(Consent::approve()).map_err(|refused| anyhow!("{refused:?}"))?;
        let (engine, ctx) = (self.process()?, self.ctx());
        let workspace = self.workspace_record()?;
        self.consent(&engine, &ctx, &workspace).await
    }

    pub(crate) async fn consent(&self, engine: &Engine, ctx: &Ctx, workspace: &Workspace) -> Result<()> {
        let start =
            engine.begin_connect(ctx, workspace, &self.user, self.ledger, ReturnPath::settings()).await.map_err(|p| anyhow!("{p:?}"))?;
        let request = http::Request::get(start.authorize_url.as_str()).body(Bytes::new())?;
        let simulators::Answer::Response(consent) = self.simulator.handle(request).await else { bail!("the consent page did not answer") };
        let location = consent.headers().get("location").context("consent leads back")?.to_str()?;
        let back = Url::parse(location)?;
        let query = CallbackQuery::parse(back.query().unwrap_or_default());
        let end = engine.callback(ctx, self.ledger, query, Some(start.browser)).await.map_err(|p| anyhow!("{p:?}"))?;
        if end.label() != "connected" {
            bail!("connecting ended as {}", end.label());
        }
        Ok(())
    }

    /// A context as an HTTP function has it.
    #[must_use]
    pub fn ctx(&self) -> Ctx {
        Ctx::new(Arc::new(WorldClock(self.clock.clone())), Arc::clone(&self.random) as Arc<dyn Random>, SignedDuration::from_secs(24))
    }

    /// A fresh process: nothing is cached, everything goes over the wire.
    ///
    /// # Errors
    /// When an address of the harness is malformed.
    pub fn process(&self) -> Result<Engine> {
        let engine = self.metered_process()?;
        Ok(Engine { ledgers: unhurried(&engine.ledgers)?, ..engine })
    }

    /// The same with the vendor's own limits: for tests that move the clock.
    ///
    /// # Errors
    /// When an address of the harness is malformed.
    pub fn metered_process(&self) -> Result<Engine> {
        let config = CloudConfig {
            region: "eu-west-1".to_owned(),
            table: TABLE_NAME.to_owned(),
            token_key: self.cloud.cloud.kms().arn("TokenKey").context("the template has a TokenKey")?,
            endpoints: Endpoints::all("https://aws.test"),
            queues: QueueUrls { now: Some(sqs::url("SyncNow")), bulk: Some(sqs::url("SyncBulk")) },
            credentials: CloudCredentials {
                access_key_id: "AKIDEXAMPLE".to_owned(),
                secret_access_key: Secret::new("chaos".to_owned()),
                session_token: None,
            },
            http_client: Some(aws_client(self.wire.clone(), self.cloud.cloud.clone())),
            sleep: None,
            time_source: None,
        };
        let connected = config.connect();
        let transport = VendorSide { wire: self.wire.clone(), simulator: self.simulator.clone() };
        let mut endpoints = LedgerEndpoints::default();
        endpoints.simulate(self.ledger, &Url::parse(VENDOR)?);
        let settings = Settings {
            public_url: ORIGIN.to_owned(),
            app_url: ORIGIN.to_owned(),
            ledgers: BTreeMap::from([(
                self.ledger,
                LedgerSettings {
                    client_id_parameter: client_id_parameter(self.ledger),
                    client_secret_parameter: client_secret_parameter(self.ledger),
                    available: true,
                },
            )]),
        };
        Ok(Engine {
            store: connected.store,
            vault: connected.vault,
            queues: connected.queues,
            parameters: connected.parameters,
            ledgers: Ledgers::new(Arc::new(transport), endpoints),
            settings: Arc::new(settings),
        })
    }

    /// The request of a click.
    #[must_use]
    pub fn request(&self) -> SyncRequest {
        SyncRequest { workspace: self.workspace, invoice: self.invoice_id, ledger: self.ledger, actor: Actor::User(self.user.clone()) }
    }

    /// One click, in a process of its own, which may die.
    ///
    /// # Errors
    /// When the harness is malformed.
    pub async fn click(&self) -> Result<Run> {
        let engine = self.process()?;
        self.click_in(&engine).await
    }

    /// One click in a given process.
    ///
    /// # Errors
    /// When the harness is malformed.
    pub async fn click_in(&self, engine: &Engine) -> Result<Run> {
        let ctx = self.ctx();
        tokio::select! {
            biased;
            () = self.wire.death() => Ok(Run::Died),
            end = Box::pin(engine.sync_invoice(&ctx, self.request())) => Ok(Run::Ended(Box::new(end))),
        }
    }

    /// Approves the draft, in a process of its own, which may die.
    ///
    /// # Errors
    /// When the harness is malformed.
    pub async fn approve(&self) -> Result<Run> {
        let (engine, ctx) = (self.process()?, self.ctx());
        tokio::select! {
            biased;
            () = self.wire.death() => Ok(Run::Died),
            end = Box::pin(engine.approve(&ctx, self.request())) => Ok(Run::Ended(Box::new(end))),
        }
    }

    /// Clicks until the invoice is at rest, moving the clock by what the answers say, as a patient person would. Answers the last end.
    ///
    /// # Errors
    /// When it does not come to rest in 12 clicks.
    pub async fn settle(&self) -> Result<Outcome<SyncEnd>> {
        self.settle_within(12).await
    }

    /// The same with another number of clicks.
    ///
    /// # Errors
    /// When it does not come to rest in so many.
    pub async fn settle_within(&self, clicks: usize) -> Result<Outcome<SyncEnd>> {
        let mut last = String::new();
        for _ in 0..clicks {
            let Run::Ended(end) = self.click().await? else { bail!("a process died although nothing was armed") };
            let until = match end.as_ref() {
                Ok(SyncEnd::InProgress { until }) => Some(*until),
                Ok(SyncEnd::Waiting { due_at, .. }) => *due_at,
                // A call to AWS that failed for good: a person tries again.
                Err(problem) if problem.fix.as_ref().is_some_and(|fix| fix.retry_helps) => Some(self.clock.now()),
                Ok(_) | Err(_) => return Ok(*end),
            };
            last = format!("{end:?}");
            let Some(until) = until else { return Ok(*end) };
            let wait = self.clock.now().duration_until(until) + SignedDuration::from_secs(1);
            self.clock.advance(wait.max(SignedDuration::from_secs(1)));
        }
        bail!("not at rest after {clicks} clicks: {last}")
    }

    /// Changes the invoice as a user would.
    ///
    /// # Errors
    /// When the invoice is not there or cannot be stored.
    pub async fn edit(&self, change: impl FnOnce(&mut Invoice)) -> Result<()> {
        let (engine, ctx) = (self.process()?, self.ctx());
        let before = engine.store.invoice(self.workspace, self.invoice_id).await?.context("the invoice is there")?;
        let mut invoice = before.clone();
        change(&mut invoice);
        invoice.version = before.version + 1;
        let _ = engine.store.save_invoice(&ctx, self.workspace, &before, written(&invoice), None).await?;
        Ok(())
    }

    /// The invoice as it is stored.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn invoice(&self) -> Result<Invoice> {
        self.process()?.store.invoice(self.workspace, self.invoice_id).await?.context("the invoice is there")
    }

    /// Puts the client into the ledger and links it, so that a first sync meets a known contact.
    ///
    /// # Errors
    /// When the link cannot be stored.
    pub async fn link_contact(&self) -> Result<()> {
        let seed: Seed = serde_json::from_value(serde_json::json!({
            "contacts": [{ "name": "Rosewood & Vale", "email": "accounts@rosewood.example" }]
        }))?;
        let seeded = self.simulator.seed(&seed).map_err(|refused| anyhow!("{refused:?}"))?;
        let contact = seeded.contacts.first().context("a contact was seeded")?;
        let (engine, ctx) = (self.process()?, self.ctx());
        let connection = engine.store.connection(self.workspace, self.ledger).await?.context("connected")?.value;
        let client = engine.store.client(self.workspace, self.client).await?.context("the client is there")?.value;
        let organisation = connection.organisation.context("an organisation is chosen")?;
        let fixed = engine.ledgers.get(self.ledger).is_some_and(|api| api.rules.contact_has_currency);
        let currency = if fixed { Some("GBP".parse()?) } else { None };
        let key = ContactKey { ws: self.workspace, client: self.client, ledger: self.ledger, generation: connection.generation, currency };
        let link = ContactLink { external_id: contact.id.clone(), hash: client.contact_hash(), linked_at: self.clock.now() };
        let row = ContactRow { link: Some(link), ..ContactRow::default() };
        let claim = ContactClaim { organisation: &organisation.id, external_id: &contact.id, shared: false };
        match engine.store.link_contact(&ctx, key, &row, 0, claim).await? {
            ContactStored::Done => Ok(()),
            refused @ (ContactStored::NotMine(_) | ContactStored::OwnedByOther { .. }) => bail!("linking ended as {refused:?}"),
        }
    }

    /// The state of the sync row.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn state(&self) -> Result<SyncState> {
        let engine = self.process()?;
        let rows = engine.store.sync_rows(self.workspace, self.invoice_id).await?;
        Ok(rows.first().map(|(_, _, row)| row.state).unwrap_or_default())
    }

    /// What the ledger holds.
    #[must_use]
    pub fn books(&self) -> State {
        self.simulator.state()
    }
}

pub(crate) fn written(invoice: &Invoice) -> Written<'_> {
    Written { invoice, total: Money::new(invoice.totals(TaxRounding::Line).total, invoice.currency) }
}
