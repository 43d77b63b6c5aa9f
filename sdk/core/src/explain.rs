//! Explanations: what an evaluation looked at, step by step, in the words of the API.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::bucket::{self, KeyBuffer};
use crate::compiled::{CompiledFlag, CompiledPrerequisite};
use crate::context::Attribute;
use crate::evaluate::Evaluator;
use crate::trace::{Membership, Outcome, Placed, Trace};
use crate::{Condition, Context, ErrorCode, Flag, Now, Operator, Reason, State};

/// How many steps are told, those within others included.
const STEPS: usize = 10_000;
/// How many elements of a list are told, of a context's or of a clause's values.
const SHOWN: usize = 20;
/// How many letters of a text of a context are told.
const SHOWN_LETTERS: usize = 256;

/// What a flag serves a context, and every step on the way there.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Explanation {
    /// The flag's key.
    pub flag: String,
    /// The value served; none with an error.
    pub value: Option<Value>,
    /// The variation served; none with an error.
    pub variation: Option<String>,
    /// Why: `ERROR` with an error.
    pub reason: Reason,
    /// Why nothing could be served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<ErrorCode>,
    /// The rule that decided, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The flag's version; none when there is no such flag.
    pub version: Option<u64>,
    /// The environment's revision.
    pub revision: u64,
    /// The release this evaluation counts for, if its own split served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The arm of the release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arm: Option<String>,
    /// What was looked at, in order. Each has a `step`: `kill_switch`, `prerequisite`, `target`, `rule`, `layer`,
    /// `split` or `serve`. What was `found` in the context is cut where it is
    /// long, and after ten thousand steps no more are told.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<Object>))]
    pub steps: Vec<Value>,
}

impl State {
    /// What [`State::evaluate`] says, and why: the same code, watched.
    #[must_use]
    pub fn explain(&self, key: &str, context: &Context, now: Now) -> Explanation {
        let mut evaluator =
            Evaluator::new(self, context, now, Story { state: self, frames: vec![Frame::default()], left: STEPS });
        let result = match self.flag(key) {
            None => Err(ErrorCode::FlagNotFound),
            Some(entry) => evaluator.flag(entry.flag()),
        };
        let steps = evaluator.trace.frames.pop().unwrap_or_default().told;
        let version = self.flag(key).map(|entry| entry.flag().version());
        let served = result.as_ref().ok();
        let assignment = served.and_then(|evaluation| evaluation.assignment);
        Explanation {
            flag: key.to_owned(),
            value: served.map(|evaluation| evaluation.value.clone()),
            variation: served.map(|evaluation| evaluation.variation.to_owned()),
            reason: served.map_or(Reason::Error, |evaluation| evaluation.reason),
            error_code: result.as_ref().err().copied(),
            rule: served.and_then(|evaluation| evaluation.rule).map(str::to_owned),
            version,
            revision: self.revision(),
            release: assignment.map(|assignment| assignment.release.id.clone()),
            arm: assignment.map(|assignment| assignment.arm.to_owned()),
            steps,
        }
    }
}

/// The explanation in the making: what is open, innermost last.
struct Story<'s> {
    state: &'s State,
    frames: Vec<Frame>,
    /// Steps that may still be told.
    left: usize,
}

/// Something that is being looked at, and what was told of it so far.
#[derive(Default)]
struct Frame {
    /// What it is.
    about: Map<String, Value>,
    told: Vec<Value>,
    /// The flag it is in, as it was sent.
    flag: Option<Flag>,
    /// The conditions that are gone through, and how many of them were told.
    conditions: Vec<Condition>,
    next: usize,
}

