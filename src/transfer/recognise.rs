//! Decides whether the server that proved itself is the one that the user means, before anything is sent.
//!
//! A CA's signature only says that *some* key that it certified answered. The [`Anchor`] has compared a pin already. Checked
//! here, in this order: the name that the user expects, then the known key of the address (docs/protocol.md, section AP). At
//! a first meeting the user decides (`meetings`).

use super::meetings::{Meetings, Newcomer, Waited};
use crate::clock;
use crate::crypto::receipt::Statement;
use crate::digest::Digest;
use crate::event::{
    Blame, Escaped, Event, Expected, Fault, KeyChange, Proof, ServerAddress, Standing, Track,
};
use crate::messages::escape;
use crate::messages::trust::{Changed, day};
use crate::net::Observer;
use crate::net::handshake::ReceiptOffer;
use crate::net::upload::{Proven, ReceiptError, UploadError};
use crate::trust::Anchor;
use crate::trust::known::{
    Encounter, KnownError, KnownServers, Meeting, Offered, ReceiptMeeting, ReceiptStanding, SignedBy,
};

/// A server that has proved itself, and what the user expects of it.
pub(crate) struct Stranger<'a> {
    /// The upload or lane that is waiting for it.
    pub track: Track,
    /// Address of the server.
    pub address: &'a ServerAddress,
    /// The CA or the pin by which it proved itself.
    pub anchor: &'a Anchor,
    /// The certificate and offers that it proved, and the connection.
    pub proven: &'a mut Proven,
    /// The pin and the name that the user expects.
    pub expected: &'a Expected,
}

/// Why nothing may be sent to a server that proved itself.
#[derive(Debug)]
pub(crate) enum Halt {
    /// It is not the server that the user means.
    Fault(Fault),
    /// The user has not accepted its key, or not yet; the uploads wait.
    Unaccepted(Box<Newcomer>, Fault),
    /// The server stops, or closed the connection before it said anything.
    Away(Fault),
}

impl Halt {
    /// Returns the fault of a transfer that cannot wait.
    #[must_use]
    pub(crate) fn into_fault(self) -> Fault {
        match self {
            Self::Fault(fault) | Self::Unaccepted(_, fault) | Self::Away(fault) => fault,
        }
    }
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Stranger<'_> {
    /// Compares the server with what is expected and known, and remembers a new one, at a first meeting when the user has
    /// accepted it. Reports a note if it cannot be remembered, and [`Event::KeyChanged`] before the fault of a changed key
    /// is returned.
    ///
    /// # Errors
    /// It is not the expected server, the user does not accept it, or the known servers cannot be read.
    pub(crate) fn recognise(
        &mut self,
        known: &KnownServers,
        meetings: &Meetings,
        observer: &dyn Observer,
    ) -> Result<Standing, Halt> {
        let Proof { fingerprint, bits, subject, .. } = &self.proven.proof;
        // `facts` made it, with 64 digits.
        let key: Digest = fingerprint.parse().map_err(|e| unproven(format!("{fingerprint}: {e}"), ""))?;
        if let Some(name) = &self.expected.name
            && self.proven.common_name.as_ref() != Some(name)
        {
            return Err(Halt::Fault(unproven(
                format!("the server's certificate is for {subject}, but CN={} is expected", escape(name)),
                "nothing of the file was sent; the whole CN is compared, and there must be exactly one",
            )));
        }
        let newcomer = Newcomer { address: self.address.clone(), ca: self.anchor.fingerprint(), key };
        let mut meeting = Meeting {
            address: self.address.clone(),
            ca: newcomer.ca,
            key,
            bits: *bits,
            // The anchor has compared it.
            pinned: self.expected.pin.is_some(),
            remember: meetings.remembers(&newcomer),
            receipts: self.proven.receipts.map(|offer| offer == ReceiptOffer::Given),
            now: clock::unix_seconds(),
        };
        let mut met = known.meet(&meeting).map_err(|e| unreadable(&e))?;
        let asks = meetings.asks() && !meeting.pinned;
        if let (Encounter::First { other_ca }, true, false) = (&met.encounter, asks, meeting.remember) {
            self.introduce(&newcomer, *other_ca, meetings, observer)?;
            meeting.remember = true;
            met = known.meet(&meeting).map_err(|e| unreadable(&e))?;
        }
        let subject = &self.proven.proof.subject;
        if let (Some(why), false) = (&met.unsaved, matches!(met.encounter, Encounter::Changed { .. })) {
            let text = format!("cannot remember the key of {}: {why}", self.address);
            observer.event(Event::Note { text });
        }
        match met.encounter {
            Encounter::First { other_ca } => {
                let remembered = meeting.remember && met.unsaved.is_none();
                Ok(Standing::First { remembered, other_ca, asked: asks })
            }
            Encounter::Known { since } => Ok(Standing::Known { since }),
            Encounter::Pinned { replaced } => {
                Ok(Standing::Pinned { replaced: replaced.map(|key| key.to_string()) })
            }
            Encounter::Withheld { since } => Err(Halt::Fault(unproven(
                format!(
                    "{} gave receipts before and does not offer them now; its key has been known since {}",
                    self.address,
                    day(since.as_deref())
                ),
                &format!(
                    "nothing of the file was sent; an attacker on the path may have removed the offer: ask the operator. \
                     After an upgrade the operator must give the server a receipt key (upseal certs csr --receipts) or \
                     restart it with --accept-padding oaep. If it gives no receipts any more: upseal known remove {}",
                    self.address
                ),
            ))),
            Encounter::Changed { known, since } => {
                Err(self.changed(&newcomer, known, since, subject.clone(), observer))
            }
        }
    }

