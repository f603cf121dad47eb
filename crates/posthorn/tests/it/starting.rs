//! The start: configuration, errors, the other commands.

use std::fs::OpenOptions;
use std::process::Stdio;

use reqwest::StatusCode;
use tempfile::TempDir;

use tokio::time::timeout;

use crate::support::{PATIENCE, Server, client, posthorn, run};

const KEY: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn production_without_a_secret_exits_78_and_names_it() {
    let directory = TempDir::new().unwrap();
    let environment = [("ENVIRONMENT", "production"), ("PORT", "0")];
    let (status, _, stderr) = run(directory.path(), &[], &environment).await;
    assert_eq!(status.code(), Some(78));
    assert!(stderr.contains("SECRET_KEY"), "{stderr}");
}

#[tokio::test]
async fn production_rejects_short_and_sample_secrets_without_repeating_them() {
    let directory = TempDir::new().unwrap();
    for secret in ["short-but-telling", "dev-secret-key-change-in-production"] {
        let environment = [
            ("ENVIRONMENT", "production"),
            ("PORT", "0"),
            ("SECRET_KEY", secret),
        ];
        let (status, stdout, stderr) = run(directory.path(), &["serve"], &environment).await;
        assert_eq!(status.code(), Some(78));
        assert!(stderr.contains("SECRET_KEY"), "{stderr}");
        assert!(
            !stdout.contains(secret) && !stderr.contains(secret),
            "{stderr}"
        );
    }
}

#[tokio::test]
async fn all_configuration_errors_are_reported_in_one_run() {
    let directory = TempDir::new().unwrap();
    std::fs::write(
        directory.path().join("posthorn.toml"),
        "prot = 1\nmax_body_bytes = 0\nHOST = \"::1\"\n",
    )
    .unwrap();
    let environment = [
        ("ENVIRONMENT", "production"),
        ("PORT", "70000"),
        ("CORS_ORIGINS", "*"),
        ("REQUEST_TIMEOUT", "soon"),
        ("STORE_URL", "ftp://x"),
        ("LOG_LEVEL", "=="),
        ("DEFAULT_LOCALE", "fr"),
        ("OTEL_TRACES_SAMPLER", "x"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
    ];
    let (status, _, stderr) = run(directory.path(), &[], &environment).await;
    assert_eq!(status.code(), Some(78));
    for name in [
        "PORT:",
        "CORS_ORIGINS:",
        "REQUEST_TIMEOUT:",
        "STORE_URL:",
        "LOG_LEVEL:",
        "DEFAULT_LOCALE:",
        "OTEL_TRACES_SAMPLER:",
        "OTEL_TRACES_SAMPLER_ARG:",
        "SECRET_KEY:",
        "prot:",
        "HOST:",
        "MAX_BODY_BYTES:",
    ] {
        assert!(
            stderr.contains(&format!("\n{name}")),
            "{name} is not in\n{stderr}"
        );
    }
}

#[tokio::test]
async fn a_full_standard_error_changes_no_exit_code() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().port().to_string();
    for (arguments, variable, expected) in [
        (&["serve"][..], ("PORT", "nonsense"), 78),
        (&["serve"], ("PORT", taken.as_str()), 1),
        (&["config"], ("PORT", "nonsense"), 1),
        (&["healthcheck"], ("PORT", "1"), 1),
        (
            &["token", "issue", "--sub", "a", "--scope", "messages:read"],
            ("PORT", "0"),
            78,
        ),
        (&["send", "x"], ("POSTHORN_URL", "nowhere"), 2),
        (&["tail", "inbox"], ("POSTHORN_URL", "nowhere"), 2),
        (&["send", "--jsno"], ("POSTHORN_URL", "nowhere"), 2),
    ] {
        // Its own: a server keeps a development key beside its store.
        let directory = TempDir::new().unwrap();
        let mut command = posthorn(directory.path());
        command
            .args(arguments)
            .env("HOST", "127.0.0.1")
            .env(variable.0, variable.1)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(OpenOptions::new().write(true).open("/dev/full").unwrap());
        let status = timeout(PATIENCE, command.status()).await.expect("it ends");
        assert_eq!(status.unwrap().code(), Some(expected), "{arguments:?}");
    }
}

