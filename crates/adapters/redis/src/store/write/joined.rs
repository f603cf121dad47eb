//! Joins the calls of a pipeline that can share a script: the pulls of one consumer, and its
//! acknowledgements. Most of a call's cost is that of the script, not of its messages.
//!
//! A joined call takes effect at the place of the first one. The calls of a pipeline are concurrent: no
//! caller has a reply yet, so none relies on their order.

use std::collections::{HashMap, HashSet};

use redis::{Cmd, ErrorKind, RedisError, RedisResult, Value};

use super::command::{ConsumerScriptCall, Write};
use super::job::WriteJob;
use crate::store::scripts::{PULL, ScriptCall, UPDATE};

/// The most messages that joined pulls ask for: a Lua script can pass some thousand arguments on.
const MAX_PULLED: usize = 1_000;
/// The most leases that joined acknowledgements settle.
const MAX_SETTLED: usize = 1_000;
/// The arguments that the joined pulls share: the consumer and the most bytes.
const PULL_SHARED: usize = 2;
/// The arguments of one pull.
const PULL_ARGUMENTS: usize = 3;
/// The items of the reply to one pull.
const PULL_ITEMS: usize = 5;

/// How a call is joined with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum JoinKind {
    Pull,
    Acknowledgement,
}

/// The jobs of a pipeline in groups, each of which is one command.
pub(super) struct JoinedJobs {
    /// The numbers of the jobs.
    groups: Vec<JobGroup>,
}

struct JobGroup {
    kind: Option<JoinKind>,
    jobs: Vec<usize>,
}

/// A group that more calls can join.
struct OpenGroup<'a> {
    number: usize,
    size: usize,
    ids: HashSet<&'a str>,
}

impl JoinedJobs {
    /// Joins what can be joined of `jobs`.
    pub(super) fn new(jobs: &[WriteJob]) -> Self {
        let mut groups: Vec<JobGroup> = Vec::with_capacity(jobs.len());
        let mut open: HashMap<_, OpenGroup<'_>> = HashMap::new();
        for (number, job) in jobs.iter().enumerate() {
            let Some((kind, call)) = joinable(job) else {
                groups.push(JobGroup {
                    kind: None,
                    jobs: vec![number],
                });
                continue;
            };
            let key = (kind, &call.topic, call.arguments.first());
            if let Some(group) = open.get_mut(&key)
                && group.admits(kind, call)
                && let Some(joined) = groups.get_mut(group.number)
            {
                group.add(kind, call);
                joined.jobs.push(number);
                continue;
            }
            let mut group = OpenGroup {
                number: groups.len(),
                size: 0,
                ids: HashSet::new(),
            };
            group.add(kind, call);
            open.insert(key, group);
            groups.push(JobGroup {
                kind: Some(kind),
                jobs: vec![number],
            });
        }
        Self { groups }
    }

    /// The number of commands.
    pub(super) const fn len(&self) -> usize {
        self.groups.len()
    }

    /// The first job of each command and the command of a joined call; `None` for the command of
    /// the job itself.
    pub(super) fn commands<'a>(
        &self,
        jobs: &'a [WriteJob],
        prefix: &str,
        call: ScriptCall,
    ) -> Vec<(&'a WriteJob, Option<Cmd>)> {
        let command = |group: &JobGroup| {
            let (first, others) = group.jobs.split_first()?;
            let first = jobs.get(*first)?;
            let Write::Consumer(script) = &first.write else {
                return Some((first, None));
            };
            if others.is_empty() {
                return Some((first, None));
            }
            let mut command = script.command(prefix, call);
            for other in others.iter().filter_map(|number| jobs.get(*number)) {
                if let (Some(kind), Write::Consumer(other)) = (group.kind, &other.write) {
                    command.arg(kind.own_arguments(other));
                }
            }
            Some((first, Some(command)))
        };
        self.groups.iter().filter_map(command).collect()
    }

    /// The reply to each of `jobs`, by the replies to the commands.
    pub(super) fn split(
        &self,
        jobs: &[WriteJob],
        replies: Vec<RedisResult<Value>>,
    ) -> Vec<RedisResult<Value>> {
        let missing = || {
            Err(RedisError::from((
                ErrorKind::UnexpectedReturnType,
                "no reply",
            )))
        };
        let mut split: Vec<_> = jobs.iter().map(|_| missing()).collect();
        for (group, reply) in self.groups.iter().zip(replies) {
            let calls = group.jobs.iter().filter_map(|number| jobs.get(*number));
            let parts = match (group.kind, reply) {
                (Some(kind), Ok(Value::Array(items))) if group.jobs.len() > 1 => {
                    kind.split(calls, items)
                }
                (_, reply) => vec![reply; group.jobs.len()],
            };
            for (number, part) in group.jobs.iter().zip(parts) {
                if let Some(place) = split.get_mut(*number) {
                    *place = part;
                }
            }
        }
        split
    }
}

