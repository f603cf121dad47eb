//! An action for the moment at which a response is written to a client that is still there.
//!
//! Gap: actix-http drops a body before it writes its last bytes, and writes to a client that is gone: the first write
//! after that succeeds. No public issue found. Red without it: `a_response_to_a_client_that_is_gone_is_not_written`.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

type WrittenAction = Box<dyn FnOnce()>;

/// The action of one connection. Every request has it as `conn_data`.
#[derive(Clone, Default)]
pub struct OnWritten(Rc<RefCell<Option<WrittenAction>>>);

impl OnWritten {
    /// Sets what is done once all that the application has handed over is written: a body calls this in the poll that
    /// returns its last bytes. The action is dropped instead if they cannot be written, or if the client has closed its
    /// sending half before.
    pub fn set(&self, action: impl FnOnce() + 'static) {
        self.replace(Some(Box::new(action)));
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Runs the action: all is written.
    pub(crate) fn run(&self) {
        if let Some(action) = self.replace(None) {
            action();
        }
    }

    /// Drops the action: what was handed over will not be written.
    pub(crate) fn clear(&self) {
        drop(self.replace(None));
    }

    /// The borrow ends before an action is run or dropped: either may set another one.
    fn replace(&self, action: Option<WrittenAction>) -> Option<WrittenAction> {
        std::mem::replace(&mut *self.0.borrow_mut(), action)
    }
}

impl fmt::Debug for OnWritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OnWritten(is_set: {})", self.is_set())
    }
}
