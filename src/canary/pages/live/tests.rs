use std::collections::BTreeSet;

use bellwether_core::window::{
    CONTROL, REQUEST_DURATION_MS, REQUEST_ERROR, Ratio, Summary, TREATMENT, Values, bucket_of,
};
use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::canary::pages::{GuardVerdict, StageState};
use crate::canary::{
    Act, Canary, ClosedWindow, Detail, GuardReport, GuardState, LogItem, Policy, Progress, State, Windows,
};
use crate::flags::LayerPart;
use crate::http::display::Tone;
use crate::http::shell::Reached;
use crate::measurements::{Closed, Cut};

const CUT: Cut = Cut { window_seconds: 10, grace_seconds: 5 };

fn at(seconds: i64) -> DateTime<Utc> {
    "2026-11-21T10:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::seconds(seconds)
}

fn item(id: i64, seconds: i64, actor: &str, event: &str, stage: i64, reason: &str) -> LogItem {
    LogItem {
        id,
        at: at(seconds),
        actor: actor.to_owned(),
        event: event.to_owned(),
        release: Some("r1".to_owned()),
        stage: Some(stage),
        percentage: Some(10.0),
        reason: reason.to_owned(),
        verdict: (actor == "guard").then(|| format!("v{id}")),
    }
}

fn ratio(n: u64, k: u64, label: &str) -> Summary {
    Summary::Ratio(Ratio { n, k, labels: vec![(label.to_owned(), k)] })
}

fn latencies(n: u64, mean: f64) -> Summary {
    let m2 = n as f64 * 100.0;
    Summary::Values(Values {
        n,
        mean,
        m2,
        min: mean - 20.0,
        max: mean + 20.0,
        above: vec![(2_000.0, 0)],
        histogram: std::collections::BTreeMap::from([(bucket_of(mean), n)]),
    })
}

fn window(index: i64, errors: u64) -> Closed {
    let cell = |arm: &str, metric: &str, summary| ((arm.to_owned(), metric.to_owned()), summary);
    let cells = [
        cell(TREATMENT, REQUEST_ERROR, ratio(1_000, errors, "POST /pay 502")),
        cell(CONTROL, REQUEST_ERROR, ratio(9_000, 90, "POST /pay 409")),
        cell(TREATMENT, REQUEST_DURATION_MS, latencies(1_000, 100.0)),
        cell(CONTROL, REQUEST_DURATION_MS, latencies(9_000, 100.0)),
    ];
    Closed { start: at(index * 10), cells: cells.into() }
}

/// The guards of the default policy after these windows.
fn guards(policy: &Policy, windows: &[Closed]) -> Vec<GuardReport> {
    let limits = policy.resolve_limits(|_| None).unwrap();
    let mut guards = policy.start_guards(&limits, CUT.window_seconds).unwrap();
    for (index, closed) in windows.iter().enumerate() {
        let mut window = ClosedWindow::new(closed.start, index as u64);
        for ((arm, metric), summary) in &closed.cells {
            window.add(arm, metric, summary);
        }
        guards.iter_mut().for_each(|guard| guard.consume(&window));
    }
    guards.iter().map(GuardState::report).collect()
}

/// A canary in its second stage of 10 % since 120 s, two minutes later.
fn seen(state: State, errors: &[u64], log: Vec<LogItem>) -> Seen {
    let policy = Policy::default();
    let windows: Vec<_> = errors.iter().zip(0..).map(|(errors, index)| window(index, *errors)).collect();
    let progress = Progress {
        release: "r1".to_owned(),
        started_at: at(0),
        started_by: "ada".to_owned(),
        first_window: at(0),
        windows: windows.len() as u64,
        stage: 1,
        stage_started_at: at(120),
        extensions: 0,
        limits: Vec::new(),
        waiting_for: "28 minutes and about 300 more requests, 2 minutes at this rate".to_owned(),
        told: BTreeSet::new(),
        ended_at: state.has_ended().then(|| at(240)),
        revision: 20,
        verdict: state.has_ended().then(|| "v9".to_owned()),
    };
    let guards = guards(&policy, &windows);
    let canary = Canary {
        flag_id: 1,
        environment_id: 3,
        version: 4,
        state,
        policy,
        progress: Some(progress),
        updated_at: at(240),
    };
    let last = at((windows.len() as i64 - 1) * 10);
    Seen {
        place: Place {
            project: "default".to_owned(),
            environment: "production".to_owned(),
            flag: "canary.pay".to_owned(),
        },
        detail: Detail { production: true, canary, guards, log },
        windows: Some(Windows { first: at(0), last, closed: windows }),
        cut: CUT,
        reached: Reached { applied: 3, connected: 3, last: Some(at(241)) },
        revision: 20,
        now: at(240),
    }
}

