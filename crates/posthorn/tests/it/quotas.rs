//! Quotas across processes: one count in Redis, and a share per process while Redis is unreachable.

use std::time::Duration;

use posthorn_testkit::{RedisServer, eventually};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{PATIENCE, Server, run};

const STRATEGIES: [&str; 2] = ["fixed-window", "moving-window"];

/// Starts two processes that count together.
async fn two_servers(
    redis: &RedisServer,
    strategy: &str,
    more: &[(&str, &str)],
) -> [(Server, TempDir); 2] {
    let url = redis.url();
    let mut environment = vec![
        ("REDIS_URL", url.as_str()),
        ("STORE_URL", "memory:"),
        ("RATE_LIMIT_ENABLED", "true"),
        ("RATE_LIMIT_STRATEGY", strategy),
        ("LOG_LEVEL", "warn,posthorn=info"),
    ];
    environment.extend(more);
    let start = async || {
        let directory = TempDir::new().unwrap();
        (Server::start(&directory, &environment).await, directory)
    };
    [start().await, start().await]
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers()[name].to_str().unwrap()
}

/// Waits for the next window if this one ends soon: forty messages must fall into one. That of a day seldom does.
async fn with_time_left_in_the_window(server: &Server) {
    let limits = server.get_json("/api/v1/limits").await;
    let rest = limits["limits"][0]["reset_seconds"].as_u64().unwrap();
    if (1..20).contains(&rest) {
        tokio::time::sleep(Duration::from_secs(rest)).await;
    }
}

