//! Values that a command rejects by itself, before any request. The ones that clap rejects are in the tests
//! of the grammar.

use tempfile::TempDir;

use crate::stub_consumer::StubConsumer;
use crate::support::run;

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// Runs a command that is a wrong use; returns what it reports.
async fn rejected(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let directory = TempDir::new().unwrap();
    let stub = StubConsumer::start().await;
    let server = [("POSTHORN_URL", stub.url.as_str())];
    let environment = [&server, environment].concat();
    let (status, stdout, stderr) = run(directory.path(), arguments, &environment).await;
    assert_eq!(
        (status.code(), stdout.as_str()),
        (Some(2), ""),
        "{arguments:?}: {stderr}"
    );
    assert!(stderr.starts_with("posthorn: "), "{stderr}");
    let state = stub.state();
    assert!(
        state.requests.is_empty() && state.pulls.is_empty(),
        "{arguments:?}"
    );
    stderr
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_value_is_named_with_what_is_allowed() {
    let long = ["x"; 201];
    let attributes: Vec<_> = (0..17)
        .map(|number| format!("--attribute=k{number}=v"))
        .collect();
    let attributes: Vec<_> = attributes.iter().map(String::as_str).collect();
    let waits = ["1s"; 21].join(",");
    let ids = ["01KATQ2J00000000000000001F"; 201];
    for (arguments, origin, allowed) in [
        (
            &["healthcheck", "--url", "foo"][..],
            "--url: `foo` ",
            "http://",
        ),
        (
            &["healthcheck", "--url", "http://"],
            "--url: ",
            "empty host",
        ),
        (&["man", "nothing"], "COMMAND: ", "no command `nothing`"),
        (
            &["delete", "demo"],
            "ID: ",
            "--before 7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
        ),
        (&["token", "revoke", "a b"], "JTI: ", "A-Z"),
        (&["send", ""], "TEXT: ", "at least 1 character"),
        (&["send", " \u{a0}\n"], "TEXT: ", "at least 1 character"),
        (&["send", "--", ""], "TEXT: ", "at least 1 character"),
        (&["send", "a\u{7}b"], "TEXT: ", "control character"),
        (
            &[&["consumer", "ack", "a", "b"][..], &long].concat(),
            "LEASE: ",
            "1 to 200",
        ),
        (
            &[&["consumer", "redrive", "a", "b"][..], &ids].concat(),
            "ID: ",
            "1 to 200",
        ),
        (
            &["consumer", "put", "a", "b", "--backoff", &waits],
            "--backoff: ",
            "1 to 20",
        ),
        (
            &[&["send", "x"][..], &attributes].concat(),
            "--attribute: ",
            "at most 16",
        ),
        (
            &["webhook", "put", "a", "b", "foo"],
            "URL: ",
            "https://example.com/hook",
        ),
        (
            &["webhook", "put", "a", "b", "ftp://h/"],
            "URL: ",
            "http or https",
        ),
        (
            &["webhook", "put", "a", "b", "http://h:0/"],
            "URL: ",
            "another port",
        ),
        (
            &[
                "webhook",
                "put",
                "a",
                "b",
                "http://h/",
                "--schedule",
                &waits,
            ],
            "--schedule: ",
            "1 to 20",
        ),
    ] {
        let stderr = rejected(arguments, &[("SECRET_KEY", KEY)]).await;
        assert!(
            stderr.starts_with(&format!("posthorn: {origin}")),
            "{stderr}"
        );
        assert!(stderr.contains(allowed), "{stderr}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_credential_is_not_repeated() {
    let put = ["webhook", "put", "a", "b"];
    let secret = ("POSTHORN_WEBHOOK_SECRET", "hunter2");
    for (options, variable, expected) in [
        (&["https://u:hunter2@h/"][..], ("A", ""), "URL: "),
        (
            &["http://h/", "--header", "hunter2"],
            ("A", ""),
            "NAME=VALUE",
        ),
        (
            &["http://h/", "--header", "Host=hunter2"],
            ("A", ""),
            "`host`",
        ),
        (&["http://h/", "--header", "A=hunter2 "], ("A", ""), "`a`"),
        (&["http://h/", "--secret", "hunter2"], ("A", ""), "whsec_"),
        (&["http://h/"], secret, "POSTHORN_WEBHOOK_SECRET"),
    ] {
        let stderr = rejected(&[&put, options].concat(), &[variable]).await;
        assert!(stderr.contains(expected), "{stderr}");
        assert!(!stderr.contains("hunter2"), "{stderr}");
    }
    // Also without a key, which `token revoke` needs.
    for command in [
        &["healthcheck"][..],
        &["token", "revoke", "id-1"],
        &["list", "a"],
    ] {
        let arguments = [command, &["--url", "ftp://u:hunter2@h/"]].concat();
        let stderr = rejected(&arguments, &[]).await;
        assert!(stderr.contains("`h/` is not a server address"), "{stderr}");
        assert!(!stderr.contains("hunter2"), "{stderr}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_server_is_named_with_what_gave_its_address() {
    let directory = TempDir::new().unwrap();
    let url = format!("http://127.0.0.1:{}", posthorn_testkit::free_port());
    let option = format!("cannot reach {url} (from --url): Connection refused");
    let variable = format!("cannot reach {url} (from POSTHORN_URL): Connection refused");
    for (arguments, expected) in [
        (&["topics", "--url", &url][..], &option),
        (&["topics"], &variable),
        (&["consumer", "list", "a"], &variable),
        (&["send", "x", "--retry-for", "0s"], &variable),
    ] {
        let environment = [("POSTHORN_URL", url.as_str())];
        let (status, stdout, stderr) = run(directory.path(), arguments, &environment).await;
        assert_eq!((status.code(), stdout.as_str()), (Some(75), ""), "{stderr}");
        assert!(stderr.starts_with("posthorn: "), "{stderr}");
        assert!(stderr.contains(expected.as_str()), "{stderr}");
        assert!(!stderr.contains("error sending"), "{stderr}");
    }
}
