//! `upseal serve`: receives files, without a screen or with one (`--ui`).

mod limits;
mod log;
mod names;
mod picture;
mod rates;
mod screen;
mod share;
mod watch;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use self::watch::Printer;
use super::{ciphertext, history, interrupts, system, usage};
use crate::cli::{KeepMeta, Paths, ReplyOrder, Serve};
use crate::clock;
use crate::crypto::certificate::Purpose;
use crate::crypto::identity::Identity;
use crate::crypto::key_files;
use crate::crypto::padding::Paddings;
use crate::crypto::receipt_key::{RECEIPT_CERTIFICATE_FILE, RECEIPT_PRIVATE_KEY_FILE};
use crate::crypto::request::RECEIPT_REQUEST_FILE;
use crate::digest::Digest;
use crate::event::{Blame, Event, Fault, Named, Padding, Proof, ServerLink, Variant};
use crate::history::History;
use crate::messages::{shell_word, word_rows};
use crate::metrics::Checks;
use crate::net::Observer;
use crate::net::budget::{PaddingBudget, Spent};
use crate::net::server::{Lifetime, Server};
use crate::net::service::{NoReceipts, Policy, Reply, Service};
use crate::output;
use crate::store::folder::Folder;
use crate::store::name::Portability;
use crate::store::{Announce, Catalogue, FileName};
use crate::transfer::{Embedded, Former, Prepared, bind, reachable};
use crate::trust::{Anchor, facts};

/// Serves until it is interrupted, or with `--once` until its only client has disconnected. With `plain`,
/// prints whole sentences. With `--ui`, shows the server until the user quits.
///
/// # Errors
/// The server could not start; the exit code depends on the reason.
pub(crate) fn run(mut args: Serve, plain: bool) -> Result<u8, Fault> {
    if args.ui {
        return screen::run(args, plain);
    }
    let signals = interrupts()?;
    if args.share {
        args.certs = share::identity()?;
    }
    let args = &args;
    let printer = Arc::new(Printer::new(args, plain));
    let Ready { prepared, pin, remarks } = prepare(args, Arc::clone(&printer) as Arc<dyn Observer>, None)?;
    for remark in remarks {
        output::remark(&remark);
    }
    let bound = prepared.listener.local_addr().map_err(|e| system("cannot listen", &e))?;
    for event in prepared.events {
        printer.event(event);
    }
    if !args.json {
        let addresses = reachable(bound);
        for line in hand_out(args, &addresses, pin) {
            output::remark(&line);
        }
        for line in pin.map(spoken).unwrap_or_default() {
            output::remark(&line);
        }
        if let (true, Some(pin), Some(first)) = (args.qr, pin, addresses.first()) {
            picture::print(&ServerLink { address: (*first).into(), pin });
        }
    }
    let checks = Arc::new(Checks::of(&prepared.service));
    let page = printer.page(args, &checks)?;
    let writer = printer.log().start().map_err(|e| system("cannot start a thread", &e))?;
    let server = Server::start(prepared.listener, Arc::new(prepared.service), prepared.lifetime)
        .map_err(|e| system("cannot start a thread", &e))?;
    let stopper = server.stopper();
    std::thread::Builder::new()
        .name("upseal-stop".to_owned())
        .spawn(move || {
            if signals.recv().is_ok() {
                checks.drain();
                stopper.interrupt();
            }
        })
        .map_err(|e| system("cannot start a thread", &e))?;
    server.wait();
    drop(page);
    printer.log().end();
    writer.wait();
    Ok(0)
}

/// A server that can be started, and what its operator should know.
struct Ready {
    prepared: Prepared,
    /// Fingerprint of the key by which clients authenticate it, if it has one.
    pin: Option<Digest>,
    /// Why clients will not accept its certificates.
    remarks: Vec<String>,
}

