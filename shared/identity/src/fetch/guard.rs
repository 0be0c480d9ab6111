//! Which URLs may be called.

use std::net::IpAddr;

use url::{Host, Url};

use super::address::{AddressClass, refused_class};

/// Longest URL that is taken.
const URL_MAX: usize = 2048;

/// Why a URL may not be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum UrlRefusal {
    /// Not an absolute URL, or longer than 2048 characters.
    #[error("it is not a web address")]
    NotAUrl,
    /// Another scheme than `https`.
    #[error("it does not begin with https://")]
    Scheme,
    /// It carries a user name or a password.
    #[error("it carries a user name or password")]
    Credentials,
    /// An address in figures instead of a host name.
    #[error("it names an address in figures instead of a host")]
    LiteralAddress,
    /// A name that is not one of the internet's: one label, a trailing dot, or a special-use name such as `localhost`.
    #[error("its host is not a name of the public internet")]
    Host,
    /// Another port than 443.
    #[error("it names a port other than 443")]
    Port,
}

impl UrlRefusal {
    /// Stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NotAUrl => "not_a_url",
            Self::Scheme => "scheme_refused",
            Self::Credentials => "credentials_refused",
            Self::LiteralAddress => "literal_address_refused",
            Self::Host => "host_refused",
            Self::Port => "port_refused",
        }
    }
}

/// An entry of the local list cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not the plain origin of a loopback address")]
pub struct GuardError(pub String);

/// Origins of this machine that may be called although they are what the guard is there to refuse: how a local run reaches its own
/// identity provider. Empty wherever the product is deployed; configuration refuses to fill it there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocalOrigins(Vec<(String, String, u16)>);

impl LocalOrigins {
    /// Reads origins separated by commas, such as `http://127.0.0.1:8787,http://localhost:4020`.
    ///
    /// # Errors
    /// [`GuardError`] for anything but `http` or `https`, a loopback address or `localhost`, and a port.
    pub fn parse(list: &str) -> Result<Self, GuardError> {
        let mut origins = Vec::new();
        for text in list.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            let refused = || GuardError(text.to_owned());
            let url: Url = text.parse().map_err(|_| refused())?;
            let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
            if !(bare && matches!(url.scheme(), "http" | "https") && is_loopback(&url)) {
                return Err(refused());
            }
            origins.push(origin(&url).ok_or_else(refused)?);
        }
        Ok(Self(origins))
    }

    fn lists(&self, url: &Url) -> bool {
        origin(url).is_some_and(|origin| self.0.contains(&origin))
    }

    fn lists_host(&self, host: &str) -> bool {
        self.0.iter().any(|(_, listed, _)| listed == host)
    }
}

fn origin(url: &Url) -> Option<(String, String, u16)> {
    let plain = url.username().is_empty() && url.password().is_none();
    plain.then(|| Some((url.scheme().to_owned(), url.host_str()?.to_owned(), url.port_or_known_default()?))).flatten()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// What may be called: the public internet by `https` on port 443, and the local list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    local: LocalOrigins,
    port: u16,
}

impl Guard {
    /// The guard with its local list.
    #[must_use]
    pub fn new(local: LocalOrigins) -> Self {
        Self { local, port: 443 }
    }

    /// The same guard for another port than 443: for tests, whose listeners have no right to that one.
    #[cfg(test)]
    pub(crate) fn with_port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// Reads a URL and judges it.
    ///
    /// # Errors
    /// [`UrlRefusal`].
    pub fn parse(&self, text: &str) -> Result<Url, UrlRefusal> {
        // What a parser strips in silence (blanks around, tabs and newlines within) is refused instead: two readers could differ.
        if text.len() > URL_MAX || text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return Err(UrlRefusal::NotAUrl);
        }
        let url: Url = text.parse().map_err(|_| UrlRefusal::NotAUrl)?;
        self.check(&url)?;
        Ok(url)
    }

    /// Judges a URL.
    ///
    /// # Errors
    /// [`UrlRefusal`].
    pub fn check(&self, url: &Url) -> Result<(), UrlRefusal> {
        if url.as_str().len() > URL_MAX || url.cannot_be_a_base() {
            return Err(UrlRefusal::NotAUrl);
        }
        if self.local.lists(url) {
            return Ok(());
        }
        if url.scheme() != "https" {
            return Err(UrlRefusal::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlRefusal::Credentials);
        }
        match url.host() {
            Some(Host::Domain(name)) if is_public_name(name) => {}
            Some(Host::Domain(_)) | None => return Err(UrlRefusal::Host),
            Some(Host::Ipv4(_) | Host::Ipv6(_)) => return Err(UrlRefusal::LiteralAddress),
        }
        if url.port_or_known_default() != Some(self.port) {
            return Err(UrlRefusal::Port);
        }
        Ok(())
    }

    /// The addresses behind a host that may be connected to. One refused address refuses the name: an honest host has no private
    /// address beside its public one.
    ///
    /// # Errors
    /// The class of the first refused address.
    pub fn admit(&self, host: &str, addresses: Vec<IpAddr>) -> Result<Vec<IpAddr>, AddressClass> {
        if self.local.lists_host(host) {
            return Ok(addresses.into_iter().filter(IpAddr::is_loopback).collect());
        }
        match addresses.iter().find_map(|address| refused_class(*address)) {
            Some(class) => Err(class),
            None => Ok(addresses),
        }
    }

    /// Whether an answer may have come from this address: the last look, at the socket itself.
    #[must_use]
    pub fn admits_peer(&self, url: &Url, peer: IpAddr) -> bool {
        if self.local.lists(url) { peer.is_loopback() } else { refused_class(peer).is_none() }
    }

    /// Whether the local list holds this host, whose addresses need no DNS.
    pub(crate) fn is_local_host(&self, host: &str) -> bool {
        self.local.lists_host(host)
    }
}

/// A name with a dot, without a trailing one, outside the special-use names (RFC 6761, RFC 6762, RFC 8375, RFC 9476 and the names that
/// clouds give to their own machines).
fn is_public_name(name: &str) -> bool {
    const SPECIAL: &[&str] =
        &["localhost", "local", "internal", "home.arpa", "localdomain", "lan", "intranet", "corp", "home", "onion", "alt"];
    let dotted = name.contains('.') && !name.ends_with('.') && !name.starts_with('.');
    let special = SPECIAL.iter().any(|end| name == *end || name.strip_suffix(end).is_some_and(|rest| rest.ends_with('.')));
    dotted && !special && name.len() <= 253
}
