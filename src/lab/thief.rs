//! What an attacker can work out from the bytes that pass by, and what he can make of his own.

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
use crate::net::stream::{Interrupter, Stream, Tcp};
use crate::net::upload::{Content, Start};
use crate::net::wire::Message;

/// Bytes of a piece that is looked for: nobody guesses as many.
const PIECE: usize = 32;
/// Of a Fernet token: version, time, IV before the ciphertext; the HMAC behind it.
const TOKEN_HEAD: usize = 25;
const TOKEN_TAIL: usize = 32;
/// Of AES-CBC.
const CIPHER_BLOCK: usize = 16;

/// How many pieces of a file were found in what passed by, as it is or under base64, and of how many.
pub fn pieces(seen: &Seen, content: &[u8]) -> (usize, usize) {
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

/// The first name that passed by.
pub fn name(seen: &Seen) -> Option<String> {
    seen.items.iter().find_map(|item| match item {
        Item::Message(Message::Filename(name)) => Some(String::from_utf8_lossy(name).into_owned()),
        _ => None,
    })
}

/// The smallest and the largest size that the first file can have, from the length of its body.
pub fn size(seen: &Seen, variant: Variant, server: &ServerKey) -> Option<(usize, usize)> {
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

/// What is done to the blocks of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// One bit in the middle.
    Flip,
    /// The middle block is left out.
    Drop,
    /// It comes twice.
    Repeat,
    /// It comes after the next.
    Reorder,
}

/// A body with this done to its middle; in CP2 beneath the base64, so that the token is one in its form. What a
/// block is, is 64 bytes where the variant has none.
pub fn change(variant: Variant, how: Change, body: Vec<u8>, server: &ServerKey) -> Vec<u8> {
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

/// MODE 4, 0 and 1 of an upload of the attacker's own, for this server: its certificate is all that it takes. The
/// server signs a hello for it, and gets nothing else.
pub fn own(
    cast: &Cast,
    server: SocketAddr,
    dialect: Dialect,
    letter: &Letter,
) -> Result<Vec<Item>, LabError> {
    let tcp = Tcp::connect(&server.to_string(), PATIENCE, &Interrupter::default())?;
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

/// A connection whose writes are kept from some moment on, and go nowhere.
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
