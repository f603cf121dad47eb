//! The arguments of the scripts of consumers.

use std::time::Duration;

use posthorn_application::{ByteBudget, Precondition, PullRequest, PutConsumer};
use posthorn_domain::{ConsumerPosition, FailureReason, LeaseNonce, LeaseToken, MessageId};

use crate::store::record::padded_id;

/// The arguments of a creation or of new settings.
pub(super) fn put(put: &PutConsumer, max_consumers: usize) -> Vec<String> {
    let settings = &put.settings;
    let waits = settings.backoff.as_millis().iter().map(u32::to_string);
    let backoff: Vec<_> = waits.collect();
    let mut arguments = precondition(&put.precondition);
    arguments.extend([
        put.tag.to_string(),
        settings.lease.as_millis().to_string(),
        settings.max_attempts.to_string(),
        backoff.join(" "),
        settings.max_in_flight.get().to_string(),
    ]);
    arguments.extend(position(put.start));
    arguments.push(max_consumers.to_string());
    arguments
}

/// The kind of a precondition and its tags.
pub(super) fn precondition(precondition: &Precondition) -> Vec<String> {
    let (kind, tags) = match precondition {
        Precondition::None => ("none", &[][..]),
        Precondition::Exists => ("exists", &[][..]),
        Precondition::Absent => ("absent", &[][..]),
        Precondition::Matches(tags) => ("matches", &tags[..]),
        Precondition::Differs(tags) => ("differs", &tags[..]),
    };
    let tags: Vec<_> = tags.iter().map(ToString::to_string).collect();
    vec![kind.to_owned(), tags.join(" ")]
}

/// The kind of a position and its id. The script knows the newest id of the topic.
pub(super) fn position(position: ConsumerPosition) -> Vec<String> {
    let kind = match position {
        ConsumerPosition::Newest => "newest",
        ConsumerPosition::Oldest | ConsumerPosition::After(_) | ConsumerPosition::From(_) => {
            "after"
        }
    };
    vec![kind.to_owned(), padded_id(position.cursor(MessageId::MIN))]
}

/// The arguments of a call for one pull.
pub(in crate::store) fn pull(request: PullRequest) -> Vec<String> {
    let lease = request.lease.map(|lease| lease.as_millis().to_string());
    vec![
        ByteBudget::MAX.to_string(),
        request.limit.get().to_string(),
        lease.unwrap_or_default(),
        nonce(request.nonce),
    ]
}

/// The arguments of an update; `length` is a delay or a lease.
pub(in crate::store) fn update(
    leases: &[LeaseToken],
    operation: &str,
    length: Option<Duration>,
    reason: Option<&FailureReason>,
) -> Vec<String> {
    let mut arguments = vec![
        operation.to_owned(),
        length.map_or_else(String::new, |length| length.as_millis().to_string()),
        reason.map_or_else(|| "-".to_owned(), |reason| format!("+{reason}")),
    ];
    for lease in leases {
        let proof = format!(" {} {} ", lease.attempt, nonce(lease.nonce));
        arguments.extend([padded_id(lease.id), proof]);
    }
    arguments
}

/// The arguments of a redrive.
pub(super) fn redrive(ids: &[MessageId]) -> Vec<String> {
    ids.iter().copied().map(padded_id).collect()
}

/// The text of a nonce: 16 hexadecimal digits.
pub(super) fn nonce(nonce: LeaseNonce) -> String {
    format!("{:016x}", nonce.to_bits())
}
