//! Rules for single files.

use super::sources::Source;

/// The longest source.
const MAX_LINES: usize = 400;
/// The longest `//!` header of a source.
const MAX_HEADER_LINES: usize = 5;
/// Files whose header may be longer, because it is the description of a format on disk or on the
/// wire that operators look up.
const LONG_HEADERS: [&str; 2] = [
    "crates/adapters/embedded/src/schema.rs",
    "crates/adapters/redis/src/keys.rs",
];
/// Files that may be longer, because they are one table.
const LONG_FILES: [&str; 0] = [];
/// The binary is wiring: the most lines of all its sources.
const MAX_BINARY_LINES: usize = 1_000;
const BINARY: &str = "crates/posthorn/src/";
/// Files with the words of others.
const NOT_OURS: [&str; 1] = ["Cargo.lock"];

/// Marks of unfinished work, paths of one contributor's machine, and hosts of registries. They are cut
/// in two, so that this file does not contain them.
const FORBIDDEN: [&str; 12] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("index.crates", ".io"),
    concat!("static.crates", ".io"),
    concat!("pypi", ".org"),
    concat!("npmjs", "."),
    concat!("deb.debian", ".org"),
];

/// The violations in `files`, one line each.
pub(super) fn violations(files: &[Source]) -> Vec<String> {
    let found = files
        .iter()
        .flat_map(|file| check_words(file).chain(check_rust(file)));
    found.chain(check_binary(files)).collect()
}

fn check_binary(files: &[Source]) -> Option<String> {
    let binary = files
        .iter()
        .filter(|file| file.is_rust() && file.path.starts_with(BINARY));
    let lines: usize = binary.map(|file| file.text.lines().count()).sum();
    (lines >= MAX_BINARY_LINES)
        .then(|| format!("{BINARY}: {lines} lines; what is not wiring belongs into another crate"))
}

fn check_words(file: &Source) -> impl Iterator<Item = String> {
    let ours = !NOT_OURS.contains(&file.path.as_str());
    let lines = file.text.lines().zip(1_usize..).filter(move |_| ours);
    lines.flat_map(move |(line, number)| {
        let words = FORBIDDEN.iter().filter(|word| line.contains(**word));
        words.map(move |word| format!("{}:{number}: `{word}` does not belong here", file.path))
    })
}

fn check_rust(file: &Source) -> impl Iterator<Item = String> {
    let lines = file.text.lines().count();
    let header = file
        .text
        .lines()
        .take_while(|line| line.starts_with("//!"))
        .count();
    let long_header = header > MAX_HEADER_LINES && !LONG_HEADERS.contains(&file.path.as_str());
    let is_mod = file.path == "mod.rs" || file.path.ends_with("/mod.rs");
    let too_long = lines > MAX_LINES && !LONG_FILES.contains(&file.path.as_str());
    let found = [
        (header == 0).then(|| "begins without a `//!` header".to_owned()),
        long_header.then(|| format!("has a header of {header} lines")),
        is_mod.then(|| "is to be named after its module".to_owned()),
        too_long.then(|| format!("has {lines} lines, more than {MAX_LINES}")),
    ];
    let is_rust = file.is_rust();
    found
        .into_iter()
        .flatten()
        .filter(move |_| is_rust)
        .map(|what| format!("{}: {what}", file.path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, text: &str, expected: &[&str]) {
        let found = violations(&[Source {
            path: path.to_owned(),
            text: text.to_owned(),
        }]);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "{found} lacks {expected}");
        }
    }

    #[test]
    fn a_source_has_a_short_header() {
        check("src/a.rs", "//! A file.\n", &[]);
        check("src/a.rs", "use b;\n", &["header"]);
        check("src/a.rs", &"//! Word.\n".repeat(6), &["header of 6 lines"]);
        check("a.md", "# No header\n", &[]);
    }

    #[test]
    fn a_module_has_a_file_of_its_own_name() {
        check("src/a/mod.rs", "//! A file.\n", &["named after"]);
        check("src/a_mod.rs", "//! A file.\n", &[]);
    }

    #[test]
    fn a_source_is_of_readable_length() {
        check(
            "src/a.rs",
            &("//! A file.\n".to_owned() + &"\n".repeat(399)),
            &[],
        );
        check(
            "src/a.rs",
            &("//! A file.\n".to_owned() + &"\n".repeat(400)),
            &["401 lines"],
        );
    }

    #[test]
    fn the_binary_has_under_a_thousand_lines() {
        let files = |lines: usize| {
            [lines, 300, 300].map(|lines| Source {
                path: format!("{BINARY}{lines}.rs"),
                text: "//! A file.\n".to_owned() + &"\n".repeat(lines - 1),
            })
        };
        assert!(violations(&files(399)).is_empty());
        let found = violations(&files(400));
        assert!(
            found.len() == 1 && found.concat().contains("1000 lines"),
            "{found:?}"
        );
    }

    #[test]
    fn words_that_do_not_belong_are_found_with_their_line() {
        let text = [
            "first",
            concat!("see /wo", "rk/x"),
            concat!("TO", "DO: more"),
        ]
        .join("\n");
        check("docs/a.md", &text, &["docs/a.md:2", "docs/a.md:3"]);
        check("Cargo.lock", &text, &[]);
    }
}
