//! The rules of ARCHITECTURE.md that a machine can check, held against the tree.
//!
//! A rule is a function from a file to what it finds wrong there. Each has a test that holds it against every file, and
//! one that gives it a file that breaks it and a file that does not.

#[path = "tidy/code.rs"]
mod code;
#[path = "tidy/examples.rs"]
mod examples;
#[path = "tidy/map.rs"]
mod map;
#[path = "tidy/markup.rs"]
mod markup;
#[path = "tidy/tree.rs"]
mod tree;

use std::collections::{BTreeMap, BTreeSet};

use code::Path;
use tree::File;

/// Lines a source file may have; tests may have more.
const MAX_LINES: usize = 400;

/// The domains, the lower first; those of one row may use each other.
const DOMAINS: [&[&str]; 8] = [
    &["access", "audit"],
    &["projects"],
    &["tokens", "usage"],
    &["flags", "segments"],
    &["stream"],
    &["measurements"],
    &["insight"],
    &["experiments", "canary"],
];

/// What everything else stands on, so that it can use nothing of that.
const FOUNDATION: [&str; 4] = ["clock", "db", "files", "stats"];

/// The places that may read the clock, one per crate.
const CLOCKS: [&str; 2] = ["src/clock.rs", "sdk/rust/src/clock.rs"];

/// Names that say nothing of what is inside.
const NAMELESS: [&str; 4] = ["util", "utils", "helpers", "common"];

/// What a file says against a rule.
type Rule = fn(&File) -> Vec<String>;

/// The row of a domain in [`DOMAINS`].
fn rank(domain: &str) -> Option<usize> {
    DOMAINS.iter().position(|row| row.contains(&domain))
}

/// The folder or file of `src/` that `file` belongs to.
fn place(file: &File) -> Option<&str> {
    let first = file.path.strip_prefix("src/")?.split('/').next()?;
    Some(first.trim_end_matches(".rs"))
}

/// One message for each path in the Rust file that `wrong` has something to say about.
fn each_path<'a>(file: &'a File, wrong: impl Fn(&Path) -> Option<String> + 'a) -> Vec<String> {
    if !file.is_rust() {
        return Vec::new();
    }
    match code::paths(&file.text) {
        Ok(paths) => {
            let said = |path: &Path| wrong(path).map(|what| format!("{}:{}: {what}", file.path, path.line));
            paths.iter().filter_map(said).collect()
        }
        Err(error) => vec![format!("{}: not readable as Rust: {error}", file.path)],
    }
}

fn short_files(file: &File) -> Vec<String> {
    let lines = file.text.lines().count();
    let counts = file.is_rust() && (file.is_under("src") || file.is_under("sdk")) && !file.is_test();
    if !counts || lines <= MAX_LINES {
        return Vec::new();
    }
    vec![format!("{}: {lines} lines, at most {MAX_LINES}: split it by what its parts do", file.path)]
}

fn telling_names(file: &File) -> Vec<String> {
    let nameless = NAMELESS.iter().filter(|name| file.is_rust() && file.has_part(name));
    nameless.map(|name| format!("{}: `{name}` does not say what is inside", file.path)).collect()
}

fn queries_in_stores(file: &File) -> Vec<String> {
    let allowed = file.is_under("src/db") || (file.is_under("src") && file.has_part("store"));
    each_path(file, move |path| {
        let wrong = !allowed && path.root().starts_with("diesel") && !file.is_under("tests");
        wrong.then(|| "diesel belongs to a domain's `store` and to `src/db`".to_owned())
    })
}

fn web_at_the_edge(file: &File) -> Vec<String> {
    let edge = ["api", "pages"].iter().any(|part| file.has_part(part));
    let allowed = edge || file.is_under("src/http") || file.path == "src/app.rs" || file.is_under("src/app");
    each_path(file, move |path| {
        let web = path.root().starts_with("actix_") || path.root().starts_with("askama");
        let wrong = web && file.is_under("src") && !allowed;
        wrong.then(|| format!("`{}` belongs to `src/http`, a domain's `api` or `pages`, and `src/app.rs`", path.root()))
    })
}

/// What the SDK fits into other libraries stays apart from the rest of it, which others get without.
fn integrations_apart(file: &File) -> Vec<String> {
    const INTEGRATIONS: [(&str, &str); 2] = [("actix_", "actix"), ("open_feature", "openfeature")];
    let source = "sdk/rust/src";
    each_path(file, move |path| {
        let foreign = INTEGRATIONS.iter().find(|(library, _)| path.root().starts_with(library));
        let (_, place) = foreign.filter(|_| file.is_under("sdk/core/src") || file.is_under(source))?;
        let inside = file.path == format!("{source}/{place}.rs") || file.is_under(&format!("{source}/{place}"));
        (!inside).then(|| format!("`{}` belongs to {source}/{place}", path.root()))
    })
}