impl JoinKind {
    /// The arguments of a call that are its own.
    fn own_arguments(self, call: &ConsumerScriptCall) -> &[String] {
        // Those of an acknowledgement follow the consumer, the operation, the length and the reason.
        let shared = match self {
            Self::Pull => PULL_SHARED,
            Self::Acknowledgement => 4,
        };
        call.arguments.get(shared..).unwrap_or_default()
    }

    /// Splits the reply to a joined call.
    fn split<'a>(
        self,
        jobs: impl Iterator<Item = &'a WriteJob>,
        items: Vec<Value>,
    ) -> Vec<RedisResult<Value>> {
        // The status; behind it, the time of an acknowledgement.
        let shared = match self {
            Self::Pull => 1,
            Self::Acknowledgement => 2,
        };
        if items.len() <= shared {
            let reply = Value::Array(items);
            return jobs.map(|_| Ok(reply.clone())).collect();
        }
        let mut items = items.into_iter();
        let head: Vec<_> = items.by_ref().take(shared).collect();
        jobs.map(|job| {
            let own = match (self, &job.write) {
                (Self::Pull, _) => PULL_ITEMS,
                (Self::Acknowledgement, Write::Consumer(call)) => {
                    self.own_arguments(call).len() / 2
                }
                (Self::Acknowledgement, _) => 0,
            };
            let own = items.by_ref().take(own);
            Ok(Value::Array(head.iter().cloned().chain(own).collect()))
        })
        .collect()
    }
}

impl<'a> OpenGroup<'a> {
    /// False if the group would be too large, or if a lease would be settled twice: the second
    /// acknowledgement of a lease must find it stale.
    fn admits(&self, kind: JoinKind, call: &ConsumerScriptCall) -> bool {
        let most = match kind {
            JoinKind::Pull => MAX_PULLED,
            JoinKind::Acknowledgement => MAX_SETTLED,
        };
        self.size.saturating_add(size(kind, call)) <= most
            && ids(kind, call).all(|id| !self.ids.contains(id))
    }

    fn add(&mut self, kind: JoinKind, call: &'a ConsumerScriptCall) {
        self.size = self.size.saturating_add(size(kind, call));
        self.ids.extend(ids(kind, call));
    }
}

/// The call of a job that can be joined with others.
fn joinable(job: &WriteJob) -> Option<(JoinKind, &ConsumerScriptCall)> {
    let Write::Consumer(call) = &job.write else {
        return None;
    };
    if job.asking {
        return None;
    }
    let count = call.arguments.len();
    if std::ptr::eq(call.script, &raw const PULL) && count == PULL_SHARED + PULL_ARGUMENTS {
        return Some((JoinKind::Pull, call));
    }
    let is_ack = call
        .arguments
        .get(1)
        .is_some_and(|operation| operation == "ack");
    let is_update = std::ptr::eq(call.script, &raw const UPDATE);
    (is_update && is_ack).then_some((JoinKind::Acknowledgement, call))
}

/// The messages that a pull asks for, or the leases of an acknowledgement.
fn size(kind: JoinKind, call: &ConsumerScriptCall) -> usize {
    let own = kind.own_arguments(call);
    match kind {
        JoinKind::Pull => own
            .first()
            .and_then(|limit| limit.parse().ok())
            .unwrap_or(MAX_PULLED),
        JoinKind::Acknowledgement => own.len() / 2,
    }
}

