//! The OpenFeature Remote Evaluation Protocol, version 0.3.0: evaluation of one flag and of all.

mod answer;
mod bulk;
mod question;
mod single;
mod tag;

use actix_web::web;
use bellwether_core::{Context, Entry, ErrorCode, Evaluation, Value};
use utoipa::OpenApi;

use crate::clock;
use crate::flags::{Flags, Served};

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

/// Notes for whom something was evaluated, and what was served: whether a flag is of use, and whom a change moves, is
/// told from it.
fn note<'e>(flags: &Flags, environment: i64, context: &Context, served: impl Iterator<Item = (&'e str, &'e str)>) {
    let now = clock::now();
    let observed = flags.usage().of(environment);
    if let Some(key) = context.targeting_key().and_then(Value::as_str) {
        observed.seen(key, now);
    }
    for (key, variation) in served {
        observed.evaluated(key, variation, now);
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
