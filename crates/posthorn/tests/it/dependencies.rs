//! Redis as the cache: lost under load, used again, required or optional at the start.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use posthorn_testkit::{RedisServer, eventually};
use reqwest::StatusCode;
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::support::{PATIENCE, Server, client, run};

/// Sends requests to info and message without a pause; counts responses and failures.
struct Load {
    running: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    bad: Arc<AtomicUsize>,
    tasks: JoinSet<()>,
}

impl Load {
    fn start(url: &str) -> Self {
        let mut load = Self {
            running: Arc::new(AtomicBool::new(true)),
            answered: Arc::default(),
            bad: Arc::default(),
            tasks: JoinSet::new(),
        };
        for _ in 0..4 {
            let url = url.to_owned();
            let running = Arc::clone(&load.running);
            let (answered, bad) = (Arc::clone(&load.answered), Arc::clone(&load.bad));
            load.tasks.spawn(async move {
                let client = client();
                let body = json!({ "message": "under load" });
                while running.load(Ordering::Relaxed) {
                    let info = client.get(format!("{url}/api/v1/info")).send();
                    let post = client
                        .post(format!("{url}/api/v1/message"))
                        .json(&body)
                        .send();
                    for response in [info.await, post.await] {
                        let fine = response.is_ok_and(|r| r.status().is_success());
                        if fine { &answered } else { &bad }.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        load
    }

    async fn some_more(&self) {
        let before = self.answered.load(Ordering::Relaxed);
        eventually(PATIENCE, async || {
            self.answered.load(Ordering::Relaxed) > before + 100
        })
        .await;
    }

    async fn stop(mut self) -> usize {
        self.running.store(false, Ordering::Relaxed);
        while self.tasks.join_next().await.is_some() {}
        self.bad.load(Ordering::Relaxed)
    }
}

async fn redis_check(server: &Server) -> String {
    server.get_json("/api/v1/health").await["checks"]["redis"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_lost_under_load_fails_no_request_and_is_used_again_after_its_return() {
    let mut redis = RedisServer::start().await;
    let directory = TempDir::new().unwrap();
    let environment = [
        ("REDIS_URL", redis.url()),
        ("STORE_URL", "memory:".to_owned()),
    ];
    let environment = environment
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let server = Server::start(&directory, &environment).await;
    assert_eq!(redis_check(&server).await, "ok");
    let up = "app_dependency_up{dependency=\"redis\"}";
    let load = Load::start(&server.url);
    load.some_more().await;

    redis.stop();
    eventually(PATIENCE, async || redis_check(&server).await == "error").await;
    load.some_more().await;
    let response = server.get("/api/v1/health").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let health: serde_json::Value = response.json().await.unwrap();
    assert_eq!(
        (&health["status"], &health["checks"]["cache"]),
        (&json!("degraded"), &json!("ok"))
    );
    assert_eq!(server.metric(up).await, Some(0.0));
    assert_eq!(server.get("/health/live").await.status(), StatusCode::OK);
    assert_eq!(server.get("/health/ready").await.status(), StatusCode::OK);

    redis.start_again().await;
    eventually(PATIENCE, async || redis_check(&server).await == "ok").await;
    eventually(PATIENCE, async || server.metric(up).await == Some(1.0)).await;
    load.some_more().await;
    assert_eq!(load.stop().await, 0, "every answer was a success");
    assert_eq!(
        (
            server.logged("dependency lost"),
            server.logged("dependency is back")
        ),
        (1, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_redis_is_bypassed_within_a_second() {
    let redis = RedisServer::start().await;
    let directory = TempDir::new().unwrap();
    let url = redis.url();
    let environment = [("REDIS_URL", url.as_str()), ("STORE_URL", "memory:")];
    let server = Server::start(&directory, &environment).await;
    let load = Load::start(&server.url);
    load.some_more().await;
    redis.pause();
    // A second, and what a busy machine adds.
    eventually(Duration::from_secs(8), async || {
        redis_check(&server).await == "error"
    })
    .await;
    load.some_more().await;
    redis.resume();
    eventually(PATIENCE, async || redis_check(&server).await == "ok").await;
    assert_eq!(load.stop().await, 0, "every answer was a success");
}

#[tokio::test]
async fn an_unreachable_required_redis_stops_the_start_and_is_named_without_its_password() {
    let directory = TempDir::new().unwrap();
    let environment = [
        ("REDIS_URL", "redis://:hunter2@127.0.0.1:1/0"),
        ("REDIS_REQUIRED", "true"),
        ("PORT", "0"),
    ];
    let (status, stdout, stderr) = run(directory.path(), &[], &environment).await;
    assert_eq!(status.code(), Some(1));
    assert!(
        stderr.contains("REDIS_URL") && stderr.contains("127.0.0.1:1"),
        "{stderr}"
    );
    assert!(
        !stderr.contains("hunter2") && !stdout.contains("hunter2"),
        "{stdout}{stderr}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_optional_redis_starts_degraded_and_is_used_later() {
    let mut redis = RedisServer::start().await;
    redis.stop();
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[("REDIS_URL", redis.url().as_str())]).await;
    assert_eq!(redis_check(&server).await, "error");
    assert_eq!(server.post("degraded").await.status(), StatusCode::CREATED);
    redis.start_again().await;
    eventually(PATIENCE, async || redis_check(&server).await == "ok").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_lost_its_data_is_reported_as_another_one() {
    let redis = RedisServer::start().await;
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[("STORE_URL", &redis.url())]).await;
    let identity = redis.command(&["GET", "posthorn:identity"]).await.unwrap();
    let series = |identity: &str| format!("app_store_info{{identity=\"{identity}\"}}");
    assert_eq!(server.metric(&series(&identity)).await, Some(1.0));
    assert_eq!(server.logged(&identity), 1, "{:?}", server.log);
    redis.command(&["FLUSHALL"]).await.unwrap();
    eventually(PATIENCE, async || {
        server.logged("the store has another identity") > 0
    })
    .await;
    let other = redis.command(&["GET", "posthorn:identity"]).await.unwrap();
    assert_ne!(other, identity);
    assert_eq!(server.metric(&series(&other)).await, Some(1.0));
    assert_eq!(server.metric(&series(&identity)).await, None);
}
