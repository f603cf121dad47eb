//! An output for tests.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

/// Stores each write as text. Clones share their writes.
#[derive(Clone, Default)]
pub(crate) struct MemoryOutput(Arc<Mutex<Vec<String>>>);

impl MemoryOutput {
    /// The writes in their order.
    pub(crate) fn writes(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Write for MemoryOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        self.0.lock().unwrap().push(text);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
