//! "Test a user": what a flag serves somebody, or did, and why.

use actix_web::{HttpResponse, web};
use askama::Template;
use bellwether_core::{Context, Fault, TARGETING_KEY};
use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Desk;
use super::switch::linked;
use crate::clock;
use crate::error::{Error, Result};
use crate::flags::telling::{self, Told};
use crate::flags::{Asked, Explained, MadeSo, Place, UnchangedSince};
use crate::http::display::Moment;
use crate::http::links::{self, Question};
use crate::http::problem::Kind;
use crate::http::shell::{Choice, Shell};
use crate::http::{PageCaller, page};
use crate::projects::{Environment, Frame};

/// A form that asks what somebody is served, and the answer.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "flags/explain.html")]
pub(super) struct ExplainPage {
    /// What surrounds the page.
    pub shell: Shell,
    /// Project, environment and flag.
    pub place: links::Place,
    /// The same question in each environment.
    pub environments: Vec<Choice>,
    /// Whether the environment serves real users.
    pub production: bool,
    /// What was asked, as typed.
    pub question: Question,
    /// Why there is no answer.
    pub refusal: Option<String>,
    /// The answer; none before something was asked.
    pub answer: Option<Answer>,
}

/// An explanation in words.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    /// The value as JSON; none with an error.
    pub value: Option<String>,
    /// The variation's name; empty with an error.
    pub variation: String,
    /// `SPLIT`.
    pub reason: String,
    /// The same as a sentence.
    pub because: String,
    /// The flag's version; none when there was no such flag.
    pub version: Option<u64>,
    /// The environment's revision.
    pub revision: u64,
    /// The moment.
    pub at: Moment,
    /// Whether that moment is past.
    pub past: bool,
    /// The release that it counts for, and the arm.
    pub arm: Option<(String, String)>,
    /// What made it so.
    pub change: Option<Change>,
    /// How far back nothing changed it.
    pub since: Option<Since>,
    /// What makes it less than certain.
    pub notes: Vec<String>,
    /// Every step.
    pub steps: StepList,
}

/// The change that made it so, in words.
#[derive(Clone, Debug, Default)]
pub(super) struct Change {
    /// What was done.
    pub what: String,
    /// `flag/feature.a`.
    pub resource: String,
    /// The versions of the flag; none for a segment.
    pub history: Option<String>,
    pub made: Option<MadeSo>,
    /// When.
    pub at: Moment,
    /// The same question just before it.
    pub before: String,
}

/// See [`UnchangedSince`].
#[derive(Clone, Debug, Default)]
pub(super) struct Since {
    pub revision: u64,
    pub at: Moment,
    /// Why no further, as a sentence.
    pub because: String,
}

/// Steps, and those within them.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "flags/steps.html")]
pub(super) struct StepList {
    pub steps: Vec<Told>,
}

impl StepList {
    fn within(step: &Told) -> Self {
        Self { steps: step.inner.clone() }
    }
}

/// The question, by the address: it can be shared.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Query {
    key: Option<String>,
    context: Option<String>,
    at: Option<String>,
    revision: Option<String>,
}

impl Query {
    fn is_asked(&self) -> bool {
        self.key.is_some() || self.context.is_some()
    }

    fn question(&self) -> Question {
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        Question {
            key: text(&self.key),
            context: text(&self.context),
            at: text(&self.at).trim().to_owned(),
            revision: text(&self.revision).trim().to_owned(),
        }
    }
}

/// What is wrong with a field, in words.
fn fault(fault: &Fault) -> String {
    let field = match fault.pointer.as_str() {
        "/at" => "the time ",
        "/revision" => "the revision ",
        "/context" => "the context ",
        _ => "",
    };
    format!("{field}{}", fault.message)
}

/// The context that was typed.
fn context(question: &Question) -> Result<Context> {
    let text = question.context.trim();
    let attributes = if text.is_empty() { Ok(Value::Object(Map::new())) } else { serde_json::from_str(text) };
    let attributes = attributes.map_err(|error| Error::invalid("/context", format!("is not JSON: {error}")))?;
    let Value::Object(mut attributes) = attributes else {
        return Err(Error::invalid("/context", "is a JSON object: {\"country\": \"NO\"}"));
    };
    if !question.key.is_empty() {
        attributes.insert(TARGETING_KEY.to_owned(), question.key.clone().into());
    }
    Ok(Context::from(attributes))
}

/// The moment that was typed: with an offset, or in UTC as a browser's field gives it.
fn asked(question: &Question) -> Result<Asked> {
    let at = match question.at.as_str() {
        "" => None,
        text => {
            let exact = DateTime::parse_from_rfc3339(text).map(|at| at.with_timezone(&Utc));
            let forms = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S%.f"];
            let plain = || forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
            let at = exact.ok().or_else(|| plain().map(|at| at.and_utc()));
            Some(at.ok_or_else(|| Error::invalid("/at", "is written as 2026-11-21T14:03:00Z"))?)
        }
    };
    let revision = match question.revision.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_| Error::invalid("/revision", "is a number"))?),
    };
    match (at, revision) {
        (None, None) => Ok(Asked::Now),
        (Some(at), None) => Ok(Asked::At(at)),
        (None, Some(revision)) => Ok(Asked::Revision(revision)),
        (Some(_), Some(_)) => Err(Error::invalid("/revision", "is not asked for together with a time")),
    }
}

