//! Which server it is, after its proof holds and before it gets anything.
//!
//! A CA's signature says that *a* key it certified answered. In this order: the pin and the name that the user
//! expects, then what is known of the address (PROTOCOL.md, "AP").

use crate::clock;
use crate::crypto::receipt::Statement;
use crate::digest::Digest;
use crate::event::{Blame, Event, Expected, Fault, FaultKind, KeyChange, Proof, Standing, Track};
use crate::net::Observer;
use crate::net::handshake::ReceiptOffer;
use crate::net::upload::{Proven, ReceiptError, UploadError};
use crate::trust::known::{
    Encounter, KnownError, KnownServers, Meeting, Offered, ReceiptMeeting, ReceiptStanding, SignedBy,
};

/// Who is asked to recognise whom.
pub struct Stranger<'a> {
    /// For whom it is.
    pub track: Track,
    /// As the user gave it.
    pub address: &'a str,
    /// SPKI SHA-256 of the CA.
    pub ca: Digest,
    /// What it proved.
    pub proven: &'a Proven,
    /// What it must be.
    pub expected: &'a Expected,
}

impl Stranger<'_> {
    /// Compares it with what is expected and known, and remembers what is new. What cannot be remembered is
    /// said; a changed key is told before the fault is returned.
    ///
    /// # Errors
    /// It is another server than the one that is meant, or that cannot be told.
    pub fn recognise(&self, known: &KnownServers, observer: &dyn Observer) -> Result<Standing, Fault> {
        let Proof { fingerprint, bits, subject, .. } = &self.proven.proof;
        // Of our own making: it has 64 digits.
        let key: Digest = fingerprint.parse().map_err(|e| unproven(format!("{fingerprint}: {e}"), ""))?;
        let pin = pin(self.expected)?;
        if let Some(pin) = pin.filter(|pin| *pin != key) {
            return Err(unproven(
                format!("the server's key is sha256:{key}, and the pin says sha256:{pin}"),
                "nothing of the file was sent; the CA signed this key too, but it is not the one that you named",
            ));
        }
        if let Some(name) = &self.expected.name
            && self.proven.common_name.as_ref() != Some(name)
        {
            return Err(unproven(
                format!("the server's certificate is that of {subject}, and CN={} is expected", shown(name)),
                "nothing of the file was sent; the whole CN is compared, and there must be exactly one",
            ));
        }
        let meeting = Meeting {
            address: self.address,
            ca: self.ca,
            key,
            bits: *bits,
            pinned: pin.is_some(),
            receipts: self.proven.receipts.map(|offer| offer == ReceiptOffer::Given),
            now: clock::unix_seconds(),
        };
        let met = known.meet(&meeting).map_err(|e| unreadable(&e))?;
        if let (Some(why), false) = (&met.unsaved, matches!(met.encounter, Encounter::Changed { .. })) {
            let text = format!("{} is not remembered: {why}", shown(self.address));
            observer.event(Event::Note { text });
        }
        match met.encounter {
            Encounter::First { other_ca } => {
                Ok(Standing::First { remembered: met.unsaved.is_none(), other_ca })
            }
            Encounter::Known { since } => Ok(Standing::Known { since }),
            Encounter::Pinned { replaced } => {
                Ok(Standing::Pinned { replaced: replaced.map(|key| key.to_string()) })
            }
            Encounter::Withheld { since } => Err(unproven(
                format!(
                    "{} gave receipts before and does not offer them now; its key is known since {}",
                    shown(self.address),
                    day(since.as_deref())
                ),
                &format!(
                    "nothing of the file was sent; after an upgrade its operator must give it a receipt key (`upseal certs \
                     csr --receipts`) or restart it with --accept-padding oaep; if its operator says that it gives no \
                     receipts any more: upseal known remove {}; otherwise an attacker on the path may have removed the offer",
                    shown(self.address)
                ),
            )),
            Encounter::Changed { known, since } => {
                let change = KeyChange {
                    address: shown(self.address),
                    ca: self.ca.to_string(),
                    known: known.to_string(),
                    since,
                    offered: key.to_string(),
                    subject: subject.clone(),
                };
                let fault = changed(&change);
                observer.event(Event::KeyChanged { track: self.track, change });
                Err(fault)
            }
        }
    }
}

