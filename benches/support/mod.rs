//! Shared code of the benches: the description of the machine, the reference, and the best of several rounds.

#![allow(dead_code, reason = "each bench uses its part")]

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

/// Number of rounds; the best counts, because noise only slows.
pub(crate) const ROUNDS: usize = 3;

/// Duration of one measurement.
pub(crate) const SPAN: Duration = Duration::from_millis(700);

/// Returns the processor with its cores, and the version of OpenSSL, in one line each.
pub(crate) fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = cpu.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(": ")).map_or("unknown", |(_, value)| value).to_owned()
    };
    let flags = field("flags");
    let known = ["aes", "sha_ni", "avx2", "bmi2", "adx", "vaes", "avx512f", "avx512ifma"];
    let has: Vec<&str> = known.into_iter().filter(|flag| flags.split(' ').any(|f| f == *flag)).collect();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let openssl = Command::new("openssl").arg("version").output();
    let openssl = openssl.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned());
    format!(
        "{}, {cores} cores, {}\n{}",
        field("model name"),
        has.join(" "),
        openssl.unwrap_or_else(|_| "openssl is not installed".to_owned())
    )
}

/// Returns the operations per second of `step`, which does `each` of them.
pub(crate) fn rate(each: u64, mut step: impl FnMut()) -> f64 {
    step();
    let begin = Instant::now();
    let mut done = 0;
    loop {
        step();
        done += each;
        let spent = begin.elapsed();
        if spent >= SPAN {
            return done as f64 / spent.as_secs_f64();
        }
    }
}

/// Returns a column of the line that `openssl speed -mr` prints with this prefix: bytes per second of a cipher (`+F:`),
/// operations per second of a key (`+F2:`).
///
/// Returns `None` if OpenSSL is not installed or prints no such line.
pub(crate) fn openssl_speed(arguments: &[&str], line: &str, column: usize) -> Option<f64> {
    let output = Command::new("openssl").arg("speed").arg("-mr").args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = text.lines().find(|candidate| candidate.starts_with(line))?;
    found.split(':').nth(column)?.trim().parse().ok()
}

/// One row of a table: two figures, their ratio and its target.
pub(crate) struct Row {
    /// Name of the measurement.
    pub what: String,
    /// Figure of upseal, in the unit of the table.
    pub ours: f64,
    /// Figure of the reference, in the unit of the table.
    pub theirs: f64,
    /// Target for the ratio.
    pub least: f64,
}

/// Prints rows under a heading; `scale` divides the figures, `unit` names them.
pub(crate) fn print_rows(heading: &str, rows: &[Row], scale: f64, unit: &str) {
    println!("\n{heading} ({unit}, best of {ROUNDS})");
    println!("{:<58} {:>10} {:>10} {:>7} {:>7}", "", "upseal", "reference", "ratio", "target");
    for row in rows {
        let ratio = row.ours / row.theirs;
        let mark = if ratio >= row.least { "ok" } else { "SLOW" };
        println!(
            "{:<58} {:>10.1} {:>10.1} {ratio:>7.2} {:>7.2} {mark}",
            row.what,
            row.ours / scale,
            row.theirs / scale,
            row.least
        );
    }
}
