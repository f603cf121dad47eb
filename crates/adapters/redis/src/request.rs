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

    /// As [`Self::send`], to a node that imports the slot and serves it only after `ASKING`.
    fn send_asking<T: FromRedisValue + Send>(
        &self,
        connection: &mut (impl ConnectionLike + Send),
    ) -> impl Future<Output = RedisResult<T>> + Send;

    /// What the request does, for its span.
    fn operation(&self) -> Operation;
}

/// A request to a node that imports the slot.
pub(crate) struct Asking<'a, R>(pub(crate) &'a R);

impl<R: Request> Request for Asking<'_, R> {
    async fn send<T: FromRedisValue + Send>(
        &self,
        connection: &mut (impl ConnectionLike + Send),
    ) -> RedisResult<T> {
        self.0.send_asking(connection).await
    }

    async fn send_asking<T: FromRedisValue + Send>(
        &self,
        connection: &mut (impl ConnectionLike + Send),
    ) -> RedisResult<T> {
        self.0.send_asking(connection).await
    }

    fn operation(&self) -> Operation {
        self.0.operation()
    }
}

/// `ASKING` is good for one command, and other tasks use the same connection: both are in one pipeline.
fn asking(pipeline: &mut Pipeline) -> &mut Pipeline {
    pipeline.cmd("ASKING").ignore()
}

impl Request for Cmd {
    async fn send<T: FromRedisValue + Send>(
        &self,
        connection: &mut (impl ConnectionLike + Send),
    ) -> RedisResult<T> {
        self.query_async(connection).await
    }

    async fn send_asking<T: FromRedisValue + Send>(
        &self,
        connection: &mut (impl ConnectionLike + Send),
    ) -> RedisResult<T> {
        let mut pipeline = Pipeline::new();
        asking(&mut pipeline).add_command(self.clone());
        let (reply,) = pipeline.query_async(connection).await?;
        Ok(reply)
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

    async fn send_asking<T: FromRedisValue + Send>(
        &self,
        connection: &mut (impl ConnectionLike + Send),
    ) -> RedisResult<T> {
        let mut pipeline = Pipeline::new();
        for command in self.cmd_iter() {
            asking(&mut pipeline).add_command(command.clone());
        }
        pipeline.query_async(connection).await
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

    async fn send_asking<T: FromRedisValue + Send>(
        &self,
        connection: &mut (impl ConnectionLike + Send),
    ) -> RedisResult<T> {
        // The node may not have the script yet.
        self.load_async(&mut *connection).await?;
        let mut pipeline = Pipeline::new();
        asking(&mut pipeline).invoke_script(self);
        let (reply,) = pipeline.query_async(connection).await?;
        Ok(reply)
    }

    fn operation(&self) -> Operation {
        Operation::command("EVALSHA")
    }
}