impl Story<'_> {
    /// Begins something, of which `about` is known already.
    fn open(&mut self, about: Value) {
        let about = match about {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        self.frames.push(Frame { about, ..Frame::default() });
    }

    /// Ends what was begun last: what was told of it becomes its member `inner`, and `more` is added.
    fn close(&mut self, inner: &str, more: Value) {
        let Some(Frame { mut about, told, .. }) = self.frames.pop() else { return };
        if !told.is_empty() {
            about.insert(inner.to_owned(), Value::Array(told));
        }
        if let Value::Object(more) = more {
            about.extend(more);
        }
        self.tell(Value::Object(about));
    }

    fn tell(&mut self, step: Value) {
        let Some(left) = self.left.checked_sub(1) else { return };
        self.left = left;
        if let Some(frame) = self.frames.last_mut() {
            frame.told.push(step);
        }
    }

    /// The flag that is being looked at.
    fn flag_at_hand(&self) -> Option<&Flag> {
        self.frames.iter().rev().find_map(|frame| frame.flag.as_ref())
    }

    fn go_through(&mut self, conditions: Vec<Condition>) {
        if let Some(frame) = self.frames.last_mut() {
            frame.conditions = conditions;
        }
    }

    /// The condition whose turn it is.
    fn next_condition(&mut self) -> Option<Condition> {
        let frame = self.frames.last_mut()?;
        frame.next += 1;
        frame.conditions.get(frame.next - 1).cloned()
    }

    /// The bucket that a clause of percentages put `found` in, if it is one that is being looked at.
    fn bucket_of(&self, found: &Value) -> Option<u32> {
        let clause = &self.frames.last()?.about;
        let percent = clause.get("op")? == Operator::Percent.name();
        let salt = clause.get("values")?.get(0)?.as_str()?;
        let mut buffer = KeyBuffer::default();
        let key = bucket::key_of(found, &mut buffer).filter(|_| percent)?;
        Some(bucket::bucket(salt, key))
    }

    fn placed(placed: &Placed<'_>) -> Value {
        json!({"key": clipped_text(placed.key), "salt": placed.salt.text(), "bucket": placed.bucket})
    }
}

/// What stands for a value of a context, or for a clause's values. It is told again with each clause that looks at it, so a large one is cut.
fn clipped(value: &Value) -> Value {
    let Value::Array(elements) = value else { return clipped_element(value) };
    let mut shown: Vec<_> = elements.iter().take(SHOWN).map(clipped_element).collect();
    let more = elements.len().saturating_sub(SHOWN);
    shown.extend((more > 0).then(|| json!(format!("… and {more} more"))));
    Value::Array(shown)
}

/// Of a list or an object in it nothing is told: no operator looks into them.
fn clipped_element(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(clipped_text(text)),
        Value::Array(elements) if !elements.is_empty() => json!(["…"]),
        Value::Object(members) if !members.is_empty() => json!({"…": "…"}),
        other => other.clone(),
    }
}

