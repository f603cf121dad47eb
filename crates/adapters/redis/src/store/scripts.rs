//! The Lua scripts. Each file documents its KEYS and ARGV, its reply, and why it is one script. All
//! times are those of the server.

use std::sync::{LazyLock, OnceLock};

use posthorn_domain::Topic;
use redis::{Cmd, Script};

use crate::keys;

/// Appends a message unless its idempotency key was used before.
pub(super) static APPEND_ONCE: PipelinedScript =
    PipelinedScript::new(include_str!("scripts/append_once.lua"));
/// Appends a batch unless its idempotency key was used before.
pub(super) static APPEND_BATCH: PipelinedScript =
    PipelinedScript::new(include_str!("scripts/append_batch.lua"));
/// Fails as an append does, and if the user lacks a command of the store. Always called by its text: a server that just
/// restarted has none.
pub(super) const PROBE: &str = include_str!("scripts/probe.lua");
/// Revokes a token.
pub(super) static REVOKE: PipelinedScript =
    PipelinedScript::new(include_str!("scripts/revoke.lua"));
/// Reads the clock of the server.
pub(super) static TIME: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/time.lua")));
/// Adds a topic to the index.
pub(super) static ADMIT: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/admit.lua")));
/// Reads a page.
pub(super) static PAGE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/page.lua")));

/// Defines scripts that share the functions of `consumers/common.lua`.
macro_rules! with_consumers {
    ($($(#[$doc:meta])* $name:ident = $file:literal;)*) => {
        $($(#[$doc])* pub(super) static $name: PipelinedScript = PipelinedScript::new(concat!(
            include_str!("scripts/consumers/common.lua"),
            include_str!($file)
        ));)*
    };
}

with_consumers! {
    /// Removes what a torn append-only file may have restored.
    FENCE = "scripts/fence.lua";
    /// Removes messages that exceed the retention of their topic.
    PRUNE = "scripts/prune.lua";
    /// Removes a message.
    DELETE = "scripts/delete.lua";
    /// Removes the oldest messages before an id.
    DELETE_BEFORE = "scripts/delete_before.lua";
    /// Creates a consumer or a webhook, or replaces its settings.
    PUT = "scripts/consumers/put.lua";
    /// Removes a consumer.
    REMOVE = "scripts/consumers/remove.lua";
    /// Reads settings and counts of a consumer.
    STATUS = "scripts/consumers/status.lua";
    /// Reads settings and counts of the consumers of one kind.
    LIST = "scripts/consumers/list.lua";
    /// Reads the state of one message at the consumers of one kind.
    DELIVERIES = "scripts/consumers/deliveries.lua";
    /// Leases messages.
    PULL = "scripts/consumers/pull.lua";
    /// Acknowledges, rejects, extends or releases leases.
    UPDATE = "scripts/consumers/update.lua";
    /// Ends the leases of a pull as if they had not been granted.
    GIVE_BACK = "scripts/consumers/give_back.lua";
    /// Moves the position of a consumer.
    SEEK = "scripts/consumers/seek.lua";
    /// Counts the messages up to an id.
    COUNT = "scripts/consumers/count.lua";
    /// Reads a page of dead letters.
    DEAD = "scripts/consumers/dead.lua";
    /// Makes dead letters wait again.
    REDRIVE = "scripts/consumers/redrive.lua";
    /// Reads the record, the health and the counts of a webhook.
    WEBHOOK = "scripts/consumers/webhook.lua";
    /// Reads the webhooks of a topic.
    WEBHOOKS = "scripts/consumers/webhooks.lua";
    /// Disables or enables a webhook.
    SET_DISABLED = "scripts/consumers/set_disabled.lua";
    /// Records attempts of a webhook.
    RECORD = "scripts/consumers/record.lua";
    /// Reads the last attempts of a webhook.
    ATTEMPTS = "scripts/consumers/attempts.lua";
    /// Makes settled messages wait again.
    REQUEUE = "scripts/consumers/requeue.lua";
    /// Removes a dead letter.
    DELETE_DEAD = "scripts/consumers/delete_dead.lua";
}

/// A script that is called in pipelines.
///
/// [`Script`] loads itself when the server replies `NOSCRIPT`, but not inside a pipeline. So a
/// pipeline has the hash first, and another one the text for the calls that failed so.
pub(super) struct PipelinedScript {
    text: &'static str,
    hashed: OnceLock<Script>,
}

/// The command that calls a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScriptCall {
    /// By the hash of the script, which the server may not have.
    EvalSha,
    /// By the text of the script, which the server then has.
    Eval,
}

impl PipelinedScript {
    const fn new(text: &'static str) -> Self {
        let hashed = OnceLock::new();
        Self { text, hashed }
    }

    /// The beginning of a call; the number of keys follows.
    pub(super) fn command(&self, call: ScriptCall) -> Cmd {
        let (name, script) = match call {
            ScriptCall::EvalSha => {
                let hashed = self.hashed.get_or_init(|| Script::new(self.text));
                ("EVALSHA", hashed.get_hash())
            }
            ScriptCall::Eval => ("EVAL", self.text),
        };
        let mut command = redis::cmd(name);
        command.arg(script);
        command
    }

    /// The beginning of a call of a script with `consumers/common.lua`: its keys and the first
    /// argument.
    pub(super) fn topic_command(&self, call: ScriptCall, prefix: &str, topic: &Topic) -> Cmd {
        let mut command = self.command(call);
        command
            .arg(4)
            .arg(keys::messages(prefix, topic))
            .arg(keys::fence(prefix, topic))
            .arg(keys::pruned(prefix, topic))
            .arg(keys::consumers(prefix, topic))
            .arg(keys::topic_prefix(prefix, topic));
        command
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The words in upper case between apostrophes.
    fn commands(text: &str) -> BTreeSet<&str> {
        let words = text.split('\'').skip(1).step_by(2);
        let is_name = |word: &&str| word.bytes().all(|byte| byte.is_ascii_uppercase());
        words
            .filter(|word| word.len() > 2)
            .filter(is_name)
            .collect()
    }

    #[test]
    fn the_probe_checks_every_command_of_the_scripts() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/scripts");
        let mut called = BTreeSet::new();
        for folder in [directory.to_owned(), format!("{directory}/consumers")] {
            for file in std::fs::read_dir(folder).unwrap() {
                let path = file.unwrap().path();
                if path.extension().is_none_or(|extension| extension != "lua") {
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap();
                for call in text.split("redis.").skip(1) {
                    let call = call.trim_start_matches('p').strip_prefix("call('");
                    let name = call.and_then(|rest| rest.split('\'').next());
                    called.extend(name.map(str::to_owned));
                }
            }
        }
        let checked = commands(PROBE);
        let missing: Vec<_> = called
            .iter()
            .filter(|name| !checked.contains(name.as_str()))
            .collect();
        assert!(called.len() > 40, "{called:?}");
        assert_eq!(missing, Vec::<&String>::new());
    }
}
