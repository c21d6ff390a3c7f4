//! The settings of a client's dialect: the variant, and the deviations that third-party servers need
//! (docs/protocol.md).
//!
//! Each setting is one enum. Its words on the command line, in the environment and in the file of presets come from
//! `clap`, its words in events from `serde`, the list of its values from `strum`. A new setting is an enum and a
//! field of [`Dialect`] here, a row in `cli/layer.rs`, and the code in `net` that acts on it.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use strum::{Display, VariantArray};

/// The four variants of the protocol, in the order of their protection.
#[derive(
    Debug,
    Display,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Default,
    Serialize,
    Deserialize,
    ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// No authentication, no encryption.
    Plain,
    /// Server authenticated; content in clear.
    #[strum(to_string = "AP")]
    Ap,
    /// AP, then every block of the file encrypted with the server's RSA key.
    #[strum(to_string = "CP1")]
    Cp1,
    /// AP, then a session key under the server's RSA key, and the file as one Fernet token.
    #[default]
    #[strum(to_string = "CP2")]
    Cp2,
}

impl Variant {
    /// All variants, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Plain, Self::Ap, Self::Cp1, Self::Cp2];

    /// Returns `plain`, `ap`, `cp1` or `cp2`, the word in files and events.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Ap => "ap",
            Self::Cp1 => "cp1",
            Self::Cp2 => "cp2",
        }
    }

    /// Returns whether the content is encrypted.
    #[must_use]
    pub const fn is_secret(self) -> bool {
        matches!(self, Self::Cp1 | Self::Cp2)
    }

    /// Returns whether the server is authenticated before a byte of a file is sent.
    #[must_use]
    pub const fn authenticates(self) -> bool {
        !matches!(self, Self::Plain)
    }
}

/// The RSA padding of CP1's blocks and of CP2's session key. k is the length of the modulus in bytes.
#[derive(
    Debug, Display, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ValueEnum, VariantArray,
)]
#[serde(rename_all = "lowercase")]
pub enum Padding {
    /// OAEP with SHA-256 and MGF1-SHA-256: at most k − 66 bytes a block.
    #[default]
    #[strum(to_string = "OAEP")]
    Oaep,
    /// PKCS #1 v1.5 type 2: at most k − 11 bytes a block.
    #[strum(to_string = "PKCS1v15")]
    Pkcs1v15,
}

impl Padding {
    /// Returns the next padding; after the last comes the first.
    #[must_use]
    pub fn next(self) -> Self {
        let mut all = Self::VARIANTS.iter().copied().cycle().skip_while(|padding| *padding != self);
        all.nth(1).unwrap_or(self)
    }
}

/// How CP1's blocks follow MODE 1. The assignment leaves it open (docs/protocol.md, section CP1).
#[derive(
    Debug,
    Display,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Default,
    Serialize,
    Deserialize,
    ValueEnum,
    VariantArray,
)]
#[value(rename_all = "verbatim")]
pub enum Framing {
    /// M1 = total encrypted length, then all blocks.
    #[default]
    A,
    /// M1 = number of blocks, then (k, block) pairs.
    B,
    /// M1 = plaintext length, then (k, block) pairs.
    C,
    /// (k, block) pairs, then the terminator 2^64 − 1.
    D,
    /// (k, block) pairs without a terminator.
    E,
    /// M1 = total encrypted length, then (k, block) pairs.
    F,
}

/// What follows the last (k, block) pair of CP1. It ends framing D; some third-party servers expect one in other
/// framings.
#[derive(
    Debug, Display, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ValueEnum, VariantArray,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Terminator {
    /// No bytes.
    None,
    /// The integer 2^64 − 1.
    Max,
    /// The integer 0.
    #[serde(rename = "0")]
    #[value(name = "0")]
    #[strum(to_string = "0")]
    Zero,
    /// The integer 1.
    #[serde(rename = "1")]
    #[value(name = "1")]
    #[strum(to_string = "1")]
    One,
    /// The integer 10000.
    #[serde(rename = "10000")]
    #[value(name = "10000")]
    #[strum(to_string = "10000")]
    TenThousand,
    /// The integer 3, then the letters `end`.
    End,
}

impl Terminator {
    /// Returns the terminator that a framing has by default.
    #[must_use]
    pub const fn of(framing: Framing) -> Self {
        match framing {
            Framing::D => Self::Max,
            _ => Self::None,
        }
    }

    /// Returns its bytes on the wire.
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

    /// Returns the terminator whose first integer is `value`.
    #[must_use]
    pub fn beginning(value: u64) -> Option<Self> {
        let mut all = Self::VARIANTS.iter().copied();
        all.find(|terminator| terminator.bytes().starts_with(&value.to_be_bytes()))
    }
}

/// How CP2 writes the session key inside MODE 4, and the token.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ValueEnum, VariantArray,
)]
#[serde(rename_all = "lowercase")]
pub enum KeyForm {
    /// 44 bytes of base64url, and a Fernet token in base64url.
    #[default]
    Fernet,
    /// 32 bytes, and a token without base64 (the C edition of the assignment).
    Raw,
}

