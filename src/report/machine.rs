//! The machine and the program that a race ran on.

use std::env;
use std::fs;
use std::thread;

use serde::{Deserialize, Serialize};

use crate::clock;
use crate::messages::{Escaped, shell_word};

/// The machine and the program of a race.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: Escaped,
    /// The number of hardware threads that this program may use; 0: unknown.
    pub cores: usize,
    /// The operating system and its kernel.
    pub os: Escaped,
    /// This program's version.
    pub upseal: String,
    /// The version of the compiler.
    pub rustc: String,
    /// Whether the program was built with optimisation.
    pub optimised: bool,
    /// The command line, quoted for a shell.
    pub command: Escaped,
    /// When the race ended: RFC 3339, UTC.
    pub date: String,
}

impl Machine {
    /// Describes this machine and program, now.
    #[must_use]
    pub fn here() -> Self {
        let words = env::args_os().enumerate().map(|(at, word)| {
            let word = word.to_string_lossy().into_owned();
            // The path of the program may contain the user's name.
            shell_word(if at == 0 { "upseal" } else { &word })
        });
        Self {
            cpu: cpu().unwrap_or_else(|| format!("unknown ({})", env::consts::ARCH)).into(),
            cores: thread::available_parallelism().map_or(0, usize::from),
            os: os().trim().into(),
            upseal: env!("CARGO_PKG_VERSION").to_owned(),
            rustc: option_env!("UPSEAL_RUSTC").unwrap_or("unknown").to_owned(),
            optimised: !cfg!(debug_assertions),
            command: words.collect::<Vec<_>>().join(" ").into(),
            date: clock::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        }
    }
}

/// Returns the name of the processor, which only Linux has in this file.
fn cpu() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name") || line.starts_with("Model"))?;
    let (_, name) = line.split_once(':')?;
    Some(name.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn os() -> String {
    let uname = rustix::system::uname();
    let kernel = format!("{} {}", uname.sysname().to_string_lossy(), uname.release().to_string_lossy());
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    match name {
        Some(name) => format!("{}, {kernel}", name.trim_matches('"')),
        None => kernel,
    }
}
