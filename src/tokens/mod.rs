//! Tokens for programs: service tokens, server keys and client keys, as admins create and revoke them.

pub mod api;
mod input;
mod origin;
mod service;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

pub use input::{Kind, NewToken, TokenChange};
pub use service::Tokens;

use crate::access::{Credential, Role};
use crate::clock;
use crate::db::Connection;
use crate::error::Result;
use crate::projects::{self, Environment};
use crate::schema::Time;

/// A service token, server key or client key: everything but its secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Token {
    /// Names it; no secret.
    pub id: String,
    /// What it is for.
    #[schema(value_type = Kind)]
    pub kind: &'static str,
    /// For people.
    pub name: String,
    /// What a service token may do; null for keys.
    pub role: Option<Role>,
    /// The project of a key's environment; null for service tokens.
    pub project: Option<String>,
    /// The environment that a key opens; null for service tokens.
    pub environment: Option<String>,
    /// What the secret begins with; empty where that is not known.
    pub prefix: String,
    /// Where browsers may use a client key: origins, or `*` for all.
    pub allowed_origins: Vec<String>,
    /// Grows with each change.
    pub version: u64,
    /// When it was created.
    #[serde(with = "clock::serde_rfc3339")]
    pub created_at: DateTime<Utc>,
    /// When it was last used, to the minute; null for never.
    #[schema(value_type = Option<Time>)]
    pub last_used_at: Option<String>,
    /// Until when it is good; null for ever.
    #[schema(value_type = Option<Time>)]
    pub expires_at: Option<String>,
    /// Whether it was revoked.
    pub revoked: bool,
}

/// A token just created, with what is shown once and kept nowhere.
#[derive(Clone, Serialize, ToSchema)]
pub struct CreatedToken {
    /// The token as it is kept.
    #[serde(flatten)]
    pub about: Token,
    /// The secret.
    pub token: String,
}

impl Token {
    /// As it is shown; `used` is a use that the store may not know of yet.
    fn of(credential: &Credential, environment: Option<&Environment>, used: Option<DateTime<Utc>>) -> Self {
        Self {
            id: credential.id.clone(),
            kind: credential.kind.name(),
            name: credential.name.clone(),
            role: credential.role,
            project: environment.map(|environment| environment.project.clone()),
            environment: environment.map(|environment| environment.key.clone()),
            prefix: credential.prefix.clone(),
            allowed_origins: credential.allowed_origins.clone(),
            version: credential.version,
            created_at: credential.created_at,
            last_used_at: credential.last_used_at.max(used).map(clock::rfc3339),
            expires_at: credential.expires_at.map(clock::rfc3339),
            revoked: credential.revoked_at.is_some(),
        }
    }

    /// Several, each environment read once.
    fn of_all(
        connection: &mut Connection<'_>,
        credentials: &[Credential],
        uses: &HashMap<String, DateTime<Utc>>,
    ) -> Result<Vec<Self>> {
        let mut environments: HashMap<i64, Environment> = HashMap::new();
        let mut tokens = Vec::with_capacity(credentials.len());
        for credential in credentials {
            if let Some(id) = credential.environment
                && !environments.contains_key(&id)
            {
                environments.insert(id, projects::environment_of_id(connection, id)?);
            }
            let environment = credential.environment.and_then(|id| environments.get(&id));
            tokens.push(Self::of(credential, environment, uses.get(&credential.id).copied()));
        }
        Ok(tokens)
    }
}
