use diesel::prelude::*;

use super::record::{Canary, LogItem, State};
use super::verdict::Record;
use super::{GuardState, Policy};
use crate::clock;
use crate::db::schema::{canaries, canary_log, guard_states, verdicts};
use crate::db::{Connection, Timestamp, on_backend};
use crate::error::{Error, Result};

type CanaryRow = (i64, i64, i64, String, String, Option<String>, Timestamp);

fn canary(row: CanaryRow) -> Result<Canary> {
    let (flag_id, environment_id, version, state, policy, progress, updated_at) = row;
    let known = State::ALL.iter().find(|(name, _)| *name == state).map(|(_, state)| *state);
    Ok(Canary {
        flag_id,
        environment_id,
        version: u64::try_from(version).unwrap_or_default(),
        state: known.ok_or_else(|| Error::internal(format!("a canary is in the unknown state {state}")))?,
        policy: serde_json::from_str(&policy)?,
        progress: progress.as_deref().map(serde_json::from_str).transpose()?,
        updated_at: updated_at.0,
    })
}

pub(super) fn find(connection: &mut Connection<'_>, flag: i64, environment: i64) -> Result<Option<Canary>> {
    let query = canaries::table.find((flag, environment));
    let row: Option<CanaryRow> = on_backend!(connection, |c| query.first(c).optional())?;
    row.map(canary).transpose()
}

/// The canaries whose release runs.
pub(super) fn active(connection: &mut Connection<'_>) -> Result<Vec<Canary>> {
    let states: Vec<_> = State::ALL.iter().filter(|(_, state)| state.is_active()).map(|(name, _)| *name).collect();
    let query = canaries::table.filter(canaries::state.eq_any(states)).order(canaries::flag_id);
    let rows: Vec<CanaryRow> = on_backend!(connection, |c| query.load(c))?;
    rows.into_iter().map(canary).collect()
}

/// Every canary of an environment.
pub(super) fn of_environment(connection: &mut Connection<'_>, environment: i64) -> Result<Vec<Canary>> {
    let query = canaries::table.filter(canaries::environment_id.eq(environment)).order(canaries::flag_id);
    let rows: Vec<CanaryRow> = on_backend!(connection, |c| query.load(c))?;
    rows.into_iter().map(canary).collect()
}

/// Saves a canary as its next version.
pub(super) fn save(connection: &mut Connection<'_>, canary: &mut Canary) -> Result<()> {
    canary.version += 1;
    write(connection, canary)
}

/// Saves a canary whose state and policy are as they were: only its guards have seen more.
pub(super) fn write(connection: &mut Connection<'_>, canary: &mut Canary) -> Result<()> {
    canary.updated_at = clock::now();
    let values = (
        canaries::flag_id.eq(canary.flag_id),
        canaries::environment_id.eq(canary.environment_id),
        canaries::version.eq(i64::try_from(canary.version).unwrap_or(i64::MAX)),
        canaries::state.eq(canary.state.name()),
        canaries::policy.eq(serde_json::to_string::<Policy>(&canary.policy)?),
        canaries::progress.eq(canary.progress.as_ref().map(serde_json::to_string).transpose()?),
        canaries::updated_at.eq(Timestamp(canary.updated_at)),
    );
    let target = canaries::table.find((canary.flag_id, canary.environment_id));
    let known: i64 = on_backend!(connection, |c| target.count().get_result(c))?;
    if known == 0 {
        on_backend!(connection, |c| diesel::insert_into(canaries::table).values(values).execute(c))?;
    } else {
        let (_, _, version, state, policy, progress, updated_at) = values;
        let update = diesel::update(target).set((version, state, policy, progress, updated_at));
        on_backend!(connection, |c| update.execute(c))?;
    }
    Ok(())
}

pub(super) fn delete(connection: &mut Connection<'_>, canary: &Canary) -> Result<()> {
    let target = canaries::table.find((canary.flag_id, canary.environment_id));
    on_backend!(connection, |c| diesel::delete(target).execute(c))?;
    Ok(())
}

/// A release's guards, in the order of the policy.
pub(super) fn guards(connection: &mut Connection<'_>, release: &str) -> Result<Vec<GuardState>> {
    let query = guard_states::table
        .filter(guard_states::release_id.eq(release))
        .order(guard_states::position)
        .select(guard_states::state);
    let rows: Vec<String> = on_backend!(connection, |c| query.load(c))?;
    rows.iter().map(|state| Ok(serde_json::from_str(state)?)).collect()
}

/// Saves a release's guards.
pub(super) fn save_guards(connection: &mut Connection<'_>, release: &str, guards: &[GuardState]) -> Result<()> {
    let old = guard_states::table.filter(guard_states::release_id.eq(release));
    on_backend!(connection, |c| diesel::delete(old).execute(c))?;
    for (position, guard) in guards.iter().enumerate() {
        let insert = diesel::insert_into(guard_states::table).values((
            guard_states::release_id.eq(release),
            guard_states::guard.eq(&guard.guard().name),
            guard_states::position.eq(i64::try_from(position).unwrap_or(i64::MAX)),
            guard_states::state.eq(serde_json::to_string(guard)?),
        ));
        on_backend!(connection, |c| insert.execute(c))?;
    }
    Ok(())
}

