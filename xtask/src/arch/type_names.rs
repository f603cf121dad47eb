//! Type names that are defined more than once in the workspace, tests left out.

use std::collections::BTreeMap;

use super::modules::Type;

/// Describes each name that several definitions share, with where they are.
pub(super) fn repeated(types: &[Type]) -> Vec<String> {
    let mut by_name: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for found in types {
        let definitions = by_name.entry(&found.name).or_default();
        let definition = format!("{}:{}", found.file, found.line);
        // Two targets of one crate may share a file.
        if !definitions.contains(&definition) {
            definitions.push(definition);
        }
    }
    let repeated = by_name
        .into_iter()
        .filter(|(_, definitions)| definitions.len() > 1);
    repeated
        .map(|(name, definitions)| format!("{name}: {}", definitions.join(", ")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::modules::tests::read;
    use super::*;

    #[test]
    fn a_name_that_two_files_define_is_reported() {
        let modules = read(&[
            ("lib", "mod a; mod b; pub enum Once {}"),
            (
                "a",
                "pub struct Twice; #[cfg(test)] mod tests { struct Once; }",
            ),
            (
                "b",
                "fn f() { trait Twice {} } impl X for Y { type Once = u8; }",
            ),
        ]);
        assert_eq!(repeated(&modules.types), ["Twice: src/a.rs:1, src/b.rs:1"]);
    }
}
