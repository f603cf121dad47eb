//! Reads the limits of clients.

use std::num::NonZeroU32;

use posthorn_domain::{AddressRange, QuotaLimits, QuotaRule, QuotaStrategy};

use super::catalogue::{self as names, Setting};
use super::parse;
use super::reader::Reader;
use super::settings::QuotaSection;

/// The limits; `None` when they are switched off. What is wrong is reported either way.
pub(super) fn read(reader: &mut Reader) -> Option<QuotaSection> {
    let enabled = reader.read(&names::RATE_LIMIT_ENABLED, parse::boolean);
    let strategy = reader.read(&names::RATE_LIMIT_STRATEGY, |text| {
        text.trim()
            .parse::<QuotaStrategy>()
            .map_err(|_| format!("`{text}` is neither"))
    });
    let mut rule = |setting: &Setting| reader.read(setting, |text| rule(text, strategy).map(Some));
    let message = rule(&names::RATE_LIMIT_MESSAGE);
    let read = rule(&names::RATE_LIMIT_READ);
    let default = rule(&names::RATE_LIMIT_DEFAULT);
    let exempt = reader.read(&names::RATE_LIMIT_EXEMPT, ranges);
    let replicas = reader.read(&names::QUOTA_REPLICAS_HINT, parse::number(1..=10_000_u32));
    let (message, read, default) = (message?, read?, default?);
    let rules = [
        (&names::RATE_LIMIT_MESSAGE, &message),
        (&names::RATE_LIMIT_READ, &read),
        (&names::RATE_LIMIT_DEFAULT, &default),
    ];
    for (setting, rule) in rules {
        if let Some(quota) = rule.limits().iter().find(|quota| quota.count() < replicas) {
            let problem = format!("{replicas} cannot share `{quota}` of {}", setting.name);
            reader.error(&names::QUOTA_REPLICAS_HINT, &problem);
        }
    }
    let replicas = NonZeroU32::new(replicas)?;
    enabled.then_some(QuotaSection {
        message,
        read,
        default,
        exempt,
        replicas,
    })
}

fn rule(text: &str, strategy: QuotaStrategy) -> Result<QuotaRule, String> {
    let limits = QuotaLimits::parse(text).map_err(|error| format!("`{text}` {error}"))?;
    QuotaRule::new(limits, strategy).map_err(|error| error.to_string())
}

/// A comma list of addresses and blocks; nothing is none.
fn ranges(text: &str) -> Result<Vec<AddressRange>, String> {
    let items = text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty());
    let parse = |item: &str| {
        item.parse::<AddressRange>()
            .map_err(|error| error.to_string())
    };
    items.map(parse).collect()
}
