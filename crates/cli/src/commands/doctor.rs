//! `posthorn doctor`: checks in one run what a start needs. It changes nothing.

mod keys;
mod network;
mod report;
mod store;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use posthorn_application::Clock;
use posthorn_client::print;
use posthorn_config::{ConfigErrors, Loaded, SettingWithoutEffect};
use posthorn_domain::Timestamp;
use posthorn_system::SystemClock;

use crate::installation::Installation;
use crate::runtime::{BAD_CONFIGURATION, block_on};
use report::DoctorReport;

/// Prints the outcome of each check. The exit code is 1 if one failed, 78 if it is the configuration.
/// `built` is the day of the build.
pub(super) fn run(
    installation: &impl Installation,
    built: &str,
    loaded: Result<Loaded, ConfigErrors>,
) -> ExitCode {
    let mut report = DoctorReport::default();
    match loaded {
        Ok(loaded) => block_on(async {
            check(installation, &mut report, built, loaded).await;
            let printed = print(&report.lines);
            if report.has_failed {
                ExitCode::FAILURE
            } else {
                printed
            }
        }),
        Err(errors) => {
            errors
                .0
                .iter()
                .for_each(|error| report.fail("configuration", error));
            print(&report.lines);
            ExitCode::from(BAD_CONFIGURATION)
        }
    }
}

async fn check(
    installation: &impl Installation,
    report: &mut DoctorReport,
    built: &str,
    loaded: Loaded,
) {
    let environment = loaded.settings.app.environment.as_str();
    report.ok("configuration", format!("valid, for {environment}"));
    for SettingWithoutEffect { setting, reason } in loaded.without_effect() {
        report.warn(
            "configuration",
            format!("{setting} has no effect: {reason}"),
        );
    }
    keys::check_secrets(report, &loaded);
    let mut settings = loaded.settings;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    keys::check_key(report, &mut settings);
    check_clock(report, clock.now(), built);
    store::check_store(installation, report, &settings, &clock).await;
    network::check_redis(installation, report, &settings.redis, &*clock).await;
    network::check_ports(report, &settings.listen).await;
    network::check_open_files(report, settings.http.max_connections);
}

fn check_clock(report: &mut DoctorReport, now: Timestamp, built: &str) {
    let time = UNIX_EPOCH + Duration::from_millis(now.as_millis());
    let text = humantime::format_rfc3339_seconds(time).to_string();
    // The date alone: both are texts whose order is that of time.
    if built.starts_with(char::is_numeric) && text.as_str() < built {
        report.fail(
            "clock",
            format!("{text} is before this program was built, on {built}"),
        );
    } else {
        report.ok("clock", text);
    }
}
