use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};

use super::secret::{Digest, digest_of};
use super::store::{CredentialRow, UserRow};
use super::{Actor, CredentialKind, Grant, Role};
use crate::db::Timestamp;

/// Every live credential by the hash of its secret, ready to answer for a caller. Immutable: a change makes another.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    by_hash: hashbrown::HashMap<Digest, Arc<Known>>,
    /// Those of all client keys together.
    origins: Origins,
}

/// A live credential.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) id: String,
    pub(super) actor: Actor,
    pub(super) grant: Grant,
    expires_at: Option<DateTime<Utc>>,
    pub(super) origins: Origins,
    used: Arc<Used>,
}

/// Origins that browsers may ask from.
#[derive(Clone, Debug, Default)]
pub(super) struct Origins {
    any: bool,
    named: HashSet<String>,
}

/// The minute of a credential's last use, counted from 1970; 0 when it was not used since the start.
#[derive(Debug, Default)]
struct Used {
    minute: AtomicI64,
    written: AtomicI64,
}

/// A use that the store does not know of.
#[derive(Clone, Debug)]
pub(super) struct Use {
    pub(super) id: String,
    pub(super) at: DateTime<Utc>,
    minute: i64,
    used: Arc<Used>,
}

impl Table {
    /// Of what the store has; uses are taken over from the table `before`.
    pub(super) fn of(rows: Vec<CredentialRow>, users: &HashMap<String, UserRow>, before: &Self) -> Self {
        let mut table = Self::default();
        for row in rows {
            let Some(hash) = digest_of(&row.hash) else { continue };
            if let Some(mut known) = Known::of(row, users) {
                if let Some(earlier) = before.by_hash.get(&hash) {
                    known.used = earlier.used.clone();
                }
                table.insert(hash, known);
            }
        }
        table
    }

    pub(super) fn get(&self, hash: &Digest, now: DateTime<Utc>) -> Option<&Arc<Known>> {
        self.by_hash.get(hash).filter(|known| !known.expired(now))
    }

    /// With this credential, in place of one of its id.
    pub(super) fn with(&self, hash: Digest, mut known: Known) -> Self {
        let mut table = self.without(&known.id);
        if let Some(earlier) = self.by_hash.get(&hash) {
            known.used = earlier.used.clone();
        }
        table.insert(hash, known);
        table
    }

    /// Without the credential of this id.
    pub(super) fn without(&self, id: &str) -> Self {
        let mut table = Self::default();
        for (hash, known) in self.by_hash.iter().filter(|(_, known)| known.id != id) {
            table.origins.add(&known.origins);
            table.by_hash.insert(*hash, known.clone());
        }
        table
    }

    fn insert(&mut self, hash: Digest, known: Known) {
        self.origins.add(&known.origins);
        self.by_hash.insert(hash, Arc::new(known));
    }

    /// The origins that any client key allows.
    pub(super) fn origins(&self) -> &Origins {
        &self.origins
    }

    /// The last use of each credential that was used since the start.
    pub(super) fn uses(&self) -> impl Iterator<Item = Use> {
        self.by_hash.values().filter_map(|known| {
            let minute = known.used.minute.load(Ordering::Relaxed);
            let at = DateTime::from_timestamp(minute * 60, 0).filter(|_| minute > 0)?;
            Some(Use { id: known.id.clone(), at, minute, used: known.used.clone() })
        })
    }
}

impl Known {
    /// What a row stands for; none when it is of a kind or role this version does not know.
    pub(super) fn of(row: CredentialRow, users: &HashMap<String, UserRow>) -> Option<Self> {
        let kind = CredentialKind::named(&row.kind)?;
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
        let origins =
            if kind == CredentialKind::Client { Origins::read(&row.allowed_origins) } else { Origins::default() };
        let expires_at = row.expires_at.map(|Timestamp(at)| at);
        Some(Self { id: row.id, actor, grant, expires_at, origins, used: Arc::default() })
    }

    fn expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// Notes a use. Nothing is written for a second one in the same minute, so that threads need not tell each other.
    pub(super) fn touch(&self, now: DateTime<Utc>) {
        let minute = now.timestamp().div_euclid(60);
        if self.used.minute.load(Ordering::Relaxed) != minute {
            self.used.minute.store(minute, Ordering::Relaxed);
        }
    }
}

impl Origins {
    /// As they are kept. What can't be read allows nothing.
    fn read(list: &str) -> Self {
        let listed: Vec<String> = serde_json::from_str(list).unwrap_or_default();
        let any = listed.iter().any(|origin| origin == super::ANY_ORIGIN);
        Self { any, named: listed.into_iter().collect() }
    }

    fn add(&mut self, more: &Self) {
        self.any |= more.any;
        self.named.extend(more.named.iter().cloned());
    }

    pub(super) fn allows(&self, origin: &str) -> bool {
        self.any || self.named.contains(origin)
    }
}

impl Use {
    /// Whether the store does not know of it.
    pub(super) fn is_new(&self) -> bool {
        self.used.written.load(Ordering::Relaxed) < self.minute
    }

    /// The store knows of it now.
    pub(super) fn written(&self) {
        self.used.written.fetch_max(self.minute, Ordering::Relaxed);
    }
}
