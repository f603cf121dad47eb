//! The grammar and the rules of limits.

use std::time::Duration;

use super::*;

#[track_caller]
fn check(text: &str, expected: &[(u32, u32)]) {
    let limits = QuotaLimits::parse(text).unwrap();
    let found: Vec<_> = limits
        .as_slice()
        .iter()
        .map(|quota| (quota.count(), quota.window_seconds()))
        .collect();
    assert_eq!(found, expected, "{text}");
}

#[track_caller]
fn check_error(text: &str, position: usize, expected: QuotaExpected) {
    let error = QuotaParseError { position, expected };
    assert_eq!(QuotaLimits::parse(text), Err(error), "{text}");
}

#[test]
fn every_form_of_the_grammar_is_read() {
    check("10 per minute", &[(10, 60)]);
    check("10/minute", &[(10, 60)]);
    check(" 10  /  minute ", &[(10, 60)]);
    check("10 PER 5 Minutes", &[(10, 300)]);
    check("10per5minutes", &[(10, 300)]);
    check("1/second", &[(1, 1)]);
    check("1 per hour", &[(1, 3600)]);
    check("1 per day", &[(1, 86_400)]);
    check("1 per month", &[(1, 2_592_000)]);
    check("1 per 10 years", &[(1, 311_040_000)]);
    check("200 per day;50 per hour", &[(200, 86_400), (50, 3600)]);
    check(
        "3/second , 4/minute | 5/hour",
        &[(3, 1), (4, 60), (5, 3600)],
    );
    check("1000000000 per minute", &[(1_000_000_000, 60)]);
}

#[test]
fn of_two_limits_over_one_window_the_smaller_stays() {
    check("10 per minute; 5 per 60 seconds", &[(5, 60)]);
    check(
        "5 per minute; 10 per minute; 1 per hour",
        &[(5, 60), (1, 3600)],
    );
}

#[test]
fn a_malformed_text_is_refused_with_its_place() {
    use QuotaExpected::{Count, End, FewerLimits, MultipleOrUnit, Per, ShorterWindow, Unit};
    check_error("", 1, Count);
    check_error("   ", 4, Count);
    check_error("ten per minute", 1, Count);
    check_error("0 per minute", 1, Count);
    check_error("-1 per minute", 1, Count);
    check_error("1000000001 per minute", 1, Count);
    check_error("99999999999999999999 per minute", 1, Count);
    check_error("10", 3, Per);
    check_error("10 minute", 4, Per);
    check_error("10 pro Minute", 4, Per);
    check_error("10 per", 7, MultipleOrUnit);
    check_error("10 per fortnight", 8, MultipleOrUnit);
    check_error("10 per 0 minutes", 8, MultipleOrUnit);
    check_error("10 per 5", 9, Unit);
    check_error("10 per 5 fortnights", 10, Unit);
    check_error("10 per 11 years", 8, ShorterWindow);
    check_error("10 per 1000000000 years", 8, ShorterWindow);
    check_error("10 per minute per hour", 15, End);
    check_error("10 per minutess", 15, End);
    check_error("10 per minute;", 15, Count);
    check_error("10 per minute;;5 per hour", 15, Count);
    check_error("10 per minute; 5 hour", 18, Per);
    check_error("10 per минуту", 8, MultipleOrUnit);
    check_error("１０ per minute", 1, Count);
    check_error("10 per minute й", 15, End);
    check_error(&["1/day"; 9].join(";"), 49, FewerLimits);
}

#[test]
fn the_error_says_where_and_what() {
    let error = QuotaLimits::parse("10 minute").unwrap_err();
    assert_eq!(error.to_string(), "at character 4: expected `per` or `/`");
}

#[test]
fn a_limit_is_shown_in_its_own_grammar() {
    for text in [
        "10 per minute",
        "200 per day;50 per hour",
        "3 per 5 minutes",
    ] {
        assert_eq!(QuotaLimits::parse(text).unwrap().to_string(), text);
    }
    let quota = QuotaLimits::parse("3/5minute").unwrap().as_slice()[0];
    assert_eq!(quota.window_name(), "per-5-minutes");
    assert_eq!(quota.window(), Duration::from_mins(5));
}

#[test]
fn shares_together_stay_within_the_limit() {
    let limits = QuotaLimits::parse("10 per minute;3 per hour").unwrap();
    let share = |shares: u32| limits.share(NonZeroU32::new(shares).unwrap()).to_string();
    assert_eq!(share(1), "10 per minute;3 per hour");
    assert_eq!(share(3), "3 per minute;1 per hour");
    // A count that cannot be divided further stays at one; the configuration rejects it.
    assert_eq!(share(20), "1 per minute;1 per hour");
    assert_eq!(limits.smallest_count(), 3);
}

#[test]
fn a_moving_window_remembers_a_bounded_number_of_requests() {
    let limits = |text| QuotaLimits::parse(text).unwrap();
    let moving = QuotaStrategy::MovingWindow;
    assert!(QuotaRule::new(limits("10000 per day"), moving).is_ok());
    let error = QuotaRule::new(limits("5/day;10001 per minute"), moving).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("`10001 per minute` is too many")
    );
    assert!(QuotaRule::new(limits("10001 per minute"), QuotaStrategy::FixedWindow).is_ok());
}

#[test]
fn strategies_have_names() {
    for strategy in [QuotaStrategy::FixedWindow, QuotaStrategy::MovingWindow] {
        assert_eq!(strategy.as_str().parse(), Ok(strategy));
    }
    assert_eq!("moving".parse::<QuotaStrategy>(), Err(QuotaStrategyError));
}
