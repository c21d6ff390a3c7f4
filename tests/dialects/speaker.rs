//! The bytes that third-party clients send, written from docs/protocol.md alone.

use std::sync::LazyLock;

use aes::Aes128;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt as _, KeyIvInit as _};
use getrandom::SysRng;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::sha2::Sha256;
use rsa::traits::PaddingScheme as _;
use rsa::{Oaep, Pkcs1v15Encrypt, RsaPrivateKey, RsaPublicKey};
use upseal::event::{Framing, KeyForm, Padding, Variant};

use crate::common::{K, fixtures, message, noise, words};

/// The test server's private key, in the types of the `rsa` crate.
pub(crate) static KEY: LazyLock<RsaPrivateKey> = LazyLock::new(|| {
    let pem = std::fs::read_to_string(fixtures("identity-v1/server_private_key.pem")).unwrap();
    RsaPrivateKey::from_pkcs8_pem(&pem).unwrap()
});

/// Form of the message in MODE 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Challenge {
    Text,
    Bytes,
    /// The hello of our client, which names the dialect.
    Hello,
}

/// Number of times that MODE 2 is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goodbye {
    Once,
    Twice,
    Never,
}

/// Bytes after the last (k, block) pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Terminator {
    /// 2^64 − 1 in framing D, nothing elsewhere.
    ByFraming,
    /// Nothing, also in framing D.
    Nothing,
    /// An integer.
    Word(u64),
    /// The integer 3 and the three letters `end`.
    End,
}

impl Terminator {
    /// Every terminator that a known client sends, and one that none sends (77).
    pub(crate) const ALL: [Self; 8] = [
        Self::ByFraming,
        Self::Nothing,
        Self::Word(u64::MAX),
        Self::Word(0),
        Self::Word(1),
        Self::Word(10_000),
        Self::Word(77),
        Self::End,
    ];

    pub(crate) fn bytes(self, framing: Framing) -> Vec<u8> {
        match self {
            Self::ByFraming if framing == Framing::D => words(&[u64::MAX]),
            Self::ByFraming | Self::Nothing => Vec::new(),
            Self::Word(value) => words(&[value]),
            Self::End => [&words(&[3])[..], b"end"].concat(),
        }
    }
}

/// A client of one dialect.
#[derive(Debug, Clone)]
pub(crate) struct Speaker {
    pub variant: Variant,
    pub padding: Padding,
    pub framing: Framing,
    /// Plaintext bytes of the blocks, in turn; empty if all blocks are full.
    pub lengths: Vec<usize>,
    /// Whether an empty file is sent as one empty block instead of no block.
    pub empty_block: bool,
    /// Whether an empty block follows a full last block.
    pub one_block_too_many: bool,
    pub terminator: Terminator,
    pub key_form: KeyForm,
    pub key_length_bytes: usize,
    /// Number of (k, block) pairs that the session key is sent in; all but one are empty.
    pub key_pieces: usize,
    /// Index of the pair that holds the key, from 0.
    pub key_piece: usize,
    pub challenge: Challenge,
    /// Whether MODE 3, and in CP2 MODE 4, is repeated before each file.
    pub per_file: bool,
    pub goodbye: Goodbye,
}

impl Speaker {
    /// Returns the dialect that the assignment specifies.
    pub(crate) fn of(variant: Variant) -> Self {
        Self {
            variant,
            padding: Padding::Oaep,
            framing: Framing::A,
            lengths: Vec::new(),
            empty_block: true,
            one_block_too_many: false,
            terminator: Terminator::ByFraming,
            key_form: KeyForm::Fernet,
            key_length_bytes: 8,
            key_pieces: 1,
            key_piece: 0,
            challenge: Challenge::Text,
            per_file: false,
            goodbye: Goodbye::Once,
        }
    }

    /// Returns the bytes of a complete connection.
    pub(crate) fn speak(&self, files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let session = Self::session_key();
        for (n, (name, content)) in files.iter().enumerate() {
            if n == 0 || self.per_file {
                bytes.extend(self.opening(&session));
            }
            bytes.extend(message(0, name.as_bytes()));
            bytes.extend(words(&[1]));
            bytes.extend(self.body(content, &session));
        }
        bytes.extend(match self.goodbye {
            Goodbye::Once => words(&[2]),
            Goodbye::Twice => words(&[2, 2]),
            Goodbye::Never => Vec::new(),
        });
        bytes
    }

    fn opening(&self, session: &[u8; 32]) -> Vec<u8> {
        let mut bytes = Vec::new();
        if self.variant != Variant::Plain {
            bytes.extend(message(3, &self.challenge()));
        }
        if self.variant == Variant::Cp2 {
            let key = match self.key_form {
                KeyForm::Fernet => base64_simd::URL_SAFE.encode_to_string(session).into_bytes(),
                KeyForm::Raw => session.to_vec(),
            };
            bytes.extend(words(&[4]));
            bytes.extend(vec![0; self.key_length_bytes - 8]);
            for piece in 0..self.key_pieces {
                let wrapped = self.seal(if piece == self.key_piece { &key } else { &[] });
                bytes.extend(words(&[wrapped.len() as u64]));
                bytes.extend(wrapped);
            }
        }
        bytes
    }

