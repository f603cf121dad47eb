//! The check itself: from what the crates declare to what is wrong with it, and nothing else.

use super::metadata::{DeclaredDependency, DependencyKind, Package};
use super::rules::{CRATES, CrateRule, FREE_IN_TESTS, HOMES, TESTKIT};

/// Everything that the architecture does not allow, one line each.
pub(super) fn violations(packages: &[Package]) -> Vec<String> {
    let mut found = Vec::new();
    for package in packages {
        match CRATES.iter().find(|rule| rule.name == package.name) {
            Some(rule) => check_package(package, rule, &mut found),
            None => found.push(format!(
                "{}: the architecture has no such crate",
                package.name
            )),
        }
    }
    let is_there = |rule: &&CrateRule| packages.iter().any(|package| package.name == rule.name);
    let missing = CRATES.iter().filter(|rule| !is_there(rule));
    found.extend(missing.map(|rule| format!("{}: the crate is not there", rule.name)));
    found
}

fn check_package(package: &Package, rule: &CrateRule, found: &mut Vec<String>) {
    let name = &package.name;
    if package.license.as_deref() != Some(rule.licence) {
        let licence = package.license.as_deref().unwrap_or("no licence");
        found.push(format!(
            "{name}: has {licence}, and should have {}",
            rule.licence
        ));
    }
    for dependency in &package.dependencies {
        let allowed = match dependency.path {
            Some(_) => arrow(dependency, rule),
            None => third_party(dependency, rule),
        };
        if let Err(reason) = allowed {
            let kind = match dependency.kind {
                DependencyKind::Normal => "depends on",
                DependencyKind::Build => "builds with",
                DependencyKind::Dev => "tests with",
            };
            found.push(format!("{name}: {kind} {}, {reason}", dependency.name));
        }
    }
}

/// Whether a crate may depend on another one of the workspace.
fn arrow(dependency: &DeclaredDependency, rule: &CrateRule) -> Result<(), String> {
    let target = dependency.name.as_str();
    let for_tests = dependency.kind == DependencyKind::Dev;
    match (for_tests, target == TESTKIT) {
        (true, true) => Ok(()),
        (false, true) => Err("which is for tests only".to_owned()),
        (_, false) if rule.arrows.contains(&target) => Ok(()),
        (_, false) => Err("and there is no such arrow".to_owned()),
    }
}

/// Whether a crate may depend on a third party's.
fn third_party(dependency: &DeclaredDependency, rule: &CrateRule) -> Result<(), String> {
    let target = dependency.name.as_str();
    if dependency.kind == DependencyKind::Dev && FREE_IN_TESTS.contains(&target) {
        return Ok(());
    }
    let mut homes = HOMES.iter().filter(|home| home.is_of(target));
    if let Some(home) = homes.find(|home| !home.crates.contains(&rule.name)) {
        return Err(format!(
            "which belongs to {} only",
            home.crates.join(" and ")
        ));
    }
    match rule.third_party {
        Some(list) if dependency.kind != DependencyKind::Dev && !list.contains(&target) => {
            Err(format!("and may only have {}", list.join(", ")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
