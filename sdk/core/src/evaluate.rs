use serde_json::Value;

use crate::bucket::{self, KeyBuffer};
use crate::compiled::{Choice, CompiledFlag, CompiledLayer, CompiledPrerequisite, CompiledServe};
use crate::condition::{ClauseTest, Test};
use crate::context::{Attribute, Found};
use crate::matcher::Matcher;
use crate::trace::{Membership, Outcome, Placed, Trace};
use crate::{Assignment, Context, ErrorCode, Evaluation, FALLTHROUGH, Now, Reason, State, limits};

/// What an explanation calls the places that are neither a rule nor the fallthrough.
const OFF: &str = "off";
const TARGETS: &str = "targets";

/// How deep prerequisites of prerequisites, and segments in segments, are followed.
const DEPTH: u32 = 64;

/// One evaluation on its way.
pub(crate) struct Evaluator<'s, 'c, T> {
    state: &'s State,
    context: &'c Context,
    now: Now,
    /// Prerequisites and segments with rules that may still be looked at.
    steps: u32,
    depth: u32,
    pub(crate) trace: T,
}

impl<'s, 'c, T: Trace> Evaluator<'s, 'c, T> {
    #[inline]
    pub(crate) fn new(state: &'s State, context: &'c Context, now: Now, trace: T) -> Self {
        Self { state, context, now, steps: limits::STEPS, depth: 0, trace }
    }

