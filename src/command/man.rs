//! `upseal man`: writes the manual pages.

use std::fs;

use clap::CommandFactory as _;

use crate::cli::{Cli, Man};
use crate::event::Fault;
use crate::messages::{Escaped, units};
use crate::output;

/// Writes one page for the program and one for each subcommand, made from the command line's own definition.
///
/// Returns the exit code.
///
/// # Errors
/// The folder or a page cannot be written.
pub(crate) fn run(args: &Man) -> Result<u8, Fault> {
    let folder = Escaped::path(&args.folder);
    let written = fs::create_dir_all(&args.folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command().disable_help_subcommand(true), &args.folder))
        .and_then(|()| fs::read_dir(&args.folder))
        .map_err(|e| Fault::local(format!("cannot write manual pages into {folder}: {e}")))?;
    let is_ours = |name: &str| name.starts_with("upseal") && name.ends_with(".1");
    let pages = written.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_ours)).count();
    let pages = units::count(pages.try_into().unwrap_or(u64::MAX), "page");
    output::remark(&format!("{pages} in {folder}; read one with: man -l {folder}/upseal.1"));
    Ok(0)
}
