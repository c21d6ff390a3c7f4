//! `upseal serve --share`: an identity that is made once, and the links for senders.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::digest::Digest;
use crate::event::{Fault, ServerLink};
use crate::folders;
use crate::output;
use crate::transfer::share;

/// Returns the folder of the identity for sharing. The first call creates it.
///
/// # Errors
/// The data folder is unknown, or the identity cannot be written.
pub(super) fn identity() -> Result<PathBuf, Fault> {
    let folder = folders::share().ok_or_else(|| {
        Fault::local("cannot find the data folder for the identity".to_owned()).with_advice("set HOME")
    })?;
    if share::make_identity(&folder)? {
        output::remark(&format!("made an identity in {}", folder.display()));
    }
    Ok(folder)
}

/// Returns one command for senders for each address, and who can use it.
pub(super) fn hand_out(addresses: &[SocketAddr], pin: Digest) -> Vec<String> {
    let command = |address: &SocketAddr| {
        let link = ServerLink { address: (*address).into(), pin };
        // A shell takes brackets for a pattern.
        if address.is_ipv6() {
            format!("upseal send '{link}' FILE…")
        } else {
            format!("upseal send {link} FILE…")
        }
    };
    let mut lines: Vec<String> = addresses.iter().map(command).collect();
    let who = if addresses.iter().all(|address| address.ip().is_loopback()) {
        "programs of this computer"
    } else {
        "everyone who reaches one of these addresses"
    };
    lines.push(format!("{who} can upload files until this program ends (Ctrl-C)"));
    lines
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_a_command_that_a_shell_takes_as_it_is() {
        let addresses = ["10.0.0.7:7", "[2001:db8::7]:7"].map(|it| it.parse().unwrap());
        let pin = Digest([0xab; 32]);
        let hex = "ab".repeat(32);
        assert_eq!(
            hand_out(&addresses, pin),
            [
                format!("upseal send upseal://10.0.0.7:7#sha256-{hex} FILE…"),
                format!("upseal send 'upseal://[2001:db8::7]:7#sha256-{hex}' FILE…"),
                "everyone who reaches one of these addresses can upload files until this program ends (Ctrl-C)"
                    .to_owned(),
            ]
        );
        let own = ["127.0.0.1:7".parse().unwrap()];
        assert!(hand_out(&own, pin)[1].starts_with("programs of this computer can upload"));
    }
}