    /// What the flag serves.
    #[inline]
    pub(crate) fn flag(&mut self, flag: &'s CompiledFlag) -> Result<Evaluation<'s>, ErrorCode> {
        self.trace.flag(flag);
        self.trace.kill_switch(flag.enabled);
        if !flag.enabled {
            return self.serve(flag, flag.off, Reason::Disabled, None);
        }
        for prerequisite in &flag.prerequisites {
            if !self.prerequisite(prerequisite) {
                return self.serve(flag, flag.off, Reason::PrerequisiteFailed, None);
            }
        }
        if let Some(variation) = self.target(flag) {
            return self.serve(flag, variation, Reason::TargetingMatch, None);
        }
        for (at, rule) in flag.rules.iter().enumerate() {
            self.trace.rule(at);
            let matched = self.all(&rule.tests);
            self.trace.rule_done(matched);
            if matched && self.takes_part(flag, &rule.serve)? {
                return self.choose(flag, &rule.serve, Reason::TargetingMatch, Some(&rule.id));
            }
            if matched {
                break;
            }
        }
        let reason = if flag.constant { Reason::Static } else { Reason::Default };
        if let Some(otherwise) = self.otherwise(flag)? {
            return self.serve(flag, otherwise, reason, None);
        }
        self.choose(flag, &flag.fallthrough, reason, None)
    }

    /// Takes a step further away from the flag that was asked for.
    fn descends(&mut self) -> bool {
        let may = self.steps > 0 && self.depth < DEPTH;
        if may {
            self.steps -= 1;
            self.depth += 1;
        }
        may
    }

    fn prerequisite(&mut self, prerequisite: &CompiledPrerequisite) -> bool {
        self.trace.prerequisite(prerequisite);
        let mut served = Err(ErrorCode::General);
        if self.descends() {
            let state = self.state;
            let entry = state.flag(&prerequisite.flag).ok_or(ErrorCode::FlagNotFound);
            served = entry.and_then(|entry| self.flag(entry.flag())).map(|evaluation| evaluation.variation);
            self.depth -= 1;
        }
        let holds = served.is_ok_and(|served| prerequisite.variations.iter().any(|wanted| **wanted == *served));
        self.trace.prerequisite_done(served, holds);
        holds
    }

    #[inline]
    fn target(&mut self, flag: &CompiledFlag) -> Option<usize> {
        if flag.targets.is_empty() {
            return None;
        }
        let mut buffer = KeyBuffer::default();
        let key = self.context.targeting_key().and_then(|value| bucket::key_of(value, &mut buffer));
        let found = key.and_then(|key| flag.targets.get(key));
        self.trace.target(key, found.and_then(|at| flag.variations.get(at)).map(|found| found.name.as_str()));
        found
    }

    #[inline]
    fn all(&mut self, tests: &[Test]) -> bool {
        tests.iter().all(|test| self.holds(test))
    }

    #[inline]
    fn holds(&mut self, test: &Test) -> bool {
        match test {
            Test::Clause(clause) => self.clause(clause),
            _ => self.group(test),
        }
    }

    fn group(&mut self, test: &Test) -> bool {
        self.trace.group();
        let holds = match test {
            Test::All(tests) => self.all(tests),
            Test::Any(tests) => tests.iter().any(|test| self.holds(test)),
            Test::None(tests) => !tests.iter().any(|test| self.holds(test)),
            Test::Clause(clause) => self.clause(clause),
        };
        self.trace.group_done(holds);
        holds
    }

    #[inline]
    fn clause(&mut self, clause: &ClauseTest) -> bool {
        self.trace.clause();
        let found = clause.attribute.find(self.context);
        let outcome = match (found, &clause.matcher) {
            (_, Matcher::Exists) if found.is_some() != clause.negate => Outcome::Matched,
            (_, Matcher::Exists) => Outcome::NotMatched,
            (None, _) => Outcome::Missing,
            (Some(found), matcher) => match self.compare(matcher, found) {
                None => Outcome::WrongType,
                Some(matched) if matched != clause.negate => Outcome::Matched,
                Some(_) => Outcome::NotMatched,
            },
        };
        self.trace.clause_done(found.map(|found| found.value), outcome);
        outcome.matched()
    }

    #[inline]
    fn compare(&mut self, matcher: &Matcher, found: Found<'_>) -> Option<bool> {
        match (matcher, found.value) {
            (_, Value::String(text)) if text.len() > limits::COMPARED_BYTES => None,
            (Matcher::In(values), Value::String(text)) => Some(values.contains_text(text, found.print)),
            (matcher, Value::Array(elements)) if matcher.gives_up(elements) => None,
            (matcher, Value::Array(elements)) if !matcher.takes_lists() => self.compare_any(matcher, elements),
            (matcher, single) => {
                let now = self.now;
                matcher.compare(single, now, |segment, key| self.in_segment(segment, key))
            }
        }
    }

    /// Any element will do; elements of another type say nothing.
    fn compare_any(&mut self, matcher: &Matcher, elements: &[Value]) -> Option<bool> {
        let now = self.now;
        let mut any = elements.is_empty().then_some(false);
        for element in elements {
            match matcher.compare(element, now, |segment, key| self.in_segment(segment, key)) {
                Some(true) => return Some(true),
                compared => any = any.or(compared),
            }
        }
        any
    }

    fn in_segment(&mut self, segment: &str, key: &str) -> bool {
        self.trace.segment(segment, key);
        let why = self.membership(segment, key);
        self.trace.segment_done(why);
        why.is_member()
    }

    fn membership(&mut self, segment: &str, key: &str) -> Membership {
        let Some(segment) = self.state.segment(segment) else { return Membership::UnknownSegment };
        if segment.excluded.contains(key) {
            return Membership::Excluded;
        }
        if segment.included.contains(key) {
            return Membership::Included;
        }
        if segment.tests.is_empty() {
            return Membership::NotListed;
        }
        if !self.descends() {
            return Membership::GivenUp;
        }
        let matched = segment.tests.iter().enumerate().any(|(at, tests)| {
            self.trace.segment_rule(at);
            let matched = self.all(tests);
            self.trace.segment_rule_done(matched);
            matched
        });
        self.depth -= 1;
        if matched { Membership::Rule } else { Membership::NotListed }
    }

    /// Whether the release on this split, if there is one, may have this user: by its layer.
    #[inline]
    fn takes_part(&mut self, flag: &CompiledFlag, serve: &CompiledServe) -> Result<bool, ErrorCode> {
        match flag.release.as_ref().filter(|_| serve.released).and_then(|release| release.layer.as_ref()) {
            None => Ok(true),
            Some(layer) => self.in_layer(layer),
        }
    }

    fn in_layer(&mut self, layer: &CompiledLayer) -> Result<bool, ErrorCode> {
        let mut buffer = KeyBuffer::default();
        let key = self.bucketing_key(&layer.by, &mut buffer);
        if key.is_err() {
            self.trace.no_layer(&layer.by);
        }
        let key = key?;
        let bucket = layer.salt.bucket(key);
        let inside = layer.ranges.iter().any(|(from, to)| (*from..*to).contains(&bucket));
        self.trace.layer(&Placed { key, salt: &layer.salt, bucket }, inside);
        Ok(inside)
    }

    /// What is served in place of a fallthrough whose release may not have this user.
    #[inline]
    fn otherwise(&mut self, flag: &CompiledFlag) -> Result<Option<usize>, ErrorCode> {
        let takes_part = self.takes_part(flag, &flag.fallthrough)?;
        let layer = flag.release.as_ref().and_then(|release| release.layer.as_ref());
        Ok(if takes_part { None } else { layer.and_then(|layer| layer.otherwise) })
    }

    #[inline]
    fn bucketing_key<'k>(&self, by: &Attribute, buffer: &'k mut KeyBuffer) -> Result<&'k str, ErrorCode>
    where
        'c: 'k,
    {
        by.of(self.context).and_then(|value| bucket::key_of(value, buffer)).ok_or(ErrorCode::TargetingKeyMissing)
    }

