//! Evaluations for somebody of whom not everything is known.

use serde_json::Value;

use crate::context::Attribute;
use crate::evaluate::Evaluator;
use crate::trace::{Outcome, Trace};
use crate::{Context, ErrorCode, Evaluation, Now, State};

/// What a context that holds only some of the attributes is served.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Partial<'f> {
    /// As the context is.
    pub served: Result<Evaluation<'f>, ErrorCode>,
    /// Whether an attribute was asked for that the context lacks: with it, something else may be served.
    pub lacks_attribute: bool,
    /// Whether a split or a layer goes by an attribute that the context lacks: what is served can't be told.
    pub lacks_key: bool,
}

#[derive(Default)]
struct Lacking {
    attribute: bool,
    key: bool,
}

impl Trace for Lacking {
    fn clause_done(&mut self, _: Option<&Value>, outcome: Outcome) {
        self.attribute |= outcome == Outcome::Missing;
    }

    fn no_layer(&mut self, by: &Attribute) {
        self.unplaced("", by);
    }

    fn unplaced(&mut self, _: &str, _: &Attribute) {
        self.key = true;
    }
}

impl State {
    /// As [`State::evaluate`], for a context of which some attributes are left out, and what that leaves open.
    #[must_use]
    pub fn evaluate_partial(&self, key: &str, context: &Context, now: Now) -> Partial<'_> {
        let mut evaluator = Evaluator::new(self, context, now, Lacking::default());
        let entry = self.flag(key).ok_or(ErrorCode::FlagNotFound);
        let served = entry.and_then(|entry| evaluator.flag(entry.flag()));
        let Lacking { attribute, key } = evaluator.trace;
        Partial { served, lacks_attribute: attribute || key, lacks_key: key }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Snapshot;

    #[test]
    fn what_a_context_lacks_is_told() {
        let clause = |attribute: &str| json!([{"attribute": attribute, "op": "in", "values": ["u", "NO"]}]);
        let flag = |key: &str, attribute: &str, by: &str| {
            json!({
                "key": key, "version": 1, "type": "boolean", "enabled": key != "off", "off_variation": "off",
                "variations": [{"name": "on", "value": true}, {"name": "off", "value": false}],
                "rules": [{"id": "r", "clauses": clause(attribute), "serve": {"variation": "on"}}],
                "fallthrough": {"split": {"bucket_by": by, "salt": "s", "hash": "xxh3-1", "ranges": [[100_000, "off"]]}},
            })
        };
        let flags = [
            flag("key", "targetingKey", "company"),
            flag("country", "country", "targetingKey"),
            flag("company", "plan", "company"),
            flag("off", "country", "company"),
        ];
        let flags: Vec<_> = flags.into_iter().map(|flag| serde_json::from_value(flag).unwrap()).collect();
        let state = State::from_snapshot(Snapshot::new("production", "e", 1, &flags, &[]).unwrap()).unwrap();
        let lacks = |key: &str, context: &Context| {
            let Partial { served, lacks_attribute, lacks_key } = state.evaluate_partial(key, context, Now::At(0));
            assert_eq!(served, state.evaluate(key, context, Now::At(0)));
            (lacks_attribute, lacks_key)
        };
        let bare = Context::new("u");
        let seen = ["key", "country", "company", "off", "none"].map(|key| lacks(key, &bare));
        assert_eq!(seen, [(false, false), (true, false), (true, true), (false, false), (false, false)]);
        let full = bare.set("country", "SE").set("plan", "pro").set("company", "c");
        assert_eq!(["country", "company"].map(|key| lacks(key, &full)), [(false, false); 2]);
    }
}
