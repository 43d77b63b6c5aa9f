//! All clients lose the server at once, and it comes back: how they return, and what the API is like meanwhile.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::Plan;
use super::client::{self, Request};
use super::crowd::now;
use super::place::Place;
use super::report::{Return, Storm};
use super::sdks::{Doings, Sdks};

/// Processes that the clients are spread over.
const PROCESSES: usize = 4;
/// Flags that each client has.
const FLAGS: usize = 10;
/// How often the admin asks for something, whether or not the last answer is there.
const EVERY: Duration = Duration::from_millis(20);
/// Of so many requests one is a change, two a second, and of so many changes one goes to all clients: to take it in costs
/// the machine, which has all of them, many times what it costs the server.
const CHANGES: usize = 25;
const TOLD: usize = 10;
/// How long to wait before a process is looked at again.
const LOOK: Duration = Duration::from_millis(5);
/// Longest wait for all to have the last change.
const SETTLED: Duration = Duration::from_secs(60);
const FLAG: &str = "/api/v1/projects/default/environments/production/flags/feature.00000";
/// The same flag where no client is.
const UNHEARD: &str = "/api/v1/projects/default/environments/development/flags/feature.00000";

pub(super) async fn measure(plan: Plan) -> anyhow::Result<Storm> {
    // With the bounds that a server has unless told otherwise.
    let mut place = Place::start_with(&[], FLAGS).await.context("the program did not start")?;
    let mut file = tempfile::NamedTempFile::new()?;
    let key = place.key.clone();
    let snapshot = Request { token: key.clone(), ..place.request("GET", "/api/v1/snapshot", &Value::Null) };
    file.write_all(&client::exchange(place.address(), &snapshot).await?.body)?;
    let mut all = Vec::new();
    for number in 0..PROCESSES {
        let count = (plan.clients + number) / PROCESSES;
        all.push(Sdks::start(place.address(), &key, file.path(), count, plan.return_within)?);
    }
    for sdks in &mut all {
        sdks.ready().await?;
    }
    let mut storm = Storm { clients: plan.clients, ..Storm::default() };
    for signal in plan.signals {
        storm.returns.push(restart(&mut place, &mut all, signal, plan).await.with_context(|| format!("SIG{signal}"))?);
    }
    Ok(storm)
}

async fn restart(place: &mut Place, all: &mut [Sdks], signal: &'static str, plan: Plan) -> anyhow::Result<Return> {
    for sdks in &mut *all {
        sdks.watch().await?;
    }
    let (sent, lost) = (Instant::now(), now());
    place.send_signal(signal)?;
    while !place.has_ended()? || sent.elapsed() < plan.away {
        sleep(LOOK).await;
    }
    place.come_back().await?;
    let away = sent.elapsed();
    let back = now();
    let (doings, mut result) = {
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let returning = async {
            let mut doings = Vec::new();
            for sdks in &mut *all {
                doings.push(sdks.doings().await?);
            }
            stop.send_replace(true);
            anyhow::Ok(doings)
        };
        tokio::try_join!(returning, administrate(place, stopped))?
    };
    (result.signal, result.away) = (signal, away);
    let gather = |of: fn(&Doings) -> &Vec<u64>| {
        let mut times: Vec<_> = doings.iter().flat_map(of).map(|at| Duration::from_nanos(*at)).collect();
        times.sort_unstable();
        times
    };
    let (attempts, requests, up) = (gather(|d| &d.attempts), gather(|d| &d.requests), gather(|d| &d.up));
    result.attempts = attempts.len();
    result.peak = peak(&attempts);
    let mut connections = [attempts, requests].concat();
    connections.sort_unstable();
    result.peak_with_requests = peak(&connections);
    let failures = doings.iter().flat_map(|doings| &doings.failures);
    result.refused = failures.filter(|(why, _)| why.contains("503")).map(|(_, count)| count).sum();
    result.last = up.last().copied().unwrap_or(lost).saturating_sub(back);
    result.half = up.get(up.len() / 2).copied().unwrap_or(lost).saturating_sub(back);
    caught_up(place, plan.clients as u64).await?;
    result.settled = now().saturating_sub(back);
    Ok(result)
}

/// Makes a change and waits until every client is there and has it: some may have lost their connection once more.
async fn caught_up(place: &Place, clients: u64) -> anyhow::Result<()> {
    place.change("PUT", &format!("{FLAG}/rollout"), &json!({"percentage": 77})).await?;
    let asked = Instant::now();
    loop {
        let told = place.get("/api/v1/projects/default/environments/production/propagation?wait=60s").await?;
        let counts = ["/connected", "/applied"].map(|pointer| told.pointer(pointer).and_then(Value::as_u64));
        if counts == [Some(clients); 2] {
            return Ok(());
        }
        ensure!(asked.elapsed() < SETTLED, "connected and with the last change: {counts:?}");
        sleep(LOOK).await;
    }
}

/// Asks for this and that until told to stop.
async fn administrate(place: &Place, mut stopped: tokio::sync::watch::Receiver<bool>) -> anyhow::Result<Return> {
    let requests = [
        place.request("GET", "/api/v1/projects/default/flags", &Value::Null),
        place.request("GET", FLAG, &Value::Null),
    ];
    let mut result = Return::default();
    let (mut ticks, mut under_way) = (interval(EVERY), FuturesUnordered::new());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut number = 0;
    let mut note = |(change, took, answer): (bool, Duration, anyhow::Result<client::Answer>)| {
        match answer?.status {
            200 => {}
            503 => result.unavailable += 1,
            other => bail!("the API answered {other}"),
        }
        if change {
            result.changed.push(took)
        } else {
            result.asked.push(took)
        }
        Ok(())
    };
    loop {
        tokio::select! {
            due = ticks.tick() => {
                number += 1;
                let request = match requests.get(number % requests.len()) {
                    Some(request) if number % CHANGES != 0 => request.clone(),
                    _ => {
                        let change = number / CHANGES;
                        let flag = if change.is_multiple_of(TOLD) { FLAG } else { UNHEARD };
                        // Always another share than before.
                        let rollout = json!({"percentage": change % 100});
                        place.request("PUT", &format!("{flag}/rollout"), &rollout)
                    }
                };
                let address = place.address();
                // From when it was due: what comes late because something else takes long is late.
                under_way.push(async move {
                    let answer = client::exchange(address, &request).await;
                    (request.method == "PUT", due.elapsed(), answer)
                });
            }
            Some(answered) = under_way.next() => note(answered)?,
            _ = stopped.wait_for(|stop| *stop) => break,
        }
    }
    while let Some(answered) = under_way.next().await {
        note(answered)?;
    }
    Ok(result)
}

/// The most of them within any second.
fn peak(times: &[Duration]) -> usize {
    let mut from = 0;
    let most = times.iter().enumerate().map(|(until, at)| {
        while times.get(from).is_some_and(|first| *first + Duration::from_secs(1) <= *at) {
            from += 1;
        }
        until + 1 - from
    });
    most.max().unwrap_or_default()
}