#[tokio::test]
async fn config_shows_values_with_their_origin_and_masks_secrets() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("other.toml");
    std::fs::write(
        &file,
        "port = 5001\ncors_origins = [\"https://a.example\", \"https://b.example\"]\n",
    )
    .unwrap();
    let secret_file = directory.path().join("key");
    std::fs::write(&secret_file, format!("{KEY}\n")).unwrap();
    let environment = [
        ("MAX_MESSAGE_LENGTH", "500"),
        ("SECRET_KEY_FILE", secret_file.to_str().unwrap()),
        ("REDIS_URL", "redis://user:hunter2@redis:6379/1"),
        ("POSTHORN_CONFIG", file.to_str().unwrap()),
        ("HOSTNAME", ""),
    ];
    let (status, stdout, stderr) = run(directory.path(), &["config"], &environment).await;
    assert_eq!(status.code(), Some(0), "{stderr}");
    let row = |name: &str| {
        let line = stdout
            .lines()
            .find(|line| line.split_whitespace().next() == Some(name));
        line.unwrap_or_else(|| panic!("no {name} in\n{stdout}"))
            .split_whitespace()
            .collect::<Vec<_>>()
    };
    assert_eq!(
        row("MAX_MESSAGE_LENGTH"),
        ["MAX_MESSAGE_LENGTH", "500", "environment"]
    );
    assert_eq!(row("PORT")[1..], ["5001", file.to_str().unwrap()]);
    assert_eq!(
        row("CORS_ORIGINS")[1],
        "https://a.example,https://b.example"
    );
    assert_eq!(row("KEEP_ALIVE")[1..], ["75s", "default"]);
    assert_eq!(
        row("SECRET_KEY")[1..],
        ["***", "file", secret_file.to_str().unwrap()]
    );
    assert!(row("REDIS_URL")[1].contains("@redis:6379/1"));
    assert!(
        !stdout.contains("hunter2") && !stdout.contains(KEY),
        "{stdout}"
    );
}

#[tokio::test]
async fn config_schema_describes_every_key_of_the_file() {
    let directory = TempDir::new().unwrap();
    let (status, stdout, stderr) = run(directory.path(), &["config", "schema"], &[]).await;
    assert_eq!(status.code(), Some(0), "{stderr}");
    let schema: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["properties"]["max_streams"]["default"], 10_000);
    assert_eq!(schema["properties"]["secret_key_file"]["type"], "string");
}

#[tokio::test]
async fn config_exits_1_on_an_error() {
    let directory = TempDir::new().unwrap();
    let (status, _, stderr) = run(directory.path(), &["config"], &[("PORT", "x")]).await;
    assert_eq!(status.code(), Some(1));
    assert!(
        stderr.contains("PORT") && stderr.contains("65535"),
        "{stderr}"
    );
}

#[tokio::test]
async fn a_secret_set_twice_or_from_a_missing_file_is_an_error() {
    let directory = TempDir::new().unwrap();
    let twice = [("SECRET_KEY", KEY), ("SECRET_KEY_FILE", "/nonexistent")];
    let (status, _, stderr) = run(directory.path(), &["config"], &twice).await;
    assert_eq!(status.code(), Some(1));
    assert!(stderr.contains("SECRET_KEY_FILE"), "{stderr}");
    let missing = [("SECRET_KEY_FILE", "/nonexistent")];
    let (status, _, stderr) = run(directory.path(), &["config"], &missing).await;
    assert_eq!(status.code(), Some(1));
    assert!(
        stderr.contains("SECRET_KEY_FILE") && stderr.contains("No such file"),
        "{stderr}"
    );
}

#[tokio::test]
async fn no_error_about_a_secret_shows_it() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("posthorn.toml");
    for (text, place) in [
        ("secret_key = hunter2\n", "line 1, secret_key"),
        ("port = 1\nsecret_key = \"hunter2\n", "line 2, secret_key"),
        ("secret_key = [\"hunter2\"]\n", "SECRET_KEY: "),
        ("secret_key = 5\n", "SECRET_KEY: "),
        ("secret_key_file = \"hunter2\"\n", "SECRET_KEY_FILE"),
        ("redis_url = [\"redis://:hunter2@h\"]\n", "REDIS_URL: "),
        ("redis_url = \"redis://:hunter2@h:port\"\n", "REDIS_URL: "),
        ("store_url = \"postgres://u:hunter2@h\"\n", "STORE_URL: "),
        ("secret = \"hunter2\"\n", "secret: "),
        ("[redis]\nurl = \"redis://:hunter2@h\"\n", "redis: "),
    ] {
        std::fs::write(&file, text).unwrap();
        let (status, stdout, stderr) = run(directory.path(), &["config"], &[]).await;
        assert_eq!(status.code(), Some(1), "{text}");
        assert!(stderr.contains(place), "{text}: {stderr}");
        assert!(!(stdout + &stderr).contains("hunter2"), "{text}: {stderr}");
    }
}

