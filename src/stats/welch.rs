use super::StudentT;
use super::mean::Moments;

/// Welch's test of the difference of two means, which does not take the arms' variances to be equal.
///
/// Welch, "The generalization of 'Student's' problem when several different population variances are involved" (1947), with
/// Satterthwaite's degrees of freedom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Welch {
    /// Treatment's mean less control's.
    pub difference: f64,
    /// The difference's standard error, `√(v_a/n_a + v_b/n_b)`.
    pub standard_error: f64,
    /// `difference / standard_error`; infinite when neither arm varies, and not a number when they do not differ either.
    pub t: f64,
    /// Degrees of freedom, `(v_a/n_a + v_b/n_b)² / [(v_a/n_a)²/(n_a−1) + (v_b/n_b)²/(n_b−1)]`; 1 when neither arm varies.
    pub df: f64,
    distribution: StudentT,
}

/// Probabilities, were both means the same, of a t at least as far off as the one found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tails {
    /// In either direction.
    pub two_sided: f64,
    /// Upwards: small when treatment's mean is the greater.
    pub greater: f64,
    /// Downwards.
    pub less: f64,
}

impl Welch {
    /// Compares `treatment` with `control`; `None` when an arm has fewer than two values.
    #[must_use]
    pub fn new(control: &Moments, treatment: &Moments) -> Option<Self> {
        if control.n < 2 || treatment.n < 2 {
            return None;
        }
        let (n_a, n_b) = (control.n as f64, treatment.n as f64);
        let (a, b) = (control.sample_variance() / n_a, treatment.sample_variance() / n_b);
        let variance = a + b;
        let standard_error = variance.sqrt();
        let difference = treatment.mean - control.mean;
        let df = if variance > 0.0 {
            // Of shares, as the squares of the variances themselves may be out of range.
            let (a, b) = (a / variance, b / variance);
            1.0 / (a * a / (n_a - 1.0) + b * b / (n_b - 1.0))
        } else {
            1.0
        };
        let distribution = StudentT::new(df)?;
        Some(Self { difference, standard_error, t: difference / standard_error, df, distribution })
    }

    /// The p-values; `None` when t is not a number.
    #[must_use]
    pub fn tails(&self) -> Option<Tails> {
        (!self.t.is_nan()).then(|| Tails {
            two_sided: (2.0 * self.distribution.sf(self.t.abs())).min(1.0),
            greater: self.distribution.sf(self.t),
            less: self.distribution.cdf(self.t),
        })
    }

    /// The interval that holds the true difference with probability `level` (0.95, say); `None` unless that is in (0, 1).
    #[must_use]
    pub fn interval(&self, level: f64) -> Option<[f64; 2]> {
        let inside = level > 0.0 && level < 1.0;
        let reach = self.distribution.quantile(f64::midpoint(1.0, level)).filter(|_| inside)?;
        let half = reach * self.standard_error;
        Some([self.difference - half, self.difference + half])
    }
}

#[cfg(test)]
mod tests;
