//! What canaries have to say when a flag is archived, and what goes with a flag that is purged.

use super::{Limit, store};
use crate::db::Connection;
use crate::error::{Error, Result};
use crate::flags::{Edited, Need};
use crate::projects;

/// The canaries of a project that take a limit from the flag called `key`, while they run or when they are first started.
/// What has ended needs none any more.
///
/// # Errors
/// When there is no such project, or the store does not answer.
pub fn users(connection: &mut Connection<'_>, project: &str, key: &str) -> Result<Vec<Need>> {
    let mut users = Vec::new();
    for environment in projects::environments(connection, project)? {
        for canary in store::of_environment(connection, environment.id())? {
            let limits = canary.policy.guards.iter().filter_map(|guard| guard.limit.as_ref());
            let mut flags =
                limits.filter_map(|limit| if let Limit::Flag(limit) = limit { Some(&limit.flag) } else { None });
            if canary.state.has_ended() || !flags.any(|flag| flag == key) {
                continue;
            }
            let on = match Edited::of_ids(connection, canary.flag_id, canary.environment_id) {
                // Nothing is started on an archived flag.
                Err(Error::Conflict(_)) => continue,
                on => on?,
            };
            let takes = if canary.state.is_active() { "takes" } else { "would take" };
            let told = format!("the canary on {} in {} {takes} a limit from it", on.key(), environment.key);
            users.push(Need { of: on.key().to_owned(), told });
        }
    }
    Ok(users)
}

/// Removes everything about the canaries of a flag, verdicts included. Their measurements, which name the release
/// alone, stay as long as measurements do.
///
/// # Errors
/// When the store does not answer.
pub fn purge(connection: &mut Connection<'_>, flag: i64) -> Result<()> {
    store::purge(connection, flag)
}
