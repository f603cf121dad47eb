//! A lease on a message: which attempt it is, how long it holds, and the token that proves it.

mod attempt;
mod batch;
mod duration;
mod token;

pub use attempt::{Attempt, AttemptError};
pub use batch::{LeaseBatch, LeaseBatchError};
pub use duration::LeaseDuration;
pub use token::{LeaseNonce, LeaseToken};
