//! A server that is stopped by SIGTERM when it is dropped: a killed nginx would leave its workers.

use crate::process::Process;

/// A running server; it is stopped when dropped.
#[derive(Debug)]
pub(super) struct StoppedProcess(Option<Process>);

impl StoppedProcess {
    /// Waits until `is_up` returns true.
    pub(super) fn up(process: Process, is_up: impl FnMut() -> bool) -> Result<Self, String> {
        let mut stopped = Self(Some(process));
        if let Some(process) = &mut stopped.0 {
            process.wait_for(is_up)?;
        }
        Ok(stopped)
    }

    /// Its process id; 0 once it is stopped.
    pub(super) fn id(&self) -> u32 {
        self.0.as_ref().map_or(0, Process::id)
    }
}

impl Drop for StoppedProcess {
    fn drop(&mut self) {
        // One that does not stop is killed when the process inside is dropped.
        if let Some(process) = self.0.take() {
            let _ = process.terminate();
        }
    }
}
