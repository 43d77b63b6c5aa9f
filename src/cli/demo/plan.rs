use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::access::{self, Caller, CredentialKind, Role, Secret};
use crate::app::{App, open_alone};
use crate::canary::{self, Act};
use crate::cli::seed;
use crate::db::{Connection, DatabaseUrl, Part};
use crate::error::Result;
use crate::flags::{LiveEnvironment, Place};
use crate::measurements::Cut;
use crate::projects::{self, DEFAULT_PROJECT};
use crate::version::IfMatch;

/// The environment that the demo plays in.
const ENVIRONMENT: &str = "production";
/// The canary that stays healthy.
pub(super) const GOOD: &str = "canary.new-notification-service";
/// The canary that begins to fail.
pub(super) const BAD: &str = "canary.new-payment-processor";
/// Fewest samples of a stage: few, as stages are short.
const SAMPLES: u32 = 50;

/// What the demo does, and when.
pub(super) struct Plan {
    pub(super) cut: Cut,
    pub(super) roles: [Simulated; 2],
    healthy: bool,
    /// Shortest time of a stage, in seconds.
    stage: u32,
}

/// A kind of simulated service.
pub(super) struct Simulated {
    pub(super) application: &'static str,
    pub(super) flag: &'static str,
    pub(super) processes: usize,
    /// Requests a second, of each process.
    pub(super) rate: u32,
}

/// What a prepared store gives.
pub(super) struct Prepared {
    pub(super) password: Secret,
    pub(super) key: Secret,
}

impl Plan {
    /// A plan that is over well within `seconds`.
    pub(super) fn new(seconds: u32, healthy: bool) -> Self {
        let simulated = |application, flag| Simulated { application, flag, processes: 2, rate: 500 };
        Self {
            cut: Cut { window_seconds: 2, grace_seconds: 1 },
            roles: [simulated("checkout", BAD), simulated("mailer", GOOD)],
            healthy,
            stage: (seconds / 12).clamp(3, 10),
        }
    }

    /// Sets a store up: users, keys, the default flags, and the canaries' policies with short stages.
    pub(super) fn prepare(&self, url: &DatabaseUrl) -> anyhow::Result<Prepared> {
        let store = open_alone(url)?;
        let work = |c: &mut Connection<'_>| {
            let caller = Caller::system("command");
            projects::mark_as_demo(c)?;
            seed::seed(c, &caller)?;
            for (flag, shares) in [(GOOD, &[5, 25][..]), (BAD, &[1, 10, 25, 50])] {
                canary::configure(c, &caller, &place(flag), None, self.policy(shares))?;
            }
            let environment = projects::environment(c, DEFAULT_PROJECT, ENVIRONMENT)?;
            Ok(Prepared {
                password: access::create_user(c, "admin", Role::Admin)?,
                key: access::create_sdk_key(c, CredentialKind::Server, "demo", environment.id)?,
            })
        };
        Ok(store.write_now(Part::Configuration, work)?)
    }

    /// The default policy with the given stages, short, and then everyone.
    fn policy(&self, shares: &[u32]) -> Value {
        let stage =
            |share: &u32| json!({"percentage": share, "minimum_seconds": self.stage, "minimum_samples": SAMPLES});
        let mut stages: Vec<Value> = shares.iter().map(stage).collect();
        stages.push(json!({"percentage": 100}));
        json!({"stages": stages, "guards": seed::guards()})
    }

    /// Starts both canaries; since when the bad one fails, if it does: the start of a window.
    pub(super) async fn start_canaries(&self, app: &App) -> Result<Option<DateTime<Utc>>> {
        let caller = Caller::system("command");
        for flag in [GOOD, BAD] {
            let canaries = &app.services.canaries;
            canaries.act(&caller, place(flag), IfMatch::Any, Act::Start, "the demo".to_owned()).await?;
        }
        let later = crate::clock::now() + TimeDelta::seconds(i64::from(self.stage) * 5 / 2);
        Ok((!self.healthy).then(|| self.cut.start_of(later + self.cut.window())))
    }

    /// The environment's flags in memory.
    pub(super) async fn environment(&self, app: &App) -> Result<Arc<LiveEnvironment>> {
        let find = |c: &mut Connection<'_>| projects::environment(c, DEFAULT_PROJECT, ENVIRONMENT);
        let environment = app.services.store.read(Part::Configuration, find).await?;
        app.services.flags.live().environment(environment.id)
    }

    /// The bad canary's page.
    pub(super) fn page(&self) -> String {
        let (project, environment, flag) = (DEFAULT_PROJECT.to_owned(), ENVIRONMENT.to_owned(), BAD.to_owned());
        crate::http::links::Place { project, environment, flag }.canary()
    }

    /// What is going to happen, for people.
    pub(super) fn describe(&self) -> Vec<String> {
        let stage = self.stage;
        let fault = if self.healthy {
            "Neither of them fails, so nothing may be rolled back.".to_owned()
        } else {
            format!("After about {} s every fifth payment on the new processor begins to fail.", stage * 5 / 2)
        };
        vec![
            "4 simulated services are separate processes with the Rust SDK, 500 requests a second each.".to_owned(),
            format!("{BAD} climbs 1, 10, 25, 50, 100 %, at least {stage} s each;"),
            format!("{GOOD} climbs 5, 25, 100 %. {fault}"),
        ]
    }
}

/// Where a flag stands in the demo.
pub(super) fn place(flag: &str) -> Place {
    Place { project: DEFAULT_PROJECT.to_owned(), environment: ENVIRONMENT.to_owned(), flag: flag.to_owned() }
}
