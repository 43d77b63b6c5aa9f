//! The `bellwether` command.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A request is many small pieces of memory that soon go again, taken and given back by several threads.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    bellwether::cli::run()
}
