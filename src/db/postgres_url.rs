use std::fmt;
use std::str::FromStr;

use url::{ParseError, Url};

use super::UrlError;

/// Where a PostgreSQL database is. Neither `Debug` nor `Display` shows its password or its parameters.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    text: String,
    shown: String,
}

/// Parameters of the client that a URL may give.
const KNOWN: [&str; 22] = [
    "application_name",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "options",
    "password",
    "port",
    "sslcert",
    "sslcrl",
    "sslkey",
    "sslmode",
    "sslpassword",
    "sslrootcert",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

/// Of these the value is a whole number.
const NUMBERS: [&str; 7] = [
    "connect_timeout",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "port",
    "tcp_user_timeout",
];

/// What is added where the URL says nothing: a server that is gone is noticed within seconds.
const DEFAULTS: [(&str, &str); 6] = [
    ("application_name", "bellwether"),
    ("connect_timeout", "2"),
    ("keepalives_count", "3"),
    ("keepalives_idle", "5"),
    ("keepalives_interval", "2"),
    ("tcp_user_timeout", "5000"),
];

impl PostgresUrl {
    /// The URL with its password, for the client that connects.
    pub(super) fn reveal(&self) -> &str {
        &self.text
    }
}

impl FromStr for PostgresUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let mut url = Url::parse(text).map_err(|error| match error {
            ParseError::InvalidPort => UrlError::Port,
            ParseError::EmptyHost => UrlError::NoHost,
            other => UrlError::Malformed(other.to_string()),
        })?;
        if url.fragment().is_some() {
            return Err(UrlError::Fragment);
        }
        if !percent_is_followed_by_digits(url.as_str()) {
            return Err(UrlError::Percent);
        }
        if url.port() == Some(0) {
            return Err(UrlError::Port);
        }
        let given: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        for (name, value) in &given {
            parameter(name, value)?;
        }
        let parameter =
            |name: &str| given.iter().rev().find(|(given, _)| given == name).map(|(_, value)| value.as_str());
        let host = url.host_str().filter(|host| !host.is_empty());
        let Some(host) = host.or_else(|| parameter("host").or(parameter("hostaddr"))) else {
            return Err(UrlError::NoHost);
        };
        let database = url.path().trim_start_matches('/');
        if database.is_empty() {
            return Err(UrlError::NoDatabase);
        }
        let user = if url.username().is_empty() { String::new() } else { format!("{}@", url.username()) };
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let shown = format!("postgres://{user}{host}{port}/{database}");
        for (name, value) in DEFAULTS {
            if parameter(name).is_none() {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        // The client does not take a plus for a space.
        if let Some(query) = url.query().map(|query| query.replace('+', "%20")) {
            url.set_query(Some(&query));
        }
        Ok(Self { text: url.into(), shown })
    }
}

fn parameter(name: &str, value: &str) -> Result<(), UrlError> {
    const MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
    if !KNOWN.contains(&name) {
        return Err(UrlError::Parameter { name: name.to_owned(), known: KNOWN.join(", ") });
    }
    if NUMBERS.contains(&name) && value.parse::<u32>().is_err() {
        return Err(UrlError::Number(name.to_owned()));
    }
    if name == "sslmode" && !MODES.contains(&value) {
        return Err(UrlError::SslMode(value.to_owned()));
    }
    let encrypts = name == "sslmode" && !["disable", "allow", "prefer"].contains(&value)
        || ["sslcert", "sslcrl", "sslkey", "sslpassword", "sslrootcert"].contains(&name);
    if encrypts && !cfg!(feature = "postgres-tls") {
        let demand = if name == "sslmode" { format!("sslmode={value}") } else { name.to_owned() };
        return Err(UrlError::NoTls(demand));
    }
    Ok(())
}

fn percent_is_followed_by_digits(text: &str) -> bool {
    text.split('%').skip(1).all(|after| match after.as_bytes() {
        [high, low, ..] => high.is_ascii_hexdigit() && low.is_ascii_hexdigit() && (*high, *low) != (b'0', b'0'),
        _ => false,
    })
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({})", self.shown)
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}
