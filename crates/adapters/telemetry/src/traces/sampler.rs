//! Decides which traces are exported.

use std::str::FromStr;

use opentelemetry_sdk::trace::Sampler;

/// A sampler of `OTEL_TRACES_SAMPLER`.
///
/// Source: <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TraceSampler {
    root: Root,
    parent_based: bool,
}

/// The decision for a trace without a parent.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Root {
    On,
    Off,
    /// The exported share, 0 to 1.
    Ratio(f64),
}

/// Why a sampler is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceSamplerError {
    /// No sampler has that name.
    #[error("it is no sampler that is known here")]
    Unknown,
    /// The ratio is not between 0 and 1.
    #[error("the ratio is not between 0 and 1")]
    Ratio,
}

impl TraceSampler {
    /// This sampler with the ratio of `OTEL_TRACES_SAMPLER_ARG`; samplers without a ratio ignore it.
    ///
    /// # Errors
    /// The ratio is not between 0 and 1.
    pub fn with_ratio(self, ratio: f64) -> Result<Self, TraceSamplerError> {
        if !(0.0..=1.0).contains(&ratio) {
            return Err(TraceSamplerError::Ratio);
        }
        let root = match self.root {
            Root::Ratio(_) => Root::Ratio(ratio),
            root => root,
        };
        Ok(Self { root, ..self })
    }

    pub(super) fn build(self) -> Sampler {
        let root = match self.root {
            Root::On => Sampler::AlwaysOn,
            Root::Off => Sampler::AlwaysOff,
            Root::Ratio(ratio) => Sampler::TraceIdRatioBased(ratio),
        };
        if self.parent_based {
            Sampler::ParentBased(Box::new(root))
        } else {
            root
        }
    }
}

impl FromStr for TraceSampler {
    type Err = TraceSamplerError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (parent_based, name) = match text.strip_prefix("parentbased_") {
            Some(name) => (true, name),
            None => (false, text),
        };
        let root = match name {
            "always_on" => Root::On,
            "always_off" => Root::Off,
            "traceidratio" => Root::Ratio(1.0),
            _ => return Err(TraceSamplerError::Unknown),
        };
        Ok(Self { root, parent_based })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samplers_have_the_names_of_the_specification() {
        for (text, built) in [
            ("always_on", "AlwaysOn"),
            ("always_off", "AlwaysOff"),
            ("traceidratio", "TraceIdRatioBased(0.25)"),
            ("parentbased_always_on", "ParentBased(AlwaysOn)"),
            ("parentbased_always_off", "ParentBased(AlwaysOff)"),
            (
                "parentbased_traceidratio",
                "ParentBased(TraceIdRatioBased(0.25))",
            ),
        ] {
            let sampler = text.parse::<TraceSampler>().unwrap();
            let sampler = sampler.with_ratio(0.25).unwrap();
            assert_eq!(format!("{:?}", sampler.build()), built);
        }
    }

    #[test]
    fn other_names_and_ratios_are_refused() {
        for text in ["", "parentbased_", "sometimes", "jaeger_remote"] {
            assert_eq!(
                text.parse::<TraceSampler>(),
                Err(TraceSamplerError::Unknown)
            );
        }
        let sampler: TraceSampler = "traceidratio".parse().unwrap();
        for ratio in [-0.1, 1.1, f64::NAN] {
            assert_eq!(sampler.with_ratio(ratio), Err(TraceSamplerError::Ratio));
        }
    }
}
