//! The writes of the write path and their commands.

use posthorn_application::{Append, AppendBatch, Idempotency};
use posthorn_domain::{Durability, IdempotencyKey, MessageParts, Timestamp, Topic};
use redis::Cmd;

use crate::call_span::Operation;
use crate::keys;
use crate::store::record::{self, ATTRIBUTE, CONTENT, KEY, SUM, TRACEPARENT};
use crate::store::scripts::{
    APPEND_BATCH, APPEND_ONCE, PROBE, PipelinedScript, REVOKE, ScriptCall,
};

/// The most messages of batches in one pipeline, unless one batch has more: some ten milliseconds of the
/// server's time.
const MAX_BATCHED: usize = 2048;
/// The most calls of consumers in one pipeline. Each can return 200 messages: more of them could take
/// the server longer than the command time-out.
const MAX_CONSUMER_CALLS: usize = 32;

/// A write of one caller. It is moved often, so what is large is boxed.
pub(crate) enum Write {
    /// A message.
    Append(Box<Append>, AppendTime),
    /// A batch of messages.
    Batch(Box<AppendBatch>, AppendTime),
    /// A step of a consumer.
    Consumer(Box<ConsumerScriptCall>),
    /// The revocation of a token.
    Revoke(Revocation),
    /// A write that stores nothing, at the node of that number; see [`keys::probe`].
    Probe(u32),
}

/// The time for an append.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AppendTime {
    /// The message is not dated before it.
    pub(crate) trusted: Timestamp,
    /// True if ids may be ahead of the server's clock: then a script finds the time of the message.
    pub(crate) is_scripted: bool,
}

/// A call of a script of one consumer, or of the consumers of one topic.
pub(crate) struct ConsumerScriptCall {
    pub(crate) script: &'static PipelinedScript,
    pub(crate) topic: Topic,
    /// `ARGV[4]` and those behind it.
    pub(crate) arguments: Vec<String>,
    pub(crate) kind: CallKind,
}

/// The revocation of a token: its key, and its TTL in milliseconds.
pub(crate) struct Revocation {
    pub(crate) key: String,
    pub(crate) ttl: u64,
}

/// What a call of a consumer script needs around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallKind {
    /// It can create the topic, and its reply waits for the durability.
    Create,
    /// Its reply waits for the durability.
    Durable,
    /// Its reply waits for nothing: a lease that is lost is granted again, and a status is of the past.
    Volatile,
}

impl Write {
    /// The topic that must be fenced first, and true if the write can create it.
    pub(crate) fn fenced_topic(&self) -> Option<(&Topic, bool)> {
        match self {
            Self::Append(append, _) => Some((&append.message.topic, true)),
            Self::Batch(append, _) => Some((&append.topic, true)),
            Self::Consumer(call) => Some((&call.topic, call.kind == CallKind::Create)),
            Self::Revoke(_) | Self::Probe(_) => None,
        }
    }

    /// The idempotency key of an append.
    pub(crate) fn idempotency_key(&self) -> Option<&IdempotencyKey> {
        let idempotency = match self {
            Self::Append(append, _) => append.idempotency.as_ref(),
            Self::Batch(append, _) => append.idempotency.as_ref(),
            Self::Consumer(_) | Self::Revoke(_) | Self::Probe(_) => None,
        };
        idempotency.map(|idempotency| &idempotency.key)
    }

    /// The topic that receives a message, which is announced. The scripts of consumers announce
    /// themselves.
    pub(crate) fn announced_topic(&self) -> Option<&Topic> {
        match self {
            Self::Append(append, _) => Some(&append.message.topic),
            Self::Batch(append, _) => Some(&append.topic),
            Self::Consumer(_) | Self::Revoke(_) | Self::Probe(_) => None,
        }
    }

    /// True if a reply must wait for the durability.
    pub(crate) fn is_durable(&self) -> bool {
        !matches!(self, Self::Consumer(call) if call.kind == CallKind::Volatile)
    }

    /// The key of a mark for a write that may change nothing although its reply waits for the durability.
    pub(crate) fn mark(&self, prefix: &str) -> Option<String> {
        match self {
            Self::Consumer(call) if self.is_durable() => Some(keys::mark(prefix, &call.topic)),
            Self::Probe(tag) => Some(keys::node_mark(prefix, *tag)),
            // They always write.
            Self::Append(..) | Self::Batch(..) | Self::Revoke(_) | Self::Consumer(_) => None,
        }
    }

    /// What the write does, for its span.
    pub(crate) fn operation(&self) -> Operation {
        Operation::command(match self {
            Self::Append(append, time) if append.idempotency.is_none() && !time.is_scripted => {
                "XADD"
            }
            Self::Probe(_) => "EVAL",
            Self::Append(..) | Self::Batch(..) | Self::Consumer(_) | Self::Revoke(_) => "EVALSHA",
        })
    }

