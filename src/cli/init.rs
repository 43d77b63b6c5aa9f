use std::collections::BTreeMap;

use anyhow::bail;
use clap::Args;
use serde::Serialize;

use super::{Outcome, StoreArguments, output};
use crate::access::{self, Caller, CredentialKind, Role};
use crate::audit::{self, Entry};
use crate::db::{Connection, Part};
use crate::error::Result;
use crate::projects::{self, DEFAULT_PROJECT};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    store: StoreArguments,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Everything that is printed once and kept nowhere.
#[derive(Serialize)]
struct Secrets {
    admin: Admin,
    token: String,
    project: &'static str,
    environments: BTreeMap<String, Keys>,
}

#[derive(Serialize)]
struct Admin {
    username: &'static str,
    password: String,
}

#[derive(Serialize)]
struct Keys {
    server_key: String,
    client_key: String,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let store = crate::app::open_alone(&arguments.store.database_url)?;
    let Some(secrets) = store.write_now(Part::Configuration, set_up)? else {
        bail!("this store is set up already; its passwords and keys were printed then and are not kept");
    };
    if arguments.json {
        output::say(&serde_json::to_string(&secrets)?);
    } else {
        output::say(&table(&secrets));
    }
    Ok(Outcome::Well)
}

/// Creates the admin, the token and the keys; `None` when there are users already.
fn set_up(connection: &mut Connection<'_>) -> Result<Option<Secrets>> {
    const USERNAME: &str = "admin";
    if access::has_users(connection)? {
        return Ok(None);
    }
    let caller = Caller::system("command");
    let password = access::create_user(connection, USERNAME, Role::Admin)?;
    let token = access::create_service_token(connection, "init", Role::Admin)?;
    let mut environments = BTreeMap::new();
    for environment in projects::environments(connection, DEFAULT_PROJECT)? {
        let mut key = |kind, what: &str| -> Result<String> {
            let name = format!("{} {what}", environment.key);
            Ok(access::create_sdk_key(connection, kind, &name, environment.id)?.reveal().to_owned())
        };
        let server_key = key(CredentialKind::Server, "server")?;
        let client_key = key(CredentialKind::Client, "client")?;
        environments.insert(environment.key.clone(), Keys { server_key, client_key });
    }
    let entry = Entry { action: "store.init", resource: "store".to_owned(), ..Entry::default() };
    audit::record(connection, &caller, entry)?;
    Ok(Some(Secrets {
        admin: Admin { username: USERNAME, password: password.reveal().to_owned() },
        token: token.reveal().to_owned(),
        project: DEFAULT_PROJECT,
        environments,
    }))
}

fn table(secrets: &Secrets) -> String {
    let mut lines = vec![
        "Set up. This is shown once; keep it safe.".to_owned(),
        String::new(),
        format!("  admin user      {}", secrets.admin.username),
        format!("  admin password  {}", secrets.admin.password),
        format!("  admin token     {}", secrets.token),
    ];
    for (name, keys) in &secrets.environments {
        lines.push(String::new());
        lines.push(format!("  {name}"));
        lines.push(format!("    server key    {}", keys.server_key));
        lines.push(format!("    client key    {}", keys.client_key));
    }
    lines.push(String::new());
    lines.push("Next: bellwether serve".to_owned());
    lines.join("\n")
}
