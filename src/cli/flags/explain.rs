use anyhow::{Context as _, bail};
use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::client::ClientArguments;
use crate::cli::{Outcome, output};
use crate::flags::telling::{self, Told};
use crate::projects::DEFAULT_PROJECT;

/// Longest line, in characters.
const WIDTH: usize = 80;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    client: ClientArguments,
    /// The flag's key.
    #[arg(value_name = "KEY")]
    key: String,
    /// For whom: attributes as JSON, `targetingKey` among them.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    context: String,
    /// The environment's key.
    #[arg(long, value_name = "ENVIRONMENT", default_value = "production")]
    environment: String,
    /// The project's key.
    #[arg(long, value_name = "PROJECT", default_value = DEFAULT_PROJECT)]
    project: String,
    /// A moment in the past: 2026-11-21T14:03:00Z
    #[arg(long, value_name = "TIME", conflicts_with = "revision")]
    at: Option<String>,
    /// A revision of the environment.
    #[arg(long, value_name = "NUMBER")]
    revision: Option<u64>,
    /// Print the answer as the API gives it.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let context: Value = serde_json::from_str(&arguments.context).context("--context is not JSON")?;
    if !context.is_object() {
        bail!("--context is a JSON object: {{\"targetingKey\":\"user-42\"}}");
    }
    let Arguments { project, environment, key, .. } = arguments;
    let path = ["projects", project, "environments", environment, "flags", key, "explain"];
    let revision = arguments.revision.map(|revision| revision.to_string());
    let query = [("at", arguments.at.as_deref()), ("revision", revision.as_deref())];
    let query: Vec<_> = query.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let client = arguments.client.client()?;
    let told = client.send(Method::POST, &path, &query, Some(&json!({"context": context}))).await?;
    output::say(&if arguments.json { told.to_string() } else { readable(&told, !query.is_empty()) });
    Ok(Outcome::Well)
}

fn text<'v>(told: &'v Value, name: &str) -> &'v str {
    told.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn number(told: &Value, name: &str) -> String {
    told.get(name).map(Value::to_string).unwrap_or_default()
}

/// An explanation for a terminal.
fn readable(told: &Value, past: bool) -> String {
    let (flag, environment, variation) = (text(told, "flag"), text(told, "environment"), text(told, "variation"));
    let verb = if past { "served" } else { "serves" };
    let error = told.get("error_code").and_then(Value::as_str);
    let mut lines = Vec::new();
    if error.is_some() {
        wrapped(&mut lines, "", "", &format!("{flag} {verb} nothing in {environment}"));
    } else {
        wrapped(&mut lines, "", "", &format!("{flag} {verb} {variation} in {environment}: {}", number(told, "value")));
    }
    let reason = telling::reason(text(told, "reason"), error);
    let version = told.get("version").filter(|version| !version.is_null());
    let version = version.map(|version| format!(", version {version} of the flag")).unwrap_or_default();
    let moment = if past { format!(", {}", text(told, "at")) } else { String::new() };
    wrapped(&mut lines, "  ", "", &format!("{} · {reason}", error.unwrap_or(text(told, "reason"))));
    wrapped(&mut lines, "  ", "", &format!("revision {}{version}{moment}", number(told, "revision")));
    for note in told.get("notes").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        wrapped(&mut lines, "  ", "", &format!("Note: {note}"));
    }
    made_so(told, &mut lines);
    let steps = telling::steps(told.get("steps").and_then(Value::as_array).map_or(&[], Vec::as_slice));
    if !steps.is_empty() {
        lines.extend([String::new(), "Step by step".to_owned()]);
        indented(&steps, 1, &mut lines);
    }
    lines.join("\n")
}

