//! The name of this host.

use std::fs;

/// The host's name as the kernel has it, which in a pod is the pod's name; `localhost` when the
/// kernel does not say.
pub fn host_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}
