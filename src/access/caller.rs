use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{Error, Result};

/// What somebody may do, each role including those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Read.
    Viewer,
    /// Change what is not production.
    Editor,
    /// Change what production serves.
    Operator,
    /// Users, tokens, projects.
    Admin,
}

impl Role {
    const ALL: [Self; 4] = [Self::Viewer, Self::Editor, Self::Operator, Self::Admin];

    /// The name as it stands in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The least role that may change what an environment serves.
    pub fn to_change(production: bool) -> Self {
        if production { Self::Operator } else { Self::Editor }
    }

    /// The role of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// Who does something, as the audit log names them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Actor {
    /// `user`, `service_token`, `server_key`, `client_key`, `guard`, `command`.
    pub kind: String,
    /// The user's or credential's id; the kind again for those that have none.
    pub id: String,
    /// The name people know it by.
    pub name: String,
}

/// From where something is asked.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// Names this request in answers, logs and audit.
    pub request_id: String,
    /// The client's address; empty for the server's own doing.
    pub address: String,
    /// What the client calls itself.
    pub user_agent: String,
}

/// What a caller's credential gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// The admin API and pages, by role.
    Role(Role),
    /// One environment, everything an SDK does.
    ServerKey(i64),
    /// One environment, flags marked visible to clients.
    ClientKey(i64),
    /// The server itself.
    System,
}

impl Grant {
    /// The environment of a server key.
    #[must_use]
    pub fn server_environment(self) -> Option<i64> {
        if let Self::ServerKey(environment) = self { Some(environment) } else { None }
    }

    /// The environment of an SDK key, and whether it is a client key.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for any other credential.
    pub fn sdk_environment(self) -> Result<(i64, bool)> {
        match self {
            Self::ServerKey(environment) => Ok((environment, false)),
            Self::ClientKey(environment) => Ok((environment, true)),
            _ => Err(Error::Forbidden("this needs a server key (bw_sdk_…) or a client key (bw_pub_…)".to_owned())),
        }
    }
}

/// Somebody known, asking for something.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who.
    pub actor: Actor,
    /// With what rights.
    pub grant: Grant,
    /// From where.
    pub origin: Origin,
}

impl Caller {
    /// The server acting by itself, as `kind`.
    pub fn system(kind: &str) -> Self {
        let actor = Actor { kind: kind.to_owned(), id: kind.to_owned(), name: kind.to_owned() };
        Self { actor, grant: Grant::System, origin: Origin::default() }
    }

    /// Passes those with `role` or more.
    ///
    /// # Errors
    /// [`Error::Forbidden`], naming the role that is needed.
    pub fn require(&self, role: Role) -> Result<()> {
        match self.grant {
            Grant::System => Ok(()),
            Grant::Role(own) if own >= role => Ok(()),
            Grant::Role(own) => {
                Err(Error::Forbidden(format!("this needs the role {}; yours is {}", role.name(), own.name())))
            }
            Grant::ServerKey(_) | Grant::ClientKey(_) => {
                Err(Error::Forbidden("an SDK key has no access to the admin API; use a service token".to_owned()))
            }
        }
    }

    /// Passes those who may change what an environment serves: operators in production, editors elsewhere.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn require_change(&self, production: bool) -> Result<()> {
        self.require(Role::to_change(production))
    }

    /// The role, of those who have one.
    pub fn role(&self) -> Option<Role> {
        match self.grant {
            Grant::Role(role) => Some(role),
            _ => None,
        }
    }

    /// The environment of a server key.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for any other credential.
    pub fn server_environment(&self) -> Result<i64> {
        let environment = self.grant.server_environment();
        environment.ok_or_else(|| Error::Forbidden("this needs a server key (bw_sdk_…) of the environment".to_owned()))
    }
}
