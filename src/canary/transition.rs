//! What changes a canary's state, in the transaction of the caller: a person's word and a guard's verdict alike.

use std::collections::BTreeSet;
use std::sync::Arc;

use bellwether_core::bucket::BUCKETS;
use bellwether_core::window::{CONTROL, TREATMENT};
use bellwether_core::{Arm, Context, FALLTHROUGH, Fault, Layer, Release, Serve, State as Snapshot, TARGETING_KEY};
use uuid::Uuid;

use super::record::{Canary, LogItem, Progress, State};
use super::{GuardState, Policy, store};
use crate::access::Caller;
use crate::audit;
use crate::clock;
use crate::db::Connection;
use crate::error::{Error, Result};
use crate::flags::{Configuration, Edited, Published, share, take_of_layer};
use crate::measurements::Cut;

/// A canary in the transaction at hand, with the flag it runs on and who acts.
pub(super) struct Transition<'t> {
    pub(super) caller: &'t Caller,
    pub(super) edited: Edited,
    pub(super) canary: Canary,
    pub(super) reason: String,
    /// The verdict that this follows from.
    pub(super) verdict: Option<String>,
    pub(super) cut: Cut,
    pub(super) published: Vec<Arc<Published>>,
}

/// What a flag that serves as a limit says now.
fn limit_of(flags: &Snapshot, key: &str) -> Option<f64> {
    flags.evaluate(key, &Context::anonymous(), clock::current()).ok()?.value.as_f64()
}

/// Each guard's limit, in the policy's order.
type Limits = Vec<Option<f64>>;

/// A release's limits and guards, were it started now; the faults of those that can't be.
pub(super) fn first_guards(
    policy: &Policy,
    flags: &Snapshot,
    cut: Cut,
) -> Result<(Limits, Vec<GuardState>), Vec<Fault>> {
    let limits = policy.resolve_limits(|key| limit_of(flags, key))?;
    let guards = policy.start_guards(&limits, cut.window_seconds)?;
    Ok((limits, guards))
}

/// What a transition comes to, until it is saved.
pub(super) struct Outcome {
    /// As the audit log and the flag's history call it.
    action: &'static str,
    /// As the canary's log calls it.
    event: &'static str,
    /// The guards, where they change.
    guards: Option<Vec<GuardState>>,
    /// What the flag comes to serve, and the release that then runs on it.
    pub(super) serves: Option<(Configuration, Option<Release>)>,
}

/// Begins a release, in the audit log and the flag's history.
const START: &str = "canary.start";

