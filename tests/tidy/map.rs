//! The map of the tree in ARCHITECTURE.md.

use std::collections::BTreeSet;

use crate::tree::File;

/// What the map names, each with what is said of it.
fn entries(page: &str) -> Vec<(String, String)> {
    let after = page.split_once("## Where things are").map_or("", |(_, after)| after);
    let block = after.split_once("```text\n").map_or("", |(_, block)| block);
    let block = block.split_once("```").map_or("", |(block, _)| block);
    // A line that begins with a space goes on with the one before.
    let whole = block.replace("\n ", " ");
    let named = |line: &str| names(line).into_iter().map(|name| (name.to_owned(), line.to_owned())).collect::<Vec<_>>();
    whole.lines().flat_map(named).collect()
}

/// A line begins with names, a comma after each but the last.
fn names(line: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for word in line.split_whitespace() {
        names.push(word.trim_end_matches([',', '/']));
        if !word.ends_with(',') {
            break;
        }
    }
    names
}

/// What the map names is there, and it names every part of the server and of the tests.
pub(crate) fn faults(page: &str, files: &[File]) -> Vec<String> {
    let entries = entries(page);
    if entries.is_empty() {
        return vec!["ARCHITECTURE.md: there is no map of the tree".to_owned()];
    }
    let mut faults = Vec::new();
    for (name, _) in &entries {
        if !files.iter().any(|file| file.path == *name || file.is_under(name)) {
            faults.push(format!("ARCHITECTURE.md: the map names {name}, which is not there"));
        }
    }
    let parts = |folder: &str| -> BTreeSet<&str> {
        let inside = files.iter().filter_map(|file| file.path.strip_prefix(folder)?.strip_prefix('/'));
        inside.filter_map(|rest| rest.split('/').next()).collect()
    };
    for part in parts("src") {
        let path = format!("src/{part}");
        // A module's file and the folder of its parts go by one name.
        if !entries.iter().any(|(name, _)| name.trim_end_matches(".rs") == path.trim_end_matches(".rs")) {
            faults.push(format!("ARCHITECTURE.md: the map does not name {path}"));
        }
    }
    let said = entries.iter().find(|(name, _)| *name == "tests").map_or("", |(_, said)| said.as_str());
    for part in parts("tests") {
        let name = part.trim_end_matches(".rs");
        if !said.split([' ', ',', '(', ')', '/', '.']).any(|word| word == name) {
            faults.push(format!("ARCHITECTURE.md: the map does not name tests/{part}"));
        }
    }
    faults
}
