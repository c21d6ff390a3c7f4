//! A strict server of one dialect: reads what our client sends, and panics on anything else.

use aes::Aes128;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt as _, KeyIvInit as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use rsa::sha2::Sha256;
use rsa::traits::PublicKeyParts as _;
use rsa::{Oaep, Pkcs1v15Encrypt};
use upseal::event::{AuthMessage, Dialect, EmptyFile, Framing, KeyForm, KeyLength, Padding, Variant};
use upseal::testing::clock;

use crate::common::K;
use crate::speaker::KEY;

/// The bytes of a connection, read from the front.
struct Wire<'a>(&'a [u8]);

impl<'a> Wire<'a> {
    fn bytes(&mut self, n: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(n);
        self.0 = rest;
        bytes
    }

    fn word(&mut self) -> u64 {
        u64::from_be_bytes(self.bytes(8).try_into().unwrap())
    }

    fn expect(&mut self, value: u64, what: &str) {
        assert_eq!(self.word(), value, "{what}");
    }

    /// Reads a length and that many bytes.
    fn blob(&mut self) -> &'a [u8] {
        let length = usize::try_from(self.word()).unwrap();
        self.bytes(length)
    }
}

/// Reads one upload from MODE 3 to MODE 2; returns the file's name and content.
pub(crate) fn listen(dialect: Dialect, bytes: &[u8]) -> (String, Vec<u8>) {
    let mut wire = Wire(bytes);
    let mut session = None;
    if dialect.variant != Variant::Plain {
        wire.expect(3, "MODE 3");
        let challenge = wire.blob();
        match dialect.auth_message {
            AuthMessage::Random32 => assert_eq!(challenge.len(), 32),
            AuthMessage::Ascii => assert!(challenge.len() == 128 && challenge.is_ascii()),
            AuthMessage::Timestamp => {
                assert!(challenge.len() == 128 && challenge.starts_with(b"upseal/1 "));
                let time = u64::from_be_bytes(challenge[16..24].try_into().unwrap());
                let now = clock::unix_seconds().unsigned_abs();
                assert!(time.abs_diff(now) < 300, "{time}");
            }
        }
    }
    if dialect.variant == Variant::Cp2 {
        wire.expect(4, "MODE 4");
        if dialect.key_length == KeyLength::Sixteen {
            wire.expect(0, "the high half of a length of 16 bytes");
        }
        session = Some(session_key(dialect, wire.blob()));
    }
    wire.expect(0, "MODE 0");
    let name = String::from_utf8(wire.blob().to_vec()).unwrap();
    wire.expect(1, "MODE 1");
    let content = match dialect.variant {
        Variant::Plain | Variant::Ap => wire.blob().to_vec(),
        Variant::Cp1 => blocks(dialect, &mut wire),
        Variant::Cp2 => token(dialect, wire.blob(), &session.unwrap()),
    };
    wire.expect(2, "MODE 2");
    assert_eq!(wire.0, b"", "after MODE 2");
    (name, content)
}

fn open(dialect: Dialect, block: &[u8]) -> Vec<u8> {
    assert_eq!(block.len(), K);
    match dialect.padding {
        Padding::Oaep => KEY.decrypt(Oaep::<Sha256>::new(), block).unwrap(),
        Padding::Pkcs1v15 => {
            let plain = KEY.decrypt(Pkcs1v15Encrypt, block).unwrap();
            // The crate returns random bytes for wrong padding (implicit rejection), so check the raw result.
            let c = rsa::BoxedUint::from_be_slice(block, KEY.n_bits_precision()).unwrap();
            let em = rsa::hazmat::rsa_decrypt_and_check(&*KEY, None::<&mut getrandom::SysRng>, &c)
                .unwrap()
                .to_be_bytes();
            let em = &em[em.len() - K..];
            assert!(em[..2] == [0, 2] && em.ends_with(&plain) && em[K - plain.len() - 1] == 0);
            plain
        }
    }
}

/// Reads a body of blocks in exactly the dialect's framing.
fn blocks(dialect: Dialect, wire: &mut Wire) -> Vec<u8> {
    let k = K as u64;
    let m1 = wire.word();
    if m1 == 0 && dialect.empty == EmptyFile::Zero {
        return Vec::new();
    }
    let mut plain = Vec::new();
    let pair = |wire: &mut Wire, plain: &mut Vec<u8>| {
        wire.expect(k, "a block's length");
        plain.extend(open(dialect, wire.bytes(K)));
    };
    match dialect.framing {
        Framing::A => {
            assert!(m1 > 0 && m1.is_multiple_of(k), "M1 = {m1}");
            for _ in 0..m1 / k {
                plain.extend(open(dialect, wire.bytes(K)));
            }
        }
        Framing::B => (0..m1).for_each(|_| pair(wire, &mut plain)),
        Framing::C => loop {
            pair(wire, &mut plain);
            if plain.len() as u64 >= m1 {
                assert_eq!(plain.len() as u64, m1);
                break;
            }
        },
        Framing::D if m1 == u64::MAX => {}
        Framing::D | Framing::E => {
            assert_eq!(m1, k, "the first block's length");
            plain.extend(open(dialect, wire.bytes(K)));
            let end = if dialect.framing == Framing::D { u64::MAX } else { 2 };
            while !wire.0.starts_with(&end.to_be_bytes()) {
                pair(wire, &mut plain);
            }
            if dialect.framing == Framing::D {
                wire.expect(u64::MAX, "the terminator");
            }
        }
        Framing::F => (0..m1 / k).for_each(|_| pair(wire, &mut plain)),
    }
    plain
}

fn session_key(dialect: Dialect, wrapped: &[u8]) -> Vec<u8> {
    let key = open(dialect, wrapped);
    match dialect.key_form {
        KeyForm::Fernet => base64_simd::URL_SAFE.decode_to_vec(&key).unwrap(),
        KeyForm::Raw => key,
    }
}

fn token(dialect: Dialect, token: &[u8], session: &[u8]) -> Vec<u8> {
    if dialect.key_form == KeyForm::Fernet {
        let key = base64_simd::URL_SAFE.encode_to_string(session);
        return fernet::Fernet::new(&key).unwrap().decrypt(str::from_utf8(token).unwrap()).unwrap();
    }
    let (signing, encryption) = session.split_at(16);
    let (signed, tag) = token.split_at(token.len() - 32);
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(signing).unwrap();
    mac.update(signed);
    mac.verify_slice(tag).unwrap();
    let (iv, sealed) = signed.split_at(16);
    let cipher = cbc::Decryptor::<Aes128>::new_from_slices(encryption, iv).unwrap();
    let mut sealed = sealed.to_vec();
    cipher.decrypt_padded::<Pkcs7>(&mut sealed).unwrap().to_vec()
}
