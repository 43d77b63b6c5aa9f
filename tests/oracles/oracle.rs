//! Answers reference cases of the statistics with the product's own code:
//!
//! ```sh
//! cargo run --release --example oracle < tests/oracles/public.json
//! ```
//!
//! Standard input holds `{"cases":[{"id","category","input","expected"}, …]}`; what else is there is not looked at. Standard output gets
//!
//! ```json
//! {"results":[{"id":"normal-01","actual":{"cdf":7.6e-24,"log_cdf":-53.2}}],"skipped":[{"category":"cuped","count":6}]}
//! ```
//!
//! with the results in the order of the cases, and in `actual` the keys of `expected` (without `expected`, every figure of the
//! category). A figure that does not exist, or is infinite, is null. A case that cannot be computed has null for every figure, and a
//! line on standard error says why; a case without an id or a category counts as skipped in the category `(malformed)`. The exit
//! code is 0 then too. Input that is no such document ends with a sentence on standard error and exit code 2.

mod category;
mod comparisons;
mod distributions;
mod document;
mod guards;

use std::io::{Read, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            // Nothing is left to do when even this cannot be said.
            let _ = writeln!(std::io::stderr(), "oracle: {sentence}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), String> {
    let mut input = String::new();
    std::io::stdin()
        .read_to_string(&mut input)
        .map_err(|error| format!("standard input could not be read: {error}"))?;
    let (answer, remarks) = document::answer(&input)?;
    let written = serde_json::to_string(&answer).map_err(|error| error.to_string())?;
    let mut err = std::io::stderr().lock();
    for remark in remarks {
        let _ = writeln!(err, "oracle: {remark}");
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{written}")
        .and_then(|()| out.flush())
        .map_err(|error| format!("the answer could not be written: {error}"))
}
