//! The `QuotaCounter` port on Redis: one script, one round trip, one clock for all processes.

mod scripts;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use posthorn_application::{QuotaCounter, QuotaDecision, QuotaError, QuotaKey, QuotaWindow};
use posthorn_domain::{QuotaRule, QuotaStrategy};
use redis::{Cmd, RedisError};
use tokio::time::timeout;

use crate::fault::{Fault, Redirect};
use crate::keys;
use crate::pool::{RedisPool, SharedConnection};
use scripts::{Named, QuotaScript};

/// Counts for all processes that use the same Redis and prefix, by the time of its server.
///
/// All calls share one connection, so a decision is one round trip. The bound of a call is the
/// checkout's plus the command time-out, opening the connection anew included. A call on a
/// connection that breaks is made once more and may then count twice, never not at all.
///
/// A server that loses its memory, or a replica that is promoted before it got the latest counts,
/// forgets what was counted.
pub struct RedisQuotaCounter {
    pool: RedisPool,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    connection: Option<SharedConnection>,
    /// Grows with each connection that is opened.
    generation: u64,
}

/// Why an attempt failed.
enum Attempt {
    /// It may be made again on another connection.
    Again(Fault),
    /// The server does not know the script; it was not executed.
    NoScript(Fault),
    /// It would fail again, or there is no time to find out.
    Failed(Fault),
}

impl RedisQuotaCounter {
    /// A counter under the prefix of `pool`; connects with its first call.
    pub fn new(pool: RedisPool) -> Self {
        Self {
            pool,
            open: Mutex::default(),
        }
    }

    async fn decide(
        &self,
        key: &QuotaKey,
        rule: &QuotaRule,
        counts: bool,
    ) -> Result<QuotaDecision, QuotaError> {
        timeout(self.pool.bound(), self.ask(key, rule, counts))
            .await
            .unwrap_or_else(|_| Err(Fault::timed_out("a decision on a quota")))
            .map_err(QuotaError::from)
    }

    async fn ask(
        &self,
        key: &QuotaKey,
        rule: &QuotaRule,
        counts: bool,
    ) -> Result<QuotaDecision, Fault> {
        let mut named = Named::ByHash;
        let mut again = true;
        loop {
            let command = command(named, self.pool.prefix(), key, rule, counts);
            match self.attempt(&command).await {
                Ok(answer) => return decision(rule, &answer),
                Err(Attempt::NoScript(_)) if named == Named::ByHash => named = Named::ByText,
                Err(Attempt::Again(_)) if again => again = false,
                Err(Attempt::Again(fault) | Attempt::NoScript(fault) | Attempt::Failed(fault)) => {
                    return Err(fault);
                }
            }
        }
    }

    /// The script's answer over the shared connection.
    async fn attempt(&self, command: &Cmd) -> Result<Vec<i64>, Attempt> {
        let (mut connection, generation) = self.connection().await.map_err(Attempt::Failed)?;
        let error = match self.pool.timed(command.query_async(&mut connection)).await {
            Some(Ok(answer)) => return Ok(answer),
            Some(Err(error)) => error,
            None => {
                self.discard(generation);
                return Err(Attempt::Failed(Fault::timed_out("a command")));
            }
        };
        let fault = Fault::of(&error);
        if Redirect::of(&error) == Some(Redirect::NoScript) {
            return Err(Attempt::NoScript(fault));
        }
        if !matches!(fault, Fault::Transient(_)) {
            return Err(Attempt::Failed(fault));
        }
        self.discard(generation);
        Err(if is_broken(&error) {
            Attempt::Again(fault)
        } else {
            Attempt::Failed(fault)
        })
    }

    async fn connection(&self) -> Result<(SharedConnection, u64), Fault> {
        {
            let open = self.open();
            if let Some(connection) = &open.connection {
                return Ok((connection.clone(), open.generation));
            }
        }
        let connection = self.pool.checkout().await?.into_shared();
        let mut open = self.open();
        open.generation += 1;
        open.connection = Some(connection.clone());
        Ok((connection, open.generation))
    }

    /// Drops the connection, unless another one is there by now.
    fn discard(&self, generation: u64) {
        let mut open = self.open();
        if open.generation == generation {
            open.connection = None;
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether another connection may do better: this one broke, or leads to a server that is no
/// primary any more.
fn is_broken(error: &RedisError) -> bool {
    let is_lost = error.is_io_error() && !error.is_timeout();
    is_lost || Redirect::of(error) == Some(Redirect::Elsewhere)
}

fn command(named: Named, prefix: &str, key: &QuotaKey, rule: &QuotaRule, counts: bool) -> Cmd {
    let (script, key) = match rule.strategy() {
        QuotaStrategy::FixedWindow => (QuotaScript::Fixed, keys::quota_fixed(prefix, key)),
        QuotaStrategy::MovingWindow => (QuotaScript::Moving, keys::quota_moving(prefix, key)),
    };
    let mut command = script.call(named);
    command.arg(1).arg(key).arg(u8::from(counts));
    for quota in rule.limits() {
        command.arg(quota.window_seconds()).arg(quota.count());
    }
    command
}

/// The script's answer: whether it is allowed, then the use and the reset of each window.
fn decision(rule: &QuotaRule, answer: &[i64]) -> Result<QuotaDecision, Fault> {
    let unreadable = || Fault::Corrupt(format!("a script answered {answer:?}"));
    let (allowed, windows) = answer.split_first().ok_or_else(unreadable)?;
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
    async fn hit(&self, key: &QuotaKey, rule: &QuotaRule) -> Result<QuotaDecision, QuotaError> {
        self.decide(key, rule, true).await
    }

    async fn peek(&self, key: &QuotaKey, rule: &QuotaRule) -> Result<QuotaDecision, QuotaError> {
        self.decide(key, rule, false).await
    }
}
