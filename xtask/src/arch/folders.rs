//! The direction of imports inside a crate: the folders and files right below `src`, in the order in
//! which they build on each other.

use super::modules::{Import, Modules};

/// The direction inside one crate.
#[derive(Debug)]
pub(super) struct Direction {
    pub(super) package: &'static str,
    /// From the outermost to the innermost: a folder imports from later layers only. Folders in one
    /// layer do not import each other.
    pub(super) layers: &'static [&'static [&'static str]],
    /// Folders whose files do not import each other, each with the files that are excepted, because
    /// all others share them.
    pub(super) separate: &'static [(&'static str, &'static [&'static str])],
}

/// The crates with a direction. Every module below the root of such a crate has a layer.
pub(super) const DIRECTIONS: [Direction; 1] = [Direction {
    package: "posthorn-http",
    layers: &[
        &["server"],
        &["router"],
        &["api", "pages"],
        &["middleware"],
        &["request"],
        &["wire"],
        &["state"],
        &["route"],
        &["settings"],
    ],
    separate: &[
        ("api", &["dead_letters", "grant_watch", "put_response"]),
        ("pages", &[]),
    ],
}];

impl Direction {
    /// The layers in one line, outermost first.
    pub(super) fn show(&self) -> String {
        let layers = self.layers.iter().map(|layer| layer.join(", "));
        layers.collect::<Vec<_>>().join(" → ")
    }

    /// Every import against the direction and every one from the root, one line each.
    pub(super) fn violations(&self, modules: &Modules) -> Vec<String> {
        let mut found = Vec::new();
        for file in modules.files.iter().skip(1) {
            let (folder, _) = place(file);
            if self.layer(folder).is_none() {
                found.push(format!("{file}: {folder} has no layer in {}", self.package));
            }
        }
        // The root declares and re-exports; it may import anything.
        let imports = modules.imports.iter().filter(|import| import.from != 0);
        found.extend(imports.filter_map(|import| self.violation(modules, import)));
        found.dedup();
        found
    }

    fn violation(&self, modules: &Modules, import: &Import) -> Option<String> {
        let (from, to) = (
            modules.files.get(import.from)?,
            modules.files.get(import.to)?,
        );
        let reason = if import.by_root || import.to == 0 {
            "is imported from the root of the crate; name its module".to_owned()
        } else {
            self.reason(from, to)?
        };
        Some(format!("{from}:{}: {} {reason}", import.line, import.path))
    }

    fn reason(&self, from: &str, to: &str) -> Option<String> {
        let ((from, from_file), (to, to_file)) = (place(from), place(to));
        let (from_layer, to_layer) = (self.layer(from)?, self.layer(to)?);
        if from != to && from_layer >= to_layer {
            return Some(format!("leads from {from} to {to}, against the direction"));
        }
        let is_separate = self
            .separate
            .iter()
            .any(|(folder, shared)| *folder == from && !shared.contains(&to_file));
        let siblings = from == to && !from_file.is_empty() && !to_file.is_empty();
        (siblings && from_file != to_file && is_separate)
            .then(|| format!("leads from {from}/{from_file} to its sibling {to_file}"))
    }

    fn layer(&self, folder: &str) -> Option<usize> {
        self.layers.iter().position(|layer| layer.contains(&folder))
    }
}

/// The folder below `src` that a file belongs to, and the file or folder within that; the latter is
/// empty for the file of the folder's own name.
fn place(file: &str) -> (&str, &str) {
    let inner = file.rsplit_once("src/").map_or(file, |(_, inner)| inner);
    let inner = inner.strip_suffix(".rs").unwrap_or(inner);
    let (folder, rest) = inner.split_once('/').unwrap_or((inner, ""));
    (folder, rest.split('/').next().unwrap_or(rest))
}

#[cfg(test)]
mod tests {
    use super::super::modules::tests::read;
    use super::*;

    const DIRECTION: Direction = Direction {
        package: "made-up",
        layers: &[&["server"], &["api", "pages"], &["wire"]],
        separate: &[("api", &["shared"])],
    };

    /// A sound crate in which `file` has the additional line `planted`.
    #[track_caller]
    fn check(file: &str, planted: &str, expected: &[&str]) {
        let files = [
            (
                "lib",
                "mod api; mod pages; mod server; mod wire; pub use server::run;",
            ),
            (
                "server",
                "use crate::api; use crate::wire::W; pub fn run(_: W) { api::list() }",
            ),
            (
                "api",
                "mod info; mod shared; mod topics; pub use topics::list;",
            ),
            ("api/shared", "pub struct Shared;"),
            (
                "api/info",
                "use crate::wire::W; mod parts; use parts::Part;",
            ),
            ("api/info/parts", "pub struct Part;"),
            ("api/topics", "use crate::wire::W; pub fn list() {}"),
            ("pages", "use crate::wire::W; pub fn page() {}"),
            ("wire", "pub struct W;"),
        ];
        let files = files.map(|(path, text)| {
            let planted = if path == file { planted } else { "" };
            (path, format!("{text}\n{planted}"))
        });
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(path, text)| (*path, text.as_str()))
            .collect();
        assert_eq!(
            DIRECTION.violations(&read(&files)),
            expected,
            "{file}: {planted}"
        );
    }

    #[test]
    fn imports_to_the_right_are_no_violation() {
        check("wire", "", &[]);
        check("server", "use crate::pages::page;", &[]);
        check("lib", "use wire::W;", &[]);
        check("api/info", "use super::shared::Shared;", &[]);
    }

    #[test]
    fn a_planted_arrow_to_the_left_is_reported() {
        check(
            "wire",
            "use crate::api::topics::list;",
            &[
                "src/wire.rs:2: crate::api::topics::list leads from wire to api, against the direction",
            ],
        );
        check(
            "pages",
            "fn f() { crate::api::list() }",
            &["src/pages.rs:2: crate::api::list leads from pages to api, against the direction"],
        );
    }

    #[test]
    fn a_handler_that_imports_its_sibling_is_reported() {
        check(
            "api/info",
            "use super::topics::list;",
            &["src/api/info.rs:2: super::topics::list leads from api/info to its sibling topics"],
        );
        check(
            "api/info/parts",
            "use super::super::topics;",
            &[
                "src/api/info/parts.rs:2: super::super::topics leads from api/info to its sibling topics",
            ],
        );
    }

    #[test]
    fn an_import_from_the_root_is_reported() {
        check(
            "api/info",
            "use crate::run;",
            &[
                "src/api/info.rs:2: crate::run is imported from the root of the crate; name its module",
            ],
        );
    }

    #[test]
    fn a_module_without_a_layer_is_reported() {
        let modules = read(&[("lib", "mod wire; mod util;"), ("wire", ""), ("util", "")]);
        let expected = "src/util.rs: util has no layer in made-up";
        assert_eq!(DIRECTION.violations(&modules), [expected]);
    }
}
