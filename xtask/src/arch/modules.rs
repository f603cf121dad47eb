//! The files of a crate and the imports between them. A `mod child;` is no import. An import of a name
//! that a module only re-exports by name counts as one of the file that defines it; one through
//! `pub use child::*` counts as one of the re-exporting file. Calls of methods are not seen.

use std::collections::HashMap;

use super::scan::{self, Scanned};
use crate::tidy::sources::Source;

/// How many re-exports of re-exports are followed.
const MAX_REEXPORTS: usize = 16;

/// One compiled target of a crate: its files and their imports.
#[derive(Debug)]
pub(super) struct Modules {
    /// Paths below the workspace; the root (`lib.rs` or `main.rs`) is the first.
    pub(super) files: Vec<String>,
    pub(super) imports: Vec<Import>,
    /// The types that the files define.
    pub(super) types: Vec<Type>,
}

/// An import of one file from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Import {
    /// Positions in [`Modules::files`].
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) line: usize,
    /// The imported path, as it is written.
    pub(super) path: String,
    /// True if the path names an item of the root, be it only re-exported there.
    pub(super) by_root: bool,
}

/// A type's name and where it is defined.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Type {
    pub(super) name: String,
    pub(super) file: String,
    pub(super) line: usize,
}

type ModulePath = Vec<String>;

/// What the paths of a crate are resolved against.
#[derive(Debug, Default)]
struct Index {
    /// Each module, inline ones too, and the position of its file.
    files: HashMap<ModulePath, usize>,
    /// For each module, the names that `use` brings into it.
    names: HashMap<ModulePath, HashMap<String, Vec<String>>>,
    /// The macros that are items of the root, and the positions of the files that define them.
    macros: HashMap<String, usize>,
}

impl Modules {
    /// Reads the target whose root is `root`, such as `crates/domain/src/lib.rs`, from `sources`.
    ///
    /// # Errors
    /// The path of a source that is absent or that has a syntax error.
    pub(super) fn read(root: &str, sources: &[Source]) -> Result<Self, String> {
        let directory = root.rsplit_once('/').map_or("", |(directory, _)| directory);
        let mut files: Vec<String> = Vec::new();
        let mut scanned: Vec<(ModulePath, Scanned)> = Vec::new();
        let mut waiting = vec![(ModulePath::new(), root.to_owned())];
        while let Some((module, path)) = waiting.pop() {
            let source = sources.iter().find(|source| source.path == path);
            let source = source.ok_or_else(|| format!("{path}: no such source"))?;
            let found = scan::scan(&source.text).map_err(|error| format!("{path}: {error}"))?;
            for (scope, name) in found.children.iter().rev() {
                let child = [&module, scope, std::slice::from_ref(name)].concat();
                let file = format!("{directory}/{}.rs", child.join("/"));
                waiting.push((child, file));
            }
            files.push(path);
            scanned.push((module, found));
        }
        let index = Index::new(&scanned);
        let imports = imports(&index, &scanned);
        let types = types(&files, &scanned);
        Ok(Self {
            files,
            imports,
            types,
        })
    }
}

fn types(files: &[String], scanned: &[(ModulePath, Scanned)]) -> Vec<Type> {
    let of_file = |(file, (_, found)): (&String, &(ModulePath, Scanned))| {
        let define = |(name, line): &(String, usize)| Type {
            name: name.clone(),
            file: file.clone(),
            line: *line,
        };
        found.types.iter().map(define).collect::<Vec<_>>()
    };
    files.iter().zip(scanned).flat_map(of_file).collect()
}

