//! The waits between attempts, which consumers and webhooks have.

use posthorn_domain::{BackoffSchedule, RedeliveryDelay};

use crate::error::ClientError;
use crate::seconds::seconds;

/// The waits that `option` gives, in seconds; `None` if it is not given.
///
/// # Errors
/// There are too many.
pub(super) fn schedule_seconds(
    option: &'static str,
    waits: &[RedeliveryDelay],
) -> Result<Option<Vec<f64>>, ClientError> {
    if waits.is_empty() {
        return Ok(None);
    }
    let waits: Vec<f64> = waits.iter().map(|wait| seconds(wait.get())).collect();
    match BackoffSchedule::parse(&waits) {
        Ok(_) => Ok(Some(waits)),
        Err(error) => Err(ClientError::Argument {
            origin: option,
            reason: error.to_string(),
        }),
    }
}
