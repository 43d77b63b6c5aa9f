//! Who may do what: users, roles, credentials, sessions.
//!
//! Everything a caller can show (a service token, an SDK key, a session) is a credential: stored hashed, held in memory
//! by its hash so that a flag's read never touches the database, revoked by one column.

mod caller;
pub mod pages;
mod password;
mod secret;
mod session;
mod store;
mod throttle;

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use uuid::Uuid;

pub use caller::{Actor, Caller, Grant, Origin, Role};
pub use password::hash_password;
pub use secret::Secret;
pub use session::Session;

use crate::clock;
use crate::db::{Connection, Part, Store, Timestamp};
use crate::error::{Error, Result};
use password::Passwords;
use store::{CredentialRow, UserRow};
use throttle::Throttle;

/// What a credential is for, which its prefix shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// The admin API.
    Service,
    /// One environment, for services.
    Server,
    /// One environment, safe to ship in an app.
    Client,
    /// A user's log-in.
    Session,
}

impl CredentialKind {
    const ALL: [Self; 4] = [Self::Service, Self::Server, Self::Client, Self::Session];

    fn prefix(self) -> &'static str {
        match self {
            Self::Service => "bw_svc_",
            Self::Server => "bw_sdk_",
            Self::Client => "bw_pub_",
            Self::Session => "bw_ses_",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Service => "service_token",
            Self::Server => "server_key",
            Self::Client => "client_key",
            Self::Session => "user",
        }
    }
}

/// A live credential, ready to answer for a caller.
#[derive(Clone, Debug)]
struct Known {
    id: String,
    actor: Actor,
    grant: Grant,
    expires_at: Option<DateTime<Utc>>,
}

/// The service that knows callers.
#[derive(Clone)]
pub struct Access {
    store: Store,
    known: Arc<ArcSwap<HashMap<String, Arc<Known>>>>,
    passwords: Passwords,
    throttle: Throttle,
}

impl Access {
    /// Loads every live credential.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn load(store: Store) -> Result<Self> {
        let known = store.read_now(Part::Configuration, load)?;
        Ok(Self {
            store,
            known: Arc::new(ArcSwap::from_pointee(known)),
            passwords: Passwords::new(),
            throttle: Throttle::new(),
        })
    }

    /// Reads the credentials again: another part of the program has created some.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn reload(&self) -> Result<()> {
        let known = self.store.read(Part::Configuration, load).await?;
        self.known.store(Arc::new(known));
        Ok(())
    }

    /// The caller that shows `token`.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when the token is unknown, revoked or expired.
    pub fn authenticate(&self, token: &Secret, origin: Origin) -> Result<Caller> {
        let known = self.known.load();
        let found = known.get(&token.hash()).filter(|known| !known.expired(clock::now()));
        let known = found.ok_or(Error::Unauthenticated("the credential is unknown, revoked or expired"))?;
        Ok(Caller { actor: known.actor.clone(), grant: known.grant, origin })
    }

    /// Whether `token` still opens anything.
    pub fn is_live(&self, token: &Secret) -> bool {
        self.known.load().get(&token.hash()).is_some_and(|known| !known.expired(clock::now()))
    }
}

impl Known {
    fn expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

fn load(connection: &mut Connection<'_>) -> Result<HashMap<String, Arc<Known>>> {
    let users: HashMap<_, _> = store::users(connection)?.into_iter().map(|user| (user.id.clone(), user)).collect();
    let rows = store::live_credentials(connection, clock::now())?;
    Ok(rows.into_iter().filter_map(|row| Some((row.hash.clone(), Arc::new(known(row, &users)?)))).collect())
}

/// What a row stands for; none when it is of a kind or role this version does not know.
fn known(row: CredentialRow, users: &HashMap<String, UserRow>) -> Option<Known> {
    let kind = CredentialKind::ALL.into_iter().find(|kind| kind.name() == row.kind)?;
    let user = row.user_id.as_ref().and_then(|id| users.get(id));
    let grant = match kind {
        CredentialKind::Service => Grant::Role(Role::named(row.role.as_deref()?)?),
        CredentialKind::Server => Grant::ServerKey(row.environment_id?),
        CredentialKind::Client => Grant::ClientKey(row.environment_id?),
        CredentialKind::Session => Grant::Role(Role::named(&user?.role)?),
    };
    let (id, name) = match user {
        Some(user) => (user.id.clone(), user.username.clone()),
        None => (row.id.clone(), row.name),
    };
    let actor = Actor { kind: row.kind, id, name };
    Some(Known { id: row.id, actor, grant, expires_at: row.expires_at.map(|at| at.0) })
}

fn credential(kind: CredentialKind, name: &str, token: &Secret) -> CredentialRow {
    CredentialRow {
        id: Uuid::now_v7().to_string(),
        kind: kind.name().to_owned(),
        hash: token.hash(),
        name: name.to_owned(),
        role: None,
        environment_id: None,
        user_id: None,
        created_at: Timestamp(clock::now()),
        expires_at: None,
        revoked_at: None,
    }
}

/// Whether any user exists: whether the store has been set up.
///
/// # Errors
/// When the store does not answer.
pub fn has_users(connection: &mut Connection<'_>) -> Result<bool> {
    Ok(!store::users(connection)?.is_empty())
}

/// Creates a user with a new random password, which is returned once.
///
/// # Errors
/// When the store does not answer.
pub fn create_user(connection: &mut Connection<'_>, username: &str, role: Role) -> Result<Secret> {
    let password = Secret::random("");
    let row = UserRow {
        id: Uuid::now_v7().to_string(),
        username: username.to_owned(),
        password_hash: hash_password(&password)?,
        role: role.name().to_owned(),
        created_at: Timestamp(clock::now()),
    };
    store::insert_user(connection, &row)?;
    Ok(password)
}

/// Creates a service token, which is returned once.
///
/// # Errors
/// When the store does not answer.
pub fn create_service_token(connection: &mut Connection<'_>, name: &str, role: Role) -> Result<Secret> {
    let token = Secret::random(CredentialKind::Service.prefix());
    let mut row = credential(CredentialKind::Service, name, &token);
    row.role = Some(role.name().to_owned());
    store::insert_credential(connection, &row)?;
    Ok(token)
}

/// Creates a server key or a client key for an environment, which is returned once.
///
/// # Errors
/// When the store does not answer.
pub fn create_sdk_key(
    connection: &mut Connection<'_>,
    kind: CredentialKind,
    name: &str,
    environment: i64,
) -> Result<Secret> {
    let token = Secret::random(kind.prefix());
    let mut row = credential(kind, name, &token);
    row.environment_id = Some(environment);
    store::insert_credential(connection, &row)?;
    Ok(token)
}
