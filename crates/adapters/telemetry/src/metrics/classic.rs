//! The text format 0.0.4 of Prometheus, from OpenMetrics text: prometheus-client writes OpenMetrics only.

use std::fmt::Write;

/// The name and the text of a `HELP` line, whose name depends on the `TYPE` line after it.
type Help<'a> = Option<(&'a str, &'a str)>;

/// Converts OpenMetrics text. The samples are the same in both; the lines that describe a metric differ: the classic
/// format names a counter and an info as their samples are named, knows no units and has no end.
pub(super) fn classic_text(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help: Help<'_> = None;
    for line in open_metrics.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name), rest) => {
                help = Some((name, rest.unwrap_or_default()));
            }
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                describe(&mut text, name, kind, help.take());
            }
            (Some("#"), ..) => {}
            _ => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

fn describe(text: &mut String, name: &str, kind: &str, help: Help<'_>) {
    let (suffix, kind) = match kind {
        "counter" => ("_total", "counter"),
        "info" => ("_info", "gauge"),
        "unknown" => ("", "untyped"),
        kind => ("", kind),
    };
    // Writing into a `String` cannot fail.
    if let Some((_, help)) = help.filter(|(described, _)| *described == name) {
        // Only OpenMetrics escapes quotes there.
        let help = help.replace("\\\"", "\"");
        let _ = writeln!(text, "# HELP {name}{suffix} {help}");
    }
    let _ = writeln!(text, "# TYPE {name}{suffix} {kind}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_differ_and_samples_stay() {
        let open_metrics = "# HELP app_a Things \\\"here\\\".\n# TYPE app_a counter\napp_a_total{x=\"# TYPE\"} 1\n\
            # HELP app_b_seconds Time.\n# TYPE app_b_seconds histogram\n# UNIT app_b_seconds seconds\n\
            app_b_seconds_bucket{le=\"+Inf\"} 2\n# HELP app Build.\n# TYPE app info\napp_info{v=\"1\"} 1\n\
            # TYPE app_c unknown\napp_c 3\n# EOF\n";
        let classic = "# HELP app_a_total Things \"here\".\n# TYPE app_a_total counter\napp_a_total{x=\"# TYPE\"} 1\n\
            # HELP app_b_seconds Time.\n# TYPE app_b_seconds histogram\n\
            app_b_seconds_bucket{le=\"+Inf\"} 2\n# HELP app_info Build.\n# TYPE app_info gauge\napp_info{v=\"1\"} 1\n\
            # TYPE app_c untyped\napp_c 3\n";
        assert_eq!(classic_text(open_metrics), classic);
    }
}
