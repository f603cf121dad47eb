//! The settings that are set and change nothing, as far as other settings show.

use crate::load::Loaded;

/// A setting without effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettingWithoutEffect {
    /// Its name.
    pub setting: &'static str,
    /// Why it has none.
    pub reason: &'static str,
}

impl Loaded {
    /// Logs a warning for each setting without effect.
    pub fn log_without_effect(&self) {
        for SettingWithoutEffect { setting, reason } in self.without_effect() {
            tracing::warn!(setting, reason, "a setting has no effect");
        }
    }

    /// The settings that are set and have no effect.
    pub fn without_effect(&self) -> Vec<SettingWithoutEffect> {
        let settings = &self.settings;
        let has_store = settings.store.store_url.redis().is_some();
        let has_redis = has_store || self.is_set("REDIS_URL");
        let of_redis = [
            "REDIS_USERNAME",
            "REDIS_PASSWORD",
            "REDIS_CERT_FILE",
            "REDIS_KEY_FILE",
        ];
        let of_store = [
            "STORE_MIN_REPLICAS",
            "STORE_REDIS_USERNAME",
            "STORE_REDIS_PASSWORD",
        ];
        let is_production = settings.app.environment.is_production();
        let groups: [(bool, &[&'static str], &'static str); 3] = [
            (
                has_redis,
                &of_redis,
                "neither REDIS_URL nor STORE_URL is a Redis",
            ),
            (has_store, &of_store, "STORE_URL is no Redis"),
            (
                is_production || !settings.access.require_write_token,
                &["REQUIRE_WRITE_TOKEN"],
                "it is for production",
            ),
        ];
        let unused = groups.into_iter().filter(|(has_effect, ..)| !has_effect);
        unused
            .flat_map(|(_, names, reason)| names.iter().map(move |name| (*name, reason)))
            .filter(|(name, _)| self.is_set(name))
            .map(|(setting, reason)| SettingWithoutEffect { setting, reason })
            .collect()
    }

    /// True if a source gives the setting a value.
    fn is_set(&self, name: &str) -> bool {
        let mut rows = self.effective.iter();
        rows.any(|row| row.name == name && row.value.is_some() && row.origin != "default")
    }
}

#[cfg(test)]
mod tests {
    use crate::load::load;
    use crate::sources::Sources;

    #[track_caller]
    fn check(values: &[(&str, &str)], expected: &[&str]) {
        let loaded = load(&Sources::given(values.iter().copied(), None)).unwrap();
        let found = loaded.without_effect();
        let found: Vec<_> = found.iter().map(|found| found.setting).collect();
        assert_eq!(found, expected, "{values:?}");
    }

    #[test]
    fn a_setting_that_changes_nothing_is_found() {
        check(&[], &[]);
        let password = ("REDIS_PASSWORD", "hunter2");
        check(&[password], &["REDIS_PASSWORD"]);
        check(&[password, ("REDIS_URL", "redis://a")], &[]);
        check(&[password, ("STORE_URL", "redis://a")], &[]);
        let replicas = ("STORE_MIN_REPLICAS", "2");
        check(
            &[replicas, ("REDIS_URL", "redis://a")],
            &["STORE_MIN_REPLICAS"],
        );
        check(&[("REQUIRE_WRITE_TOKEN", "true")], &["REQUIRE_WRITE_TOKEN"]);
    }
}
