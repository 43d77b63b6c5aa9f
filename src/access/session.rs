use chrono::TimeDelta;

use super::caller::{Actor, Caller, Grant, Origin, Role};
use super::store::{self, CredentialRow, UserRow};
use super::{Access, CredentialKind, Secret, credential};
use crate::audit::{self, Entry};
use crate::clock;
use crate::db::{Connection, Part, Timestamp};
use crate::error::{Error, Result};

/// How long a session lasts.
const SESSION: TimeDelta = TimeDelta::hours(12);

/// A user who has just logged in.
#[derive(Debug)]
pub struct Session {
    /// The cookie's value.
    pub token: Secret,
    /// How long it lasts, in seconds.
    pub seconds: i64,
}

impl Access {
    /// Logs a user in, from `origin`.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], the same whether the name or the password is wrong; [`Error::TooMany`] after many
    /// tries at this account from this address, right or wrong.
    pub async fn log_in(&self, username: String, password: Secret, origin: Origin) -> Result<Session> {
        self.throttle.pass(&username, &origin.address)?;
        let user = self.store.read(Part::Configuration, move |c| store::user_named(c, &username)).await?;
        let hash = user.as_ref().map(|user| user.password_hash.clone());
        let right = self.passwords.verify(password, hash).await?;
        let user = user.filter(|_| right).ok_or(Error::Unauthenticated("the name or the password is wrong"))?;
        let (session, row) = new_session(&user);
        let change = move |c: &mut Connection<'_>| {
            store::insert_credential(c, &row)?;
            audit::record(c, &caller(&user, origin)?, about(&row.id, "session.create"))
        };
        self.store.write(Part::Configuration, change).await?;
        self.reload().await?;
        Ok(session)
    }

    /// Ends the session of `token`, which `caller` showed; a second time it does nothing.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn log_out(&self, caller: &Caller, token: &Secret) -> Result<()> {
        let Some(id) = self.known.load().get(&token.digest(), clock::now()).map(|known| known.id.clone()) else {
            return Ok(());
        };
        let caller = caller.clone();
        let change = move |c: &mut Connection<'_>| {
            if store::revoke(c, &id, clock::now())? {
                audit::record(c, &caller, about(&id, "session.delete"))?;
            }
            Ok(())
        };
        self.store.write(Part::Configuration, change).await?;
        self.reload().await
    }
}

fn new_session(user: &UserRow) -> (Session, CredentialRow) {
    let token = Secret::random(CredentialKind::Session.prefix());
    let mut row = credential::row(CredentialKind::Session, "session", &token);
    row.user_id = Some(user.id.clone());
    row.expires_at = Some(Timestamp(clock::now() + SESSION));
    (Session { token, seconds: SESSION.num_seconds() }, row)
}

fn caller(user: &UserRow, origin: Origin) -> Result<Caller> {
    let role = Role::named(&user.role).ok_or_else(|| Error::internal(format!("unknown role {}", user.role)))?;
    let kind = CredentialKind::Session.name().to_owned();
    let actor = Actor { kind, id: user.id.clone(), name: user.username.clone() };
    Ok(Caller { actor, grant: Grant::Role(role), origin })
}

/// The session's id is no secret: it is not the token.
fn about(id: &str, action: &'static str) -> Entry {
    Entry { action, resource: format!("session/{id}"), ..Entry::default() }
}
