//! Credentials beside the URL, and TLS with a private authority and a client certificate.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use posthorn_application::{Cache as _, MessageStore as _};
use posthorn_redis::{
    RedisAccess, RedisCache, RedisDependency, RedisPool, RedisSettings, RedisStore,
    RedisStoreError, RedisStoreSettings,
};
use posthorn_testkit::{FakeClock, RedisServer, free_port};
use tempfile::TempDir;

use crate::support::{documented_user, set_user, store, with_user};

type ByteCache = RedisCache<Vec<u8>>;

const PASSWORD: &str = "p@s/s:%40 #?\"'\\ \u{447}";
const MINUTE: Duration = Duration::from_mins(1);

fn cache(url: String, access: RedisAccess) -> ByteCache {
    let settings = RedisSettings {
        access,
        ..RedisSettings::new(url.into())
    };
    ByteCache::new(RedisPool::new(&settings).unwrap())
}

async fn stores(cache: &ByteCache) -> bool {
    cache.set("k", &b"v".to_vec(), MINUTE).await.is_ok()
}

#[tokio::test]
async fn any_password_works_beside_the_url() {
    let server = RedisServer::start().await;
    for command in [
        &[
            "acl",
            "setuser",
            "bob",
            "on",
            "~*",
            "&*",
            "+@all",
            &format!(">{PASSWORD}"),
        ][..],
        &["config", "set", "requirepass", PASSWORD],
    ] {
        server.command(command).await.unwrap();
    }
    let password = Some(PASSWORD.into());
    for username in [None, Some("bob".to_owned())] {
        let access = RedisAccess {
            username,
            password: password.clone(),
            ..RedisAccess::default()
        };
        assert!(stores(&cache(server.url(), access)).await);
    }
    let wrong = RedisAccess {
        password: Some("wrong".into()),
        ..RedisAccess::default()
    };
    assert!(!stores(&cache(server.url(), wrong)).await);
}

#[tokio::test]
async fn a_wrong_password_ends_the_wait_at_once() {
    let server = RedisServer::start().await;
    let command = ["config", "set", "requirepass", PASSWORD];
    server.command(&command).await.unwrap();
    let settings = RedisSettings {
        access: RedisAccess {
            password: Some("wrong".into()),
            ..RedisAccess::default()
        },
        ..RedisSettings::new(server.url().into())
    };
    let dependency = RedisDependency::new(RedisPool::new(&settings).unwrap());
    // A fake clock never wakes a sleep by itself, so a wait would not end.
    let clock = FakeClock::new();
    let check = dependency.check_at_start(MINUTE, &clock);
    let checked = tokio::time::timeout(Duration::from_secs(10), check).await;
    assert!(checked.expect("it waits").is_err());
    let settings = RedisStoreSettings {
        redis: settings,
        ..RedisStoreSettings::new(server.url().into())
    };
    let connect = RedisStore::connect_at_start(settings, None, MINUTE, &clock);
    let connected = tokio::time::timeout(Duration::from_secs(10), connect).await;
    assert!(matches!(
        connected.expect("it waits"),
        Err(RedisStoreError::Refused(_))
    ));
}

