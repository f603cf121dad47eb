//! The state of a message at its consumers, on the real binary with its embedded store and in memory.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::Server;

const MESSAGES: &str = "/api/v1/topics/jobs/messages";
const CONSUMER: &str = "/api/v1/topics/jobs/consumers/mailer";

async fn call(server: &Server, method: Method, path: &str, body: Value) -> Value {
    let url = format!("{}{path}", server.url);
    let response = server.client.request(method, url).json(&body).send().await;
    let response = response.unwrap().error_for_status().unwrap();
    response.json().await.unwrap()
}

async fn read(server: &Server, path: &str) -> Value {
    server.get(path).await.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_has_a_state_at_each_consumer() {
    for store in ["memory:", "file:data/posthorn.db"] {
        let directory = TempDir::new().unwrap();
        let server = Server::start(&directory, &[("STORE_URL", store)]).await;
        let sent = json!({"message": "one"});
        let receipt = call(&server, Method::POST, MESSAGES, sent).await;
        let id = receipt["id"].as_str().unwrap();
        let path = format!("{MESSAGES}/{id}/consumers");
        assert_eq!(read(&server, &path).await, json!({"consumers": []}));
        let settings = json!({"max_attempts": 2, "backoff_seconds": [3600]});
        call(&server, Method::PUT, CONSUMER, settings).await;
        let new = json!({"name": "mailer", "state": "waiting", "attempt": 1, "due_at": null,
            "lease_expires_at": null, "reason": null, "died_at": null});
        assert_eq!(read(&server, &path).await, json!({"consumers": [new]}));

        let act = async |name: &str, body| {
            call(&server, Method::POST, &format!("{CONSUMER}/{name}"), body).await
        };
        let pulled = act("pull", json!({"max": 1})).await;
        let leased = &pulled["messages"][0];
        let state = &read(&server, &path).await["consumers"][0];
        assert_eq!(
            [&state["state"], &state["attempt"]],
            [&json!("in_flight"), &json!(1)]
        );
        assert_eq!(state["lease_expires_at"], leased["lease_expires_at"]);

        act(
            "nack",
            json!({"leases": [leased["lease"]], "reason": "exit code 1"}),
        )
        .await;
        let state = &read(&server, &path).await["consumers"][0];
        assert_eq!(
            [&state["state"], &state["attempt"]],
            [&json!("waiting"), &json!(2)]
        );
        assert_eq!(state["reason"], "exit code 1");
        assert!(state["due_at"].is_string());

        let absent = path.replace(id, "00000000000000000000000001");
        assert_eq!(server.get(&absent).await.status(), StatusCode::NOT_FOUND);
        let webhooks = path.replace("/consumers", "/webhooks");
        assert_eq!(read(&server, &webhooks).await, json!({"webhooks": []}));
    }
}
