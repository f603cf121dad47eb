//! Installs Debian packages, and neither starts nor enables the services in them.

use std::process::Command;
use std::sync::Once;

use crate::shell::{self, has_program, run as run_command, succeeds};

/// Installs the packages in its arguments.
///
/// A package of a server starts it and enables it for the next start of the machine. `policy-rc.d` is
/// Debian's way to prevent the first; there is no such way for the second, so what was enabled is disabled.
/// Only packages that were absent are installed, so no service of the machine's owner is touched.
const SCRIPT: &str = r#"
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' > "$policy" && chmod 755 "$policy"
fi
apt-get install --yes --no-install-recommends "$@" || exit
command -v systemctl > /dev/null || exit 0
for package in "$@"; do
    dpkg --listfiles "$package" | sed -n 's|^.*/systemd/system/\([^/@]*\.service\)$|\1|p' |
        while read -r service; do systemctl disable --quiet "$service"; done
done
exit 0
"#;

/// The lists of packages are fetched once in a run.
static LISTS: Once = Once::new();

/// Installs Debian packages that are absent. Their services are neither started nor enabled.
///
/// # Errors
/// The command by which a person installs them.
pub(crate) fn install_packages(packages: &[&str]) -> Result<(), String> {
    let names = packages.join(" ");
    let by_hand = || format!("install {names}: `apt-get install --no-install-recommends {names}`");
    if !has_program("apt-get") {
        return Err(format!(
            "{}, or the same packages of your system",
            by_hand()
        ));
    }
    let Some(sudo) = privileges() else {
        return Err(by_hand());
    };
    let privileged = |program: &str| {
        let mut words = sudo
            .iter()
            .chain([&"env", &"DEBIAN_FRONTEND=noninteractive"]);
        let mut command = Command::new(words.next().unwrap_or(&"env"));
        command.args(words).arg(program);
        command
    };
    println!("installing by apt-get: {names}; services are neither started nor enabled");
    // The lists may be old or absent. The installation below decides.
    LISTS.call_once(|| {
        if run_command(privileged("apt-get").args(["update", "--quiet"])).is_err() {
            println!("the lists of packages could not be updated");
        }
    });
    let mut install = privileged("sh");
    let status = install.args(["-c", SCRIPT, "sh"]).args(packages).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("apt-get: {status}; {}", by_hand())),
        Err(error) => Err(format!("apt-get: {error}; {}", by_hand())),
    }
}

/// What precedes a command to run it as root: nothing as root, or a `sudo` that needs no password. `None`
/// without either.
fn privileges() -> Option<&'static [&'static str]> {
    let user = shell::capture(Command::new("id").arg("-u")).unwrap_or_default();
    if user.trim() == "0" {
        return Some(&[]);
    }
    if succeeds(Command::new("sudo").args(["--non-interactive", "true"])) {
        return Some(&["sudo", "--non-interactive"]);
    }
    None
}
