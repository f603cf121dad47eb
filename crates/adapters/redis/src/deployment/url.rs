//! The Redis URL and the deployment that it describes.

use redis::{ConnectionInfo, IntoConnectionInfo, ProtocolVersion};

use super::access::RedisAccess;
use super::error::RedisSettingsError;

const SINGLE_FORM: &str = "redis://[user:password@]host[:port][/db]";
const SENTINEL_FORM: &str = "redis+sentinel://[user:password@]host[:port][,…]/service[/db]";
const CLUSTER_FORM: &str = "redis+cluster://[user:password@]host[:port][,…]";
/// The port of a Sentinel whose URL has none.
const SENTINEL_PORT: u16 = 26_379;

/// The kind of deployment and the addresses of its servers.
#[derive(Clone, Debug)]
pub(crate) enum Deployment {
    /// One server.
    Single(ConnectionInfo),
    /// A primary that Sentinels find.
    Sentinel {
        /// The addresses of the Sentinels.
        sentinels: Vec<ConnectionInfo>,
        /// The name under which the Sentinels monitor the primary.
        service: String,
        /// Credentials, database and TLS mode of connections to the primary. The Sentinels return
        /// its address.
        primary: ConnectionInfo,
    },
    /// Some nodes of a cluster.
    Cluster(Vec<ConnectionInfo>),
}

/// The parts of a URL with several hosts, behind its scheme.
struct UrlParts<'a> {
    /// `user:password@`, or empty.
    credentials: String,
    hosts: Vec<&'a str>,
    path: &'a str,
}

impl Deployment {
    pub(super) fn parse(url: &str) -> Result<Self, RedisSettingsError> {
        let (scheme, rest) = url.split_once("://").ok_or(RedisSettingsError::Scheme)?;
        match scheme {
            "redis" | "rediss" => Self::single(url, rest),
            "redis+sentinel" => Self::sentinel("redis", rest),
            "rediss+sentinel" => Self::sentinel("rediss", rest),
            "redis+cluster" => Self::cluster("redis", rest),
            "rediss+cluster" => Self::cluster("rediss", rest),
            _ => Err(RedisSettingsError::Scheme),
        }
    }

    /// The deployment with the credentials and certificates of `access`. Sentinels get no credentials.
    ///
    /// # Errors
    /// Those of the certificates.
    pub(super) fn opened_by(self, access: &RedisAccess) -> Result<Self, RedisSettingsError> {
        let certificates = access.certificates()?;
        let certified = |info: ConnectionInfo| match &certificates {
            Some(certificates) => access.with_certificates(info, certificates),
            None => Ok(info),
        };
        let opened = |info| certified(access.with_credentials(info));
        match self {
            Self::Single(info) => Ok(Self::Single(opened(info)?)),
            Self::Sentinel {
                sentinels,
                service,
                primary,
            } => Ok(Self::Sentinel {
                sentinels: sentinels
                    .into_iter()
                    .map(certified)
                    .collect::<Result<_, _>>()?,
                service,
                primary: opened(primary)?,
            }),
            Self::Cluster(_) if certificates.is_some() => {
                Err(RedisSettingsError::CertificatesOfCluster)
            }
            Self::Cluster(seeds) => Ok(Self::Cluster(
                seeds.into_iter().map(opened).collect::<Result<_, _>>()?,
            )),
        }
    }

    fn single(url: &str, rest: &str) -> Result<Self, RedisSettingsError> {
        let form = RedisSettingsError::Form(SINGLE_FORM);
        // redis-rs knows this parameter; the protocol is RESP2 all the same.
        let rest = rest.split_once("?protocol=").map_or(rest, |(rest, _)| rest);
        let UrlParts { hosts, path, .. } = UrlParts::split(rest, &form)?;
        let database = path.trim_matches('/');
        if hosts.len() > 1 || !database.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(form);
        }
        Ok(Self::Single(connection_info(url)?))
    }

    fn sentinel(scheme: &str, rest: &str) -> Result<Self, RedisSettingsError> {
        let form = RedisSettingsError::Form(SENTINEL_FORM);
        let UrlParts {
            credentials,
            hosts,
            path,
        } = UrlParts::split(rest, &form)?;
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
        Ok(Self::Sentinel {
            sentinels,
            service: service.to_owned(),
            // The host is a placeholder.
            primary: connection_info(&format!("{scheme}://{credentials}primary/{db}"))?,
        })
    }

    fn cluster(scheme: &str, rest: &str) -> Result<Self, RedisSettingsError> {
        let form = RedisSettingsError::Form(CLUSTER_FORM);
        let UrlParts {
            credentials,
            hosts,
            path,
        } = UrlParts::split(rest, &form)?;
        if !path.is_empty() {
            return Err(form);
        }
        let seed = |host: &&str| connection_info(&format!("{scheme}://{credentials}{host}"));
        Ok(Self::Cluster(
            hosts.iter().map(seed).collect::<Result<_, _>>()?,
        ))
    }
}

impl<'a> UrlParts<'a> {
    fn split(rest: &'a str, form: &RedisSettingsError) -> Result<Self, RedisSettingsError> {
        let (credentials, location) = match rest.rsplit_once('@') {
            Some((credentials, _)) if credentials.contains(['/', '?', '#']) => {
                return Err(RedisSettingsError::Credentials);
            }
            Some((credentials, location)) => (format!("{credentials}@"), location),
            None => (String::new(), rest),
        };
        let (hosts, path) = location.split_once('/').unwrap_or((location, ""));
        let hosts: Vec<_> = hosts.split(',').collect();
        let is_host = |host: &&str| {
            let port = host.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
            !host.is_empty() && port != Some(Ok(0))
        };
        if !hosts.iter().all(is_host) || location.contains(['?', '#']) {
            return Err(form.clone());
        }
        Ok(Self {
            credentials,
            hosts,
            path,
        })
    }
}

