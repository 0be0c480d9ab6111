//! The whole on one machine, in one process: table, keys and parameters behind one AWS endpoint, the simulated ledgers, every
//! function behind the gateway, and the local routes. Each of them listens on an address of its own, and everything between them is HTTP.

mod functions;
mod keeper;
mod ledgers;
mod machine;
mod people;
mod routes;
mod seed;
mod seed_sign_in;

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use coportal_core::ctx::Random;
use coportal_core::ledger::Ledger;
use coportal_lambda::authn::token::HttpKeys;
use coportal_lambda::boot::{BootError, Machine};
use coportal_lambda::config::table;
use coportal_lambda::system::SystemRandom;
use coportal_lambda::telemetry::Sink;
use jiff::SignedDuration;
use simulators::identity_provider::served::{IdentityProviders, Setup};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use crate::assembly::{AssemblyError, LocalCloud};
use crate::clock::Clock;
use crate::dns::Dns;
use crate::gateway::{Gateway, GatewayError};
use crate::pumps::{PumpError, Pumps, Work};
use crate::template::TemplateError;

use functions::Addresses;
use keeper::{Keeper, Kept};
use machine::ProductClock;
use routes::Local;

pub use ledgers::{LiveApp, SimulatedLedger, live_variables};
pub(crate) use machine::is_info;
pub use machine::{KeptLines, Stderr};
pub use people::{NewWorkspace, OpenedWorkspace};
pub use seed::DemoWorkspace;
pub use seed_sign_in::{GOOGLE_DOMAIN, SAML_DOMAIN};