/// Adds a line to a canary's log; the line's id is the store's.
pub(super) fn log(connection: &mut Connection<'_>, canary: &Canary, item: &LogItem) -> Result<()> {
    let insert = diesel::insert_into(canary_log::table).values((
        canary_log::flag_id.eq(canary.flag_id),
        canary_log::environment_id.eq(canary.environment_id),
        canary_log::release_id.eq(&item.release),
        canary_log::at.eq(Timestamp(item.at)),
        canary_log::actor.eq(&item.actor),
        canary_log::event.eq(&item.event),
        canary_log::stage.eq(item.stage),
        canary_log::percentage.eq(item.percentage),
        canary_log::reason.eq(&item.reason),
        canary_log::verdict_id.eq(&item.verdict),
    ));
    on_backend!(connection, |c| insert.execute(c))?;
    Ok(())
}

type LogRow =
    (i64, i64, i64, Option<String>, Timestamp, String, String, Option<i64>, Option<f64>, String, Option<String>);

/// A canary's log, newest first, before line `before`.
pub(super) fn read_log(
    connection: &mut Connection<'_>,
    (flag, environment): (i64, i64),
    before: i64,
    limit: i64,
) -> Result<Vec<LogItem>> {
    let query = canary_log::table
        .filter(canary_log::flag_id.eq(flag))
        .filter(canary_log::environment_id.eq(environment))
        .filter(canary_log::id.lt(before))
        .order(canary_log::id.desc())
        .limit(limit);
    let rows: Vec<LogRow> = on_backend!(connection, |c| query.load(c))?;
    let item = |row: LogRow| {
        let (id, _, _, release, at, actor, event, stage, percentage, reason, verdict) = row;
        LogItem { id, at: at.0, actor, event, release, stage, percentage, reason, verdict }
    };
    Ok(rows.into_iter().map(item).collect())
}

/// Keeps a verdict's record.
pub(super) fn keep_verdict(connection: &mut Connection<'_>, canary: &Canary, record: &Record) -> Result<()> {
    let insert = diesel::insert_into(verdicts::table).values((
        verdicts::id.eq(&record.id),
        verdicts::flag_id.eq(canary.flag_id),
        verdicts::environment_id.eq(canary.environment_id),
        verdicts::release_id.eq(&record.release),
        verdicts::at.eq(Timestamp(record.at)),
        verdicts::decision.eq(&record.decision),
        verdicts::record.eq(serde_json::to_string(record)?),
    ));
    on_backend!(connection, |c| insert.execute(c))?;
    Ok(())
}

/// The records of a canary's verdicts as JSON, newest first, before the one called `before`.
pub(super) fn verdicts(
    connection: &mut Connection<'_>,
    (flag, environment): (i64, i64),
    before: Option<String>,
    limit: i64,
) -> Result<Vec<serde_json::Value>> {
    let rows: Vec<String> = on_backend!(connection, |c| {
        let mut query = verdicts::table
            .filter(verdicts::flag_id.eq(flag))
            .filter(verdicts::environment_id.eq(environment))
            .into_boxed();
        if let Some(before) = before {
            query = query.filter(verdicts::id.lt(before));
        }
        query.order(verdicts::id.desc()).limit(limit).select(verdicts::record).load(c)
    })?;
    rows.iter().map(|record| Ok(serde_json::from_str(record)?)).collect()
}

/// One verdict's record as JSON.
pub(super) fn verdict(
    connection: &mut Connection<'_>,
    (flag, environment): (i64, i64),
    id: &str,
) -> Result<Option<serde_json::Value>> {
    let query = verdicts::table
        .find(id)
        .filter(verdicts::flag_id.eq(flag))
        .filter(verdicts::environment_id.eq(environment))
        .select(verdicts::record);
    let row: Option<String> = on_backend!(connection, |c| query.first(c).optional())?;
    Ok(row.map(|record| serde_json::from_str(&record)).transpose()?)
}

/// Removes everything about the canaries of a flag but the measurements: canaries, logs, guards and verdicts.
pub(super) fn purge(connection: &mut Connection<'_>, flag: i64) -> Result<()> {
    let releases = canary_log::table
        .filter(canary_log::flag_id.eq(flag))
        .filter(canary_log::release_id.is_not_null())
        .select(canary_log::release_id.assume_not_null())
        .distinct();
    let releases: Vec<String> = on_backend!(connection, |c| releases.load(c))?;
    // One after the other: how many values a query may name is limited.
    for release in releases {
        let guards = guard_states::table.filter(guard_states::release_id.eq(release));
        on_backend!(connection, |c| diesel::delete(guards).execute(c))?;
    }
    let verdicts = verdicts::table.filter(verdicts::flag_id.eq(flag));
    on_backend!(connection, |c| diesel::delete(verdicts).execute(c))?;
    let log = canary_log::table.filter(canary_log::flag_id.eq(flag));
    on_backend!(connection, |c| diesel::delete(log).execute(c))?;
    let canaries = canaries::table.filter(canaries::flag_id.eq(flag));
    on_backend!(connection, |c| diesel::delete(canaries).execute(c))?;
    Ok(())
}
