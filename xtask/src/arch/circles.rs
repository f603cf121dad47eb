//! Circles of files: groups of which each imports every other one, directly or through others.

use std::collections::{BTreeSet, VecDeque};

use super::modules::{Import, Modules};

/// Describes each circle of the crate: how many files it holds, and a shortest way round.
pub(super) fn circles(modules: &Modules) -> Vec<String> {
    let reach = reachable(modules);
    let reaches = |from: usize, to: usize| reach.get(from).is_some_and(|all| all.contains(&to));
    let mut described = Vec::new();
    let mut seen: BTreeSet<usize> = BTreeSet::new();
    for start in 0..modules.files.len() {
        if reaches(start, start) && !seen.contains(&start) {
            let members: Vec<usize> = (0..modules.files.len())
                .filter(|other| reaches(start, *other) && reaches(*other, start))
                .collect();
            seen.extend(&members);
            described.push(describe(modules, &members));
        }
    }
    described
}

/// For each file, the files that it imports, directly or through others.
fn reachable(modules: &Modules) -> Vec<BTreeSet<usize>> {
    let mut direct = vec![BTreeSet::new(); modules.files.len()];
    for import in between_files(modules) {
        if let Some(imports) = direct.get_mut(import.from) {
            imports.insert(import.to);
        }
    }
    let from = |start: &BTreeSet<usize>| {
        let mut found = start.clone();
        let mut waiting: Vec<usize> = start.iter().copied().collect();
        while let Some(file) = waiting.pop() {
            let imports = direct.get(file).into_iter().flatten();
            waiting.extend(imports.filter(|file| found.insert(**file)));
        }
        found
    };
    direct.iter().map(from).collect()
}

fn between_files(modules: &Modules) -> impl Iterator<Item = &Import> {
    modules
        .imports
        .iter()
        .filter(|import| import.from != import.to)
}

fn describe(modules: &Modules, members: &[usize]) -> String {
    let ways = members
        .iter()
        .filter_map(|start| round_trip(modules, *start));
    let way = ways.min_by_key(Vec::len).unwrap_or_default();
    let steps = way.iter().filter_map(|import| {
        let (from, to) = (
            modules.files.get(import.from)?,
            modules.files.get(import.to)?,
        );
        Some(format!(
            "  {from}:{} imports {} of {to}",
            import.line, import.path
        ))
    });
    let steps: Vec<String> = steps.collect();
    format!("a circle of {} files:\n{}", members.len(), steps.join("\n"))
}

/// The fewest imports that lead from a file back to it.
fn round_trip(modules: &Modules, start: usize) -> Option<Vec<&Import>> {
    let mut by: Vec<Option<&Import>> = vec![None; modules.files.len()];
    let mut waiting = VecDeque::from([start]);
    while let Some(file) = waiting.pop_front() {
        for import in between_files(modules).filter(|import| import.from == file) {
            let slot = by.get_mut(import.to)?;
            if slot.is_none() {
                *slot = Some(import);
                waiting.push_back(import.to);
            }
        }
    }
    let mut way = Vec::new();
    let mut file = start;
    loop {
        let import = (*by.get(file)?)?;
        way.push(import);
        file = import.from;
        if file == start {
            way.reverse();
            return Some(way);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::modules::tests::read;
    use super::*;

    #[test]
    fn a_chain_is_no_circle() {
        let modules = read(&[
            ("lib", "mod a; mod b; mod c; pub use a::A;"),
            ("a", "use crate::b::B; pub struct A(B);"),
            ("b", "use crate::c; pub struct B(c::C);"),
            ("c", "pub struct C;"),
        ]);
        assert_eq!(circles(&modules), Vec::<String>::new());
    }

    #[test]
    fn a_planted_arrow_closes_a_circle() {
        let modules = read(&[
            ("lib", "mod a; mod b; mod c;"),
            ("a", "use crate::b::B; pub struct A(B);"),
            ("b", "use crate::c; pub struct B(c::C);"),
            ("c", "pub struct C;\nfn planted(_: crate::a::A) {}"),
        ]);
        let expected = "a circle of 3 files:
  src/a.rs:1 imports crate::b::B of src/b.rs
  src/b.rs:1 imports crate::c of src/c.rs
  src/c.rs:2 imports crate::a::A of src/a.rs";
        assert_eq!(circles(&modules), [expected]);
    }

    #[test]
    fn a_child_that_imports_from_its_parent_closes_a_circle() {
        let modules = read(&[
            ("lib", "mod a;"),
            ("a", "mod child; use child::C; pub struct A(C);"),
            ("a/child", "use super::A; pub struct C;"),
        ]);
        assert_eq!(circles(&modules).len(), 1);
    }

    #[test]
    fn two_circles_are_two() {
        let modules = read(&[
            ("lib", "mod a; mod b; mod c; mod d;"),
            ("a", "use crate::b::B; pub struct A;"),
            ("b", "use crate::a::A; use crate::c::C; pub struct B;"),
            ("c", "use crate::d::D; pub struct C;"),
            ("d", "use crate::c::C; pub struct D;"),
        ]);
        assert_eq!(circles(&modules).len(), 2);
    }
}
