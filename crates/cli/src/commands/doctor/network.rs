//! The shared Redis, the ports, and the limit on connections.

use posthorn_application::Clock;
use posthorn_client::request_health;
use posthorn_config::{ListenSection, RedisSection};

use super::report::DoctorReport;
use crate::installation::Installation;

/// Checks the Redis of `REDIS_URL`.
pub(super) async fn check_redis(
    installation: &impl Installation,
    report: &mut DoctorReport,
    redis: &RedisSection,
    clock: &dyn Clock,
) {
    let Some(check) = installation.check_redis(redis, clock).await else {
        return report.ok(
            "redis",
            "REDIS_URL is not set: cache and quotas are in the process",
        );
    };
    let url = check.url;
    match check.outcome {
        Ok(()) => report.ok("redis", format!("{url} responds")),
        Err(error) if redis.redis_required => {
            report.fail("redis", format!("REDIS_URL: {url}: {error}"));
        }
        Err(error) => report.warn(
            "redis",
            format!("REDIS_URL: {url}: {error}; it is not required"),
        ),
    }
}

/// Checks that the ports are free, or that a server responds on them.
pub(super) async fn check_ports(report: &mut DoctorReport, listen: &ListenSection) {
    let metrics = listen
        .separate_metrics_port()
        .map(|port| ("METRICS_PORT", port));
    let main = (listen.given_by.port, listen.port);
    for (setting, port) in [Some(main), metrics].into_iter().flatten() {
        let bound = posthorn_http::resolve(&listen.host, port)
            .map_err(|error| error.to_string())
            .and_then(|addresses| {
                std::net::TcpListener::bind(&*addresses).map_err(|error| error.to_string())
            });
        let own = ListenSection {
            port,
            ..listen.clone()
        };
        match bound {
            Ok(_) if port == 0 => report.ok("port", format!("{setting}: any free one")),
            Ok(_) => report.ok(
                "port",
                format!("{setting}: {port} is free on {}", listen.host),
            ),
            Err(_)
                if request_health(&format!("{}/health/live", own.local_url()))
                    .await
                    .is_ok() =>
            {
                report.ok("port", format!("{setting}: a server responds on {port}"));
            }
            Err(error) => report.fail(
                "port",
                format!("{setting}: {}:{port}: {error}", listen.host),
            ),
        }
    }
}

/// Checks that the limit on open files permits as many connections as wanted.
pub(super) fn check_open_files(report: &mut DoctorReport, wanted: usize) {
    match posthorn_system::limit_connections(wanted) {
        most if most < wanted => report.warn(
            "open files",
            format!("the limit allows {most} connections; MAX_CONNECTIONS is {wanted}: raise `ulimit -n`"),
        ),
        _ => report.ok("open files", format!("enough for MAX_CONNECTIONS, {wanted}")),
    }
}
