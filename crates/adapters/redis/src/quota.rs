//! The `QuotaCounter` port on Redis: one script and one round trip per decision.

use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use posthorn_application::{BackendError, QuotaCounter, QuotaDecision, QuotaKey, QuotaWindow};
use posthorn_domain::{QuotaRule, QuotaStrategy};
use redis::{RedisError, Script, ScriptInvocation};
use tokio::time::timeout;

use crate::call_span::{CallFailure, in_span};
use crate::deployment::pool::{RedisPool, SharedConnection};
use crate::failure::{Redirect, RedisFailure};
use crate::keys;
use crate::mutex::lock;
use crate::request::Request as _;

static FIXED_WINDOW: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("quota/fixed_window.lua")));
static MOVING_WINDOW: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("quota/moving_window.lua")));

/// Counts for all processes with the same Redis and prefix, by the clock of the server.
///
/// All calls share one connection. The time limit of a call is the checkout time-out plus the command
/// time-out, opening another connection included. A call over a connection that breaks is sent once
/// more; the request may then count twice, but never not at all.
///
/// Counts are lost with a server that loses its memory, and with a primary whose replica is promoted
/// before it has them.
pub struct RedisQuotaCounter {
    pool: RedisPool,
    state: Mutex<CounterState>,
}

#[derive(Default)]
struct CounterState {
    connection: Option<SharedConnection>,
    /// The number of connections opened so far.
    generation: u64,
}

/// The failure of an attempt.
enum QuotaAttemptError {
    /// Another connection may succeed.
    Retry(RedisFailure),
    /// A second attempt would fail as well, or there is no time for one.
    Failed(RedisFailure),
}

impl RedisQuotaCounter {
    /// A counter under the prefix of `pool`. It connects with its first call.
    pub fn new(pool: RedisPool) -> Self {
        Self {
            pool,
            state: Mutex::default(),
        }
    }

    async fn decide(
        &self,
        key: &QuotaKey,
        rule: &QuotaRule,
        count: u32,
    ) -> Result<QuotaDecision, BackendError> {
        let call = invocation(self.pool.prefix(), key, rule, count);
        let reply = timeout(self.pool.bound(), self.invoke(&call))
            .await
            .unwrap_or_else(|_| Err(RedisFailure::timed_out("a decision on a quota")))?;
        Ok(decision(rule, &reply)?)
    }

    async fn invoke(&self, call: &ScriptInvocation<'_>) -> Result<Vec<i64>, RedisFailure> {
        let attempt = || in_span(self.pool.call_span(|| call.operation()), self.attempt(call));
        let mut outcome = attempt().await;
        if let Err(QuotaAttemptError::Retry(_)) = outcome {
            outcome = attempt().await;
        }
        outcome.map_err(|error| match error {
            QuotaAttemptError::Retry(failure) | QuotaAttemptError::Failed(failure) => failure,
        })
    }

    async fn attempt(&self, call: &ScriptInvocation<'_>) -> Result<Vec<i64>, QuotaAttemptError> {
        let (mut connection, generation) =
            self.connection().await.map_err(QuotaAttemptError::Failed)?;
        let error = match self.pool.timed(call.invoke_async(&mut connection)).await {
            Some(Ok(reply)) => return Ok(reply),
            Some(Err(error)) => error,
            None => {
                self.discard(generation);
                return Err(QuotaAttemptError::Failed(RedisFailure::timed_out(
                    "a command",
                )));
            }
        };
        let failure = RedisFailure::from_error(&error);
        if !matches!(failure, RedisFailure::Transient(_)) {
            return Err(QuotaAttemptError::Failed(failure));
        }
        self.discard(generation);
        Err(if is_broken(&error) {
            QuotaAttemptError::Retry(failure)
        } else {
            QuotaAttemptError::Failed(failure)
        })
    }

    async fn connection(&self) -> Result<(SharedConnection, u64), RedisFailure> {
        {
            let state = lock(&self.state);
            if let Some(connection) = &state.connection {
                return Ok((connection.clone(), state.generation));
            }
        }
        let connection = self.pool.checkout().await?.into_shared();
        let mut state = lock(&self.state);
        state.generation += 1;
        state.connection = Some(connection.clone());
        Ok((connection, state.generation))
    }

    /// Drops the connection unless it is already replaced by one of a later generation.
    fn discard(&self, generation: u64) {
        let mut state = lock(&self.state);
        if state.generation == generation {
            state.connection = None;
        }
    }
}

impl CallFailure for QuotaAttemptError {
    fn failure(&self) -> &RedisFailure {
        match self {
            Self::Retry(failure) | Self::Failed(failure) => failure,
        }
    }
}

/// True if another connection may succeed: this one broke, or its server is no longer a primary.
fn is_broken(error: &RedisError) -> bool {
    let is_lost = error.is_io_error() && !error.is_timeout();
    is_lost || Redirect::from_error(error) == Some(Redirect::WrongNode)
}

fn invocation<'a>(
    prefix: &str,
    key: &QuotaKey,
    rule: &QuotaRule,
    count: u32,
) -> ScriptInvocation<'a> {
    let mut call = match rule.strategy() {
        QuotaStrategy::FixedWindow => FIXED_WINDOW.key(keys::quota_fixed(prefix, key)),
        QuotaStrategy::MovingWindow => MOVING_WINDOW.key(keys::quota_moving(prefix, key)),
    };
    call.arg(count);
    for quota in rule.limits() {
        call.arg(quota.window_seconds()).arg(quota.count());
    }
    call
}

/// Parses the reply of a script: allowed or not, then the use and the reset of each window.
fn decision(rule: &QuotaRule, reply: &[i64]) -> Result<QuotaDecision, RedisFailure> {
    let unreadable = || RedisFailure::Corrupt(format!("unexpected reply of a script: {reply:?}"));
    let (allowed, windows) = reply.split_first().ok_or_else(unreadable)?;
    if windows.len() != rule.limits().len() * 2 {
        return Err(unreadable());
    }
    let windows = rule.limits().iter().zip(windows.chunks_exact(2));
    let windows = windows.map(|(quota, numbers)| match numbers {
        [used, reset] => Some(QuotaWindow {
            quota: *quota,
            used: u32::try_from(*used).ok()?,
            reset: Duration::from_micros(u64::try_from(*reset).ok()?),
        }),
        _ => None,
    });
    Ok(QuotaDecision {
        allowed: *allowed == 1,
        windows: windows.collect::<Option<_>>().ok_or_else(unreadable)?,
        shared: true,
    })
}

#[async_trait]
impl QuotaCounter for RedisQuotaCounter {
    async fn hit(&self, key: &QuotaKey, rule: &QuotaRule) -> Result<QuotaDecision, BackendError> {
        self.decide(key, rule, 1).await
    }

    async fn hit_many(
        &self,
        key: &QuotaKey,
        rule: &QuotaRule,
        count: u32,
    ) -> Result<QuotaDecision, BackendError> {
        self.decide(key, rule, count).await
    }

    async fn peek(&self, key: &QuotaKey, rule: &QuotaRule) -> Result<QuotaDecision, BackendError> {
        self.decide(key, rule, 0).await
    }
}