fn one_clock(file: &File) -> Vec<String> {
    let allowed = CLOCKS.contains(&file.path.as_str());
    each_path(file, move |path| {
        let now = ["Utc", "Local", "SystemTime"].iter().any(|clock| path.contains(&[clock, "now"]));
        let wrong = now && !allowed && (file.is_under("src") || file.is_under("sdk"));
        wrong.then(|| format!("the clock is read in {} alone", CLOCKS.join(" and ")))
    })
}

fn files_in_one_place(file: &File) -> Vec<String> {
    each_path(file, |path| {
        let opens = path.starts_with(&["std", "fs"]) || path.starts_with(&["tokio", "fs"]);
        let wrong = opens && file.is_under("src") && !file.is_test() && file.path != "src/files.rs";
        wrong.then(|| "files are touched in src/files.rs alone".to_owned())
    })
}

fn downwards_only(file: &File) -> Vec<String> {
    let Some(here) = place(file) else { return Vec::new() };
    let edge = file.has_part("api") || file.has_part("pages");
    each_path(file, move |path| {
        let inside = path.within_server(file)?;
        let used = *inside.first()?;
        let wrong = match (rank(here), rank(used)) {
            (Some(lower), Some(higher)) => lower < higher,
            (Some(_), None) => matches!(used, "app" | "cli") || (used == "http" && !edge),
            (None, Some(_)) => FOUNDATION.contains(&here),
            (None, None) if here == "http" => matches!(used, "app" | "cli"),
            (None, None) => FOUNDATION.contains(&here) && matches!(used, "http" | "app" | "cli"),
        };
        wrong.then(|| format!("`{here}` lies below `{used}` and must not use it"))
    })
}

fn through_the_front_door(file: &File) -> Vec<String> {
    let Some(here) = place(file) else { return Vec::new() };
    each_path(file, move |path| {
        // `flags::store` after `use crate::flags` counts too.
        let inside = path.within_server(file).unwrap_or_else(|| path.segments.iter().map(String::as_str).collect());
        let [domain, part, ..] = inside.as_slice() else { return None };
        let private = *part == "store" || (matches!(*part, "api" | "pages") && rank(here).is_some());
        let wrong = private && rank(domain).is_some() && *domain != here;
        wrong.then(|| format!("`{domain}::{part}` is for `{domain}` alone: go through `{domain}`'s own module"))
    })
}

fn pure_core(file: &File) -> Vec<String> {
    const OUTSIDE: [&str; 5] = ["fs", "net", "process", "env", "thread"];
    each_path(file, |path| {
        let io = path.root() == "tokio" || OUTSIDE.iter().any(|module| path.starts_with(&["std", module]));
        let clock = path.contains(&["Instant", "now"]);
        let wrong = (io || clock) && file.is_under("sdk/core");
        wrong.then(|| format!("sdk/core is pure and must not use `{}`", path.segments.join("::")))
    })
}

fn sdk_without_the_server(file: &File) -> Vec<String> {
    if !file.is_under("sdk") {
        return Vec::new();
    }
    if file.name() == "Cargo.toml" {
        let named = |line: &str| line.strip_prefix("bellwether").is_some_and(|rest| rest.starts_with(['.', ' ', '=']));
        let lines = file.text.lines().zip(1..).filter(|(line, _)| named(line));
        return lines.map(|(_, line)| format!("{}:{line}: an SDK must not depend on the server", file.path)).collect();
    }
    each_path(file, |path| {
        let upwards = file.is_under("sdk/core") && path.root() == "bellwether_sdk";
        let wrong = path.root() == "bellwether" || upwards;
        wrong.then(|| format!("`{}` is above it: an SDK uses `bellwether_core` alone", path.root()))
    })
}

