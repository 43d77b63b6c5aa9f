//! What is evaluated, said once for all engines.

/// The user of the one context that is timed.
pub const USER: &str = "user-04711";

/// What else the context holds.
pub const ATTRIBUTES: [(&str, &str); 8] = [
    ("country", "NO"),
    ("plan", "pro"),
    ("email", "somebody@example.com"),
    ("language", "nb"),
    ("device", "phone"),
    ("os", "linux"),
    ("version", "4.2.1"),
    ("role", "editor"),
];

/// A flag that is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// Boolean, on, no rules.
    Plain,
    /// 25 % get `true`.
    Rollout,
    /// Ten rules of two clauses; only the last one matches.
    Rules,
    /// 10,000 individual targets, the user in the middle of them.
    TargetHit,
    /// 10,000 individual targets, the user not among them.
    TargetMiss,
    /// Three variations of 50, 30 and 20 %.
    Weighted,
}

impl Row {
    /// Every row, in the order of the report.
    pub const ALL: [Self; 6] =
        [Self::Plain, Self::Rollout, Self::Rules, Self::TargetHit, Self::TargetMiss, Self::Weighted];

    /// The key of the flag.
    pub fn key(self) -> &'static str {
        match self {
            Self::Plain => "feature.plain",
            Self::Rollout => "feature.rollout",
            Self::Rules => "feature.rules",
            Self::TargetHit => "feature.target-hit",
            Self::TargetMiss => "feature.target-miss",
            Self::Weighted => "experiment.weighted",
        }
    }

    /// As the report calls it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Plain => "(a) boolean, no rules",
            Self::Rollout => "(b) 25 % rollout",
            Self::Rules => "(c) 10 rules of 2 clauses, the last matches",
            Self::TargetHit => "(d) 10,000 targets, hit",
            Self::TargetMiss => "(d) 10,000 targets, miss",
            Self::Weighted => "(e) three weighted variations",
        }
    }

    /// What it counts in the geometric mean: hit and miss are one workload.
    pub fn weight(self) -> f64 {
        match self {
            Self::TargetHit | Self::TargetMiss => 0.5,
            _ => 1.0,
        }
    }

    /// What is right: the share of users that each variation is served to. `None` for a row where every user is
    /// served alike.
    pub fn shares(self) -> Option<&'static [(&'static str, f64)]> {
        match self {
            Self::Rollout => Some(&[("true", 0.25), ("false", 0.75)]),
            Self::Weighted => Some(&WEIGHTED),
            _ => None,
        }
    }

    /// What is right for [`USER`], where it does not hang on a hash.
    pub fn answer(self) -> Option<&'static str> {
        match self {
            Self::Plain | Self::Rules | Self::TargetHit => Some("true"),
            Self::TargetMiss => Some("false"),
            Self::Rollout | Self::Weighted => None,
        }
    }

    /// Whose answer is looked at for [`Row::answer`]'s sake too: what nobody else gets.
    pub fn answer_of_others(self) -> Option<&'static str> {
        match self {
            Self::Plain | Self::Rules => Some("true"),
            Self::TargetHit => Some("false"),
            Self::TargetMiss | Self::Rollout | Self::Weighted => None,
        }
    }
}

/// The variations of [`Row::Weighted`].
pub const WEIGHTED: [(&str, f64); 3] = [("red", 0.5), ("green", 0.3), ("blue", 0.2)];

/// The keys of [`Row::TargetHit`] and [`Row::TargetMiss`].
pub fn targets(row: Row) -> Vec<String> {
    let mut keys: Vec<String> = (0..10_000).map(|number| format!("cust-{number:05}")).collect();
    if row == Row::TargetHit {
        let middle = keys.len() / 2;
        keys[middle] = USER.to_owned();
    }
    keys
}

/// A clause: the attribute is one of these values.
pub type Clause = (&'static str, Vec<String>);

/// The rules of [`Row::Rules`], each of two clauses that must both match. The first clause always does; the second one
/// only in the last rule, so that an engine has to look at all twenty.
pub fn rules() -> Vec<[Clause; 2]> {
    let others =
        |attribute: &str, rule: usize| (0..3).map(|value| format!("{attribute}-{rule}-{value}")).collect::<Vec<_>>();
    let with = |attribute: &str, rule: usize, value: &str| {
        let mut values = others(attribute, rule);
        values[1] = value.to_owned();
        values
    };
    (0..10)
        .map(|rule| {
            let (first, value) = ATTRIBUTES[rule % ATTRIBUTES.len()];
            let (second, wanted) = ATTRIBUTES[(rule + 3) % ATTRIBUTES.len()];
            let last = if rule == 9 { with(second, rule, wanted) } else { others(second, rule) };
            [(first, with(first, rule, value)), (second, last)]
        })
        .collect()
}