    fn challenge(&self) -> Vec<u8> {
        match self.challenge {
            Challenge::Text => b"Client Request SecureStore ID".to_vec(),
            Challenge::Bytes => noise(32, 7),
            Challenge::Hello => {
                let variant = match self.variant {
                    Variant::Plain | Variant::Ap => 'a',
                    Variant::Cp1 => '1',
                    Variant::Cp2 => '2',
                };
                let padding = if self.padding == Padding::Oaep { 'o' } else { 'p' };
                let key_form = if self.key_form == KeyForm::Fernet { 'f' } else { 'r' };
                let fields = match self.variant {
                    Variant::Plain | Variant::Ap => "---".to_owned(),
                    Variant::Cp1 => format!("{padding}{}-", self.framing),
                    Variant::Cp2 => format!("{padding}-{key_form}"),
                };
                format!("upseal/1 {variant}{fields}-- {}", "0123456789abcdef".repeat(7)).into_bytes()
            }
        }
    }

    /// Encrypts one RSA block.
    fn seal(&self, plain: &[u8]) -> Vec<u8> {
        let key = RsaPublicKey::from(&*KEY);
        match self.padding {
            Padding::Oaep => Oaep::<Sha256>::new().encrypt(&mut SysRng, &key, plain),
            Padding::Pkcs1v15 => Pkcs1v15Encrypt.encrypt(&mut SysRng, &key, plain),
        }
        .unwrap()
    }

    /// Returns the bytes after MODE 1.
    fn body(&self, content: &[u8], session: &[u8; 32]) -> Vec<u8> {
        match self.variant {
            Variant::Plain | Variant::Ap => [words(&[content.len() as u64]), content.to_vec()].concat(),
            Variant::Cp1 => self.blocks(content),
            Variant::Cp2 => {
                let token = match self.key_form {
                    KeyForm::Fernet => {
                        let key = base64_simd::URL_SAFE.encode_to_string(session);
                        fernet::Fernet::new(&key).unwrap().encrypt(content).into_bytes()
                    }
                    KeyForm::Raw => raw_token(content, session),
                };
                [words(&[token.len() as u64]), token].concat()
            }
        }
    }

    fn blocks(&self, content: &[u8]) -> Vec<u8> {
        let k = K as u64;
        let blocks: Vec<Vec<u8>> = self.parts(content).into_iter().map(|part| self.seal(part)).collect();
        let count = blocks.len() as u64;
        let terminator =
            if self.framing == Framing::A { Vec::new() } else { self.terminator.bytes(self.framing) };
        let mut out = match self.framing {
            Framing::A | Framing::F => words(&[count * k]),
            Framing::B => words(&[count]),
            Framing::C => words(&[content.len() as u64]),
            // Without blocks and terminator something has to follow MODE 1.
            Framing::D | Framing::E if count == 0 && terminator.is_empty() => words(&[0]),
            Framing::D | Framing::E => Vec::new(),
        };
        for block in blocks {
            if self.framing != Framing::A {
                out.extend(words(&[k]));
            }
            out.extend(block);
        }
        out.extend(terminator);
        out
    }

    /// Divides the content into the plaintexts of the blocks.
    fn parts<'a>(&self, mut content: &'a [u8]) -> Vec<&'a [u8]> {
        if content.is_empty() {
            return if self.empty_block { vec![content] } else { Vec::new() };
        }
        let full = self.full();
        let mut lengths = self.lengths.iter().copied().cycle();
        let mut parts = Vec::new();
        while !content.is_empty() {
            let (part, rest) = content.split_at(lengths.next().unwrap_or(full).min(full).min(content.len()));
            parts.push(part);
            content = rest;
        }
        if self.one_block_too_many && parts.last().is_some_and(|last| last.len() == full) {
            parts.push(&[]);
        }
        parts
    }

    /// Returns the plaintext bytes of a full block.
    pub(crate) const fn full(&self) -> usize {
        match self.padding {
            Padding::Oaep => K - 66,
            Padding::Pkcs1v15 => K - 11,
        }
    }

    fn session_key() -> [u8; 32] {
        noise(32, 3).try_into().unwrap()
    }
}

/// Returns a token of the assignment's C edition: IV, ciphertext, HMAC over both.
fn raw_token(content: &[u8], session: &[u8; 32]) -> Vec<u8> {
    let (signing, encryption) = session.split_at(16);
    let iv: [u8; 16] = noise(16, 5).try_into().unwrap();
    let mut padded = [content, &[0; 16]].concat();
    let cipher = cbc::Encryptor::<Aes128>::new_from_slices(encryption, &iv).unwrap();
    let sealed = cipher.encrypt_padded::<Pkcs7>(&mut padded, content.len()).unwrap();
    let mut token = [&iv[..], sealed].concat();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(signing).unwrap();
    mac.update(&token);
    token.extend_from_slice(&mac.finalize().into_bytes());
    token
}
