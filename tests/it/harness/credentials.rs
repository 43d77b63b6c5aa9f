use std::collections::BTreeMap;

use bellwether::access::{self, CredentialKind, Role};
use bellwether::db::{Connection, Part, Store};
use bellwether::projects;

/// A credential of each kind.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) admin: String,
    pub(crate) operator: String,
    pub(crate) editor: String,
    pub(crate) viewer: String,
    pub(crate) environments: BTreeMap<String, Keys>,
}

/// The keys of an environment.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    pub(crate) server: String,
    pub(crate) client: String,
}

impl Credentials {
    /// Puts them into a store that no server has open.
    pub(super) fn create(store: &Store) -> Self {
        store.write_now(Part::Configuration, create).unwrap()
    }
}

fn create(connection: &mut Connection<'_>) -> bellwether::error::Result<Credentials> {
    let mut token = |name: &str, role| -> bellwether::error::Result<String> {
        Ok(access::create_service_token(connection, name, role)?.reveal().to_owned())
    };
    let (admin, operator) = (token("the admin", Role::Admin)?, token("the operator", Role::Operator)?);
    let (editor, viewer) = (token("the editor", Role::Editor)?, token("the viewer", Role::Viewer)?);
    let mut environments = BTreeMap::new();
    for environment in projects::environments(connection, projects::DEFAULT_PROJECT)? {
        environments.insert(environment.key.clone(), Keys::create(connection, &environment)?);
    }
    Ok(Credentials { admin, operator, editor, viewer, environments })
}

impl Keys {
    /// New keys of an environment.
    pub(crate) fn create(
        connection: &mut Connection<'_>,
        environment: &projects::Environment,
    ) -> bellwether::error::Result<Self> {
        let mut key = |kind, what: &str| -> bellwether::error::Result<String> {
            let name = format!("{} {what}", environment.key);
            Ok(access::create_sdk_key(connection, kind, &name, environment.id())?.reveal().to_owned())
        };
        Ok(Self { server: key(CredentialKind::Server, "server")?, client: key(CredentialKind::Client, "client")? })
    }
}
