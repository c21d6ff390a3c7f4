//! Opens the connection to a server: TCP, the server's proof, its identity, the session key.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::meetings::Meetings;
use super::recognise::{self, Halt, Stranger};
use crate::clock;
use crate::crypto::receipt::Receipt;
use crate::digest::{Digest, FileDigest};
use crate::event::{
    Blame, Dialect, Event, Expected, Fault, Proof, ServerAddress, Side, Standing, State, Target, Track,
    Variant, Wire,
};
use crate::net::Observer;
use crate::net::connection::Connection;
use crate::net::handshake::ReceiptOffer;
use crate::net::interrupter::Interrupter;
use crate::net::record;
use crate::net::stream::{Stream, Tcp};
use crate::net::throttle::Throttle;
use crate::net::upload::{Proven, SEND_PATIENCE, Start, Upload, UploadError, Wait};
use crate::store::Store;
use crate::trust::Anchor;
use crate::trust::known::KnownServers;

/// The longest time that a server may take to accept a connection.
const CONNECT_PATIENCE: Duration = Duration::from_secs(15);

/// The running embedded server, as clients reach it.
#[derive(Clone)]
pub(crate) struct Embedded {
    /// Address on which it listens.
    pub address: ServerAddress,
    /// The throwaway CA that signed its certificate.
    pub anchor: Arc<Anchor>,
    /// Modulus length of its key in bits.
    pub bits: usize,
}

/// Stops what a worker is blocked in: connecting, or the connection itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    handle: Interrupter,
    /// The stream that was attached last, for each of the lanes that run at once.
    streams: Arc<Mutex<Vec<Option<Interrupter>>>>,
    /// This lane's index in `streams`.
    place: usize,
    /// The wait for the server's close after MODE 2.
    wait: Wait,
}

impl Stop {
    /// Creates one that is not raised.
    #[must_use]
    pub(crate) fn new() -> Self {
        let streams: Arc<Mutex<Vec<Option<Interrupter>>>> = Arc::new(Mutex::new(vec![None]));
        let current = Arc::clone(&streams);
        let handle = Interrupter::new(move || {
            current.lock().iter().flatten().for_each(Interrupter::interrupt);
        });
        Self { handle, streams, place: 0, wait: Wait::default() }
    }

    /// Creates one that is raised together with this one, for another lane.
    #[must_use]
    pub(crate) fn beside(&self) -> Self {
        let mut streams = self.streams.lock();
        streams.push(None);
        let place = streams.len() - 1;
        drop(streams);
        Self { place, ..self.clone() }
    }

    /// Stops the worker, now and at its next blocking call.
    pub(crate) fn interrupt(&self) {
        self.handle.interrupt();
    }

    /// Ends the wait for the server's close after MODE 2, if the worker is in it.
    pub(crate) fn end_wait(&self) {
        self.wait.end();
    }

    /// Returns whether [`Stop::interrupt`] was called.
    #[must_use]
    pub(crate) fn is_raised(&self) -> bool {
        self.handle.is_raised()
    }

    /// Makes it stop this stream too, at once if it was raised before.
    fn attach(&self, stream: &dyn Stream) {
        if let Some(place) = self.streams.lock().get_mut(self.place) {
            *place = Some(stream.interrupter());
        }
        if self.is_raised() {
            self.handle.interrupt();
        }
    }
}

/// Opens connections to servers: connects, verifies the server's proof, agrees on a session key.
pub(crate) struct Dialer {
    /// The embedded server, once it listens.
    pub embedded: Option<Embedded>,
    /// The keys of known servers; not used for the embedded server.
    pub known: KnownServers,
    /// What the user was asked about servers that were never met.
    pub meetings: Meetings,
    /// Where the encrypted bodies of uploads are also written; those of a race are not.
    pub ciphertext: Option<Arc<dyn Store>>,
    /// Whether uploads are hashed while they are sent. The files of a race always are.
    pub digest: FileDigest,
    /// How long a server may take to close after MODE 2; `None`: a limit that depends on what was sent.
    pub patience: Option<Duration>,
    /// Limits the bytes of uploads on the wire; those of a race are not.
    pub throttle: Arc<Throttle>,
    /// Receives the events.
    pub observer: Arc<dyn Observer>,
    /// Stops connecting and the connection.
    pub stop: Stop,
}

