//! From a fresh connection to the first file: the server proves itself, and a session key is agreed.
//!
//! ```text
//!   Start ─┬─ Plain ──────────────────────────────────────────────► Upload
//!          └─ Unproven ── prove ──► Proven ── begin (CP2: MODE 4) ──► Upload
//! ```
//!
//! Each state is a type, so that no file can be sent before the server has proved itself, nor in CP2 without a key.

use std::fmt;
use std::io;
use std::mem;

use super::link::{Link, Look, Unanswered};
use super::{PROOF_LIMIT, PROOF_PATIENCE, Security, Server, Upload, UploadError};
use crate::clock;
use crate::crypto::challenge;
use crate::crypto::fernet::SessionKey;
use crate::digest::Digest;
use crate::event::{AuthMessage, Dialect, KeyLength, Proof, Variant};
use crate::net::connection::Connection;
use crate::net::handshake::{
    AnswerDecoder, LONG_HELLO_RANDOM, Limits, Offer, ReceiptOffer, hello_random, receipt_offer,
};
use crate::net::word::{Mode, word};
use crate::trust::{Anchor, facts};

/// A connection on which nothing was sent.
pub enum Start {
    /// In Plain, files may be sent at once.
    Plain(Box<Upload>),
    /// In every other variant the server must prove itself first.
    Unproven(Box<Unproven>),
}

/// A connection to a server that has not proved itself.
pub struct Unproven {
    link: Link,
    dialect: Dialect,
    offer: Offer,
}

/// A connection to a server whose proof holds.
pub struct Proven {
    /// What is shown of the proof.
    pub proof: Proof,
    /// The only CN of the certificate's subject, unescaped: to be compared, never to be shown.
    pub common_name: Option<String>,
    /// What the server says of receipts; `None` if it was not asked, because no hello was sent.
    pub receipts: Option<ReceiptOffer>,
    link: Link,
    dialect: Dialect,
    server: Server,
}

impl Start {
    /// Begins an upload over a fresh connection.
    #[must_use]
    pub fn new(connection: Connection, dialect: Dialect) -> Self {
        let link = Link::new(connection);
        match Offer::of(dialect) {
            None => Self::Plain(Box::new(Upload::new(link, dialect, Security::Plain))),
            Some(offer) => Self::Unproven(Box::new(Unproven { link, dialect, offer })),
        }
    }

    /// Performs every step before the first file, without a look at which server it is.
    ///
    /// # Errors
    /// As [`Unproven::prove`] and [`Proven::begin`].
    pub fn proven_by(self, anchor: &Anchor) -> Result<Upload, UploadError> {
        match self {
            Self::Plain(upload) => Ok(*upload),
            Self::Unproven(server) => server.prove(anchor, None)?.begin(),
        }
    }
}

impl Unproven {
    /// Lets the server prove itself by a certificate of `anchor` and a signature over our hello.
    ///
    /// Checks in this order: the CA signed the certificate, the certificate is inside its validity period, the
    /// signature covers the message (docs/protocol.md, section AP). At the first failure it sends MODE 2, and nothing
    /// else. `known_bits`: size of the server's key, if it is known; it decides how long the hello is.
    ///
    /// # Errors
    /// [`UploadError`], mostly of the fault kind `Unproven`.
    pub fn prove(self, anchor: &Anchor, known_bits: Option<usize>) -> Result<Proven, UploadError> {
        let Self { mut link, dialect, offer } = self;
        match check_proof(&mut link, dialect, offer, anchor, known_bits) {
            Ok(Checked { proof, common_name, receipts, server }) => {
                Ok(Proven { proof, common_name, receipts, link, dialect, server })
            }
            Err(error) => {
                link.leave();
                Err(error)
            }
        }
    }
}

struct Checked {
    proof: Proof,
    common_name: Option<String>,
    receipts: Option<ReceiptOffer>,
    server: Server,
}

