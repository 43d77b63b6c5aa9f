//! Each rule finds what it is for, and leaves alone what is right.

use crate::tree::File;
use crate::*;

fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

/// # Panics
/// Unless the rule finds exactly one fault.
fn finds(rule: Rule, path: &str, text: &str) {
    let faults = rule(&file(path, text));
    assert_eq!(faults.len(), 1, "one fault was expected in {path}: {text}\n{faults:?}");
}

/// # Panics
/// When the rule finds a fault.
fn passes(rule: Rule, path: &str, text: &str) {
    let faults = rule(&file(path, text));
    assert!(faults.is_empty(), "nothing is wrong with {path}: {text}\n{faults:?}");
}

#[test]
fn short() {
    let long = "//\n".repeat(MAX_LINES + 1);
    finds(short_files, "src/flags/mod.rs", &long);
    passes(short_files, "src/flags/mod.rs", &"//\n".repeat(MAX_LINES));
    passes(short_files, "src/flags/tests.rs", &long);
    passes(short_files, "sdk/rust/tests/stream.rs", &long);
}

#[test]
fn names() {
    finds(telling_names, "src/flags/util.rs", "");
    finds(telling_names, "tests/it/common/mod.rs", "");
    passes(telling_names, "src/flags/utility.rs", "");
}

#[test]
fn queries() {
    finds(queries_in_stores, "src/flags/mod.rs", "use diesel::prelude::*;");
    finds(queries_in_stores, "src/flags/mod.rs", "#[derive(Queryable)]\n#[diesel(table_name = flags)]\nstruct Row;");
    passes(queries_in_stores, "src/flags/store.rs", "use diesel::prelude::*;");
    passes(queries_in_stores, "src/canary/store/stages.rs", "use diesel::prelude::*;");
    passes(queries_in_stores, "src/db/mod.rs", "use diesel::prelude::*;");
    passes(queries_in_stores, "src/flags/mod.rs", "//! diesel::prelude is not for here.");
}

#[test]
fn web() {
    finds(web_at_the_edge, "src/flags/mod.rs", "fn f() -> actix_web::HttpResponse { g() }");
    finds(web_at_the_edge, "src/main.rs", "use askama::Template;");
    passes(web_at_the_edge, "src/flags/api.rs", "use actix_web::web;");
    passes(web_at_the_edge, "src/canary/pages/tiles.rs", "use askama::Template;");
    passes(web_at_the_edge, "src/http/route.rs", "use actix_web::web;");
    passes(web_at_the_edge, "sdk/rust/src/actix/middleware.rs", "use actix_web::dev::Service;");
}

#[test]
fn integrations() {
    finds(integrations_apart, "sdk/rust/src/client.rs", "use actix_web::HttpRequest;");
    finds(integrations_apart, "sdk/rust/src/actix/report.rs", "use open_feature::Client;");
    finds(integrations_apart, "sdk/core/src/context.rs", "use open_feature::EvaluationContext;");
    passes(integrations_apart, "sdk/rust/src/actix/middleware.rs", "use actix_web::HttpRequest;");
    passes(integrations_apart, "sdk/rust/src/actix.rs", "use actix_web::HttpRequest;");
    passes(integrations_apart, "sdk/rust/src/openfeature.rs", "use open_feature::async_trait;");
    passes(integrations_apart, "sdk/rust/src/lib.rs", "pub mod actix;");
    passes(integrations_apart, "sdk/rust/examples/actix.rs", "use actix_web::App;");
    passes(integrations_apart, "src/http/route.rs", "use actix_web::web;");
}

#[test]
fn clock() {
    finds(one_clock, "src/canary/runner.rs", "fn f() { chrono::Utc::now(); }");
    finds(one_clock, "sdk/rust/src/client.rs", "fn f() { vec![SystemTime::now()] }");
    passes(one_clock, "src/clock.rs", "fn f() { chrono::Utc::now(); }");
    passes(one_clock, "sdk/rust/src/client.rs", "fn f() { Instant::now(); clock::now(); }");
}

#[test]
fn file_access() {
    finds(files_in_one_place, "src/db/mod.rs", "use std::{fs, io};");
    finds(files_in_one_place, "src/config/mod.rs", "async fn f() { tokio::fs::read(\"a\").await; }");
    passes(files_in_one_place, "src/files.rs", "use std::fs;");
    passes(files_in_one_place, "src/config/tests.rs", "use std::fs;");
}

#[test]
fn order() {
    finds(downwards_only, "src/access/mod.rs", "use crate::{audit::Entry, flags::{Flag as F}};");
    finds(downwards_only, "src/flags/store.rs", "use super::super::canary;");
    finds(downwards_only, "src/stream/api.rs", "use crate::app::App;");
    finds(downwards_only, "src/flags/mod.rs", "use crate::http::Problem;");
    finds(downwards_only, "src/http/mod.rs", "use crate::app::App;");
    finds(downwards_only, "src/db/mod.rs", "fn f() { crate::flags::load(); }");
    finds(downwards_only, "src/stats/mod.rs", "use crate::http;");
    passes(downwards_only, "src/canary/mod.rs", "use crate::{access::Actor, db, experiments, flags, measurements};");
    passes(downwards_only, "src/flags/api.rs", "use crate::http::Problem;");
    passes(downwards_only, "src/app.rs", "use crate::{cli, http, stream};");
    passes(downwards_only, "src/canary/mod.rs", "use futures_util::stream; fn f() { stream::iter([1]); }");
}

