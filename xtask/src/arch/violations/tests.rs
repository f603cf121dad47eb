//! Every kind of broken arrow is reported, over made-up workspaces.

use super::*;
use crate::arch::metadata::Metadata;

/// The workspace as it should be: every crate with its licence and all of its arrows.
fn sound() -> Vec<Package> {
    let dependency = |name: &&str| DeclaredDependency {
        name: (*name).to_owned(),
        kind: DependencyKind::Normal,
        path: Some("here".to_owned()),
    };
    let package = |rule: &CrateRule| Package {
        name: rule.name.to_owned(),
        license: Some(rule.licence.to_owned()),
        manifest_path: String::new(),
        dependencies: rule.arrows.iter().map(dependency).collect(),
    };
    CRATES.iter().map(package).collect()
}

/// What is reported once the crate `from` has one more dependency.
fn with(from: &str, kind: DependencyKind, name: &str, path: Option<&str>) -> Vec<String> {
    let mut packages = sound();
    let package = packages
        .iter_mut()
        .find(|package| package.name == from)
        .unwrap();
    package.dependencies.push(DeclaredDependency {
        name: name.to_owned(),
        kind,
        path: path.map(str::to_owned),
    });
    violations(&packages)
}

/// The bare handlers of the bench use what the server uses.
const BASELINE: &str = "posthorn-bench-baseline";

#[track_caller]
fn check_arrow(from: &str, kind: DependencyKind, to: &str, allowed: bool) {
    check(from, to, allowed, &with(from, kind, to, Some("here")));
}

#[track_caller]
fn check_third_party(from: &str, kind: DependencyKind, name: &str, allowed: bool) {
    check(from, name, allowed, &with(from, kind, name, None));
}

#[track_caller]
fn check(from: &str, to: &str, allowed: bool, found: &[String]) {
    match found {
        [] => assert!(allowed, "{from} -> {to} is not reported"),
        [line] => {
            assert!(!allowed, "{line}");
            assert!(
                line.starts_with(&format!("{from}: ")) && line.contains(to),
                "{line}"
            );
        }
        more => panic!("{more:?}"),
    }
}

#[test]
fn a_sound_workspace_has_no_violation() {
    assert_eq!(violations(&sound()), Vec::<String>::new());
}

#[test]
fn an_arrow_out_of_the_middle_is_reported() {
    check_arrow(
        "posthorn-domain",
        DependencyKind::Normal,
        "posthorn-application",
        false,
    );
    check_arrow(
        "posthorn-domain",
        DependencyKind::Build,
        "posthorn-application",
        false,
    );
    check_arrow(
        "posthorn-application",
        DependencyKind::Normal,
        "posthorn-redis",
        false,
    );
    check_arrow(
        "posthorn-application",
        DependencyKind::Dev,
        "posthorn-memory",
        false,
    );
    check_arrow("xtask", DependencyKind::Normal, "posthorn", false);
}

#[test]
fn an_arrow_between_two_edges_is_reported() {
    let edges = [
        "posthorn-memory",
        "posthorn-embedded",
        "posthorn-redis",
        "posthorn-telemetry",
    ];
    for from in edges {
        for to in edges.into_iter().filter(|to| *to != from) {
            check_arrow(from, DependencyKind::Normal, to, false);
            check_arrow(from, DependencyKind::Dev, to, false);
        }
        check_arrow("posthorn-http", DependencyKind::Normal, from, false);
        check_arrow(from, DependencyKind::Normal, "posthorn-http", false);
        check_arrow(from, DependencyKind::Normal, "posthorn", false);
    }
}

#[test]
fn the_testkit_is_for_tests_only() {
    for CrateRule { name, .. } in CRATES {
        check_arrow(name, DependencyKind::Dev, TESTKIT, true);
        check_arrow(name, DependencyKind::Normal, TESTKIT, false);
        check_arrow(name, DependencyKind::Build, TESTKIT, false);
    }
}

