//! Failures that a test requests in advance.

use std::sync::{Mutex, PoisonError};

/// The number of next calls that fail, and their error.
#[derive(Debug)]
pub(super) struct Script<E>(Mutex<Option<(usize, E)>>);

impl<E> Default for Script<E> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<E: Clone> Script<E> {
    /// Lets the next `count` calls fail with `error`; replaces an earlier request.
    pub(super) fn fail_next(&self, count: usize, error: E) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((count, error));
    }

    /// The error of this call, if it is to fail.
    pub(super) fn play(&self) -> Result<(), E> {
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((count, error)) if *count > 0 => {
                *count -= 1;
                Err(error.clone())
            }
            _ => Ok(()),
        }
    }
}