#[test]
fn front_door() {
    finds(through_the_front_door, "src/canary/mod.rs", "use crate::flags::store::load;");
    finds(through_the_front_door, "src/canary/mod.rs", "use crate::flags; fn f() { flags::store::load(); }");
    finds(through_the_front_door, "src/canary/pages.rs", "use crate::flags::{pages::row, Flag};");
    finds(through_the_front_door, "src/cli/seed.rs", "use bellwether::flags::store;");
    passes(through_the_front_door, "src/flags/mod.rs", "mod store; use self::store::load; use crate::flags::api;");
    passes(through_the_front_door, "src/http/mod.rs", "use crate::flags::{api, pages};");
}

#[test]
fn core() {
    finds(pure_core, "sdk/core/src/lib.rs", "use std::net::TcpStream;");
    finds(pure_core, "sdk/core/src/lib.rs", "async fn f() { tokio::task::yield_now().await; }");
    passes(pure_core, "sdk/core/src/lib.rs", "use std::sync::Arc; fn f(environment: u8) { env::g(); }");
    passes(pure_core, "sdk/rust/src/lib.rs", "use std::net::TcpStream;");
}

#[test]
fn sdk() {
    finds(sdk_without_the_server, "sdk/rust/src/lib.rs", "use bellwether::flags::Flag;");
    finds(sdk_without_the_server, "sdk/core/src/lib.rs", "use bellwether_sdk::Client;");
    finds(sdk_without_the_server, "sdk/rust/Cargo.toml", "[dev-dependencies]\nbellwether = { path = \"../..\" }");
    passes(sdk_without_the_server, "sdk/rust/src/lib.rs", "pub use bellwether_core::Context;");
    passes(
        sdk_without_the_server,
        "sdk/rust/Cargo.toml",
        "name = \"bellwether-sdk\"\nbellwether-core.workspace = true",
    );
    passes(sdk_without_the_server, "src/lib.rs", "use bellwether::flags;");
}

#[test]
fn inline_code() {
    finds(pages_without_inline_code, "templates/flags/list.html", "<script>f()</script>");
    finds(pages_without_inline_code, "templates/flags/list.html", "<style>p {}</style>");
    finds(pages_without_inline_code, "templates/flags/list.html", "<p class=\"{{ a }}\" style=\"color: red\">");
    finds(pages_without_inline_code, "templates/flags/list.html", "<button\n  type=submit onClick='f()'>");
    finds(pages_without_inline_code, "templates/flags/list.html", "<form hx-on:submit=\"f()\">");
    let right = "<script src=\"/static/htmx.js\" defer></script><p class=\"on\" data-style=\"x\">style=1 onclick=2</p>";
    passes(pages_without_inline_code, "templates/flags/list.html", right);
}

#[test]
fn later() {
    finds(nothing_left_for_later, "src/lib.rs", concat!("// TO", "DO: more"));
    finds(nothing_left_for_later, "tests/run", concat!("# FIX", "ME"));
    finds(nothing_left_for_later, "src/lib.rs", concat!("fn f() { to", "do!() }"));
    finds(nothing_left_for_later, "sdk/rust/src/lib.rs", concat!("fn f() { unimple", "mented!() }"));
    passes(nothing_left_for_later, "static/htmx.min.js", concat!("// TO", "DO: more"));
}

#[test]
fn vectors() {
    finds(vectors_in_tests, "sdk/core/vectors/forgotten.json", "{}");
    passes(vectors_in_tests, "sdk/core/vectors/operators.json", "{}");
    passes(vectors_in_tests, "sdk/core/vectors/README.md", "");
}

#[test]
fn migrations() {
    let tree = |paths: &[&str]| paths.iter().map(|path| file(path, "SELECT 1;")).collect::<Vec<_>>();
    let mut files = tree(&["migrations/sqlite/0001_flags/up.sql", "migrations/sqlite/0001_flags/down.sql"]);
    assert_eq!(paired_migrations(&files), Vec::<String>::new());

    files.extend(tree(&["migrations/postgres/0001_flags/up.sql"]));
    files.push(file("migrations/postgres/0001_flags/down.sql", "\n"));
    assert_eq!(paired_migrations(&files), ["migrations/postgres/0001_flags/down.sql: missing or empty"]);

    let other = tree(&["migrations/postgres/0001_other/up.sql", "migrations/postgres/0001_other/down.sql"]);
    files.truncate(2);
    files.extend(other);
    let missing =
        ["postgres/0001_flags/up", "postgres/0001_flags/down", "sqlite/0001_other/up", "sqlite/0001_other/down"];
    assert_eq!(paired_migrations(&files), missing.map(|path| format!("migrations/{path}.sql: missing or empty")));
}

#[test]
fn maps() {
    let paths = ["src/db/mod.rs", "src/lib.rs", "tests/it/main.rs", "tests/tidy.rs", "tests/tidy/tree.rs"];
    let files = paths.map(|path| file(path, "x"));
    let page = |map: &str| format!("## Where things are\n\n```text\n{map}\n```\n");
    let whole = "src/db/  the store\nsrc/lib.rs  domains\ntests/  it/ (one binary), tidy.rs";
    assert_eq!(map::faults(&page(whole), &files), Vec::<String>::new());
    let faults = map::faults(&page("src/db/, src/app.rs  the store\ntests/  it/, of its own"), &files);
    let wrong = ["names src/app.rs, which is not there", "does not name src/lib.rs", "does not name tests/tidy"];
    assert_eq!(faults.len(), 4, "{faults:?}");
    for (fault, wrong) in faults.iter().zip(wrong) {
        assert!(fault.contains(wrong), "{fault}");
    }
    assert_eq!(map::faults("no map", &files).len(), 1);
}
