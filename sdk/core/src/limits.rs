//! Every bound on what a flag may hold: enforced by the server when it saves and by each reader when it loads.

/// Longest key of a flag, project, environment or segment, in bytes.
pub const KEY_LENGTH: usize = 100;
/// Most variations of one flag.
pub const VARIATIONS: usize = 64;
/// Longest name of a variation, in bytes.
pub const VARIATION_NAME_LENGTH: usize = 100;
/// Most rules of one flag in one environment.
pub const RULES: usize = 500;
/// Most clauses of one rule.
pub const CLAUSES: usize = 100;
/// Most values of one clause.
pub const CLAUSE_VALUES: usize = 10_000;
/// Longest name of an attribute, in bytes.
pub const ATTRIBUTE_LENGTH: usize = 200;
/// Most individual targets of one flag in one environment, over all its variations.
pub const TARGETS: usize = 100_000;
/// Longest targeting key of an individual target, in bytes.
pub const TARGETING_KEY_LENGTH: usize = 1_000;
/// Longest salt a person may give, in characters.
pub const SALT_LENGTH: usize = 64;
/// Largest JSON of one variation's value, in bytes.
pub const VALUE_BYTES: usize = 65_536;
/// Largest magnitude of an integer value: every language's doubles hold it exactly.
pub const INTEGER: i64 = 1 << 53;
/// Deepest nesting of groups of clauses: `{"all": […]}` stands at depth 1.
pub const CLAUSE_DEPTH: usize = 8;
/// Most elements of a list in a context that clauses look up among their values: a longer list matches nothing, negated or
/// not; `exists` and `size` apart.
pub const LIST_ELEMENTS: usize = 10_000;
/// Most elements of a list whose elements have to be read, each by itself: as [`LIST_ELEMENTS`], for operators on the
/// parts of a text, times, versions, addresses, segments and buckets.
pub const READ_ELEMENTS: usize = 1_000;
/// Longest text in a context that clauses compare, in bytes, and most bytes of the texts of a list: what is longer matches
/// nothing, negated or not; `exists` and `size` apart.
pub const COMPARED_BYTES: usize = 65_536;
/// Longest regular expression, in bytes.
pub const REGEX_LENGTH: usize = 1_000;
/// Most regular expressions of one flag or segment.
pub const REGEXES: usize = 100;
/// Largest compiled regular expression, in bytes: what `\w{1,50}` and its like grow to is refused.
pub const REGEX_SIZE: usize = 1 << 19;
/// Most prerequisites of one flag in one environment.
pub const PREREQUISITES: usize = 50;
/// Longest chain of prerequisites that a flag leads to.
pub const PREREQUISITE_DEPTH: usize = 20;
/// Longest chain of segments with rules of their own that the rules of a segment lead to.
pub const SEGMENT_DEPTH: usize = 20;
/// Most evaluations that prerequisites and segments may take, all told, before a flag is answered.
pub const STEPS: u32 = 1_000;
/// Most keys of one segment, in each of its two lists.
pub const SEGMENT_KEYS: usize = 1_000_000;
/// Most rules of one segment.
pub const SEGMENT_RULES: usize = 100;
