//! The guard at connect.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use posthorn_application::WebhookSendError;
use posthorn_domain::ForbiddenAddress::{
    self, LinkLocal, Loopback, Private, Reserved, Shared, Unspecified,
};
use posthorn_domain::WebhookFormat;
use posthorn_webhooks::{HttpSender, HttpSenderSettings};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::receiver::{Receiver, Script};
use crate::rig::{allowing, endpoint_of, send, sender};

const CLOSING: Script =
    Script::Write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");

/// Hosts in all forms that the URL standard reads as an address.
const HOSTS: &[(&str, ForbiddenAddress)] = &[
    ("127.0.0.1", Loopback),
    ("127.0.0.1.", Loopback),
    ("127.1", Loopback),
    ("127.0.1", Loopback),
    ("2130706433", Loopback),
    ("0x7f000001", Loopback),
    ("0x7f.0.0.1", Loopback),
    ("0x7F.1", Loopback),
    ("0177.0.0.1", Loopback),
    ("017700000001", Loopback),
    ("%31%32%37.0.0.1", Loopback),
    ("１２７.０.０.１", Loopback),
    ("127。0。0。1", Loopback),
    ("0", Unspecified),
    ("0x0", Unspecified),
    ("10.1", Private),
    ("0xa.1", Private),
    ("012.0.0.1", Private),
    ("3232235777", Private),
    ("192.168.257", Private),
    ("2852039166", LinkLocal),
    ("0xa9fea9fe", LinkLocal),
    ("0251.0376.0251.0376", LinkLocal),
    ("169.254.43518", LinkLocal),
    ("100.64.1", Shared),
    ("[::1]", Loopback),
    ("[0:0:0:0:0:0:0:1]", Loopback),
    ("[::]", Unspecified),
    ("[::ffff:127.0.0.1]", Loopback),
    ("[::ffff:7f00:1]", Loopback),
    ("[::ffff:a9fe:a9fe]", LinkLocal),
    ("[::127.0.0.1]", Reserved),
    ("[64:ff9b::7f00:1]", Loopback),
    ("[64:ff9b::10.0.0.1]", Private),
    ("[2002:7f00:1::]", Loopback),
    ("[2002:c0a8:101::1]", Private),
    ("[fe80::1]", LinkLocal),
    ("[fd00:ec2::254]", Private),
];

/// It is no fault of the receiver's or of the proxy.
#[tokio::test]
async fn a_look_up_without_an_open_file_is_an_exhaustion() {
    struct Exhausted;

    impl Resolve for Exhausted {
        fn resolve(&self, _: Name) -> Resolving {
            const EMFILE: i32 = 24;
            Box::pin(async { Err(std::io::Error::from_raw_os_error(EMFILE).into()) })
        }
    }

    let _ = rustls::crypto::ring::default_provider().install_default();
    for (proxy, url) in [
        (None, "http://receiver.test/"),
        (Some("http://proxy.test:8080"), "http://receiver.test/"),
        (Some("http://proxy.test:8080"), "https://receiver.test/"),
    ] {
        let settings = HttpSenderSettings {
            proxy: proxy.map(str::to_owned),
            ..HttpSenderSettings::default()
        };
        let sender = HttpSender::with_resolver(settings, Arc::new(Exhausted)).unwrap();
        let outcome = send(&endpoint_of(&sender, url, WebhookFormat::Standard)).await;
        assert_eq!(outcome, Err(WebhookSendError::Exhausted), "{proxy:?} {url}");
    }
}

#[tokio::test]
async fn an_address_in_the_url_is_refused_in_every_form() {
    let sender = sender(HttpSenderSettings::default());
    for (host, expected) in HOSTS {
        let endpoint = endpoint_of(&sender, &format!("http://{host}/"), WebhookFormat::Standard);
        let outcome = send(&endpoint).await;
        assert_eq!(
            outcome,
            Err(WebhookSendError::Forbidden(*expected)),
            "{host}"
        );
    }
}

#[tokio::test]
async fn a_name_with_a_forbidden_address_is_refused_unless_it_is_allowed() {
    let receiver = Receiver::start(CLOSING).await;
    let url = format!("http://localhost:{}/", receiver.address.port());
    let refusing = sender(HttpSenderSettings::default());
    let outcome = send(&endpoint_of(&refusing, &url, WebhookFormat::Standard)).await;
    assert_eq!(outcome, Err(WebhookSendError::Forbidden(Loopback)));
    assert_eq!(receiver.connections(), 0);
    let allowing = sender(allowing(&["127.0.0.0/8"]));
    let reply = send(&endpoint_of(&allowing, &url, WebhookFormat::Standard)).await;
    assert_eq!(reply.unwrap().status, 200);
}

#[tokio::test]
async fn an_allowed_block_covers_the_mapped_form() {
    let receiver = Receiver::start(CLOSING).await;
    let sender = sender(allowing(&["127.0.0.1"]));
    let url = format!("http://[::ffff:127.0.0.1]:{}/", receiver.address.port());
    let reply = send(&endpoint_of(&sender, &url, WebhookFormat::Standard)).await;
    assert_eq!(reply.unwrap().status, 200);
}

