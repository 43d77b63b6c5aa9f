//! The steps of an explanation and what changes did, in words.

use serde_json::Value;

/// Values of a clause that are told one by one.
const NAMED: usize = 6;
/// Longest value that is told whole, in characters.
const SHOWN: usize = 80;

/// A step in words, and the steps within it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// A sentence without a final stop.
    pub text: String,
    /// Whether it matched or held, where that is the question.
    pub held: Option<bool>,
    /// What it was made of.
    pub inner: Vec<Told>,
}

/// The steps of an [`Explanation`](bellwether_core::Explanation) in words.
#[must_use]
pub fn steps(steps: &[Value]) -> Vec<Told> {
    steps.iter().map(step).collect()
}

/// What was done by a change, in a few words; an action that has none is told by its name.
#[must_use]
pub fn action(action: &str) -> &str {
    match action {
        "flag.create" => "Created",
        "flag.rollout" => "Shares changed",
        "flag.configure" => "Configured",
        "flag.enable" => "Turned on",
        "flag.disable" => "Turned off",
        "flag.target" => "One user's override set",
        "flag.untarget" => "One user's override removed",
        "flag.update" => "The flag itself changed",
        "flag.archive" => "Archived",
        "flag.unarchive" => "Brought back from the archive",
        "flag.restore" => "An older version restored",
        "environment.create" => "Laid out in a new environment",
        "canary.start" => "Canary started",
        "canary.advance" => "Canary advanced",
        "canary.promote" => "Canary promoted",
        "canary.rollback" => "Canary rolled back",
        "segment.create" => "Created",
        "segment.update" => "Changed",
        "segment.add_keys" => "Keys added",
        "segment.remove_keys" => "Keys removed",
        "segment.replace_keys" => "A list of keys replaced",
        "" => "Changed",
        other => other,
    }
}

/// Why something was served, or was not, in a sentence without a final stop.
#[must_use]
pub fn reason(reason: &str, error: Option<&str>) -> String {
    let words = match (reason, error) {
        (_, Some("FLAG_NOT_FOUND")) => "the environment has no such flag in use",
        (_, Some("TARGETING_KEY_MISSING")) => {
            "the flag is split by an attribute that the context does not have: the caller's own default"
        }
        (_, Some(other)) => return format!("it can't be evaluated ({other}): the caller's own default"),
        ("STATIC", _) => "the flag can only ever serve this",
        ("DEFAULT", _) => "no target and no rule matched",
        ("TARGETING_MATCH", _) => "an individual target or a rule matched",
        ("SPLIT", _) => "a share of a split",
        ("DISABLED", _) => "the flag is off",
        ("PREREQUISITE_FAILED", _) => "a prerequisite does not hold",
        (other, _) => other,
    };
    words.to_owned()
}

fn text<'v>(step: &'v Value, name: &str) -> &'v str {
    step.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn flag(step: &Value, name: &str) -> Option<bool> {
    step.get(name).and_then(Value::as_bool)
}

fn elements<'v>(step: &'v Value, name: &str) -> &'v [Value] {
    step.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A value as a person writes it; a long one is cut.
