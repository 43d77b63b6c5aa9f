//! The reference cases of the statistics, answered by the program that answers them for others.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

/// Computed apart from this project: by scipy, and for the guards by the definition of each test.
const PUBLIC: &str = include_str!("../oracles/public.json");

const CATEGORIES: [&str; 11] = [
    "abs_limit_e",
    "chi2",
    "guard_limit",
    "guard_mean",
    "guard_ratio",
    "normal",
    "rate_ratio_e",
    "student_t",
    "student_t_quantile",
    "wald_bound",
    "welch",
];

/// The example, brought up to date; `BELLWETHER_ORACLE` names another build of it. Which features its dependencies have
/// is decided by what is built with them, so it is built like the tests are.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(named) = std::env::var_os("BELLWETHER_ORACLE") {
            return named.into();
        }
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--quiet", "--locked", "--offline", "--workspace", "--example", "oracle"]);
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        let built = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        Path::new(env!("CARGO_BIN_EXE_bellwether")).with_file_name("examples").join("oracle")
    })
}

/// Its exit code, standard output and standard error.
fn run(input: &str) -> (i32, String, String) {
    let mut child =
        Command::new(program()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The answer to `cases`, and what was said on standard error.
fn answer(cases: &Value) -> (Value, String) {
    let (code, stdout, stderr) = run(&json!({ "cases": cases }).to_string());
    assert_eq!(code, 0, "{stderr}");
    (serde_json::from_str(&stdout).unwrap(), stderr)
}

/// How many figures were compared, of one or a list.
fn compare(place: &str, actual: &Value, expected: &Value, tolerance: &Value) -> usize {
    if let Value::Array(expected) = expected {
        let actual = actual.as_array().unwrap_or_else(|| panic!("{place}: {actual} is no list"));
        assert_eq!(actual.len(), expected.len(), "{place}");
        let pairs = actual.iter().zip(expected).enumerate();
        return pairs
            .map(|(i, (actual, expected))| compare(&format!("{place}[{i}]"), actual, expected, tolerance))
            .sum();
    }
    let Some(expected) = expected.as_f64() else {
        assert_eq!(actual, expected, "{place}");
        return 1;
    };
    let close = tolerance["abs"].as_f64().unwrap().max(tolerance["rel"].as_f64().unwrap() * expected.abs());
    let distance = actual.as_f64().map(|actual| (actual - expected).abs());
    assert!(distance.is_some_and(|distance| distance <= close), "{place}: {actual} for {expected}");
    1
}

#[test]
fn every_public_case_is_within_its_tolerance() {
    let (code, stdout, stderr) = run(PUBLIC);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let answer: Value = serde_json::from_str(&stdout).unwrap();
    let public: Value = serde_json::from_str(PUBLIC).unwrap();
    let (results, cases) = (answer["results"].as_array().unwrap(), public["cases"].as_array().unwrap());
    assert_eq!((results.len(), &answer["skipped"]), (cases.len(), &json!([])));
    let mut compared = 0;
    let mut categories = std::collections::BTreeSet::new();
    for (result, case) in results.iter().zip(cases) {
        assert_eq!(result["id"], case["id"]);
        categories.insert(case["category"].as_str().unwrap());
        let (actual, expected) = (result["actual"].as_object().unwrap(), case["expected"].as_object().unwrap());
        assert!(actual.keys().eq(expected.keys()), "{}", case["id"]);
        for (name, expected) in expected {
            compared += compare(&format!("{} {name}", case["id"]), &actual[name], expected, &case["tol"]);
        }
    }
    assert!(categories.iter().eq(&CATEGORIES), "{categories:?}");
    assert!(compared > 600, "{compared} figures compared");
}

#[test]
fn other_categories_are_counted_and_keys_are_those_expected() {
    let (answer, stderr) = answer(&json!([
        { "id": "b", "category": "power_of_prayer", "input": {}, "expected": {} },
        { "id": "a", "category": "normal", "input": { "x": 0 }, "expected": { "cdf": 9, "of_its_own": 1 } },
        { "id": "c", "category": "power_of_prayer" },
        { "id": "d", "category": "astrology" },
        { "id": "e", "category": "wald_bound", "input": { "p0": 0.1, "p1": 0.1, "alpha": 0.05, "beta": 0.1 } },
    ]));
    assert_eq!(
        answer,
        json!({
            "results": [
                { "id": "a", "actual": { "cdf": 0.5, "of_its_own": null } },
                { "id": "e", "actual": { "one_sample": null, "two_sample": null } },
            ],
            "skipped": [{ "category": "astrology", "count": 1 }, { "category": "power_of_prayer", "count": 2 }],
        })
    );
    assert_eq!(stderr, "");
}

#[test]
fn figures_that_do_not_exist_are_null() {
    let values = |n: u64, sum: f64, sum_squares: f64| json!({ "n": n, "sum": sum, "sum_squares": sum_squares });
    let expected = json!({ "mean_b": 0, "var_b": 0, "diff": 0, "t": 0, "df": 0, "p_greater": 0, "ci95": [0, 0] });
    let welch = |id: &str, a: Value, b: Value| json!({ "id": id, "category": "welch", "input": { "a": a, "b": b }, "expected": expected });
    let (answer, stderr) = answer(&json!([
        welch("constant", values(3, 3.0, 3.0), values(4, 8.0, 16.0)),
        welch("one value", values(3, 3.0, 5.0), values(1, 2.0, 4.0)),
        welch("no value", values(3, 3.0, 5.0), values(0, 0.0, 0.0)),
        { "id": "end", "category": "student_t_quantile", "input": { "p": 1, "df": 3 }, "expected": { "ppf": null } },
        { "id": "no windows", "category": "guard_ratio", "input": { "margin": 0, "windows": [] } },
    ]));
    assert_eq!(stderr, "");
    let figures: Vec<_> = answer["results"].as_array().unwrap().iter().map(|result| &result["actual"]).collect();
    assert_eq!(
        figures,
        [
            &json!({ "mean_b": 2.0, "var_b": 0.0, "diff": 1.0, "t": null, "df": 1.0, "p_greater": 0.0, "ci95": [1.0, 1.0] }),
            &json!({ "mean_b": 2.0, "var_b": null, "diff": 1.0, "t": null, "df": null, "p_greater": null, "ci95": [null, null] }),
            &json!({ "mean_b": null, "var_b": null, "diff": null, "t": null, "df": null, "p_greater": null, "ci95": [null, null] }),
            &json!({ "ppf": null }),
            &json!({ "log_e_by_window": [], "log_e_final": 0.0 }),
        ]
    );
}

#[test]
fn a_window_that_can_tell_nothing_adds_nothing() {
    let guard = |id: &str, category: &str, input: Value| json!({ "id": id, "category": category, "input": input });
    let (answer, stderr) = answer(&json!([
        guard("r", "guard_ratio", json!({ "margin": 0.05, "windows": [{ "n_t": 0, "k_t": 0, "n_c": 1e3, "k_c": 7 }] })),
        guard("l", "guard_limit", json!({ "limit": 0.05, "windows": [{ "n": 0, "k": 0 }] })),
        guard(
            "m",
            "guard_mean",
            json!({ "margin": 0.0, "burn_in": 2, "windows": [
            { "t": { "n": 1, "mean": 5.0, "m2": 0.0 }, "c": { "n": 0, "mean": null, "m2": null } },
            { "t": { "n": 500, "mean": 5.0, "m2": 0.0 }, "c": { "n": 500, "mean": 5.0, "m2": 0.0 } },
        ] })
        ),
    ]));
    assert_eq!(stderr, "");
    for result in answer["results"].as_array().unwrap() {
        let by_window = result["actual"]["log_e_by_window"].as_array().unwrap();
        assert!(by_window.iter().all(|log_e| log_e.as_f64().unwrap().abs() < 1e-12), "{result}");
    }
}

#[test]
fn a_case_that_cannot_be_computed_leaves_the_others_alone() {
    let cases = r#"{"cases":[
        7,
        {"id":"nameless"},
        {"id":"huge","category":"normal","input":{"x":1e999},"expected":{"cdf":0,"log_cdf":1e999}},
        {"id":"empty","category":"welch","input":{},"expected":{"t":0}},
        {"id":"no df","category":"student_t","input":{"x":1,"df":0},"expected":{"cdf":0}},
        {"id":"hits","category":"guard_limit","input":{"limit":0.1,"windows":[{"n":1,"k":2}]},"expected":{"log_e_by_window":[0]}},
        {"id":"sound","category":"chi2","input":{"x":0,"df":1},"expected":{"sf":1}}
    ]}"#;
    let (code, stdout, stderr) = run(cases);
    assert_eq!(code, 0, "{stderr}");
    let answer: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        answer,
        json!({
            "results": [
                { "id": "huge", "actual": { "cdf": null, "log_cdf": null } },
                { "id": "empty", "actual": { "t": null } },
                { "id": "no df", "actual": { "cdf": null } },
                { "id": "hits", "actual": { "log_e_by_window": null } },
                { "id": "sound", "actual": { "sf": 1.0 } },
            ],
            "skipped": [{ "category": "(malformed)", "count": 2 }],
        })
    );
    let said: Vec<_> = stderr.lines().collect();
    let starts =
        ["case number 1 has", "case number 2 has", "huge cannot", "empty cannot", "no df cannot", "hits cannot"];
    assert_eq!(said.len(), starts.len(), "{stderr}");
    for (line, start) in said.iter().zip(starts) {
        assert!(line.starts_with(&format!("oracle: {start}")), "{line}");
    }
}

#[test]
fn input_that_is_no_document_ends_in_a_sentence() {
    for input in ["", "{", "[]", "{}", r#"{"cases":7}"#, r#"{"cases":[{"input":NaN}]}"#] {
        let (code, stdout, stderr) = run(input);
        assert_eq!((code, stdout.as_str()), (2, ""), "{input}");
        let sentence = stderr.strip_prefix("oracle: standard input is no document of the form");
        assert!(sentence.is_some_and(|rest| rest.lines().count() == 1), "{input}: {stderr}");
    }
}
