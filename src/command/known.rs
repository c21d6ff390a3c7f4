//! `upseal known`: lists and changes the known server keys.

use std::path::Path;

use serde::Serialize;

use super::usage;
use crate::cli::{Known, KnownCommand};
use crate::clock;
use crate::digest::Digest;
use crate::event::{Destination, Fault, ServerAddress};
use crate::folders;
use crate::messages::trust::day;
use crate::output;
use crate::trust::Anchor;
use crate::trust::known::{Entry, KnownError, KnownServers, Offered, SignedBy};

/// What to do where the key of a server is missing.
const KEY_NEEDED: &str = "give the key after the address (sha256:HEX), or the server's link";

/// Returns the user's known servers ([`folders::known_servers`]).
#[must_use]
pub(crate) fn known_servers() -> KnownServers {
    KnownServers::at(folders::known_servers())
}

/// Lists the known servers, or changes one.
///
/// # Errors
/// The file cannot be read or changed, or is damaged: exit code 5. The server is unknown or ambiguous: 2.
pub(crate) fn run(args: Known) -> Result<u8, Fault> {
    let servers = known_servers();
    match args.command {
        None => list(&servers, args.list.json),
        Some(KnownCommand::List(list)) => self::list(&servers, list.json),
        Some(KnownCommand::Accept { server, key, ca, bits }) => {
            let ca = ca.as_deref().map(anchor).transpose()?.map(|ca| ca.fingerprint());
            servers.check(&server, ca).map_err(|e| fault(&e))?;
            let Destination { address, pin } = server;
            if bits.is_some() && key.is_none() && pin.is_none() {
                return Err(usage("--bits describes a key, and none is given".to_owned(), KEY_NEEDED));
            }
            let key = match key.map(|key| key.parse::<Digest>()).transpose() {
                Ok(key) => key.map(|key| Offered { key, bits: bits.map(|bits| bits as usize) }),
                Err(why) => return Err(usage(why.to_string(), "")),
            };
            let named = pin.map(|key| Offered { key, bits: bits.map(|bits| bits as usize) });
            let key = match (key, named) {
                (Some(given), Some(named)) if given.key != named.key => {
                    let what = format!(
                        "the link names the key sha256:{}, and the argument sha256:{}",
                        named.key, given.key
                    );
                    return Err(usage(what, "leave one of them out, after asking the server's operator"));
                }
                (given, named) => given.or(named),
            };
            // A link needs no CA: a server that is not known yet is remembered by its pin alone.
            let known = servers.list().map_err(|e| fault(&e))?;
            let is_known = known.iter().any(|entry| entry.address == address.normal());
            let ca = ca.or(pin.filter(|_| !is_known));
            let entry = servers.accept(&address, ca, key, clock::unix_seconds()).map_err(|e| fault(&e))?;
            output::line(&format!("{}: accepted key sha256:{}", entry.address, entry.key));
            if let Some(key) = entry.receipt_key {
                output::line(&format!("    receipt key sha256:{key}"));
            }
            Ok(0)
        }
        Some(KnownCommand::Remove { server, ca }) => {
            let ca = ca.as_deref().map(anchor).transpose()?.map(|ca| ca.fingerprint());
            servers.check(&server, ca).map_err(|e| fault(&e))?;
            let entry = servers.remove(&server.address, ca).map_err(|e| fault(&e))?;
            output::line(&format!("{}: removed; its key was sha256:{}", entry.address, entry.key));
            Ok(0)
        }
    }
}

/// Loads a CA certificate.
pub(super) fn anchor(path: &Path) -> Result<Anchor, Fault> {
    Anchor::load(path)
        .map_err(|e| Fault::local(e.to_string()).with_advice("--ca names the PEM file of the server's CA"))
}

/// A known server, as `--json` prints it.
#[derive(Serialize)]
struct Row<'a> {
    address: &'a ServerAddress,
    ca: String,
    key: String,
    bits: Option<usize>,
    first: Option<&'a str>,
    offered: Option<String>,
    receipt_key: Option<String>,
    offered_receipt_key: Option<String>,
}

fn list(servers: &KnownServers, json: bool) -> Result<u8, Fault> {
    let entries = servers.list().map_err(|e| fault(&e))?;
    if entries.is_empty() && !json {
        output::remark("no known servers");
    }
    for entry in &entries {
        if json {
            let row = Row {
                address: &entry.address,
                ca: format!("sha256:{}", entry.ca),
                key: format!("sha256:{}", entry.key),
                bits: entry.bits,
                first: entry.first.as_deref(),
                offered: entry.offered.map(|offered| format!("sha256:{}", offered.key)),
                receipt_key: entry.receipt_key.map(|key| format!("sha256:{key}")),
                offered_receipt_key: entry.offered_receipts.map(|signer| signer.to_string()),
            };
            // Serialising plain values cannot fail.
            if let Ok(row) = serde_json::to_string(&row) {
                output::line(&row);
            }
        } else {
            text(entry);
        }
    }
    Ok(0)
}

fn text(entry: &Entry) {
    let bits = entry.bits.map(|bits| format!("  {bits} bits")).unwrap_or_default();
    let since = day(entry.first.as_deref());
    output::line(&format!("{}  sha256:{}{bits}  since {since}", entry.address, entry.key));
    if entry.is_pinned_alone() {
        output::line("    by its pin alone, without a CA");
    } else {
        output::line(&format!("    CA sha256:{}", entry.ca));
    }
    if let Some(offered) = entry.offered {
        output::line(&format!(
            "    refused: sha256:{}  (`upseal known accept {}` accepts it)",
            offered.key, entry.address
        ));
    }
    if let Some(key) = entry.receipt_key {
        output::line(&format!("    receipt key sha256:{key}"));
    }
    if let Some(signer) = entry.offered_receipts {
        let signer = match signer {
            SignedBy::ReceiptKey(key) => format!("sha256:{key}"),
            SignedBy::OnlyKey => "the server's own key".to_owned(),
        };
        output::line(&format!(
            "    refused for receipts: {signer}  (`upseal known accept {}` accepts it)",
            entry.address
        ));
    }
}

pub(super) fn fault(error: &KnownError) -> Fault {
    match error {
        KnownError::OtherKey { address, .. } => usage(
            error.to_string(),
            &format!(
                "ask the server's operator which key is right; `{address}` instead of the link names the known one"
            ),
        ),
        KnownError::NotKnown { .. } => usage(
            error.to_string(),
            "`upseal known` lists the known servers; to add a server, give its link, or its key and --ca",
        ),
        KnownError::Ambiguous { .. } => {
            usage(error.to_string(), "`upseal known` lists them; choose one with --ca")
        }
        KnownError::NothingOffered { .. } => usage(error.to_string(), KEY_NEEDED),
        KnownError::Unreadable { .. } | KnownError::Unwritable { .. } => Fault::local(error.to_string())
            .with_advice("make the file accessible, or set UPSEAL_KNOWN to another file"),
        KnownError::NoPlace | KnownError::Damaged { .. } => Fault::local(error.to_string()),
    }
}
