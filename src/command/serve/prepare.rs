//! Prepares a server: its identity, its folder, its history and its socket.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use super::own::{Own, receipt_advice};
use super::policy::{accepted, check_prefix, padding_warnings, policy};
use crate::cli::Serve;
use crate::clock;
use crate::command::{ciphertext, history, system};
use crate::crypto::identity::Identity;
use crate::digest::Digest;
use crate::event::{Blame, Event, Fault};
use crate::history::History;
use crate::net::Observer;
use crate::net::budget::PaddingBudget;
use crate::net::server::Lifetime;
use crate::net::service::{NoReceipts, Service};
use crate::store::folder::Folder;
use crate::store::{Announce, Catalogue};
use crate::transfer::{Embedded, Former, Prepared, bind};

/// A server that can be started, and what its operator should know.
pub(super) struct Ready {
    pub(super) prepared: Prepared,
    /// Fingerprint of the key by which clients authenticate it, if it has one.
    pub(super) pin: Option<Digest>,
    /// Why clients will not accept its certificates.
    pub(super) remarks: Vec<String>,
}

/// Prepares a server: loads its identity, opens its folder and its history, and binds its socket. The address and the
/// rules of the `former` one are kept, if there was one.
///
/// # Errors
/// The reason, with advice.
pub(super) fn prepare(
    args: &Serve,
    observer: Arc<dyn Observer>,
    former: Option<&Former>,
) -> Result<Ready, Fault> {
    check_prefix(&args.prefix)?;
    let own = Own::load(args, &accepted(args)?)?;
    let store = Folder::open_with(&args.store, args.durability)
        .map_err(|e| Fault::local(e.to_string()))?
        .with_existing(args.existing);
    // Repair the history before clients can connect: a new file must not look like one that a crash left.
    let keep = args.keep_history.map(|time| time.0);
    let (history, repairs) = history::open_for(&args.store, own.validity(), keep)?;
    let store = store.announcing(Arc::clone(&history) as Arc<dyn Announce>);
    let ciphertext = args.keep_ciphertext.as_deref().map(ciphertext).transpose()?;
    let listener = bind(former, &args.bind.addresses).map_err(|e| {
        Fault::unreachable(format!("cannot listen on {}: {e}", args.bind))
            .with_blame(Blame::User)
            .with_advice("another server may be using it; choose another address with --bind")
    })?;
    let bound = listener.local_addr().map_err(|e| system("cannot listen", &e))?;
    let budget = own
        .identity
        .as_deref()
        .map(|own| budget(args.reset_padding_budget, history.history(), own))
        .transpose()?;
    let budget = budget.unwrap_or_default();
    let (policy, few) = policy(args)?;
    let padding = padding_warnings(args, &policy.variants, policy.paddings, &budget);
    let mut warnings = [own.exposed, few, padding].concat();
    store.consult(Arc::clone(&history) as Arc<dyn Catalogue>);
    let service = Service {
        policy: former.map_or(policy, |former| former.policy.clone()),
        history: Some(history),
        budget,
        identity: own.identity,
        store: Arc::new(store),
        ciphertext,
        observer,
    };
    if let Err(why @ NoReceipts::OnlyKeyDecrypts) = service.receipt_signer() {
        warnings.push(format!("{why}; {}", receipt_advice(&args.certs)));
    }
    let (anchor, proof) = own.introduced.unzip();
    let bits = proof.as_ref().map(|proof| proof.bits);
    let embedded = anchor.zip(bits).map(|(anchor, bits)| Embedded {
        address: from_here(bound).into(),
        anchor: Arc::new(anchor),
        bits,
    });
    let listening =
        Event::Listening { address: bound.to_string(), store: args.store.clone(), identity: proof };
    let warned =
        |text| Event::Warned { session: None, peer: None, name: None, text, at_ms: clock::unix_ms() };
    let events = [listening]
        .into_iter()
        .chain(repairs.iter().map(|repair| Event::Note { text: repair.to_string() }))
        .chain(warnings.into_iter().map(warned))
        .collect();
    let lifetime = if args.once { Lifetime::OneSession } else { Lifetime::UntilStopped };
    Ok(Ready {
        prepared: Prepared { listener, service, lifetime, embedded, events },
        pin: own.pin,
        remarks: own.remarks,
    })
}

/// Returns the address at which this computer reaches a server that is bound to `bound`.
fn from_here(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}

/// Opens the count of PKCS #1 v1.5 failures of this key. `resets`: from 0 on.
pub(super) fn budget(resets: bool, history: &Arc<History>, own: &Identity) -> Result<PaddingBudget, Fault> {
    let key = own.server_key().fingerprint();
    if resets {
        history.reset_padding_misses(key).map_err(|e| history::fault(&e))?;
    }
    PaddingBudget::open(Arc::clone(history), key).map_err(|e| history::fault(&e))
}
