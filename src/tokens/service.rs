use bellwether_core::Fault;

use super::input::ONLY_CLIENT_KEYS;
use super::{CreatedToken, NewToken, Token, TokenChange, origin};
use crate::access::{self, Access, Caller, Credential, CredentialKind, NewCredential, Role};
use crate::audit::{self, Entry};
use crate::clock;
use crate::db::{Connection, Part, Store};
use crate::error::{Error, Result};
use crate::input::Found;
use crate::projects;
use crate::version::IfMatch;

/// The service for tokens. It is for admins alone.
#[derive(Clone)]
pub struct Tokens {
    store: Store,
    access: Access,
}

impl Tokens {
    /// Over `store`, telling `access` of every change as it is committed.
    pub fn new(store: Store, access: Access) -> Self {
        Self { store, access }
    }

    /// Up to `limit` tokens, the oldest first, after the one of the id `after`; revoked ones too.
    ///
    /// # Errors
    /// When the caller is no admin, or the store does not answer.
    pub async fn list(&self, caller: &Caller, after: Option<String>, limit: usize) -> Result<Vec<Token>> {
        caller.require(Role::Admin)?;
        let uses = self.access.uses();
        let query = move |c: &mut Connection<'_>| {
            let credentials = access::list(c, &after.unwrap_or_default(), limit)?;
            Token::of_all(c, &credentials, &uses)
        };
        self.store.read(Part::Configuration, query).await
    }

    /// One token.
    ///
    /// # Errors
    /// As [`Tokens::list`], or [`Error::NotFound`].
    pub async fn get(&self, caller: &Caller, id: String) -> Result<Token> {
        caller.require(Role::Admin)?;
        let access = self.access.clone();
        let query = move |c: &mut Connection<'_>| {
            let credential = access::find(c, &id)?;
            shown(c, &access, &credential)
        };
        self.store.read(Part::Configuration, query).await
    }

    /// Creates a token; its secret is in the answer and kept nowhere. No token makes one that may do more than itself.
    ///
    /// # Errors
    /// When the caller is no admin, it lacks what its kind needs, or there is no such environment.
    pub async fn create(&self, caller: &Caller, (new, found): (NewToken, Found)) -> Result<CreatedToken> {
        caller.require(Role::Admin)?;
        if let Some(role) = new.role {
            caller.require(role)?;
        }
        let (caller, access, taken) = (caller.clone(), self.access.clone(), self.access.clone());
        let change = move |c: &mut Connection<'_>| {
            let new = to_keep(c, new, found)?;
            let (credential, secret) = access::create(c, new)?;
            let about = shown(c, &access, &credential)?;
            let changes = audit::whole(None, Some(serde_json::to_value(&about)?));
            audit::record(c, &caller, Entry { changes, ..entry("token.create", &about) })?;
            Ok((credential, CreatedToken { about, token: secret.reveal().to_owned() }))
        };
        let after = move |(credential, _): &(Credential, CreatedToken)| taken.take(credential);
        self.store.write_then(Part::Configuration, change, after).await.map(|(_, created)| created)
    }

    /// Changes a token's name or where browsers may use it.
    ///
    /// # Errors
    /// When the caller is no admin, there is none of that id, its version is another, or it is revoked.
    pub async fn change(
        &self,
        caller: &Caller,
        id: String,
        if_match: IfMatch,
        (change, mut found): (TokenChange, Found),
    ) -> Result<Token> {
        caller.require(Role::Admin)?;
        self.write(caller, id, if_match, "token.update", move |token| {
            if token.revoked_at.is_some() {
                return Err(Error::Conflict("the token is revoked".to_owned()));
            }
            if let Some(origins) = change.allowed_origins {
                if token.kind != CredentialKind::Client && !origins.is_empty() {
                    found.add([Fault::new("/allowed_origins", ONLY_CLIENT_KEYS)]);
                }
                token.allowed_origins = origin::each_once(origins);
            }
            Error::unless_empty(found.into_faults())?;
            token.name = change.name.unwrap_or_else(|| token.name.clone());
            Ok(())
        })
        .await
    }

    /// Revokes a token at once; a second time it does nothing.
    ///
    /// # Errors
    /// When the caller is no admin, there is none of that id, or its version is another.
    pub async fn revoke(&self, caller: &Caller, id: String, if_match: IfMatch) -> Result<()> {
        caller.require(Role::Admin)?;
        let now = clock::now();
        let revoke = move |token: &mut Credential| {
            token.revoked_at = token.revoked_at.or(Some(now));
            Ok(())
        };
        self.write(caller, id, if_match, "token.revoke", revoke).await.map(drop)
    }

    /// One transaction, with the audit row of what has changed, if anything has.
    async fn write(
        &self,
        caller: &Caller,
        id: String,
        if_match: IfMatch,
        action: &'static str,
        change: impl FnOnce(&mut Credential) -> Result<()> + Send + 'static,
    ) -> Result<Token> {
        let (caller, access, taken) = (caller.clone(), self.access.clone(), self.access.clone());
        let work = move |c: &mut Connection<'_>| {
            let mut credential = access::find(c, &id)?;
            if_match.check(credential.version)?;
            let before = shown(c, &access, &credential)?;
            change(&mut credential)?;
            credential.version += 1;
            let after = shown(c, &access, &credential)?;
            let mut changes = audit::diff(&serde_json::to_value(&before)?, &serde_json::to_value(&after)?);
            changes.retain(|change| change.pointer != "/version");
            if changes.is_empty() {
                return Ok((None, before));
            }
            access::update(c, &credential)?;
            audit::record(c, &caller, Entry { changes, ..entry(action, &after) })?;
            Ok((Some(credential), after))
        };
        let after = move |(changed, _): &(Option<Credential>, Token)| {
            if let Some(credential) = changed {
                taken.take(credential);
            }
        };
        self.store.write_then(Part::Configuration, work, after).await.map(|(_, token)| token)
    }
}

