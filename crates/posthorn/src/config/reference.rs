//! The reference of every setting, as Markdown.

use std::fmt::Write;

use super::catalogue::CATALOGUE;

const INTRODUCTION: &str = "\
# Configuration

<!-- Written by `cargo xtask config-docs` from the catalogue of settings in the code. -->

Values come from three places, later ones over earlier ones: built-in defaults, a TOML file
(`--config FILE`, else the file that `POSTHORN_CONFIG` names, else `posthorn.toml` in the working
directory if it exists), and the environment. In the file a name is written in lower case
(`max_message_length = 500`); an unknown name there is an error. An empty environment variable
counts as unset.

A setting marked *secret* is shown masked, is written in quotes in the TOML file, and may instead come
from a file of its own: `NAME_FILE` names it, and line ends at the end of the file are cut. Setting both
is an error.

More names of OpenTelemetry's specification are read by its library, from the environment alone:
`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_BSP_*`, `OTEL_SPAN_*` and `OTEL_RESOURCE_ATTRIBUTES`.

`posthorn config` prints the effective values and where each came from. Every mistake is reported
in one run; the server then exits with status 78.

";

/// The text of `docs/CONFIGURATION.md`.
pub fn reference_markdown() -> String {
    let mut text = String::from(INTRODUCTION);
    text.push_str("| name | default | takes | meaning |\n| --- | --- | --- | --- |\n");
    for setting in CATALOGUE {
        let default = match setting.default {
            Some("") => "empty".to_owned(),
            Some(default) => format!("`{default}`"),
            None => setting.default_note.to_owned(),
        };
        let secret = if setting.secret { " *Secret.*" } else { "" };
        // Writing into a `String` cannot fail.
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {}{secret} |",
            setting.name, default, setting.takes, setting.meaning
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_a_row() {
        let text = reference_markdown();
        for setting in CATALOGUE {
            assert!(
                text.contains(&format!("| `{}` |", setting.name)),
                "{}",
                setting.name
            );
        }
    }
}
