//! Asking the DNS.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::BoxFuture;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};

use crate::fetch::AddressLookup;

/// How long one try may take; there are two.
const TRY: Duration = Duration::from_secs(2);

/// A look-up without an answer (no such name is an answer).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the DNS gave no answer: {0}")]
pub struct LookupError(pub String);

/// Reads TXT records.
pub trait TxtLookup: Send + Sync {
    /// The records of a name, each as its strings joined; none when there is no such name or no such record.
    fn txt<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<Vec<u8>>, LookupError>>;
}

/// The DNS, asked through the given resolvers, or through those that the machine is configured with. Nothing is cached here: a proof is
/// looked for because it may have changed, and an address is judged at the moment of each connection.
#[derive(Debug, Clone, Default)]
pub struct Dns {
    servers: Vec<SocketAddr>,
}

impl Dns {
    /// Through these resolvers, in this order; through the machine's own when there are none.
    #[must_use]
    pub fn new(servers: Vec<SocketAddr>) -> Self {
        Self { servers }
    }

    /// A resolver for one question: it holds sockets and tasks, which must not outlive an invocation that may then be frozen.
    fn resolver(&self) -> Result<TokioResolver, LookupError> {
        let mut builder = if self.servers.is_empty() {
            TokioResolver::builder_tokio().map_err(|error| LookupError(error.to_string()))?
        } else {
            let servers = self.servers.iter().map(|server| name_server(*server)).collect();
            TokioResolver::builder_with_config(ResolverConfig::from_name_servers(servers), TokioRuntimeProvider::default())
        };
        let mut options = ResolverOpts::default();
        options.timeout = TRY;
        options.attempts = 1;
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        *builder.options_mut() = options;
        builder.build().map_err(|error| LookupError(error.to_string()))
    }

    async fn records(&self, name: &str, kind: RecordType) -> Result<Vec<RData>, LookupError> {
        // The final dot: no search list of the machine is tried.
        let absolute = format!("{}.", name.trim_end_matches('.'));
        match self.resolver()?.lookup(absolute, kind).await {
            Ok(found) => Ok(found.answers().iter().map(|record| record.data.clone()).collect()),
            Err(error) if is_empty(&error) => Ok(Vec::new()),
            Err(error) => Err(LookupError(error.to_string())),
        }
    }
}

fn name_server(server: SocketAddr) -> NameServerConfig {
    let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
    udp.port = server.port();
    tcp.port = server.port();
    NameServerConfig::new(server.ip(), true, vec![udp, tcp])
}

fn is_empty(error: &NetError) -> bool {
    error.is_nx_domain() || error.is_no_records_found()
}

impl TxtLookup for Dns {
    fn txt<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<Vec<u8>>, LookupError>> {
        Box::pin(async move {
            let records = self.records(name, RecordType::TXT).await?;
            Ok(records.into_iter().filter_map(|data| if let RData::TXT(txt) = data { Some(txt.txt_data.concat()) } else { None }).collect())
        })
    }
}

impl AddressLookup for Dns {
    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, LookupError>> {
        Box::pin(async move {
            let (v4, v6) = futures_util::join!(self.records(host, RecordType::A), self.records(host, RecordType::AAAA));
            // One family may fail where the other answers; two failures are a failure.
            let records: Vec<RData> = match (v4, v6) {
                (Ok(v4), Ok(v6)) => v4.into_iter().chain(v6).collect(),
                (Ok(some), Err(_)) | (Err(_), Ok(some)) => some,
                (Err(error), Err(_)) => return Err(error),
            };
            Ok(records
                .into_iter()
                .filter_map(|data| {
                    if let RData::A(address) = data {
                        Some(IpAddr::V4(address.0))
                    } else if let RData::AAAA(address) = data {
                        Some(IpAddr::V6(address.0))
                    } else {
                        None
                    }
                })
                .collect())
        })
    }
}