    #[inline]
    fn choose(
        &mut self,
        flag: &'s CompiledFlag,
        serve: &'s CompiledServe,
        reason_for_one: Reason,
        rule: Option<&'s str>,
    ) -> Result<Evaluation<'s>, ErrorCode> {
        let (by, salt, ranges) = match &serve.choice {
            Choice::One(variation) => return self.serve(flag, *variation, reason_for_one, rule),
            Choice::Split { by, salt, ranges } => (by, salt, ranges),
        };
        let mut buffer = KeyBuffer::default();
        let key = self.bucketing_key(by, &mut buffer);
        if key.is_err() {
            self.trace.unplaced(rule.unwrap_or(FALLTHROUGH), by);
        }
        let key = key?;
        let bucket = salt.bucket(key);
        let at = ranges.iter().position(|(end, _)| *end > bucket).unwrap_or_default();
        let variation = ranges.get(at).map_or(flag.off, |(_, variation)| *variation as usize);
        let mut evaluation = flag.evaluation(variation, Reason::Split, rule, self.state)?;
        let start = at.checked_sub(1).and_then(|before| ranges.get(before)).map_or(0, |range| range.0);
        let range = (start, ranges.get(at).map_or(bucket::BUCKETS, |range| range.0));
        let placed = Placed { key, salt, bucket };
        self.trace.split(rule.unwrap_or(FALLTHROUGH), &placed, range, evaluation.variation);
        if serve.released {
            evaluation.assignment = flag.assignment(variation);
        }
        Ok(evaluation)
    }

    #[inline]
    fn serve(
        &mut self,
        flag: &'s CompiledFlag,
        variation: usize,
        reason: Reason,
        rule: Option<&'s str>,
    ) -> Result<Evaluation<'s>, ErrorCode> {
        let evaluation = flag.evaluation(variation, reason, rule, self.state)?;
        let place = match reason {
            Reason::Disabled | Reason::PrerequisiteFailed => OFF,
            Reason::TargetingMatch => rule.unwrap_or(TARGETS),
            _ => FALLTHROUGH,
        };
        self.trace.serve(place, evaluation.variation);
        Ok(evaluation)
    }
}

impl CompiledFlag {
    #[inline]
    fn evaluation<'s>(
        &'s self,
        variation: usize,
        reason: Reason,
        rule: Option<&'s str>,
        state: &State,
    ) -> Result<Evaluation<'s>, ErrorCode> {
        // Compilation resolved the index, so a variation is always there.
        let variation = self.variations.get(variation).ok_or(ErrorCode::General)?;
        Ok(Evaluation {
            value: &variation.value,
            variation: &variation.name,
            reason,
            version: self.version,
            revision: state.revision(),
            rule,
            assignment: None,
        })
    }

    fn assignment(&self, variation: usize) -> Option<Assignment<'_>> {
        let compiled = self.release.as_ref()?;
        let arm = (*compiled.arms.get(variation)?)?;
        Some(Assignment { release: &compiled.release, arm: &compiled.release.arms.get(arm)?.name })
    }
}

#[cfg(test)]
mod tests;