fn pages_without_inline_code(file: &File) -> Vec<String> {
    if !file.is_under("templates") {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for tag in markup::tags(&file.text) {
        let mut fault = |what: &str| faults.push(format!("{}:{}: {what} in `<{}>`", file.path, tag.line, tag.name));
        if tag.name == "script" && !tag.attributes.iter().any(|name| name == "src") {
            fault("a script of its own, which the content policy refuses,");
        }
        if tag.name == "style" || tag.attributes.iter().any(|name| name == "style") {
            fault("a style of its own, which the content policy refuses,");
        }
        for name in tag.attributes.iter().filter(|name| name.starts_with("on") || name.starts_with("hx-on")) {
            fault(&format!("the handler `{name}`, which the content policy refuses,"));
        }
    }
    faults
}

fn nothing_left_for_later(file: &File) -> Vec<String> {
    // Put together here, so that this file does not break its own rule.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("to", "do!"), concat!("unimple", "mented!")];
    if file.name().ends_with(".min.js") || file.name().ends_with(".json") {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for (line, number) in file.text.lines().zip(1..) {
        for mark in marks.iter().filter(|mark| line.contains(**mark)) {
            faults.push(format!("{}:{number}: `{mark}`: do it, or say it in an issue", file.path));
        }
    }
    faults
}

/// Unlike the others this one looks at all files: each migration goes up and down, and every backend has the same ones.
fn paired_migrations(files: &[File]) -> Vec<String> {
    let mut backends: BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for file in files {
        let parts: Vec<_> = file.path.split('/').collect();
        if let ["migrations", backend, migration, step] = parts.as_slice() {
            let steps = backends.entry(backend).or_default().entry(migration).or_default();
            if !file.text.trim().is_empty() {
                steps.insert(step);
            }
        }
    }
    let names: BTreeSet<_> = backends.values().flat_map(BTreeMap::keys).copied().collect();
    let mut faults = Vec::new();
    for (backend, migrations) in &backends {
        for name in &names {
            let steps = migrations.get(name);
            for step in ["up.sql", "down.sql"] {
                if !steps.is_some_and(|steps| steps.contains(step)) {
                    faults.push(format!("migrations/{backend}/{name}/{step}: missing or empty"));
                }
            }
        }
    }
    faults
}

/// What no test reads may say anything.
fn vectors_in_tests(file: &File) -> Vec<String> {
    let vectors = file.is_under("sdk/core/vectors") && file.name().ends_with(".json");
    let named = include_str!("../sdk/core/tests/vectors.rs").contains(&format!("vectors/{}\"", file.name()));
    if !vectors || named {
        return Vec::new();
    }
    vec![format!("{}: sdk/core/tests/vectors.rs does not read it", file.path)]
}

/// # Panics
/// When a file of the tree breaks the rule.
fn holds(rule: Rule) {
    report(match tree::files() {
        Ok(files) => files.iter().flat_map(rule).collect(),
        Err(error) => vec![error.to_string()],
    });
}

fn report(faults: Vec<String>) {
    assert!(faults.is_empty(), "ARCHITECTURE.md has rules that this breaks:\n{}", faults.join("\n"));
}

#[test]
fn the_whole_tree_is_read() {
    let files = tree::files().unwrap();
    for path in ["src/lib.rs", "sdk/core/src/lib.rs", "sdk/rust/Cargo.toml", "tests/tidy.rs", ".ci/run"] {
        assert!(files.iter().any(|file| file.path == path), "{path} is not among the files looked at");
    }
}

#[test]
fn files_are_short() {
    holds(short_files);
}

#[test]
fn names_say_what_is_inside() {
    holds(telling_names);
}

#[test]
fn diesel_stays_in_stores() {
    holds(queries_in_stores);
}

#[test]
fn actix_and_askama_stay_at_the_edge() {
    holds(web_at_the_edge);
}

#[test]
fn integrations_stay_apart() {
    holds(integrations_apart);
}

#[test]
fn one_place_reads_the_clock() {
    holds(one_clock);
}

#[test]
fn one_place_touches_files() {
    holds(files_in_one_place);
}

#[test]
fn layers_use_what_lies_below_them() {
    holds(downwards_only);
}

#[test]
fn domains_meet_through_their_modules() {
    holds(through_the_front_door);
}

#[test]
fn the_core_is_pure() {
    holds(pure_core);
}

#[test]
fn the_sdk_stands_without_the_server() {
    holds(sdk_without_the_server);
}

#[test]
fn pages_have_no_inline_code() {
    holds(pages_without_inline_code);
}

#[test]
fn nothing_is_left_for_later() {
    holds(nothing_left_for_later);
}

#[test]
fn vectors_are_tested() {
    holds(vectors_in_tests);
}

#[test]
fn migrations_are_paired() {
    report(paired_migrations(&tree::files().unwrap()));
}

#[test]
fn the_map_is_true() {
    report(map::faults(include_str!("../ARCHITECTURE.md"), &tree::files().unwrap()));
}
