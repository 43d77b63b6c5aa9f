//! What fuzzing starts from: the vectors, each flag, segment and context by itself.

use std::collections::BTreeSet;

use bellwether_core::Value;

const VECTORS: [&str; 6] = [
    include_str!("../../../sdk/core/vectors/operators.json"),
    include_str!("../../../sdk/core/vectors/prerequisites.json"),
    include_str!("../../../sdk/core/vectors/reasons.json"),
    include_str!("../../../sdk/core/vectors/segments.json"),
    include_str!("../../../sdk/core/vectors/splits.json"),
    include_str!("../../../sdk/core/vectors/targets.json"),
];

/// The seeds of a target.
#[must_use]
pub fn of(target: &str) -> BTreeSet<Vec<u8>> {
    let suites = VECTORS.map(|text| serde_json::from_str::<Value>(text).unwrap_or_default());
    let mut seeds = BTreeSet::new();
    for suite in &suites {
        let list = |name: &str| suite.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        match target {
            "rule" => {
                for case in list("cases") {
                    let of_case = |flag: &&Value| flag.get("key") == case.get("flag");
                    let (flags, context) = (list("flags"), case.get("context").cloned().unwrap_or_default());
                    seeds.extend(flags.iter().find(of_case).map(|flag| format!("{flag}\n{context}").into_bytes()));
                }
            }
            "segment" => seeds.extend(list("segments").iter().map(|segment| segment.to_string().into_bytes())),
            "context" => {
                let contexts = list("cases").into_iter().filter_map(|case| case.get("context").cloned());
                seeds.extend(contexts.map(|context| context.to_string().into_bytes()));
            }
            // Bytes from which anything may be made.
            _ => seeds.extend(list("flags").iter().map(|flag| flag.to_string().into_bytes())),
        }
    }
    seeds
}