impl Dialer {
    /// Creates a dialer for another lane of a race, perhaps with another embedded server.
    pub(super) fn beside(&self, embedded: Option<Embedded>) -> Self {
        Self {
            embedded: embedded.or_else(|| self.embedded.clone()),
            known: self.known.clone(),
            meetings: self.meetings.clone(),
            ciphertext: self.ciphertext.clone(),
            digest: self.digest,
            patience: self.patience,
            throttle: Arc::clone(&self.throttle),
            observer: Arc::clone(&self.observer),
            stop: self.stop.beside(),
        }
    }

    /// Connects, verifies the server's proof, and compares its key with the known one. Reports its progress on `track`.
    ///
    /// # Errors
    /// A [`Halt`]. Nothing of a file was sent.
    pub(crate) fn open(
        &self,
        target: &Target,
        dialect: Dialect,
        track: Track,
    ) -> Result<(Upload, Option<Proof>), Halt> {
        let (address, anchor) = self.resolve(target, dialect.variant)?;
        let known_bits = self.known_bits(target, anchor.as_deref())?;
        let unreachable = |e: &io::Error| match e.kind() {
            io::ErrorKind::Interrupted => UploadError::Interrupted.fault(),
            _ => Fault::unreachable(format!("cannot connect to {address}: {e}"))
                .with_advice("check that the server is running and that the address is right"),
        };
        let stream =
            Tcp::connect(&address, CONNECT_PATIENCE, &self.stop.handle).map_err(|e| unreachable(&e))?;
        self.stop.attach(&stream);
        let local = stream.local_addr();
        let (stream, tap) = record::tapped(Box::new(stream), &self.observer, None, || Wire {
            side: Side::Client,
            track: Some(track),
            local: local.map(|address| address.to_string()).unwrap_or_default(),
            peer: address.to_string(),
            dialect: Some(dialect),
            at_ms: clock::unix_ms(),
        });
        let mut connection = Connection::new(stream, SEND_PATIENCE);
        if dialect.variant == Variant::Cp1 {
            connection.buffer_little();
        }
        if let Track::Job(_) = track {
            connection.set_throttle(Arc::clone(&self.throttle));
        }
        let prepared = |mut upload: Upload| {
            upload.record(tap);
            upload.wait_by(self.patience, self.stop.wait.clone());
            if let Track::Job(_) = track {
                upload.set_digest(self.digest);
                if let Some(store) = &self.ciphertext {
                    upload.keep_ciphertext(Arc::clone(store));
                }
            }
            upload
        };
        let (server, anchor) = match (Start::new(connection, dialect), anchor) {
            (Start::Plain(upload), _) => return Ok((prepared(*upload), None)),
            (Start::Unproven(server), Some(anchor)) => (server, anchor),
            // `resolve` returns a CA for every variant but Plain.
            (Start::Unproven(_), None) => {
                return Err(UploadError::Bug("no CA to check the server by").fault().into());
            }
        };

        self.observer.event(Event::State { track, state: State::Proving });
        let mut proven = server.prove(&anchor, known_bits).map_err(|e| halt(&e))?;
        let standing = match self.recognise(target, &anchor, &mut proven, track) {
            Ok(standing) => standing,
            Err(halt) => {
                proven.leave();
                return Err(halt);
            }
        };
        let proof = proven.proof.clone();
        self.observer.event(Event::Proven {
            track,
            address: address.clone(),
            proof: proof.clone(),
            standing,
        });
        if let Track::Job(_) = track
            && self.digest == FileDigest::Sha256
            && proven.receipts == Some(ReceiptOffer::NotGiven)
        {
            let text = format!(
                "{address} gives no receipts: \"delivered\" only means that it closed the connection in order; the \
                 server's log says why, and how its operator can change that"
            );
            self.observer.event(Event::Note { text });
        }
        let upload = proven.begin().map_err(|e| halt(&e))?;
        Ok((prepared(upload), Some(proof)))
    }

    /// Returns the modulus length of the server's known key. Fails before connecting if the known servers cannot be read.
    fn known_bits(&self, target: &Target, anchor: Option<&Anchor>) -> Result<Option<usize>, Fault> {
        match (target, anchor) {
            (Target::Server { address, .. }, Some(anchor)) => {
                self.known.bits(address, anchor.fingerprint()).map_err(|e| recognise::unreadable(&e))
            }
            _ => Ok(None),
        }
    }

