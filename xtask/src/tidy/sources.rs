//! The files of the repository: what git knows or would take, without what is not text.

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
    /// Whether it is Rust.
    pub(crate) fn is_rust(&self) -> bool {
        self.has_extension("rs")
    }

    /// Whether it is Markdown.
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
        // A file may be deleted and still be in the index; one that is no UTF-8 is not text.
        if let Ok(text) = std::fs::read_to_string(root.join(path)) {
            files.push(Source {
                path: path.to_owned(),
                text,
            });
        }
    }
    Ok(files)
}
