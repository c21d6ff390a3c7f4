//! SIGHUP: reads the certificates and the configuration file again, without ending a session.
//!
//! New sessions use what was read; sessions that run keep what they began with. If anything is wrong nothing changes.

use std::sync::Arc;

use parking_lot::Mutex;

use super::limits;
use super::own::Own;
use super::policy::{check_prefix, padding_warnings, policy};
use super::prepare;
use super::printer::Printer;
use super::sink::Sink;
use crate::cli::{Serve, ServeRows};
use crate::clock;
use crate::config;
use crate::event::{Event, Fault};
use crate::metrics::Checks;
use crate::net::Observer as _;
use crate::net::server::Control;
use crate::net::service::Service;

/// Returns the options of `serve`: the flags, then the variables, then the table `[serve]` of the configuration file.
///
/// # Errors
/// The file is invalid.
pub(super) fn settle(flags: &Serve) -> Result<(Serve, ServeRows), Fault> {
    let rows = config::serve_rows()?;
    let merged = flags.with(&rows);
    let merged =
        merged.map_err(|why| Fault::usage(format!("the table [serve] of the configuration file: {why}")))?;
    Ok((merged, rows))
}

/// What a running server reads again.
pub(super) struct Reload {
    /// Options of the command line and the environment.
    pub(super) flags: Serve,
    /// What is in force.
    pub(super) current: Mutex<(Serve, ServeRows)>,
    pub(super) control: Control,
    pub(super) printer: Arc<Printer>,
    pub(super) checks: Arc<Checks>,
}

impl Reload {
    /// Reads everything again, and says what came of it.
    pub(super) fn run(&self) {
        match self.reload() {
            Ok((summary, warnings)) => {
                self.printer.event(Event::Note { text: summary });
                for text in warnings {
                    self.warn(text);
                }
            }
            Err(Fault { what, advice, .. }) => {
                let advice = if advice.is_empty() { String::new() } else { format!("; {advice}") };
                self.warn(format!("not reloaded, the former settings stay in force: {what}{advice}"));
            }
        }
    }

    fn warn(&self, text: String) {
        self.printer.event(Event::Warned {
            session: None,
            peer: None,
            name: None,
            text,
            at_ms: clock::unix_ms(),
        });
    }

    /// Reads everything again. Returns a summary and warnings.
    fn reload(&self) -> Result<(String, Vec<String>), Fault> {
        let mut current = self.current.lock();
        let (former, former_rows) = &*current;
        let (mut next, rows) = settle(&self.flags)?;
        let kept = keep(former, &mut next);
        let mut warnings: Vec<String> =
            kept.iter().map(|name| format!("{name} changes only when the server is started again")).collect();
        check_prefix(&next.prefix)?;
        // Everything that can fail comes before the first change.
        let (policy, few) = policy(&next)?;
        let own = Own::load(&next, &policy.variants)?;
        if let Some(remark) = own.remarks.first() {
            return Err(Fault::local(remark.clone()));
        }
        let running = self.control.service();
        let fingerprint =
            |service: &Service| service.identity.as_ref().map(|own| own.server_key().fingerprint());
        let has_same_key =
            fingerprint(&running) == own.identity.as_ref().map(|own| own.server_key().fingerprint());
        let budget = match (&own.identity, &running.history) {
            (Some(identity), Some(history)) if !has_same_key => {
                prepare::budget(false, history.history(), identity)?
            }
            _ => running.budget.clone(),
        };
        warnings.extend(padding_warnings(&next, &policy.variants, policy.paddings, &budget));
        let sink = Sink::of(&next)?;
        let pem = |service: &Service| service.identity.as_ref().map(|own| own.certificate_pem().to_owned());
        let validity = own.validity();
        let service = Arc::new(Service { policy, identity: own.identity, budget, ..running.duplicate() });
        let is_in_force = |name: &&str| !KEPT.contains(name) && !self.flags.decides(name);
        let changes = rows.differing(former_rows).into_iter().filter(is_in_force);
        let mut changes: Vec<String> = changes.map(str::to_owned).collect();
        if !has_same_key {
            changes.push("another key".to_owned());
        } else if pem(&service) != pem(&running) {
            changes.push("another certificate".to_owned());
        }
        if let Some(history) = &service.history {
            history.renew(validity);
        }
        self.checks.follow(&service);
        self.control.use_service(service);
        self.printer.log().change(next.log_level, limits::log_rate(&next), sink);
        warnings.extend(own.exposed);
        warnings.extend(few);
        *current = (next, rows);
        drop(current);
        let changes = if changes.is_empty() { "nothing changed".to_owned() } else { changes.join(", ") };
        Ok((format!("reloaded: {changes}"), warnings))
    }
}

/// Keys that only a restart can change.
const KEPT: [&str; 8] =
    ["keep-history", "bind", "store", "keep-ciphertext", "existing", "durability", "metrics", "drain"];

/// Keeps what only a restart can change. Returns the keys that differ.
fn keep(former: &Serve, next: &mut Serve) -> Vec<String> {
    let mut names = Vec::new();
    macro_rules! keep {
        ($($field:ident)+) => {
            $(if next.$field != former.$field {
                next.$field.clone_from(&former.$field);
                names.push(stringify!($field).replace('_', "-"));
            })+
        };
    }
    keep! { keep_history bind store keep_ciphertext existing durability metrics drain }
    names
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        serve: Serve,
    }

    #[test]
    fn what_cannot_change_is_kept_and_named() {
        let parse = |line: &str| Only::try_parse_from(line.split(' ')).unwrap().serve;
        let former = parse("serve");
        let mut next = parse("serve --bind 127.0.0.1:9 --store there --max-file 7 --metrics 127.0.0.1:10");
        assert_eq!(keep(&former, &mut next), ["bind", "store", "metrics"]);
        let all = "serve --bind [::1]:9 --store x --keep-ciphertext x --existing refuse --durability file --metrics \
                   [::1]:10 --drain 1s --keep-history 90d";
        let words: Vec<&str> = all.split_whitespace().collect();
        assert_eq!(keep(&former, &mut parse(&words.join(" "))), KEPT);
        assert_eq!((next.bind == former.bind, next.store == former.store, next.max_file.0), (true, true, 7));
    }
}