/// Resolves every name to the next list.
struct NextOf(Mutex<Vec<Vec<&'static str>>>);

impl Resolve for NextOf {
    fn resolve(&self, _: Name) -> Resolving {
        let addresses = self.0.lock().unwrap().remove(0).into_iter();
        let addresses: Vec<SocketAddr> = addresses
            .map(|address| SocketAddr::new(address.parse().unwrap(), 0))
            .collect();
        Box::pin(async move { Ok(Box::new(addresses.into_iter()) as Addrs) })
    }
}

fn resolving(look_ups: &[&[&'static str]]) -> HttpSender {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let look_ups = look_ups
        .iter()
        .map(|addresses| addresses.to_vec())
        .collect();
    let resolver = Arc::new(NextOf(Mutex::new(look_ups)));
    HttpSender::with_resolver(allowing(&["127.0.0.1"]), resolver).unwrap()
}

#[tokio::test]
async fn of_two_addresses_only_the_allowed_one_is_called() {
    let receiver = Receiver::start(CLOSING).await;
    let sender = resolving(&[
        &["127.0.0.2", "10.0.0.1", "127.0.0.1"],
        &["127.0.0.2", "10.0.0.1"],
    ]);
    let url = format!("http://receiver.test:{}/", receiver.address.port());
    let endpoint = endpoint_of(&sender, &url, WebhookFormat::Standard);
    assert_eq!(send(&endpoint).await.unwrap().status, 200);
    assert_eq!(
        send(&endpoint).await,
        Err(WebhookSendError::Forbidden(Loopback))
    );
}

#[tokio::test]
async fn a_name_that_changes_its_address_is_checked_at_each_attempt() {
    let receiver = Receiver::start(CLOSING).await;
    let sender = resolving(&[&["127.0.0.1"], &["169.254.169.254"], &["127.0.0.1"], &[]]);
    let url = format!("http://receiver.test:{}/", receiver.address.port());
    let endpoint = endpoint_of(&sender, &url, WebhookFormat::Standard);
    assert_eq!(send(&endpoint).await.unwrap().status, 200);
    assert_eq!(
        send(&endpoint).await,
        Err(WebhookSendError::Forbidden(LinkLocal))
    );
    assert_eq!(send(&endpoint).await.unwrap().status, 200);
    assert_eq!(send(&endpoint).await, Err(WebhookSendError::Unresolved));
    assert_eq!(receiver.connections(), 2);
}

#[tokio::test]
async fn without_tls_nothing_is_sent_where_it_is_required() {
    let receiver = Receiver::start(CLOSING).await;
    let settings = HttpSenderSettings {
        https_only: true,
        ..allowing(&["127.0.0.1"])
    };
    let endpoint = endpoint_of(&sender(settings), &receiver.url(), WebhookFormat::Standard);
    assert_eq!(send(&endpoint).await, Err(WebhookSendError::Insecure));
    assert_eq!(receiver.connections(), 0);
}

/// A sender through this proxy.
fn proxied(proxy: &str) -> HttpSender {
    sender(HttpSenderSettings {
        proxy: Some(proxy.to_owned()),
        ..HttpSenderSettings::default()
    })
}

/// For the operator: the owner of the receiver cannot mend it.
#[tokio::test]
async fn a_failure_of_the_proxy_is_told_as_one() {
    const UNAUTHORIZED: &str =
        "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
    const REFUSING: &str = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
    let unauthorized = Receiver::start(Script::Write(UNAUTHORIZED)).await;
    let refusing = Receiver::start(Script::Write(REFUSING)).await;
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let closed = closed.unwrap();
    let required = "it requires authentication";
    let refused = "no connection: connection refused";
    let unresolved = "its name does not resolve";
    let no_tunnel = "it gave no connection to the receiver";
    for (proxy, of_http, of_https) in [
        (
            "proxy.invalid:8080".to_owned(),
            Some(unresolved),
            unresolved,
        ),
        (closed.to_string(), Some(refused), refused),
        (unauthorized.address.to_string(), Some(required), required),
        (refusing.address.to_string(), None, no_tunnel),
    ] {
        let sender = proxied(&format!("http://{proxy}"));
        for (url, expected) in [
            ("http://receiver.test/", of_http),
            ("https://receiver.test/", Some(of_https)),
        ] {
            let outcome = send(&endpoint_of(&sender, url, WebhookFormat::Standard)).await;
            let proxy_failed = |reason: &str| WebhookSendError::Proxy(reason.to_owned());
            // A status is that of the receiver, unless only a proxy has it.
            let status = outcome.as_ref().ok().map(|reply| reply.status);
            assert_eq!(outcome.err(), expected.map(proxy_failed), "{proxy} {url}");
            assert_eq!(status, expected.is_none().then_some(403), "{proxy} {url}");
        }
    }
}

/// The proxy has a connection, and the receiver speaks no TLS.
#[tokio::test]
async fn a_receiver_without_tls_behind_a_proxy_is_no_failure_of_the_proxy() {
    const ESTABLISHED: &str = "HTTP/1.1 200 OK\r\n\r\n";
    let proxy = Receiver::start(Script::Repeat(ESTABLISHED, "no TLS", Duration::ZERO)).await;
    let sender = proxied(&format!("http://{}", proxy.address));
    let endpoint = endpoint_of(&sender, "https://receiver.test/", WebhookFormat::Standard);
    let outcome = send(&endpoint).await;
    assert!(
        matches!(outcome, Err(WebhookSendError::Tls(_))),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn with_a_proxy_names_are_left_to_it_and_addresses_are_checked() {
    let proxy = Receiver::start(CLOSING).await;
    let sender = proxied(&format!("http://{}", proxy.address));
    let named = endpoint_of(
        &sender,
        "http://receiver.invalid/x",
        WebhookFormat::Standard,
    );
    assert_eq!(send(&named).await.unwrap().status, 200);
    assert!(proxy.requests()[0].starts_with("POST http://receiver.invalid/x HTTP/1.1"));
    let address = endpoint_of(&sender, "http://10.0.0.1/", WebhookFormat::Standard);
    assert_eq!(
        send(&address).await,
        Err(WebhookSendError::Forbidden(Private))
    );
    assert_eq!(proxy.requests().len(), 1);
}
