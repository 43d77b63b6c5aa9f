use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The hash of a row by the rule that its documentation gives.
pub(crate) fn chained(previous: &str, row: &Value) -> String {
    let actor = &row["actor"];
    let changes: Vec<Value> = row["changes"].as_array().unwrap().clone();
    // The changes are hashed as the text they are kept as: members in the order they are documented in.
    let changes: Vec<String> = changes
        .iter()
        .map(|c| format!("{{\"pointer\":{},\"before\":{},\"after\":{}}}", c["pointer"], c["before"], c["after"]))
        .collect();
    let members = json!([
        [row["sequence"], row["at"], actor["kind"], actor["id"], actor["name"], row["action"]],
        [row["resource"], row["project"], row["environment"], row["request_id"], row["address"], row["user_agent"]],
        [row["status"], row["reason"], format!("[{}]", changes.join(","))],
    ]);
    let digest = Sha256::digest(format!("{previous}\n{members}"));
    digest.iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}
