//! `upseal completions`: prints completions for a shell.

use clap::CommandFactory as _;
use clap_complete::{Generator, generate, shells};
use clap_complete_nushell::Nushell;

use crate::cli::{Cli, Completions, Shell};
use crate::output;

/// Prints the completions of this version. They are made from the command line's own definition.
///
/// Returns the exit code.
pub(crate) fn run(args: &Completions) -> u8 {
    output::line(script(args.shell).trim_end());
    0
}

fn script(shell: Shell) -> String {
    match shell {
        Shell::Bash => text(shells::Bash),
        Shell::Zsh => text(shells::Zsh),
        Shell::Fish => text(shells::Fish),
        Shell::Power => text(shells::PowerShell),
        Shell::Nu => text(Nushell),
    }
}

fn text(shell: impl Generator) -> String {
    let mut bytes = Vec::new();
    generate(shell, &mut Cli::command(), "upseal", &mut bytes);
    // The names and help texts are UTF-8.
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use strum::VariantArray as _;

    use super::*;

    #[test]
    fn each_shell_completes_every_subcommand_and_flag() {
        let command = Cli::command();
        for shell in Shell::VARIANTS {
            let script = script(*shell);
            for sub in command.get_subcommands() {
                assert!(script.contains(sub.get_name()), "{shell:?}: {}", sub.get_name());
                for flag in sub.get_opts().filter_map(|option| option.get_long()) {
                    assert!(script.contains(flag), "{shell:?}: {} --{flag}", sub.get_name());
                }
            }
        }
    }
}
