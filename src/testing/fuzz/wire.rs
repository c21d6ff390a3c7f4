//! Decoders of the wire: messages, the framings of CP1's blocks, answers to MODE 3.

use super::Input;
use crate::event::{Framing, Terminator};
use crate::net::ending::Behind;
use crate::net::framing::{Body, FramingError, Layout, Step};
use crate::net::handshake::{Answer, AnswerDecoder, AnswerError};
use crate::net::refusal::{Heard, hear};
use crate::net::wire::{Continuation, Decoder, Message, Part, WireError};
use crate::net::word::{Mode, WORD, read_word, word};

/// The server's decoder of messages: pieces do not matter, no message exceeds its limit, and each encodes to its bytes.
pub(super) fn frames(data: &[u8]) {
    let mut input = Input(data);
    let k = input.one_of(&[None, Some(128), Some(256), Some(3)]);
    let behind = input.one_of(&[Behind::Unknown, Behind::Silence, Behind::End]);
    let size = usize::from(input.byte()) + 1;
    let bytes = input.rest();
    let whole = read_messages(bytes, k, behind, usize::MAX);
    assert_eq!(whole, read_messages(bytes, k, behind, size), "in pieces of {size}");
    assert_eq!(whole, read_messages(bytes, k, behind, 1), "in pieces of 1");
    let mut from = 0;
    for (to, message) in &whole.0 {
        check_message(message, &bytes[from..*to], k);
        from = *to + skipped(message, bytes.len() - to, k);
    }
}

/// Messages with the positions of their ends, and the position or error at which the decoder stopped.
type Messages = (Vec<(usize, Message)>, Result<usize, WireError>);

fn read_messages(bytes: &[u8], k: Option<u64>, behind: Behind, size: usize) -> Messages {
    let mut decoder = Decoder::default();
    let mut messages = Vec::new();
    let (mut at, mut here) = (0, size.min(bytes.len()));
    loop {
        let behind = if here == bytes.len() { behind } else { Behind::Unknown };
        let (taken, message) = match decoder.feed_before(&bytes[at..here], behind) {
            Ok(fed) => fed,
            Err(why) => return (messages, Err(why)),
        };
        at += taken;
        assert_eq!(decoder.offset(), at as u64);
        match message {
            Some(message) => {
                assert!(decoder.is_between_messages());
                let body = skipped(&message, bytes.len() - at, k);
                if matches!(message, Message::Data { .. } | Message::OneMoreBlock)
                    && let Some(k) = k
                {
                    decoder.set_continuation(Continuation::Blocks { k });
                }
                messages.push((at, message));
                decoder.skip(body as u64);
                at += body;
                here = here.max(at);
            }
            None if here == bytes.len() => return (messages, Ok(at)),
            None => here = here.saturating_add(size).min(bytes.len()),
        }
    }
}

/// Returns how many of the `left` bytes behind a message belong to its body.
fn skipped(message: &Message, left: usize, k: Option<u64>) -> usize {
    let length = match message {
        Message::Data { length } => *length,
        Message::OneMoreBlock => k.unwrap_or_default(),
        _ => 0,
    };
    usize::try_from(length).unwrap_or(usize::MAX).min(left)
}

fn check_message(message: &Message, bytes: &[u8], k: Option<u64>) {
    let (mode, part, m2) = match message {
        Message::Filename(m2) => (Mode::Filename, Part::Filename, m2),
        Message::Authenticate(m2) => (Mode::Authenticate, Part::Message, m2),
        Message::SessionKey(m2) => (Mode::SessionKey, Part::SessionKey, m2),
        Message::Data { length } => return assert_eq!(bytes, [Mode::Data.word(), word(*length)].concat()),
        Message::Close => return assert_eq!(bytes, Mode::Close.word()),
        Message::OneMoreBlock => return assert_eq!(read_word(bytes), k),
        Message::EndOfBlocks => return assert!(matches!(bytes.len(), 8 | 11), "{bytes:?}"),
    };
    assert!(m2.len() as u64 <= part.limit());
    // The length of MODE 4 may have 16 bytes.
    let long = [&mode.word()[..], &word(0), &word(m2.len() as u64), m2].concat();
    assert!(bytes == mode.message(m2) || (mode == Mode::SessionKey && bytes == long), "{message:?}");
}

/// What a body of CP1 is read as.
#[derive(Debug, Default, PartialEq, Eq)]
struct Read {
    /// The blocks one after another; the last may be cut.
    blocks: Vec<u8>,
    plain: Vec<u8>,
    /// Bytes that were taken.
    at: usize,
    /// Whether the body came to its end.
    is_whole: bool,
    error: Option<FramingError>,
}

/// The framings of CP1's blocks, over a toy cipher: the first byte of a block is the number of bytes that it holds.
pub(super) fn framings(data: &[u8]) {
    let mut input = Input(data);
    let named = input.one_of(&[
        None,
        Some(Framing::A),
        Some(Framing::B),
        Some(Framing::C),
        Some(Framing::D),
        Some(Framing::E),
        Some(Framing::F),
    ]);
    let k = input.one_of(&[16, 8, 9, 128]);
    let size = usize::from(input.byte()) + 1;
    match (named, input.byte()) {
        (Some(framing), terminator) if terminator > 0 => {
            write_and_read(framing, terminator, k, size, input.rest());
        }
        _ => {
            let whole = read_body(input.rest(), k, named, usize::MAX);
            assert_eq!(whole, read_body(input.rest(), k, named, size), "in pieces of {size}");
            assert_eq!(whole, read_body(input.rest(), k, named, 1), "in pieces of 1");
        }
    }
}