fn check_proof(
    link: &mut Link,
    dialect: Dialect,
    offer: Offer,
    anchor: &Anchor,
    known_bits: Option<usize>,
) -> Result<Checked, UploadError> {
    let unanswered = |link: &mut Link, cause: Option<io::Error>| {
        if link.connection.is_interrupted() {
            return UploadError::Interrupted;
        }
        link.last_words(cause.as_ref()).unwrap_or(UploadError::NoAnswer(cause))
    };
    link.connection.set_patience(PROOF_PATIENCE);
    let mut random = [0; LONG_HELLO_RANDOM];
    let random = &mut random[..hello_random(known_bits)];
    getrandom::fill(random).map_err(|_| UploadError::Random)?;
    let hello = match dialect.auth_message {
        AuthMessage::Ascii => offer.hello(random),
        AuthMessage::Timestamp => offer.hello_at(random, clock::unix_seconds().unsigned_abs()),
        AuthMessage::Random32 => random[..32].to_vec(),
    };
    link.connection.set_limit(Some(link.connection.now() + PROOF_LIMIT));
    // A refusal has its line only for clients that sent a hello.
    link.hello = Some(Digest::of(&hello));
    link.send_challenge(&hello).map_err(|e| unanswered(link, Some(e)))?;
    let answer = link.read_answer(AnswerDecoder::default()).map_err(|why| match why {
        Unanswered::Refused(refused) => refused,
        Unanswered::Malformed(why) => why.into(),
        Unanswered::Broken(cause) => unanswered(link, cause),
    })?;
    let (key, proof) = anchor.check(&answer.certificate, clock::unix_seconds())?;
    challenge::verify(&key, &hello, &answer.signature)?;
    link.limits = Limits::parse(&answer.certificate);
    if let Some(reason) = link.limits.refuse_dialect(dialect) {
        let limits = mem::take(&mut link.limits);
        return Err(UploadError::Refused { reason: Some(reason), file: None, limits });
    }
    let offer = receipt_offer(&answer.certificate);
    Ok(Checked {
        proof,
        common_name: facts::common_name(&answer.certificate),
        receipts: (dialect.auth_message != AuthMessage::Random32).then_some(offer),
        server: Server { key, anchor: anchor.clone(), receipts: offer },
    })
}

impl Proven {
    /// Begins the upload. In CP2 it first sends a new session key under the server's key (MODE 4).
    ///
    /// # Errors
    /// [`UploadError`].
    pub fn begin(self) -> Result<Upload, UploadError> {
        let Self { mut link, dialect, server, .. } = self;
        let security = match dialect.variant {
            Variant::Cp2 => {
                let session = send_session_key(&mut link, dialect, &server)?;
                Security::Cp2(server, session)
            }
            Variant::Cp1 => Security::Cp1(server),
            Variant::Plain | Variant::Ap => Security::Ap(server),
        };
        Ok(Upload::new(link, dialect, security))
    }

    /// Waits a moment without sending anything, for a user who decides whether to go on. Returns the state of the
    /// connection.
    pub(crate) fn look(&mut self) -> Look {
        let look = self.link.look();
        self.link.connection.set_patience(PROOF_PATIENCE);
        look
    }

    /// Sends MODE 2 and nothing else, because the user does not accept this server.
    pub fn leave(mut self) {
        self.link.leave();
    }
}

fn send_session_key(link: &mut Link, dialect: Dialect, server: &Server) -> Result<SessionKey, UploadError> {
    let session = SessionKey::generate();
    let wrapped = server.key.wrap_session_key(&session, dialect.key_form, dialect.padding)?;
    let mut message = Mode::SessionKey.word().to_vec();
    if dialect.key_length == KeyLength::Sixteen {
        message.extend(word(0));
    }
    message.extend(word(wrapped.len() as u64));
    message.extend(wrapped);
    link.connection.send(&message, |_| ()).map_err(|e| link.cut(0, 0, Some(e)))?;
    Ok(session)
}

impl fmt::Debug for Proven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proven").field("proof", &self.proof).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::testing::{ScriptedStream, Step};

    fn start(stream: ScriptedStream, variant: Variant) -> Start {
        Start::new(Connection::new(Box::new(stream), Duration::from_secs(60)), Dialect::of(variant))
    }

    #[test]
    fn only_plain_may_send_a_file_before_the_proof() {
        for variant in Variant::ALL {
            let start = start(ScriptedStream::sending(b""), variant);
            assert_eq!(matches!(start, Start::Plain(_)), variant == Variant::Plain, "{variant}");
        }
    }

    #[test]
    fn after_a_failed_proof_the_server_gets_mode_2_and_nothing_else() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/identity-v1");
        let anchor = Anchor::load(&folder.join("cacsertificate.crt")).unwrap();
        for variant in [Variant::Ap, Variant::Cp1, Variant::Cp2] {
            let stream = ScriptedStream::sending(b"");
            let transcript = stream.transcript();
            let error = start(stream, variant).proven_by(&anchor).err().unwrap();
            assert!(matches!(error, UploadError::NoAnswer(None)), "{variant}: {error}");
            let steps = transcript.take();
            let [Step::Wrote(hello), Step::Took(0), rest @ ..] = &steps[..] else { panic!("{steps:?}") };
            assert_eq!(hello[..16], *[word(3), word(128)].as_flattened(), "{variant}");
            assert_eq!(rest, [Step::Wrote(word(2).to_vec()), Step::Ended], "{variant}");
        }
    }
}