fn made_so(told: &Value, lines: &mut Vec<String>) {
    if let Some(change) = told.get("change") {
        lines.extend([String::new(), "The change that made it so".to_owned()]);
        let (version, revision) = (number(change, "version"), number(change, "revision"));
        let what = telling::action(text(change, "action"));
        wrapped(lines, "  ", "", &format!("{what}: {}, version {version}", text(change, "resource")));
        let (at, actor) = (text(change, "at"), text(change, "actor"));
        wrapped(lines, "  ", "", &format!("{at} by {actor}, revision {revision}"));
        if !text(change, "reason").is_empty() {
            wrapped(lines, "  ", "", &format!("“{}”", text(change, "reason")));
        }
        if !text(change, "request_id").is_empty() {
            wrapped(lines, "  ", "", &format!("request {}", text(change, "request_id")));
        }
    } else if let Some(since) = told.get("unchanged_since") {
        lines.extend([String::new(), "The change that made it so".to_owned()]);
        let (at, revision) = (text(since, "at"), number(since, "revision"));
        wrapped(lines, "  ", "", &format!("None at least since {at}, revision {revision}: {}", text(since, "because")));
    }
}

fn indented(steps: &[Told], depth: usize, lines: &mut Vec<String>) {
    for step in steps {
        let mark = step.held.map_or("· ", |held| if held { "✓ " } else { "✗ " });
        wrapped(lines, &"  ".repeat(depth), mark, &step.text);
        indented(&step.inner, depth + 1, lines);
    }
}

/// Adds `text` as lines of at most [`WIDTH`] characters, broken between words; those after the first stand under its
/// first word. Control characters of a key or a value do not reach the terminal.
fn wrapped(lines: &mut Vec<String>, indent: &str, mark: &str, text: &str) {
    let hanging = format!("{indent}{}", " ".repeat(mark.chars().count()));
    let mut line = format!("{indent}{mark}");
    let mut empty = true;
    for word in text.split(' ') {
        let word: String = word.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect();
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(std::mem::replace(&mut line, hanging.clone()));
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(&word);
        empty = false;
    }
    lines.push(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_under_their_first_word() {
        let mut lines = Vec::new();
        wrapped(&mut lines, "  ", "✓ ", &"twelve chars ".repeat(10));
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH), "{lines:?}");
        assert!(lines[0].starts_with("  ✓ twelve") && lines[1].starts_with("    "), "{lines:?}");
        lines.clear();
        wrapped(&mut lines, "", "", "a\u{1b}[31mb");
        assert_eq!(lines, ["a\u{FFFD}[31mb"]);
    }

    #[test]
    fn an_explanation_is_told_from_top_to_bottom() {
        let told = json!({
            "flag": "feature.a", "environment": "production", "value": true, "variation": "on", "reason": "SPLIT",
            "version": 2, "revision": 41, "at": "2026-11-21T14:03:00.000000Z",
            "steps": [{"step": "kill_switch", "enabled": true}],
            "change": {"resource": "flag/feature.a", "version": 2, "revision": 41, "at": "2026-11-21T10:00:00.000000Z",
                "actor": "init", "action": "flag.rollout", "reason": "why not", "request_id": "r-1"},
        });
        let expected = "feature.a served on in production: true
  SPLIT · a share of a split
  revision 41, version 2 of the flag, 2026-11-21T14:03:00.000000Z

The change that made it so
  Shares changed: flag/feature.a, version 2
  2026-11-21T10:00:00.000000Z by init, revision 41
  “why not”
  request r-1

Step by step
  ✓ The flag is on";
        assert_eq!(readable(&told, true), expected);
        let nothing = json!({"flag": "a", "environment": "e", "value": null, "variation": null, "reason": "ERROR",
            "error_code": "FLAG_NOT_FOUND", "version": null, "revision": 0, "steps": [],
            "unchanged_since": {"revision": 3, "at": "then", "because": "no more is kept"}});
        let nothing = readable(&nothing, false);
        assert!(
            nothing.starts_with("a serves nothing in e\n  FLAG_NOT_FOUND · the environment has no such flag"),
            "{nothing}"
        );
        assert!(nothing.ends_with("None at least since then, revision 3: no more is kept"), "{nothing}");
    }
}