    /// The command; an append stores `durability` in the record of its idempotency key.
    pub(crate) fn command(&self, prefix: &str, durability: Durability, call: ScriptCall) -> Cmd {
        match self {
            Self::Append(append, time) => append_command(prefix, append, *time, durability, call),
            Self::Batch(append, time) => batch_command(prefix, append, *time, durability, call),
            Self::Consumer(consumer) => consumer.command(prefix, call),
            Self::Revoke(Revocation { key, ttl }) => {
                let mut command = REVOKE.command(call);
                command.arg(1).arg(key).arg(ttl);
                command
            }
            Self::Probe(tag) => probe_command(prefix, *tag),
        }
    }
}

impl ConsumerScriptCall {
    /// The command of the call.
    pub(crate) fn command(&self, prefix: &str, call: ScriptCall) -> Cmd {
        let mut command = self.script.topic_command(call, prefix, &self.topic);
        command
            .arg(keys::wake(prefix))
            .arg(self.topic.as_str())
            .arg(&self.arguments);
        command
    }
}

/// The number of the first of `writes` that share a pipeline; at least 1, or none would be written.
pub(crate) fn pipeline_length<'a>(writes: impl Iterator<Item = &'a Write>) -> usize {
    let (mut calls, mut batched) = (0, 0);
    let fits = |write: &&Write| {
        match write {
            Write::Consumer(_) => calls += 1,
            Write::Batch(append, _) => batched += append.batch.len(),
            Write::Append(..) | Write::Revoke(_) | Write::Probe(_) => {}
        }
        calls <= MAX_CONSUMER_CALLS && batched <= MAX_BATCHED
    };
    writes.take_while(fits).count().max(1)
}

fn append_command(
    prefix: &str,
    append: &Append,
    time: AppendTime,
    durability: Durability,
    call: ScriptCall,
) -> Cmd {
    let topic = &append.message.topic;
    let mut command = if let Some(idempotency) = &append.idempotency {
        let mut command = APPEND_ONCE.command(call);
        command
            .arg(3)
            .arg(keys::messages(prefix, topic))
            .arg(keys::idempotency(prefix, topic, &idempotency.key))
            .arg(keys::fence(prefix, topic))
            .arg(ttl_millis(idempotency))
            .arg(record::receipt_tail(
                durability,
                &idempotency.fingerprint,
                &append.instance,
            ))
            .arg(u8::from(durability == Durability::Replicated))
            .arg(time.trusted.as_millis())
            .arg(KEY)
            .arg(idempotency.key.as_str());
        command
    } else if time.is_scripted {
        let mut command = APPEND_ONCE.command(call);
        command.arg(1).arg(keys::messages(prefix, topic));
        command.arg(0).arg("").arg(0).arg(time.trusted.as_millis());
        command.arg(KEY).arg("");
        command
    } else {
        let mut command = redis::cmd("XADD");
        command.arg(keys::messages(prefix, topic)).arg("*");
        command
    };
    add_fields(&mut command, append.message.parts());
    command
}

fn batch_command(
    prefix: &str,
    append: &AppendBatch,
    time: AppendTime,
    durability: Durability,
    call: ScriptCall,
) -> Cmd {
    let AppendBatch {
        topic,
        batch,
        instance,
        idempotency,
    } = append;
    let mut command = APPEND_BATCH.command(call);
    command
        .arg(2 + u8::from(idempotency.is_some()))
        .arg(keys::messages(prefix, topic))
        .arg(keys::fence(prefix, topic));
    if let Some(idempotency) = idempotency {
        let tail = record::receipt_tail(durability, &idempotency.fingerprint, instance);
        command
            .arg(keys::idempotency(prefix, topic, &idempotency.key))
            .arg(batch.len())
            .arg(ttl_millis(idempotency))
            .arg(tail)
            .arg(u8::from(durability == Durability::Replicated))
            .arg(time.trusted.as_millis())
            .arg(KEY)
            .arg(idempotency.key.as_str());
    } else {
        command
            .arg(batch.len())
            .arg(0)
            .arg("")
            .arg(0)
            .arg(time.trusted.as_millis())
            .arg(KEY)
            .arg("");
    }
    for message in batch.messages() {
        let optional = message.attributes.len() + usize::from(message.traceparent.is_some());
        command.arg(4 + 2 * optional);
        add_fields(&mut command, message.parts());
    }
    command
}

/// Adds the fields and values of an entry.
fn add_fields(command: &mut Cmd, parts: MessageParts<'_>) {
    command.arg(CONTENT).arg(parts.content.as_str());
    for (key, value) in parts.attributes.iter() {
        command.arg(format!("{ATTRIBUTE}{key}")).arg(value);
    }
    if let Some(traceparent) = parts.traceparent {
        command.arg(TRACEPARENT).arg(traceparent.as_str());
    }
    command.arg(SUM).arg(record::checksum(parts));
}

fn ttl_millis(idempotency: &Idempotency) -> u64 {
    let ttl = u64::try_from(idempotency.ttl.as_millis()).unwrap_or(keys::MAX_TTL_MILLIS);
    ttl.clamp(1, keys::MAX_TTL_MILLIS)
}

/// An append by a script to a stream that never exists and that it must not create.
fn probe_command(prefix: &str, tag: u32) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command
        .arg(PROBE)
        .arg(1)
        .arg(keys::probe(prefix, tag))
        .arg(CONTENT)
        .arg(keys::wake(prefix));
    command
}
