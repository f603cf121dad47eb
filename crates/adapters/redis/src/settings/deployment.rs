//! The URL, taken apart into what the client library wants.

use redis::sentinel::SentinelNodeConnectionInfo;
use redis::{ConnectionInfo, IntoConnectionInfo, ProtocolVersion, TlsMode};

use super::RedisSettingsError;

const SENTINEL_FORM: &str = "redis+sentinel://[user:password@]host[:port][,…]/service[/db]";
const CLUSTER_FORM: &str = "redis+cluster://[user:password@]host[:port][,…]";
/// Where Sentinels listen when the URL names no port.
const SENTINEL_PORT: u16 = 26_379;

/// What kind of Redis there is and where to find it.
#[derive(Clone, Debug)]
pub(crate) enum Deployment {
    /// One server.
    Single(ConnectionInfo),
    /// The primary that the Sentinels name.
    Sentinel {
        /// The Sentinels.
        sentinels: Vec<ConnectionInfo>,
        /// The name under which they watch the primary.
        service: String,
        /// How the primary is talked to.
        node: SentinelNodeConnectionInfo,
    },
    /// Any nodes of a cluster.
    Cluster(Vec<ConnectionInfo>),
}

/// `[credentials@]hosts[/path]` of a URL with several hosts.
struct Parts<'a> {
    /// `user:password@`, or nothing.
    credentials: String,
    hosts: Vec<&'a str>,
    path: &'a str,
}

impl Deployment {
    pub(super) fn parse(url: &str) -> Result<Self, RedisSettingsError> {
        let (scheme, rest) = url.split_once("://").ok_or(RedisSettingsError::Scheme)?;
        if scheme.starts_with("rediss") {
            // The client library brings no cryptography of its own, and panics without any. That
            // the process has chosen some already is no error.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        match scheme {
            "redis" | "rediss" => Ok(Self::Single(connection_info(url)?)),
            "redis+sentinel" => Self::sentinel("redis", rest),
            "rediss+sentinel" => Self::sentinel("rediss", rest),
            "redis+cluster" => Self::cluster("redis", rest),
            "rediss+cluster" => Self::cluster("rediss", rest),
            _ => Err(RedisSettingsError::Scheme),
        }
    }

    fn sentinel(scheme: &str, rest: &str) -> Result<Self, RedisSettingsError> {
        let form = RedisSettingsError::Form(SENTINEL_FORM);
        let Parts {
            credentials,
            hosts,
            path,
        } = Parts::split(rest, &form)?;
        let (service, db) = path.split_once('/').unwrap_or((path, ""));
        if service.is_empty() {
            return Err(form);
        }
        let sentinel = |host: &&str| {
            let port = if has_port(host) {
                String::new()
            } else {
                format!(":{SENTINEL_PORT}")
            };
            connection_info(&format!("{scheme}://{host}{port}"))
        };
        let sentinels = hosts.iter().map(sentinel).collect::<Result<_, _>>()?;
        // The host is a stand-in: the Sentinels name the real one.
        let primary = connection_info(&format!("{scheme}://{credentials}primary/{db}"))?;
        let node = SentinelNodeConnectionInfo::default()
            .set_redis_connection_info(primary.redis_settings().clone());
        let node = if scheme == "rediss" {
            node.set_tls_mode(TlsMode::Secure)
        } else {
            node
        };
        Ok(Self::Sentinel {
            sentinels,
            service: service.to_owned(),
            node,
        })
    }

    fn cluster(scheme: &str, rest: &str) -> Result<Self, RedisSettingsError> {
        let form = RedisSettingsError::Form(CLUSTER_FORM);
        let Parts {
            credentials,
            hosts,
            path,
        } = Parts::split(rest, &form)?;
        if !path.is_empty() {
            return Err(form);
        }
        let seed = |host: &&str| connection_info(&format!("{scheme}://{credentials}{host}"));
        Ok(Self::Cluster(
            hosts.iter().map(seed).collect::<Result<_, _>>()?,
        ))
    }
}

impl<'a> Parts<'a> {
    fn split(rest: &'a str, form: &RedisSettingsError) -> Result<Self, RedisSettingsError> {
        let (credentials, place) = match rest.rsplit_once('@') {
            Some((credentials, place)) => (format!("{credentials}@"), place),
            None => (String::new(), rest),
        };
        let (hosts, path) = place.split_once('/').unwrap_or((place, ""));
        let hosts: Vec<_> = hosts.split(',').collect();
        if hosts.iter().any(|host| host.is_empty()) || path.contains(['?', '#']) {
            return Err(form.clone());
        }
        Ok(Self {
            credentials,
            hosts,
            path,
        })
    }
}