#[tokio::test]
async fn a_command_that_the_user_lacks_is_named() {
    let server = RedisServer::start().await;
    set_user(&server, &documented_user()).await;
    let store = store(&with_user(&server.url())).await;
    assert_eq!(store.health().await, Ok(()));
    for (rule, name) in [
        ("-publish", "PUBLISH"),
        ("-subscribe", "SUBSCRIBE"),
        ("-hdel", "HDEL"),
        ("-evalsha", "EVALSHA"),
        ("-xinfo", "XINFO"),
    ] {
        let rules = [documented_user(), vec![rule]].concat();
        set_user(&server, &rules).await;
        let error = store.health().await.unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
    let rules = [documented_user(), vec!["resetchannels", "&other"]].concat();
    set_user(&server, &rules).await;
    assert!(store.health().await.is_err());
    set_user(&server, &documented_user()).await;
    assert_eq!(store.health().await, Ok(()));
}

/// An authority, and a server and a client that it certifies.
struct Certificates(TempDir);

impl Certificates {
    fn new() -> Self {
        let certificates = Self(TempDir::new().unwrap());
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        let extensions = certificates.path("extensions");
        std::fs::write(extensions, "subjectAltName=IP:127.0.0.1").unwrap();
        certificates.run(&format!(
            "req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=authority"
        ));
        for name in ["server", "client"] {
            certificates.run(&format!(
                "req {key} -keyout {name}.key -out {name}.csr -subj /CN={name}"
            ));
            certificates.run(&format!(
                "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
                 -extfile extensions -out {name}.pem"
            ));
        }
        certificates
    }

    fn run(&self, arguments: &str) {
        let mut openssl = Command::new("openssl");
        openssl.args(arguments.split_whitespace());
        let output = openssl.current_dir(self.0.path()).output();
        let output = output.expect("openssl is installed");
        assert!(output.status.success(), "{output:?}");
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(self.0.path()).join(name)
    }
}

#[tokio::test]
async fn a_private_authority_and_a_client_certificate_are_used() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificates = Certificates::new();
    let port = free_port().to_string();
    let file = |name| certificates.path(name).to_string_lossy().into_owned();
    let (certificate, key, authority) = (file("server.pem"), file("server.key"), file("ca.pem"));
    let arguments = [
        "--save",
        "",
        "--appendonly",
        "no",
        "--tls-port",
        &port,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &authority,
        "--tls-auth-clients",
        "yes",
    ];
    let _server = RedisServer::start_with(&arguments).await;
    let url = format!("rediss://127.0.0.1:{port}");
    let whole = RedisAccess {
        ca_file: Some(certificates.path("ca.pem")),
        cert_file: Some(certificates.path("client.pem")),
        key_file: Some(certificates.path("client.key")),
        ..RedisAccess::default()
    };
    assert!(stores(&cache(url.clone(), whole.clone())).await);
    let without_authority = RedisAccess {
        ca_file: None,
        ..whole.clone()
    };
    assert!(!stores(&cache(url.clone(), without_authority)).await);
    // A certificate of another authority, and none where the server requires one, end the wait at the start.
    let other = Certificates::new();
    let of_another_authority = RedisAccess {
        ca_file: Some(other.path("ca.pem")),
        ..whole.clone()
    };
    let without_certificate = RedisAccess {
        cert_file: None,
        key_file: None,
        ..whole
    };
    for access in [of_another_authority, without_certificate] {
        assert!(!stores(&cache(url.clone(), access.clone())).await);
        let settings = RedisSettings {
            access,
            ..RedisSettings::new(url.clone().into())
        };
        let dependency = RedisDependency::new(RedisPool::new(&settings).unwrap());
        let clock = FakeClock::new();
        let check = dependency.check_at_start(MINUTE, &clock);
        let checked = tokio::time::timeout(Duration::from_secs(10), check).await;
        assert!(checked.expect("it waits").is_err());
    }
}

#[test]
fn a_client_certificate_that_cannot_be_used_is_an_error_of_its_file() {
    let certificates = Certificates::new();
    // Without extensions it is of version 1.
    certificates.run("x509 -req -in client.csr -signkey client.key -days 2 -out old.pem");
    for (certificate, key, expected) in [
        ("client.pem", "client.key", None),
        (
            "client.pem",
            "server.key",
            Some("server.key: it is not the key"),
        ),
        (
            "old.pem",
            "client.key",
            Some("old.pem: the client certificate"),
        ),
    ] {
        let settings = RedisSettings {
            access: RedisAccess {
                cert_file: Some(certificates.path(certificate)),
                key_file: Some(certificates.path(key)),
                ..RedisAccess::default()
            },
            ..RedisSettings::new("rediss://127.0.0.1".to_owned().into())
        };
        let error = RedisPool::new(&settings)
            .err()
            .map(|error| error.to_string());
        match expected {
            None => assert_eq!(error, None),
            Some(expected) => assert!(error.as_ref().unwrap().contains(expected), "{error:?}"),
        }
    }
}
