//! Numbers of seconds with at most three decimals.

use posthorn_domain::{BackoffSchedule, SecondsError};
use serde::Serialize;

use crate::wire::fields::{Fields, number};
use crate::wire::problem::FieldCode;

/// A number with at most three decimals.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Seconds {
    Whole(u32),
    Decimal(f64),
}

/// From thousandths: milliseconds for seconds.
impl From<u32> for Seconds {
    fn from(thousandths: u32) -> Self {
        if thousandths.is_multiple_of(1_000) {
            Self::Whole(thousandths / 1_000)
        } else {
            Self::Decimal(f64::from(thousandths) / 1_000.0)
        }
    }
}

/// The waits of a schedule.
pub(crate) fn waits(schedule: &BackoffSchedule) -> Vec<Seconds> {
    let waits = schedule.as_millis().iter();
    waits.map(|millis| Seconds::from(*millis)).collect()
}

/// Takes a schedule; each wait that is out of range is named by its index, from 0.
pub(crate) fn schedule(fields: &mut Fields, name: &str) -> Option<BackoffSchedule> {
    let numbers = fields.take_list(name, BackoffSchedule::MAX_LENGTH, |value| {
        let number = number(value)?;
        let checked = BackoffSchedule::parse(&[number]).map(|_| number);
        checked.map_err(|_| FieldCode::Seconds {
            min: 0,
            max: BackoffSchedule::MAX_SECONDS,
        })
    })?;
    // Every wait is in range, and so is their number.
    BackoffSchedule::parse(&numbers).ok()
}

/// The rule that a number of seconds breaks.
pub(crate) fn seconds(error: SecondsError) -> FieldCode {
    FieldCode::Seconds {
        min: error.min,
        max: error.max,
    }
}
