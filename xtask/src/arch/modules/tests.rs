//! Paths are resolved to the file that defines what they name, over small made-up crates.

use super::*;

/// Reads a crate from its files, each as its path below `src` without `.rs`, and its text.
pub(in super::super) fn read(files: &[(&str, &str)]) -> Modules {
    let source = |(path, text): &(&str, &str)| Source {
        path: format!("src/{path}.rs"),
        text: (*text).to_owned(),
    };
    let sources: Vec<Source> = files.iter().map(source).collect();
    Modules::read("src/lib.rs", &sources).unwrap()
}

/// Checks what the file `a` imports in a crate whose modules are `a`, `b`, `b::c` and the inline
/// `b::inline`.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let modules = read(&[
        ("lib", "pub mod a; mod b; pub use b::c::C; pub struct Root;"),
        ("a", text),
        (
            "b",
            "pub mod c; pub use c::{C, D as Renamed}; pub struct B; pub mod inline { pub struct I; }",
        ),
        ("b/c", "pub struct C; pub struct D;"),
    ]);
    let of_a = modules.imports.iter();
    let of_a = of_a.filter(|import| modules.files[import.from] == "src/a.rs");
    let mut found: Vec<&str> = of_a
        .map(|import| modules.files[import.to].as_str())
        .collect();
    found.dedup();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn a_use_declaration_is_an_import() {
    check("use crate::b::B;", &["src/b.rs"]);
    check("use super::b::B;", &["src/b.rs"]);
    check("use crate::b::{B, c};", &["src/b.rs", "src/b/c.rs"]);
    check("use crate::b::*;", &["src/b.rs"]);
    check("use crate::b::{self};", &["src/b.rs"]);
    check("use crate::b::inline::I;", &["src/b.rs"]);
    check("use crate::{b::c::D as E};", &["src/b/c.rs"]);
    check("use std::fmt; use ::b::B; use b2::B;", &[]);
}

#[test]
fn a_path_is_an_import_wherever_it_stands() {
    check("fn f() { crate::b::B; }", &["src/b.rs"]);
    check("fn f() -> crate::b::c::C { todo() }", &["src/b/c.rs"]);
    check(
        "fn f() { println!(\"{}\", super::b::c::C); }",
        &["src/b/c.rs"],
    );
    check(
        "#[derive(X)] struct S(#[x(with(crate::b::f))] u8);",
        &["src/b.rs"],
    );
    check("macro_rules! m { () => { $crate::b::f() } }", &["src/b.rs"]);
    check("fn f() { m!(x, ::b::c); vec![b::c]; }", &[]);
    check(
        "use crate::b; fn f() { b::c::C; }",
        &["src/b.rs", "src/b/c.rs"],
    );
}

#[test]
fn an_import_through_an_imported_module_is_one() {
    check("use crate::b; use b::c::C;", &["src/b.rs", "src/b/c.rs"]);
    check(
        "use super::b; use b::c; fn f() { c::C; }",
        &["src/b.rs", "src/b/c.rs"],
    );
    // Other crates, be it in a circle of names.
    check("use std::fmt; use fmt::Display; use x::y; use y::x;", &[]);
}

#[test]
fn a_reexported_name_counts_as_the_file_that_defines_it() {
    check("use crate::C;", &["src/b/c.rs"]);
    check("use crate::b::C;", &["src/b/c.rs"]);
    check("use crate::b::Renamed;", &["src/b/c.rs"]);
    check("use crate::Root;", &["src/lib.rs"]);
}

#[test]
fn what_only_tests_compile_and_visibilities_are_no_imports() {
    check("#[cfg(test)] mod tests { use crate::b::B; }", &[]);
    check("#[cfg(test)] use crate::b::B;", &[]);
    check("#[cfg(not(test))] use crate::b::B;", &["src/b.rs"]);
    check("#[cfg(unix)] use crate::b::B;", &["src/b.rs"]);
    check("pub(in crate::b) struct A;", &[]);
}

#[test]
fn a_declared_child_is_no_import_but_its_use_is() {
    let modules = read(&[
        ("lib", "mod a; pub use a::child::C;"),
        ("a", "pub mod child;"),
        ("a/child", "pub struct C;"),
    ]);
    assert_eq!(modules.files, ["src/lib.rs", "src/a.rs", "src/a/child.rs"]);
    let found = modules
        .imports
        .iter()
        .map(|import| (import.from, import.to));
    assert_eq!(found.collect::<Vec<_>>(), [(0, 2)]);
}

#[test]
fn an_exported_macro_counts_as_the_file_that_defines_it() {
    let modules = read(&[
        ("lib", "mod a; mod b;"),
        ("a", "fn f() { crate::m!() }"),
        (
            "b",
            "#[macro_export] macro_rules! m { () => { $crate::m!(x) } }",
        ),
    ]);
    let imports = modules.imports.iter();
    assert_eq!(
        imports
            .map(|import| (import.from, import.to, import.by_root))
            .collect::<Vec<_>>(),
        [(1, 2, false)]
    );
}

#[test]
fn an_import_by_the_root_is_marked() {
    let modules = read(&[
        ("lib", "mod a; mod b; pub use b::B;"),
        ("a", "use crate::B; use crate::b::B as C; use crate::b;"),
        ("b", "pub struct B;"),
    ]);
    let by_root: Vec<bool> = modules
        .imports
        .iter()
        .filter(|import| import.from == 1)
        .map(|i| i.by_root)
        .collect();
    assert_eq!(by_root, [true, false, false]);
}

#[test]
fn a_missing_or_broken_source_is_named() {
    let source = |text: &str| Source {
        path: "src/lib.rs".to_owned(),
        text: text.to_owned(),
    };
    let missing = Modules::read("src/lib.rs", &[source("mod gone;")]).unwrap_err();
    assert_eq!(missing, "src/gone.rs: no such source");
    let broken = Modules::read("src/lib.rs", &[source("//! One.\nfn (")]).unwrap_err();
    assert!(broken.starts_with("src/lib.rs: line 2: "), "{broken}");
}