/// True if `host` ends with a port. An IPv6 address is in brackets.
fn has_port(host: &str) -> bool {
    host.rsplit_once(']')
        .map_or(host, |(_, after)| after)
        .contains(':')
}

/// Parses the URL of one server.
///
/// The error has only the category of the error of redis-rs, which names the wrong part and never
/// quotes the URL. Its details could.
fn connection_info(url: &str) -> Result<ConnectionInfo, RedisSettingsError> {
    let info = url
        .into_connection_info()
        .map_err(|error| RedisSettingsError::Invalid(error.category().to_owned()))?;
    // A URL can ask for RESP3, in which replies have other types than this crate parses.
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
    fn check_rejected(url: &str, expected: &RedisSettingsError) {
        let error = Deployment::parse(url).expect_err(url);
        assert_eq!(&error, expected, "{url}");
        assert!(!error.to_string().contains("hunter"), "{error}");
    }

    fn addresses(infos: &[ConnectionInfo]) -> Vec<String> {
        infos.iter().map(|info| info.addr().to_string()).collect()
    }

    #[test]
    fn an_invalid_url_is_rejected_and_not_quoted() {
        check_rejected("hunter2", &RedisSettingsError::Scheme);
        check_rejected("http://:hunter2@h", &RedisSettingsError::Scheme);
        check_rejected(
            "redis+sentinel://:hunter2@h",
            &RedisSettingsError::Form(SENTINEL_FORM),
        );
        check_rejected(
            "redis+sentinel://:hunter2@/x",
            &RedisSettingsError::Form(SENTINEL_FORM),
        );
        check_rejected(
            "redis+cluster://:hunter2@a,,b",
            &RedisSettingsError::Form(CLUSTER_FORM),
        );
        check_rejected(
            "redis+cluster://:hunter2@a/1",
            &RedisSettingsError::Form(CLUSTER_FORM),
        );
        for url in [
            "redis://:hunter2@",
            "redis://:hunter2@h/hunter",
            "redis://:hunter2@h/-1",
            "redis://:hunter2@h?db=3",
            "redis://:hunter2@h/0#hunter2",
            "redis://:hunter2@h:0",
            "redis://:hunter2@h:00/1",
            "redis://:hunter2@a,b",
        ] {
            check_rejected(url, &RedisSettingsError::Form(SINGLE_FORM));
        }
        for url in [
            "redis://u:hunter2/@h",
            "redis+cluster://u:hunt/er@h",
            "redis+sentinel://u:hunt?er@h/x",
        ] {
            check_rejected(url, &RedisSettingsError::Credentials);
        }
        let error = Deployment::parse("redis://:hunter2@h:port").unwrap_err();
        assert!(matches!(error, RedisSettingsError::Invalid(_)), "{error:?}");
        assert!(!error.to_string().contains("hunter"), "{error}");
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
    fn credentials_beside_the_url_are_taken_as_they_are() {
        let access = RedisAccess {
            username: Some("bob".to_owned()),
            password: Some("p@s/s:%40 #?".into()),
            ..RedisAccess::default()
        };
        let opened = |url| Deployment::parse(url).unwrap().opened_by(&access).unwrap();
        let url = "redis://a";
        let Deployment::Single(info) = opened(url) else {
            panic!("not single");
        };
        assert_eq!(info.redis_settings().username(), Some("bob"));
        assert_eq!(info.redis_settings().password(), Some("p@s/s:%40 #?"));
        let Deployment::Single(info) = opened("redis://:own@a") else {
            panic!("not single");
        };
        assert_eq!(info.redis_settings().username(), None);
        assert_eq!(info.redis_settings().password(), Some("own"));
        let url = "redis+sentinel://a/mymaster";
        let Deployment::Sentinel {
            sentinels, primary, ..
        } = opened(url)
        else {
            panic!("not sentinel");
        };
        assert_eq!(sentinels[0].redis_settings().password(), None);
        assert_eq!(primary.redis_settings().username(), Some("bob"));
    }

    #[test]
    fn certificates_need_tls_and_their_key() {
        let rejected = |url, access: RedisAccess| {
            let deployment = Deployment::parse(url).unwrap();
            deployment.opened_by(&access).unwrap_err()
        };
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "-----BEGIN CERTIFICATE-----").unwrap();
        let authority = RedisAccess {
            ca_file: Some(file.path().into()),
            ..RedisAccess::default()
        };
        let error = rejected("redis://a", authority.clone());
        assert_eq!(error, RedisSettingsError::CertificatesWithoutTls);
        let error = rejected("rediss+cluster://a", authority);
        assert_eq!(error, RedisSettingsError::CertificatesOfCluster);
        let empty = RedisAccess {
            ca_file: Some("/dev/null".into()),
            ..RedisAccess::default()
        };
        let error = rejected("rediss://a", empty);
        assert!(
            matches!(error, RedisSettingsError::Certificates { .. }),
            "{error:?}"
        );
        let half = RedisAccess {
            cert_file: Some("/dev/null".into()),
            ..RedisAccess::default()
        };
        let error = rejected("rediss://a", half);
        assert_eq!(error, RedisSettingsError::ClientCertificate);
    }

    #[test]
    fn sentinels_get_no_credentials() {
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
