//! Kills a server when the test process ends without running destructors.

use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A shell that waits for the end of this process, which closes its standard input, then kills the server
/// and removes its directory. Dropping the guard only ends the shell.
pub(super) struct Guard(Child);

impl Guard {
    pub(super) fn watch(server: u32, directory: &Path) -> Self {
        let shell = Command::new("sh")
            .args(["-c", r#"read _; kill -9 "$1"; rm -rf "$2""#, "guard"])
            .arg(server.to_string())
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("`sh` starts");
        Self(shell)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
