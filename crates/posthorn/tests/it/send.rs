//! `posthorn send`: against a server that is absent, present, or written byte by byte.

use std::fs::OpenOptions;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::stub_server::StubServer;
use crate::support::{PATIENCE, Server, output_of, posthorn, run};

#[tokio::test(flavor = "multi_thread")]
async fn send_prints_the_id_and_the_message_is_there() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[]).await;
    let environment = [("POSTHORN_URL", server.url.as_str())];
    let arguments = [
        "send",
        "from the shell",
        "--topic",
        "shell",
        "--attribute",
        "a=b=c",
    ];
    let (status, stdout, stderr) = run(directory.path(), &arguments, &environment).await;
    assert_eq!(status.code(), Some(0), "{stderr}");
    let path = format!("/api/v1/topics/shell/messages/{}", stdout.trim());
    let message = server.get_json(&path).await;
    assert_eq!(message["message"], "from the shell");
    assert_eq!(message["attributes"]["a"], "b=c");

    let mut command = posthorn(directory.path());
    command.args(["send", "-", "--json"]).envs(environment);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all("\u{feff}строка\nещё одна\n".as_bytes())
        .await
        .unwrap();
    let output = timeout(PATIENCE, child.wait_with_output())
        .await
        .unwrap()
        .unwrap();
    let receipt: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(receipt["topic"], "inbox");
    assert_eq!(server.all_texts("inbox").await, ["строка\nещё одна"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_message_prints_the_reason_and_is_not_retried() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[]).await;
    let environment = [("POSTHORN_URL", server.url.as_str())];
    let long = "x".repeat(1001);
    let (status, _, stderr) = run(directory.path(), &["send", &long], &environment).await;
    assert_eq!(status.code(), Some(1));
    let said = "posthorn: the server rejected the request: 400 validation-failed: message: Length";
    assert!(stderr.starts_with(said), "{stderr}");
    let arguments = ["send", "x", "--idempotency-key", "a\nb"];
    let (status, _, stderr) = run(directory.path(), &arguments, &environment).await;
    assert_eq!(status.code(), Some(2));
    assert!(stderr.contains("--idempotency-key <KEY>"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_address_is_printed_without_its_password() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[]).await;
    let there = server.url.trim_start_matches("http://");
    for (url, said) in [
        ("ftp://u:hunter2@nowhere", "http://"),
        ("127.0.0.1:5000", "http://"),
        ("http://u:hunter2@no where", "POSTHORN_URL"),
        ("http://u:hunter2@127.0.0.1:1", "gave up"),
        (
            &format!("http://u:hunter2@{there}/api/v1"),
            "/api/v1/api/v1/message",
        ),
    ] {
        let arguments = ["send", "x", "--retry-for", "0s"];
        let environment = [("POSTHORN_URL", url)];
        let (status, _, stderr) = run(directory.path(), &arguments, &environment).await;
        let expected = match said {
            "gave up" => 75,
            "/api/v1/api/v1/message" => 1,
            _ => 2,
        };
        assert_eq!(status.code(), Some(expected));
        assert!(stderr.contains(said), "{url}: {stderr}");
        assert!(!stderr.contains("hunter2"), "{stderr}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_not_used_for_a_server_on_the_loopback() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[]).await;
    let environment = [
        ("POSTHORN_URL", server.url.as_str()),
        ("http_proxy", "http://127.0.0.1:1"),
    ];
    let arguments = ["send", "x", "--retry-for", "0s"];
    let (status, _, stderr) = run(directory.path(), &arguments, &environment).await;
    assert_eq!(status.code(), Some(0), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn send_gives_up_after_its_time_limit() {
    let directory = TempDir::new().unwrap();
    let environment = [("POSTHORN_URL", "http://127.0.0.1:1")];
    let arguments = ["send", "x", "--retry-for", "300ms"];
    let (status, _, stderr) = run(directory.path(), &arguments, &environment).await;
    assert_eq!(status.code(), Some(75));
    assert!(stderr.contains("gave up"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_names_what_gave_the_address() {
    let directory = TempDir::new().unwrap();
    let arguments = ["topics", "--url", "nowhere"];
    for (arguments, environment, origin) in [
        (
            &arguments[..],
            ("POSTHORN_URL", "elsewhere"),
            "--url: `nowhere`",
        ),
        (
            &arguments[..1],
            ("POSTHORN_URL", "elsewhere"),
            "POSTHORN_URL: `elsewhere`",
        ),
        (
            &["consumer", "list", "a", "--url", "nowhere"],
            ("A", ""),
            "--url: `nowhere`",
        ),
        (
            &["work", "a", "--consumer", "b", "--", "true"],
            ("POSTHORN_URL", "elsewhere"),
            "POSTHORN_URL: `elsewhere`",
        ),
        (
            &["token", "revoke", "a", "--url", "nowhere"],
            ("SECRET_KEY", "0123456789abcdef0123456789abcdef"),
            "--url or POSTHORN_URL: `nowhere`",
        ),
        (
            &arguments[..1],
            ("POSTHORN_TOKEN", "a\nb"),
            "POSTHORN_TOKEN: ",
        ),
    ] {
        let (status, _, stderr) = run(directory.path(), arguments, &[environment]).await;
        assert_eq!(status.code(), Some(2), "{stderr}");
        assert!(
            stderr.starts_with(&format!("posthorn: {origin}")),
            "{stderr}"
        );
    }
    // One try, and a server that is not there now.
    let (status, _, stderr) = run(
        directory.path(),
        &["topics"],
        &[("POSTHORN_URL", "http://127.0.0.1:1")],
    )
    .await;
    assert_eq!(status.code(), Some(75), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_may_begin_with_a_hyphen_and_a_mistyped_option_is_rejected() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[]).await;
    let environment = [("POSTHORN_URL", server.url.as_str())];
    for arguments in [
        &["send", "-5 °C", "--topic", "hyphens"][..],
        &["send", "--topic", "hyphens", "-t"],
        &["send", "--topic", "hyphens", "--", "--json"],
    ] {
        let (status, _, stderr) = run(directory.path(), arguments, &environment).await;
        assert_eq!(status.code(), Some(0), "{arguments:?}: {stderr}");
    }
    let sent = ["-5 °C", "-t", "--json"];
    assert_eq!(server.all_texts("hyphens").await, sent);
    let (status, _, stderr) = run(directory.path(), &["send", "--jsno"], &environment).await;
    assert_eq!(status.code(), Some(2));
    assert!(stderr.contains("--jsno"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn send_reads_standard_input_when_no_text_is_given() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[]).await;
    let send = async |input: &[u8]| {
        let mut command = posthorn(directory.path());
        command.arg("send").env("POSTHORN_URL", &server.url);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The command stops reading at its limit.
        let _ = child.stdin.take().unwrap().write_all(input).await;
        let output = timeout(PATIENCE, child.wait_with_output());
        let output = output.await.unwrap().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said)
    };
    assert_eq!(send(b"from a pipe\n").await, (Some(0), String::new()));
    assert_eq!(server.all_texts("inbox").await, ["from a pipe"]);
    for (input, complaint) in [
        (
            &b""[..],
            "standard input: a message has at least 1 character",
        ),
        (
            b"a\rb",
            "standard input: a message contains no control character",
        ),
        (b"\xff", "not UTF-8"),
        (&vec![b'x'; 1001], "1000"),
        (&vec![b'x'; 65_537], "payload-too-large"),
        (&vec![b'x'; (16 << 20) + 1], "over 16777216 bytes"),
    ] {
        let (status, said) = send(input).await;
        assert_eq!(status, Some(1));
        assert!(said.contains(complaint), "{complaint}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn send_retries_while_standard_error_is_full() {
    let directory = TempDir::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut command = posthorn(directory.path());
    command
        .args(["send", "hello", "--retry-for", "60s"])
        .env("POSTHORN_URL", format!("http://{address}"))
        .stdout(Stdio::piped())
        .stderr(OpenOptions::new().write(true).open("/dev/full").unwrap());
    let send = command.spawn().unwrap();
    // The first try gets no response, so that the command prints an error before the server starts.
    let accepting = tokio::task::spawn_blocking(move || listener.accept().map(drop));
    timeout(PATIENCE, accepting)
        .await
        .expect("it connects")
        .unwrap()
        .unwrap();
    let port = address.port().to_string();
    let server = Server::start(&directory, &[("PORT", &port)]).await;
    let output = timeout(PATIENCE, send.wait_with_output());
    let output = output.await.expect("it ends").unwrap();
    assert_eq!(output.status.code(), Some(0));
    let id = String::from_utf8(output.stdout).unwrap();
    let path = format!("/api/v1/topics/inbox/messages/{}", id.trim());
    assert_eq!(server.get_json(&path).await["message"], "hello");
    assert_eq!(server.all_texts("inbox").await, ["hello"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn send_follows_only_redirects_that_keep_the_method() {
    let stub = StubServer::new().await;
    let send = stub.command(&["send", "x"]).spawn().unwrap();
    // It stays open: whoever closes it with something unread resets it, and the response may be lost.
    let (mut first, _) = stub.accept().await;
    let answer = "HTTP/1.1 308 Permanent Redirect\r\nLocation: /there\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    first.write_all(answer.as_bytes()).await.unwrap();
    let (mut connection, _) = stub.accept().await;
    let answer =
        "HTTP/1.1 301 Moved Permanently\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n";
    connection.write_all(answer.as_bytes()).await.unwrap();
    let (status, stderr) = output_of(send).await;
    assert_eq!(status, Some(1));
    let said = "posthorn: the server rejected the request: 301 Moved Permanently to /elsewhere\n";
    assert_eq!(stderr, said);
}

#[tokio::test]
async fn an_option_that_would_be_ignored_is_a_usage_error() {
    const ID: &str = "01KATQ2J00000000000000001F";
    let directory = TempDir::new().unwrap();
    for arguments in [
        &["send", "--ndjson", r#"{"message":"x"}"#][..],
        &["send", "--ndjson", "--", "--x"],
        &["send", "--ndjson"],
        &["list", "a", "--after", ID, "--before", ID],
        &["list", "a", "--since", "1m", "--before", ID],
    ] {
        let (status, _, stderr) = run(directory.path(), arguments, &[]).await;
        assert_eq!(status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("invalid value"), "{stderr}");
    }
}

#[tokio::test]
async fn an_invalid_topic_is_a_usage_error() {
    let directory = TempDir::new().unwrap();
    for arguments in [
        &["tail", "No-Topic"][..],
        &["tail", "../message"],
        &["send", "x", "--topic", "No-Topic"],
    ] {
        let (status, _, stderr) = run(directory.path(), arguments, &[]).await;
        assert_eq!(status.code(), Some(2));
        assert!(stderr.contains("a-z"), "{stderr}");
    }
}

#[tokio::test]
async fn a_try_ends_with_the_time_limit_of_all() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let directory = TempDir::new().unwrap();
    let begin = tokio::time::Instant::now();
    let arguments = ["send", "text", "--retry-for", "1s"];
    let environment = [("POSTHORN_URL", url.as_str())];
    let (status, _, stderr) = run(directory.path(), &arguments, &environment).await;
    assert_eq!(status.code(), Some(75), "{stderr}");
    assert!(stderr.contains("the limit is 1s"), "{stderr}");
    // A call alone may take 15 s.
    assert!(begin.elapsed() < Duration::from_secs(14));
}
