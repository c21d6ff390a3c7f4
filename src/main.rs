//! Parse, dispatch, print what went wrong, exit.

use std::process::ExitCode;

use clap::Parser;
use upseal::cli::{Cli, Subcommands};
use upseal::{command, output};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Some(Subcommands::Send(args)) => command::send::run(args),
        Some(Subcommands::Serve(args)) => command::serve::run(&args),
        Some(Subcommands::Verify(args)) => command::verify::run(&args),
        Some(Subcommands::Race(args)) => command::race::run(args),
        Some(Subcommands::Lab(args)) => command::lab::run(&args),
        Some(Subcommands::Peers(args)) => command::peers::run(args),
        Some(Subcommands::Probe(args)) => command::probe::run(args),
        Some(Subcommands::Certs { command }) => command::certs::run(command),
        Some(Subcommands::Known(args)) => command::known::run(args),
        Some(Subcommands::History(args)) => command::history::run(&args),
        Some(Subcommands::Audit(args)) => command::audit::run(&args),
        None => command::terminal(cli.ui),
    };
    match result {
        Ok(code) => {
            let Some(lost) = output::lost_results() else { return ExitCode::from(code) };
            output::fault(&lost);
            // What failed before that says more.
            ExitCode::from(if code == 0 { lost.kind.exit_code() } else { code })
        }
        Err(fault) => {
            output::fault(&fault);
            ExitCode::from(fault.kind.exit_code())
        }
    }
}
