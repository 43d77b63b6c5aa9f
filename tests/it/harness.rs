//! A real server per test: on port 0, over a fresh store of its own, with a credential of each kind.

mod answer;
mod app;
mod backup;
mod call;
mod chain;
mod credentials;
mod postgres;
pub(crate) mod program;
mod proxy;
mod socket;
pub(crate) mod sql;
mod wait;

pub(crate) use answer::Answer;
pub(crate) use app::{Backend, TestApp};
pub(crate) use call::Call;
pub(crate) use chain::chained;
pub(crate) use credentials::{Credentials, Keys};
pub(crate) use postgres::{PASSWORD, Postgres};
pub(crate) use proxy::Proxy;
pub(crate) use socket::{Socket, have, hello, state};
pub(crate) use wait::{eventually, within};

use std::panic::{self, AssertUnwindSafe};

use futures_util::FutureExt as _;

/// Declares a test that runs on every database: `on_both!(name, async |app| { … });` is a module of the test's name
/// with a test per database.
macro_rules! on_both {
    ($name:ident, $test:expr) => {
        fn $name(backend: $crate::harness::Backend) {
            $crate::harness::run(backend, $test);
        }

        mod $name {
            #[test]
            fn sqlite() {
                super::$name($crate::harness::Backend::Sqlite);
            }

            #[test]
            fn postgres() {
                super::$name($crate::harness::Backend::Postgres);
            }
        }
    };
}
pub(crate) use on_both;

/// Declares a test that sets up its own store on every database: `on_each!(name, async |backend| { … });`.
macro_rules! on_each {
    ($name:ident, $test:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn sqlite() {
                $crate::harness::block_on(($test)($crate::harness::Backend::Sqlite));
            }

            #[test]
            fn postgres() {
                $crate::harness::block_on(($test)($crate::harness::Backend::Postgres));
            }
        }
    };
}
pub(crate) use on_each;

/// The development environment, where an editor may change things.
pub(crate) const DEVELOPMENT: &str = "development";
/// The production environment, where it takes an operator.
pub(crate) const PRODUCTION: &str = "production";

/// `P/flags`.
pub(crate) const FLAGS: &str = "/api/v1/projects/default/flags";

/// `P/flags/{key}`.
pub(crate) fn flag(key: &str) -> String {
    format!("{FLAGS}/{key}")
}

/// `E`.
pub(crate) fn environment(key: &str) -> String {
    format!("/api/v1/projects/default/environments/{key}")
}

/// `F`, or what lies under it.
pub(crate) fn configured(environment_key: &str, flag: &str, rest: &str) -> String {
    format!("{}/flags/{flag}{rest}", environment(environment_key))
}

/// Runs a test to its end.
pub(crate) fn block_on<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap().block_on(test)
}

/// Runs a test against a server of its own, which then ends as it would in earnest, whatever became of the test.
pub(crate) fn run<F: Future<Output = ()>>(backend: Backend, test: impl FnOnce(TestApp) -> F) {
    let outcome = block_on(async {
        let app = TestApp::start(backend).await;
        let outcome = AssertUnwindSafe(test(app.clone())).catch_unwind().await;
        app.stop().await;
        outcome
    });
    if let Err(panicked) = outcome {
        panic::resume_unwind(panicked);
    }
}
