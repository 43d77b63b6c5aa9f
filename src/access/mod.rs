//! Who may do what: users, roles, credentials, sessions.
//!
//! Everything a caller can show (a service token, an SDK key, a session) is a credential: stored hashed, held in memory
//! by its hash so that a flag's read never touches the database, revoked by one column.

mod caller;
mod credential;
mod known;
pub mod pages;
mod password;
mod secret;
mod session;
mod store;
mod throttle;
mod uses;

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use tokio::sync::watch;
use uuid::Uuid;

pub use caller::{Actor, Caller, Grant, Origin, Role};
pub use credential::{ANY_ORIGIN, Credential, NewCredential, create, find, list, update};
pub use password::hash_password;
pub use secret::Secret;
pub use session::Session;
pub use uses::keep as keep_uses;

use crate::clock;
use crate::db::{Connection, Part, Store, Timestamp};
use crate::error::{Error, Result};
use known::{Known, Table};
use password::Passwords;
use store::{CredentialRow, UserRow};
use throttle::Throttle;

/// What is said to a session that is shown where pages are not.
pub const SESSION_ELSEWHERE: &str = "a session opens pages only; use a service token here";

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

    /// The name as it stands in the API and in the audit log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Service => "service_token",
            Self::Server => "server_key",
            Self::Client => "client_key",
            Self::Session => "user",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// The service that knows callers.
#[derive(Clone)]
pub struct Access {
    store: Store,
    known: Arc<ArcSwap<Table>>,
    changes: watch::Sender<()>,
    passwords: Passwords,
    throttle: Throttle,
}

impl Access {
    /// Loads every live credential.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn load(store: Store) -> Result<Self> {
        let live = store.read_now(Part::Configuration, Live::read)?;
        Ok(Self {
            store,
            known: Arc::new(ArcSwap::from_pointee(Table::of(live.rows, &live.users, &Table::default()))),
            changes: watch::Sender::new(()),
            passwords: Passwords::new(),
            throttle: Throttle::new(),
        })
    }

    /// Reads the credentials again: another part of the program, or another program, has changed some.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn reload(&self) -> Result<()> {
        let (known, changes) = (self.known.clone(), self.changes.clone());
        // In the order of the commits: what was revoked since must not come back.
        let after = move |live: &Live| {
            known.store(Arc::new(Table::of(live.rows.clone(), &live.users, &known.load())));
            changes.send_replace(());
        };
        self.store.write_then(Part::Configuration, Live::read, after).await.map(drop)
    }

    /// Has a service token or key as it is in the store now: for what runs after the commit that changed it.
    pub fn take(&self, credential: &Credential) {
        self.known.rcu(|table| {
            let live = credential.revoked_at.is_none();
            let row = live.then(|| credential.to_row().ok()).flatten();
            let known = row.and_then(|row| Known::of(row, &HashMap::new()));
            match secret::digest_of(credential.hash()).zip(known) {
                Some((hash, known)) => table.with(hash, known),
                None => table.without(&credential.id),
            }
        });
        self.changes.send_replace(());
    }

    /// Tells of every change of the credentials: whoever keeps a connection for one then asks [`Access::is_live`].
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// When credentials were last used, by their ids: what the store may not have yet.
    #[must_use]
    pub fn uses(&self) -> HashMap<String, DateTime<Utc>> {
        self.known.load().uses().map(|used| (used.id, used.at)).collect()
    }

    /// The caller that shows `token`.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when the token is unknown, revoked or expired.
    pub fn authenticate(&self, token: &Secret, origin: Origin) -> Result<Caller> {
        let (known, now) = (self.known.load(), clock::now());
        let known = known.get(&token.digest(), now);
        let known = known.ok_or(Error::Unauthenticated("the credential is unknown, revoked or expired"))?;
        known.touch(now);
        Ok(Caller { actor: known.actor.clone(), grant: known.grant, origin })
    }

    /// What the credential `token` gives, for those who need not know whose it is: nothing is copied.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when the token is unknown, revoked or expired, or is a session's, which opens pages only.
    pub fn grant(&self, token: &Secret) -> Result<Grant> {
        let (known, now) = (self.known.load(), clock::now());
        let known = known.get(&token.digest(), now);
        let known = known.ok_or(Error::Unauthenticated("the credential is unknown, revoked or expired"))?;
        known.touch(now);
        if known.actor.kind == CredentialKind::Session.name() {
            return Err(Error::Unauthenticated(SESSION_ELSEWHERE));
        }
        Ok(known.grant)
    }

    /// Whether `token` still opens anything.
    pub fn is_live(&self, token: &Secret) -> bool {
        self.known.load().get(&token.digest(), clock::now()).is_some()
    }

    /// Whether a page of `origin` may read answers to requests with `token`: that is for each client key to say.
    /// Without a credential that is known, whether it may with any.
    pub fn allows_origin(&self, token: Option<&Secret>, origin: &str) -> bool {
        let table = self.known.load();
        let known = token.and_then(|token| table.get(&token.digest(), clock::now()));
        known.map_or(table.origins(), |known| &known.origins).allows(origin)
    }
}

/// The live credentials in the store, and who they may belong to.
#[derive(Debug)]
struct Live {
    rows: Vec<CredentialRow>,
    users: HashMap<String, UserRow>,
}

impl Live {
    fn read(connection: &mut Connection<'_>) -> Result<Self> {
        let users = store::users(connection)?.into_iter().map(|user| (user.id.clone(), user)).collect();
        Ok(Self { rows: store::live_credentials(connection, clock::now())?, users })
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
    create(connection, NewCredential::service(name, role)).map(|(_, secret)| secret)
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
    create(connection, NewCredential::key(kind, name, environment)).map(|(_, secret)| secret)
}
