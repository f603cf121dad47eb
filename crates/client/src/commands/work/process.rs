//! Runs the command of a message.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};

use super::environment::variables;
use crate::api::ReceivedMessage;

/// Kills a process and its children when it is dropped before the process ended.
struct ProcessGroup(Option<Pid>);

/// Runs the command with the message on standard input. Returns why the command failed; `None` for
/// exit code 0.
///
/// # Errors
/// The command cannot be started.
pub(super) async fn run_command(
    command: &[OsString],
    message: &ReceivedMessage,
    json: bool,
) -> io::Result<Option<String>> {
    let mut child = spawn(command, message)?;
    let mut group = ProcessGroup::of(&child);
    let input = if json {
        // A line, as `read` of a shell needs it.
        let mut line = serde_json::to_vec(&message).map_err(io::Error::other)?;
        line.push(b'\n');
        line
    } else {
        message.text.clone().into_bytes()
    };
    let stdin = child.stdin.take();
    // The command need not read its input, nor close it: only its end counts.
    let status = tokio::select! {
        status = child.wait() => status,
        () = write_input(stdin, input) => child.wait().await,
    };
    group.disarm();
    Ok(failure(status?))
}

fn spawn(command: &[OsString], message: &ReceivedMessage) -> io::Result<Child> {
    let (program, arguments) = command
        .split_first()
        .ok_or_else(|| io::Error::other("no program is given"))?;
    Command::new(program)
        .args(arguments)
        .envs(variables(message))
        .stdin(Stdio::piped())
        // A group of its own: an interrupt from the terminal lets the command finish, and a kill
        // reaches the children of the command.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// Writes the input and closes it. A command that does not read it all is not a failure.
async fn write_input(stdin: Option<ChildStdin>, input: Vec<u8>) {
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(&input).await;
    }
}

/// Why the command failed; `None` for exit code 0.
fn failure(status: ExitStatus) -> Option<String> {
    match (status.code(), status.signal()) {
        (Some(0), _) => None,
        (Some(code), _) => Some(format!("exit code {code}")),
        (None, Some(signal)) => Some(format!("signal {signal}")),
        (None, None) => Some(status.to_string()),
    }
}

impl ProcessGroup {
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }

    /// Keeps the group, whose first process has ended: another group may get its number.
    fn disarm(&mut self) {
        self.0 = None;
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It fails only if no process is left.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
