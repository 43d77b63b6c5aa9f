//! Clauses and groups of them, compiled.

use crate::context::{self, Attribute};
use crate::matcher::Matcher;
use crate::{Clause, Condition, Fault, Operator, limits};

/// A [`Condition`] made ready.
#[derive(Debug)]
pub(crate) enum Test {
    All(Box<[Test]>),
    Any(Box<[Test]>),
    None(Box<[Test]>),
    Clause(ClauseTest),
}

/// A [`Clause`] made ready.
#[derive(Debug)]
pub(crate) struct ClauseTest {
    pub(crate) attribute: Attribute,
    pub(crate) matcher: Matcher,
    pub(crate) negate: bool,
}

impl Test {
    /// The conditions of a rule, which stand at `at`; every fault is added to `faults`.
    pub(crate) fn compile_all(conditions: &[Condition], at: &str, faults: &mut Vec<Fault>) -> Box<[Self]> {
        if conditions.len() > limits::CLAUSES {
            faults.push(Fault::new(at, format!("at most {} clauses", limits::CLAUSES)));
        }
        compile(conditions, at, 0, faults)
    }

    /// Adds every fault of conditions that stand at `at`, but for those of their regular expressions.
    pub(crate) fn check_without_patterns(conditions: &[Condition], at: &str, faults: &mut Vec<Fault>) {
        let conditions: Vec<_> = conditions.iter().map(without_patterns).collect();
        Self::compile_all(&conditions, at, faults);
    }
}

/// The condition with clauses that hold for whoever has the attribute in place of those with regular expressions.
fn without_patterns(condition: &Condition) -> Condition {
    let all = |group: &[Condition]| group.iter().map(without_patterns).collect();
    match condition {
        Condition::Clause(clause) if clause.op == Operator::Matches => {
            Condition::Clause(Clause { op: Operator::Exists, values: Vec::new(), ..clause.clone() })
        }
        Condition::Clause(clause) => Condition::Clause(clause.clone()),
        Condition::All(group) => Condition::All(all(group)),
        Condition::Any(group) => Condition::Any(all(group)),
        Condition::None(group) => Condition::None(all(group)),
    }
}

fn compile(conditions: &[Condition], at: &str, depth: usize, faults: &mut Vec<Fault>) -> Box<[Test]> {
    let one = |(index, condition)| test(condition, &format!("{at}/{index}"), depth, faults);
    conditions.iter().enumerate().filter_map(one).collect()
}

/// Makes a group of its parts.
type Form = fn(Box<[Test]>) -> Test;

fn test(condition: &Condition, at: &str, depth: usize, faults: &mut Vec<Fault>) -> Option<Test> {
    let (name, form): (_, Form) = match condition {
        Condition::Clause(clause) => return clause_test(clause, at, faults).map(Test::Clause),
        Condition::All(_) => ("all", Test::All),
        Condition::Any(_) => ("any", Test::Any),
        Condition::None(_) => ("none", Test::None),
    };
    let at = format!("{at}/{name}");
    let group = condition.group().unwrap_or_default();
    if depth >= limits::CLAUSE_DEPTH {
        faults.push(Fault::new(at, format!("clauses are nested to a depth of at most {}", limits::CLAUSE_DEPTH)));
        return None;
    }
    if group.is_empty() || group.len() > limits::CLAUSES {
        faults.push(Fault::new(&at, format!("a group has 1 to {} clauses", limits::CLAUSES)));
    }
    Some(form(compile(group, &at, depth + 1, faults)))
}

fn clause_test(clause: &Clause, at: &str, faults: &mut Vec<Fault>) -> Option<ClauseTest> {
    let fault = context::name_fault(&clause.attribute);
    faults.extend(fault.map(|message| Fault::new(format!("{at}/attribute"), message)));
    match Matcher::compile(clause) {
        Ok(matcher) => {
            Some(ClauseTest { attribute: Attribute::new(&clause.attribute), matcher, negate: clause.negate })
        }
        Err(found) => {
            faults.extend(found.into_iter().map(|fault| fault.under(at)));
            None
        }
    }
}

/// Whether the conditions of all rules together, which stand at `at`, have no more regular expressions than a reader has
/// memory for.
pub(crate) fn has_few_patterns<'c>(
    rules: impl Iterator<Item = &'c [Condition]>,
    at: &str,
    faults: &mut Vec<Fault>,
) -> bool {
    let clauses = rules.flatten().flat_map(Condition::clauses).filter(|clause| clause.op == Operator::Matches);
    let few = clauses.map(|clause| clause.values.len()).sum::<usize>() <= limits::REGEXES;
    if !few {
        let message = format!("at most {} regular expressions; `a|b` is one for two", limits::REGEXES);
        faults.push(Fault::new(at, message));
    }
    few
}

/// The segments that conditions name, each with the pointer to it below `at`.
pub(crate) fn segments<'c>(conditions: &'c [Condition], at: &str) -> Vec<(String, &'c str)> {
    let mut found = Vec::new();
    for (index, condition) in conditions.iter().enumerate() {
        let at = format!("{at}/{index}");
        match condition {
            Condition::Clause(clause) if clause.op == Operator::InSegment => {
                let keys = clause.values.iter().enumerate();
                found.extend(keys.filter_map(|(i, key)| Some((format!("{at}/values/{i}"), key.as_str()?))));
            }
            Condition::Clause(_) => {}
            Condition::All(group) => found.extend(segments(group, &format!("{at}/all"))),
            Condition::Any(group) => found.extend(segments(group, &format!("{at}/any"))),
            Condition::None(group) => found.extend(segments(group, &format!("{at}/none"))),
        }
    }
    found
}

#[cfg(test)]
mod tests;
