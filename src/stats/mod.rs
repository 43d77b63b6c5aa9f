//! The mathematics of the guard: pure functions and small states, checked against reference cases.
//!
//! Every guard runs one engine, [`EProcess`]: evidence against "the canary is healthy" that may be looked at after every
//! window for hours, because the chance that it ever reaches 1/α on a healthy canary is at most α (Ville's inequality). What
//! differs is the log-factor of one window: [`ratio`] against control, [`limit`] for a share against a fixed limit, [`mean`]
//! against control, [`tail`] for the shares above control's high quantiles. [`stratified`] and [`confidence`] give the effects and intervals that are shown beside a verdict, and
//! [`ChangePoint`] tells since when the evidence points to harm.
//!
//! Beside it stands what a comparison at a fixed time takes: [`Welch`]'s test, the distributions it and others are read from
//! ([`StudentT`], [`normal`], [`chi_squared`]), and [`wald`]'s bound, against which the guards' speed is measured. Logarithms are
//! natural throughout.

mod change_point;
pub mod chi_squared;
pub mod confidence;
mod counts;
mod e_process;
pub mod limit;
pub mod log_space;
pub mod mean;
pub mod normal;
pub mod ratio;
pub mod stratified;
mod student_t;
pub mod tail;
pub mod wald;
mod welch;

pub use change_point::{Candidate, ChangePoint};
pub use counts::Counts;
pub use e_process::EProcess;
pub use student_t::StudentT;
pub use welch::{Tails, Welch};

/// The grids of the ratio guards: excesses 0.05·2^(i/2) over the null, i = 0…18, from 5 % to 25.6 times.
const EXCESSES: i32 = 19;

fn excesses() -> impl Iterator<Item = f64> {
    (0..EXCESSES).map(|i| 0.05 * (f64::from(i) / 2.0).exp2())
}
