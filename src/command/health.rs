//! `upseal health`: one question to a server, for monitoring.

use serde_json::json;

use super::interrupts;
use super::known::known_servers;
use crate::cli::Health;
use crate::config::{Layer, Sources};
use crate::event::{Fault, Target};
use crate::messages::trust;
use crate::output;
use crate::transfer::health;

/// Days before the end of a certificate from which on it is reported.
const SOON: i64 = 30;

/// Lets a server prove its identity, and prints it. Returns 0 if the server did so.
///
/// # Errors
/// The server cannot be reached (3), is not the expected one (4), or refused (6).
pub(crate) fn run(args: Health) -> Result<u8, Fault> {
    let json = args.json;
    let flags =
        Layer { to: Some(args.address), ca: args.expected.ca, pin: args.expected.pin, ..Layer::default() };
    let target = Sources::load()?.settle(flags, None)?.target();
    let proof = health::check(&target, known_servers(), interrupts()?)?;
    let address = match target {
        Target::Server { address, .. } => address.to_string(),
        Target::Embedded => String::new(),
    };
    if json {
        output::line(&json!({ "address": address, "proof": proof }).to_string());
    } else {
        output::line(&format!("{address} proved to be {}", trust::introduction(&proof)));
    }
    if proof.days_left < SOON {
        output::remark(&format!("warning: the certificate of {address}: {}", trust::left(proof.days_left)));
    }
    Ok(0)
}
