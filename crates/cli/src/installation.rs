//! What the commands need of the binary: the server, and the adapters that the settings name.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use posthorn_application::{Clock, MessageStore, RevocationList, TokenIssuer};
use posthorn_config::{Loaded, RedisSection, Settings};
use posthorn_domain::Timestamp;

/// When and from what the binary was built.
#[derive(Clone, Copy, Debug)]
pub struct BuildInfo {
    /// The text of `--version`, without the name of the program.
    pub version: &'static str,
    /// The day of the build as `YYYY-MM-DD`, or another text if it is unknown.
    pub date: &'static str,
}

/// A store that a command has opened, and closes before it ends.
pub struct OperatorStore {
    /// Its messages.
    pub messages: Arc<dyn MessageStore>,
    /// Its list of revoked tokens.
    pub revocations: Arc<dyn RevocationList>,
}

/// An embedded store that a server could open.
#[derive(Clone, Copy, Debug)]
pub struct FileInspection {
    /// The latest time in it; `None` if it has none.
    pub seen: Option<Timestamp>,
    /// The time of its newest id; `None` if it has none.
    pub newest: Option<Timestamp>,
}

/// The server and the adapters, composed by the binary. The errors are texts for people, and contain no
/// secret.
pub trait Installation {
    /// Ends the log when it is dropped.
    type LogGuard;

    /// Runs the server until a signal stops it.
    fn serve(&self, loaded: Loaded) -> ExitCode;

    /// Starts to write the log as a server does, but to standard error.
    ///
    /// # Errors
    /// The settings of logs or traces are not usable.
    fn start_log(&self, settings: &Settings) -> Result<Self::LogGuard, String>;

    /// The issuer of tokens with the configured keys.
    fn tokens(&self, settings: &Settings, clock: &Arc<dyn Clock>) -> Arc<dyn TokenIssuer>;

    /// Opens the store of the settings. It does not wait for an unreachable Redis.
    ///
    /// # Errors
    /// The store cannot be used.
    fn open_store(
        &self,
        settings: &Settings,
        clock: &Arc<dyn Clock>,
    ) -> impl Future<Output = Result<OperatorStore, String>>;

    /// Checks that a server could open the embedded store at `path`. `None` if there is no file yet.
    ///
    /// # Errors
    /// The file cannot be read, is damaged, or is of another version.
    fn inspect_file(&self, path: &Path, now: Timestamp) -> Result<Option<FileInspection>, String>;

    /// Copies the embedded store at `path` to the new file `target`, and returns its bytes.
    ///
    /// # Errors
    /// There is no store, or the target exists or cannot be written.
    fn back_up_file(&self, path: &Path, target: &Path) -> Result<u64, String>;

    /// Checks the shared Redis once. `None` if the settings name none.
    fn check_redis(
        &self,
        redis: &RedisSection,
        clock: &dyn Clock,
    ) -> impl Future<Output = Option<RedisCheck>>;
}

/// The outcome of a check of the shared Redis.
#[derive(Clone, Debug)]
pub struct RedisCheck {
    /// Its URL without the password.
    pub url: String,
    /// Why it cannot be used, if it cannot.
    pub outcome: Result<(), String>,
}
