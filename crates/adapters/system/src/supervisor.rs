//! Background tasks whose handles are kept: the process stops if one of them ends.

use tokio::task::JoinSet;

/// The background tasks of one application. They are cancelled when it is dropped.
#[derive(Debug, Default)]
pub struct Supervisor {
    tasks: JoinSet<&'static str>,
}

impl Supervisor {
    /// Runs a task that is meant to run until the process stops.
    pub fn run(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(async move {
            task.await;
            name
        });
    }

    /// Waits until a task ends, which is a failure, and describes it. Never returns without a task.
    pub async fn failed(&mut self) -> String {
        match self.tasks.join_next().await {
            Some(Ok(name)) => format!("the background task `{name}` ended"),
            Some(Err(error)) => format!("a background task failed: {error}"),
            None => std::future::pending().await,
        }
    }

    /// Cancels all tasks and waits for them.
    pub async fn stop(&mut self) {
        self.tasks.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_or_panics_is_reported() {
        let mut supervisor = Supervisor::default();
        supervisor.run("endless", std::future::pending());
        supervisor.run("short", async {});
        let reason = supervisor.failed().await;
        assert_eq!(reason, "the background task `short` ended");
        supervisor.run("broken", async { panic!("as the test wants") });
        let reason = supervisor.failed().await;
        assert!(reason.starts_with("a background task failed"), "{reason}");
        supervisor.stop().await;
    }
}
