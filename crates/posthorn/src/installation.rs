//! The server and the adapters, as the command line needs them.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{Clock, TokenIssuer};
use posthorn_cli::{FileInspection, Installation, OperatorStore, RedisCheck};
use posthorn_config::{Loaded, RedisSection, Settings};
use posthorn_domain::Timestamp;
use posthorn_redis::{RedisDependency, RedisPool};
use posthorn_telemetry::{LogOutput, TelemetryGuard};

use crate::compose::{access, store};
use crate::serve;

/// The adapters of this binary.
pub(crate) struct LocalInstallation;

impl Installation for LocalInstallation {
    type LogGuard = TelemetryGuard;

    fn serve(&self, loaded: Loaded) -> ExitCode {
        serve::run(loaded)
    }

    fn start_log(&self, settings: &Settings) -> Result<TelemetryGuard, String> {
        serve::start_log(settings, LogOutput::Stderr)
    }

    fn tokens(&self, settings: &Settings, clock: &Arc<dyn Clock>) -> Arc<dyn TokenIssuer> {
        Arc::new(access::tokens(settings, clock))
    }

    async fn open_store(
        &self,
        settings: &Settings,
        clock: &Arc<dyn Clock>,
    ) -> Result<OperatorStore, String> {
        let opened = store::open(settings, clock, Duration::ZERO).await;
        let opened = opened.map_err(|error| error.to_string())?;
        Ok(OperatorStore {
            messages: opened.messages,
            revocations: opened.revocations,
        })
    }

    fn inspect_file(&self, path: &Path, now: Timestamp) -> Result<Option<FileInspection>, String> {
        let found = posthorn_embedded::inspect(path, now).map_err(|error| error.to_string())?;
        Ok(found.map(|found| FileInspection {
            seen: found.seen,
            newest: found.newest,
        }))
    }

    fn back_up_file(&self, path: &Path, target: &Path) -> Result<u64, String> {
        posthorn_embedded::back_up(path, target).map_err(|error| error.to_string())
    }

    async fn check_redis(&self, redis: &RedisSection, clock: &dyn Clock) -> Option<RedisCheck> {
        let settings = redis.settings()?;
        let outcome = match RedisPool::new(&settings) {
            Ok(pool) => {
                let dependency = RedisDependency::new(pool);
                let checked = dependency.check_at_start(Duration::ZERO, clock).await;
                checked.map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        Some(RedisCheck {
            url: settings.masked_url(),
            outcome,
        })
    }
}