/// What is to be kept of a new token.
fn to_keep(connection: &mut Connection<'_>, new: NewToken, mut found: Found) -> Result<NewCredential> {
    let environment = environment(connection, &new, &mut found)?;
    Error::unless_empty(found.into_faults())?;
    Ok(NewCredential {
        kind: new.kind.credential(),
        name: new.name,
        role: new.role,
        environment,
        allowed_origins: origin::each_once(new.allowed_origins),
        expires_at: new.expires_at,
    })
}

/// The id of the environment that a new token names; what is not there is added to `found`.
fn environment(connection: &mut Connection<'_>, new: &NewToken, found: &mut Found) -> Result<Option<i64>> {
    let Some(project) = &new.project else { return Ok(None) };
    let environments = match projects::environments(connection, project) {
        Ok(environments) => environments,
        Err(Error::NotFound(_)) => {
            found.add([Fault::new("/project", format!("there is no project {project}"))]);
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let Some(key) = &new.environment else { return Ok(None) };
    let known = environments.into_iter().find(|environment| environment.key == *key);
    if known.is_none() {
        found.add([Fault::new("/environment", format!("there is no environment {key} in project {project}"))]);
    }
    Ok(known.map(|environment| environment.id()))
}

fn shown(connection: &mut Connection<'_>, access: &Access, credential: &Credential) -> Result<Token> {
    let environment = credential.environment.map(|id| projects::environment_of_id(connection, id)).transpose()?;
    Ok(Token::of(credential, environment.as_ref(), access.uses().get(&credential.id).copied()))
}

fn entry(action: &'static str, token: &Token) -> Entry {
    Entry {
        action,
        resource: format!("token/{}", token.id),
        project: token.project.clone(),
        environment: token.environment.clone(),
        ..Entry::default()
    }
}
