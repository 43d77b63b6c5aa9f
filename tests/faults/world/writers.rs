//! People who change things, all at once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::ledger::{Ledger, Write};
use crate::harness::program::Caller;
use crate::harness::{Call, FLAGS, PRODUCTION, configured, flag};

/// `P/segments`.
pub(crate) const SEGMENTS: &str = "/api/v1/projects/default/segments";

/// The flag whose canary runs.
pub(crate) const CANARY: &str = "canary.flag";
/// Flags that several writers change.
const SHARED: [&str; 2] = ["shared.0", "shared.1"];
/// The flag that one writer has for itself.
const OWN: &str = "own.flag";
/// The segment that there is from the start.
pub(crate) const SEGMENT: &str = "members";
/// How many keys one change of it is about, up to.
const TOGETHER: usize = 60;
/// How often the one in charge of the canary looks.
const PACE: Duration = Duration::from_millis(40);

/// The flags that there are from the start.
pub(crate) const FLAGS_AT_FIRST: [&str; 4] = [CANARY, SHARED[0], SHARED[1], OWN];

/// What writers know from the lives of the server before.
#[derive(Clone, Default)]
pub(crate) struct Leftover {
    /// Who is known to be targeted by which flag.
    targeted: Arc<Mutex<Vec<(usize, String)>>>,
    /// Who is known to be in the segment.
    enrolled: Arc<Mutex<Vec<String>>>,
    /// The flag that was made last.
    made: Arc<Mutex<Option<String>>>,
}

/// One who asks the server that lives now.
#[derive(Clone)]
struct Writer {
    caller: Caller,
    origin: String,
    ledger: Ledger,
    /// Unique among the writers of all lives.
    name: String,
    count: u32,
}

type Gone = Result<(), ()>;

/// Starts writers, who write until the server is gone.
pub(crate) fn start(
    caller: &Caller,
    origin: &str,
    ledger: &Ledger,
    leftover: &Leftover,
    (life, seed): (u32, u64),
) -> JoinSet<Gone> {
    let writer = |name: &str| Writer {
        caller: caller.clone(),
        origin: origin.to_owned(),
        ledger: ledger.clone(),
        name: format!("{life}-{name}"),
        count: 0,
    };
    let mut writers = JoinSet::new();
    for (which, name) in ["t0", "t1", "t2"].into_iter().enumerate() {
        writers.spawn(writer(name).target(which % SHARED.len(), leftover.clone()));
    }
    writers.spawn(writer("own").change(life, StdRng::seed_from_u64(seed)));
    for name in ["s0", "s1"] {
        writers.spawn(writer(name).enrol(leftover.clone()));
    }
    writers.spawn(writer("maker").make(leftover.clone()));
    writers.spawn(writer("canary").lead(StdRng::seed_from_u64(seed.wrapping_add(1))));
    writers
}

impl Writer {
    fn call(&self, method: Method, path: &str) -> Call {
        self.caller.call(&self.origin, method, path)
    }

    /// Asks for one change of a flag; the answer if it was done.
    async fn write(&mut self, action: &'static str, key: &str, call: Call) -> Result<Option<Value>, ()> {
        self.write_to(action, format!("flag/{key}"), call).await
    }

    /// The same of anything else.
    async fn write_to(&mut self, action: &'static str, resource: String, call: Call) -> Result<Option<Value>, ()> {
        self.count += 1;
        let id = format!("{}-{}", self.name, self.count);
        let write = Write { id, action, resource };
        let answer = self.ledger.send(write, call).await?;
        Ok(answer.map(|answer| if answer.body.is_empty() { Value::Null } else { answer.json() }))
    }

    /// Targets users and takes them back, in a flag that others change too.
    async fn target(mut self, which: usize, leftover: Leftover) -> Gone {
        let path = |user: &str| configured(PRODUCTION, SHARED[which], &format!("/targets/on/{user}"));
        loop {
            let user = format!("user-{}-{}", self.name, self.count);
            let call = self.call(Method::PUT, &path(&user));
            if self.write("flag.target", SHARED[which], call).await?.is_none() {
                continue;
            }
            leftover.targeted.lock().unwrap().push((which, user));
            let old = {
                let mut targeted = leftover.targeted.lock().unwrap();
                let mine = targeted.iter().position(|(flag, _)| *flag == which);
                mine.filter(|_| targeted.len() > 8).map(|at| targeted.remove(at).1)
            };
            if let Some(old) = old {
                let call = self.call(Method::DELETE, &path(&old));
                if self.write("flag.untarget", SHARED[which], call).await?.is_none() {
                    leftover.targeted.lock().unwrap().push((which, old));
                }
            }
        }
    }

    /// Adds keys to a segment and takes them back, while others do: changes of every environment at once.
    async fn enrol(mut self, leftover: Leftover) -> Gone {
        let text = |keys: &[String]| keys.join("\n");
        let call = |writer: &Self, method, body: String| {
            let path = format!("{SEGMENTS}/{SEGMENT}/keys");
            writer.call(method, &path).header("content-type", "text/plain").body(body)
        };
        loop {
            let name = format!("user-{}-{}", self.name, self.count);
            let many = self.count as usize % TOGETHER + 1;
            let keys: Vec<_> = (0..many).map(|at| format!("{name}-{at}")).collect();
            let adding = call(&self, Method::POST, text(&keys));
            if self.write_to("segment.add_keys", format!("segment/{SEGMENT}"), adding).await?.is_none() {
                continue;
            }
            let old: Vec<_> = {
                let mut enrolled = leftover.enrolled.lock().unwrap();
                enrolled.extend(keys);
                let surplus = enrolled.len().saturating_sub(500).min(TOGETHER);
                enrolled.drain(..surplus).collect()
            };
            if !old.is_empty() {
                let removing = call(&self, Method::DELETE, text(&old));
                if self.write_to("segment.remove_keys", format!("segment/{SEGMENT}"), removing).await?.is_none() {
                    leftover.enrolled.lock().unwrap().extend(old);
                }
            }
        }
    }

