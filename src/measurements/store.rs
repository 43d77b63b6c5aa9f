use bellwether_core::window::{Summary, Window};
use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;

use super::{Closed, Origin};
use crate::db::schema::{measurement_batches, measurement_windows};
use crate::db::{Connection, Timestamp, on_backend};
use crate::error::Result;

/// How long a batch's number is remembered.
const REMEMBERED: TimeDelta = TimeDelta::hours(24);

/// Notes a batch; `false` when it was noted before.
pub(super) fn note_batch(
    connection: &mut Connection<'_>,
    environment: i64,
    origin: &Origin,
    now: DateTime<Utc>,
) -> Result<bool> {
    let insert = diesel::insert_into(measurement_batches::table)
        .values((
            measurement_batches::environment_id.eq(environment),
            measurement_batches::instance.eq(&origin.instance),
            measurement_batches::sequence.eq(i64::try_from(origin.sequence).unwrap_or(i64::MAX)),
            measurement_batches::at.eq(Timestamp(now)),
        ))
        .on_conflict_do_nothing();
    Ok(on_backend!(connection, |c| insert.execute(c))? == 1)
}

/// Forgets batches from before the time they are remembered.
pub(super) fn forget_batches(connection: &mut Connection<'_>, now: DateTime<Utc>) -> Result<()> {
    let old = measurement_batches::table.filter(measurement_batches::at.lt(Timestamp(now - REMEMBERED)));
    on_backend!(connection, |c| diesel::delete(old).execute(c))?;
    Ok(())
}

/// Adds a window to what is known of it.
pub(super) fn add_window(connection: &mut Connection<'_>, window: Window) -> Result<()> {
    let at = (window.release.as_str(), Timestamp(window.start), window.arm.as_str(), window.metric.as_str());
    let known: Option<String> = on_backend!(connection, |c| measurement_windows::table
        .find(at)
        .select(measurement_windows::summary)
        .first(c)
        .optional())?;
    let Some(known) = known else {
        let insert = diesel::insert_into(measurement_windows::table).values((
            measurement_windows::release_id.eq(at.0),
            measurement_windows::start.eq(at.1),
            measurement_windows::arm.eq(at.2),
            measurement_windows::metric.eq(at.3),
            measurement_windows::seconds.eq(i64::from(window.seconds)),
            measurement_windows::summary.eq(serde_json::to_string(&window.summary)?),
        ));
        on_backend!(connection, |c| insert.execute(c))?;
        return Ok(());
    };
    let mut summary: Summary = serde_json::from_str(&known)?;
    match (&mut summary, &window.summary) {
        (Summary::Ratio(sum), Summary::Ratio(more)) => sum.merge(more),
        (Summary::Values(sum), Summary::Values(more)) => sum.merge(more),
        _ => {
            let metric = &window.metric;
            tracing::warn!(
                metric,
                release = window.release,
                "a metric is reported as a ratio and as values; the first form stands"
            );
            return Ok(());
        }
    }
    let update = diesel::update(measurement_windows::table.find(at))
        .set(measurement_windows::summary.eq(serde_json::to_string(&summary)?));
    on_backend!(connection, |c| update.execute(c))?;
    Ok(())
}

/// The windows of a release from `first` to `last`, by their starts.
pub(super) fn windows(
    connection: &mut Connection<'_>,
    release: &str,
    first: DateTime<Utc>,
    last: DateTime<Utc>,
) -> Result<Vec<Closed>> {
    let query = measurement_windows::table
        .filter(measurement_windows::release_id.eq(release))
        .filter(measurement_windows::start.between(Timestamp(first), Timestamp(last)))
        .order(measurement_windows::start)
        .select((
            measurement_windows::start,
            measurement_windows::arm,
            measurement_windows::metric,
            measurement_windows::summary,
        ));
    let rows: Vec<(Timestamp, String, String, String)> = on_backend!(connection, |c| query.load(c))?;
    let mut windows: Vec<Closed> = Vec::new();
    for (start, arm, metric, summary) in rows {
        // One that can't be read counts as nothing: it must not keep the guards from the others.
        let Ok(summary) = serde_json::from_str(&summary) else {
            tracing::error!(release, arm, metric, "a stored measurement can't be read; it is left out");
            continue;
        };
        match windows.last_mut() {
            Some(last) if last.start == start.0 => {
                last.cells.insert((arm, metric), summary);
            }
            _ => windows.push(Closed { start: start.0, cells: [((arm, metric), summary)].into() }),
        }
    }
    Ok(windows)
}
