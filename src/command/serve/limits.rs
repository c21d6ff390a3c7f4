//! From the flags of the limits to the limits of a server.

use std::time::Duration;

use crate::cli::{Limits, Patience};
use crate::net::deadlines::Deadlines;

/// Returns how long clients may take.
pub(super) fn deadlines(limits: &Limits) -> Deadlines {
    let at_least = |time: Patience| time.0.max(Duration::from_millis(1));
    let login = at_least(limits.login_grace);
    Deadlines {
        login,
        begin: 2 * login,
        idle: at_least(limits.idle_time),
        message: at_least(limits.message_time),
        silence: at_least(limits.stall_time),
        rate: limits.min_rate.0,
        ..Deadlines::default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        limits: Limits,
    }

    #[test]
    fn the_flags_have_the_defaults_of_a_server() {
        let limits = |line: &str| Only::try_parse_from(line.split(' ')).unwrap().limits;
        assert_eq!(deadlines(&limits("serve")), Deadlines::default());
        let none = "serve --login-grace 0s --idle-time 0s --message-time 0s --stall-time 0s --min-rate 0";
        let none = deadlines(&limits(none));
        assert_eq!((none.login, none.rate), (Duration::from_millis(1), 0), "no time is a short time");
    }
}
