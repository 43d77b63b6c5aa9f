use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::store::{self, CredentialRow};
use super::{CredentialKind, Role, Secret};
use crate::clock;
use crate::db::{Connection, Timestamp};
use crate::error::{Error, Result};

/// How much of a secret is kept to know it by: its kind's prefix and four characters.
const SHOWN: usize = 11;

/// Stands for every origin.
pub const ANY_ORIGIN: &str = "*";

/// The kinds that are made for programs.
const TOKENS: [CredentialKind; 3] = [CredentialKind::Service, CredentialKind::Server, CredentialKind::Client];

/// A credential to be created.
#[derive(Clone, Debug)]
pub struct NewCredential {
    /// What for.
    pub kind: CredentialKind,
    /// For people.
    pub name: String,
    /// What it may do, of a service token.
    pub role: Option<Role>,
    /// Which environment it opens, of a key.
    pub environment: Option<i64>,
    /// Where browsers may use it, of a client key.
    pub allowed_origins: Vec<String>,
    /// Until when it is good.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A service token or key as it is kept: everything but its secret.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Names it; no secret.
    pub id: String,
    /// What for.
    pub kind: CredentialKind,
    /// For people.
    pub name: String,
    /// What it may do, of a service token.
    pub role: Option<Role>,
    /// Which environment it opens, of a key.
    pub environment: Option<i64>,
    /// What its secret begins with; empty where that is not known.
    pub prefix: String,
    /// Where browsers may use it, of a client key.
    pub allowed_origins: Vec<String>,
    /// Grows with each change.
    pub version: u64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// Until when it is good.
    pub expires_at: Option<DateTime<Utc>>,
    /// Since when it is not any more.
    pub revoked_at: Option<DateTime<Utc>>,
    /// SHA-256 of its secret.
    hash: String,
}

impl NewCredential {
    /// A service token.
    #[must_use]
    pub fn service(name: &str, role: Role) -> Self {
        let kind = CredentialKind::Service;
        Self { role: Some(role), ..Self::of(kind, name, None) }
    }

    /// A server key or a client key of an environment.
    #[must_use]
    pub fn key(kind: CredentialKind, name: &str, environment: i64) -> Self {
        Self::of(kind, name, Some(environment))
    }

    fn of(kind: CredentialKind, name: &str, environment: Option<i64>) -> Self {
        let name = name.to_owned();
        Self { kind, name, role: None, environment, allowed_origins: Vec::new(), expires_at: None }
    }
}

/// Creates a credential. Its secret is returned and kept nowhere.
///
/// # Errors
/// When the store does not answer.
pub fn create(connection: &mut Connection<'_>, new: NewCredential) -> Result<(Credential, Secret)> {
    let secret = Secret::random(new.kind.prefix());
    let mut row = row(new.kind, &new.name, &secret);
    row.role = new.role.map(|role| role.name().to_owned());
    row.environment_id = new.environment;
    row.allowed_origins = serde_json::to_string(&new.allowed_origins)?;
    row.expires_at = new.expires_at.map(Timestamp);
    store::insert_credential(connection, &row)?;
    Ok((Credential::try_from(row)?, secret))
}

/// Up to `limit` service tokens and keys, the oldest first, after the id `after`; revoked ones too.
///
/// # Errors
/// When the store does not answer.
pub fn list(connection: &mut Connection<'_>, after: &str, limit: usize) -> Result<Vec<Credential>> {
    let kinds = TOKENS.map(CredentialKind::name);
    let rows = store::credentials_after(connection, &kinds, after, i64::try_from(limit).unwrap_or(i64::MAX))?;
    rows.into_iter().map(Credential::try_from).collect()
}

/// The service token or key of that id.
///
/// # Errors
/// [`Error::NotFound`].
pub fn find(connection: &mut Connection<'_>, id: &str) -> Result<Credential> {
    let found = store::credential(connection, id)?.map(Credential::try_from).transpose()?;
    let token = found.filter(|credential| TOKENS.contains(&credential.kind));
    token.ok_or_else(|| Error::NotFound(format!("token {id}")))
}

/// Writes what may change of a credential: name, origins, since when it is revoked, version.
///
/// # Errors
/// When the store does not answer.
pub fn update(connection: &mut Connection<'_>, changed: &Credential) -> Result<()> {
    store::update_credential(connection, &changed.to_row()?)
}

/// The row of a new credential that is good for ever and opens nothing yet.
pub(super) fn row(kind: CredentialKind, name: &str, secret: &Secret) -> CredentialRow {
    CredentialRow {
        id: Uuid::now_v7().to_string(),
        kind: kind.name().to_owned(),
        hash: secret.hash(),
        name: name.to_owned(),
        role: None,
        environment_id: None,
        user_id: None,
        created_at: Timestamp(clock::now()),
        expires_at: None,
        revoked_at: None,
        prefix: secret.reveal().chars().take(SHOWN).collect(),
        allowed_origins: "[]".to_owned(),
        version: 1,
        last_used_at: None,
    }
}

impl TryFrom<CredentialRow> for Credential {
    type Error = Error;

    fn try_from(row: CredentialRow) -> Result<Self> {
        let unknown = || Error::internal(format!("the credential {} is of no known kind", row.id));
        Ok(Self {
            kind: CredentialKind::named(&row.kind).ok_or_else(unknown)?,
            role: row.role.as_deref().and_then(Role::named),
            id: row.id,
            name: row.name,
            environment: row.environment_id,
            prefix: row.prefix,
            allowed_origins: serde_json::from_str(&row.allowed_origins)?,
            version: row.version.unsigned_abs(),
            created_at: row.created_at.0,
            last_used_at: row.last_used_at.map(|Timestamp(at)| at),
            expires_at: row.expires_at.map(|Timestamp(at)| at),
            revoked_at: row.revoked_at.map(|Timestamp(at)| at),
            hash: row.hash,
        })
    }
}

impl Credential {
    /// SHA-256 of its secret.
    pub(super) fn hash(&self) -> &str {
        &self.hash
    }

    pub(super) fn to_row(&self) -> Result<CredentialRow> {
        Ok(CredentialRow {
            id: self.id.clone(),
            kind: self.kind.name().to_owned(),
            hash: self.hash.clone(),
            name: self.name.clone(),
            role: self.role.map(|role| role.name().to_owned()),
            environment_id: self.environment,
            user_id: None,
            created_at: Timestamp(self.created_at),
            expires_at: self.expires_at.map(Timestamp),
            revoked_at: self.revoked_at.map(Timestamp),
            prefix: self.prefix.clone(),
            allowed_origins: serde_json::to_string(&self.allowed_origins)?,
            version: i64::try_from(self.version).unwrap_or(i64::MAX),
            last_used_at: self.last_used_at.map(Timestamp),
        })
    }
}
