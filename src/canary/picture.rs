//! The geometry of a guard's pictures: where a number lies in percent of a drawing's width or height.

use std::fmt;

/// A place between 0 and 100 percent of a drawing, written `12.34%`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Position(f64);

impl Position {
    /// `percent`, kept within the drawing; what is not a number lies at 0.
    #[must_use]
    pub fn new(percent: f64) -> Self {
        Self(if percent.is_nan() { 0.0 } else { percent.clamp(0.0, 100.0) })
    }

    /// In percent.
    #[must_use]
    pub fn percent(self) -> f64 {
        self.0
    }

    /// How far it is from here to `other`, which lies to the right.
    fn until(self, other: Self) -> Self {
        Self::new(other.0 - self.0)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}%", self.0)
    }
}

/// What a guard's estimate is held against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// A difference from control relative to control (0.05 is five percent more), against a margin in the same unit.
    Margin(f64),
    /// A level of the treatment, never negative, against a limit in the same unit.
    Limit(f64),
}

/// An estimate with its anytime-valid interval, in the unit of the [`Bound`]. An end that is infinite is open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The lower end.
    pub low: f64,
    /// The estimate itself.
    pub effect: f64,
    /// The upper end.
    pub high: f64,
}

/// An interval drawn against its bound: what lies to the right of the bound is harm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IntervalPicture {
    /// Where "no difference" or zero lies.
    pub origin: Position,
    /// Where the margin or limit lies.
    pub bound: Position,
    /// The interval, when there is one.
    pub interval: Option<DrawnInterval>,
}

/// The interval of an [`IntervalPicture`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DrawnInterval {
    /// Its left end, or the drawing's.
    pub low: Position,
    /// The estimate.
    pub effect: Position,
    /// Its right end, or the drawing's.
    pub high: Position,
    /// Whether it goes on to the left of the drawing.
    pub open_left: bool,
    /// Whether it goes on to the right of the drawing.
    pub open_right: bool,
}

impl DrawnInterval {
    /// How wide it is.
    #[must_use]
    pub fn width(&self) -> Position {
        self.low.until(self.high)
    }
}

impl IntervalPicture {
    /// Draws `estimate` against `bound`. The scale grows by doubling, so that it stays as it is while the estimate
    /// moves a little, and leaves room for the bound and the estimate, not for every end of the interval.
    #[must_use]
    pub fn new(bound: Bound, estimate: Option<Estimate>) -> Self {
        let estimate = estimate.filter(|it| it.effect.is_finite() && !it.low.is_nan() && !it.high.is_nan());
        let effect = estimate.map_or(0.0, |it| it.effect);
        let (bound, left, right) = match bound {
            Bound::Margin(margin) => {
                let unit = if margin > 0.0 && margin.is_finite() { margin } else { 0.05 };
                (margin, -doubled(unit * 2.0, -effect * 1.2), doubled(unit * 3.0, effect * 1.2))
            }
            Bound::Limit(limit) => {
                let unit = if limit > 0.0 && limit.is_finite() { limit } else { 1.0 };
                (limit, 0.0, doubled(unit * 1.6, effect * 1.2))
            }
        };
        let at = |value: f64| Position::new((value - left) / (right - left) * 100.0);
        Self {
            origin: at(0.0),
            bound: at(bound),
            interval: estimate.map(|it| DrawnInterval {
                low: at(it.low),
                effect: at(it.effect),
                high: at(it.high),
                open_left: it.low < left,
                open_right: it.high > right,
            }),
        }
    }

    /// How wide the drawing is to the right of the bound, where harm lies.
    #[must_use]
    pub fn beyond(&self) -> Position {
        self.bound.until(Position(100.0))
    }

    /// Whether the bound's label has more room to the left of its line.
    #[must_use]
    pub fn label_before(&self) -> bool {
        self.bound.percent() > 55.0
    }
}

/// `size` doubled until it covers `needed`, which is finite.
fn doubled(size: f64, needed: f64) -> f64 {
    let mut size = size;
    while size < needed {
        size *= 2.0;
    }
    size
}

/// One window of a [`Trend`]: the figure of each arm, where the arm had data.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// The treatment's figure.
    pub treatment: Option<f64>,
    /// Control's figure.
    pub control: Option<f64>,
}

/// Width of a trend's drawing, in its own units.
pub const TREND_WIDTH: f64 = 240.0;
/// Height of a trend's drawing, in its own units.
pub const TREND_HEIGHT: f64 = 48.0;

/// The figures of both arms over the last windows, as lines.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trend {
    /// The treatment's line, as an SVG path.
    pub treatment: String,
    /// Control's line.
    pub control: String,
    /// Height of the limit's line from the top, where it lies within the drawing.
    pub limit: Option<String>,
    /// The figure at the upper edge.
    pub top: f64,
}

impl Trend {
    /// Draws the windows in order, from zero at the lower edge; nothing when fewer than two have a figure. A limit is
    /// drawn when it does not flatten the lines: when it is at most four times the largest figure, or that is zero.
    #[must_use]
    pub fn new(points: &[Point], limit: Option<f64>) -> Option<Self> {
        let figures = points.iter().flat_map(|point| [point.treatment, point.control]).flatten();
        let largest = figures.filter(|figure| figure.is_finite()).fold(0.0, f64::max);
        if points.iter().filter(|point| point.treatment.is_some() || point.control.is_some()).count() < 2 {
            return None;
        }
        let limit = limit.filter(|limit| *limit > 0.0 && (largest <= 0.0 || *limit <= largest * 4.0));
        let top = largest.max(limit.unwrap_or(0.0)) * 1.1;
        let top = if top > 0.0 { top } else { 1.0 };
        let height = |figure: f64| TREND_HEIGHT - figure.clamp(0.0, top) / top * (TREND_HEIGHT - 2.0) - 1.0;
        let line = |figures: Vec<Option<f64>>| path(&figures, &height);
        Some(Self {
            treatment: line(points.iter().map(|point| point.treatment).collect()),
            control: line(points.iter().map(|point| point.control).collect()),
            limit: limit.map(|limit| format!("{:.2}", height(limit))),
            top,
        })
    }
}

/// A path through the figures, broken where there is none; one alone is a dot.
fn path(figures: &[Option<f64>], height: &impl Fn(f64) -> f64) -> String {
    let step = TREND_WIDTH / (figures.len().max(2) - 1) as f64;
    let mut text = String::new();
    let mut drawing = false;
    for (index, figure) in figures.iter().enumerate() {
        match figure.filter(|figure| figure.is_finite()) {
            Some(figure) => {
                let (x, y) = (index as f64 * step, height(figure));
                text.push_str(&if drawing { format!("L{x:.1} {y:.2}") } else { format!("M{x:.1} {y:.2}h0") });
                drawing = true;
            }
            None => drawing = false,
        }
    }
    text
}

#[cfg(test)]
mod tests;
