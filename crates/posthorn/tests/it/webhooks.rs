//! Webhooks on the real binary: receivers of every kind, and what each makes of its messages.

use std::time::Duration;

use posthorn_testkit::{RedisServer, eventually};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::receiver::{Received, Receiver};
use crate::support::{PATIENCE, Server};

/// Receivers on the loopback are allowed.
pub(crate) const ALLOWED: (&str, &str) = ("WEBHOOK_ALLOW_CIDRS", "127.0.0.1");

pub(crate) fn path(name: &str) -> String {
    format!("/api/v1/topics/orders/webhooks/{name}")
}

impl Server {
    /// Sends a request with a JSON body.
    pub(crate) async fn request(&self, method: Method, path: &str, body: &Value) -> Response {
        let request = self.client.request(method, format!("{}{path}", self.url));
        request.json(body).send().await.unwrap()
    }

    /// Creates a webhook and returns its resource.
    pub(crate) async fn create_webhook(&self, name: &str, settings: &Value) -> Value {
        let created = self.request(Method::PUT, &path(name), settings).await;
        let status = created.status();
        let body: Value = created.json().await.unwrap();
        assert_eq!(status, StatusCode::CREATED, "{body}");
        body
    }

    /// Sends a message to the topic of the webhooks; returns its id.
    pub(crate) async fn order(&self, text: &str) -> String {
        let body = json!({ "message": text });
        let sent = self.request(Method::POST, "/api/v1/topics/orders/messages", &body);
        let receipt: Value = sent.await.json().await.unwrap();
        receipt["id"].as_str().unwrap().to_owned()
    }

    /// Waits until a member of a webhook has this value.
    pub(crate) async fn webhook_has(&self, name: &str, member: &str, value: Value) {
        eventually(PATIENCE, async || {
            self.get_json(&path(name)).await[member] == value
        })
        .await;
    }

    /// Waits until the attempts of a webhook have these statuses or errors, the newest first. They are
    /// recorded a moment after they are settled.
    async fn attempts_are(&self, name: &str, expected: &[Value]) {
        eventually(PATIENCE, async || self.attempts(name).await == expected).await;
    }

    async fn attempts(&self, name: &str) -> Vec<Value> {
        let attempts = self.get_json(&format!("{}/attempts", path(name))).await;
        let attempts = attempts["attempts"].as_array().unwrap().iter();
        let outcome = |attempt: &Value| match &attempt["status"] {
            Value::Null => attempt["error"].clone(),
            status => status.clone(),
        };
        attempts.map(outcome).collect()
    }
}