fn clipped_text(text: &str) -> String {
    match text.char_indices().nth(SHOWN_LETTERS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn with(mut step: Value, more: Value) -> Value {
    if let (Value::Object(step), Value::Object(more)) = (&mut step, more) {
        step.extend(more);
    }
    step
}

impl Trace for Story<'_> {
    fn flag(&mut self, flag: &CompiledFlag) {
        let definition = self.state.flag(flag.key()).and_then(|entry| entry.definition().ok());
        if let Some(frame) = self.frames.last_mut() {
            frame.flag = definition;
        }
    }

    fn kill_switch(&mut self, enabled: bool) {
        self.tell(json!({"step": "kill_switch", "enabled": enabled}));
    }

    fn prerequisite(&mut self, prerequisite: &CompiledPrerequisite) {
        let wanted: Vec<_> = prerequisite.variations.iter().map(|wanted| &**wanted).collect();
        self.open(json!({"step": "prerequisite", "flag": prerequisite.flag, "wanted": wanted}));
    }

    fn prerequisite_done(&mut self, served: Result<&str, ErrorCode>, holds: bool) {
        let (served, error) = (served.ok(), served.err());
        let error = error.map_or_else(|| json!({}), |error| json!({"error_code": error}));
        self.close("steps", with(json!({"served": served, "holds": holds}), error));
    }

    fn target(&mut self, key: Option<&str>, variation: Option<&str>) {
        self.tell(json!({"step": "target", "key": key.map(clipped_text), "variation": variation}));
    }

    fn rule(&mut self, at: usize) {
        let rule = self.flag_at_hand().and_then(|flag| flag.rules.get(at)).cloned();
        let Some(rule) = rule else { return self.open(json!({"step": "rule"})) };
        self.open(json!({"step": "rule", "rule": rule.id, "description": rule.description}));
        self.go_through(rule.clauses);
    }

    fn rule_done(&mut self, matched: bool) {
        self.close("clauses", json!({"matched": matched}));
    }

    fn group(&mut self) {
        let (form, group) = match self.next_condition() {
            Some(Condition::All(group)) => ("all", group),
            Some(Condition::Any(group)) => ("any", group),
            Some(Condition::None(group)) => ("none", group),
            _ => return self.open(json!({})),
        };
        self.open(json!({"group": form}));
        self.go_through(group);
    }

    fn group_done(&mut self, holds: bool) {
        self.close("clauses", json!({"matched": holds}));
    }

    fn clause(&mut self) {
        let clause = match self.next_condition() {
            Some(Condition::Clause(clause)) => clause,
            _ => return self.open(json!({})),
        };
        let values = clipped(&Value::Array(clause.values));
        let mut about = json!({"attribute": clause.attribute, "op": clause.op, "values": values});
        if clause.negate {
            about = with(about, json!({"negate": true}));
        }
        if clause.ignore_case {
            about = with(about, json!({"ignore_case": true}));
        }
        self.open(about);
    }

    fn clause_done(&mut self, found: Option<&Value>, outcome: Outcome) {
        let outcome_name = match outcome {
            Outcome::Matched => "matched",
            Outcome::NotMatched => "not_matched",
            Outcome::Missing => "missing",
            Outcome::WrongType => "wrong_type",
        };
        let told = json!({"found": found.map(clipped), "outcome": outcome_name, "matched": outcome.matched()});
        let bucket = found.and_then(|found| self.bucket_of(found));
        self.close("segments", with(told, bucket.map_or_else(|| json!({}), |bucket| json!({"bucket": bucket}))));
    }

    fn segment(&mut self, segment: &str, key: &str) {
        self.open(json!({"segment": segment, "key": clipped_text(key)}));
    }

    fn segment_rule(&mut self, at: usize) {
        let segment = self.frames.last().and_then(|frame| frame.about.get("segment")?.as_str());
        let rules = segment.and_then(|segment| self.state.segment(segment)).map(|entry| entry.rules());
        let rule = rules.and_then(|rules| rules.get(at)).cloned();
        let Some(rule) = rule else { return self.open(json!({})) };
        self.open(json!({"rule": rule.id, "description": rule.description}));
        self.go_through(rule.clauses);
    }

    fn segment_rule_done(&mut self, matched: bool) {
        self.close("clauses", json!({"matched": matched}));
    }

    fn segment_done(&mut self, why: Membership) {
        let name = match why {
            Membership::Included => "included",
            Membership::Rule => "rule",
            Membership::Excluded => "excluded",
            Membership::NotListed => "not_listed",
            Membership::UnknownSegment => "unknown_segment",
            Membership::GivenUp => "given_up",
        };
        self.close("rules", json!({"because": name, "member": why.is_member()}));
    }

    fn layer(&mut self, placed: &Placed<'_>, inside: bool) {
        self.tell(with(json!({"step": "layer", "inside": inside}), Self::placed(placed)));
    }

    fn no_layer(&mut self, by: &Attribute) {
        self.tell(json!({"step": "layer", "inside": null, "bucket_by": by.to_string(), "key": null}));
    }

    fn split(&mut self, place: &str, placed: &Placed<'_>, (from, to): (u32, u32), variation: &str) {
        let told = json!({"step": "split", "where": place, "range": [from, to], "variation": variation});
        self.tell(with(told, Self::placed(placed)));
    }

    fn unplaced(&mut self, place: &str, by: &Attribute) {
        self.tell(
            json!({"step": "split", "where": place, "bucket_by": by.to_string(), "key": null, "variation": null}),
        );
    }

    fn serve(&mut self, place: &str, variation: &str) {
        self.tell(json!({"step": "serve", "where": place, "variation": variation}));
    }
}

#[cfg(test)]
mod tests;