/// Each changes the canary at hand and says what is to be saved with it.
impl Transition<'_> {
    /// Starts a release at the first stage.
    pub(super) fn start(&mut self, connection: &mut Connection<'_>, flags: &Snapshot) -> Result<Outcome> {
        if self.canary.state.is_active() {
            return Err(self.wrong_state("a release runs already"));
        }
        self.check_policy()?;
        self.check_split()?;
        let (limits, guards) = first_guards(&self.canary.policy, flags, self.cut).map_err(Error::Invalid)?;
        let layer = self.part_of_layer(connection)?;
        let now = clock::now();
        self.canary.progress = Some(Progress {
            release: Uuid::now_v7().to_string(),
            started_at: now,
            started_by: self.caller.actor.name.clone(),
            first_window: self.cut.start_of(now),
            windows: 0,
            stage: 0,
            stage_started_at: now,
            extensions: 0,
            limits,
            waiting_for: "the first window".to_owned(),
            told: BTreeSet::new(),
            ended_at: None,
            revision: 0,
            verdict: None,
        });
        self.canary.state = State::Running;
        let serves = Some(self.stage(layer)?);
        Ok(Outcome { action: START, event: "started", guards: Some(guards), serves })
    }

    /// Goes to stage `to`, whatever the state; past the last one, or at 100 %, that is a promotion.
    pub(super) fn advance(&mut self, connection: &mut Connection<'_>, flags: &Snapshot, to: usize) -> Result<Outcome> {
        self.require_active()?;
        if self.canary.policy.stages.get(to).is_none_or(|stage| stage.percentage >= 100.0) {
            return self.promote();
        }
        // A limit whose flag can't be read any more stays as it was.
        let known = self.progress()?.limits.clone();
        let limits = self.limits(flags).unwrap_or(known);
        let mut guards = self.guards(connection)?;
        for (guard, limit) in guards.iter_mut().zip(&limits) {
            guard.start_stage(*limit).map_err(|fault| Error::Invalid(vec![fault]))?;
        }
        let progress = self.progress()?;
        progress.stage = to;
        progress.stage_started_at = clock::now();
        progress.extensions = 0;
        progress.limits = limits;
        progress.waiting_for = "the stage's first window".to_owned();
        self.canary.state = State::Running;
        // It keeps its users for as long as it runs.
        let layer = self.edited.release().and_then(|release| release.layer.clone());
        let serves = Some(self.stage(layer)?);
        Ok(Outcome { action: "canary.advance", event: "advanced", guards: Some(guards), serves })
    }

    /// Serves treatment to everyone and ends the release.
    pub(super) fn promote(&mut self) -> Result<Outcome> {
        self.require_active()?;
        let last = self.canary.policy.stages.len().saturating_sub(1);
        self.progress()?.stage = last;
        self.end(State::Promoted, BUCKETS, "canary.promote", "promoted")
    }

    /// Serves control to everyone and ends the release.
    pub(super) fn roll_back(&mut self) -> Result<Outcome> {
        self.require_active()?;
        self.end(State::RolledBack, 0, "canary.rollback", "rolled_back")
    }

    /// Keeps the canary where it is, by a person's word.
    pub(super) fn pause(&mut self) -> Result<Outcome> {
        self.require_active()?;
        if self.canary.state == State::Paused {
            return Err(self.wrong_state("it is paused already"));
        }
        self.stand(State::Paused, "canary.pause", "paused")
    }

    /// Lets the canary go on.
    pub(super) fn resume(&mut self) -> Result<Outcome> {
        if !matches!(self.canary.state, State::Paused | State::Held) {
            return Err(self.wrong_state("it is neither paused nor held"));
        }
        self.stand(State::Running, "canary.resume", "resumed")
    }

    /// Keeps the canary where it is, by its guards' word.
    pub(super) fn hold(&mut self) -> Result<Outcome> {
        self.require_active()?;
        self.stand(State::Held, "canary.hold", "held")
    }

    /// Lets the stage's time run again.
    pub(super) fn extend(&mut self) -> Result<Outcome> {
        self.require_active()?;
        self.progress()?.extensions += 1;
        self.stand(State::Running, "canary.extend", "extended")
    }

    fn stand(&mut self, state: State, action: &'static str, event: &'static str) -> Result<Outcome> {
        self.canary.state = state;
        if !self.reason.is_empty() {
            let reason = self.reason.clone();
            self.progress()?.waiting_for = reason;
        }
        Ok(Outcome { action, event, guards: None, serves: None })
    }

    fn end(&mut self, state: State, buckets: u32, action: &'static str, event: &'static str) -> Result<Outcome> {
        let serves = Some((self.share(buckets)?, None));
        let (reason, verdict) = (self.reason.clone(), self.verdict.clone());
        let progress = self.progress()?;
        progress.waiting_for = reason;
        progress.verdict = verdict;
        self.canary.state = state;
        Ok(Outcome { action, event, guards: None, serves })
    }

    /// Saves what a transition came to, the flag through the one write path of flags.
    pub(super) fn save(&mut self, connection: &mut Connection<'_>, outcome: Outcome) -> Result<()> {
        let Outcome { action, event, guards, serves } = outcome;
        if let Some(guards) = guards {
            store::save_guards(connection, &self.progress()?.release, &guards)?;
        }
        let entry = self.edited.about(action, self.reason.clone());
        match serves {
            Some((next, release)) => {
                let published = self.edited.save_release(connection, self.caller, next, release, entry)?;
                if let Some(published) = published {
                    self.progress()?.revision = published.revision;
                    self.published.push(published);
                }
            }
            None => audit::record(connection, self.caller, entry)?,
        }
        if self.canary.state.has_ended() {
            // After the change of the flag, which counts as the release's own and not as one that came later.
            self.progress()?.ended_at = Some(clock::now());
        }
        store::save(connection, &mut self.canary)?;
        self.tell(connection, event)
    }

    /// Adds a line to the canary's log.
    pub(super) fn tell(&mut self, connection: &mut Connection<'_>, event: &str) -> Result<()> {
        let progress = self.canary.progress.as_ref();
        let percentage = match self.canary.state {
            State::RolledBack => Some(0.0),
            State::Promoted => Some(100.0),
            _ => self.canary.stage().map(|stage| stage.percentage),
        };
        let item = LogItem {
            id: 0,
            at: clock::now(),
            actor: self.caller.actor.name.clone(),
            event: event.to_owned(),
            release: progress.map(|progress| progress.release.clone()),
            stage: progress.and_then(|progress| i64::try_from(progress.stage).ok()),
            percentage,
            reason: self.reason.clone(),
            verdict: self.verdict.clone(),
        };
        store::log(connection, &self.canary, &item)
    }

    /// The part of a layer that the policy asks for, out of what nobody else has: of the last release what is free.
    fn part_of_layer(&self, connection: &mut Connection<'_>) -> Result<Option<Layer>> {
        let policy = &self.canary.policy;
        let Some(part) = &policy.layer else { return Ok(None) };
        let bucket_by = match self.edited.configuration().serve(&policy.place) {
            Some(Serve::Split(split)) => &split.bucket_by,
            _ => TARGETING_KEY,
        };
        let otherwise = (policy.place == FALLTHROUGH).then(|| policy.control.clone());
        let last = self.edited.release_of_last(connection, START)?;
        let before = last.as_ref().and_then(|release| release.layer.as_ref());
        take_of_layer(connection, self.edited.environment.id, (part, before), bucket_by, otherwise).map(Some)
    }

    /// Treatment with the share of the stage at hand, and the release.
    fn stage(&self, layer: Option<Layer>) -> Result<(Configuration, Option<Release>)> {
        let policy = &self.canary.policy;
        let stage = self.canary.stage().ok_or_else(|| Error::internal("the policy lacks the stage"))?;
        let buckets = stage.buckets().ok_or_else(|| Error::internal("the stage's percentage can't be served"))?;
        let progress = self.canary.progress.as_ref().ok_or_else(|| Error::internal("no release"))?;
        let arm = |name: &str, variation: &str| Arm { name: name.to_owned(), variation: variation.to_owned() };
        let release = Release {
            id: progress.release.clone(),
            place: policy.place.clone(),
            arms: vec![arm(TREATMENT, &policy.treatment), arm(CONTROL, &policy.control)],
            metrics: policy.watched_metrics(&progress.limits),
            window_seconds: self.cut.window_seconds,
            layer,
        };
        Ok((self.share(buckets)?, Some(release)))
    }

    /// Treatment with `buckets`, control with the rest.
    fn share(&self, buckets: u32) -> Result<Configuration> {
        let policy = &self.canary.policy;
        let share_of = |name: &str| match name {
            _ if name == policy.treatment => buckets,
            _ if name == policy.control => BUCKETS - buckets,
            _ => 0,
        };
        let variations = &self.edited.definition().variations;
        let weights: Vec<_> = variations.iter().map(|v| (v.name.clone(), share_of(&v.name))).collect();
        let mut next = self.edited.configuration().clone();
        let place = &policy.place;
        let serve = next.serve_mut(place).ok_or_else(|| Error::Conflict(format!("there is no rule {place}")))?;
        *serve = share::with_weights(serve, &weights, || self.edited.salts().draw(place));
        Ok(next)
    }

    /// The guards' states as they are saved.
    fn guards(&mut self, connection: &mut Connection<'_>) -> Result<Vec<GuardState>> {
        let release = self.progress()?.release.clone();
        store::guards(connection, &release)
    }

    fn progress(&mut self) -> Result<&mut Progress> {
        self.canary.progress.as_mut().ok_or_else(|| Error::internal("the canary has no release"))
    }

    fn limits(&self, flags: &Snapshot) -> Result<Vec<Option<f64>>> {
        self.canary.policy.resolve_limits(|key| limit_of(flags, key)).map_err(Error::Invalid)
    }

    fn check_policy(&self) -> Result<()> {
        Error::unless_empty(check(&self.edited, &self.canary.policy))
    }

    /// A canary moves users between treatment and control alone: whoever is served a third variation there would be
    /// switched by its start.
    fn check_split(&self) -> Result<()> {
        let policy = &self.canary.policy;
        let serve = self.edited.configuration().serve(&policy.place);
        let ranges = serve.map(share::ranges).unwrap_or_default();
        match ranges.iter().find(|(_, variation)| *variation != policy.treatment && *variation != policy.control) {
            Some((_, other)) => Err(Error::Conflict(format!(
                "{} serves `{other}` too; serve `{}` and `{}` alone there before a canary starts",
                policy.place, policy.treatment, policy.control
            ))),
            None => Ok(()),
        }
    }

    fn require_active(&self) -> Result<()> {
        if self.canary.state.is_active() { Ok(()) } else { Err(self.wrong_state("no release runs")) }
    }

    fn wrong_state(&self, why: &str) -> Error {
        Error::Conflict(format!("the canary is {}: {why}", self.canary.state.name()))
    }
}

/// Everything wrong with a canary's policy on its flag.
pub(super) fn check(edited: &Edited, policy: &Policy) -> Vec<Fault> {
    let variations: Vec<_> = edited.definition().variations.iter().map(|v| v.name.as_str()).collect();
    let rules: Vec<_> = edited.configuration().rules.iter().map(|rule| rule.id.as_str()).collect();
    policy.faults(&variations, &rules)
}
