use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use crate::db::schema::flag_usage;
use crate::db::{Connection, Timestamp, on_backend};
use crate::error::Result;

/// The environment of the row that says since when evaluations are counted.
const NOWHERE: i64 = 0;

/// What is known of one variation of a flag in an environment; to be added, or in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) environment: i64,
    pub(super) flag: String,
    pub(super) variation: String,
    pub(super) evaluations: u64,
    pub(super) first: DateTime<Utc>,
    pub(super) last: DateTime<Utc>,
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Adds to what is known.
pub(super) fn add(connection: &mut Connection<'_>, row: &Row) -> Result<()> {
    let place = flag_usage::table.find((row.environment, row.flag.as_str(), row.variation.as_str()));
    let select = place.select((flag_usage::evaluations, flag_usage::first_at, flag_usage::last_at));
    let known: Option<(i64, Timestamp, Timestamp)> = on_backend!(connection, |c| select.first(c).optional())?;
    let Some((evaluations, first, last)) = known else {
        let insert = diesel::insert_into(flag_usage::table).values((
            flag_usage::environment_id.eq(row.environment),
            flag_usage::flag_key.eq(row.flag.as_str()),
            flag_usage::variation.eq(row.variation.as_str()),
            flag_usage::evaluations.eq(signed(row.evaluations)),
            flag_usage::first_at.eq(Timestamp(row.first)),
            flag_usage::last_at.eq(Timestamp(row.last)),
        ));
        on_backend!(connection, |c| insert.execute(c))?;
        return Ok(());
    };
    let update = diesel::update(place).set((
        flag_usage::evaluations.eq(evaluations.saturating_add(signed(row.evaluations))),
        flag_usage::first_at.eq(first.min(Timestamp(row.first))),
        flag_usage::last_at.eq(last.max(Timestamp(row.last))),
    ));
    on_backend!(connection, |c| update.execute(c))?;
    Ok(())
}

/// All that is known.
pub(super) fn rows(connection: &mut Connection<'_>) -> Result<Vec<Row>> {
    let query = flag_usage::table.filter(flag_usage::environment_id.ne(NOWHERE));
    let rows: Vec<(i64, String, String, i64, Timestamp, Timestamp)> = on_backend!(connection, |c| query.load(c))?;
    let row = |(environment, flag, variation, evaluations, first, last): (_, _, _, i64, Timestamp, Timestamp)| Row {
        environment,
        flag,
        variation,
        evaluations: u64::try_from(evaluations).unwrap_or_default(),
        first: first.0,
        last: last.0,
    };
    Ok(rows.into_iter().map(row).collect())
}

/// Since when evaluations are counted; since `now` when this is the first time.
pub(super) fn since(connection: &mut Connection<'_>, now: DateTime<Utc>) -> Result<DateTime<Utc>> {
    let place = flag_usage::table.find((NOWHERE, "", ""));
    let known: Option<Timestamp> = on_backend!(connection, |c| place.select(flag_usage::first_at).first(c).optional())?;
    if let Some(known) = known {
        return Ok(known.0);
    }
    let row = Row {
        environment: NOWHERE,
        flag: String::new(),
        variation: String::new(),
        evaluations: 0,
        first: now,
        last: now,
    };
    add(connection, &row)?;
    Ok(now)
}

/// Forgets a flag in an environment, or one variation of it.
pub(super) fn forget(
    connection: &mut Connection<'_>,
    environment: i64,
    flag: &str,
    variation: Option<&str>,
) -> Result<()> {
    let rows =
        flag_usage::table.filter(flag_usage::environment_id.eq(environment)).filter(flag_usage::flag_key.eq(flag));
    match variation {
        None => on_backend!(connection, |c| diesel::delete(rows).execute(c))?,
        Some(name) => {
            let row = rows.filter(flag_usage::variation.eq(name));
            on_backend!(connection, |c| diesel::delete(row).execute(c))?
        }
    };
    Ok(())
}

/// Forgets the flags that are not `known`, by environment and key: they were removed while nothing could be saved.
pub(super) fn forget_unless(connection: &mut Connection<'_>, known: impl Fn(i64, &str) -> bool) -> Result<()> {
    let flags: BTreeSet<_> = rows(connection)?.into_iter().map(|row| (row.environment, row.flag)).collect();
    for (environment, flag) in flags.iter().filter(|(environment, flag)| !known(*environment, flag)) {
        forget(connection, *environment, flag, None)?;
    }
    Ok(())
}
