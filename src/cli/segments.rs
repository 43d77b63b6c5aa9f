//! `bellwether segments`: segments and their keys, by the API of a running server.

mod keys;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use reqwest::Method;
use reqwest::header::IF_MATCH;
use serde_json::{Value, json};

use super::client::{Client, ClientArguments};
use super::{Outcome, output};
use crate::projects::DEFAULT_PROJECT;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List a project's segments.
    List(Place),
    /// Show a segment.
    Get(One),
    /// Create a segment.
    Create(Create),
    /// Replace a list of keys by a file's, or add or remove these.
    Upload(keys::Upload),
    /// Print a list of keys, a key per line.
    Keys(keys::Print),
    /// Remove a segment that nothing uses, with its keys and its past.
    Delete(Delete),
}

/// Where segments are.
#[derive(Debug, Args)]
struct Place {
    #[command(flatten)]
    client: ClientArguments,
    /// The project's key.
    #[arg(long, value_name = "PROJECT", default_value = DEFAULT_PROJECT)]
    project: String,
    /// Print the answer as the API gives it.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct One {
    #[command(flatten)]
    place: Place,
    /// The segment's key.
    #[arg(value_name = "KEY")]
    key: String,
}

#[derive(Debug, Args)]
struct Create {
    #[command(flatten)]
    one: One,
    /// For people; the key unless given.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// For people.
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
    /// Rules as the API has them: [{"clauses":[{"attribute":"plan","op":"in","values":["pro"]}]}]
    #[arg(long, value_name = "JSON", default_value = "[]")]
    rules: String,
}

#[derive(Debug, Args)]
struct Delete {
    #[command(flatten)]
    one: One,
    /// Do it without asking.
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    match &arguments.command {
        Command::List(place) => list(place).await,
        Command::Get(one) => get(one).await,
        Command::Create(create) => create.run().await,
        Command::Upload(upload) => upload.run().await,
        Command::Keys(print) => print.run().await,
        Command::Delete(delete) => delete.run().await,
    }
}

impl One {
    /// The path of what lies under the segment.
    fn path<'a>(&'a self, rest: &[&'a str]) -> Vec<&'a str> {
        [&["projects", &self.place.project, "segments", &self.key], rest].concat()
    }

    fn client(&self) -> anyhow::Result<Client> {
        self.place.client.client()
    }
}

async fn list(place: &Place) -> anyhow::Result<Outcome> {
    let client = place.client.client()?;
    let path = ["projects", &place.project, "segments"];
    let (mut items, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let query: Vec<_> = cursor.iter().map(|cursor| ("cursor", cursor.as_str())).collect();
        let mut page = client.send(Method::GET, &path, &query, None).await?;
        if let Some(found) = page.get_mut("items").and_then(Value::as_array_mut) {
            items.append(found);
        }
        cursor = page.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    if place.json {
        output::say(&Value::Array(items).to_string());
    } else {
        let header = ["KEY", "NAME", "INCLUDED", "EXCLUDED", "RULES", "VERSION", "CHANGED", "BY"];
        output::say(&output::table(&header, items.iter().map(row)));
    }
    Ok(Outcome::Well)
}

fn row(segment: &Value) -> Vec<String> {
    let rules = segment.get("rules").and_then(Value::as_array).map_or(0, Vec::len);
    let names = ["key", "name", "included_count", "excluded_count"].map(|name| shown(segment, name));
    let last = ["version", "updated_at", "updated_by"].map(|name| shown(segment, name));
    names.into_iter().chain([rules.to_string()]).chain(last).collect()
}

/// A member as a person reads it.
fn shown(of: &Value, name: &str) -> String {
    match of.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

async fn get(one: &One) -> anyhow::Result<Outcome> {
    let segment = one.client()?.send(Method::GET, &one.path(&[]), &[], None).await?;
    one.show(&segment);
    Ok(Outcome::Well)
}

impl One {
    fn show(&self, segment: &Value) {
        if self.place.json {
            return output::say(&segment.to_string());
        }
        let names =
            ["key", "name", "description", "version", "updated_at", "updated_by", "included_count", "excluded_count"];
        let rows = names.map(|name| vec![name.replace('_', " "), shown(segment, name)]);
        let rules = segment.get("rules").and_then(Value::as_array).into_iter().flatten();
        let rules = rules.map(|rule| {
            let clauses = rule.get("clauses").map(Value::to_string).unwrap_or_default();
            vec![format!("rule {}", shown(rule, "id")), clauses]
        });
        output::say(&output::table(&[], rows.into_iter().chain(rules)));
    }
}

impl Create {
    async fn run(&self) -> anyhow::Result<Outcome> {
        let rules: Value = serde_json::from_str(&self.rules).context("--rules is not JSON")?;
        let mut body = json!({"key": self.one.key, "description": self.description, "rules": rules});
        if let (Some(name), Some(members)) = (&self.name, body.as_object_mut()) {
            members.insert("name".to_owned(), json!(name));
        }
        let path = ["projects", &self.one.place.project, "segments"];
        let created = self.one.client()?.send(Method::POST, &path, &[], Some(&body)).await?;
        self.one.show(&created);
        Ok(Outcome::Well)
    }
}

impl Delete {
    async fn run(&self) -> anyhow::Result<Outcome> {
        let client = self.one.client()?;
        let path = self.one.path(&[]);
        let found = client.send(Method::GET, &path, &[], None).await?;
        let (included, excluded) = (shown(&found, "included_count"), shown(&found, "excluded_count"));
        let what =
            format!("this removes segment {} with {included} included and {excluded} excluded keys", self.one.key);
        if !self.yes && !confirmed(&what) {
            return Ok(Outcome::Negative);
        }
        // What was shown is what is removed.
        let version = format!("\"{}\"", shown(&found, "version"));
        let request = client.request(Method::DELETE, &path, &[])?.header(IF_MATCH, version);
        client.answered(request).await?;
        if !self.one.place.json {
            output::say(&format!("segment {} is removed", self.one.key));
        }
        Ok(Outcome::Well)
    }
}

/// Whether somebody agrees.
fn confirmed(what: &str) -> bool {
    output::ask(&format!("{what}. Go on?")).unwrap_or_else(|| {
        output::complain(&format!("{what}; add --yes to do it"));
        false
    })
}