/// What the client asks the server to sign.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ValueEnum, VariantArray,
)]
#[serde(rename_all = "lowercase")]
pub enum AuthMessage {
    /// The hello: random, in ASCII, and announces what follows.
    #[default]
    Ascii,
    /// The hello with the Unix time, which some third-party servers require.
    Timestamp,
    /// 32 random bytes, which announce nothing.
    Random32,
}

/// The width of MODE 4's length field.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ValueEnum, VariantArray,
)]
#[serde(rename_all = "lowercase")]
pub enum KeyLength {
    /// 8 bytes, like every other length.
    #[default]
    #[value(name = "8")]
    Eight,
    /// 16 bytes, as one known third-party client and server have it.
    #[value(name = "16")]
    Sixteen,
}

/// How CP1 sends an empty file.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ValueEnum, VariantArray,
)]
#[serde(rename_all = "lowercase")]
pub enum EmptyFile {
    /// One encrypted block without content.
    #[default]
    Block,
    /// No block.
    Zero,
}

/// What MODE 0 carries as the file's name.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ValueEnum, VariantArray,
)]
#[serde(rename_all = "lowercase")]
pub enum NameAs {
    /// The last part of the path.
    #[default]
    Base,
    /// The path as typed; servers keep what follows the last `/`.
    Path,
}

/// The settings of a client's dialect. A field that the variant does not use has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Dialect {
    /// The protection.
    pub variant: Variant,
    /// RSA padding of CP1's blocks and CP2's session key.
    pub padding: Padding,
    /// Framing of CP1's blocks.
    pub framing: Framing,
    /// What follows CP1's last pair; `None`: the framing's own terminator.
    pub terminator: Option<Terminator>,
    /// Form of CP2's session key and token.
    pub key_form: KeyForm,
    /// Width of the length field in CP2's MODE 4.
    pub key_length: KeyLength,
    /// Form of an empty file in CP1.
    pub empty: EmptyFile,
    /// The message to sign in AP, CP1 and CP2.
    pub auth_message: AuthMessage,
    /// The file's name in MODE 0.
    pub name_as: NameAs,
}

impl Dialect {
    /// Returns the variant with the defaults, which most servers understand.
    #[must_use]
    pub fn of(variant: Variant) -> Self {
        Self { variant, ..Self::default() }
    }

    /// Returns what follows the last (k, block) pair. Framing A has no pairs.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The words are part of the command line, of saved presets and of `--json`; history rows hold `Variant::word`.
    #[test]
    fn every_value_has_its_words() {
        fn words<T: ValueEnum + Serialize>() -> Vec<(String, String)> {
            let word = |value: &T| value.to_possible_value().unwrap().get_name().to_owned();
            let event = |value: &T| serde_json::to_value(value).unwrap().as_str().unwrap().to_owned();
            T::value_variants().iter().map(|value| (word(value), event(value))).collect()
        }
        fn same(words: &[&str]) -> Vec<(String, String)> {
            words.iter().map(|word| ((*word).to_owned(), (*word).to_owned())).collect()
        }
        assert_eq!(words::<Variant>(), same(&["plain", "ap", "cp1", "cp2"]));
        assert_eq!(words::<Variant>(), same(&Variant::ALL.map(Variant::word)));
        assert_eq!(words::<Padding>(), same(&["oaep", "pkcs1v15"]));
        assert_eq!(words::<Framing>(), same(&["A", "B", "C", "D", "E", "F"]));
        assert_eq!(words::<Terminator>(), same(&["none", "max", "0", "1", "10000", "end"]));
        assert_eq!(words::<KeyForm>(), same(&["fernet", "raw"]));
        assert_eq!(words::<AuthMessage>(), same(&["ascii", "timestamp", "random32"]));
        let lengths = [("8", "eight"), ("16", "sixteen")];
        assert_eq!(words::<KeyLength>(), lengths.map(|(word, event)| (word.to_owned(), event.to_owned())));
        assert_eq!(words::<EmptyFile>(), same(&["block", "zero"]));
        assert_eq!(words::<NameAs>(), same(&["base", "path"]));
    }

    #[test]
    fn values_are_displayed_as_people_write_them() {
        assert_eq!(Variant::ALL.map(|variant| variant.to_string()), ["Plain", "AP", "CP1", "CP2"]);
        assert_eq!(format!("{:>5}|{:<9}|", Variant::Ap, Padding::Pkcs1v15), "   AP|PKCS1v15 |");
        assert_eq!(Padding::VARIANTS.iter().map(ToString::to_string).collect::<String>(), "OAEPPKCS1v15");
        assert_eq!(Framing::VARIANTS.iter().map(ToString::to_string).collect::<String>(), "ABCDEF");
        let terminators: Vec<String> = Terminator::VARIANTS.iter().map(ToString::to_string).collect();
        assert_eq!(terminators, ["none", "max", "0", "1", "10000", "end"]);
        assert_eq!((Padding::Oaep.next(), Padding::Pkcs1v15.next()), (Padding::Pkcs1v15, Padding::Oaep));
    }
}