/// Whether a port follows; an IPv6 address stands in brackets.
fn has_port(host: &str) -> bool {
    host.rsplit_once(']')
        .map_or(host, |(_, after)| after)
        .contains(':')
}

/// The library's texts name the part that is wrong and never quote the URL; details of it, which
/// could, are left out.
fn connection_info(url: &str) -> Result<ConnectionInfo, RedisSettingsError> {
    let info = url
        .into_connection_info()
        .map_err(|error| RedisSettingsError::Refused(error.category().to_owned()))?;
    // Answers have other forms in RESP3, which a URL could ask for.
    let redis = info
        .redis_settings()
        .clone()
        .set_protocol(ProtocolVersion::RESP2);
    Ok(info.set_redis_settings(redis))
}

#[cfg(test)]
mod tests {
    use redis::ConnectionAddr;

    use super::*;

    #[track_caller]
    fn check_refused(url: &str, expected: &RedisSettingsError) {
        let error = Deployment::parse(url).expect_err(url);
        assert_eq!(&error, expected, "{url}");
        assert!(!error.to_string().contains("hunter"), "{error}");
    }

    fn addresses(infos: &[ConnectionInfo]) -> Vec<String> {
        infos.iter().map(|info| info.addr().to_string()).collect()
    }

    #[test]
    fn what_is_no_redis_url_is_refused_without_showing_it() {
        check_refused("hunter2", &RedisSettingsError::Scheme);
        check_refused("http://:hunter2@h", &RedisSettingsError::Scheme);
        check_refused(
            "redis+sentinel://:hunter2@h",
            &RedisSettingsError::Form(SENTINEL_FORM),
        );
        check_refused(
            "redis+sentinel://:hunter2@/x",
            &RedisSettingsError::Form(SENTINEL_FORM),
        );
        check_refused(
            "redis+cluster://:hunter2@a,,b",
            &RedisSettingsError::Form(CLUSTER_FORM),
        );
        check_refused(
            "redis+cluster://:hunter2@a/1",
            &RedisSettingsError::Form(CLUSTER_FORM),
        );
        for url in [
            "redis://:hunter2@",
            "redis://:hunter2@h:port",
            "redis://:hunter2@h/hunter",
        ] {
            let error = Deployment::parse(url).expect_err(url);
            assert!(matches!(error, RedisSettingsError::Refused(_)), "{error:?}");
            assert!(!error.to_string().contains("hunter"), "{error}");
        }
    }

    #[test]
    fn a_single_server_keeps_its_credentials_and_database() {
        let Deployment::Single(info) = Deployment::parse("redis://bob:p%40ss@h:7/3").unwrap()
        else {
            panic!("not single");
        };
        assert_eq!(info.addr(), &ConnectionAddr::Tcp("h".to_owned(), 7));
        assert_eq!(info.redis_settings().username(), Some("bob"));
        assert_eq!(info.redis_settings().password(), Some("p@ss"));
        assert_eq!(info.redis_settings().db(), 3);
    }

    #[test]
    fn sentinels_are_asked_without_the_credentials_of_the_primary() {
        let url = "redis+sentinel://bob:pass@a:1,[::1],c/mymaster/2";
        let Deployment::Sentinel {
            sentinels, service, ..
        } = Deployment::parse(url).unwrap()
        else {
            panic!("not sentinel");
        };
        assert_eq!(addresses(&sentinels), ["a:1", "::1:26379", "c:26379"]);
        assert_eq!(service, "mymaster");
        assert!(
            sentinels
                .iter()
                .all(|info| info.redis_settings().password().is_none())
        );
    }

    #[test]
    fn every_seed_of_a_cluster_has_the_credentials() {
        let Deployment::Cluster(seeds) =
            Deployment::parse("rediss+cluster://bob:pass@a:1,b").unwrap()
        else {
            panic!("not cluster");
        };
        assert_eq!(addresses(&seeds), ["a:1", "b:6379"]);
        assert!(
            seeds
                .iter()
                .all(|info| info.redis_settings().password() == Some("pass"))
        );
        assert!(matches!(
            seeds[0].addr(),
            ConnectionAddr::TcpTls {
                insecure: false,
                ..
            }
        ));
    }
}
