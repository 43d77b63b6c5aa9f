use proptest::prelude::*;

use super::*;

/// The definition: every start's own products, added up.
fn by_definition(window_seconds: u32, windows: &[Option<Vec<f64>>], points: usize) -> f64 {
    let process = EProcess::new(points, window_seconds);
    let mut total = 1.0;
    for t in 1..=windows.len() {
        total -= process.start_share(t as u64);
    }
    for t in 1..=windows.len() {
        for j in 0..points {
            let log: f64 = windows[t - 1..].iter().flatten().map(|factors| factors[j]).sum();
            total += process.start_share(t as u64) / points as f64 * log.exp();
        }
    }
    total.ln()
}

#[test]
fn the_recursion_is_the_definition() {
    let windows: Vec<Option<Vec<f64>>> = (0..50_i32)
        .map(|t| (t % 7 != 3).then(|| vec![f64::from(t % 5) * 0.1 - 0.2, f64::from(t % 3) * 0.3 - 0.25, 0.02]))
        .collect();
    for window_seconds in [1, 10, 600, 3_599] {
        let mut process = EProcess::new(3, window_seconds);
        for (t, factors) in windows.iter().enumerate() {
            process.step(factors.as_deref());
            let expected = by_definition(window_seconds, &windows[..=t], 3);
            assert!(
                (process.log_e() - expected).abs() < 1e-10,
                "{window_seconds} s, {t}: {} {expected}",
                process.log_e()
            );
        }
    }
}

#[test]
fn without_data_the_evidence_stays_at_one() {
    for window_seconds in [0, 10, 3_600, 100_000] {
        let mut process = EProcess::new(19, window_seconds);
        for _ in 0..5_000 {
            process.step(None);
            assert!(process.log_e().abs() < 1e-9, "{}", process.log_e());
        }
        assert_eq!((process.p(), process.windows()), (1.0, 5_000));
    }
}

#[test]
fn windows_may_pass_one_by_one_or_all_at_once() {
    let (mut one_by_one, mut at_once) = (EProcess::new(2, 10), EProcess::new(2, 10));
    for gap in [1, 400, 3] {
        one_by_one.step(Some(&[0.3, -0.2]));
        at_once.step(Some(&[0.3, -0.2]));
        for _ in 0..gap {
            one_by_one.step(None);
        }
        at_once.skip(gap);
    }
    one_by_one.step(Some(&[2.0, 1.0]));
    at_once.step(Some(&[2.0, 1.0]));
    assert_eq!(one_by_one.windows(), at_once.windows());
    assert!((one_by_one.log_e() - at_once.log_e()).abs() < 1e-9);
    at_once.skip(u64::MAX);
    assert!(at_once.log_e().is_finite());
}

#[test]
fn another_grid_keeps_the_evidence() {
    let mut process = EProcess::new(2, 10);
    process.regrid(4);
    process.step(Some(&[0.3, -0.2, 1.0, 2.0]));
    let before = process.log_e();
    process.regrid(3);
    assert!((process.log_e() - before).abs() < 1e-12);
    process.step(Some(&[0.1, 0.1, 0.1]));
    assert!(process.log_e() > before);
}

#[test]
fn the_p_value_keeps_the_strongest_evidence() {
    let mut process = EProcess::new(1, 10);
    process.step(Some(&[5.0]));
    let strongest = process.log_e();
    process.step(Some(&[-5.0]));
    assert!(process.log_e() < strongest);
    assert!((process.p() - (-strongest).exp()).abs() < 1e-15);
}

proptest! {
    #[test]
    fn no_factor_breaks_it_and_json_restores_it(
        windows in proptest::collection::vec(proptest::option::of(proptest::collection::vec(any::<f64>(), 0..4)), 0..40),
        ordinary in proptest::collection::vec(-5.0..5.0_f64, 2),
    ) {
        let mut process = EProcess::new(2, 10);
        for factors in &windows {
            process.step(factors.as_deref());
            prop_assert!(process.log_e().is_finite());
        }
        let mut restored: EProcess = serde_json::from_str(&serde_json::to_string(&process).unwrap()).unwrap();
        prop_assert_eq!(&restored, &process);
        for _ in 0..5 {
            process.step(Some(&ordinary));
            restored.step(Some(&ordinary));
            prop_assert_eq!(restored.log_e().to_bits(), process.log_e().to_bits());
        }
    }
}
