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
    /// Ten rules of two clauses; only the last one matches, the others fail by their first clause.
    RulesFirst,
    /// The same, but the others fail by their second clause, so that all twenty have to be looked at.
    RulesSecond,
    /// 10,000 individual targets, the user in the middle of them.
    TargetHit,
    /// 10,000 individual targets, the user not among them.
    TargetMiss,
    /// Three variations of 50, 30 and 20 %.
    Weighted,
}

impl Row {
    /// Every row, in the order of the report.
    pub const ALL: [Self; 7] = [
        Self::Plain,
        Self::Rollout,
        Self::RulesFirst,
        Self::RulesSecond,
        Self::TargetHit,
        Self::TargetMiss,
        Self::Weighted,
    ];

    /// The key of the flag.
    pub fn key(self) -> &'static str {
        match self {
            Self::Plain => "feature.plain",
            Self::Rollout => "feature.rollout",
            Self::RulesFirst => "feature.rules-first",
            Self::RulesSecond => "feature.rules-second",
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
            Self::RulesFirst => "(c) the last of 10 rules, first clauses fail",
            Self::RulesSecond => "(c) the last of 10 rules, second clauses fail",
            Self::TargetHit => "(d) 10,000 targets, hit",
            Self::TargetMiss => "(d) 10,000 targets, miss",
            Self::Weighted => "(e) three weighted variations",
        }
    }

    /// What it counts in the geometric mean: rows of one letter are one workload.
    pub fn weight(self) -> f64 {
        match self {
            Self::RulesFirst | Self::RulesSecond | Self::TargetHit | Self::TargetMiss => 0.5,
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
            Self::Plain | Self::RulesFirst | Self::RulesSecond | Self::TargetHit => Some("true"),
            Self::TargetMiss => Some("false"),
            Self::Rollout | Self::Weighted => None,
        }
    }

    /// Whose answer is looked at for [`Row::answer`]'s sake too: what nobody else gets.
    pub fn answer_of_others(self) -> Option<&'static str> {
        match self {
            Self::Plain | Self::RulesFirst | Self::RulesSecond => Some("true"),
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

/// The rules of [`Row::RulesFirst`] and [`Row::RulesSecond`], each of two clauses that must both match: attributes in
/// turn, three values each, and where a clause matches it is by the second of them.
pub fn rules(row: Row) -> Vec<[Clause; 2]> {
    let clause = |(attribute, value): (&'static str, &str), rule: usize, matches: bool| {
        let mut values: Vec<_> = (0..3).map(|other| format!("{attribute}-{rule}-{other}")).collect();
        if matches {
            values[1] = value.to_owned();
        }
        (attribute, values)
    };
    (0..10)
        .map(|rule| {
            let (first, second) = (ATTRIBUTES[rule % ATTRIBUTES.len()], ATTRIBUTES[(rule + 3) % ATTRIBUTES.len()]);
            let last = rule == 9;
            [clause(first, rule, last || row == Row::RulesSecond), clause(second, rule, last)]
        })
        .collect()
}
