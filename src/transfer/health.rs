//! Whether a server answers and proves who it is: one MODE 3, then MODE 2.

use std::sync::Arc;
use std::thread;

use crossbeam_channel::Receiver;

use super::FirstMeeting;
use super::dialer::{Dialer, Stop};
use super::meetings::Meetings;
use crate::digest::FileDigest;
use crate::event::{Dialect, Fault, JobId, Proof, Target, Track, Variant};
use crate::net::Unheard;
use crate::trust::known::KnownServers;

/// Connects to a server, verifies its proof, compares its key with the known one, and leaves without sending a file. A
/// message on `stop` ends it early.
///
/// # Errors
/// The server cannot be reached, refuses the connection, or is not the expected one.
pub(crate) fn check(target: &Target, known: KnownServers, stop: Receiver<()>) -> Result<Proof, Fault> {
    let stopper = Stop::new();
    let dialer = Dialer {
        embedded: None,
        known,
        meetings: Meetings::new(FirstMeeting::Remember),
        ciphertext: None,
        digest: FileDigest::None,
        patience: None,
        throttle: Arc::default(),
        observer: Arc::new(Unheard),
        stop: stopper.clone(),
    };
    // It ends with the program, or when the other end of `stop` is gone.
    let waiting = thread::Builder::new().name("upseal-stop".to_owned()).spawn(move || {
        if stop.recv().is_ok() {
            stopper.interrupt();
        }
    });
    waiting.map_err(|e| Fault::system(format!("cannot start a thread: {e}")))?;
    let opened = dialer.open(target, Dialect::of(Variant::Ap), Track::Job(JobId(0)));
    let (mut upload, proof) = opened.map_err(super::recognise::Halt::into_fault)?;
    upload.leave();
    proof.ok_or_else(|| Fault::system("the server was not asked for its identity"))
}
