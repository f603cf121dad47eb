//! The Lua scripts. Each file documents its KEYS and ARGV, its reply, and why it is one script. All
//! times are those of the server.

use std::sync::LazyLock;

use redis::{Cmd, Script};

/// Appends a message unless its idempotency key was used before.
const APPEND_ONCE: &str = include_str!("scripts/append_once.lua");
/// Removes what a torn append-only file may have restored.
pub(super) const FENCE: &str = include_str!("scripts/fence.lua");
/// Removes messages that exceed the retention of their topic.
pub(super) const PRUNE: &str = include_str!("scripts/prune.lua");
/// Reads a page.
pub(super) static PAGE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/page.lua")));

/// The command of a script in a pipeline.
///
/// [`Script`] loads itself when the server replies `NOSCRIPT`, but not inside a pipeline. So a
/// pipeline has the hash first, and the text in a second pipeline for the calls that failed so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScriptCall {
    /// By the hash of the script, which the server may not have.
    EvalSha,
    /// By the text of the script, which the server then has.
    Eval,
}

/// The beginning of a call of [`APPEND_ONCE`]; the number of keys follows.
pub(super) fn append_once(call: ScriptCall) -> Cmd {
    static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(APPEND_ONCE));
    let (name, script) = match call {
        ScriptCall::EvalSha => ("EVALSHA", SCRIPT.get_hash()),
        ScriptCall::Eval => ("EVAL", APPEND_ONCE),
    };
    let mut command = redis::cmd(name);
    command.arg(script);
    command
}
