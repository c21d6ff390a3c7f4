//! What a client chooses to speak: the variant, and the ways of those who wrote other servers (PROTOCOL.md).

use std::fmt;

use serde::{Deserialize, Serialize};

/// The four variants of the protocol (seed, Tasks 1 to 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// Bytes as they are; nobody proves anything.
    Plain,
    /// The server proves that a certified key answers; bytes as they are.
    Ap,
    /// AP, then every block of the file under the server's RSA key.
    Cp1,
    /// AP, then a Fernet session key under the RSA key, and the file as one Fernet token.
    Cp2,
}

impl Variant {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Plain, Self::Ap, Self::Cp1, Self::Cp2];

    /// `plain`, `ap`, `cp1`, `cp2`: as files and lines for programs have it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Ap => "ap",
            Self::Cp1 => "cp1",
            Self::Cp2 => "cp2",
        }
    }

    /// Whether the content is encrypted.
    #[must_use]
    pub const fn is_secret(self) -> bool {
        matches!(self, Self::Cp1 | Self::Cp2)
    }

    /// Whether the server proves itself before a byte of a file is sent.
    #[must_use]
    pub const fn authenticates(self) -> bool {
        !matches!(self, Self::Plain)
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Plain => "Plain",
            Self::Ap => "AP",
            Self::Cp1 => "CP1",
            Self::Cp2 => "CP2",
        })
    }
}

/// The RSA padding of CP1's blocks and of CP2's session key (seed, Task 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Padding {
    /// OAEP with SHA-256 and MGF1-SHA-256: at most k − 66 bytes a block.
    Oaep,
    /// PKCS #1 v1.5 type 2 (the seed's "PKCS5"): at most k − 11 bytes a block.
    Pkcs1v15,
}

impl fmt::Display for Padding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Oaep => "OAEP",
            Self::Pkcs1v15 => "PKCS1v15",
        })
    }
}

/// How CP1's blocks follow MODE 1 (PROTOCOL.md, "CP1"; the seed leaves it open).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Framing {
    /// M1 = total encrypted length, then the blocks one after another.
    A,
    /// M1 = number of blocks, then (k, block) pairs.
    B,
    /// M1 = plaintext length, then (k, block) pairs.
    C,
    /// No total: (k, block) pairs, then 2^64 − 1.
    D,
    /// The seed's second way: (k, block) pairs with no terminator.
    E,
    /// M1 = total encrypted length, then (k, block) pairs.
    F,
}

impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// What stands behind the last (k, block) pair of CP1. It ends framing D; other servers want one elsewhere too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Terminator {
    /// Nothing.
    #[serde(rename = "none")]
    None,
    /// 2^64 − 1.
    #[serde(rename = "max")]
    Max,
    /// 0.
    #[serde(rename = "0")]
    Zero,
    /// 1.
    #[serde(rename = "1")]
    One,
    /// 10000.
    #[serde(rename = "10000")]
    TenThousand,
    /// 3, then the letters `end`.
    #[serde(rename = "end")]
    End,
}

impl Terminator {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::None, Self::Max, Self::Zero, Self::One, Self::TenThousand, Self::End];

    /// The terminator of this framing where nothing else is chosen.
    #[must_use]
    pub const fn of(framing: Framing) -> Self {
        match framing {
            Framing::D => Self::Max,
            _ => Self::None,
        }
    }

    /// Its bytes on the wire.
    #[must_use]
    pub const fn bytes(self) -> &'static [u8] {
        match self {
            Self::None => &[],
            Self::Max => const { &u64::MAX.to_be_bytes() },
            Self::Zero => const { &0_u64.to_be_bytes() },
            Self::One => const { &1_u64.to_be_bytes() },
            Self::TenThousand => const { &10_000_u64.to_be_bytes() },
            Self::End => b"\0\0\0\0\0\0\0\x03end",
        }
    }

    /// The terminator whose first integer is this.
    #[must_use]
    pub fn beginning(value: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|terminator| terminator.bytes().starts_with(&value.to_be_bytes()))
    }
}

impl fmt::Display for Terminator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Max => "max",
            Self::Zero => "0",
            Self::One => "1",
            Self::TenThousand => "10000",
            Self::End => "end",
        })
    }
}

/// How CP2's session key is written inside MODE 4, and its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyForm {
    /// 44 bytes of base64url, and a Fernet token.
    #[default]
    Fernet,
    /// 32 bytes, and the handout's C edition's token without base64.
    Raw,
}

/// What the server is asked to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMessage {
    /// Our hello, in ASCII: one known server decodes it as text.
    #[default]
    Ascii,
    /// Our hello with the Unix time in it: one known server demands that.
    Timestamp,
    /// 32 random bytes, and no hint of what follows.
    Random32,
}

/// How MODE 4 writes its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyLength {
    /// In 8 bytes, like every other length.
    #[default]
    Eight,
    /// In 16, as one known pair of programs does.
    Sixteen,
}

/// How CP1 sends an empty file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EmptyFile {
    /// As one encrypted block with nothing in it.
    #[default]
    Block,
    /// As a body of no blocks.
    Zero,
}

/// What MODE 0 carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NameAs {
    /// The path's last part.
    #[default]
    Base,
    /// The path as it was typed; servers keep what follows its last `/`.
    Path,
}

/// What a client chooses to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Dialect {
    /// Which protection.
    pub variant: Variant,
    /// RSA padding, for CP1's blocks and CP2's key; of no effect in Plain and AP.
    pub padding: Padding,
    /// CP1's framing; of no effect elsewhere.
    pub framing: Framing,
    /// What ends CP1's pairs; `None`: what the framing says. Of no effect elsewhere.
    pub terminator: Option<Terminator>,
    /// CP2's key and token; of no effect elsewhere.
    pub key_form: KeyForm,
    /// CP2's MODE 4; of no effect elsewhere.
    pub key_length: KeyLength,
    /// CP1's empty files; of no effect elsewhere.
    pub empty: EmptyFile,
    /// AP's message; of no effect in Plain.
    pub auth_message: AuthMessage,
    /// MODE 0.
    pub name_as: NameAs,
}

impl Dialect {
    /// This variant with the defaults: OAEP, framing A, and what most servers understand.
    #[must_use]
    pub const fn of(variant: Variant) -> Self {
        Self {
            variant,
            padding: Padding::Oaep,
            framing: Framing::A,
            terminator: None,
            key_form: KeyForm::Fernet,
            key_length: KeyLength::Eight,
            empty: EmptyFile::Block,
            auth_message: AuthMessage::Ascii,
            name_as: NameAs::Base,
        }
    }

    /// What stands behind the last (k, block) pair.
    #[must_use]
    pub const fn terminator(&self) -> Terminator {
        match (self.framing, self.terminator) {
            (Framing::A, _) => Terminator::None,
            (_, Some(terminator)) => terminator,
            (framing, None) => Terminator::of(framing),
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.variant {
            Variant::Cp1 => write!(f, "CP1 {}", self.padding),
            Variant::Cp2 => f.pad("CP2 Fernet"),
            other => fmt::Display::fmt(&other, f),
        }
    }
}
