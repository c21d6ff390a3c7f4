//! The `upseal` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    upseal::run()
}
