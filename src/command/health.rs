//! `upseal health`: one question to a server, for monitoring.

use serde_json::json;

use super::interrupts;
use super::known::known_servers;
use crate::cli::Health;
use crate::config::{Layer, Sources};
use crate::event::{Fault, Target};
use crate::messages::{expiry, trust};
use crate::output;
use crate::transfer::health;

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
    if let Some(ends) = expiry::ends(proof.days_left) {
        output::remark(&format!("warning: the certificate of {address} {ends}"));
    }
    Ok(0)
}
