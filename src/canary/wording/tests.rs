use super::*;

#[test]
fn figures_read_well() {
    let cases = [
        (0.02, "2.0 %"),
        (0.0012, "0.12 %"),
        (0.00998, "1.0 %"),
        (0.000999, "0.10 %"),
        (0.00012, "0.012 %"),
        (0.0, "0.0 %"),
        (1.5, "150.0 %"),
        (-0.021, "-2.1 %"),
    ];
    for (share, text) in cases {
        assert_eq!(percent(Some(share)), text);
    }
    assert_eq!(percent(None), "nothing");
    for (value, text) in
        [(96.04, "96.0 ms"), (2_000.0, "2,000 ms"), (1.234, "1.23 ms"), (1e300, "1e300 ms"), (-250.0, "−250 ms")]
    {
        assert_eq!(amount(REQUEST_DURATION_MS, Some(value)), text);
    }
    assert_eq!(amount("cart.size", Some(3.0)), "3.00");
    for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (27_180, "27,180"), (1_234_567, "1,234,567")] {
        assert_eq!(count(number), text);
    }
    for (number, text) in [(7, "7"), (99, "99"), (2_345, "2,300"), (u64::MAX, "18,000,000,000,000,000,000")] {
        assert_eq!(about(number), text);
    }
    let times = [
        (1, "1 second"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (2_400, "40 minutes"),
        (7_200, "2 hours"),
        (172_800, "2 days"),
    ];
    for (seconds, text) in times {
        assert_eq!(duration(seconds), text);
    }
    assert_eq!((quantile_name(Some(0.999)).as_str(), quantile_name(Some(0.5)).as_str()), ("p99.9", "p50"));
}
