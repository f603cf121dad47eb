//! The text files of the repository: those that git tracks, and new ones that it does not ignore.

use std::path::Path;
use std::process::Command;

use crate::shell::capture;

/// A text file.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its path below the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    /// True for a Rust source.
    pub(crate) fn is_rust(&self) -> bool {
        self.has_extension("rs")
    }

    /// True for a Markdown file.
    pub(super) fn is_markdown(&self) -> bool {
        self.has_extension("md")
    }

    fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|found| found == extension)
    }
}

/// Reads all of them.
pub(crate) fn read(root: &Path) -> Result<Vec<Source>, String> {
    let mut git = Command::new("git");
    git.current_dir(root).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let listed = capture(&mut git)?;
    let mut files = Vec::new();
    for path in listed.split_terminator('\0') {
        // A deleted file may still be in the index. A file that is not UTF-8 is not text.
        if let Ok(text) = std::fs::read_to_string(root.join(path)) {
            files.push(Source {
                path: path.to_owned(),
                text,
            });
        }
    }
    Ok(files)
}
