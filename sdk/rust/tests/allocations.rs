//! What a client takes of memory, counted by a global allocator that counts for each thread: nothing to evaluate a boolean
//! flag, and a bounded amount whatever it is asked. Nobody sends what is recorded here, which is the worst that can be.

#[path = "../../../benches/client/flags.rs"]
mod flags;

use bellwether_sdk::{Client, Context};
use flags::{CANARY, PLAIN, RULE};
use tokio::runtime::{Builder, Runtime};

/// How many different things are asked for and told.
const MANY: u32 = 1_000_000;
/// Bytes of what may wait to be sent, and of the exposures of late, twice over where a list grows.
const MOST: u64 = 4 << 20;

/// A client that records, on a runtime that does not run.
fn client() -> Result<(Runtime, Client), Box<dyn std::error::Error>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let snapshot = serde_json::to_string(&flags::snapshot(10)?)?;
    let builder = Client::builder("http://127.0.0.1:9", "bw_sdk_test").bootstrap_json(snapshot);
    let client = runtime.block_on(async { builder.connect() })?;
    Ok((runtime, client))
}

#[test]
fn a_boolean_flag_takes_no_memory() {
    let (_runtime, client) = client().unwrap();
    let user = flags::context("user-04711");
    let nobody = Context::anonymous();
    for key in [PLAIN, RULE, CANARY, "none"] {
        for context in [&user, &nobody] {
            // The first evaluation of a flag sets up its counters, and the first of a user keeps the exposure.
            client.bool(key, context, false);
            let counted = allocation_counter::measure(|| {
                for _ in 0..100 {
                    client.bool(key, context, false);
                }
            });
            assert_eq!(counted.count_total, 0, "{key}: {counted:?}");
        }
    }
}

#[test]
fn recording_takes_no_memory_once_its_window_is_open() {
    let (_runtime, client) = client().unwrap();
    let scope = client.scope(&flags::context("user-04711"));
    scope.bool(CANARY, false);
    let record = || {
        scope.bool(CANARY, false);
        scope.track("request.error", 1.0);
        scope.track("request.duration_ms", 12.3);
        scope.track("unwatched", 12.3);
        scope.timer().stop();
    };
    // Durations differ, and each of a bucket of its own may take a place there.
    (0..10_000).for_each(|_| record());
    let counted = allocation_counter::measure(|| (0..1_000).for_each(|_| record()));
    assert!(counted.count_total < 100, "{counted:?}");
}

#[test]
fn memory_is_bounded_whatever_is_asked() {
    let (_runtime, client) = client().unwrap();
    let counted = allocation_counter::measure(|| {
        for number in 0..MANY {
            let user = Context::new(format!("user-{number}"));
            client.bool(CANARY, &user, false);
            client.track("request.duration_ms", &user, f64::from(number));
        }
    });
    assert!(counted.bytes_max < MOST, "{counted:?}");
    let counted = allocation_counter::measure(|| {
        for number in 0..MANY / 10 {
            let user = Context::new("user");
            client.track(&format!("metric-{number}"), &user, 1.0);
            client.track("request.duration_ms", &user, f64::NAN);
            client.bool(&format!("flag-{number}"), &user, false);
            let scope = client.scope(&Context::new("user"));
            scope.bool(CANARY, false);
            scope.finish(false, &format!("{} {number}", "label ".repeat(50)));
        }
    });
    assert!(counted.bytes_max < MOST, "{counted:?}");
}

#[test]
fn a_file_too_large_for_flags_is_refused_unread() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(1 << 30).unwrap();
    let builder = Client::builder("http://127.0.0.1:9", "bw_sdk_test").offline().bootstrap_file(file.path());
    let counted = allocation_counter::measure(|| {
        let error = builder.clone().connect().unwrap_err().to_string();
        assert!(error.contains("it has more than"), "{error}");
    });
    assert!(counted.bytes_total < 1 << 20, "{counted:?}");
}