/// The ids of the leases of an acknowledgement.
fn ids(kind: JoinKind, call: &ConsumerScriptCall) -> impl Iterator<Item = &str> {
    let own = match kind {
        JoinKind::Pull => &[],
        JoinKind::Acknowledgement => kind.own_arguments(call),
    };
    own.iter().step_by(2).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use posthorn_application::PullRequest;
    use posthorn_domain::{
        Attempt, LeaseNonce, LeaseToken, MessageId, PullLimit, Timestamp, Topic,
    };
    use tokio::sync::oneshot;

    use super::*;
    use crate::store::consumers::arguments;
    use crate::store::scripts::{PipelinedScript, STATUS};
    use crate::store::write::command::CallKind;

    fn job(script: &'static PipelinedScript, name: &str, arguments: Vec<String>) -> WriteJob {
        let call = ConsumerScriptCall {
            script,
            topic: Topic::inbox(),
            arguments: [vec![name.to_owned()], arguments].concat(),
            kind: CallKind::Volatile,
        };
        WriteJob {
            write: Write::Consumer(Box::new(call)),
            asking: false,
            reply: oneshot::channel().0,
        }
    }

    fn pull(name: &str, limit: u64) -> WriteJob {
        let request = PullRequest {
            limit: PullLimit::parse(limit).unwrap(),
            lease: None,
            nonce: LeaseNonce::from_bits(limit),
        };
        job(&PULL, name, arguments::pull(request))
    }

    /// An operation on the leases of the messages with these numbers.
    fn update(operation: &str, leases: &[u16]) -> WriteJob {
        let lease = |seq: &u16| LeaseToken {
            id: MessageId::new(Timestamp::default(), u64::from(*seq)),
            attempt: Attempt::FIRST,
            nonce: LeaseNonce::from_bits(7),
        };
        let leases: Vec<_> = leases.iter().map(lease).collect();
        job(
            &UPDATE,
            "c:a",
            arguments::update(&leases, operation, None, None),
        )
    }

    fn ack(leases: &[u16]) -> WriteJob {
        update("ack", leases)
    }

    #[track_caller]
    fn check_groups(jobs: &[WriteJob], expected: &[&[usize]]) {
        let joined = JoinedJobs::new(jobs);
        let groups: Vec<_> = joined.groups.iter().map(|group| &group.jobs[..]).collect();
        assert_eq!(groups, expected);
    }

    #[test]
    fn pulls_and_acknowledgements_of_one_consumer_are_joined() {
        let jobs = [
            pull("c:a", 1),
            ack(&[1]),
            job(&STATUS, "c:a", Vec::new()),
            pull("c:b", 1),
            pull("c:a", 5),
            update("nack", &[2]),
            ack(&[3, 4]),
        ];
        check_groups(&jobs, &[&[0, 4], &[1, 6], &[2], &[3], &[5]]);
    }

    #[test]
    fn no_lease_is_twice_in_one_call_and_no_call_is_too_large() {
        let twice = [ack(&[1]), ack(&[1]), ack(&[2])];
        check_groups(&twice, &[&[0], &[1, 2]]);
        let large: Vec<_> = (0..6).map(|_| pull("c:a", 200)).collect();
        check_groups(&large, &[&[0, 1, 2, 3, 4], &[5]]);
    }

    #[test]
    fn each_job_gets_its_part_of_the_reply() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let jobs = [ack(&[1]), ack(&[2, 3])];
        let joined = JoinedJobs::new(&jobs);
        let bits = [1, 0, 1].map(Value::Int);
        let reply = [text("ok"), Value::Int(9)].into_iter().chain(bits);
        let parts = joined.split(&jobs, vec![Ok(Value::Array(reply.collect()))]);
        let parts: Vec<_> = parts.into_iter().map(Result::unwrap).collect();
        let part = |bits: &[i64]| {
            let bits = bits.iter().copied().map(Value::Int);
            Value::Array(
                [text("ok"), Value::Int(9)]
                    .into_iter()
                    .chain(bits)
                    .collect(),
            )
        };
        assert_eq!(parts, [part(&[1]), part(&[0, 1])]);

        let absent = Value::Array(vec![text("absent")]);
        let parts = joined.split(&jobs, vec![Ok(absent.clone())]);
        assert!(parts.into_iter().all(|part| part.unwrap() == absent));
        let parts = joined.split(&jobs, Vec::new());
        assert!(parts.into_iter().all(|part| part.is_err()));
    }
}