#[test]
fn a_technology_outside_its_home_is_reported() {
    let http: &[&str] = &["posthorn-http", "posthorn-http1"];
    for (homes, dependency) in [
        (http, "actix-web"),
        (http, "actix-http"),
        (http, "actix-governor"),
        (&["posthorn-http"], "governor"),
        (&["posthorn-http"], "utoipa-swagger-ui"),
        (&["posthorn-redis"], "redis"),
        (&["posthorn-redis"], "deadpool"),
        (&["posthorn-redis"], "deadpool-redis"),
        (&["posthorn-embedded"], "rusqlite"),
        (&["posthorn-memory"], "mini-moka"),
        (&["posthorn-telemetry"], "prometheus-client"),
        (&["posthorn-telemetry"], "opentelemetry-otlp"),
        (&["posthorn-telemetry"], "tracing-subscriber"),
        (&["posthorn-config"], "figment"),
    ] {
        let others = CRATES.iter().filter(|rule| rule.name != BASELINE);
        for CrateRule { name, .. } in others {
            let at_home = homes.contains(name);
            check_third_party(name, DependencyKind::Normal, dependency, at_home);
            let in_tests = at_home || FREE_IN_TESTS.contains(&dependency);
            check_third_party(name, DependencyKind::Dev, dependency, in_tests);
        }
    }
    check_third_party(BASELINE, DependencyKind::Normal, "actix-web", true);
    check_third_party(BASELINE, DependencyKind::Normal, "rusqlite", true);
    check_third_party(BASELINE, DependencyKind::Normal, "redis", false);
    check_third_party("xtask", DependencyKind::Normal, "clap", true);
    check_third_party("posthorn-cli", DependencyKind::Normal, "clap", true);
    check_third_party("posthorn", DependencyKind::Normal, "clap", false);
    check_third_party("posthorn-http", DependencyKind::Normal, "clap", false);
}

#[test]
fn the_middle_has_a_closed_list_of_dependencies_and_free_tests() {
    check_third_party("posthorn-domain", DependencyKind::Normal, "thiserror", true);
    check_third_party("posthorn-domain", DependencyKind::Normal, "serde", false);
    check_third_party("posthorn-domain", DependencyKind::Build, "cc", false);
    check_third_party("posthorn-domain", DependencyKind::Dev, "proptest", true);
    check_third_party(
        "posthorn-application",
        DependencyKind::Normal,
        "serde",
        false,
    );
    check_third_party(
        "posthorn-application",
        DependencyKind::Normal,
        "async-trait",
        true,
    );
    check_third_party(
        "posthorn-application",
        DependencyKind::Normal,
        "tokio",
        false,
    );
    check_third_party("posthorn-application", DependencyKind::Dev, "tokio", true);
}

#[test]
fn a_wrong_licence_is_reported() {
    for index in 0..CRATES.len() {
        for licence in [None, Some("BSD-3-Clause".to_owned())] {
            let mut packages = sound();
            packages[index].license = licence;
            let found = violations(&packages);
            assert!(
                found.len() == 1 && found[0].starts_with(CRATES[index].name),
                "{found:?}"
            );
        }
    }
}

#[test]
fn a_crate_too_many_or_too_few_is_reported() {
    let mut packages = sound();
    packages.remove(0);
    assert_eq!(
        violations(&packages),
        ["posthorn-domain: the crate is not there"]
    );
    let mut packages = sound();
    packages[0].name = "posthorn-utils".to_owned();
    let found = violations(&packages);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(
        found[0],
        "posthorn-utils: the architecture has no such crate"
    );
}

#[test]
fn the_output_of_cargo_is_understood() {
    let json = r#"{"packages": [{"name": "a", "license": "MIT", "version": "1.0.0", "dependencies": [
        {"name": "b", "kind": null, "path": "/x"}, {"name": "c", "kind": "dev"},
        {"name": "d", "kind": "build", "rename": "e"}]}]}"#;
    let metadata: Metadata = serde_json::from_str(json).unwrap();
    let read = metadata.packages[0]
        .dependencies
        .iter()
        .map(|d| (d.kind, d.path.is_some()));
    let expected = [
        (DependencyKind::Normal, true),
        (DependencyKind::Dev, false),
        (DependencyKind::Build, false),
    ];
    assert_eq!(read.collect::<Vec<_>>(), expected);
}
