use serde::{Deserialize, Serialize};

/// How a clause compares. Its values are alternatives, but for those that are one value together (`between`, `modulo`,
/// `date_between`, `within_last`, `size`, `percent`) and for `all_of` and `none_of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// The attribute is there and not null.
    Exists,
    /// Equals one of the values, of any scalar type.
    In,
    /// A string that begins with one of the values.
    StartsWith,
    /// A string that ends with one of the values.
    EndsWith,
    /// A string that contains one of the values.
    Contains,
    /// A string in which one of the values, a regular expression, is found.
    Matches,
    /// A number equal to one of the values.
    Eq,
    /// A number less than one of the values.
    Lt,
    /// A number less than or equal to one of the values.
    Lte,
    /// A number greater than one of the values.
    Gt,
    /// A number greater than or equal to one of the values.
    Gte,
    /// A number within `[low, high]`, both included.
    Between,
    /// A whole number that leaves the remainder of `[divisor, remainder]`.
    Modulo,
    /// A time before one of the values.
    Before,
    /// A time after one of the values.
    After,
    /// A time within `[from, to]`, both included.
    DateBetween,
    /// A time that is past by no more than the value, a duration (`36h`).
    WithinLast,
    /// A version equal to one of the values.
    SemverEq,
    /// A version lower than one of the values.
    SemverLt,
    /// A version lower than or equal to one of the values.
    SemverLte,
    /// A version higher than one of the values.
    SemverGt,
    /// A version higher than or equal to one of the values.
    SemverGte,
    /// A version in one of the values, ranges (`^1.2`, `>=1 <3`).
    SemverRange,
    /// A list that has any of the values.
    AnyOf,
    /// A list that has all of the values.
    AllOf,
    /// A list that has none of the values.
    NoneOf,
    /// A list of so many elements: `[low, high]`, both included.
    Size,
    /// An address in one of the values, networks (`10.0.0.0/8`).
    IpIn,
    /// A key in one of the values, segments.
    InSegment,
    /// A key that falls into the buckets `from..to` of `[salt, from, to]`.
    Percent,
}

impl Operator {
    /// Every operator.
    pub const ALL: [Self; 30] = [
        Self::Exists,
        Self::In,
        Self::StartsWith,
        Self::EndsWith,
        Self::Contains,
        Self::Matches,
        Self::Eq,
        Self::Lt,
        Self::Lte,
        Self::Gt,
        Self::Gte,
        Self::Between,
        Self::Modulo,
        Self::Before,
        Self::After,
        Self::DateBetween,
        Self::WithinLast,
        Self::SemverEq,
        Self::SemverLt,
        Self::SemverLte,
        Self::SemverGt,
        Self::SemverGte,
        Self::SemverRange,
        Self::AnyOf,
        Self::AllOf,
        Self::NoneOf,
        Self::Size,
        Self::IpIn,
        Self::InSegment,
        Self::Percent,
    ];

    /// The name as it stands in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Exists => "exists",
            Self::In => "in",
            Self::StartsWith => "starts_with",
            Self::EndsWith => "ends_with",
            Self::Contains => "contains",
            Self::Matches => "matches",
            Self::Eq => "eq",
            Self::Lt => "lt",
            Self::Lte => "lte",
            Self::Gt => "gt",
            Self::Gte => "gte",
            Self::Between => "between",
            Self::Modulo => "modulo",
            Self::Before => "before",
            Self::After => "after",
            Self::DateBetween => "date_between",
            Self::WithinLast => "within_last",
            Self::SemverEq => "semver_eq",
            Self::SemverLt => "semver_lt",
            Self::SemverLte => "semver_lte",
            Self::SemverGt => "semver_gt",
            Self::SemverGte => "semver_gte",
            Self::SemverRange => "semver_range",
            Self::AnyOf => "any_of",
            Self::AllOf => "all_of",
            Self::NoneOf => "none_of",
            Self::Size => "size",
            Self::IpIn => "ip_in",
            Self::InSegment => "in_segment",
            Self::Percent => "percent",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_json_says() {
        for operator in Operator::ALL {
            assert_eq!(serde_json::to_value(operator).unwrap(), operator.name());
        }
    }
}