#[tokio::test]
async fn a_setting_that_is_not_utf8_is_an_error() {
    use std::os::unix::ffi::OsStrExt;
    let directory = TempDir::new().unwrap();
    let mut command = posthorn(directory.path());
    let key = std::ffi::OsStr::from_bytes(b"\xff");
    let output = command.arg("config").env("SECRET_KEY", key).output().await;
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("\nSECRET_KEY: it is not UTF-8"), "{stderr}");
}

#[tokio::test]
async fn usage_errors_exit_2_and_version_names_the_commit() {
    let directory = TempDir::new().unwrap();
    let (status, _, _) = run(directory.path(), &["--nonsense"], &[]).await;
    assert_eq!(status.code(), Some(2));
    let (status, stdout, _) = run(directory.path(), &["--version"], &[]).await;
    assert_eq!(status.code(), Some(0));
    assert!(
        stdout.contains(env!("CARGO_PKG_VERSION")) && stdout.contains("commit"),
        "{stdout}"
    );
}

#[tokio::test]
async fn a_port_in_use_is_a_clear_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let directory = TempDir::new().unwrap();
    let (status, _, stderr) = run(directory.path(), &[], &[("PORT", &port)]).await;
    assert_eq!(status.code(), Some(1));
    assert!(
        stderr.starts_with("posthorn: HOST, PORT: ") && stderr.contains(&port),
        "{stderr}"
    );
    let arguments = ["serve", "--host", "127.0.0.1", "--port", &port];
    let (status, _, stderr) = run(directory.path(), &arguments, &[]).await;
    assert_eq!(status.code(), Some(1));
    let expected = "posthorn: --host, --port: cannot listen on ";
    assert!(stderr.starts_with(expected), "{stderr}");
}

#[tokio::test]
async fn production_serves_with_a_secret_and_forbids_downgrades() {
    let directory = TempDir::new().unwrap();
    let environment = [
        ("ENVIRONMENT", "production"),
        ("SECRET_KEY", KEY),
        ("DRAIN_DELAY", "0s"),
        ("TRUSTED_PROXY_HOPS", "1"),
    ];
    let server = Server::start(&directory, &environment).await;
    let request = server.client.get(format!("{}/api/v1/ping", server.url));
    let request = request.header("X-Forwarded-Proto", "https");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.headers().contains_key("strict-transport-security"));
    assert_eq!(server.logged(KEY), 0);
}

#[tokio::test]
async fn metrics_can_have_a_port_of_their_own() {
    let port = posthorn_testkit::free_port().to_string();
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[("METRICS_PORT", &port)]).await;
    assert_eq!(server.get("/metrics").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(server.get("/health/live").await.status(), StatusCode::OK);
    for path in ["metrics", "health/ready"] {
        let url = format!("http://127.0.0.1:{port}/{path}");
        assert_eq!(
            client().get(url).send().await.unwrap().status(),
            StatusCode::OK
        );
    }
    let url = format!("http://127.0.0.1:{port}/api/v1/ping");
    assert_eq!(
        client().get(url).send().await.unwrap().status(),
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn the_flood_guard_rejects_a_client_that_is_too_fast_and_never_a_probe() {
    let directory = TempDir::new().unwrap();
    let environment = [
        ("FLOOD_PER_SECOND", "1"),
        ("FLOOD_BURST", "5"),
        ("TRUSTED_PROXY_HOPS", "1"),
    ];
    let server = Server::start(&directory, &environment).await;
    let ask = async |path: &str, client: &str| {
        let request = server.client.get(format!("{}{path}", server.url));
        request
            .header("X-Forwarded-For", client)
            .send()
            .await
            .unwrap()
    };
    let mut refused = None;
    for _ in 0..20 {
        let answer = ask("/api/v1/ping", "192.0.2.1").await;
        if answer.status() != StatusCode::OK {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("20 requests at once are over the limit");
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = refused.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(wait >= 1);
    let problem: serde_json::Value = refused.json().await.unwrap();
    assert_eq!(problem["code"], "rate-limited");
    assert_eq!(
        ask("/api/v1/ping", "192.0.2.2").await.status(),
        StatusCode::OK,
        "another client"
    );
    for _ in 0..20 {
        assert_eq!(
            ask("/health/ready", "192.0.2.1").await.status(),
            StatusCode::OK
        );
    }
}