    /// Shows a server that was never met to the user, and waits for the answer.
    fn introduce(
        &mut self,
        newcomer: &Newcomer,
        other_ca: bool,
        meetings: &Meetings,
        observer: &dyn Observer,
    ) -> Result<(), Halt> {
        if let Some(accepted) = meetings.accepted(newcomer) {
            // The user has accepted another key, on a connection that has ended since.
            let subject = self.proven.proof.subject.clone();
            return Err(self.changed(newcomer, accepted, None, subject, observer));
        }
        if meetings.is_refused(newcomer) {
            return Err(Halt::Fault(unaccepted(self.address)));
        }
        if meetings.ask(newcomer) {
            observer.event(Event::FirstMeeting {
                track: self.track,
                address: self.address.clone(),
                ca: newcomer.ca.to_string(),
                proof: self.proven.proof.clone(),
                other_ca,
            });
        }
        match meetings.wait(newcomer, self.proven) {
            Waited::Accepted => Ok(()),
            Waited::Interrupted => Err(Halt::Fault(UploadError::Interrupted.fault())),
            Waited::Declined if !meetings.keeps_declined() => Err(Halt::Fault(unaccepted(self.address))),
            Waited::Declined | Waited::Ended => {
                Err(Halt::Unaccepted(Box::new(newcomer.clone()), unaccepted(self.address)))
            }
        }
    }

    /// Reports a changed key, and returns its fault.
    fn changed(
        &self,
        newcomer: &Newcomer,
        known: Digest,
        since: Option<String>,
        subject: Escaped,
        observer: &dyn Observer,
    ) -> Halt {
        let change = KeyChange {
            address: self.address.clone(),
            ca: newcomer.ca.to_string(),
            known: known.to_string(),
            since,
            offered: newcomer.key.to_string(),
            subject,
        };
        let changed = Changed::of(&change);
        let fault = unproven(changed.sentence(), &changed.advice());
        observer.event(Event::KeyChanged { track: self.track, change });
        Halt::Fault(fault)
    }
}

/// Checks that a receipt was signed by the known receipt key of the server, and remembers a new one. Reports a note if it
/// cannot be remembered.
///
/// # Errors
/// Another key signs the receipts of this server, or the known servers cannot be read.
pub(crate) fn recognise_signer(
    known: &KnownServers,
    address: &ServerAddress,
    ca: Digest,
    statement: &Statement,
    observer: &dyn Observer,
) -> Result<(), UploadError> {
    let address = address.clone();
    let (key, signer) = (statement.key, SignedBy::of(statement));
    let meeting = ReceiptMeeting { address: address.clone(), ca, key, signer };
    let (standing, unsaved) = known.meet_receipts(&meeting)?;
    if let Some(why) = unsaved {
        let text = format!("cannot remember the receipt key of {address}: {why}");
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

/// Carries out [`Command::AcceptServer`](crate::event::Command::AcceptServer), and returns the event to report.
#[must_use]
pub(crate) fn accept(known: &KnownServers, address: ServerAddress, ca: &str, key: &str) -> Event {
    let accepted = match (ca.parse::<Digest>(), key.parse::<Digest>()) {
        (Ok(ca), Ok(key)) => {
            let key = Offered { key, bits: None };
            known.accept(&address, Some(ca), Some(key), clock::unix_seconds()).map_err(|e| e.to_string())
        }
        (Err(why), _) | (_, Err(why)) => Err(why.to_string()),
    };
    match accepted {
        Ok(entry) => Event::ServerAccepted { address, key: entry.key.to_string() },
        Err(what) => {
            Event::ServerNotAccepted { address, fault: Fault::local(what).with_blame(Blame::System) }
        }
    }
}

/// Carries out [`Command::AnswerMeeting`](crate::event::Command::AnswerMeeting).
pub(crate) fn answer(meetings: &Meetings, address: ServerAddress, ca: &str, key: &str, accept: bool) {
    // Front ends repeat the digits of the question. Others answer nothing.
    if let (Ok(ca), Ok(key)) = (ca.parse(), key.parse()) {
        meetings.answer(&Newcomer { address, ca, key }, accept);
    }
}

/// The fault of an upload to a server whose key the user did not accept.
fn unaccepted(address: &ServerAddress) -> Fault {
    unproven(
        format!("the key of {address} was not accepted; nothing was sent"),
        "compare its words with those that the server shows, or give --pin",
    )
}

/// Parses the expected pin.
pub(crate) fn pin(expected: &Expected) -> Result<Option<Digest>, Fault> {
    let Some(pin) = &expected.pin else { return Ok(None) };
    let invalid = |why| {
        Fault::usage(format!("invalid pin {}: {why}", escape(pin))).with_advice("upseal serve prints its pin")
    };
    pin.parse().map(Some).map_err(invalid)
}

/// The fault of an upload for which the known servers cannot be read.
#[must_use]
pub(crate) fn unreadable(error: &KnownError) -> Fault {
    Fault::local(error.to_string()).with_advice(
        "nothing of the file was sent; correct the line in the file of known servers, or delete it",
    )
}

fn unproven(what: String, advice: &str) -> Fault {
    Fault::unproven(what).with_advice(advice)
}