/// The log of a release that went to its second stage, newest first.
fn climbed(last: Option<LogItem>) -> Vec<LogItem> {
    let first = [item(2, 120, "guard", "advanced", 1, "time"), item(1, 0, "ada", "started", 0, "first release")];
    last.into_iter().chain(first).collect()
}

const HEALTHY: [u64; 12] = [10; 12];
const FAILING: [u64; 12] = [10, 10, 10, 10, 10, 10, 10, 10, 10, 120, 120, 120];

#[test]
fn a_running_canary_tells_what_comes_next_and_what_it_still_takes() {
    let live = live(&seen(State::Running, &HEALTHY, climbed(None)));
    assert_eq!(live.banner, None);
    let stages: Vec<_> = live.stages.iter().map(|stage| (stage.state, stage.note.as_str())).collect();
    let ahead = StageState::Ahead;
    let expected = [
        (StageState::Done, "2 min"),
        (StageState::Current, "2 of 30 min"),
        (ahead, "for 1 h"),
        (ahead, "for 1 h"),
        (ahead, "everyone"),
    ];
    assert_eq!(stages, expected);
    let next = live.next.unwrap();
    assert_eq!(next.headline, "Next: 25 %");
    assert_eq!(next.at.unwrap().relative, "in 28 min");
    assert_eq!(next.waiting_for, "Waits for about 300 more requests, 2 minutes at this rate.");
    assert_eq!(next.check.unwrap().relative, "in 5 s");
    let conditions: Vec<_> = next.conditions.iter().map(|one| (one.text.as_str(), one.met)).collect();
    assert_eq!(conditions, [("2 of 30 min", false), ("1,000 of 1,000 requests", true), ("no guard objects", true)]);
    assert!(live.facts.iter().any(|fact| fact.text == "12,000 of 120,000 requests, 10.0 %"), "{:?}", live.facts);
}

#[test]
fn who_takes_part_is_told_where_that_is_not_everyone() {
    let mut seen = seen(State::Running, &HEALTHY, climbed(None));
    let told = |seen: &Seen| live(seen).facts.into_iter().find(|fact| fact.label == "Layer");
    assert_eq!(told(&seen), None);
    seen.detail.canary.policy.layer = Some(LayerPart { name: "checkout".to_owned(), percentage: 20.0 });
    let fact = told(&seen).unwrap();
    assert_eq!(fact.text, "20 % of layer checkout");
    assert_eq!(fact.title, "Whoever is outside is served off and counted for neither arm");
    seen.detail.canary.policy.place = "nordic".to_owned();
    assert!(told(&seen).unwrap().title.contains("served the fallthrough"));
    assert_eq!(super::super::notes::note(&seen.detail.canary).unwrap().text, "canary 2/5 · 10 % of 20 %");
    let head = Head { layer: Some(fact.text), ..Head::default() };
    assert!(head.consequence(&Act::Start).contains("Only 20 % of layer checkout takes part."));
    assert!(!Head::default().consequence(&Act::Start).contains("takes part"));
}

#[test]
fn a_rollback_by_the_guards_tells_how_fast_and_how_far() {
    let mut end = item(9, 240, "guard", "rolled_back", 1, "");
    end.percentage = Some(0.0);
    let mut seen = seen(State::RolledBack, &FAILING, climbed(Some(end)));
    let banner = live(&seen).banner.unwrap();
    // The first bad window is the tenth: it ends at 100 s.
    assert_eq!(banner.headline, "Taken back 2 min 20 s after the first bad window");
    assert_eq!((banner.tone, banner.at.unwrap().relative.as_str()), (Tone::Harm, "now"));
    assert_eq!(banner.reached_after.as_deref(), Some("1.0 s"));
    assert_eq!(banner.record.unwrap(), seen.place.canary_verdict("v9"));
    let shown = live(&seen);
    assert_eq!(shown.next, None);
    assert_eq!(shown.stages[1].state, StageState::TakenBack);
    assert_eq!(shown.stages[1].note, "taken back after 2 min");
    assert_eq!(shown.decisions[0].what, "Rolled back");
    assert_eq!(shown.decisions[0].by, "by the guards");
    let errors: Vec<_> =
        shown.top_errors.iter().map(|error| (error.label.as_str(), error.treatment.as_str())).collect();
    assert_eq!(errors, [("POST /pay 502", "450"), ("POST /pay 409", "0")]);

    // An instance that was away and has come back later says nothing about how long the rollback took.
    seen.reached.last = Some(at(4_000));
    assert_eq!(live(&seen).banner.unwrap().reached_after, None);
    seen.reached = Reached { applied: 2, connected: 3, last: Some(at(241)) };
    assert_eq!(live(&seen).banner.unwrap().reached_after, None);
}

