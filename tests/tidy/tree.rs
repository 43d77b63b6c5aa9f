//! The project's own text files.

use std::io;
use std::path::Path;

/// Where the project's text is. Build output lies elsewhere.
const ROOTS: [&str; 10] =
    ["src", "sdk", "tests", "benches", "templates", "static", "migrations", "deploy", ".ci", ".github"];

/// Folders within them that others fill.
const FOREIGN: [&str; 3] = ["target", "node_modules", "screenshots"];

/// A text file of the project.
pub(crate) struct File {
    /// Relative to the project's folder, with `/` between the parts.
    pub(crate) path: String,
    /// What it says.
    pub(crate) text: String,
}

impl File {
    /// Whether it lies in `folder` or below.
    pub(crate) fn is_under(&self, folder: &str) -> bool {
        self.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    }

    /// The part of the path after the last `/`.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Whether it is Rust source.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether it holds tests alone.
    pub(crate) fn is_test(&self) -> bool {
        self.name() == "tests.rs" || self.path.split('/').any(|part| part == "tests")
    }

    /// Whether `part` is one of the path's folders, or the file's name without `.rs`.
    pub(crate) fn has_part(&self, part: &str) -> bool {
        self.path.trim_end_matches(".rs").split('/').any(|p| p == part)
    }
}

/// Every text file, sorted by path.
///
/// # Errors
/// When a folder or a file cannot be read.
pub(crate) fn files() -> io::Result<Vec<File>> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<_> = ROOTS.iter().map(|root| project.join(root)).filter(|folder| folder.is_dir()).collect();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() && !FOREIGN.iter().any(|foreign| entry.file_name() == *foreign) {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.extend(read(project, &entry.path())?);
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// `None` for what is not text, a picture for one.
#[expect(clippy::disallowed_methods, reason = "the server's `files` is not for tests")]
fn read(project: &Path, path: &Path) -> io::Result<Option<File>> {
    let bytes = std::fs::read(path)?;
    let parts: Vec<_> =
        path.strip_prefix(project).map_err(io::Error::other)?.iter().map(|part| part.to_string_lossy()).collect();
    Ok(String::from_utf8(bytes).ok().map(|text| File { path: parts.join("/"), text }))
}
