//! Calls of scripts that need the number of messages up to a position.
//!
//! Redis finds no position by its number, so the messages are counted. A long count is done in parts, between
//! which Redis executes other commands, and is used if no message was removed meanwhile.

use std::time::Duration;

use posthorn_application::{ConsumerError, StoreError};
use posthorn_domain::ConsumerKey;
use redis::Value;
use tokio::time::timeout;

use crate::failure::RedisFailure;
use crate::store::RedisStore;
use crate::store::consumers::replies;
use crate::store::record::from_value;
use crate::store::scripts::{self, PipelinedScript};
use crate::store::write::command::CallKind;

/// The most messages that one script counts: about 10 ms.
const PART: usize = 4_000;
/// How often messages may be removed during the count, until one script counts everything.
const COUNTS: usize = 3;
/// The time limit of a count: some millions of messages.
const BOUND: Duration = Duration::from_secs(20);

/// A count: the cursor, the messages that were removed by then, and the number.
type Counted = [String; 3];

impl RedisStore {
    /// Calls `script`, whose last arguments are the count.
    pub(super) async fn call_counting(
        &self,
        kind: CallKind,
        script: &'static PipelinedScript,
        key: &ConsumerKey,
        arguments: Vec<String>,
    ) -> Result<Vec<Value>, ConsumerError> {
        let mut counted = Counted::default();
        for attempt in 0..=COUNTS {
            let budget = if attempt < COUNTS {
                PART.to_string()
            } else {
                String::new()
            };
            let mut arguments = arguments.clone();
            arguments.push(budget);
            arguments.extend(counted);
            let reply = self.call_raw(kind, script, key, arguments).await?;
            match replies::cursor_to_count(&reply)? {
                Some(cursor) => counted = self.count(key, cursor).await?,
                None => return replies::outcome(reply),
            }
        }
        Err(StoreError::Unavailable("the position could not be counted".to_owned()).into())
    }

    async fn count(&self, key: &ConsumerKey, cursor: String) -> Result<Counted, ConsumerError> {
        timeout(BOUND, self.count_parts(key, cursor))
            .await
            .unwrap_or_else(|_| Err(StoreError::from(RedisFailure::timed_out("a count")).into()))
    }

    async fn count_parts(
        &self,
        key: &ConsumerKey,
        cursor: String,
    ) -> Result<Counted, ConsumerError> {
        let mut progress = vec![String::new(); 6];
        loop {
            let mut arguments = vec![cursor.clone(), PART.to_string()];
            arguments.append(&mut progress);
            let reply = self
                .call(CallKind::Volatile, &scripts::COUNT, key, arguments)
                .await?;
            let (number, after): (i64, Vec<String>) = from_value(Value::Array(reply))?;
            if number >= 0 {
                let removed = after.into_iter().next().unwrap_or_default();
                return Ok([cursor, removed, number.to_string()]);
            }
            progress = after;
        }
    }
}
