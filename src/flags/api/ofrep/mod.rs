//! The OpenFeature Remote Evaluation Protocol, version 0.3.0: evaluation of one flag and of all.

mod answer;
mod bulk;
mod question;
mod single;
mod tag;

use std::sync::Arc;

use actix_web::web;
use bellwether_core::{Context, Entry, ErrorCode, Evaluation, Value};
use chrono::{DateTime, Utc};
use utoipa::OpenApi;

use crate::clock;
use crate::flags::{Flags, Served};
use crate::usage::Observed;

/// The operations of [`routes`].
#[derive(OpenApi)]
#[openapi(paths(single::evaluate, bulk::evaluate))]
pub(super) struct Document;

/// The routes under `/ofrep/v1`.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/evaluate/flags").post(bulk::evaluate))
        // Some clients put a key into the path as it is: one with a slash is unknown, and told so in OFREP's way.
        .service(web::resource("/evaluate/flags/{key:.+}").post(single::evaluate));
}

/// Notes what is served in answer to a request: whether a flag is of use, and whom a change moves, is told from it.
struct Note {
    observed: Arc<Observed>,
    now: DateTime<Utc>,
}

impl Note {
    /// Notes for whom something is evaluated.
    fn of(flags: &Flags, environment: i64, context: &Context) -> Self {
        let note = Self { observed: flags.usage().of(environment), now: clock::now() };
        if let Some(key) = context.targeting_key().and_then(Value::as_str) {
            note.observed.seen(key, note.now);
        }
        note
    }

    /// Notes what a flag served, if it did.
    fn served(&self, key: &str, outcome: &Result<Evaluation<'_>, ErrorCode>) {
        if let Ok(evaluation) = outcome {
            self.observed.evaluated(key, evaluation.variation, self.now);
        }
    }
}

/// The one place where OFREP evaluates. To a client (`from_client`) a flag that it may not see does not exist.
fn evaluate<'s>(
    served: &'s Served,
    entry: &'s Entry,
    context: &Context,
    from_client: bool,
) -> Result<Evaluation<'s>, ErrorCode> {
    if from_client && !entry.flag().client_visible() {
        return Err(ErrorCode::FlagNotFound);
    }
    served.state.evaluate_entry(entry, context, clock::current())
}
