//! Checks the links of the documentation: their file exists, and the section in it.

use std::path::Path;

use super::sources::Source;

/// Links without a target, one line each. URLs are not requested.
pub(super) fn violations(root: &Path, files: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.is_markdown()) {
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
    fn a_link_that_leads_nowhere_is_found() {
        check("README.md", false);
        check("../README.md#what-it-did", false);
        check("#an-api", false);
        check("../../README.md", false);
    }
}
