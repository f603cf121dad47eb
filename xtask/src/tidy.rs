//! `cargo xtask tidy`: checks the layout of the sources, forbidden words, and the links of the
//! documentation. It also runs as a test.

mod links;
mod rules;
pub(crate) mod sources;

use std::path::Path;

/// Reports every violation.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let files = sources::read(root)?;
    let mut found = rules::violations(&files);
    found.extend(links::violations(root, &files));
    if found.is_empty() {
        println!("tidy: {} files", files.len());
        return Ok(());
    }
    Err(found.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        run(&crate::root()).unwrap();
    }
}
