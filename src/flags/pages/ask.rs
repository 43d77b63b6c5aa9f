use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use serde_json::Value;

use crate::audit::FieldChange;
use crate::error::{Error, Result};
use crate::flags::share;
use crate::http::display;
use crate::http::page;
use crate::http::problem::Kind;
use crate::http::shell::Shell;

/// Longest value that is shown whole, in characters.
const SHOWN: usize = 240;

/// A page that asks before something larger is done: what would happen, and a form that does it.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "flags/ask.html")]
pub(super) struct AskPage {
    /// What surrounds the page.
    pub shell: Shell,
    /// What is to be done.
    pub heading: String,
    /// What happens then, a paragraph each.
    pub sentences: Vec<String>,
    /// The flags it is about, when they are several.
    pub flags: Vec<String>,
    /// What would change.
    pub changes: Vec<Change>,
    /// Where the form posts to.
    pub action: String,
    /// What the form carries along.
    pub hidden: Vec<(&'static str, String)>,
    /// The reason as typed; `None` when none is asked for.
    pub reason: Option<String>,
    /// What has to be typed to confirm it.
    pub expected: Option<String>,
    /// What has to be ticked besides.
    pub tick: Option<String>,
    /// On the button; empty when it can't be done.
    pub submit: String,
    /// Where it came from.
    pub back: String,
    /// Why it was not done.
    pub refusal: Option<String>,
}

/// A member that would differ, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// Where it stands in the configuration.
    pub pointer: String,
    /// What it was.
    pub before: String,
    /// What it is.
    pub after: String,
}

impl Change {
    pub(super) fn all(changes: &[FieldChange]) -> Vec<Self> {
        let shown = |change: &FieldChange| Self {
            pointer: change.pointer.clone(),
            before: shown(&change.pointer, change.before.as_ref()),
            after: shown(&change.pointer, change.after.as_ref()),
        };
        changes.iter().map(shown).collect()
    }
}

/// A value as a person reads it: weights in percent.
fn shown(pointer: &str, value: Option<&Value>) -> String {
    let weight = pointer.contains("/split/weights/").then(|| value.and_then(Value::as_u64)).flatten();
    if let Some(buckets) = weight.and_then(|weight| u32::try_from(weight).ok()) {
        return display::share(share::percent_of_buckets(buckets));
    }
    let Some(value) = value else { return "–".to_owned() };
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} …", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

impl AskPage {
    /// The page with a person's refused try in it.
    pub(super) fn refused(self, error: Error) -> Result<HttpResponse> {
        let said: Vec<_> = error.faults().iter().map(|fault| page::sentence(&fault.message)).collect();
        let (status, message) = match &error {
            Error::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, said.join(" ")),
            Error::Conflicts(_) => (StatusCode::CONFLICT, said.join(" ")),
            Error::Conflict(why) => (Kind::of(&error).status, page::sentence(why)),
            _ => return Err(error),
        };
        let refusal = Some(format!("Nothing was changed. {message}"));
        page::render_as(status, &Self { refusal, ..self })
    }

    /// Passes what confirms it.
    pub(super) fn confirmed(&self, typed: &str, ticked: bool) -> Result<()> {
        match (&self.expected, &self.tick) {
            (Some(expected), _) if typed.trim() != expected => {
                Err(Error::invalid("", format!("type {expected} to confirm")))
            }
            (_, Some(tick)) if !ticked => Err(Error::invalid("", format!("tick “{tick}” if that is meant"))),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn weights_are_percentages_and_long_values_are_cut() {
        assert_eq!(shown("/fallthrough/split/weights/on", Some(&json!(12_500))), "12.5 %");
        assert_eq!(shown("/off_variation", Some(&json!("off"))), "\"off\"");
        assert_eq!(shown("/rules", None), "–");
        let long = shown("/targets", Some(&json!("å".repeat(1_000))));
        assert_eq!(long.chars().count(), SHOWN + 2);
    }

    #[test]
    fn what_is_asked_for_is_needed() {
        let page = AskPage { expected: Some("production".to_owned()), ..AskPage::default() };
        assert!(page.confirmed(" production ", false).is_ok());
        assert!(page.confirmed("x", true).is_err());
        let page = AskPage { tick: Some("all".to_owned()), ..page };
        assert!(page.confirmed("production", false).is_err());
        assert!(page.confirmed("production", true).is_ok());
    }
}