async fn redis_check(server: &Server) -> String {
    let health = server.get_json("/api/v1/health").await;
    health["checks"]["redis"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_accept_exactly_ten_of_forty_interleaved_messages() {
    for strategy in STRATEGIES {
        let redis = RedisServer::start().await;
        let more = [("RATE_LIMIT_MESSAGE", "10 per day")];
        let servers = two_servers(&redis, strategy, &more).await;
        with_time_left_in_the_window(&servers[0].0).await;
        let mut statuses = Vec::new();
        for number in 0..40 {
            let response = servers[number % 2].0.post("interleaved").await;
            assert_eq!(
                header(&response, "ratelimit-policy"),
                "\"message-per-day\";q=10;w=86400"
            );
            let left = header(&response, "x-ratelimit-remaining")
                .parse::<usize>()
                .unwrap();
            assert_eq!(left, 9_usize.saturating_sub(number), "{strategy}");
            statuses.push(response.status());
        }
        let (accepted, refused) = statuses.split_at(10);
        assert!(
            accepted.iter().all(|status| *status == StatusCode::CREATED),
            "{accepted:?}"
        );
        assert!(
            refused
                .iter()
                .all(|status| *status == StatusCode::TOO_MANY_REQUESTS)
        );
        // Both processes have counted, and both return the same numbers.
        for (server, _) in &servers {
            let limits = server.get_json("/api/v1/limits").await;
            assert_eq!(limits["strategy"], strategy);
            assert_eq!(
                (&limits["limits"][0]["used"], &limits["degraded"]),
                (&json!(10), &json!(false))
            );
            let decisions = |outcome| {
                let name = "app_rate_limit_decisions_total";
                format!("{name}{{limit=\"message\",outcome=\"{outcome}\",backend=\"redis\"}}")
            };
            assert_eq!(server.metric(&decisions("allowed")).await, Some(5.0));
            assert_eq!(server.metric(&decisions("denied")).await, Some(15.0));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_each_process_allows_its_share_and_with_redis_both_share_one_count() {
    let mut redis = RedisServer::start().await;
    let more = [
        ("RATE_LIMIT_MESSAGE", "10 per hour"),
        ("QUOTA_REPLICAS_HINT", "2"),
    ];
    let servers = two_servers(&redis, "moving-window", &more).await;
    for number in 0..4 {
        let response = servers[number % 2].0.post("shared").await;
        assert_eq!(response.status(), StatusCode::CREATED);
        assert_eq!(
            header(&response, "ratelimit-policy"),
            "\"message-per-hour\";q=10;w=3600"
        );
    }
    redis.stop();
    // No pause: the first requests find a Redis whose loss is not yet detected.
    let mut accepted = 0;
    for number in 0..40 {
        let response = servers[number % 2].0.post("alone").await;
        let policy = "\"message-per-hour-degraded\";q=5;w=3600";
        assert_eq!(header(&response, "ratelimit-policy"), policy);
        match response.status() {
            StatusCode::CREATED => accepted += 1,
            status => assert_eq!(status, StatusCode::TOO_MANY_REQUESTS),
        }
    }
    assert_eq!(accepted, 10, "five by each process");
    for (server, _) in &servers {
        eventually(PATIENCE, async || redis_check(server).await == "error").await;
        let health = server.get_json("/api/v1/health").await;
        assert_eq!(health["status"], "degraded");
        let limits = server.get_json("/api/v1/limits").await;
        assert_eq!(limits["degraded"], true);
        let alone = "app_rate_limit_decisions_total{limit=\"message\",outcome=\"allowed\",backend=\"memory\"}";
        assert_eq!(server.metric(alone).await, Some(5.0));
    }

    redis.start_again().await;
    for (server, _) in &servers {
        eventually(PATIENCE, async || redis_check(server).await == "ok").await;
    }
    // Redis kept nothing, so that the common count begins anew.
    for number in 0..20 {
        let response = servers[number % 2].0.post("shared again").await;
        assert_eq!(
            header(&response, "ratelimit-policy"),
            "\"message-per-hour\";q=10;w=3600"
        );
        assert_eq!(
            response.status() == StatusCode::CREATED,
            number < 10,
            "{number}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_redis_delays_no_decision_for_long() {
    let redis = RedisServer::start().await;
    let servers = two_servers(&redis, "fixed-window", &[]).await;
    redis.pause();
    for number in 0..20 {
        let response =
            tokio::time::timeout(Duration::from_secs(10), servers[number % 2].0.post("hung"));
        let status = response.await.expect("it is bounded").status();
        assert!(
            status.is_success() || status == StatusCode::TOO_MANY_REQUESTS,
            "{status}"
        );
    }
    redis.resume();
    for (server, _) in &servers {
        eventually(PATIENCE, async || {
            server.get_json("/api/v1/limits").await["degraded"] == false
        })
        .await;
    }
}

#[tokio::test]
async fn the_built_in_limits_hold_without_settings() {
    let directory = TempDir::new().unwrap();
    let environment = [("RATE_LIMIT_ENABLED", ""), ("STORE_URL", "memory:")];
    let server = Server::start(&directory, &environment).await;
    let limits: Value = server.get_json("/api/v1/limits").await;
    let rows = limits["limits"].as_array().unwrap().iter();
    let found: Vec<_> = rows
        .map(|row| {
            (
                row["name"].as_str().unwrap(),
                row["limit"].as_u64().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("message-per-minute", 10),
        ("read-per-minute", 600),
        ("delete-per-minute", 600),
        ("consume-per-minute", 6000),
        ("default-per-day", 200),
        ("default-per-hour", 50),
    ];
    assert_eq!(found, expected);
    assert_eq!(limits["strategy"], "fixed-window");
}

#[tokio::test]
async fn malformed_limits_stop_the_start_and_are_located() {
    let directory = TempDir::new().unwrap();
    let environment = [
        ("RATE_LIMIT_MESSAGE", "10 minute"),
        ("RATE_LIMIT_READ", "600 per minute;"),
        ("RATE_LIMIT_DELETE", "all"),
        ("RATE_LIMIT_DEFAULT", "200 per fortnight"),
        ("RATE_LIMIT_STRATEGY", "sliding"),
        ("RATE_LIMIT_EXEMPT", "10.0.0.0/8,10.0.0.0/33"),
        ("RATE_LIMIT_ENABLED", "perhaps"),
        ("TRUSTED_PROXY_HEADER", "via"),
    ];
    let (status, _, stderr) = run(directory.path(), &[], &environment).await;
    assert_eq!(status.code(), Some(78));
    for text in [
        "RATE_LIMIT_MESSAGE: `10 minute` at character 4: expected `per` or `/`",
        "RATE_LIMIT_READ: `600 per minute;` at character 16: expected a number of requests",
        "RATE_LIMIT_DELETE: `all` at character 1",
        "RATE_LIMIT_DEFAULT: `200 per fortnight` at character 9: expected second, minute",
        "RATE_LIMIT_STRATEGY: `sliding`",
        "RATE_LIMIT_EXEMPT: `10.0.0.0/33`",
        "RATE_LIMIT_ENABLED: `perhaps`",
        "TRUSTED_PROXY_HEADER: `via`",
    ] {
        assert!(stderr.contains(text), "{text}: {stderr}");
    }
}

#[tokio::test]
async fn limits_that_cannot_be_counted_stop_the_start() {
    let directory = TempDir::new().unwrap();
    for (environment, text) in [
        (
            [
                ("RATE_LIMIT_STRATEGY", "moving-window"),
                ("RATE_LIMIT_READ", "10001 per minute"),
            ],
            "RATE_LIMIT_READ: `10001 per minute` is too many for a moving window",
        ),
        (
            [
                ("QUOTA_REPLICAS_HINT", "11"),
                ("RATE_LIMIT_MESSAGE", "10 per minute"),
            ],
            "QUOTA_REPLICAS_HINT: 11 cannot share `10 per minute` of RATE_LIMIT_MESSAGE",
        ),
    ] {
        let (status, _, stderr) = run(directory.path(), &[], &environment).await;
        assert_eq!(status.code(), Some(78));
        assert!(stderr.contains(text), "{stderr}");
    }
}
