//! MODE 3 and MODE 4: the server's signature, and the session key of CP2.

use std::sync::Arc;
use std::thread;

use super::current::Current;
use super::failed::Failed;
use super::{ReceiveError, Session};
use crate::crypto::fernet::SessionKey;
use crate::crypto::identity::{Identity, KEY_PIECES, Unwrapped};
use crate::crypto::receipt::Request;
use crate::crypto::rsa_batch::BatchError;
use crate::digest::Digest;
use crate::event::Event;
use crate::net::handshake::{Limits, Offer, check_signable, server_line};
use crate::net::network::Network;
use crate::net::service::{Policy, Reply};
use crate::net::wire::Continuation;
use crate::net::word::word;
use crate::net::work::{Ask, Queue, Turn};

/// The error for a piece of a session key, where a server without a key would need one. Such a server refuses MODE 4,
/// so no piece can follow.
const NO_KEY: &str = "a piece of a session key, but this server has no key";

/// The session key of CP2, as MODE 4 brought it.
pub(super) struct Agreed {
    pub(super) key: SessionKey,
    /// SHA-256 of each piece in which the wrapped key came.
    pub(super) wrapped: Vec<Digest>,
    /// `Err` if this machine failed to unwrap the key; `key` is then random.
    pub(super) unwrapped: Result<(), BatchError>,
}

impl Session<'_> {
    /// Answers MODE 3: signs the message, or gives a receipt if the message asks for one.
    pub(super) fn prove(&mut self, message: &[u8]) -> Result<(), ReceiveError> {
        let Some(identity) = &self.service.identity else {
            self.client.hello = Offer::parse(message);
            return Err(self.order("MODE 3, but this server has no certificate and serves Plain only"));
        };
        self.count_proof()?;
        check_signable(message)?;
        let gives_receipts = self.service.receipt_signer().is_ok();
        // A server that gives no receipts answers a request like any other message: "delivered, no receipt".
        if let Some(request) = Request::parse(message).filter(|_| gives_receipts) {
            return self.receipt(&request);
        }
        let mut line = String::new();
        if let Some(offer) = Offer::parse(message) {
            if self.client.hello.is_some_and(|before| before != offer) {
                return Err(self.order("a second hello that contradicts the first"));
            }
            self.client.hello = Some(offer);
            let policy = &self.service.policy;
            line = server_line(gives_receipts, policy.deadlines.idle.as_secs(), &Limits::of(policy));
        }
        self.client.first_message.get_or_insert_with(|| Digest::of(message));
        let queue = Arc::clone(&self.queue);
        let turn = self.wait_for_key(&queue, self.ask())?;
        let signature = identity.sign(message)?;
        drop(turn);
        // Before the client can know: from now on its session is not closed for another one.
        self.act();
        self.answer(signature, [line.as_bytes(), identity.certificate_pem()].concat())?;
        self.client.was_answered = true;
        self.service.observer.event(Event::SessionProved { session: self.id });
        Ok(())
    }

    /// Counts a message to sign, of which a connection has a few and two more for each file: one before it, and one that
    /// asks for its receipt.
    fn count_proof(&mut self) -> Result<(), ReceiveError> {
        self.proofs += 1;
        let most = self.service.policy.work.proofs.saturating_add(self.ordinal.saturating_mul(2));
        self.check_count("MODE 3", self.proofs, most)
    }

    /// Counts a session key, or a piece of one.
    fn count_key(&mut self) -> Result<(), ReceiveError> {
        self.keys += 1;
        let pieces = KEY_PIECES as u64;
        let most = self.service.policy.work.keys.saturating_add(self.ordinal.saturating_mul(pieces));
        self.check_count("MODE 4", self.keys, most)
    }

    const fn check_count(&self, what: &'static str, count: u64, most: u64) -> Result<(), ReceiveError> {
        if count <= most {
            return Ok(());
        }
        Err(ReceiveError::TooOften { offset: self.offset(), what, most, files: self.ordinal })
    }

    /// Returns what this session's next proof or session key counts as.
    const fn ask(&self) -> Ask {
        // The first proof, the first session key, and one more for each file.
        if self.proofs + self.keys <= 2 + self.ordinal { Ask::First } else { Ask::Again }
    }

    /// Waits until the server's key is free for this session.
    pub(super) fn wait_for_key<'q>(&self, queue: &'q Queue, ask: Ask) -> Result<Turn<'q>, ReceiveError> {
        let Policy { work, deadlines, .. } = &self.service.policy;
        let who = (Network::of_peer(&self.peer), ask);
        queue
            .wait(who, *work, deadlines.message, || self.connection.is_interrupted())
            .ok_or(ReceiveError::Overloaded { offset: self.offset() })
    }

    /// Sends the two parts of an answer to MODE 3, by four writes.
    pub(super) fn answer(&mut self, signature: Vec<u8>, certificate: Vec<u8>) -> Result<(), ReceiveError> {
        let time = self.service.policy.deadlines.answer;
        self.connection.set_patience(time);
        self.connection.set_limit(Some(self.connection.now() + time));
        let Reply { gap, certificate_first } = self.service.policy.reply;
        let (first, second) =
            if certificate_first { (certificate, signature) } else { (signature, certificate) };
        let parts = [&word(first.len() as u64)[..], &first, &word(second.len() as u64), &second];
        for (n, part) in parts.into_iter().enumerate() {
            if n > 0 && !gap.is_zero() {
                thread::sleep(gap);
            }
            self.connection.send(part, |_| ()).map_err(|e| self.cut(Some(e)))?;
        }
        Ok(())
    }

    /// Takes the session key from MODE 4. A key that does not decrypt becomes a random one, so that the failure
    /// surfaces at the HMAC.
    pub(super) fn agree(&mut self, wrapped: &[u8]) -> Result<(), ReceiveError> {
        let identity = self.identity("MODE 4, but this server has no key and serves Plain only")?;
        self.count_key()?;
        let digest = Digest::of(wrapped);
        self.check_fresh(digest)?;
        let queue = Arc::clone(&self.queue);
        let _turn = self.wait_for_key(&queue, self.ask())?;
        self.unwrap(&identity, wrapped, vec![digest]);
        Ok(())
    }

    /// Receives one more block of a session key, behind its length.
    pub(super) fn one_more_key_piece(&mut self, blocks: Vec<u8>) -> Result<(), Failed> {
        self.count_key()?;
        let identity = self.identity(NO_KEY)?;
        let k = identity.modulus_bytes();
        self.begin_body();
        let Some(piece) = self.peek(k)?.map(<[u8]>::to_vec) else { return Err(self.cut(None).into()) };
        self.take(k);
        let digest = Digest::of(&piece);
        self.check_fresh(digest)?;
        let mut wrapped = self.agreed.take().map(|agreed| agreed.wrapped).unwrap_or_default();
        wrapped.push(digest);
        self.unwrap(&identity, &[blocks, piece].concat(), wrapped);
        Ok(())
    }

    /// Unwraps the session key from these blocks, of which more may follow: one known client sends three.
    fn unwrap(&mut self, identity: &Identity, blocks: &[u8], wrapped: Vec<Digest>) {
        let Unwrapped { key, missed, machine } = identity.unwrap_session_key(blocks, self.paddings());
        self.charge(missed);
        self.agreed = Some(Agreed { key, wrapped, unwrapped: machine });
        let k = identity.modulus_bytes();
        if k > 0 && blocks.len().is_multiple_of(k) && blocks.len() < KEY_PIECES * k {
            self.current = Current::KeyPieces(blocks.to_vec());
            self.decoder.set_continuation(Continuation::Blocks { k: k as u64 });
        }
    }
}
