use crate::canary::picture::{IntervalPicture, Position, Trend};
use crate::http::display::{Tone, evidence};

/// A guard as its tile shows it. Every figure has its unit.
#[derive(Clone, Debug, PartialEq)]
pub struct GuardTile {
    /// The guard's name in the policy.
    pub name: String,
    /// What it holds against what: "error rate against control".
    pub compares: String,
    /// Its margin or limit: "margin 5 %", "limit 2,000 ms".
    pub bound: String,
    /// What it says.
    pub verdict: GuardVerdict,
    /// More of what it says: "both arms are failing: not the canary"; may be empty.
    pub note: String,
    /// The arms' figures and the estimate.
    pub figures: Figures,
    /// The estimate's interval against the bound.
    pub interval: IntervalPicture,
    /// The last windows.
    pub trend: Option<TrendPicture>,
    /// The evidence of harm.
    pub evidence: Evidence,
}

/// The figures of a tile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// The treatment's: "2.0 %". Empty before there is data.
    pub treatment: String,
    /// Control's: "1.0 %". Empty where there is none.
    pub control: String,
    /// The estimate with a sign or unit: "+98 %". Empty before there is one.
    pub effect: String,
    /// Its interval: "+31 to +180 %"; may be empty.
    pub interval: String,
    /// How many requests the treatment answered, with separators.
    pub treatment_samples: String,
    /// How many control answered, with separators.
    pub control_samples: String,
}

/// What a guard says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GuardVerdict {
    /// There is not enough data yet.
    #[default]
    Waiting,
    /// Nothing speaks against going on.
    Fine,
    /// The climb stands until this is clear.
    Hold,
    /// The treatment does harm.
    Harm,
}

impl GuardVerdict {
    /// On the tile.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Fine => "fine",
            Self::Hold => "hold",
            Self::Harm => "harm",
        }
    }

    /// What it says about health.
    #[must_use]
    pub fn tone(self) -> Tone {
        match self {
            Self::Waiting => Tone::Plain,
            Self::Fine => Tone::Good,
            Self::Hold => Tone::Warning,
            Self::Harm => Tone::Harm,
        }
    }
}

/// How strong the evidence of harm is, and at what strength the guard acts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// E: "612".
    pub value: String,
    /// The E at which the guard acts: "500".
    pub threshold: String,
    /// How close that is, on the scale of logarithms.
    pub share: Position,
    /// How strong it is, in a word or two.
    pub words: &'static str,
}

impl Evidence {
    /// From the natural logarithms of E and of the threshold.
    #[must_use]
    pub fn new(log_e: f64, log_threshold: f64) -> Self {
        let share = if log_threshold > 0.0 { log_e / log_threshold } else { 0.0 };
        let words = match share {
            _ if log_threshold > 0.0 && log_e >= log_threshold => "enough to act",
            close if close >= 0.75 => "close to acting",
            growing if growing >= 0.4 => "growing",
            weak if weak >= 0.1 => "weak",
            _ => "none",
        };
        Self { value: evidence(log_e), threshold: evidence(log_threshold), share: Position::new(share * 100.0), words }
    }
}

/// The last windows, drawn, with what the edges mean.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrendPicture {
    /// The lines.
    pub lines: Trend,
    /// The figure at the upper edge, with its unit; the lower edge is zero.
    pub top: String,
    /// The time that the drawing spans: "last 10 min".
    pub span: String,
}