    /// Returns the known key of a server, under the CA of this target.
    pub(super) fn known_key(&self, target: &Target) -> Option<Digest> {
        let Target::Server { address, ca, expected } = target else { return None };
        let ca = anchor(ca.as_deref(), expected).ok()??.fingerprint();
        let address = address.normal();
        let known = self.known.list().ok()?;
        known.into_iter().find(|entry| entry.address == address && entry.ca == ca).map(|entry| entry.key)
    }

    /// Checks that the key that signed a receipt is the known one of this server. The embedded server has a new one each
    /// time. `anchor`: the CA that signed the certificates.
    pub(super) fn recognise_signer(
        &self,
        target: &Target,
        anchor: Option<&Anchor>,
        receipt: &Receipt,
    ) -> Result<(), UploadError> {
        let (Target::Server { address, .. }, Some(anchor)) = (target, anchor) else { return Ok(()) };
        let ca = anchor.fingerprint();
        recognise::recognise_signer(&self.known, address, ca, &receipt.statement, &*self.observer)
    }

    fn recognise(
        &self,
        target: &Target,
        anchor: &Anchor,
        proven: &mut Proven,
        track: Track,
    ) -> Result<Standing, Halt> {
        match target {
            Target::Embedded => Ok(Standing::Own),
            Target::Server { address, expected, .. } => {
                let mut stranger = Stranger { track, address, anchor, proven, expected };
                stranger.recognise(&self.known, &self.meetings, &*self.observer)
            }
        }
    }

    /// Returns the address and, except for Plain, the CA.
    fn resolve(
        &self,
        target: &Target,
        variant: Variant,
    ) -> Result<(ServerAddress, Option<Arc<Anchor>>), Fault> {
        let usage = |what: String, advice: &str| Fault::usage(what).with_advice(advice);
        match target {
            Target::Embedded => {
                let embedded = self.embedded.as_ref().ok_or_else(|| {
                    Fault::unreachable("the embedded server is not running")
                        .with_blame(Blame::System)
                        .with_advice("see the log, or connect to another server")
                })?;
                let anchor = variant.authenticates().then(|| Arc::clone(&embedded.anchor));
                Ok((embedded.address.clone(), anchor))
            }
            Target::Server { address, ca, expected } => {
                if !variant.authenticates() {
                    // A user who gives a pin must not believe that it was compared.
                    return if *expected == Expected::default() {
                        Ok((address.clone(), None))
                    } else {
                        Err(usage(
                            format!("{variant} proves no identity, so --pin and --expect cannot be checked"),
                            "use another protocol, or leave out --pin and --expect",
                        ))
                    };
                }
                let Some(anchor) = anchor(ca.as_deref(), expected)? else {
                    return Err(usage(
                        format!("{variant} needs the server's pin, or the CA that signed its certificate"),
                        "give --pin or --ca, or a link or the CA's file in the connect dialog",
                    ));
                };
                Ok((address.clone(), Some(Arc::new(anchor))))
            }
        }
    }
}

/// Returns what an error before the first file means. A server that stops says that it is busy; while its socket closes,
/// the system resets connections that it has not accepted.
fn halt(error: &UploadError) -> Halt {
    if error.is_absence() { Halt::Away(error.fault()) } else { error.fault().into() }
}

/// Returns what the user gave to check a server against; `None`: neither a CA nor a pin.
///
/// # Errors
/// The CA cannot be read, or the pin is invalid.
fn anchor(ca: Option<&Path>, expected: &Expected) -> Result<Option<Anchor>, Fault> {
    let pin = recognise::pin(expected)?;
    let Some(ca) = ca else { return Ok(pin.map(Anchor::pinned)) };
    let ca = Anchor::load(ca)
        .map_err(|e| Fault::local(e.to_string()).with_advice("give the CA's certificate as a PEM file"))?;
    Ok(Some(match pin {
        Some(pin) => ca.with_pin(pin),
        None => ca,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raised_stop_also_stops_streams_attached_later() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().into();
        let stop = Stop::new();
        let tcp = Tcp::connect(&address, Duration::from_secs(5), &stop.handle).unwrap();
        stop.interrupt();
        stop.attach(&tcp);
        assert!(tcp.interrupter().is_raised());
        assert_eq!(
            Tcp::connect(&address, Duration::from_secs(5), &stop.handle).map(|_| ()).map_err(|e| e.kind()),
            Err(io::ErrorKind::Interrupted),
            "although a server listens"
        );
    }
}