/// Returns the bytes that one block holds at most.
const fn most(k: usize) -> usize {
    k - 6
}

fn read_body(bytes: &[u8], k: usize, named: Option<Framing>, size: usize) -> Read {
    let mut read = Read::default();
    let Some(m1) = read_word(bytes) else { return read };
    let mut body = Body::new(m1, k as u64, named);
    read.at = WORD;
    let mut here = WORD.saturating_add(size).min(bytes.len());
    let mut opened = 0;
    // Blocks that were certain at some time.
    let mut certain = 0;
    loop {
        let pairs = read.blocks.len() / k;
        if read.blocks.len().is_multiple_of(k) {
            let more = body.certain_pairs(&bytes[read.at..here], read.plain.len() as u64, most(k));
            certain = certain.max(more.saturating_add(pairs as u64));
        }
        match body.next(&bytes[read.at..here], read.plain.len() as u64) {
            Err(why) => {
                read.error = Some(why);
                return read;
            }
            Ok(Step::More) if here == bytes.len() => return read,
            Ok(Step::More) => here = here.saturating_add(size).min(bytes.len()),
            Ok(Step::Skip(length)) => read.at += length,
            Ok(Step::Blocks { skip, length }) => {
                assert!(length > 0);
                let from = read.at + skip;
                read.at = from + length;
                read.blocks.extend_from_slice(&bytes[from..read.at]);
                for block in read.blocks[opened..].chunks_exact(k) {
                    let held = usize::from(block[0]) % (most(k) + 1);
                    read.plain.extend_from_slice(&block[1..=held]);
                }
                opened = read.blocks.len() / k * k;
            }
            Ok(Step::End) => match body.continuation() {
                Continuation::Blocks { k: next } if read_word(&bytes[read.at..]) == Some(next) => {
                    assert_eq!(next, k as u64);
                    body = Body::one_more_block(next);
                    read.at += WORD;
                    here = here.max(read.at);
                }
                _ => {
                    assert!(read.blocks.len().is_multiple_of(k), "it ends in a block");
                    assert!(certain <= pairs as u64, "{certain} pairs were certain, {pairs} came");
                    read.is_whole = true;
                    return read;
                }
            },
        }
    }
}

/// Writes a file in a framing, and reads it back.
fn write_and_read(framing: Framing, terminator: u8, k: usize, size: usize, file: &[u8]) {
    // Only D may end in any of them; the hello names no other framing with a terminator.
    let terminators =
        [Terminator::Max, Terminator::Zero, Terminator::One, Terminator::TenThousand, Terminator::End];
    let terminator = match framing {
        Framing::D => terminators[usize::from(terminator) % terminators.len()],
        _ => Terminator::None,
    };
    let mut blocks = Vec::new();
    for chunk in file.chunks(most(k)) {
        let start = blocks.len();
        blocks.push(u8::try_from(chunk.len()).unwrap());
        blocks.extend_from_slice(chunk);
        blocks.resize(start + k, 0xee);
    }
    let count = (blocks.len() / k) as u64;
    let layout = Layout::of(framing, terminator, file.len() as u64, count, k as u64);
    let mut bytes: Vec<u8> = layout.m1.map(word).into_iter().flatten().collect();
    layout.frame(&blocks, k, &mut bytes);
    bytes.extend_from_slice(layout.terminator.bytes());
    let end = bytes.len();
    bytes.extend(Mode::Close.word());
    for size in [size, usize::MAX] {
        let read = read_body(&bytes, k, Some(framing), size);
        assert_eq!(read.error, None, "{framing} {terminator:?}");
        assert!(read.is_whole && read.plain == file && read.at == end, "{framing} {terminator:?} {read:?}");
    }
}

/// The client's decoder of answers: pieces do not matter, and the parts are those that came.
pub(super) fn answers(data: &[u8]) {
    let mut input = Input(data);
    let is_receipt = input.byte() & 1 == 1;
    let size = usize::from(input.byte()) + 1;
    let bytes = input.rest();
    let decoder = || if is_receipt { AnswerDecoder::for_receipt() } else { AnswerDecoder::default() };
    let whole = read_answer(decoder(), bytes, usize::MAX);
    assert_eq!(whole, read_answer(decoder(), bytes, size), "in pieces of {size}");
    if let Ok((taken, Some(answer))) = whole {
        let part = |bytes: &[u8]| [&word(bytes.len() as u64)[..], bytes].concat();
        let (first, second) = (part(&answer.signature), part(&answer.certificate));
        let came = &bytes[..taken];
        assert!(came == [&first[..], &second].concat() || came == [&second[..], &first].concat());
    }
    if let Heard::Refused(Some(notice)) = hear(bytes) {
        assert_eq!(hear(&notice.bytes(true)), Heard::Refused(Some(notice)));
    }
}

fn read_answer(
    mut decoder: AnswerDecoder,
    bytes: &[u8],
    size: usize,
) -> Result<(usize, Option<Answer>), AnswerError> {
    let mut at = 0;
    for piece in bytes.chunks(size) {
        let (taken, answer) = decoder.feed(piece)?;
        at += taken;
        if answer.is_some() {
            return Ok((at, answer));
        }
        assert_eq!(taken, piece.len());
    }
    Ok((at, None))
}
