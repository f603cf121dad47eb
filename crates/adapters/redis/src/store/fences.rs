//! Which topics readers need not fence.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use posthorn_domain::Topic;
use redis::{Pipeline, Value};

use super::record;
use super::session::Session;
use crate::fault::Fault;
use crate::keys;

/// How many topics are remembered; fencing one again changes nothing.
const REMEMBERED: usize = 10_000;

/// The topics that were fenced, and how many connections had been replaced by then: a server that
/// was not reached anew has not been started anew.
#[derive(Default)]
pub(super) struct Fences {
    known: Mutex<HashMap<Topic, u64>>,
}

impl Fences {
    /// Fences `topic` unless that was done; see [`record::fence_command`].
    ///
    /// What is read tells more than what is not: a server that takes no writes is read all the same.
    pub(super) async fn fence(
        &self,
        session: &Session,
        prefix: &str,
        topic: &Topic,
        replacements: u64,
    ) {
        if self.lock().get(topic) == Some(&replacements) {
            return;
        }
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.add_command(record::fence_command(prefix, topic, false));
        let fenced: Result<[Value; 1], Fault> =
            session.query(keys::topic_slot(topic), &pipeline).await;
        match fenced {
            Ok(_) => {
                let mut known = self.lock();
                if known.len() >= REMEMBERED {
                    known.clear();
                }
                known.insert(topic.clone(), replacements);
            }
            Err(fault) => {
                let error = fault.into_text();
                tracing::debug!(%topic, error, "cannot fence the topic");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Topic, u64>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
