use bellwether_core::Fault;
use chrono::{DateTime, Utc};
use deserr::Deserr;
use serde::Serialize;
use utoipa::ToSchema;

use super::origin;
use crate::access::{CredentialKind, Role};
use crate::clock;
use crate::input::{Faults, Reject};
use crate::schema::{Key, Time};

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserr, Serialize, ToSchema)]
#[schema(as = TokenKind)]
#[deserr(error = Faults)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The admin API, by role.
    #[deserr(rename = "service_token")]
    ServiceToken,
    /// One environment, for services.
    #[deserr(rename = "server_key")]
    ServerKey,
    /// One environment, safe to ship in an app.
    #[deserr(rename = "client_key")]
    ClientKey,
}

/// A token to be created.
#[derive(Clone, Debug, Deserr, ToSchema)]
#[deserr(error = Faults, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What it is for.
    pub kind: Kind,
    /// For people.
    #[deserr(try_from(String) = well_formed_name -> Reject)]
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
    /// What a service token may do; keys have none.
    #[deserr(default, try_from(Option<String>) = known_role -> Reject)]
    pub role: Option<Role>,
    /// The project of a key's environment.
    #[deserr(default)]
    #[schema(value_type = Option<Key>)]
    pub project: Option<String>,
    /// The environment that a key opens.
    #[deserr(default)]
    #[schema(value_type = Option<Key>)]
    pub environment: Option<String>,
    /// Where browsers may use a client key: origins, or `*` for all.
    #[deserr(default)]
    #[schema(required = false, max_items = 100)]
    pub allowed_origins: Vec<String>,
    /// Until when it is good; for ever unless given.
    #[deserr(default, try_from(Option<String>) = later -> Reject)]
    #[schema(value_type = Option<Time>)]
    pub expires_at: Option<DateTime<Utc>>,
}

/// What may change of a token.
#[derive(Clone, Debug, Deserr, ToSchema)]
#[deserr(error = Faults, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct TokenChange {
    /// For people.
    #[deserr(default, try_from(Option<String>) = optional_name -> Reject)]
    #[schema(min_length = 1, max_length = 200)]
    pub name: Option<String>,
    /// Where browsers may use a client key: origins, or `*` for all.
    #[deserr(default)]
    #[schema(max_items = 100)]
    pub allowed_origins: Option<Vec<String>>,
}

impl Kind {
    pub(super) fn credential(self) -> CredentialKind {
        match self {
            Self::ServiceToken => CredentialKind::Service,
            Self::ServerKey => CredentialKind::Server,
            Self::ClientKey => CredentialKind::Client,
        }
    }
}

impl NewToken {
    /// As it came, and what is wrong with it: it has to have what its kind needs, and nothing that its kind has no use for.
    pub(super) fn checked(self) -> (Self, Vec<Fault>) {
        let is_service = self.kind == Kind::ServiceToken;
        let mut faults = Vec::new();
        let mut say = |wrong: bool, pointer: &str, message: &str| {
            if wrong {
                faults.push(Fault::new(pointer, message));
            }
        };
        say(is_service && self.role.is_none(), "/role", "is required of a service token");
        say(!is_service && self.role.is_some(), "/role", "is for service tokens alone");
        for (pointer, part) in [("/project", &self.project), ("/environment", &self.environment)] {
            say(is_service && part.is_some(), pointer, "is for keys alone");
            say(!is_service && part.is_none(), pointer, "is required of a key");
        }
        let stray = self.kind != Kind::ClientKey && !self.allowed_origins.is_empty();
        say(stray, "/allowed_origins", ONLY_CLIENT_KEYS);
        faults.extend(origin::faults(&self.allowed_origins));
        (self, faults)
    }
}

impl TokenChange {
    /// As it came, and what is wrong with it whatever the token.
    pub(super) fn checked(self) -> (Self, Vec<Fault>) {
        let faults = self.allowed_origins.as_deref().map(origin::faults).unwrap_or_default();
        (self, faults)
    }
}

/// Said of another token's origins.
pub(super) const ONLY_CLIENT_KEYS: &str = "is for client keys alone: no other is safe in a browser";

fn well_formed_name(name: String) -> Result<String, Reject> {
    let fine = (1..=200).contains(&name.chars().count());
    if fine { Ok(name) } else { Err(Reject("has 1 to 200 characters".to_owned())) }
}

fn optional_name(given: Option<String>) -> Result<Option<String>, Reject> {
    given.map(well_formed_name).transpose()
}

fn known_role(given: Option<String>) -> Result<Option<Role>, Reject> {
    let known = |name: String| {
        Role::named(&name).ok_or_else(|| Reject(format!("`{name}` is none of viewer, editor, operator, admin")))
    };
    given.map(known).transpose()
}

fn later(given: Option<String>) -> Result<Option<DateTime<Utc>>, Reject> {
    let time = |text: String| {
        let time = DateTime::parse_from_rfc3339(&text).map(|time| time.to_utc()).ok();
        time.filter(|time| *time > clock::now())
            .ok_or_else(|| Reject("is a time to come, as RFC 3339 has it".to_owned()))
    };
    given.map(time).transpose()
}
