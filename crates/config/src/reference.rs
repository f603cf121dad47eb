//! The reference of every setting: as Markdown, and as the help text of the command line.

use std::fmt::Write;

use crate::sections::SECTIONS;

const INTRODUCTION: &str = "\
# Configuration

<!-- Written by `cargo xtask config-docs` from the fields of the sections in the code. -->

Values come from four sources, later ones over earlier ones: built-in defaults, a TOML file
(`--config FILE`, else the file that `POSTHORN_CONFIG` names, else `posthorn.toml` in the working
directory if it exists), the environment, and for the listener the options `--host` and `--port` of
`posthorn serve`. In the file a name is written in lower case
(`max_message_length = 500`); an unknown name there is an error. An empty environment variable
counts as unset.

A setting marked *secret* is shown masked, is written in quotes in the TOML file, and may instead come
from a file of its own: `NAME_FILE` names it, and line ends at the end of the file are cut. Setting both
is an error.

More names of OpenTelemetry's specification are read by its library, from the environment alone:
`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_BSP_*`, `OTEL_SPAN_*` and `OTEL_RESOURCE_ATTRIBUTES`.

`posthorn config` prints the effective values and the origin of each, with `--json` for programs; what is
not set and has no default is `(unset)`, there `null`. Every mistake is reported in one
run; the server then exits with status 78. `posthorn config schema` prints a JSON Schema of the file for
editors; [posthorn.schema.json](posthorn.schema.json) is a copy. `posthorn serve --help` lists the settings
below.
";

/// The text of `docs/CONFIGURATION.md`.
pub fn reference_markdown() -> String {
    let mut text = String::from(INTRODUCTION);
    for section in &SECTIONS.0 {
        // Writing into a `String` cannot fail.
        let _ = write!(
            text,
            "\n## {}\n\n| name | default | takes | meaning |\n| --- | --- | --- | --- |\n",
            section.title
        );
        for setting in &section.settings {
            let secret = if setting.is_secret { " *Secret.*" } else { "" };
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {}{secret} |",
                setting.name, setting.default_note, setting.takes, setting.meaning
            );
        }
    }
    text
}

/// Every setting, for the end of `posthorn serve --help`.
pub fn help_text() -> String {
    let mut text =
        String::from("Settings, from the environment or in lower case from the TOML file:\n");
    for section in &SECTIONS.0 {
        let _ = write!(text, "\n{}:\n", section.title);
        for setting in &section.settings {
            let meaning = setting.meaning.replace('`', "");
            let (takes, default) = (&setting.takes, &setting.default_note);
            let values = format!("{takes} [default: {default}]").replace('`', "");
            let _ = writeln!(text, "  {}\n      {meaning}\n      {values}", setting.name);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_a_row() {
        let (reference, help) = (reference_markdown(), help_text());
        for setting in SECTIONS.settings() {
            let name = &setting.name;
            assert!(reference.contains(&format!("| `{name}` |")), "{name}");
            assert!(help.contains(&format!("\n  {name}\n")), "{name}");
        }
    }
}