fn shown(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

fn listed(values: &[Value]) -> String {
    let named: Vec<_> = values.iter().take(NAMED).map(shown).collect();
    match values.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

fn place(step: &Value) -> String {
    match text(step, "where") {
        "fallthrough" => "the fallthrough".to_owned(),
        rule => format!("rule {rule}"),
    }
}

fn step(step: &Value) -> Told {
    match text(step, "step") {
        "kill_switch" => {
            let on = flag(step, "enabled");
            let text = if on == Some(true) { "The flag is on" } else { "The flag is off: its kill switch was turned" };
            Told { text: text.to_owned(), held: on, inner: Vec::new() }
        }
        "prerequisite" => prerequisite(step),
        "target" => target(step),
        "rule" => rule(step, "Rule"),
        "layer" => layer(step),
        "split" => split(step),
        _ => serve(step),
    }
}

fn prerequisite(step: &Value) -> Told {
    let (key, wanted) = (text(step, "flag"), elements(step, "wanted"));
    let wanted = if wanted.len() > 1 { format!("one of {}", listed(wanted)) } else { listed(wanted) };
    let said = match (text(step, "served"), text(step, "error_code")) {
        ("", "FLAG_NOT_FOUND") => format!("There is no flag {key}, which has to serve {wanted}"),
        ("", error) => format!("Flag {key} can't be evaluated ({error}); it has to serve {wanted}"),
        (served, _) => format!("Flag {key} serves {served}; it has to serve {wanted}"),
    };
    Told { text: said, held: flag(step, "holds"), inner: steps(elements(step, "steps")) }
}

fn target(step: &Value) -> Told {
    let (key, variation) = (text(step, "key"), text(step, "variation"));
    let said = match (step.get("key").is_some_and(Value::is_string), variation) {
        (false, _) => "The context has no targeting key, so it is no individual target".to_owned(),
        (true, "") => format!("{key} is no individual target"),
        (true, variation) => format!("{key} is an individual target for {variation}"),
    };
    Told { text: said, held: Some(!variation.is_empty()), inner: Vec::new() }
}

fn rule(step: &Value, what: &str) -> Told {
    let (id, description, matched) = (text(step, "rule"), text(step, "description"), flag(step, "matched"));
    let named = if description.is_empty() { format!("{what} {id}") } else { format!("{what} {id} ({description})") };
    let clauses = elements(step, "clauses");
    let said = match matched {
        Some(true) if clauses.is_empty() => format!("{named} is for everyone"),
        Some(true) => format!("{named} matches"),
        _ => format!("{named} does not match"),
    };
    Told { text: said, held: matched, inner: clauses.iter().map(condition).collect() }
}

fn condition(told: &Value) -> Told {
    let held = flag(told, "matched");
    let group = match text(told, "group") {
        "all" => "All of these have to hold",
        "any" => "Any of these has to hold",
        "none" => "None of these may hold",
        _ => return Told { text: clause(told), held, inner: elements(told, "segments").iter().map(segment).collect() },
    };
    Told { text: group.to_owned(), held, inner: elements(told, "clauses").iter().map(condition).collect() }
}

fn clause(told: &Value) -> String {
    let (attribute, values) = (text(told, "attribute"), elements(told, "values"));
    let value = |at: usize| values.get(at).map(shown).unwrap_or_default();
    let wanted = match text(told, "op") {
        "exists" => "is there".to_owned(),
        "modulo" => format!("divided by {} leaves {}", value(0), value(1)),
        "percent" => format!("is in buckets {} to {} of salt {}", value(1), value(2), value(0)),
        op @ ("between" | "date_between") => {
            let what = if op == "between" { "is" } else { "is a time" };
            format!("{what} from {} to {}", value(0), value(1))
        }
        "size" => format!("has {} to {} elements", value(0), value(1)),
        op => format!("{} {}", operator(op), listed(values)),
    };
    let negated = if flag(told, "negate") == Some(true) { "not: " } else { "" };
    let case = if flag(told, "ignore_case") == Some(true) { ", whatever the case" } else { "" };
    let found = told.get("found").map(shown).unwrap_or_default();
    let found = match (text(told, "outcome"), told.get("bucket")) {
        ("missing", _) => "the context has none".to_owned(),
        ("wrong_type", _) => format!("it is {found}, which this does not compare"),
        (_, Some(bucket)) => format!("{found} is in bucket {bucket}"),
        _ if told.get("found").is_some_and(Value::is_null) => "the context has none".to_owned(),
        _ => format!("it is {found}"),
    };
    format!("{negated}{attribute} {wanted}{case}: {found}")
}

fn operator(op: &str) -> &str {
    match op {
        "in" => "is one of",
        "starts_with" => "starts with",
        "ends_with" => "ends with",
        "eq" => "equals",
        "lt" => "is less than",
        "lte" => "is at most",
        "gt" => "is more than",
        "gte" => "is at least",
        "before" => "is before",
        "after" => "is after",
        "within_last" => "is within the last",
        "semver_eq" => "is version",
        "semver_lt" => "is a version before",
        "semver_lte" => "is a version up to",
        "semver_gt" => "is a version after",
        "semver_gte" => "is a version from",
        "semver_range" => "is a version in",
        "any_of" => "has any of",
        "all_of" => "has all of",
        "none_of" => "has none of",
        "ip_in" => "is an address in",
        "in_segment" => "is in segment",
        other => other,
    }
}

fn segment(told: &Value) -> Told {
    let (name, key) = (text(told, "segment"), text(told, "key"));
    let said = match text(told, "because") {
        "included" => format!("{key} is on the list of segment {name}"),
        "excluded" => format!("{key} is excluded from segment {name}"),
        "rule" => format!("{key} is in segment {name} by a rule"),
        "unknown_segment" => format!("There is no segment {name}"),
        "given_up" => format!("Segment {name} was not looked at: too much refers to too much"),
        _ => format!("{key} is not in segment {name}"),
    };
    let rules = elements(told, "rules").iter().map(|told| rule(told, "Rule")).collect();
    Told { text: said, held: flag(told, "member"), inner: rules }
}

fn layer(step: &Value) -> Told {
    let (key, bucket, inside) = (text(step, "key"), number(step, "bucket"), flag(step, "inside"));
    if inside.is_none() {
        let by = text(step, "bucket_by");
        let said = format!("The layer is shared out by {by}, of which the context has none that can be bucketed");
        return Told { text: said, held: Some(false), inner: Vec::new() };
    }
    let whose = if inside == Some(true) { "which the release may take" } else { "which is not the release's" };
    Told { text: format!("{key} is in bucket {bucket} of the layer, {whose}"), held: inside, inner: Vec::new() }
}

fn split(step: &Value) -> Told {
    let (place, variation) = (place(step), text(step, "variation"));
    if variation.is_empty() {
        let by = text(step, "bucket_by");
        let said = format!("The split of {place} is by {by}, of which the context has none that can be bucketed");
        return Told { text: said, held: Some(false), inner: Vec::new() };
    }
    let (key, bucket, range) = (text(step, "key"), number(step, "bucket"), elements(step, "range"));
    let end = |at: usize| range.get(at).map(Value::to_string).unwrap_or_default();
    let said = format!(
        "In the split of {place} {key} is in bucket {bucket} of 100000; those from {} up to {} serve {variation}",
        end(0),
        end(1)
    );
    Told { text: said, held: None, inner: Vec::new() }
}

fn number(step: &Value, name: &str) -> String {
    step.get(name).map(Value::to_string).unwrap_or_default()
}

fn serve(step: &Value) -> Told {
    let variation = text(step, "variation");
    let said = match text(step, "where") {
        "off" => format!("So it serves its off variation: {variation}"),
        "targets" => format!("So it serves {variation}"),
        "fallthrough" => format!("No rule decides, so the fallthrough serves {variation}"),
        rule => format!("Rule {rule} serves {variation}"),
    };
    Told { text: said, held: None, inner: Vec::new() }
}

#[cfg(test)]
mod tests;
