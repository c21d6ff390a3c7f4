//! What an attacker can compute from the bytes on the path, and forge.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use base64_simd::URL_SAFE;
use parking_lot::Mutex;

use super::LabError;
use super::proxy::{Item, PATIENCE, Reader, Seen};
use super::stage::{Cast, Letter};
use crate::crypto::server_key::ServerKey;
use crate::event::{Dialect, Variant};
use crate::meter::Meter;
use crate::net::connection::Connection;
use crate::net::description;
use crate::net::interrupter::Interrupter;
use crate::net::stream::{Stream, Tcp};
use crate::net::upload::{Content, Start};
use crate::net::wire::Message;

/// Length in bytes of the pieces of content that are searched for; too long to match by chance.
const PIECE: usize = 32;
/// Bytes of a Fernet token before the ciphertext (version, time, IV) and after it (HMAC).
const TOKEN_HEAD: usize = 25;
const TOKEN_TAIL: usize = 32;
/// Block length of AES-CBC in bytes.
const CIPHER_BLOCK: usize = 16;

/// Returns how many pieces of a file were found on the path, as they are or in base64, and the number of pieces.
pub(super) fn pieces(seen: &Seen, content: &[u8]) -> (usize, usize) {
    let mut heaps: Vec<Vec<u8>> = vec![seen.up.clone(), seen.down.clone()];
    for item in &seen.items {
        if let Item::Body(body) = item {
            heaps.extend(URL_SAFE.decode_to_vec(body));
        }
    }
    let all: Vec<&[u8]> = content.chunks_exact(PIECE).collect();
    let is_found =
        |piece: &&&[u8]| heaps.iter().any(|heap| heap.windows(PIECE).any(|window| window == **piece));
    (all.iter().filter(is_found).count(), all.len())
}

/// Returns the first file name on the path.
pub(super) fn name(seen: &Seen) -> Option<String> {
    seen.items.iter().find_map(|item| match item {
        Item::Message(Message::Filename(m2)) => {
            Some(description::name_of(&String::from_utf8_lossy(m2)).to_owned())
        }
        _ => None,
    })
}

/// Returns the smallest and the largest size that the first file can have, judged by the length of its body.
pub(super) fn size(seen: &Seen, variant: Variant, server: &ServerKey) -> Option<(usize, usize)> {
    let body = seen.items.iter().find_map(|item| match item {
        Item::Body(body) => Some(body),
        Item::Message(_) => None,
    })?;
    match variant {
        Variant::Plain | Variant::Ap => Some((body.len(), body.len())),
        Variant::Cp1 => {
            let most = ServerKey::block_max(server.modulus_bytes(), Dialect::of(variant).padding);
            let blocks = body.len() / server.modulus_bytes();
            Some((blocks.saturating_sub(1) * most + 1, blocks * most))
        }
        Variant::Cp2 => {
            let padding = body.iter().rev().take_while(|byte| **byte == b'=').count();
            let cipher = (body.len() / 4 * 3).checked_sub(padding + TOKEN_HEAD + TOKEN_TAIL)?;
            Some((cipher.checked_sub(CIPHER_BLOCK)?, cipher - 1))
        }
    }
}

/// A change to the blocks of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Flips one bit in the middle.
    Flip,
    /// Drops the middle block.
    Drop,
    /// Repeats the middle block.
    Repeat,
    /// Swaps the middle block with the next.
    Reorder,
}

/// Changes the middle of a body. In CP2 the change is made beneath the base64, so that the token stays well-formed. For
/// variants without blocks, a block is 64 bytes.
pub(super) fn change(variant: Variant, how: Change, body: Vec<u8>, server: &ServerKey) -> Vec<u8> {
    let (mut bytes, head, tail, block) = match variant {
        Variant::Plain | Variant::Ap => (body, 0, 0, 64),
        Variant::Cp1 => (body, 0, 0, server.modulus_bytes()),
        Variant::Cp2 => match URL_SAFE.decode_to_vec(&body) {
            Ok(token) if token.len() > TOKEN_HEAD + TOKEN_TAIL => {
                (token, TOKEN_HEAD, TOKEN_TAIL, CIPHER_BLOCK)
            }
            _ => return body,
        },
    };
    let blocks = (bytes.len() - head - tail) / block;
    if blocks < 4 {
        return if variant == Variant::Cp2 { URL_SAFE.encode_to_string(&bytes).into_bytes() } else { bytes };
    }
    let middle = head + blocks / 2 * block;
    match how {
        Change::Flip => bytes[middle + block / 2] ^= 1,
        Change::Drop => drop(bytes.drain(middle..middle + block)),
        Change::Repeat => {
            let twice = bytes[middle..middle + block].to_vec();
            bytes.splice(middle..middle, twice);
        }
        Change::Reorder => bytes[middle..middle + 2 * block].rotate_left(block),
    }
    if variant == Variant::Cp2 { URL_SAFE.encode_to_string(&bytes).into_bytes() } else { bytes }
}

/// Creates the MODE 4, 0 and 1 of an upload by the attacker. All that it needs is the server's certificate, which the
/// server sends in its answer to a hello; the server gets nothing else.
pub(super) fn own(
    cast: &Cast,
    server: SocketAddr,
    dialect: Dialect,
    letter: &Letter,
) -> Result<Vec<Item>, LabError> {
    let tcp = Tcp::connect(&server.into(), PATIENCE, &Interrupter::default())?;
    let (silent, log) = (Arc::new(AtomicBool::new(false)), Arc::default());
    let tap = Tap { tcp, silent: Arc::clone(&silent), log: Arc::clone(&log) };
    let go_silent = || silent.store(true, Ordering::SeqCst);
    let mut upload = match Start::new(Connection::new(Box::new(tap), PATIENCE), dialect) {
        Start::Plain(upload) => {
            go_silent();
            *upload
        }
        Start::Unproven(server) => {
            let proven = server.prove(&cast.anchor, None)?;
            go_silent();
            proven.begin()?
        }
    };
    let mut content = letter.content.as_slice();
    let size = content.len() as u64;
    upload.file(letter.name, Content::Reader(&mut content), size, &Meter::default())?;
    drop(upload);
    let bytes = log.lock();
    Ok(Reader::default().read(&bytes))
}

/// A connection whose writes can be diverted into a log.
struct Tap {
    tcp: Tcp,
    silent: Arc<AtomicBool>,
    log: Arc<Mutex<Vec<u8>>>,
}

impl Read for Tap {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.tcp.read(buffer)
    }
}

impl Write for Tap {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.silent.load(Ordering::SeqCst) {
            return self.tcp.write(bytes);
        }
        self.log.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}

impl Stream for Tap {
    fn now(&self) -> Instant {
        self.tcp.now()
    }

    fn set_deadline(&mut self, at: Option<Instant>) -> io::Result<()> {
        self.tcp.set_deadline(at)
    }

    fn interrupter(&self) -> Interrupter {
        self.tcp.interrupter()
    }

    fn finish_writing(&mut self) -> io::Result<()> {
        self.tcp.finish_writing()
    }

    fn buffer_little(&mut self) {
        self.tcp.buffer_little();
    }

    fn reset(&mut self) {
        self.tcp.reset();
    }
}
