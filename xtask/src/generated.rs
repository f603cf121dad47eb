//! `cargo xtask openapi` and `cargo xtask config-docs`: files in `docs/` that the binary prints.

use std::path::Path;

use crate::binary;
use crate::shell::capture;

/// A file that is generated from the code.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Generated {
    /// The `OpenAPI` document.
    Openapi,
    /// The reference of all settings.
    Configuration,
    /// The JSON Schema of the TOML file.
    ConfigurationSchema,
}

impl Generated {
    fn path(self) -> &'static str {
        match self {
            Self::Openapi => "docs/openapi.json",
            Self::Configuration => "docs/CONFIGURATION.md",
            Self::ConfigurationSchema => "docs/posthorn.schema.json",
        }
    }

    /// The arguments for `posthorn` to print the file.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Openapi => &["openapi"],
            Self::Configuration => &["config", "--reference"],
            Self::ConfigurationSchema => &["config", "schema"],
        }
    }

    /// The command that writes the file.
    fn command(self) -> &'static str {
        match self {
            Self::Openapi => "cargo xtask openapi",
            Self::Configuration | Self::ConfigurationSchema => "cargo xtask config-docs",
        }
    }
}

/// Writes the reference of the settings and the JSON Schema of the TOML file; with `check` it only
/// reports the first that is out of date.
pub(crate) fn run_configuration(root: &Path, check: bool) -> Result<(), String> {
    run(root, Generated::Configuration, check)?;
    run(root, Generated::ConfigurationSchema, check)
}

/// Writes the file; with `check` it only reports whether the file is out of date.
pub(crate) fn run(root: &Path, file: Generated, check: bool) -> Result<(), String> {
    let mut server = binary::server(&binary::debug(root)?);
    let mut text = capture(server.args(file.arguments()))?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let path = root.join(file.path());
    if !check {
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", file.path()))?;
        println!("{} is written", file.path());
        return Ok(());
    }
    let written = std::fs::read_to_string(&path);
    let written = written.map_err(|error| format!("{}: {error}", file.path()))?;
    compare(&written, &text).map_err(|difference| {
        format!(
            "{} is out of date: {difference}. `{}` writes it",
            file.path(),
            file.command()
        )
    })?;
    println!("{} is up to date", file.path());
    Ok(())
}

/// The first line that differs.
fn compare(written: &str, generated: &str) -> Result<(), String> {
    if written == generated {
        return Ok(());
    }
    let (mut written, mut generated) = (written.lines(), generated.lines());
    let mut number = 0_usize;
    loop {
        number += 1;
        match (written.next(), generated.next()) {
            (Some(old), Some(new)) if old == new => {}
            (None, None) => return Err("line ends differ".to_owned()),
            (old, new) => {
                let (old, new) = (old.unwrap_or("nothing"), new.unwrap_or("nothing"));
                return Err(format!(
                    "line {number} is\n  {old}\nand should be\n  {new}\n"
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_shown() {
        assert_eq!(compare("a\nb\n", "a\nb\n"), Ok(()));
        let error = compare("a\nb\n", "a\nc\nd\n").unwrap_err();
        assert!(error.contains("line 2") && error.contains("  b\n") && error.contains("  c\n"));
        let error = compare("a\n", "a\nb\n").unwrap_err();
        assert!(error.contains("line 2") && error.contains("nothing"));
    }
}
