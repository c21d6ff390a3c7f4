//! A whole session of the client, with a server that follows a script.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::{IDENTITY, Input, NOW, check_shown, fixtures};
use crate::crypto::receipt::{Entry, Fate, Reason, Request, Statement, salted};
use crate::digest::Digest;
use crate::event::{Dialect, Framing, KeyForm, Named, Padding, Variant};
use crate::meter::Meter;
use crate::net::connection::Connection;
use crate::net::handshake::{Limits, server_line};
use crate::net::interrupter::Interrupter;
use crate::net::refusal::{Notice, Refusal};
use crate::net::service::Policy;
use crate::net::stream::Stream;
use crate::net::upload::{Confirmation, Content, Start, Upload, UploadError, Wait};
use crate::net::word::{Mode, word};
use crate::store::Meta;
use crate::trust::Anchor;

/// Silences in a row that the server may have; then it ends.
const SILENCES: u8 = 3;
/// Content of the files that the client sends.
const CONTENT: &[u8] = &[0x5a; 300];

static CA: LazyLock<Anchor> =
    LazyLock::new(|| Anchor::load(&fixtures().join("identity-v1/cacsertificate.crt")).unwrap());

/// What the server did, for the checks after the session.
#[derive(Debug, Default)]
struct Did {
    /// Messages of MODE 3, and whether the client has sent MODE 2.
    asked: Vec<Vec<u8>>,
    said_goodbye: bool,
    /// Statements that it signed and sent unchanged.
    receipts: Vec<String>,
    /// Whether it ended in order, and only after MODE 2.
    ended_after_goodbye: bool,
    /// Whether it sent bytes after its last answer, or instead of one.
    surplus: bool,
}

/// A server that does what the next byte of its script says, whenever the client reads and nothing waits.
struct Server {
    script: Vec<u8>,
    at: usize,
    pending: VecDeque<u8>,
    silences: u8,
    has_ended: bool,
    did: Arc<Mutex<Did>>,
}

impl Server {
    fn byte(&mut self) -> Option<u8> {
        let byte = self.script.get(self.at).copied();
        self.at += 1;
        byte
    }

    /// Answers the last MODE 3, with a certificate; `change`: the position of a byte that is changed.
    fn answer(&mut self, is_ours: bool, change: Option<u8>) {
        let Some(message) = self.did.lock().asked.last().cloned() else { return };
        let signature = IDENTITY.sign(&message).unwrap();
        let line =
            if is_ours { server_line(true, 900, &Limits::of(&Policy::default())) } else { String::new() };
        let certificate = [line.as_bytes(), IDENTITY.certificate_pem()].concat();
        self.send_parts(&signature, &certificate, change);
    }

    /// Answers a receipt request; `fates`: which files are stored.
    fn receipt(&mut self, fates: u8, change: Option<u8>) {
        let Some(message) = self.did.lock().asked.last().cloned() else { return };
        let Some(request) = Request::parse(&message) else { return };
        let salt = request.sealed_salt.as_ref().map(|sealed| *IDENTITY.open_receipt_salt(sealed).0);
        let key = IDENTITY.receipt_key().unwrap();
        let entries = request.files.clone().map(|ordinal| {
            let fate = if fates >> (ordinal % 8) & 1 == 0 {
                let (size, name) = (CONTENT.len() as u64, format!("file {ordinal}"));
                let digest = salted(salt.as_ref(), Digest::of(CONTENT));
                let protocol = if salt.is_some() { Variant::Cp2 } else { Variant::Plain };
                Fate::Stored { protocol, size, digest, name, named: Named::Stored }
            } else {
                Fate::Missing(Reason::Disk)
            };
            Entry { ordinal, fate }
        });
        let statement = Statement {
            request: request.digest(),
            key: IDENTITY.server_key().fingerprint(),
            receipt_key: Some(key.public().fingerprint()),
            time: *NOW,
            entries: entries.collect(),
        };
        let text = statement.to_text();
        let signature = key.sign(text.as_bytes()).unwrap();
        let blob = [text.as_bytes(), IDENTITY.certificate_pem(), key.certificate_pem()].concat();
        if change.is_none() {
            self.did.lock().receipts.push(text);
        }
        self.send_parts(&signature, &blob, change);
    }

    fn send_parts(&mut self, first: &[u8], second: &[u8], change: Option<u8>) {
        let (lengths, parts) = ([first, second].map(|part| word(part.len() as u64)), [first, second]);
        let mut bytes = [&lengths[0][..], parts[0], &lengths[1], parts[1]].concat();
        if let Some(change) = change {
            let at = usize::from(change) * bytes.len() / 256;
            bytes[at] ^= 1 + change % 255;
        }
        self.pending.extend(bytes);
    }

