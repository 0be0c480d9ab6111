//! Where the transport may go: the hosts of the configured endpoints, and nowhere else.

use url::{Host, Url};

/// An endpoint that must not be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// Not `https`, and not plain `http` to this machine.
    #[error("{0} is neither https nor http to a loopback address")]
    Unprotected(String),
    /// It holds a user name, a password, or no host.
    #[error("{0} is not a plain endpoint address")]
    NotPlain(String),
}

/// The origins (scheme, host, port) that may be called: server-side request forgery ends here, whatever a vendor's answer or a stored
/// value says. Plain `http` is admitted for loopback addresses only, which is how a local run reaches its simulators.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Egress {
    origins: Vec<(String, String, u16)>,
}

impl Egress {
    /// The origins of these endpoints.
    ///
    /// # Errors
    /// When one of them must not be called: a configuration that boot refuses.
    pub fn of<'a>(endpoints: impl IntoIterator<Item = &'a Url>) -> Result<Self, EgressError> {
        let mut origins = Vec::new();
        for url in endpoints {
            let origin = Self::origin(url).ok_or_else(|| EgressError::NotPlain(url.to_string()))?;
            if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(url)) {
                return Err(EgressError::Unprotected(url.origin().ascii_serialization()));
            }
            if !origins.contains(&origin) {
                origins.push(origin);
            }
        }
        Ok(Self { origins })
    }

    /// Whether this address may be called.
    #[must_use]
    pub fn allows(&self, url: &Url) -> bool {
        Self::origin(url).is_some_and(|origin| self.origins.contains(&origin))
    }

    fn origin(url: &Url) -> Option<(String, String, u16)> {
        let plain = url.username().is_empty() && url.password().is_none();
        plain.then(|| Some((url.scheme().to_owned(), url.host_str()?.to_owned(), url.port_or_known_default()?))).flatten()
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn only_configured_origins_may_be_called() {
        let egress = Egress::of([&url("https://api.xero.com/api.xro/2.0"), &url("http://127.0.0.1:4010/xero")]).unwrap();
        for allowed in ["https://api.xero.com/connections", "http://127.0.0.1:4010/other"] {
            assert!(egress.allows(&url(allowed)), "{allowed}");
        }
        for refused in [
            "http://api.xero.com/connections",
            "https://api.xero.com:8443/",
            "https://api.xero.com.evil.example/",
            "https://user@api.xero.com/",
            "http://127.0.0.1:4011/",
            "http://169.254.169.254/latest/meta-data/",
            "file:///etc/passwd",
        ] {
            assert!(!egress.allows(&url(refused)), "{refused}");
        }
    }

    #[test]
    fn an_unprotected_endpoint_is_refused_at_boot() {
        for refused in ["http://api.xero.com/", "http://10.0.0.1/", "ftp://localhost/"] {
            assert!(matches!(Egress::of([&url(refused)]), Err(EgressError::Unprotected(_))), "{refused}");
        }
        assert!(Egress::of([&url("https://user:secret@api.xero.com/")]).is_err());
        assert!(Egress::of([&url("http://localhost:1/"), &url("http://[::1]:1/")]).is_ok());
    }
}