    /// Changes all that a flag has; nobody else does.
    async fn change(mut self, life: u32, mut random: StdRng) -> Gone {
        let at = |rest: &str| configured(PRODUCTION, OWN, rest);
        while !self.ledger.is_closed() {
            let read = async |path: &str| self.call(Method::GET, path).send().await.map_err(drop);
            let (served, flag) = (read(&at("")).await?, read(&flag(OWN)).await?);
            if served.status == 200 && flag.status == 200 {
                self.change_on(&at, life, &mut random, &served.json(), &flag.json()).await?;
            }
        }
        Err(())
    }

    /// The same until a change is refused: then what there is has to be read again.
    async fn change_on(
        &mut self,
        at: &impl Fn(&str) -> String,
        life: u32,
        random: &mut StdRng,
        served: &Value,
        defined: &Value,
    ) -> Gone {
        let mut visible = defined["client_visible"].as_bool().unwrap();
        let mut enabled = served["configuration"]["enabled"].as_bool().unwrap();
        let mut off = served["configuration"]["off_variation"].as_str().unwrap().to_owned();
        loop {
            let done = match random.random_range(0..5) {
                0 => {
                    enabled = !enabled;
                    let (verb, action) = if enabled { ("enable", "flag.enable") } else { ("disable", "flag.disable") };
                    let call = self.call(Method::PUT, &at(&format!("/{verb}")));
                    self.write(action, OWN, call).await?
                }
                1 => {
                    // Another one each time, whatever became of the one before.
                    let thousandths = (life * 1_009 + self.count) % 99_991 + 1;
                    let body = json!({"percentage": f64::from(thousandths) / 1_000.0});
                    let call = self.call(Method::PUT, &at("/rollout")).json(&body);
                    self.write("flag.rollout", OWN, call).await?
                }
                2 => {
                    let body = json!({"name": format!("{} {}", self.name, self.count)});
                    let call = self.call(Method::PATCH, &flag(OWN)).any_version().json(&body);
                    self.write("flag.update", OWN, call).await?
                }
                3 => {
                    visible = !visible;
                    let body = json!({"client_visible": visible});
                    let call = self.call(Method::PATCH, &flag(OWN)).any_version().json(&body);
                    self.write("flag.update", OWN, call).await?
                }
                _ => {
                    off = if off == "on" { "off" } else { "on" }.to_owned();
                    let body = json!({"configuration": {"off_variation": off}});
                    let call = self.call(Method::PATCH, &at("")).any_version().json(&body);
                    self.write("flag.configure", OWN, call).await?
                }
            };
            if done.is_none() {
                return Ok(());
            }
        }
    }

    /// Creates flags, and archives them when there is the next: changes of every environment at once.
    async fn make(mut self, leftover: Leftover) -> Gone {
        loop {
            let key = format!("made.{}.{}", self.name, self.count);
            let call = self.call(Method::POST, FLAGS).json(&json!({"key": key, "type": "boolean"}));
            if self.write("flag.create", &key, call).await?.is_none() {
                continue;
            }
            let old = leftover.made.lock().unwrap().replace(key);
            if let Some(old) = old {
                let call = self.call(Method::DELETE, &flag(&old)).any_version();
                // When that can't be now, it stays for good.
                self.write("flag.archive", &old, call).await?;
            }
        }
    }

    /// Keeps a canary running, and now and then does what a person may do with it.
    async fn lead(mut self, mut random: StdRng) -> Gone {
        let at = |rest: &str| configured(PRODUCTION, CANARY, &format!("/canary{rest}"));
        let mut ticks = interval(PACE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if self.ledger.is_closed() {
                return Err(());
            }
            let view = self.call(Method::GET, &at("")).send().await.map_err(drop)?;
            if view.status != 200 {
                view.problem(503, "store_unavailable");
                continue;
            }
            let view = view.json();
            let (verb, action) = match (view["state"].as_str().unwrap(), random.random_range(0..200)) {
                ("draft" | "promoted" | "rolled_back", 0..=19) => ("start", "canary.start"),
                ("draft" | "promoted" | "rolled_back", _) => continue,
                ("paused", 0..=19) => ("resume", "canary.resume"),
                (_, 0..=1) => ("advance", "canary.advance"),
                (_, 2..=3) => ("pause", "canary.pause"),
                (_, 4) => ("rollback", "canary.rollback"),
                (_, 5) => ("promote", "canary.promote"),
                _ => continue,
            };
            // Past the last stage lies the promotion.
            let last = view["stage"] == json!(view["policy"]["stages"].as_array().unwrap().len() - 2);
            let action = if verb == "advance" && last { "canary.promote" } else { action };
            // The guards may have been quicker: then it is refused.
            let version = view["version"].as_u64().unwrap();
            let call = self.call(Method::POST, &at(&format!("/{verb}"))).version(version);
            self.write(action, CANARY, call.json(&json!({"reason": "it is time"}))).await?;
        }
    }
}
