//! Where the server is and how it is spoken to.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use rustls::ClientConfig;

use crate::ConnectError;
use crate::tls;

/// Name and version of this SDK, as the server is told.
pub(crate) const SDK: &str = concat!("bellwether-rust/", env!("CARGO_PKG_VERSION"));

/// The most that a connection may take to be established.
const CONNECT: Duration = Duration::from_secs(10);

/// How long an idle connection is kept: less than servers do, so that none is closed while a request goes out on it.
const IDLE: Duration = Duration::from_secs(4);

/// The server's addresses and the means to reach them. The key is held as a header that prints as `Sensitive`.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) snapshot: Url,
    pub(crate) stream: Url,
    pub(crate) measurements: Url,
    pub(crate) authorization: HeaderValue,
    pub(crate) http: Client,
    pub(crate) tls: Arc<ClientConfig>,
}

impl Endpoint {
    /// Reads the server's URL and prepares the clients; no connection is made yet.
    pub(crate) fn new(url: &str, key: &str) -> Result<Self, ConnectError> {
        let base = base(url)?;
        let authorization = authorization(key)?;
        let tls = tls::config().map_err(|error| ConnectError::Setup(error.to_string()))?;
        let headers = HeaderMap::from_iter([(AUTHORIZATION, authorization.clone())]);
        let http = Client::builder()
            .user_agent(SDK)
            .default_headers(headers)
            .tls_backend_preconfigured(tls.clone())
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            // Whoever answers with a redirect is not the server that was named.
            .redirect(Policy::none())
            // The stream takes no proxy from the process's environment, so neither does this.
            .no_proxy()
            .build()
            .map_err(|error| ConnectError::Setup(error.to_string()))?;
        let mut stream = at(&base, "/api/v1/stream");
        let scheme = if base.scheme() == "https" { "wss" } else { "ws" };
        stream.set_scheme(scheme).map_err(|()| ConnectError::invalid(url, "it has no WebSocket form"))?;
        Ok(Self {
            snapshot: at(&base, "/api/v1/snapshot"),
            measurements: at(&base, "/api/v1/measurements"),
            stream,
            authorization,
            http,
            tls: Arc::new(tls),
        })
    }
}

fn base(url: &str) -> Result<Url, ConnectError> {
    let parsed = Url::parse(url).map_err(|error| ConnectError::invalid(url, error.to_string()))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(ConnectError::invalid(url, "it must begin with http:// or https://"));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        // The URL is left out, for it holds a password.
        return Err(ConnectError::invalid("", "it must not hold a name or a password"));
    }
    if parsed.query().is_some() || parsed.fragment().is_some() {
        return Err(ConnectError::invalid(url, "it must have neither a query nor a fragment"));
    }
    Ok(parsed)
}

fn authorization(key: &str) -> Result<HeaderValue, ConnectError> {
    if key.trim().is_empty() {
        return Err(ConnectError::Key("it is empty"));
    }
    let mut value = HeaderValue::try_from(format!("Bearer {key}"))
        .map_err(|_| ConnectError::Key("it holds characters that no HTTP header can"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// `path` under a base URL that may have a path of its own.
fn at(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_follow_from_the_url() {
        let endpoint = Endpoint::new("https://flags.example.com/base/", "bw_sdk_x").unwrap();
        assert_eq!(endpoint.stream.as_str(), "wss://flags.example.com/base/api/v1/stream");
        assert_eq!(endpoint.snapshot.as_str(), "https://flags.example.com/base/api/v1/snapshot");
        let endpoint = Endpoint::new("http://[::1]:8080", "bw_sdk_x").unwrap();
        assert_eq!(endpoint.stream.as_str(), "ws://[::1]:8080/api/v1/stream");
        assert_eq!(endpoint.measurements.as_str(), "http://[::1]:8080/api/v1/measurements");
    }

    #[test]
    fn what_is_no_address_or_no_key_is_refused() {
        for url in ["", "flags.example.com", "ftp://example.com", "http://", "http://x?y=1", "http://x/#y", "/flags"] {
            assert!(matches!(Endpoint::new(url, "key"), Err(ConnectError::Url { .. })), "{url}");
        }
        for key in ["", "  ", "a\nb"] {
            assert!(matches!(Endpoint::new("http://localhost", key), Err(ConnectError::Key(_))), "{key:?}");
        }
    }

    #[test]
    fn no_secret_is_printed() {
        let error = Endpoint::new("http://me:hunter2@localhost", "key").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        let endpoint = Endpoint::new("http://localhost", "bw_sdk_secret").unwrap();
        assert!(!format!("{endpoint:?}").contains("bw_sdk_secret"));
    }
}
