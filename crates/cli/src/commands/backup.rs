//! `posthorn backup`: copies the embedded store while the server runs.

use std::path::Path;
use std::process::ExitCode;

use posthorn_client::{fail, print};
use posthorn_config::StoreUrl;

use crate::installation::Installation;

/// Copies the store to the new file `target`.
pub(super) fn run(installation: &impl Installation, store: &StoreUrl, target: &Path) -> ExitCode {
    match store {
        StoreUrl::File(path) => match installation.back_up_file(path, target) {
            Ok(bytes) => print(&format!("{}: {bytes} bytes\n", target.display())),
            Err(error) => fail(&error),
        },
        StoreUrl::Memory => {
            fail(&"STORE_URL is `memory:`: its messages end with the process, and have no backup")
        }
        StoreUrl::Redis(_) => fail(
            &"STORE_URL names Redis, which makes its backups itself: `redis-cli --rdb FILE`, as described in \
              docs/OPERATIONS.md, \"Back up and restore\"",
        ),
    }
}
