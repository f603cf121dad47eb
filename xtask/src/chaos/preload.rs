//! Libraries in C that are preloaded into a process and replace functions of the C library.

use std::path::Path;
use std::process::Command;

use crate::shell::output;

/// Compiles `source` and returns the path of the library, for `LD_PRELOAD`.
///
/// # Errors
/// There is no compiler, or its messages.
pub(super) fn compile(source: &str, directory: &Path) -> Result<String, String> {
    let (text, library) = (directory.join("preload.c"), directory.join("preload.so"));
    std::fs::write(&text, source).map_err(|error| error.to_string())?;
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]);
    output(
        compiler
            .arg(&library)
            .arg(&text)
            .args(["-ldl", "-lpthread"]),
    )?;
    Ok(library.display().to_string())
}
