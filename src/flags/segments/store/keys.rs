//! The keys of segments, in parts that begin with a version and end with one.

use bellwether_core::{KeyList, Keys};
use diesel::prelude::*;

use super::{list_name, signed};
use crate::db::schema::segment_chunks;
use crate::db::{Connection, on_backend};
use crate::error::{Error, Result};
use crate::flags::segments::chunks::Plan;

/// Rows of one statement.
const TOGETHER: usize = 100;

#[derive(Insertable)]
#[diesel(table_name = segment_chunks)]
struct Row {
    segment_id: i64,
    list: &'static str,
    first_key: String,
    since: i64,
    keys: String,
}

/// The first keys of the parts that a list has now, rising.
pub(in crate::flags::segments) fn first_keys(
    connection: &mut Connection<'_>,
    segment: i64,
    list: KeyList,
) -> Result<Vec<String>> {
    let query = segment_chunks::table
        .filter(segment_chunks::segment_id.eq(segment))
        .filter(segment_chunks::until.is_null())
        .filter(segment_chunks::list.eq(list_name(list)))
        .order(segment_chunks::first_key)
        .select(segment_chunks::first_key);
    Ok(on_backend!(connection, |c| query.load(c))?)
}

/// The keys that a list has now.
pub(in crate::flags::segments) fn keys(connection: &mut Connection<'_>, segment: i64, list: KeyList) -> Result<Keys> {
    let query = segment_chunks::table
        .filter(segment_chunks::segment_id.eq(segment))
        .filter(segment_chunks::until.is_null())
        .filter(segment_chunks::list.eq(list_name(list)))
        .order(segment_chunks::first_key)
        .select(segment_chunks::keys);
    let parts: Vec<String> = on_backend!(connection, |c| query.load(c))?;
    let mut keys = Keys::default();
    for part in parts {
        for key in part.split('\n') {
            keys.push(key).map_err(Error::internal)?;
        }
    }
    keys.shrink();
    Ok(keys)
}

/// Ends parts of a list with a version.
pub(in crate::flags::segments) fn end(
    connection: &mut Connection<'_>,
    (segment, list): (i64, KeyList),
    version: u64,
    plan: &Plan,
) -> Result<()> {
    for first in plan.ended.chunks(TOGETHER) {
        let target = segment_chunks::table
            .filter(segment_chunks::segment_id.eq(segment))
            .filter(segment_chunks::until.is_null())
            .filter(segment_chunks::list.eq(list_name(list)))
            .filter(segment_chunks::first_key.eq_any(first));
        let update = diesel::update(target).set(segment_chunks::until.eq(signed(version)));
        on_backend!(connection, |c| update.execute(c))?;
    }
    Ok(())
}

/// Begins parts of a list, which is now `keys`, with a version.
pub(in crate::flags::segments) fn begin(
    connection: &mut Connection<'_>,
    (segment, list): (i64, KeyList),
    version: u64,
    (plan, keys): (&Plan, &Keys),
) -> Result<()> {
    let row = |(first, range): &(String, std::ops::Range<usize>)| Row {
        segment_id: segment,
        list: list_name(list),
        first_key: first.clone(),
        since: signed(version),
        keys: range.clone().filter_map(|at| keys.get(at)).collect::<Vec<_>>().join("\n"),
    };
    for parts in plan.begun.chunks(TOGETHER) {
        let rows: Vec<_> = parts.iter().map(row).collect();
        on_backend!(connection, |c| diesel::insert_into(segment_chunks::table).values(&rows).execute(c))?;
    }
    Ok(())
}

/// The keys of the part that would hold `key` in a version, if there is one.
pub(in crate::flags::segments) fn part_with(
    connection: &mut Connection<'_>,
    (segment, list): (i64, KeyList),
    version: u64,
    key: &str,
) -> Result<Option<String>> {
    let version = signed(version);
    let query = segment_chunks::table
        .filter(segment_chunks::segment_id.eq(segment))
        .filter(segment_chunks::list.eq(list_name(list)))
        .filter(segment_chunks::first_key.le(key))
        .filter(segment_chunks::since.le(version))
        .filter(segment_chunks::until.is_null().or(segment_chunks::until.gt(version)))
        .order(segment_chunks::first_key.desc())
        .select(segment_chunks::keys);
    Ok(on_backend!(connection, |c| query.first(c).optional())?)
}

/// Forgets the parts that ended with or before a version, and so many at most of those that ended later; the version
/// with which the last forgotten one ended.
pub(in crate::flags::segments) fn forget(
    connection: &mut Connection<'_>,
    segment: i64,
    version: u64,
    most: i64,
) -> Result<u64> {
    let surplus = segment_chunks::table
        .filter(segment_chunks::segment_id.eq(segment))
        .filter(segment_chunks::until.is_not_null())
        .order(segment_chunks::until.desc())
        .select(segment_chunks::until.assume_not_null())
        .offset(most);
    let surplus: Option<i64> = on_backend!(connection, |c| surplus.first(c).optional())?;
    let last = surplus.map_or(signed(version), |until| until.max(signed(version)));
    let old =
        segment_chunks::table.filter(segment_chunks::segment_id.eq(segment)).filter(segment_chunks::until.le(last));
    on_backend!(connection, |c| diesel::delete(old).execute(c))?;
    Ok(super::unsigned(last))
}

/// Removes every key of a segment, now and ever.
pub(super) fn delete(connection: &mut Connection<'_>, segment: i64) -> Result<()> {
    let all = segment_chunks::table.filter(segment_chunks::segment_id.eq(segment));
    on_backend!(connection, |c| diesel::delete(all).execute(c))?;
    Ok(())
}
