use serde_json::Value;

use crate::ErrorCode;
use crate::compiled::{CompiledFlag, CompiledPrerequisite};
use crate::context::Attribute;

/// What came of a clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Matched,
    NotMatched,
    /// The attribute is not there, or null: no match, negated or not.
    Missing,
    /// The attribute is of a type that the operator does not compare: no match, negated or not.
    WrongType,
}

impl Outcome {
    pub(crate) fn matched(self) -> bool {
        self == Self::Matched
    }
}

/// How the bucket of a split or a layer was found.
pub(crate) struct Placed<'e> {
    pub(crate) key: &'e str,
    pub(crate) salt: &'e crate::bucket::Salt,
    pub(crate) bucket: u32,
}

/// Who watches an evaluation: nobody (`()`), whom the compiler leaves out, or an explanation.
///
/// Conditions are told in the order in which they stand, groups opened and closed around them; those that were not
/// looked at are not told.
pub(crate) trait Trace {
    fn flag(&mut self, _flag: &CompiledFlag) {}
    fn kill_switch(&mut self, _enabled: bool) {}
    fn prerequisite(&mut self, _prerequisite: &CompiledPrerequisite) {}
    fn prerequisite_done(&mut self, _served: Result<&str, ErrorCode>, _holds: bool) {}
    fn target(&mut self, _key: Option<&str>, _variation: Option<&str>) {}
    fn rule(&mut self, _at: usize) {}
    fn rule_done(&mut self, _matched: bool) {}
    fn group(&mut self) {}
    fn group_done(&mut self, _holds: bool) {}
    fn clause(&mut self) {}
    fn clause_done(&mut self, _found: Option<&Value>, _outcome: Outcome) {}
    fn segment(&mut self, _segment: &str, _key: &str) {}
    fn segment_rule(&mut self, _at: usize) {}
    fn segment_rule_done(&mut self, _matched: bool) {}
    fn segment_done(&mut self, _why: Membership) {}
    fn layer(&mut self, _placed: &Placed<'_>, _inside: bool) {}
    /// The context has no key for a layer.
    fn no_layer(&mut self, _by: &Attribute) {}
    fn split(&mut self, _place: &str, _placed: &Placed<'_>, _range: (u32, u32), _variation: &str) {}
    /// The context has no key for a split.
    fn unplaced(&mut self, _place: &str, _by: &Attribute) {}
    fn serve(&mut self, _place: &str, _variation: &str) {}
}

/// Why a key is in a segment or is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Membership {
    Included,
    Rule,
    Excluded,
    NotListed,
    UnknownSegment,
    /// Too many steps: what refers to what was never checked by the server that saved it.
    GivenUp,
}

impl Membership {
    pub(crate) fn is_member(self) -> bool {
        matches!(self, Self::Included | Self::Rule)
    }
}

impl Trace for () {}
