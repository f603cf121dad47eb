//! What can be sent to Redis and replied to: a command, a pipeline or a script.

use redis::aio::ConnectionLike;
use redis::{Cmd, FromRedisValue, Pipeline, RedisResult, ScriptInvocation};

use crate::call_span::Operation;

/// A request over any connection.
pub(crate) trait Request: Sync {
    /// Sends the request and parses its reply.
    fn send<T: FromRedisValue + Send>(
        &self,
        connection: &mut (impl ConnectionLike + Send),
    ) -> impl Future<Output = RedisResult<T>> + Send;

    /// What the request does, for its span.
    fn operation(&self) -> Operation;
}

impl Request for Cmd {
    async fn send<T: FromRedisValue + Send>(
        &self,
        connection: &mut (impl ConnectionLike + Send),
    ) -> RedisResult<T> {
        self.query_async(connection).await
    }

    fn operation(&self) -> Operation {
        Operation::of(self)
    }
}

impl Request for Pipeline {
    async fn send<T: FromRedisValue + Send>(
        &self,
        connection: &mut (impl ConnectionLike + Send),
    ) -> RedisResult<T> {
        self.query_async(connection).await
    }

    fn operation(&self) -> Operation {
        Operation::of_pipeline(self)
    }
}

impl Request for ScriptInvocation<'_> {
    async fn send<T: FromRedisValue + Send>(
        &self,
        connection: &mut (impl ConnectionLike + Send),
    ) -> RedisResult<T> {
        self.invoke_async(connection).await
    }

    fn operation(&self) -> Operation {
        Operation::command("EVALSHA")
    }
}
