//! Pages of dead letters.

use posthorn_domain::{MessageId, Timestamp};
use serde_json::json;

use crate::support::TestServer;

const PATH: &str = "/api/v1/topics/t/consumers/idle/dead";

#[tokio::test]
async fn a_damaged_dead_letter_is_a_marker_of_its_page() {
    let server = TestServer::start();
    let id = |number| MessageId::new(Timestamp::from_millis(number), 0);
    server.consumers.add_dead_letters([id(1), id(3)], true);
    server.consumers.add_dead_letters([id(2)], false);
    let page = server.get(&format!("{PATH}?limit=2")).await.json();
    assert_eq!(page["messages"].as_array().unwrap().len(), 1);
    assert_eq!(page["unreadable"], json!([id(2).to_string()]));
    assert_eq!(page["next"], format!("{PATH}?after={}&limit=2", id(2)));
    let last = server.get(page["next"].as_str().unwrap()).await.json();
    assert_eq!(last["messages"][0]["id"], id(3).to_string());
    assert_eq!(
        (&last["unreadable"], &last["next"]),
        (&json!(null), &json!(null))
    );
}
