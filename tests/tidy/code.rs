//! The paths that Rust source names, comments and strings apart.

use std::mem;

use proc_macro2::{Delimiter, LexError, TokenStream, TokenTree};

use crate::tree::File;

/// A path such as `crate::flags::Flag`; a single name is one too.
pub(crate) struct Path {
    /// Its segments as written; those of a grouped `use` are spelled out.
    pub(crate) segments: Vec<String>,
    /// The line it starts on, from 1.
    pub(crate) line: usize,
}

impl Path {
    /// Whether its first segments are `wanted`.
    pub(crate) fn starts_with(&self, wanted: &[&str]) -> bool {
        self.segments.len() >= wanted.len() && self.segments.iter().zip(wanted).all(|(have, want)| have == want)
    }

    /// Whether `wanted` are segments of it, one after the other.
    pub(crate) fn contains(&self, wanted: &[&str]) -> bool {
        self.segments.windows(wanted.len()).any(|segments| segments == wanted)
    }

    /// Its first segment.
    pub(crate) fn root(&self) -> &str {
        self.segments.first().map_or("", String::as_str)
    }

    /// Its segments from the root of the server's library; `None` when it leads out of it or is relative to an import.
    pub(crate) fn within_server<'a>(&'a self, file: &'a File) -> Option<Vec<&'a str>> {
        let mut here = module(file);
        let mut segments = self.segments.iter().map(String::as_str).peekable();
        match segments.next()? {
            "crate" | "bellwether" => here.clear(),
            "self" => {}
            "super" => {
                here.pop();
                while segments.next_if_eq(&"super").is_some() {
                    here.pop();
                }
            }
            _ => return None,
        }
        here.extend(segments);
        Some(here)
    }
}

/// The module that a file under `src/` is.
fn module(file: &File) -> Vec<&str> {
    let mut parts: Vec<_> = file.path.trim_start_matches("src/").trim_end_matches(".rs").split('/').collect();
    parts.pop_if(|last| matches!(*last, "mod" | "lib" | "main"));
    parts
}

/// Every path that `text` names, macro calls and attributes included.
///
/// # Errors
/// When `text` is not Rust.
pub(crate) fn paths(text: &str) -> Result<Vec<Path>, LexError> {
    let mut paths = Vec::new();
    collect(text.parse()?, &[], &mut paths);
    Ok(paths)
}

/// `prefix` is what stands before a `use` group.
fn collect(tokens: TokenStream, prefix: &[String], paths: &mut Vec<Path>) {
    let mut path = Path { segments: Vec::new(), line: 0 };
    let mut colons = 0;
    let mut renames = false;
    for token in tokens {
        match token {
            TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
            TokenTree::Ident(name) if path.segments.is_empty() || colons != 2 => {
                finish(&mut path, paths);
                colons = 0;
                if name == "as" {
                    renames = !prefix.is_empty();
                } else if !mem::take(&mut renames) {
                    path.segments = prefix.iter().cloned().chain([name.to_string()]).collect();
                    path.line = name.span().start().line;
                }
            }
            TokenTree::Ident(name) => {
                path.segments.push(name.to_string());
                colons = 0;
            }
            TokenTree::Group(group) => {
                let grouped = colons == 2 && group.delimiter() == Delimiter::Brace;
                let prefix = if grouped { mem::take(&mut path.segments) } else { Vec::new() };
                finish(&mut path, paths);
                colons = 0;
                collect(group.stream(), &prefix, paths);
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {
                finish(&mut path, paths);
                colons = 0;
            }
        }
    }
    finish(&mut path, paths);
}

fn finish(path: &mut Path, paths: &mut Vec<Path>) {
    if !path.segments.is_empty() {
        paths.push(Path { segments: mem::take(&mut path.segments), line: path.line });
    }
}

#[test]
fn groups_are_spelled_out() {
    let text = "use crate::{a::{self, B as C}, d};\n// std::fs\nfn f(x: u8) { g::<T>(\"std::fs\"); m![h::i {}] }";
    let found: Vec<_> = paths(text).unwrap().into_iter().map(|p| (p.segments.join("::"), p.line)).collect();
    let expected = ["crate::a::self", "crate::a::B", "crate::d"].map(|path| (path.to_owned(), 1));
    assert_eq!(found.iter().filter(|(path, _)| path.starts_with("crate")).cloned().collect::<Vec<_>>(), expected);
    assert!(found.contains(&("h::i".to_owned(), 3)));
    assert!(!found.iter().any(|(path, _)| path.contains("fs")));
}