/// Where the identity providers send browsers back to.
const CALLBACK_PATH: &str = "/v1/sso/oidc/callback";
/// How long requests under way are waited for when the process is to stop.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the local cloud did not start, or did not stop as it should.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Another process listens there.
    #[error("port {0} is taken: stop what listens there, or choose another with --port (--port 0 takes any that is free)")]
    PortTaken(u16),
    /// No address to listen on, or a server that failed.
    #[error("listening on this machine failed: {0}")]
    Listen(#[from] std::io::Error),
    /// Table, keys, parameters or issuer.
    #[error(transparent)]
    Assembly(#[from] AssemblyError),
    /// A value of the template could not be worked out.
    #[error("infra/template.yaml: {0}")]
    Template(#[from] TemplateError),
    /// A function that the template does not have.
    #[error("infra/template.yaml has no function {0}")]
    NotInTemplate(String),
    /// A function did not boot.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// A function that runs without a request did not boot.
    #[error("{binary}: {problem}")]
    Function {
        /// Its name.
        binary: String,
        /// What it said.
        problem: String,
    },
    /// Mappings and functions do not match.
    #[error(transparent)]
    Pumps(#[from] PumpError),
    /// The client for the issuer's keys.
    #[error(transparent)]
    Keys(#[from] coportal_lambda::authn::token::KeysUnavailable),
    /// Routes and functions do not match.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// A token could not be signed.
    #[error(transparent)]
    Issuer(#[from] crate::issuer::IssuerError),
    /// The records did not answer.
    #[error(transparent)]
    Store(#[from] coportal_aws::error::StoreError),
    /// The API did not take what the demo workspace consists of.
    #[error("{what}: the API answered {status}: {body}")]
    Refused {
        /// What was to be done.
        what: String,
        /// HTTP status.
        status: u16,
        /// The answer.
        body: String,
    },
    /// A file under `--data` could not be read or written.
    #[error("{}: {source}", path.display())]
    Kept {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file under `--data` holds something else.
    #[error("{} does not hold what this build wrote; move it away to begin anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Another process keeps its state there.
    #[error("{} is in use by another process: stop that one, or give this one another folder with --data", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A server did not stop.
    #[error("a server did not stop as it should: {0}")]
    Stop(String),
}

/// How to start.
pub struct RunOptions {
    /// Port on 127.0.0.1 of the API; 0 takes any that is free.
    pub port: u16,
    /// Folder that keeps table, keys, queues, issuer, simulator and clock; without it they are gone with the process.
    pub data: Option<PathBuf>,
    /// The clock of product, doubles and simulator.
    pub clock: Clock,
    /// Unguessable bytes for the product.
    pub random: Arc<dyn Random>,
    /// Where the functions' log lines go.
    pub sink: Arc<dyn Sink>,
    /// Ledgers that are the vendors' own, with the user's apps.
    pub live: Vec<LiveApp>,
    /// Whether live ledgers hold real companies (QuickBooks: else sandbox companies).
    pub production: bool,
    /// Identity providers in place of the simulated Google and Microsoft.
    pub providers: Option<OtherProviders>,
    /// Whether a demo workspace with a client and a sent invoice is there from the beginning.
    pub demo_workspace: bool,
}

impl Default for RunOptions {
    /// A free port, nothing kept, the wall clock, the machine's randomness, no lines and no demo workspace.
    fn default() -> Self {
        Self {
            port: 0,
            data: None,
            clock: Clock::system(),
            random: Arc::new(SystemRandom),
            sink: Arc::new(KeptLines::default()),
            live: Vec::new(),
            production: false,
            providers: None,
            demo_workspace: false,
        }
    }
}

/// Identity providers of somebody else on this machine, at which the application is registered under the id `coportal-local`.
#[derive(Clone)]
pub struct OtherProviders {
    /// In place of Google's issuer.
    pub google_issuer: String,
    /// In place of Microsoft's authority.
    pub microsoft_authority: String,
    /// Their origins, and those of SAML providers, as a comma list.
    pub origins: String,
    /// The client secret.
    pub client_secret: String,
}

/// A local cloud that runs. It is stopped with [`LocalRun::shutdown`].
pub struct LocalRun {
    /// Address of the API and its pages, `http://127.0.0.1:8787`.
    pub origin: String,
    /// Address of DynamoDB, KMS, SQS and SSM.
    pub aws_endpoint: String,
    /// The simulated ledgers.
    pub ledgers: Vec<SimulatedLedger>,
    /// Customers' identity providers.
    pub providers: IdentityProviders,
    /// Their address, `http://127.0.0.1:8793`.
    pub providers_origin: String,
    /// The name server.
    pub dns: Dns,
    /// Table, doubles, issuer, mailbox.
    pub cloud: LocalCloud,
    /// The gateway, for its access log.
    pub gateway: Gateway,
    /// The demo workspace, when one was asked for.
    pub demo: Option<DemoWorkspace>,
    /// Environment variables of a function that another program starts against this cloud (`cargo lambda watch`).
    pub environment: BTreeMap<String, String>,
    local: Local,
    keeper: Option<Keeper>,
    pumps: Arc<Pumps>,
    front: Server,
    back: Vec<Server>,
    /// Held for as long as the folder is ours.
    _lock: Option<File>,
}

impl LocalRun {
    /// Starts everything; when this answers, the address is served.
    ///
    /// # Errors
    /// When the port is taken, what is kept cannot be read, or the template and the functions do not fit together.
    pub async fn start(options: RunOptions) -> Result<Self, RunError> {
        let RunOptions { port, data, clock, random, sink, live, production, providers: other_providers, demo_workspace } = options;
        let front = listen(port).await.map_err(|error| {
            if error.kind() == std::io::ErrorKind::AddrInUse { RunError::PortTaken(port) } else { RunError::Listen(error) }
        })?;
        let port = front.local_addr()?.port();
        // Vendors take a return to this machine by name, not by number.
        let origin = if live.is_empty() { origin(&front)? } else { format!("http://localhost:{port}") };
        let aws = listen_near(port, 1).await?;
        let aws_endpoint = self::origin(&aws)?;

        let lock = data.as_deref().map(lock).transpose()?;
        let cloud = LocalCloud::open(&origin, data.as_deref(), clock.clone())?;
        let keeper = data.as_deref().map(|folder| Keeper::open(folder, &clock)).transpose()?;
        let opened = ledgers::open(port, &origin, &clock, random.as_ref(), keeper.as_ref(), &live).await?;
        let (ledgers, listeners): (Vec<SimulatedLedger>, Vec<TcpListener>) = opened.into_iter().unzip();
        let quickbooks_sandbox = !production && live.iter().any(|app| app.ledger == Ledger::Quickbooks);
        let dns_socket = UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let providers_listener = listen_near(port, 6).await?;
        let providers_origin = self::origin(&providers_listener)?;
        let provider_secret = other_providers.as_ref().map_or_else(|| hex(random.as_ref()), |other| other.client_secret.clone());
        let providers = IdentityProviders::new(Setup {
            clock: clock.clone(),
            origin: providers_origin.clone(),
            client_id: ledgers::CLIENT_ID.to_owned(),
            client_secret: provider_secret.clone(),
            redirect_uris: vec![format!("{origin}{CALLBACK_PATH}")],
            seed: seed_of(random.as_ref()),
        })
        .map_err(|error| RunError::Stop(error.to_string()))?;
        let dns = Dns::default();
        let at = Addresses {
            aws: &aws_endpoint,
            ledgers: &ledgers,
            providers: &providers,
            providers_origin: &providers_origin,
            other_providers: other_providers.as_ref(),
            dns: dns_socket.local_addr()?,
            quickbooks_sandbox,
        };
        let environment = functions::environment(&cloud, &at, "oauth-callback")?;
        let named = |variable: table::Variable| environment.get(variable.name).map(String::as_str).or(variable.default).unwrap_or_default();
        for ledger in &ledgers {
            cloud.cloud.ssm().put_text(named(ledger.variables.client_id), ledgers::CLIENT_ID);
            cloud.cloud.ssm().put_secure(named(ledger.variables.client_secret), &ledger.client_secret);
        }

        let sso = functions::environment(&cloud, &at, "sso-routing")?;
        let named = |variable: table::Variable| sso.get(variable.name).map(String::as_str).or(variable.default).unwrap_or_default();
        for variable in [table::GOOGLE_CLIENT_ID, table::MICROSOFT_CLIENT_ID] {
            cloud.cloud.ssm().put_text(named(variable), ledgers::CLIENT_ID);
        }
        for variable in [table::GOOGLE_CLIENT_SECRET, table::MICROSOFT_CLIENT_SECRET] {
            cloud.cloud.ssm().put_secure(named(variable), &provider_secret);
        }
        let named = |variable: table::Variable| environment.get(variable.name).map(String::as_str).or(variable.default).unwrap_or_default();

        for app in &live {
            if let Some(variables) = table::LEDGERS.iter().find(|variables| variables.ledger == app.ledger) {
                cloud.cloud.ssm().put_text(named(variables.client_id), &app.client_id);
                cloud.cloud.ssm().put_secure(named(variables.client_secret), &app.client_secret);
            }
        }

        let keys = Arc::new(HttpKeys::new()?);
        let machine = Machine { clock: Arc::new(ProductClock(clock.clone())), random, sink, keys };
        let gateway = Gateway::new(cloud.template, functions::routers(&cloud, &at, &machine)?, clock)?;
        let shared = functions::shared_environment(&cloud, &at)?;
        let pumps = Arc::new(Pumps::start(&cloud, functions::handlers(&cloud, &at, &machine)?, data.as_deref())?);
        let shell = functions::local_shell(&cloud, &at, &machine)?;
        let audience = environment.get(table::AUDIENCE.name).map(String::as_str).or(table::AUDIENCE.default).unwrap_or_default();
        let local = Local::new(routes::Parts {
            origin: origin.clone(),
            aws_endpoint: aws_endpoint.clone(),
            ledgers: ledgers.clone(),
            audience: audience.to_owned(),
            cloud: cloud.clone(),
            gateway: gateway.clone(),
            keeper: keeper.clone(),
            pumps: Arc::clone(&pumps),
            providers_origin: providers_origin.clone(),
            dns: dns.clone(),
            shell,
            keys: machine.keys,
        })?;

        let mut back = vec![Server::start(|stop| cloud.cloud.clone().serve(aws, stop))];
        back.push(Server::start(|stop| dns.clone().serve(dns_socket, stop)));
        back.push(Server::start(|stop| simulators::skeleton::serve::serve(providers.clone(), providers_listener, stop)));
        for (SimulatedLedger { ledger, simulator, .. }, listener) in ledgers.iter().zip(listeners) {
            let vendor = Kept { ledger: *ledger, simulator: simulator.clone(), keeper: keeper.clone() };
            back.push(Server::start(|stop| simulators::skeleton::serve::serve(vendor, listener, stop)));
        }
        let public = public(local.router(), gateway.clone().into_router());
        let front = Server::start(|stop| async move {
            let service = public.into_make_service_with_connect_info::<SocketAddr>();
            axum::serve(front, service).with_graceful_shutdown(stop).await
        });
        let demo = if demo_workspace { Some(seed::plant(&local).await?) } else { None };
        if let Some(demo) = &demo
            && let Err(error) = seed_sign_in::plant(&local, &providers, demo.workspace_id).await
        {
            // What was kept may have been changed so that nobody may do this: another plan, or sign-in that is required.
            tracing::warn!(%error, "single sign-on of the demo workspace is as it was left");
        }
        local.set_demo(demo.clone());
        Ok(Self {
            origin,
            aws_endpoint,
            ledgers,
            providers,
            providers_origin,
            dns,
            cloud,
            gateway,
            demo,
            environment: shared,
            local,
            keeper,
            pumps,
            front,
            back,
            _lock: lock,
        })
    }

    /// Makes a workspace with an owner, an admin and a member, through the service routes of the API.
    ///
    /// # Errors
    /// When the API refuses it.
    pub async fn open_workspace(&self, new: &NewWorkspace) -> Result<OpenedWorkspace, RunError> {
        self.local.open_workspace(new).await?.into_result("open a workspace")
    }

    /// Makes a user a member of a workspace, through the service route of the API.
    ///
    /// # Errors
    /// When the API refuses it.
    pub async fn join(&self, workspace: &str, user: &str) -> Result<(), RunError> {
        self.local.join(workspace, user).await
    }

    /// One of the simulated ledgers; `None` when this build has none of it.
    #[must_use]
    pub fn ledger(&self, ledger: Ledger) -> Option<&SimulatedLedger> {
        self.ledgers.iter().find(|simulated| simulated.ledger == ledger)
    }

    /// The sign-in link of the demo workspace's owner.
    #[must_use]
    pub fn sign_in_link(&self) -> Option<String> {
        self.demo.as_ref().map(|demo| format!("{}/__local/sign-in?token={}", self.origin, demo.sign_in))
    }

    /// Moves product, doubles and simulator together.
    pub fn advance(&self, by: SignedDuration) {
        self.cloud.clock.advance(by);
        for ledger in &self.ledgers {
            ledger.simulator.settle();
        }
        self.pumps.wake();
    }

    /// Runs what became due by the clock, and answers when it has run.
    pub async fn run_due(&self) {
        self.pumps.run_due().await;
    }

    /// Waits until queues and streams are drained, for `patience` at most; whether they are.
    pub async fn idle(&self, patience: Duration) -> bool {
        self.pumps.idle(patience).await
    }

    /// Messages by where they are.
    #[must_use]
    pub fn work(&self) -> Work {
        self.pumps.work()
    }

    /// Stops: first what people call, then what runs by itself, then what both stand on. Requests under way are finished, for five seconds at most.
    ///
    /// # Errors
    /// When a server failed, or the simulator could not be kept.
    pub async fn shutdown(self) -> Result<(), RunError> {
        self.front.stop().await?;
        self.pumps.stop(PATIENCE).await;
        for server in self.back {
            server.stop().await?;
        }
        if let Some(keeper) = &self.keeper {
            for SimulatedLedger { ledger, simulator, .. } in &self.ledgers {
                keeper.save(*ledger, &**simulator)?;
            }
        }
        Ok(())
    }
}

/// Everything under `/__local` is the local routes'; the rest is the gateway's, as deployed.
fn public(local: Router, gateway: Router) -> Router {
    Router::new().fallback(move |request: axum::extract::Request| {
        let path = request.uri().path();
        let is_local = path == routes::PREFIX || path.strip_prefix(routes::PREFIX).is_some_and(|rest| rest.starts_with('/'));
        let router = if is_local { local.clone() } else { gateway.clone() };
        async move {
            let Ok(response) = router.oneshot(request).await;
            response
        }
    })
}

/// Two processes over one table and one simulator would undo each other's work. The system lets go of the lock when a process ends.
fn lock(folder: &Path) -> Result<File, RunError> {
    let kept = |source| RunError::Kept { path: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(kept)?;
    let file = File::create(folder.join("lock")).map_err(kept)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(RunError::InUse { path: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(kept(source)),
    }
}

async fn listen(port: u16) -> std::io::Result<TcpListener> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await
}

/// The port `above` the API's, so that an address stays the same from start to start; any free one when that is taken.
async fn listen_near(port: u16, above: u16) -> std::io::Result<TcpListener> {
    match listen(port.saturating_add(above)).await {
        Ok(listener) => Ok(listener),
        Err(_) => listen(0).await,
    }
}

fn origin(listener: &TcpListener) -> std::io::Result<String> {
    Ok(format!("http://{}", listener.local_addr()?))
}

fn hex(random: &dyn Random) -> String {
    let mut bytes = [0; 32];
    random.fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn seed_of(random: &dyn Random) -> u64 {
    let mut bytes = [0; 8];
    random.fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// One server and the way to stop it.
struct Server {
    stop: watch::Sender<bool>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Server {
    fn start<F>(serve: impl FnOnce(std::pin::Pin<Box<dyn Future<Output = ()> + Send>>) -> F) -> Self
    where
        F: Future<Output = std::io::Result<()>> + Send + 'static,
    {
        let (stop, mut stopped) = watch::channel(false);
        let until = Box::pin(async move {
            // An error means that the sender is gone: then nobody wants the server any more.
            let _ = stopped.wait_for(|stop| *stop).await;
        });
        Self { stop, task: tokio::spawn(serve(until)) }
    }

    async fn stop(self) -> Result<(), RunError> {
        self.stop.send_replace(true);
        let abort = self.task.abort_handle();
        match tokio::time::timeout(PATIENCE, self.task).await {
            Ok(Ok(ended)) => Ok(ended?),
            Ok(Err(panicked)) => Err(RunError::Stop(panicked.to_string())),
            Err(_) => {
                // Somebody holds a request open; the process ends all the same.
                abort.abort();
                Ok(())
            }
        }
    }
}
