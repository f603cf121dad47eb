//! `posthorn config`: prints the effective configuration.

use std::process::ExitCode;

use posthorn_config::{Effective, Loaded, Sources};

use crate::exit::{fail_configuration, print};

/// Prints a table of names, values and origins.
pub(super) fn run(sources: &Sources) -> ExitCode {
    let Loaded { effective, .. } = match posthorn_config::load(sources) {
        Ok(loaded) => loaded,
        Err(errors) => return fail_configuration(&errors, 1),
    };
    let width = |text: fn(&Effective) -> &str| {
        let widths = effective.iter().map(|row| text(row).chars().count());
        widths.max().unwrap_or(0)
    };
    let (names, values) = (width(|row| row.name), width(|row| &row.value));
    let mut table = String::new();
    for Effective {
        name,
        value,
        origin,
    } in &effective
    {
        table.push_str(&format!("{name:names$}  {value:values$}  {origin}\n"));
    }
    print(&table)
}