fn imports(index: &Index, scanned: &[(ModulePath, Scanned)]) -> Vec<Import> {
    let mut imports = Vec::new();
    for (from, (module, found)) in scanned.iter().enumerate() {
        for reference in &found.references {
            let scope = [module.as_slice(), &reference.scope].concat();
            let Some(path) = index.absolute(&scope, &reference.segments, reference.is_use) else {
                continue;
            };
            let Some((to, by_root)) = index.file_of(&path) else {
                continue;
            };
            if to != from || by_root {
                imports.push(Import {
                    from,
                    to,
                    line: reference.line,
                    path: reference.segments.join("::"),
                    by_root,
                });
            }
        }
    }
    imports
}

impl Index {
    fn new(scanned: &[(ModulePath, Scanned)]) -> Self {
        let mut index = Self::default();
        for (position, (module, found)) in scanned.iter().enumerate() {
            index.files.insert(module.clone(), position);
            for scope in &found.inline {
                let inline = [module.as_slice(), scope].concat();
                index.files.insert(inline, position);
            }
            for name in &found.exported_macros {
                index.macros.insert(name.clone(), position);
            }
            for binding in &found.bindings {
                let scope = [module.as_slice(), &binding.scope].concat();
                let names = index.names.entry(scope).or_default();
                names.insert(binding.name.clone(), binding.target.clone());
            }
        }
        index
    }

    /// The path from the crate's root that `segments` mean in the module `scope`; `None` for what
    /// lies in another crate and for local names.
    fn absolute(&self, scope: &[String], segments: &[String], is_use: bool) -> Option<ModulePath> {
        self.followed(scope, segments, is_use, MAX_REEXPORTS)
    }

    /// As [`Self::absolute`], through at most `depth` names that `use` brings.
    fn followed(
        &self,
        scope: &[String],
        segments: &[String],
        is_use: bool,
        depth: usize,
    ) -> Option<ModulePath> {
        let depth = depth.checked_sub(1)?;
        let (first, rest) = segments.split_first()?;
        let start = match first.as_str() {
            "crate" => return Some(rest.to_vec()),
            "self" => scope.to_vec(),
            "super" => scope.split_last()?.1.to_vec(),
            name => {
                if rest.is_empty() && !is_use {
                    return None;
                }
                let child = [scope, std::slice::from_ref(first)].concat();
                if self.files.contains_key(&child) {
                    return Some([child.as_slice(), rest].concat());
                }
                // `use super::a;` and then `a::b`, in a `use` too.
                let target = self.names.get(scope)?.get(name)?;
                if target.first() == Some(first) {
                    return None;
                }
                let target = self.followed(scope, target, true, depth)?;
                return Some([target.as_slice(), rest].concat());
            }
        };
        let supers = rest.iter().take_while(|name| *name == "super").count();
        let start = start.get(..start.len().checked_sub(supers)?)?;
        Some([start, rest.get(supers..)?].concat())
    }

    /// The file that defines what the absolute `path` names, and whether the path went by a name of
    /// the root.
    fn file_of(&self, path: &[String]) -> Option<(usize, bool)> {
        if let [name] = path
            && let Some(file) = self.macros.get(name)
        {
            return Some((*file, false));
        }
        let mut path = path.to_vec();
        let mut by_root = None;
        for _ in 0..MAX_REEXPORTS {
            let depth = (0..=path.len()).rev().find(|depth| {
                let module = path.get(..*depth);
                module.is_some_and(|module| self.files.contains_key(module))
            })?;
            let (module, item) = path.split_at_checked(depth)?;
            let by_root = *by_root.get_or_insert(module.is_empty() && !item.is_empty());
            let target = item.first().and_then(|name| self.reexport(module, name));
            match (target, item.split_first()) {
                (Some(target), Some((_, rest))) => path = [target.as_slice(), rest].concat(),
                _ => return Some((*self.files.get(module)?, by_root)),
            }
        }
        None
    }

    /// What the module brings into itself under that name from elsewhere in the crate.
    fn reexport(&self, module: &[String], name: &str) -> Option<ModulePath> {
        let target = self.names.get(module)?.get(name)?;
        self.absolute(module, target, true)
    }
}

#[cfg(test)]
pub(super) mod tests;
