//! Writes the seeds of every target as files: `cargo run --example seeds FOLDER`, a folder for each target in it.
#![expect(clippy::disallowed_methods, reason = "the server's `files` is not for tests")]

use std::io;
use std::path::PathBuf;

use bellwether_fuzz::{TARGETS, seeds};

fn main() -> io::Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| io::Error::other("which folder?"))?;
    for (name, _) in TARGETS {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder)?;
        for (at, seed) in seeds::of(name).into_iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{at:04}")), seed)?;
        }
    }
    Ok(())
}