fn change(made: MadeSo, place: &links::Place, question: &Question) -> Change {
    let flag = made.resource.strip_prefix("flag/").map(str::to_owned);
    let before =
        Question { revision: made.revision.saturating_sub(1).to_string(), at: String::new(), ..question.clone() };
    Change {
        what: telling::action(&made.action).to_owned(),
        resource: made.resource.clone(),
        history: flag.map(|flag| links::Place { flag, ..place.clone() }.history(None)),
        at: Moment::new(made.at, clock::now()),
        before: place.explain(Some(&before)),
        made: Some(made),
    }
}

fn answer(explained: Explained, place: &links::Place, question: &Question, past: bool) -> Answer {
    let Explained { explanation, at, change: made, unchanged_since, notes, .. } = explained;
    let error = explanation.error_code.map(|code| code.name());
    let reason = error.unwrap_or(explanation.reason.name());
    let now = clock::now();
    Answer {
        value: explanation.value.map(|value| value.to_string()),
        variation: explanation.variation.unwrap_or_default(),
        reason: reason.to_owned(),
        because: page::sentence(&telling::reason(explanation.reason.name(), error)),
        version: explanation.version,
        revision: explanation.revision,
        at: Moment::new(at, now),
        past,
        arm: explanation.release.zip(explanation.arm),
        change: made.map(|made| change(made, place, question)),
        since: unchanged_since.map(|UnchangedSince { revision, at, because }| Since {
            revision,
            at: Moment::new(at, now),
            because: page::sentence(&because),
        }),
        notes,
        steps: StepList { steps: telling::steps(&explanation.steps) },
    }
}

/// What was asked, answered; or why it can't be.
async fn answered(user: &PageCaller, desk: &Desk, place: &Place, question: &Question) -> Result<Answer> {
    let (asked, context) = (asked(question)?, context(question)?);
    let explained = desk.flags.explain(&user.caller, place.clone(), asked, context).await?;
    Ok(answer(explained, &linked(place), question, asked != Asked::Now))
}

pub(super) async fn show(
    user: PageCaller,
    desk: web::Data<Desk>,
    path: web::Path<Place>,
    query: web::Query<Query>,
) -> Result<HttpResponse> {
    let place = path.into_inner();
    // A flag or an environment that is not there is an error of its own.
    desk.flags.configured(&user.caller, place.clone()).await?;
    let question = query.question();
    let outcome = if query.is_asked() { Some(answered(&user, &desk, &place, &question).await) } else { None };
    let Frame { environments, mut shell } = desk.frame(&user, place.project.clone()).await?;
    shell.title = format!("Test a user of {}", place.flag);
    let linked = linked(&place);
    let shown = query.is_asked().then_some(&question);
    let choice = |one: &Environment| Choice {
        href: links::Place { environment: one.key.clone(), ..linked.clone() }.explain(shown),
        current: one.key == place.environment,
        label: one.key.clone(),
    };
    let mut page = ExplainPage {
        environments: environments.iter().map(choice).collect(),
        production: environments.iter().any(|one| one.key == place.environment && one.production),
        place: linked.clone(),
        question,
        shell,
        ..ExplainPage::default()
    };
    match outcome {
        None => page::render(&page),
        Some(Ok(answer)) => {
            page.answer = Some(answer);
            page::render(&page)
        }
        Some(Err(error)) => {
            let said = match &error {
                Error::Invalid(faults) => faults.iter().map(fault).collect::<Vec<_>>().join("; "),
                Error::NotFound(_) => error.to_string(),
                _ => return Err(error),
            };
            page.refusal = Some(page::sentence(&said));
            page::render_as(Kind::of(&error).status, &page)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(key: &str, context: &str, at: &str, revision: &str) -> Question {
        Question { key: key.to_owned(), context: context.to_owned(), at: at.to_owned(), revision: revision.to_owned() }
    }

    #[test]
    fn the_targeting_key_is_put_in_the_context() {
        let typed = context(&question("u", " {\"country\": \"NO\", \"targetingKey\": \"x\"} ", "", "")).unwrap();
        assert_eq!(typed.targeting_key(), Some(&"u".into()));
        assert_eq!(typed.get("country"), Some(&"NO".into()));
        assert_eq!(context(&question("", "", "", "")).unwrap(), Context::anonymous());
        for wrong in ["[]", "{", "null", "u"] {
            assert_eq!(context(&question("", wrong, "", "")).unwrap_err().faults().len(), 1, "{wrong}");
        }
    }

    #[test]
    fn a_time_may_be_typed_as_browsers_have_it() {
        let at = Asked::At("2026-11-21T14:03:00Z".parse().unwrap());
        for text in ["2026-11-21T14:03", "2026-11-21T14:03:00", "2026-11-21T15:03:00+01:00"] {
            assert_eq!(asked(&question("", "", text, "")).unwrap(), at, "{text}");
        }
        assert_eq!(asked(&question("", "", "", "7")).unwrap(), Asked::Revision(7));
        assert_eq!(asked(&question("", "", "", "")).unwrap(), Asked::Now);
        for (at, revision) in [("soon", ""), ("", "x"), ("2026-11-21T14:03", "7")] {
            assert!(asked(&question("", "", at, revision)).is_err());
        }
    }
}