    /// Does what the script says next.
    fn act(&mut self) -> io::Result<()> {
        let Some(act) = self.byte() else {
            self.end();
            return Ok(());
        };
        match act % 11 {
            0 => self.answer(true, None),
            1 => self.answer(false, None),
            2 => {
                let change = self.byte();
                self.answer(true, change);
            }
            3 => {
                let fates = self.byte().unwrap_or_default();
                self.receipt(fates, None);
            }
            4 => {
                let fates = self.byte().unwrap_or_default();
                let change = self.byte();
                self.receipt(fates, change);
            }
            5 => return Err(io::ErrorKind::TimedOut.into()),
            6 => return Err(super::server::broken()),
            7 => {
                let number = usize::from(self.byte().unwrap_or_default());
                let reason = Refusal::ALL[number % Refusal::ALL.len()];
                let file = (number > 8).then(|| number as u64 - 8);
                self.pending.extend(Notice { reason, file }.bytes(number.is_multiple_of(2)));
            }
            8 => {
                let count = usize::from(self.byte().unwrap_or_default());
                let raw: Vec<u8> = (0..count).map_while(|_| self.byte()).collect();
                self.pending.extend(raw);
            }
            9 => {
                let long = [word(u64::from(self.byte().unwrap_or_default()) << 40), word(1)].concat();
                self.pending.extend(long);
            }
            _ => self.end(),
        }
        Ok(())
    }

    fn end(&mut self) {
        let mut did = self.did.lock();
        did.ended_after_goodbye = did.said_goodbye && !self.has_ended;
        self.has_ended = true;
    }
}

impl Read for Server {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.pending.is_empty() && !self.has_ended {
            if let Err(error) = self.act() {
                self.silences += 1;
                if self.silences >= SILENCES {
                    self.at = self.script.len();
                }
                return Err(error);
            }
        }
        let n = buffer.len().min(self.pending.len());
        for byte in &mut buffer[..n] {
            *byte = self.pending.pop_front().unwrap_or_default();
        }
        if n > 0 && self.did.lock().said_goodbye {
            self.did.lock().surplus = true;
        }
        Ok(n)
    }
}

impl Write for Server {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut did = self.did.lock();
        // The client writes a MODE 3 and a MODE 2 at once, each.
        if bytes.starts_with(&Mode::Authenticate.word()) && bytes.len() >= 16 {
            did.asked.push(bytes[16..].to_vec());
        }
        did.said_goodbye |= bytes == Mode::Close.word();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Server {
    fn set_deadline(&mut self, _at: Option<Instant>) -> io::Result<()> {
        Ok(())
    }

    fn interrupter(&self) -> Interrupter {
        Interrupter::default()
    }

    fn finish_writing(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn buffer_little(&mut self) {}

    fn reset(&mut self) {}

    fn is_readable(&mut self) -> bool {
        // The script decides: some servers speak where nothing is due.
        self.script.get(self.at).is_some_and(|act| matches!(act % 11, 6..=8)) || !self.pending.is_empty()
    }
}

/// A session of the client: it takes nothing for delivered or confirmed that this server did not deliver and confirm.
pub(super) fn client(data: &[u8]) {
    let mut input = Input(data);
    let variant = input.one_of(&Variant::ALL);
    let framing = input.one_of(&[Framing::A, Framing::C, Framing::D, Framing::E]);
    let padding = input.one_of(&[Padding::Oaep, Padding::Pkcs1v15]);
    let key_form = input.one_of(&[KeyForm::Fernet, KeyForm::Raw]);
    let known_bits = input.one_of(&[None, Some(2048)]);
    let plan = input.byte();
    let dialect = Dialect { padding, framing, key_form, ..Dialect::of(variant) };
    let did = Arc::new(Mutex::new(Did::default()));
    let server = Server {
        script: input.rest().to_vec(),
        at: 0,
        pending: VecDeque::new(),
        silences: 0,
        has_ended: false,
        did: Arc::clone(&did),
    };
    let connection = Connection::new(Box::new(server), Duration::from_secs(60));
    let start = Start::new(connection, dialect);
    let upload = match start {
        Start::Plain(upload) => Ok(*upload),
        Start::Unproven(server) => server.prove(&CA, known_bits).and_then(|proven| {
            assert_eq!(proven.proof.fingerprint, IDENTITY.server_key().fingerprint().to_string());
            proven.begin()
        }),
    };
    let result = upload.and_then(|upload| send(upload, &CA, plan, &did));
    match result {
        Ok(()) => {
            let did = did.lock();
            assert!(did.ended_after_goodbye && !did.surplus, "not delivered: {did:?}");
        }
        Err(why) => {
            check_shown(&why.to_string());
            check_shown(&why.fault().to_string());
        }
    }
}

/// Sends files, asks for receipts and closes, as `plan` says.
fn send(mut upload: Upload, anchor: &Anchor, plan: u8, did: &Mutex<Did>) -> Result<(), UploadError> {
    upload.wait_by(Some(Duration::ZERO.max(Duration::from_secs(u64::from(plan >> 7)))), Wait::default());
    let meter = Meter::default();
    let files = u64::from(plan % 4);
    for n in 1..=files {
        let name = upload.described(&format!("file {n}"), Meta::default());
        if let Some(refused) = upload.refuse_file(&name, CONTENT.len() as u64) {
            return Err(refused);
        }
        upload.file(&name, Content::Reader(&mut &CONTENT[..]), CONTENT.len() as u64, &meter)?;
    }
    if plan & 4 > 0 && files > 0 {
        match upload.receipts(1..=files, Some(anchor))? {
            Confirmation::Receipt(receipt) => {
                assert!(did.lock().receipts.contains(&receipt.text), "the server never signed this");
                assert_eq!(receipt.statement.entries.len() as u64, files);
            }
            Confirmation::Answer => {}
            Confirmation::Unchecked(_) => unreachable!("the CA is known"),
        }
    }
    upload.close(&meter)
}