async fn start(environment: &[(&str, &str)]) -> (TempDir, Server) {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, environment).await;
    (directory, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_receiver_gets_what_its_responses_ask_for_and_nothing_waits_for_it() {
    let receiver = Receiver::start().await;
    let (_directory, server) = start(&[ALLOWED]).await;
    // Two attempts each, the second at once; a hanging one ends after three seconds.
    for name in ["hang", "500", "reset", "redirect", "endless", "gone", "ok"] {
        let mut settings = json!({
            "url": format!("{}/{name}", receiver.url), "schedule_seconds": [0],
        });
        if name == "hang" {
            settings["timeout_seconds"] = json!(3);
        }
        server.create_webhook(name, &settings).await;
    }
    let settings = json!({"url": format!("{}/later", receiver.url), "schedule_seconds": [60]});
    server.create_webhook("later", &settings).await;

    let sent = Instant::now();
    let id = server.order("one").await;
    eventually(PATIENCE, async || !receiver.requests("/ok").is_empty()).await;
    let delivered = &receiver.requests("/ok")[0];
    assert!(delivered.at.duration_since(sent) < Duration::from_secs(3));
    assert_eq!(delivered.headers["webhook-id"], id);
    assert_eq!(delivered.text(), "one");
    server.webhook_has("ok", "waiting", json!(0)).await;

    // What fails twice is dead, with the status or the error as its reason.
    for (name, outcome, reason) in [
        ("500", json!(500), "status 500"),
        ("redirect", json!(302), "status 302"),
        ("hang", json!("no response in time"), "no response in time"),
    ] {
        server.webhook_has(name, "dead", json!(1)).await;
        server.webhook_has(name, "state", json!("failing")).await;
        server.attempts_are(name, &[outcome.clone(), outcome]).await;
        let dead = server.get_json(&format!("{}/dead", path(name))).await;
        assert_eq!(dead["messages"][0]["reason"], reason, "{name}");
        let requests = receiver.requests(&format!("/{name}")).len();
        // On a loaded machine the seconds of an attempt can pass before its request is read.
        assert!(requests == 2 || name == "hang", "{name}: {requests}");
    }
    server.webhook_has("reset", "dead", json!(1)).await;
    assert_eq!(
        receiver.requests("/private").len(),
        0,
        "no redirect is followed"
    );

    // 2xx is delivered however long its body is, of which little is read.
    server
        .webhook_has("endless", "state", json!("active"))
        .await;
    server.webhook_has("endless", "in_flight", json!(0)).await;
    server.attempts_are("endless", &[json!(200)]).await;
    assert!(
        receiver.endless() < 16 * 1024 * 1024,
        "{}",
        receiver.endless()
    );

    // `Retry-After` replaces the minute of the schedule.
    eventually(PATIENCE, async || receiver.requests("/later").len() == 2).await;
    let later = receiver.requests("/later");
    let wait = later[1].at.duration_since(later[0].at);
    assert!(
        (Duration::from_millis(900)..Duration::from_secs(20)).contains(&wait),
        "{wait:?}"
    );

    // 410 disables, and the message waits until the webhook is enabled.
    server.webhook_has("gone", "state", json!("disabled")).await;
    server.webhook_has("gone", "waiting", json!(1)).await;
    assert_eq!(receiver.requests("/gone").len(), 1);
    let enable = format!("{}/enable", path("gone"));
    let enabled = server.request(Method::POST, &enable, &json!({})).await;
    assert_eq!(enabled.status(), StatusCode::OK);
    // The message waits no more once it is leased, which is before its request arrives.
    eventually(PATIENCE, async || receiver.requests("/gone").len() == 2).await;
    server.webhook_has("gone", "waiting", json!(0)).await;

    // Dead letters are sent again by a redrive.
    let redrive = format!("{}/dead/redrive", path("500"));
    let redriven: Value = server
        .request(Method::POST, &redrive, &json!({}))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(redriven["redriven"], 1);
    eventually(PATIENCE, async || receiver.requests("/500").len() == 4).await;
    let delivered = "app_webhook_attempts_total{outcome=\"delivered\"}";
    eventually(PATIENCE, async || {
        server.metric(delivered).await >= Some(4.0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_address_is_refused_in_the_url_and_at_the_attempt() {
    let receiver = Receiver::start().await;
    let (_directory, server) = start(&[]).await;
    let settings = json!({"url": receiver.url, "timeout_seconds": 99});
    let refused = server.request(Method::PUT, &path("a"), &settings).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    let problem: Value = refused.json().await.unwrap();
    let errors = problem["errors"].as_array().unwrap().iter();
    let codes: Vec<_> = errors
        .map(|error| (&error["field"], &error["code"]))
        .collect();
    assert_eq!(
        codes,
        [
            (&json!("url"), &json!("forbidden-address")),
            (&json!("timeout_seconds"), &json!("seconds")),
        ]
    );
    let name = receiver.url.replace("127.0.0.1", "localhost");
    let settings = json!({"url": name, "schedule_seconds": [0]});
    server.create_webhook("b", &settings).await;
    server.order("one").await;
    server.webhook_has("b", "dead", json!(1)).await;
    let webhook = server.get_json(&path("b")).await;
    let reason = webhook["state_reason"].as_str().unwrap();
    assert!(reason.contains("loopback address"), "{reason}");
    let tested: Value = server
        .request(Method::POST, &format!("{}/test", path("b")), &json!({}))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(tested["status"], Value::Null);
    assert!(
        tested["error"].as_str().unwrap().contains("forbidden"),
        "{tested}"
    );
    assert!(receiver.requests("/").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn settled_messages_are_replayed_and_settings_are_guarded() {
    let receiver = Receiver::start().await;
    let (_directory, server) = start(&[ALLOWED]).await;
    let settings = json!({"url": format!("{}/ok", receiver.url)});
    server.create_webhook("a", &settings).await;
    let first = server.order("one").await;
    server.order("two").await;
    eventually(PATIENCE, async || receiver.requests("/ok").len() == 2).await;
    server.webhook_has("a", "in_flight", json!(0)).await;

    let replay = format!("{}/replay", path("a"));
    let body = json!({"from": first, "to": first});
    let replayed = server.request(Method::POST, &replay, &body).await;
    assert_eq!(replayed.status(), StatusCode::ACCEPTED);
    assert_eq!(
        replayed.json::<Value>().await.unwrap(),
        json!({"queued": 1})
    );
    eventually(PATIENCE, async || receiver.requests("/ok").len() == 3).await;
    let again = &receiver.requests("/ok")[2];
    assert_eq!(
        (&again.headers["webhook-id"], again.text()),
        (&first, "one".to_owned())
    );

    // A test is no message, and is signed as one.
    let test = format!("{}/test", path("a"));
    let tested = server.request(Method::POST, &test, &json!({})).await;
    assert_eq!(tested.json::<Value>().await.unwrap()["status"], 204);
    let request = receiver.requests("/ok").pop().unwrap();
    assert!(
        request.body.contains(r#""type":"webhook.test""#),
        "{}",
        request.body
    );
    assert!(request.headers["webhook-signature"].starts_with("v1,"));

    // An equal change keeps the tag, another one does not, and a wrong tag changes nothing.
    let put = async |settings: &Value, tag: Option<String>| {
        let url = format!("{}{}", server.url, path("a"));
        let mut request = server.client.put(url).json(settings);
        if let Some(tag) = tag {
            request = request.header("If-Match", tag);
        }
        let response = request.send().await.unwrap();
        let tag = response.headers().get("etag").cloned();
        (
            response.status().as_u16(),
            tag.map(|tag| tag.to_str().unwrap().to_owned()),
        )
    };
    let (status, tag) = put(&settings, None).await;
    assert_eq!(
        (status, put(&settings, tag.clone()).await),
        (200, (200, tag.clone()))
    );
    let changed = json!({"url": format!("{}/other", receiver.url)});
    let (status, other) = put(&changed, tag.clone()).await;
    assert_eq!(status, 200);
    assert_ne!(other, tag);
    assert_eq!(put(&settings, tag).await.0, 412);
    // The deliveries follow a change a moment later.
    eventually(PATIENCE, async || {
        server.order("three").await;
        !receiver.requests("/other").is_empty()
    })
    .await;

    let list = server.get_json("/api/v1/topics/orders/webhooks").await;
    assert_eq!(list["webhooks"][0]["name"], "a");
    let deleted = server.request(Method::DELETE, &path("a"), &json!({})).await;
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    assert_eq!(server.get(&path("a")).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_under_way_at_a_shutdown_is_finished_and_not_repeated() {
    let receiver = Receiver::start().await;
    let directory = TempDir::new().unwrap();
    let mut server = Server::start(&directory, &[ALLOWED]).await;
    let settings = json!({"url": format!("{}/slow", receiver.url), "max_in_flight": 1});
    server.create_webhook("a", &settings).await;
    server.order("one").await;
    server.order("two").await;
    eventually(PATIENCE, async || receiver.requests("/slow").len() == 1).await;
    server.signal("TERM").await;
    assert!(server.ended().await.success());
    assert_eq!(receiver.requests("/slow").len(), 1);
    let server = Server::start(&directory, &[ALLOWED]).await;
    server.webhook_has("a", "waiting", json!(0)).await;
    server.webhook_has("a", "in_flight", json!(0)).await;
    let texts: Vec<_> = receiver
        .requests("/slow")
        .iter()
        .map(Received::text)
        .collect();
    assert_eq!(texts, ["one", "two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_gets_one_request_from_two_processes() {
    let receiver = Receiver::start().await;
    let redis = RedisServer::start().await;
    let redis_url = redis.url();
    let environment = [
        ALLOWED,
        ("STORE_URL", redis_url.as_str()),
        ("SECRET_KEY", "a key that both processes have, for secrets"),
    ];
    let (_directory, first) = start(&environment).await;
    let (_other_directory, second) = start(&environment).await;
    let delivered = |path: &str| receiver.requests(path).len();
    let settings = json!({"url": format!("{}/ok", receiver.url)});
    first.create_webhook("ok", &settings).await;
    for round in 0..10 {
        let name = format!("gone{round}");
        let settings = json!({
            "url": format!("{}/410?{name}", receiver.url), "schedule_seconds": [3600], "start": "newest",
        });
        first.create_webhook(&name, &settings).await;
        second.order("one").await;
        first.webhook_has(&name, "state", json!("disabled")).await;
        first.webhook_has(&name, "in_flight", json!(0)).await;
        eventually(PATIENCE, async || delivered("/ok") == round + 1).await;
        // The one before has waited for a whole round.
        for before in 0..=round {
            assert_eq!(
                delivered(&format!("/410?gone{before}")),
                1,
                "{before} of {round}"
            );
        }
        first.webhook_has(&name, "waiting", json!(1)).await;
        first.attempts_are(&name, &[json!(410)]).await;
    }
    // What waits is sent once the webhook is enabled.
    let enable = format!("{}/enable", path("gone0"));
    let enabled = second.request(Method::POST, &enable, &json!({})).await;
    assert_eq!(enabled.status(), StatusCode::OK);
    eventually(PATIENCE, async || delivered("/410?gone0") > 1).await;
}
