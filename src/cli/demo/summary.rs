use chrono::{DateTime, TimeDelta, Utc};

use super::plan::{BAD, GOOD, Plan, place};
use crate::access::Caller;
use crate::app::App;
use crate::canary::{Detail, State};
use crate::error::{Error, Result};
use crate::measurements::Cut;
use crate::stream::Reach;

/// The two canaries as they were last seen.
pub(super) struct Followed {
    pub(super) canaries: Vec<Seen>,
    pub(super) fault_at: Option<DateTime<Utc>>,
    cut: Cut,
}

/// One canary as it was last seen.
pub(super) struct Seen {
    pub(super) flag: &'static str,
    pub(super) detail: Option<Detail>,
    /// How far its last change of share has got.
    pub(super) reach: Reach,
    /// When the verdict that ended it was made.
    verdict_at: Option<DateTime<Utc>>,
}

impl Seen {
    pub(super) fn state(&self) -> State {
        self.detail.as_ref().map_or(State::Draft, |detail| detail.canary.state)
    }

    /// Whether it has ended and every service has the end.
    fn is_settled(&self) -> bool {
        let ended = matches!(self.state(), State::RolledBack | State::Promoted);
        ended && self.reach.applied == self.reach.connected
    }
}

impl Followed {
    pub(super) fn new(plan: &Plan, fault_at: Option<DateTime<Utc>>) -> Self {
        let seen = |flag| Seen { flag, detail: None, reach: Reach::default(), verdict_at: None };
        Self { canaries: [BAD, GOOD].map(seen).into(), fault_at, cut: plan.cut }
    }

    /// Looks at both canaries.
    pub(super) async fn look(&mut self, app: &App) -> Result<()> {
        let caller = Caller::system("command");
        for seen in &mut self.canaries {
            let found = app.services.canaries.detail(&caller, place(seen.flag)).await?;
            let detail = found.ok_or_else(|| Error::NotFound(format!("canary of {}", seen.flag)))?;
            if let Some(progress) = &detail.canary.progress {
                if seen.reach.applied == 0
                    || seen.reach.applied < seen.reach.connected
                    || changed(seen, progress.revision)
                {
                    seen.reach = app.services.fleet.reach(detail.canary.environment(), progress.revision);
                }
                if seen.verdict_at.is_none() && progress.verdict.is_some() {
                    seen.verdict_at =
                        detail.log.iter().find(|item| item.verdict == progress.verdict).map(|item| item.at);
                }
            }
            seen.detail = Some(detail);
        }
        Ok(())
    }

    /// Whether both have ended and everybody knows.
    pub(super) fn is_complete(&self) -> bool {
        self.canaries.iter().all(Seen::is_settled)
    }

    fn of(&self, flag: &str) -> Option<&Seen> {
        self.canaries.iter().find(|seen| seen.flag == flag)
    }
}

fn changed(seen: &Seen, revision: u64) -> bool {
    let known = seen.detail.as_ref().and_then(|detail| detail.canary.progress.as_ref());
    known.is_none_or(|progress| progress.revision != revision)
}

/// What came of it.
pub(super) struct Summary {
    healthy: bool,
    bad: State,
    good: State,
    /// From the closing of the first bad window to the verdict, in seconds.
    to_verdict: Option<f64>,
    /// From the verdict to the last SDK, in seconds.
    to_last: Option<f64>,
    reach: Reach,
    sentence: Option<String>,
    grace_seconds: u32,
}

impl Summary {
    pub(super) fn of(followed: &Followed, healthy: bool) -> Self {
        let state = |flag| followed.of(flag).map_or(State::Draft, Seen::state);
        let bad = followed.of(BAD);
        let rolled_back = bad.filter(|seen| seen.state() == State::RolledBack);
        let verdict_at = rolled_back.and_then(|seen| seen.verdict_at);
        let closed = followed.fault_at.map(|at| followed.cut.closes(at));
        let reach = bad.map(|seen| seen.reach).unwrap_or_default();
        let progress = rolled_back.and_then(|seen| seen.detail.as_ref()?.canary.progress.as_ref());
        Self {
            healthy,
            bad: state(BAD),
            good: state(GOOD),
            to_verdict: verdict_at.zip(closed).map(|(verdict, closed)| seconds(verdict - closed)),
            to_last: verdict_at.zip(reach.last).map(|(verdict, last)| seconds(last - verdict)),
            reach,
            sentence: progress.map(|progress| progress.waiting_for.clone()),
            grace_seconds: followed.cut.grace_seconds,
        }
    }

    /// Canaries that were healthy and rolled back all the same.
    fn false_rollbacks(&self) -> usize {
        let bad = self.healthy && self.bad == State::RolledBack;
        usize::from(bad) + usize::from(self.good == State::RolledBack)
    }

    /// Whether what should happen did.
    pub(super) fn is_as_it_should_be(&self) -> bool {
        if self.healthy {
            return self.false_rollbacks() == 0;
        }
        self.bad == State::RolledBack && self.good == State::Promoted && self.to_last.is_some()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let time = |seconds: Option<f64>| seconds.map_or("–".to_owned(), |seconds| format!("{seconds:.3} s"));
        let mut lines = vec![
            String::new(),
            "Summary".to_owned(),
            format!("  {BAD:<34} {}", words(self.bad)),
            format!("  {GOOD:<34} {}", words(self.good)),
        ];
        if !self.healthy {
            let grace = self.grace_seconds;
            lines.extend([
                format!(
                    "  first bad window closed → verdict   {}  (a window closes {grace} s after its end)",
                    time(self.to_verdict)
                ),
                format!(
                    "  verdict → last SDK                  {}  ({} of {} instances)",
                    time(self.to_last),
                    self.reach.applied,
                    self.reach.connected
                ),
            ]);
        }
        lines.push(format!("  false rollbacks                     {}", self.false_rollbacks()));
        if let Some(sentence) = &self.sentence {
            lines.push(format!("  the verdict                         {sentence}"));
        }
        let outcome = if self.is_as_it_should_be() { "All went as it should." } else { "This is not as it should be." };
        lines.extend([String::new(), outcome.to_owned()]);
        lines
    }
}

fn words(state: State) -> &'static str {
    match state {
        State::RolledBack => "rolled back by its guard",
        State::Promoted => "promoted",
        State::Draft => "never started",
        State::Running => "still running",
        State::Paused => "paused",
        State::Held => "held",
    }
}

fn seconds(time: TimeDelta) -> f64 {
    time.num_microseconds().map_or(f64::NAN, |microseconds| microseconds as f64 / 1e6)
}
