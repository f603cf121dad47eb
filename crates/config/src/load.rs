//! Loads the whole configuration.

use serde_json::{Value, json};

use crate::loader::{Effective, Loader};
use crate::mistake::ConfigErrors;
use crate::sections::{ListenOrigins, SECTIONS, Settings};
use crate::sources::Sources;

/// A configuration without a mistake.
#[derive(Debug)]
pub struct Loaded {
    /// The typed settings.
    pub settings: Settings,
    /// Every effective value with its origin, in the order of the reference, secrets masked.
    pub effective: Vec<Effective>,
}

impl Loaded {
    /// The effective configuration as a table of names, values and origins, for people.
    pub fn table(&self) -> String {
        let width = |text: fn(&Effective) -> &str| {
            let widths = self.effective.iter().map(|row| text(row).chars().count());
            widths.max().unwrap_or(0)
        };
        let (names, values) = (width(|row| row.name), width(shown));
        let mut table = String::new();
        for row in &self.effective {
            let (name, value, origin) = (row.name, shown(row), &row.origin);
            table.push_str(&format!("{name:names$}  {value:values$}  {origin}\n"));
        }
        table
    }

    /// The effective configuration as a JSON array of objects with `name`, `value` (`null` if unset)
    /// and `origin`.
    pub fn json(&self) -> Value {
        json!(self.effective)
    }
}

/// The value in the table.
fn shown(row: &Effective) -> &str {
    match row.value.as_deref() {
        None => "(unset)",
        Some("") => "(empty)",
        Some(value) => value,
    }
}

