//! The controller: after each window has closed it lets the guards of every running canary take it in, and does what
//! follows.
//!
//! Evidence, verdict and stage change are saved in one transaction with the number of windows taken in, so a crash
//! neither loses nor repeats any of it. A person's change in between wins: the windows are then judged anew.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use super::record::Canary;
use super::service::Canaries;
use super::step::{Step, step};
use super::transition::Transition;
use super::verdict::Record;
use super::{Decision, GuardState, store};
use crate::access::Caller;
use crate::clock;
use crate::db::{Connection, Part};
use crate::error::{Error, Result};
use crate::flags::{Edited, Published, share};
use crate::measurements::Closed;

/// The actor that the audit log names.
pub const GUARD: &str = "guard";
/// Windows judged at once, when the server has been away.
const TOGETHER: u64 = 1_000;
/// Steps of one canary in one round: after a stage change the rest of the windows are judged anew.
const STEPS: usize = 1_000;

/// Looks at every running canary whenever a window closes, until `stop` says so.
pub async fn run(canaries: Canaries, mut stop: watch::Receiver<bool>) {
    loop {
        if let Err(cause) = round(&canaries).await {
            tracing::warn!(%cause, "the guards could not look; they look again when the next window closes");
        }
        let wait = until_next_close(&canaries);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// How long it is until the next window closes.
fn until_next_close(canaries: &Canaries) -> Duration {
    let (cut, now) = (canaries.cut(), clock::now());
    let next = cut.closes(cut.last_closed(now) + cut.window());
    (next - now).to_std().unwrap_or_default() + Duration::from_millis(1)
}

async fn round(canaries: &Canaries) -> Result<()> {
    let active = canaries.store.read(Part::Configuration, store::active).await?;
    for canary in active {
        let (flag, environment) = (canary.flag_id, canary.environment_id);
        match follow(canaries, canary).await {
            Ok(()) => {}
            Err(gone @ (Error::Unavailable(_) | Error::OutcomeUnknown(_))) => return Err(gone),
            // One that can't be judged must not keep the others from being judged.
            Err(cause) => {
                tracing::error!(cause = %source(&cause), flag, environment, "a canary could not be judged");
            }
        }
    }
    Ok(())
}

fn source(error: &Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// Takes a canary through every window that has closed since.
async fn follow(canaries: &Canaries, mut canary: Canary) -> Result<()> {
    for _ in 0..STEPS {
        let Some(progress) = canary.progress.clone().filter(|_| canary.state.is_active()) else { return Ok(()) };
        let cut = canaries.cut();
        let first = progress.next_window(cut.window());
        let last = cut.last_closed(clock::now());
        if first > last {
            return Ok(());
        }
        let release = progress.release.clone();
        let windows = canaries.measurements.closed(release.clone(), first, last).await?;
        let guards = canaries.store.read(Part::Configuration, move |c| store::guards(c, &release)).await?;
        let windows = by_start(windows);
        let step = step(&canary, &progress, guards, &windows, cut, last, TOGETHER);
        let record = record(canaries, &canary, &step).await?;
        let Some(next) = save(canaries, canary, step, record).await? else { return Ok(()) };
        canary = next;
    }
    Ok(())
}

fn by_start(windows: Vec<Closed>) -> BTreeMap<DateTime<Utc>, Closed> {
    windows.into_iter().map(|window| (window.start, window)).collect()
}

/// The record of what a step found, with every window that led to it.
async fn record(canaries: &Canaries, canary: &Canary, step: &Step) -> Result<Option<Record>> {
    let (Some(finding), Some(progress)) = (step.finding(), &canary.progress) else { return Ok(None) };
    let served = canaries.served(canary.environment_id)?;
    let release = progress.release.clone();
    let running = served.state.releases().find(|(_, r)| r.id == release);
    let split = running.and_then(|(entry, r)| {
        let flag = entry.definition().ok()?;
        let serve = flag.rules.iter().find(|rule| rule.id == r.place).map_or(&flag.fallthrough, |rule| &rule.serve);
        Some(share::ranges(serve))
    });
    let last = canaries.cut().last_closed(clock::now());
    let windows = canaries.measurements.closed(release, progress.first_window, last).await?;
    let reports = step.guards.iter().map(GuardState::report).collect();
    let cut = canaries.cut();
    Ok(Some(Record::new(canary, progress, cut, finding, split.unwrap_or_default(), reports, &windows)))
}

/// Saves a step; `None` when the canary has changed meanwhile.
async fn save(canaries: &Canaries, seen: Canary, step: Step, record: Option<Record>) -> Result<Option<Canary>> {
    let service = canaries.clone();
    let work = move |c: &mut Connection<'_>| {
        let Some(canary) = store::find(c, seen.flag_id, seen.environment_id)?.filter(|known| unchanged(known, &seen))
        else {
            return Ok((None, Vec::new()));
        };
        apply(&service, c, canary, step, record).map(|(canary, published)| (Some(canary), published))
    };
    canaries.flags.write(work).await
}

fn unchanged(known: &Canary, seen: &Canary) -> bool {
    let windows = |canary: &Canary| canary.progress.as_ref().map(|p| (p.release.clone(), p.windows));
    known.version == seen.version && windows(known) == windows(seen)
}

fn apply(
    canaries: &Canaries,
    connection: &mut Connection<'_>,
    mut canary: Canary,
    step: Step,
    record: Option<Record>,
) -> Result<(Canary, Vec<Arc<Published>>)> {
    let Some(progress) = canary.progress.as_mut() else { return Ok((canary, Vec::new())) };
    progress.windows = step.windows;
    progress.waiting_for = step.judgement.decision.reason().to_owned();
    progress.told.clone_from(&step.told);
    store::save_guards(connection, &progress.release, &step.guards)?;
    store::write(connection, &mut canary)?;
    if let Some(record) = &record {
        store::keep_verdict(connection, &canary, record)?;
    }
    let verdict = record.map(|record| record.id);
    if step.news.is_empty() && !step.acts(canary.state) {
        return Ok((canary, Vec::new()));
    }
    let edited = Edited::of_ids(connection, canary.flag_id, canary.environment_id)?;
    let caller = Caller::system(GUARD);
    let served = canaries.served(canary.environment_id)?;
    let cut = canaries.cut();
    let mut transition =
        Transition { caller: &caller, edited, canary, reason: String::new(), verdict, cut, published: Vec::new() };
    for (event, reason) in &step.news {
        transition.reason.clone_from(reason);
        transition.tell(connection, event)?;
    }
    if step.acts(transition.canary.state) {
        transition.reason = step.judgement.decision.reason().to_owned();
        let outcome = match &step.judgement.decision {
            Decision::RollBack { .. } => transition.roll_back()?,
            Decision::Advance { promotes: true, .. } => transition.promote()?,
            Decision::Advance { to, .. } => transition.advance(connection, &served.state, *to)?,
            Decision::Extend { .. } => transition.extend()?,
            Decision::Hold { .. } => transition.hold()?,
            Decision::KeepGoing { .. } | Decision::AwaitPerson { .. } => {
                transition.reason = "Nothing objects any more.".to_owned();
                transition.resume()?
            }
        };
        transition.save(connection, outcome)?;
        let state = transition.canary.state.name();
        tracing::info!(flag = transition.edited.key(), state, reason = transition.reason, "the guards decided");
    }
    Ok((transition.canary, transition.published))
}
