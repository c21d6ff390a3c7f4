//! What the operator gives to senders: a command with the address and the key.

use std::net::SocketAddr;

use super::share;
use crate::cli::Serve;
use crate::digest::Digest;
use crate::messages::{shell_word, word_rows};

/// Returns the command for senders, and a line with the other addresses if there are any.
pub(super) fn hand_out(args: &Serve, addresses: &[SocketAddr], pin: Option<Digest>) -> Vec<String> {
    if let (true, Some(pin)) = (args.share, pin) {
        return share::hand_out(addresses, pin);
    }
    let how = match pin {
        None => "-p plain".to_owned(),
        Some(pin) => {
            let ca = args.certs.join("cacsertificate.crt");
            format!("--pin sha256:{pin} --ca {}", shell_word(&ca.to_string_lossy()))
        }
    };
    let mut to = addresses.iter().map(|address| format!("--to {}", shell_word(&address.to_string())));
    let first = to.next().unwrap_or_default();
    let others: Vec<String> = to.collect();
    let mut lines = vec![format!("to send here:  upseal send {first} {how} FILE…")];
    if !others.is_empty() {
        lines.push(format!("other addresses of this machine:  {}", others.join(", ")));
    }
    lines
}

/// Returns the words by which a client's user can compare the key.
pub(super) fn spoken(pin: Digest) -> Vec<String> {
    const LABEL: &str = "key in words:  ";
    let rows = word_rows(&pin.to_string(), 80 - LABEL.len()).into_iter().enumerate();
    rows.map(|(at, row)| format!("{:<15}{row}", if at == 0 { LABEL } else { "" })).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::command::serve::policy::tests::args;

    #[test]
    fn the_command_for_senders_has_the_first_address_and_a_second_line_the_others() {
        let args = args("--bind 0.0.0.0:7 --accept plain");
        let addresses = ["10.0.0.7:7", "[2001:db8::7]:7", "192.168.1.7:7"].map(|it| it.parse().unwrap());
        assert_eq!(
            hand_out(&args, &addresses[..1], None),
            ["to send here:  upseal send --to 10.0.0.7:7 -p plain FILE…"]
        );
        assert_eq!(
            hand_out(&args, &addresses, None),
            [
                "to send here:  upseal send --to 10.0.0.7:7 -p plain FILE…",
                "other addresses of this machine:  --to '[2001:db8::7]:7', --to 192.168.1.7:7",
            ]
        );
        assert!(!args.bind.is_loopback() && args.bind.to_string() == "0.0.0.0:7");
    }
}
