//! Numbers of seconds as clients write them.

/// A number is not a number of seconds within its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a number of seconds from {min} to {max} with at most three decimals")]
pub struct SecondsError {
    /// The smallest number of seconds.
    pub min: u32,
    /// The largest number of seconds.
    pub max: u32,
}

/// The milliseconds of `seconds`, which has at most three decimals and lies within `min..=max`.
pub(crate) fn millis(seconds: f64, min: u32, max: u32) -> Result<u32, SecondsError> {
    let error = SecondsError { min, max };
    // The comparison is false for NaN.
    if !(f64::from(min) <= seconds && seconds <= f64::from(max)) {
        return Err(error);
    }
    let millis = (seconds * 1_000.0).round();
    // A decimal fraction of three digits is the double that is nearest to it, so dividing the
    // rounded milliseconds gives exactly the number that was parsed.
    #[expect(clippy::float_cmp, reason = "exact by the argument above")]
    if millis / 1_000.0 != seconds {
        return Err(error);
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number within min..=max thousands"
    )]
    let whole = millis as u64;
    u32::try_from(whole).map_err(|_| error)
}

/// `millis`, which lies within `min..=max` seconds.
pub(crate) fn checked_millis(millis: u32, min: u32, max: u32) -> Result<u32, SecondsError> {
    if (min * 1_000..=max * 1_000).contains(&millis) {
        Ok(millis)
    } else {
        Err(SecondsError { min, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_decimals_are_exact_and_four_are_rejected() {
        for thousandths in 0..=100_000_u32 {
            let written = format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000);
            assert_eq!(
                millis(written.parse().unwrap(), 0, 100),
                Ok(thousandths),
                "{written}"
            );
        }
        let error = Err(SecondsError {
            min: 0,
            max: 86_400,
        });
        for seconds in [
            0.000_1,
            1.234_5,
            86_399.999_9,
            86_400.001,
            -0.001,
            f64::NAN,
            f64::INFINITY,
        ] {
            assert_eq!(millis(seconds, 0, 86_400), error, "{seconds}");
        }
        assert_eq!(millis(86_400.0, 0, 86_400), Ok(86_400_000));
        assert_eq!(millis(-0.0, 0, 86_400), Ok(0));
    }
}
