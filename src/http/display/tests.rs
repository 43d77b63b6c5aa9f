use super::*;

#[test]
fn names_stand_between_backticks() {
    let span = |text, name| Span { text, name };
    assert_eq!(spans("15 % gain `on`."), [span("15 % gain ", false), span("on", true), span(".", false)]);
    assert_eq!(spans(""), []);
}

#[test]
fn whole_numbers_have_separators() {
    assert_eq!(thousands(0), "0");
    assert_eq!(thousands(999), "999");
    assert_eq!(thousands(1_000), "1,000");
    assert_eq!(thousands(27_180), "27,180");
    assert_eq!(thousands(u64::MAX), "18,446,744,073,709,551,615");
    assert_eq!(counted(1, "flag", "flags"), "1 flag");
    assert_eq!(counted(1_200, "flag", "flags"), "1,200 flags");
}

#[test]
fn a_share_has_no_needless_decimals() {
    assert_eq!(share(25.0), "25 %");
    assert_eq!(share(100.0), "100 %");
    assert_eq!(share(0.0), "0 %");
    assert_eq!(share(0.125), "0.125 %");
    assert_eq!(share(33.3), "33.3 %");
    assert_eq!(share(f64::NAN), "–");
}

#[test]
fn a_rate_keeps_two_digits() {
    assert_eq!(rate(0.02), "2.0 %");
    assert_eq!(rate(0.0), "0 %");
    assert_eq!(rate(0.00123), "0.12 %");
    assert_eq!(rate(0.00012), "0.012 %");
    assert_eq!(rate(0.453), "45.3 %");
    assert_eq!(rate(1.0), "100.0 %");
    assert_eq!(rate(f64::INFINITY), "–");
}

#[test]
fn a_change_has_a_sign() {
    assert_eq!(change(0.98), "+98 %");
    assert_eq!(change(-0.023), "−2.3 %");
    assert_eq!(change(0.0), "±0.0 %");
    assert_eq!(change(-0.0001), "±0.0 %");
    assert_eq!(change(18.4), "+1,840 %");
    assert_eq!(change(f64::NAN), "–");
}

#[test]
fn latencies_and_times_have_units() {
    assert_eq!(milliseconds(331.4), "331 ms");
    assert_eq!(milliseconds(2_000.0), "2,000 ms");
    assert_eq!(milliseconds(9.64), "9.6 ms");
    assert_eq!(milliseconds(0.42), "0.42 ms");
    assert_eq!(milliseconds(-12.0), "−12 ms");
    assert_eq!(seconds(0.0032), "3.2 ms");
    assert_eq!(seconds(0.18), "0.18 s");
    assert_eq!(seconds(4.21), "4.2 s");
    assert_eq!(seconds(13.0), "13 s");
    assert_eq!(duration(0), "0 s");
    assert_eq!(duration(90), "1 min 30 s");
    assert_eq!(duration(1_800), "30 min");
    assert_eq!(duration(5_400), "1 h 30 min");
    assert_eq!(duration(183_600), "2 d 3 h");
}

#[test]
fn evidence_is_read_from_its_logarithm() {
    assert_eq!(evidence(0.4_f64.ln()), "0.4");
    assert_eq!(evidence(612.0_f64.ln()), "612");
    assert_eq!(evidence(900.0), "over 1 million");
    assert_eq!(evidence(f64::NEG_INFINITY), "0.0");
    assert_eq!(evidence(f64::NAN), "–");
}

#[test]
fn a_moment_is_relative_with_the_exact_time_beside_it() {
    let now: DateTime<Utc> = "2026-11-21T10:42:15Z".parse().unwrap();
    let moment = |text: &str| Moment::new(text.parse().unwrap(), now);
    assert_eq!(moment("2026-11-21T10:42:15Z").relative, "now");
    assert_eq!(moment("2026-11-21T10:42:03Z").relative, "12 s ago");
    assert_eq!(moment("2026-11-21T10:12:03Z").relative, "30 min ago");
    assert_eq!(moment("2026-11-21T07:12:03Z").relative, "3 h ago");
    assert_eq!(moment("2026-11-21T11:00:16Z").relative, "in 18 min");
    let earlier = moment("2026-10-31T23:59:59.5Z");
    assert_eq!(earlier.relative, "20 d ago");
    assert_eq!(earlier.machine, "2026-10-31T23:59:59.500Z");
    assert_eq!(earlier.exact, "31 Oct 2026, 23:59:59 UTC");
    assert_eq!(earlier.clock, "31 Oct 23:59:59");
    assert_eq!(moment("2026-11-21T09:00:00Z").clock, "09:00:00");
}

#[test]
fn progress_is_told_in_the_unit_of_the_whole() {
    assert_eq!(progress(40, 60), "40 of 60 s");
    assert_eq!(progress(750, 1_800), "12 of 30 min");
    assert_eq!(progress(9_000, 1_800), "30 of 30 min");
    assert_eq!(progress(4_000, 86_400), "1 of 24 h");
    assert_eq!(progress(0, 0), "0 of 0 s");
}

#[test]
fn a_number_has_no_unit() {
    assert_eq!(number(0.421), "0.42");
    assert_eq!(number(2_000.4), "2,000");
    assert_eq!(number(0.0), "0");
}
