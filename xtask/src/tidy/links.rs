//! Checks the documentation: the targets of links exist, their sections too, and so do paths in code.

use std::path::Path;

use super::sources::Source;

/// The directories whose paths the documentation names as code.
const ROOTS: [&str; 4] = ["crates/", "deploy/", "docs/", "xtask/"];

/// Links and paths without a target, one line each. URLs are not requested.
pub(super) fn violations(root: &Path, files: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.is_markdown()) {
        let lost = paths(&file.text).filter(|path| !root.join(path).exists());
        found.extend(lost.map(|path| format!("{}: `{path}`: no such file", file.path)));
        for target in targets(&file.text) {
            if let Err(reason) = resolve(root, &file.path, target, files) {
                found.push(format!("{}: ({target}): {reason}", file.path));
            }
        }
    }
    found
}

/// The targets of `[text](target)` in `text`, outside blocks of code.
fn targets(text: &str) -> Vec<&str> {
    let mut in_block = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        }
        if in_block {
            continue;
        }
        let after = line.split("](").skip(1);
        found.extend(after.filter_map(|rest| Some(rest.split_once(')')?.0)));
    }
    found
}

/// The paths from the root of the repository that stand in `text` as code.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    let spans = text
        .lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2));
    spans.filter(|span| {
        let is_below = |directory: &&str| span.starts_with(*directory);
        let is_path = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
        ROOTS.iter().any(is_below) && span.chars().all(is_path)
    })
}

fn resolve(root: &Path, from: &str, target: &str, files: &[Source]) -> Result<(), String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return Ok(());
    }
    let (path, section) = match target.split_once('#') {
        Some((path, section)) => (path, Some(section)),
        None => (target, None),
    };
    let path = joined(from, path).ok_or("outside of the repository")?;
    if !root.join(&path).exists() {
        return Err("no such file".to_owned());
    }
    let Some(section) = section else {
        return Ok(());
    };
    let file = files
        .iter()
        .find(|file| file.path == path && file.is_markdown());
    let file = file.ok_or("only Markdown has sections")?;
    if sections(&file.text).any(|anchor| anchor == section) {
        return Ok(());
    }
    Err("no such section".to_owned())
}

/// The path of `target` in the file `from`; an empty target is that file itself.
fn joined(from: &str, target: &str) -> Option<String> {
    if target.is_empty() {
        return Some(from.to_owned());
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The anchors of the headings, as the usual renderers make them: lower case, spaces to hyphens, no
/// other punctuation.
fn sections(text: &str) -> impl Iterator<Item = String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> Source {
        Source {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    #[track_caller]
    fn check(link: &str, resolves: bool) {
        let directory = tempfile::tempdir().unwrap();
        let files = [
            file("README.md", "# Posthorn\n\n## What it does\n"),
            file(
                "docs/API.md",
                &format!("# The `API`\n[it]({link})\n```\n[no](nowhere)\n```\n"),
            ),
        ];
        std::fs::create_dir(directory.path().join("docs")).unwrap();
        for Source { path, text } in &files {
            std::fs::write(directory.path().join(path), text).unwrap();
        }
        let found = violations(directory.path(), &files);
        assert_eq!(found.is_empty(), resolves, "{link}: {found:?}");
    }

    #[test]
    fn a_link_leads_to_a_file_and_its_section() {
        check("API.md", true);
        check("../README.md", true);
        check("../README.md#what-it-does", true);
        check("#the-api", true);
        check("..", true);
        check("https://example.org/nowhere", true);
    }

    #[test]
    fn a_path_in_code_has_to_exist() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("docs")).unwrap();
        let text = "`docs/`, `docs/gone.md`, `docs/*`, `cargo docs/x`, docs/y";
        let found = violations(directory.path(), &[file("README.md", text)]);
        assert_eq!(found, ["README.md: `docs/gone.md`: no such file"]);
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        check("README.md", false);
        check("../README.md#what-it-did", false);
        check("#an-api", false);
        check("../../README.md", false);
    }
}