/// Loads the whole configuration.
///
/// # Errors
/// Every mistake.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigErrors> {
    let mut loader = Loader::new(sources, &SECTIONS)?;
    let settings = Settings::load(&mut loader);
    let (mut settings, effective) = loader.finish(settings)?;
    settings.listen.given_by = ListenOrigins::of(&effective);
    Ok(Loaded {
        settings,
        effective,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use posthorn_domain::Environment;

    use super::*;

    fn given(environment: &[(&str, &str)]) -> Result<Loaded, ConfigErrors> {
        load(&Sources::given(environment.iter().copied(), None))
    }

    #[track_caller]
    fn check_mistakes(environment: &[(&str, &str)], expected: &[&str]) {
        let errors = given(environment).unwrap_err();
        let lines: Vec<_> = errors.0.iter().map(ToString::to_string).collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn the_defaults_are_valid_and_shown() {
        let loaded = given(&[]).unwrap();
        assert_eq!(loaded.settings.app.environment, Environment::Development);
        assert_eq!(loaded.settings.http.max_streams, 10_000);
        assert_eq!(loaded.effective.len(), SECTIONS.settings().count());
        for (setting, row) in SECTIONS.settings().zip(&loaded.effective) {
            assert_eq!(setting.name, row.name);
            let has_default = setting.default_note != "none" && setting.key != "otel_service_name";
            assert_eq!(row.value.is_some(), has_default, "{}", setting.name);
        }
        let row = |name: &str| {
            let line = loaded
                .table()
                .lines()
                .find(|line| line.starts_with(name))?
                .to_owned();
            Some(
                line.split_whitespace()
                    .skip(1)
                    .collect::<Vec<_>>()
                    .join(" "),
            )
        };
        assert_eq!(row("REDIS_URL").as_deref(), Some("(unset) default"));
        assert_eq!(row("CORS_ORIGINS").as_deref(), Some("(empty) default"));
        assert_eq!(row("PORT").as_deref(), Some("5000 default"));
        let json = loaded.json();
        let port = json!({ "name": "PORT", "value": "5000", "origin": "default" });
        let url = json!({ "name": "REDIS_URL", "value": null, "origin": "default" });
        let rows = json.as_array().unwrap();
        assert!(rows.contains(&port) && rows.contains(&url), "{json}");
        assert!(loaded.effective.iter().all(|row| row.origin == "default"));
    }

    #[test]
    fn names_are_unique_and_every_setting_is_documented() {
        let names: BTreeSet<_> = SECTIONS.settings().map(|setting| &setting.name).collect();
        assert_eq!(names.len(), SECTIONS.settings().count());
        for setting in SECTIONS.settings() {
            assert!(!setting.meaning.is_empty(), "{}", setting.name);
            assert!(setting.schema["$ref"].is_null(), "{}", setting.name);
        }
    }

    #[test]
    fn every_listed_value_is_taken() {
        for setting in SECTIONS.settings() {
            let values = setting.schema["enum"].as_array();
            for value in values
                .into_iter()
                .flatten()
                .filter_map(|value| value.as_str())
            {
                // The store that reaches every durability; production needs a key.
                let environment = [
                    ("STORE_URL", "redis://localhost"),
                    ("SECRET_KEY", "0123456789abcdef0123456789abcdef"),
                    (setting.name.as_str(), value),
                ];
                let loaded = given(&environment).unwrap();
                let row = loaded.effective.iter().find(|row| row.name == setting.name);
                assert_eq!(row.unwrap().value.as_deref(), Some(value));
            }
        }
    }

    #[test]
    fn only_a_setting_that_takes_any_text_says_so() {
        for setting in SECTIONS.settings() {
            let takes = setting.takes.as_str();
            let is_number = setting.schema["minimum"].is_number();
            let names_number = takes.starts_with("a number") || takes.starts_with("a port");
            assert_eq!(is_number, names_number, "{}: {takes}", setting.name);
            let loaded = given(&[(&setting.name, "\u{fc} \u{1f}")]);
            let is_refused = loaded.is_err_and(|errors| {
                let mut errors = errors.0.iter();
                errors.any(|error| error.name == setting.name)
            });
            assert!(!(is_refused && takes == "a text"), "{}", setting.name);
        }
    }

    #[test]
    fn numbers_stay_in_their_range() {
        let hops = |text: &str| given(&[("TRUSTED_PROXY_HOPS", text)]);
        assert_eq!(hops(" 7 ").unwrap().settings.http.trusted_proxy_hops, 7);
        for text in ["17", "-1", "ten", "1.5"] {
            assert!(hops(text).is_err(), "{text}");
        }
    }

    #[test]
    fn booleans_take_the_usual_words() {
        let require = |text: &str| given(&[("REQUIRE_WRITE_TOKEN", text)]);
        for (text, expected) in [("True", true), ("1", true), ("off", false), ("no", false)] {
            assert_eq!(
                require(text).unwrap().settings.access.require_write_token,
                expected
            );
        }
        assert!(require("maybe").is_err());
    }

    #[test]
    fn production_guards_against_floods_where_quotas_are_on() {
        let key = ("SECRET_KEY", "0123456789abcdef0123456789abcdef");
        for (environment, enabled, expected) in [
            ("production", "true", 200),
            ("production", "Off", 0),
            ("testing", "true", 0),
        ] {
            let values = [
                ("ENVIRONMENT", environment),
                ("RATE_LIMIT_ENABLED", enabled),
                key,
            ];
            let http = given(&values).unwrap().settings.http;
            assert_eq!(http.flood_per_second, expected, "{environment} {enabled}");
            assert_eq!(http.flood_burst, 400);
        }
        let given = given(&[("FLOOD_PER_SECOND", "7")]);
        assert_eq!(given.unwrap().settings.http.flood_per_second, 7);
    }

    #[test]
    fn a_key_is_masked_whatever_it_looks_like() {
        for key in ["file:hunter2", "memory:hunter2", "redis://hunter2"] {
            let loaded = given(&[("SECRET_KEY", key)]).unwrap();
            let row = loaded.effective.iter().find(|row| row.name == "SECRET_KEY");
            assert_eq!(row.unwrap().value.as_deref(), Some("***"));
            assert!(!format!("{:?}", loaded.settings).contains("hunter2"));
        }
    }

    #[test]
    fn values_may_be_written_in_the_usual_ways() {
        let loaded = given(&[
            ("RATE_LIMIT_ENABLED", "Off"),
            ("REQUIRE_WRITE_TOKEN", "1"),
            ("MAX_STREAMS", " 7 "),
            ("TRUSTED_PROXY_HEADER", "Forwarded"),
            ("METRICS_PORT", "5000"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
            ("HOSTNAME", ""),
        ]);
        let settings = loaded.unwrap().settings;
        assert!(settings.quotas.is_none());
        assert!(settings.access.require_write_token);
        assert_eq!(settings.http.max_streams, 7);
        assert_eq!(settings.listen.separate_metrics_port(), None);
        assert!(!settings.app.hostname.is_empty());
    }

    #[test]
    fn a_mistake_names_the_value_and_its_origin() {
        check_mistakes(
            &[("MAX_STREAMS", "many"), ("WORKERS", "0"), ("PORT", "70000")],
            &[
                "PORT: `70000` is out of range; it takes a port, 0 to 65535; 0 takes a free one \
                 (from the environment)",
                "MAX_STREAMS: `many` is not valid; it takes a number from 0 (from the environment)",
                "WORKERS: it is lower than 1; it takes a number from 1 to 512 (from the environment)",
            ],
        );
        check_mistakes(
            &[
                ("MAX_BODY_BYTES", "-1"),
                ("KEEP_ALIVE", "0s"),
                ("DEFAULT_LOCALE", "fr"),
            ],
            &[
                "DEFAULT_LOCALE: `fr` is not one of them; it takes `ru` or `en` (from the environment)",
                "KEEP_ALIVE: it is zero; it takes a duration such as `500ms`, `10s`, `5m`, `24h`, `7d` \
                 (from the environment)",
                "MAX_BODY_BYTES: `-1` is out of range; it takes a number from 1 to 16777216 (from the \
                 environment)",
            ],
        );
    }

    #[test]
    fn the_command_line_wins_and_is_named() {
        let sources = Sources::given([("PORT", "1"), ("HOST", "a")], None);
        let sources = sources.with_argument("port", "--port", "2");
        let loaded = load(&sources).unwrap();
        let listen = &loaded.settings.listen;
        assert_eq!((listen.host.as_str(), listen.port), ("a", 2));
        assert_eq!(listen.names(), "HOST, --port");
        let port = loaded.effective.iter().find(|row| row.name == "PORT");
        assert_eq!(port.unwrap().origin, "--port");
        let errors = load(&sources.with_argument("host", "--host", "")).unwrap_err();
        assert!(errors.to_string().ends_with("(from --host)"), "{errors}");
    }

    #[test]
    fn a_mistake_that_follows_from_another_is_not_reported() {
        for environment in [
            [("STORE_URL", "ftp://x"), ("STORE_DURABILITY", "replicated")],
            [("REDIS_URL", "ftp://x"), ("REDIS_REQUIRED", "true")],
            [
                ("RATE_LIMIT_MESSAGE", "often"),
                ("QUOTA_REPLICAS_HINT", "20"),
            ],
        ] {
            let errors = given(&environment).unwrap_err();
            assert_eq!(errors.0.len(), 1, "{errors}");
            assert_eq!(errors.0[0].name, environment[0].0);
        }
    }

    #[test]
    fn settings_that_do_not_go_together_are_mistakes() {
        for (environment, name) in [
            (
                [("STORE_URL", "memory:"), ("STORE_DURABILITY", "synced")],
                "STORE_DURABILITY",
            ),
            (
                [("REDIS_REQUIRED", "true"), ("PORT", "1")],
                "REDIS_REQUIRED",
            ),
            (
                [("QUOTA_REPLICAS_HINT", "11"), ("RATE_LIMIT_ENABLED", "no")],
                "QUOTA_REPLICAS_HINT",
            ),
            (
                [
                    ("RATE_LIMIT_READ", "10001/day"),
                    ("RATE_LIMIT_STRATEGY", "moving-window"),
                ],
                "RATE_LIMIT_READ",
            ),
            (
                [("OTEL_TRACES_SAMPLER_ARG", "2"), ("PORT", "1")],
                "OTEL_TRACES_SAMPLER_ARG",
            ),
            ([("ENVIRONMENT", "production"), ("PORT", "1")], "SECRET_KEY"),
            (
                [("REDIS_URL", "rediss://host"), ("REDIS_CERT_FILE", "/pem")],
                "REDIS_CERT_FILE",
            ),
            (
                [("REDIS_URL", "rediss://host"), ("REDIS_KEY_FILE", "/pem")],
                "REDIS_KEY_FILE",
            ),
            (
                [("STORE_URL", "rediss://host"), ("REDIS_CA_FILE", "/absent")],
                "REDIS_CA_FILE",
            ),
        ] {
            let errors = given(&environment).unwrap_err();
            assert_eq!(errors.0.len(), 1, "{errors}");
            assert_eq!(errors.0[0].name, name);
        }
    }
}