/// Prepares a server: loads its identity, opens its folder and its history, and binds its socket. The address and the
/// rules of the `former` one are kept, if there was one.
///
/// # Errors
/// The reason, with advice.
fn prepare(args: &Serve, observer: Arc<dyn Observer>, former: Option<&Former>) -> Result<Ready, Fault> {
    let variants = accepted(args)?;
    let paddings = accepted_paddings(args);
    check_prefix(&args.prefix)?;
    let local = |what: String, advice: &str| Fault::local(what).with_advice(advice);
    let needs_identity = variants.iter().any(|variant| variant.authenticates());
    let identity = match Identity::load(&args.certs) {
        Ok(identity) => Some(Arc::new(identity)),
        Err(_) if !needs_identity => None,
        Err(e) => return Err(local(e.to_string(), "or accept only unencrypted uploads with --accept plain")),
    };
    let exposed = check_modes(args, identity.as_deref())?;
    let mut remarks = Vec::new();
    let introduced = identity.as_deref().and_then(|identity| introduce(args, identity, &mut remarks));
    let (anchor, proof) = introduced.unzip();
    let pin = identity.as_deref().filter(|_| needs_identity).map(|own| own.server_key().fingerprint());
    let store = Folder::open_with(&args.store, args.durability)
        .map_err(|e| local(e.to_string(), ""))?
        .with_existing(args.existing);
    // Repair the history before clients can connect: a new file must not look like one that a crash left.
    let until =
        identity.as_deref().and_then(|own| facts::not_after(own.certificate_pem())).unwrap_or(i64::MAX);
    let (history, repairs) = history::open_for(&args.store, until)?;
    let store = store.announcing(Arc::clone(&history) as Arc<dyn Announce>);
    let ciphertext = args.keep_ciphertext.as_deref().map(ciphertext).transpose()?;
    let listener = bind(former, &args.bind.addresses).map_err(|e| {
        Fault::unreachable(format!("cannot listen on {}: {e}", args.bind))
            .with_blame(Blame::User)
            .with_advice("another server may be using it; choose another address with --bind")
    })?;
    let bound = listener.local_addr().map_err(|e| system("cannot listen", &e))?;
    let budget =
        identity.as_deref().map(|own| budget(args, history.history(), own)).transpose()?.unwrap_or_default();
    let (admission, few) = limits::admission(&args.limits);
    let mut warnings =
        [exposed, few.into_iter().collect(), padding_warnings(args, &variants, paddings, &budget)].concat();
    store.consult(Arc::clone(&history) as Arc<dyn Catalogue>);
    let policy = Policy {
        variants,
        paddings,
        max_file: args.max_file.0,
        prefix: args.prefix.clone(),
        names: names_in_receipts(args.tell_names, args.bind.is_loopback()),
        portability: if args.portable_names { Portability::Windows } else { Portability::default() },
        paths: args.paths == Paths::Keep,
        meta: args.meta == KeepMeta::Keep,
        reply: Reply { gap: args.reply_gap.0, certificate_first: args.reply_order == ReplyOrder::CertFirst },
        admission,
        disk: limits::disk(&args.limits, &args.store).into(),
        work: limits::work(&args.limits),
        penalize: limits::penalize(&args.limits),
        deadlines: limits::deadlines(&args.limits),
        digest: args.digest,
    };
    let service = Service {
        policy: former.map_or(policy, |former| former.policy.clone()),
        history: Some(history),
        budget,
        identity,
        store: Arc::new(store),
        ciphertext,
        observer,
    };
    if let Err(why @ NoReceipts::OnlyKeyDecrypts) = service.receipt_signer() {
        warnings.push(format!("{why}; {}", receipt_advice(&args.certs)));
    }
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
    Ok(Ready { prepared: Prepared { listener, service, lifetime, embedded, events }, pin, remarks })
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

/// Checks that a file name with this prefix is valid.
fn check_prefix(prefix: &str) -> Result<(), Fault> {
    let any = FileName::from_wire(b"a.txt").and_then(|name| name.with_prefix(prefix));
    any.map(drop).map_err(|e| usage(format!("--prefix: {e}"), "for example --prefix recv_"))
}

/// Returns the variants to accept. Beyond loopback, the operator must name them.
fn accepted(args: &Serve) -> Result<Vec<Variant>, Fault> {
    match &args.accept {
        Some(accept) => Ok(accept.clone()),
        None if args.share => Ok(crate::transfer::share::VARIANTS.to_vec()),
        None if args.bind.is_loopback() => Ok(Variant::ALL.to_vec()),
        None => Err(usage(
            format!("{} is reachable from other machines: --accept is required", args.bind),
            "for example --accept cp2",
        )),
    }
}

/// Returns which name receipts state: on loopback the stored one; elsewhere the requested one, unless --tell-names is
/// given.
fn names_in_receipts(tell: Option<bool>, on_loopback: bool) -> Named {
    if tell.unwrap_or(on_loopback) { Named::Stored } else { Named::Wanted }
}

/// Returns the paddings to accept. Beyond loopback, PKCS #1 v1.5 must be named, because it is a padding oracle.
fn accepted_paddings(args: &Serve) -> Paddings {
    match &args.accept_padding {
        Some(paddings) => paddings.iter().copied().collect(),
        None if args.share => Paddings::OAEP,
        None if args.bind.is_loopback() => Paddings::EITHER,
        None => Paddings::OAEP,
    }
}

/// Opens the count of PKCS #1 v1.5 failures of this key.
fn budget(args: &Serve, history: &Arc<History>, own: &Identity) -> Result<PaddingBudget, Fault> {
    let key = own.server_key().fingerprint();
    if args.reset_padding_budget {
        history.reset_padding_misses(key).map_err(|e| history::fault(&e))?;
    }
    PaddingBudget::open(Arc::clone(history), key).map_err(|e| history::fault(&e))
}

/// Returns warnings about PKCS #1 v1.5 for the operator.
fn padding_warnings(
    args: &Serve,
    variants: &[Variant],
    paddings: Paddings,
    budget: &PaddingBudget,
) -> Vec<String> {
    let mut warnings = Vec::new();
    if !variants.contains(&Variant::Cp1) || !paddings.contains(Padding::Pkcs1v15) {
        return warnings;
    }
    if budget.is_spent() {
        warnings.push(Spent::Key.to_string());
    } else if !args.bind.is_loopback() {
        warnings.push(
            "CP1 with PKCS1v15 is a padding oracle: 1,000 failed blocks turn it off for this key; leave it out \
             with --accept-padding oaep"
                .to_owned(),
        );
    }
    warnings
}

/// Returns the CA, and the identity as a client with this CA sees it; `None` if the CA's file is missing. Adds to `remarks`
/// what clients will not accept.
fn introduce(args: &Serve, identity: &Identity, remarks: &mut Vec<String>) -> Option<(Anchor, Proof)> {
    let anchor = Anchor::load(&args.certs.join("cacsertificate.crt")).ok()?;
    if let Some(receipts) = identity.receipt_key()
        && let Err(e) = anchor.check_for(Purpose::Receipts, receipts.certificate_pem(), clock::unix_seconds())
    {
        remarks.push(format!("clients will not accept this server's receipts: {e}"));
    }
    match anchor.check(identity.certificate_pem(), clock::unix_seconds()) {
        Ok((_, proof)) => Some((anchor, proof)),
        Err(e) => {
            remarks.push(format!("clients will not accept this server's certificate: {e}"));
            None
        }
    }
}

/// Returns what the operator of a server without a receipt key can do to give receipts.
fn receipt_advice(certs: &Path) -> String {
    let dir = shell_word(&certs.to_string_lossy());
    if certs.join(RECEIPT_PRIVATE_KEY_FILE).exists() {
        return format!(
            "have {dir}/{RECEIPT_REQUEST_FILE} signed by the CA and put the certificate into \
             {dir}/{RECEIPT_CERTIFICATE_FILE}, or serve --accept-padding oaep"
        );
    }
    format!(
        "run upseal certs csr --receipts --dir {dir} and have {RECEIPT_REQUEST_FILE} signed by the CA (upseal certs sign), \
         or serve --accept-padding oaep"
    )
}

/// Returns a warning for each private key that other users of this machine can use.
///
/// # Errors
/// There is one, and `--strict-modes` is given.
fn check_modes(args: &Serve, identity: Option<&Identity>) -> Result<Vec<String>, Fault> {
    if identity.is_none() {
        return Ok(Vec::new());
    }
    let mut warnings = Vec::new();
    for key in key_files::exposed(&args.certs) {
        let remedy = format!("chmod 600 {}", shell_word(&key.path.to_string_lossy()));
        if args.strict_modes {
            return Err(
                Fault::local(key.to_string()).with_advice(format!("{remedy}, or leave out --strict-modes"))
            );
        }
        warnings.push(format!("{key}; {remedy}"));
    }
    Ok(warnings)
}

/// Returns the command for senders, and a line with the other addresses if there are any.
fn hand_out(args: &Serve, addresses: &[SocketAddr], pin: Option<Digest>) -> Vec<String> {
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
fn spoken(pin: Digest) -> Vec<String> {
    const LABEL: &str = "key in words:  ";
    let rows = word_rows(&pin.to_string(), 80 - LABEL.len()).into_iter().enumerate();
    rows.map(|(at, row)| format!("{:<15}{row}", if at == 0 { LABEL } else { "" })).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::net::budget::PER_KEY;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        serve: Serve,
    }

    fn args(line: &str) -> Serve {
        Only::try_parse_from(std::iter::once("serve").chain(line.split_whitespace())).unwrap().serve
    }

    fn warnings(line: &str, budget: &PaddingBudget) -> Vec<String> {
        let args = args(line);
        padding_warnings(&args, &accepted(&args).unwrap(), accepted_paddings(&args), budget)
    }

    #[test]
    fn beyond_loopback_pkcs1v15_must_be_named_and_causes_a_warning() {
        for (line, paddings, warned) in [
            ("", Paddings::EITHER, false),
            ("--bind [::1]:0", Paddings::EITHER, false),
            ("--bind 0.0.0.0:0 --accept cp1", Paddings::OAEP, false),
            ("--bind [::]:0 --accept cp1,cp2", Paddings::OAEP, false),
            ("--bind 0.0.0.0:0 --accept cp1 --accept-padding oaep,pkcs1v15", Paddings::EITHER, true),
            ("--bind 0.0.0.0:0 --accept cp1 --accept-padding pkcs1v15", Paddings::PKCS1V15, true),
            ("--bind 0.0.0.0:0 --accept cp2 --accept-padding oaep,pkcs1v15", Paddings::EITHER, false),
            ("--accept-padding oaep", Paddings::OAEP, false),
            ("--share", Paddings::OAEP, false),
            ("--share --bind 127.0.0.1:0", Paddings::OAEP, false),
        ] {
            assert_eq!(accepted_paddings(&args(line)), paddings, "{line}");
            let warnings = warnings(line, &PaddingBudget::default());
            assert_eq!(warnings.len(), usize::from(warned), "{line}: {warnings:?}");
            assert!(warnings.iter().all(|text| text.contains("padding oracle")), "{warnings:?}");
        }
    }

    #[test]
    fn sharing_listens_beyond_loopback_and_accepts_only_what_is_secret() {
        let shared = args("--share");
        assert_eq!(shared.bind.to_string(), "0.0.0.0:4321");
        for line in ["--share", "--share --bind 127.0.0.1:0"] {
            assert_eq!(accepted(&args(line)).unwrap(), [Variant::Cp2, Variant::Cp1], "{line}");
        }
        assert_eq!(args("").bind.to_string(), "127.0.0.1:4321");
        assert!(Only::try_parse_from(["serve", "--share", "--certs", "x"]).is_err());
    }

    #[test]
    fn a_spent_budget_is_a_warning_at_each_start_until_it_is_reset() {
        let folder = tempfile::tempdir().unwrap();
        let history = Arc::new(History::open(&folder.path().join("history.db")).unwrap());
        let (own, _) = crate::crypto::authority::throwaway().unwrap();
        let spent = budget(&args(""), &history, &own).unwrap();
        for n in 0..PER_KEY {
            let network = u32::try_from(n % 50).unwrap().to_be_bytes();
            let _ = spent.charge(Some(network.into()));
        }
        let again = budget(&args(""), &history, &own).unwrap();
        let found = warnings("", &again);
        assert!(found.len() == 1 && found[0].contains("--reset-padding-budget"), "{found:?}");
        assert!(warnings("--accept-padding oaep", &again).is_empty());
        let reset = budget(&args("--reset-padding-budget"), &history, &own).unwrap();
        assert!(reset.allows(Some([0, 0, 0, 1].into())) && warnings("", &reset).is_empty());
    }

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

    #[test]
    fn receipts_state_stored_names_on_loopback_and_with_tell_names() {
        for (tell, on_loopback, named) in [
            (None, true, Named::Stored),
            (None, false, Named::Wanted),
            (Some(true), false, Named::Stored),
            (Some(false), true, Named::Wanted),
        ] {
            assert_eq!(names_in_receipts(tell, on_loopback), named, "{tell:?} {on_loopback}");
        }
    }
}
