//! The mode in which a server runs, which its URL has to name.

/// A server that runs in a mode that its URL does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Redis server is {mode}: its URL has to begin with `{scheme}`")]
pub struct OtherServerMode {
    /// What it is.
    mode: &'static str,
    /// The scheme for it, and the one with TLS.
    scheme: &'static str,
}

/// Checks the mode in the reply of `INFO`; `is_cluster` is true for a URL of a cluster.
pub(crate) fn check(info: &str, is_cluster: bool) -> Result<(), OtherServerMode> {
    match field(info, "redis_mode:") {
        Some("sentinel") => Err(OtherServerMode {
            mode: "a Sentinel",
            scheme: "redis+sentinel://` or `rediss+sentinel://",
        }),
        Some("cluster") if !is_cluster => Err(OtherServerMode {
            mode: "a node of a cluster",
            scheme: "redis+cluster://` or `rediss+cluster://",
        }),
        _ => Ok(()),
    }
}

/// The value of a field of `INFO`; `name` ends with a colon.
pub(crate) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_of_another_mode_is_rejected() {
        let info = |mode: &str| format!("redis_version:7.0.15\r\nredis_mode:{mode}\r\n");
        for is_cluster in [true, false] {
            assert_eq!(check(&info("standalone"), is_cluster), Ok(()));
            let other = check(&info("sentinel"), is_cluster).unwrap_err();
            assert!(other.to_string().contains("redis+sentinel://"));
        }
        assert_eq!(check(&info("cluster"), true), Ok(()));
        let other = check(&info("cluster"), false).unwrap_err();
        assert!(other.to_string().contains("redis+cluster://"));
    }
}
