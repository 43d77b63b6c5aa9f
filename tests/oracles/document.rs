//! The document that comes in and the one that goes out.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::category::Category;

/// Where cases are counted that have no id or no category.
const MALFORMED: &str = "(malformed)";

/// Each case is read by itself, and its input by itself again, so that a fault in one (a number out of range, say) leaves the
/// others alone.
#[derive(Deserialize)]
struct Questions<'a> {
    #[serde(borrow)]
    cases: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Case<'a> {
    id: String,
    category: String,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    /// Only the keys are of interest.
    expected: Option<BTreeMap<String, IgnoredAny>>,
}

/// What goes out.
#[derive(Serialize)]
pub(crate) struct Answer {
    results: Vec<Outcome>,
    skipped: Vec<Skipped>,
}

#[derive(Serialize)]
struct Outcome {
    id: String,
    actual: Map<String, Value>,
}

#[derive(Serialize)]
struct Skipped {
    category: String,
    count: u64,
}

/// Answers every case of a built category; beside it the remarks on those that could not be computed.
///
/// # Errors
/// When `input` is no document with cases, in a sentence.
pub(crate) fn answer(input: &str) -> Result<(Answer, Vec<String>), String> {
    let questions: Questions = serde_json::from_str(input)
        .map_err(|error| format!("standard input is no document of the form {{\"cases\":[…]}}: {error}"))?;
    let mut results = Vec::new();
    let mut skipped = BTreeMap::<String, u64>::new();
    let mut remarks = Vec::new();
    for (case, number) in questions.cases.iter().zip(1..) {
        let case: Case = match serde_json::from_str(case.get()) {
            Ok(case) => case,
            Err(error) => {
                remarks.push(format!("case number {number} has no id or no category: {error}"));
                *skipped.entry(MALFORMED.to_owned()).or_default() += 1;
                continue;
            }
        };
        let Some(category) = Category::named(&case.category) else {
            *skipped.entry(case.category).or_default() += 1;
            continue;
        };
        let input = case.input.map_or("null", RawValue::get);
        let figures = category.figures(input).unwrap_or_else(|why| {
            remarks.push(format!("{} cannot be computed: {why}", case.id));
            Map::new()
        });
        results.push(Outcome { id: case.id, actual: asked_for(figures, case.expected) });
    }
    let skipped = skipped.into_iter().map(|(category, count)| Skipped { category, count }).collect();
    Ok((Answer { results, skipped }, remarks))
}

/// The figures under the keys that are expected, null where there is none; all of them when nothing is said of that.
fn asked_for(mut figures: Map<String, Value>, expected: Option<BTreeMap<String, IgnoredAny>>) -> Map<String, Value> {
    match expected {
        None => figures,
        Some(expected) => {
            let figure = |key: String| {
                let figure = figures.remove(&key).unwrap_or_default();
                (key, figure)
            };
            expected.into_keys().map(figure).collect()
        }
    }
}