#[test]
fn a_person_who_took_control_is_named_with_the_reason() {
    let paused = climbed(Some(item(9, 200, "ada", "paused", 1, "a look at the logs")));
    let live_paused = live(&seen(State::Paused, &HEALTHY, paused));
    let banner = live_paused.banner.unwrap();
    assert_eq!((banner.headline.as_str(), banner.sentence.as_str()), ("Paused by ada", "A look at the logs."));
    assert_eq!(banner.reach, None, "nothing was sent");
    assert_eq!(live_paused.next.unwrap().waiting_for, "Waits for a person to resume it. Its guards go on looking.");
    assert_eq!(live_paused.stages[1].state, StageState::Standing);

    for (state, event, headline) in
        [(State::RolledBack, "rolled_back", "Taken back by ada"), (State::Promoted, "promoted", "Promoted by ada")]
    {
        let mut seen = seen(state, &HEALTHY, climbed(Some(item(9, 240, "ada", event, 1, ""))));
        if let Some(progress) = seen.detail.canary.progress.as_mut() {
            progress.waiting_for.clear();
        }
        let banner = live(&seen).banner.unwrap();
        assert_eq!((banner.headline.as_str(), banner.sentence.as_str()), (headline, "No reason was given."));
    }
}

#[test]
fn tiles_name_what_is_compared_with_which_bound() {
    let live = live(&seen(State::Running, &FAILING, climbed(None)));
    let tile = |name: &str| live.guards.iter().find(|tile| tile.name == name).unwrap();
    let errors = tile("errors");
    assert_eq!((errors.compares.as_str(), errors.bound.as_str()), ("error rate against control", "margin +5 %"));
    assert_eq!(errors.verdict, GuardVerdict::Harm);
    assert_eq!((errors.figures.treatment.as_str(), errors.figures.control.as_str()), ("12.0 %", "1.0 %"));
    assert_eq!((errors.figures.effect.as_str(), errors.figures.treatment_samples.as_str()), ("+1,100 %", "3,000"));
    assert_eq!(errors.note, "Figures since 10:01:30, when it seems to have begun.");
    let latency = tile("latency");
    assert_eq!(
        (latency.compares.as_str(), latency.figures.treatment.as_str()),
        ("mean latency against control", "100 ms")
    );
    assert_eq!(latency.verdict, GuardVerdict::Fine);
    let limit = tile("error limit");
    assert_eq!((limit.compares.as_str(), limit.bound.as_str()), ("error rate against a limit", "limit 5 %"));
    let p99 = tile("p99 limit");
    assert_eq!((p99.compares.as_str(), p99.bound.as_str()), ("latencies above 2,000 ms (p99)", "limit 1 %"));
    let trend = p99.trend.as_ref().unwrap();
    assert_eq!((trend.top.as_str(), trend.span.as_str()), ("1.1 %", "last 2 min"));
}

#[test]
fn the_mark_changes_with_what_is_shown() {
    let running = seen(State::Running, &HEALTHY, climbed(None));
    let mark = |change: &dyn Fn(&mut Seen)| {
        let mut seen = seen(State::Running, &HEALTHY, climbed(None));
        change(&mut seen);
        seen.mark()
    };
    assert_eq!(mark(&|_| {}), running.mark());
    assert_eq!(mark(&|seen| seen.reached.applied = 1), running.mark(), "a running canary does not show it");
    assert_eq!(mark(&|seen| seen.now += TimeDelta::seconds(9)), running.mark(), "the browser counts by itself");
    let changes: [&dyn Fn(&mut Seen); 3] = [
        &|seen| seen.detail.canary.version += 1,
        &|seen| seen.detail.canary.progress.as_mut().unwrap().windows += 1,
        &|seen| seen.detail.log.insert(0, item(7, 200, "guard", "notified", 1, "")),
    ];
    for change in changes {
        assert_ne!(mark(change), running.mark());
    }
    let ended = seen(State::RolledBack, &HEALTHY, climbed(None));
    let mut later = seen(State::RolledBack, &HEALTHY, climbed(None));
    later.reached.applied = 1;
    assert_ne!(later.mark(), ended.mark());
}

#[test]
fn windows_without_a_report_leave_a_gap() {
    let mut seen = seen(State::Running, &HEALTHY, climbed(None));
    if let Some(windows) = seen.windows.as_mut() {
        windows.closed.remove(5);
    }
    let points = seen.points(&seen.detail.guards[0]);
    assert_eq!(points.len(), 12);
    assert_eq!((points[4].treatment, points[5].treatment), (Some(0.01), None));
}
