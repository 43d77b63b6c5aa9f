use bellwether_core::{Context, Entry, Fault};
use chrono::{DateTime, Utc};
use deserr::Deserr;
use serde::Deserialize as _;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::input::{COUNT, MAGNITUDE, is_short, short_name, time};
use super::super::{AHEAD, Origin};
use super::plain::add;
use super::sums::{Event, Sums};
use super::{Against, EVENTS, FLAGS, Gathered};
use crate::clock;
use crate::error::{Error, Result};
use crate::input::{Faults, Members, Reject};
use crate::schema::{Key, Time};

/// `POST /api/v1/events`.
#[derive(Clone, Debug, Deserr, ToSchema)]
#[deserr(error = Faults, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
#[schema(as = EventBatch)]
pub struct EventsInput {
    /// Names the process, for those who may send a batch twice.
    #[deserr(default, try_from(Option<String>) = name -> Reject)]
    #[schema(value_type = Option<String>, required = false, min_length = 1, max_length = 200)]
    instance: Option<String>,
    /// Grows with each batch of the instance, which is counted once. Given with `instance`, or not at all.
    #[deserr(default)]
    #[schema(required = false, maximum = 9_007_199_254_740_992_u64)]
    sequence: Option<u64>,
    /// What happened.
    #[schema(max_items = 10_000)]
    events: Vec<EventInput>,
}

/// Something that happened to a user.
#[derive(Clone, Debug, Deserr, ToSchema)]
#[deserr(error = Faults, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
#[schema(as = Event)]
struct EventInput {
    /// Whom it happened to: what the flags were evaluated for.
    #[deserr(try_from(Members<Value>) = attributes -> Reject)]
    #[schema(value_type = HashMap<String, Value>)]
    context: Context,
    /// `request.error`, `request.duration_ms`, or a name of the application's own.
    #[deserr(try_from(String) = short_name -> Reject)]
    #[schema(min_length = 1, max_length = 200)]
    metric: String,
    /// How much. Of a ratio, such as `request.error`, 0 or what is a hit.
    value: f64,
    /// When, on the server's clock; now, if it is not said.
    #[deserr(default, try_from(Option<String>) = moment -> Reject)]
    #[schema(value_type = Option<Time>, required = false)]
    at: Option<DateTime<Utc>>,
    /// What a hit was, such as `POST /pay 502`.
    #[deserr(default)]
    #[schema(required = false, max_length = 200)]
    label: Option<String>,
    /// The flags that were evaluated for it. One that the environment does not have is passed over.
    #[schema(max_items = 100, value_type = Vec<Key>)]
    flags: Vec<String>,
}

fn name(name: Option<String>) -> Result<Option<String>, Reject> {
    name.map(short_name).transpose()
}

fn moment(text: Option<String>) -> Result<Option<DateTime<Utc>>, Reject> {
    text.map(time).transpose()
}

fn attributes(members: Members<Value>) -> Result<Context, Reject> {
    let members = Value::Object(members.0.into_iter().collect());
    Context::deserialize(members).map_err(|_| Reject("is an object of attributes".to_owned()))
}

impl EventsInput {
    /// Passes a batch without a fault.
    pub(super) fn check(self, now: DateTime<Utc>) -> Result<Self> {
        let mut faults = Vec::new();
        if self.instance.is_some() != self.sequence.is_some() {
            let lacking = if self.instance.is_none() { "/instance" } else { "/sequence" };
            faults.push(Fault::new(lacking, "is given together with the other of `instance` and `sequence`"));
        }
        if self.sequence.is_some_and(|sequence| sequence > COUNT) {
            faults.push(Fault::new("/sequence", "is at most 2^53"));
        }
        if self.events.len() > EVENTS {
            faults.push(Fault::new("/events", format!("at most {EVENTS} events in one batch")));
        }
        for (index, event) in self.events.iter().enumerate() {
            let found = event.faults(now);
            faults.extend(found.into_iter().map(|fault| fault.under(&format!("/events/{index}"))));
        }
        Error::unless_empty(faults).map(|()| self)
    }

    /// Sums up the events of a batch that has passed.
    pub(super) fn gather(self, against: Against<'_>) -> Gathered {
        let mut sums = Sums::new(against);
        for EventInput { context, metric, value, at, label, flags } in &self.events {
            let mut met: Vec<&Entry> = Vec::new();
            for key in flags {
                add(&mut met, against.state.flag(key).map(|entry| &**entry));
            }
            let (at, label) = (at.unwrap_or(against.now), label.as_deref());
            sums.add(&Event { context, metric, value: *value, at, label }, &met);
        }
        let origin = self.instance.zip(self.sequence);
        sums.gathered(origin.map(|(instance, sequence)| Origin { instance, sequence }))
    }
}

impl EventInput {
    fn faults(&self, now: DateTime<Utc>) -> Vec<Fault> {
        let mut faults = Vec::new();
        // Not a number is not in it either.
        if !(-MAGNITUDE..=MAGNITUDE).contains(&self.value) {
            faults.push(Fault::new("/value", format!("is a number of at most {MAGNITUDE:e} in magnitude")));
        }
        if self.at.is_some_and(|at| at > now + AHEAD) {
            faults.push(Fault::new("/at", format!("lies in the future; it is {} here", clock::rfc3339(now))));
        }
        if self.label.as_ref().is_some_and(|label| !label.is_empty() && !is_short(label)) {
            faults.push(Fault::new("/label", "has at most 200 characters"));
        }
        if self.flags.len() > FLAGS {
            faults.push(Fault::new("/flags", format!("at most {FLAGS} flags of one event")));
        }
        faults
    }
}