/// Whether the key that signed a receipt may do so: what is known of the server decides, and what is new is remembered.
/// What cannot be remembered is said.
///
/// # Errors
/// Another key signs the receipts of this server, or that cannot be told.
pub fn recognise_signer(
    known: &KnownServers,
    address: &str,
    ca: Digest,
    statement: &Statement,
    observer: &dyn Observer,
) -> Result<(), UploadError> {
    let meeting = ReceiptMeeting { address, ca, key: statement.key, signer: SignedBy::of(statement) };
    let (standing, unsaved) = known.meet_receipts(&meeting)?;
    let address = shown(address);
    if let Some(why) = unsaved {
        let text = format!("the receipt key of {address} is not remembered: {why}");
        observer.event(Event::Note { text });
    }
    match standing {
        ReceiptStanding::Accepted => Ok(()),
        ReceiptStanding::Changed { known, offered } => {
            Err(ReceiptError::ReceiptKeyChanged { address, known, offered }.into())
        }
        ReceiptStanding::Dropped { known } => Err(ReceiptError::ReceiptKeyDropped { address, known }.into()),
    }
}

/// Carries out [`Command::AcceptServer`](crate::event::Command::AcceptServer), and says what came of it.
#[must_use]
pub fn accept(known: &KnownServers, address: String, ca: &str, key: &str) -> Event {
    let accepted = match (ca.parse::<Digest>(), key.parse::<Digest>()) {
        (Ok(ca), Ok(key)) => {
            let key = Offered { key, bits: None };
            known.accept(&address, Some(ca), Some(key), clock::unix_seconds()).map_err(|e| e.to_string())
        }
        (Err(why), _) | (_, Err(why)) => Err(why.to_string()),
    };
    match accepted {
        Ok(entry) => Event::ServerAccepted { address, key: entry.key.to_string() },
        Err(what) => Event::ServerNotAccepted {
            address,
            fault: Fault { kind: FaultKind::Local, blame: Blame::System, what, advice: String::new() },
        },
    }
}

/// The pin, read.
pub fn pin(expected: &Expected) -> Result<Option<Digest>, Fault> {
    let Some(pin) = &expected.pin else { return Ok(None) };
    let read = pin.parse().map_err(|why| Fault {
        kind: FaultKind::Usage,
        blame: Blame::User,
        what: format!("{} is no pin: {why}", shown(pin)),
        advice: "`upseal serve` prints its own".to_owned(),
    })?;
    Ok(Some(read))
}

/// What is known cannot be told, so neither can which server it is.
#[must_use]
pub fn unreadable(error: &KnownError) -> Fault {
    Fault {
        kind: FaultKind::Local,
        blame: Blame::User,
        what: error.to_string(),
        advice: "nothing of the file was sent; correct the file of known servers, or take the line out"
            .to_owned(),
    }
}

/// The day of an RFC 3339 date.
#[must_use]
pub fn day(since: Option<&str>) -> &str {
    since.map_or("an unknown day", |since| since.get(..10).unwrap_or(since))
}

fn changed(change: &KeyChange) -> Fault {
    let KeyChange { address, known, since, offered, .. } = change;
    let since = day(since.as_deref());
    unproven(
        format!(
            "{address} has another key than before: known since {since} is sha256:{known}, now it is \
             sha256:{offered}; nothing was sent"
        ),
        &format!(
            "ask its operator whether the key was changed, and only then: upseal known accept {address}; \
             otherwise somebody else answers there"
        ),
    )
}

fn unproven(what: String, advice: &str) -> Fault {
    Fault { kind: FaultKind::Unproven, blame: Blame::Peer, what, advice: advice.to_owned() }
}

fn shown(text: &str) -> String {
    crate::messages::escape(text).to_string()
}
