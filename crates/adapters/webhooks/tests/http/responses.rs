//! Receivers that fail, hang, flood or talk nonsense.

use std::time::Duration;

use posthorn_application::{RetryAfter, WebhookReply, WebhookSendError};
use posthorn_domain::{Timestamp, WebhookFormat};
use posthorn_webhooks::HttpSenderSettings;

use crate::receiver::{Receiver, Script};
use crate::rig::{allowing, endpoint, endpoint_of, send, sender};

async fn outcome(script: Script) -> Result<WebhookReply, WebhookSendError> {
    let receiver = Receiver::start(script).await;
    send(&endpoint(&receiver.url())).await
}

async fn status(script: Script) -> u16 {
    outcome(script).await.unwrap().status
}

/// It has closed the idle connection, which the sender sees too late.
#[tokio::test]
async fn a_kept_connection_that_the_receiver_closed_costs_no_attempt() {
    let receiver = Receiver::start(Script::CloseSecond).await;
    let endpoint = endpoint(&receiver.url());
    for _ in 0..4 {
        assert_eq!(send(&endpoint).await.unwrap().status, 204);
    }
    assert!(receiver.connections() >= 2);
    // A new connection is tried once.
    let receiver = Receiver::start(Script::Close).await;
    let endpoint = crate::rig::endpoint(&receiver.url());
    assert_eq!(send(&endpoint).await, Err(WebhookSendError::Closed));
    assert_eq!(receiver.requests().len(), 1);
}

/// One that hangs holds one of the connections of the process, and no other fails for that.
#[tokio::test]
async fn a_request_waits_for_its_turn_and_fails_without_a_fault_of_its_receiver() {
    let hanging = Receiver::start(Script::Hang).await;
    let receiver = Receiver::start(Script::Write(
        "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
    ))
    .await;
    let sender = sender(HttpSenderSettings {
        max_requests: 1,
        ..allowing(&["127.0.0.0/8"])
    });
    let [hanging, other] = [hanging.url(), receiver.url()]
        .map(|url| endpoint_of(&sender, &url, WebhookFormat::Standard));
    let (first, second) = tokio::join!(send(&hanging), send(&other));
    assert_eq!(first, Err(WebhookSendError::Timeout));
    assert_eq!(second, Err(WebhookSendError::Exhausted));
    assert_eq!(send(&other).await.unwrap().status, 204);
}

#[tokio::test]
async fn every_status_is_returned() {
    for (response, expected) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200),
        ("HTTP/1.0 202 Accepted\r\n\r\n", 202),
        ("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", 410),
        (
            "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 3\r\n\r\nbad",
            500,
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
            201,
        ),
    ] {
        assert_eq!(status(Script::Write(response)).await, expected);
    }
}

#[tokio::test]
async fn retry_after_is_returned() {
    let at = RetryAfter::At(Timestamp::from_millis(784_111_777_000));
    for (response, expected) in [
        (
            "HTTP/1.1 503 Busy\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n",
            Some(RetryAfter::Delay(Duration::from_mins(2))),
        ),
        (
            "HTTP/1.1 429 Slow\r\nretry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             Content-Length: 0\r\n\r\n",
            Some(at),
        ),
        (
            "HTTP/1.1 503 Busy\r\nRetry-After: later\r\nContent-Length: 0\r\n\r\n",
            None,
        ),
    ] {
        let reply = outcome(Script::Write(response)).await.unwrap();
        assert_eq!(reply.retry_after, expected, "{response}");
    }
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let receiver = Receiver::start(Script::Write(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://169.254.169.254/\r\n\
         Content-Length: 0\r\n\r\n",
    ));
    let receiver = receiver.await;
    let reply = send(&endpoint(&receiver.url())).await.unwrap();
    assert_eq!(reply.status, 307);
    assert_eq!(receiver.requests().len(), 1);
}

#[tokio::test]
async fn silence_and_slow_heads_time_out() {
    let pause = Duration::from_millis(50);
    let slow_head = Script::Repeat("HTTP/1.1 200 OK\r\n", "x: y\r\n", pause);
    for script in [Script::Hang, slow_head] {
        assert_eq!(outcome(script).await, Err(WebhookSendError::Timeout));
    }
}

#[tokio::test]
async fn a_connection_that_ends_is_closed() {
    let cut = Script::Write("HTTP/1.1 200 OK\r\nContent-Le");
    for script in [Script::Close, Script::Reset] {
        assert_eq!(outcome(script).await, Err(WebhookSendError::Closed));
    }
    // Without an end the head never comes.
    assert_eq!(outcome(cut).await, Err(WebhookSendError::Timeout));
}

#[tokio::test]
async fn garbage_is_no_response() {
    for garbage in [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "\0\0\0\x12\x04\0\0\0\0\0",
        "HTTP/1.1 abc\r\n\r\n",
    ] {
        assert_eq!(
            outcome(Script::Write(garbage)).await,
            Err(WebhookSendError::Protocol)
        );
    }
}

#[tokio::test]
async fn a_long_body_is_not_read() {
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
    ] {
        let receiver = Receiver::start(Script::Flood(head)).await;
        let endpoint = endpoint(&receiver.url());
        assert_eq!(send(&endpoint).await.unwrap().status, 200);
        // The connection is dropped, so that the rest is neither read nor buffered: the receiver
        // has written at most what fits into the buffers of two kernels' sockets.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let written = receiver.written();
        assert!(written < 16 << 20, "{written} bytes");
        send(&endpoint).await.unwrap();
        assert_eq!(receiver.connections(), 2);
    }
}

#[tokio::test]
async fn a_slow_or_broken_body_does_not_change_the_status() {
    let pause = Duration::from_millis(50);
    let slow = Script::Repeat(
        "HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n",
        "x",
        pause,
    );
    let broken = Script::Repeat(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        "x",
        pause,
    );
    for script in [slow, broken] {
        assert_eq!(status(script).await, 200);
    }
}

#[tokio::test]
async fn a_receiver_without_tls_is_a_tls_failure() {
    let outcome = async |script| {
        let receiver = Receiver::start(script).await;
        send(&endpoint(&format!("https://{}/", receiver.address))).await
    };
    let plain = outcome(Script::Greet("HTTP/1.1 400 Bad Request\r\n\r\n")).await;
    assert!(matches!(plain, Err(WebhookSendError::Tls(_))), "{plain:?}");
    let reset = outcome(Script::Reset).await;
    assert!(
        matches!(
            reset,
            Err(WebhookSendError::Tls(_) | WebhookSendError::Connect(_))
        ),
        "{reset:?}"
    );
    assert_eq!(outcome(Script::Hang).await, Err(WebhookSendError::Timeout));
}

#[tokio::test]
async fn a_closed_port_is_no_connection() {
    let receiver = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = receiver.local_addr().unwrap();
    drop(receiver);
    let outcome = send(&endpoint(&format!("http://{address}/"))).await;
    let expected = WebhookSendError::Connect("connection refused".to_owned());
    assert_eq!(outcome, Err(expected));
}
