//! The keys, and what one source says of them.

use std::fmt;
use std::path::PathBuf;

use clap::ValueEnum;

use crate::cli::{
    AuthMessageArg, EmptyArg, FramingArg, KeyFormArg, KeyLengthArg, NameAsArg, PaddingArg, Speak,
    TerminatorArg, VariantArg,
};
use crate::event::{AuthMessage, Dialect, Variant};

/// A setting, called the same on the command line, in the environment and in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// `HOST:PORT`.
    To,
    /// The variant.
    Protocol,
    /// RSA padding.
    Padding,
    /// CP1's framing.
    Framing,
    /// What ends CP1's pairs.
    Terminator,
    /// A file.
    Ca,
    /// What AP signs.
    AuthMessage,
    /// CP2's key and token.
    KeyForm,
    /// CP2's MODE 4: a number, 8 or 16.
    KeyLengthBytes,
    /// CP1's empty files.
    Empty,
    /// MODE 0.
    NameAs,
    /// A server's key.
    Pin,
    /// A server's common name.
    Expect,
}

impl Key {
    /// All of them, in the order in which they are written.
    pub const ALL: [Self; 13] = [
        Self::To,
        Self::Protocol,
        Self::Padding,
        Self::Framing,
        Self::Terminator,
        Self::Ca,
        Self::AuthMessage,
        Self::KeyForm,
        Self::KeyLengthBytes,
        Self::Empty,
        Self::NameAs,
        Self::Pin,
        Self::Expect,
    ];

    /// In the file, and after `--`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::To => "to",
            Self::Protocol => "protocol",
            Self::Padding => "padding",
            Self::Framing => "framing",
            Self::Terminator => "terminator",
            Self::Ca => "ca",
            Self::AuthMessage => "auth-message",
            Self::KeyForm => "key-form",
            Self::KeyLengthBytes => "key-length-bytes",
            Self::Empty => "empty",
            Self::NameAs => "name-as",
            Self::Pin => "pin",
            Self::Expect => "expect",
        }
    }

    /// In the environment.
    #[must_use]
    pub fn variable(self) -> String {
        format!("UPSEAL_{}", self.name().replace('-', "_").to_ascii_uppercase())
    }

    /// Whether it is said of one server, so that it can be no default for others.
    #[must_use]
    pub const fn is_of_one_server(self) -> bool {
        matches!(self, Self::Pin | Self::Expect)
    }
}

/// What one source says; `None` where it is silent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layer {
    /// `HOST:PORT`; not empty.
    pub to: Option<String>,
    /// The variant.
    pub protocol: Option<VariantArg>,
    /// RSA padding.
    pub padding: Option<PaddingArg>,
    /// CP1's framing.
    pub framing: Option<FramingArg>,
    /// What ends CP1's pairs.
    pub terminator: Option<TerminatorArg>,
    /// The CA's file; from the file of presets: absolute.
    pub ca: Option<PathBuf>,
    /// What AP signs.
    pub auth_message: Option<AuthMessageArg>,
    /// CP2's key and token.
    pub key_form: Option<KeyFormArg>,
    /// CP2's MODE 4.
    pub key_length_bytes: Option<KeyLengthArg>,
    /// CP1's empty files.
    pub empty: Option<EmptyArg>,
    /// MODE 0.
    pub name_as: Option<NameAsArg>,
    /// The server's key by its fingerprint, as it was written; not empty.
    pub pin: Option<String>,
    /// The common name of the server's certificate; not empty.
    pub expect: Option<String>,
}

impl Layer {
    /// This, and what it leaves open from a weaker one.
    #[must_use]
    pub fn or(self, weaker: Self) -> Self {
        Self {
            to: self.to.or(weaker.to),
            protocol: self.protocol.or(weaker.protocol),
            padding: self.padding.or(weaker.padding),
            framing: self.framing.or(weaker.framing),
            terminator: self.terminator.or(weaker.terminator),
            ca: self.ca.or(weaker.ca),
            auth_message: self.auth_message.or(weaker.auth_message),
            key_form: self.key_form.or(weaker.key_form),
            key_length_bytes: self.key_length_bytes.or(weaker.key_length_bytes),
            empty: self.empty.or(weaker.empty),
            name_as: self.name_as.or(weaker.name_as),
            pin: self.pin.or(weaker.pin),
            expect: self.expect.or(weaker.expect),
        }
    }

    /// The flags that make this dialect: the variant, and what is not the default or has an effect.
    #[must_use]
    pub fn speaking(dialect: Dialect) -> Self {
        let usual = Dialect::of(dialect.variant);
        let cp1 = dialect.variant == Variant::Cp1;
        let word = |word: &dyn fmt::Display| word.to_string().to_lowercase();
        let values = [
            (true, Key::Protocol, dialect.variant.word().to_owned()),
            (dialect.variant.is_secret(), Key::Padding, word(&dialect.padding)),
            (cp1, Key::Framing, dialect.framing.to_string()),
            (cp1 && dialect.terminator.is_some(), Key::Terminator, dialect.terminator().to_string()),
            (dialect.key_form != usual.key_form, Key::KeyForm, "raw".to_owned()),
            (dialect.key_length != usual.key_length, Key::KeyLengthBytes, "16".to_owned()),
            (dialect.empty != usual.empty, Key::Empty, "zero".to_owned()),
            (dialect.auth_message == AuthMessage::Timestamp, Key::AuthMessage, "timestamp".to_owned()),
            (dialect.auth_message == AuthMessage::Random32, Key::AuthMessage, "random32".to_owned()),
            (dialect.name_as != usual.name_as, Key::NameAs, "path".to_owned()),
        ];
        let mut layer = Self::default();
        for (_, key, value) in values.into_iter().filter(|(is_said, ..)| *is_said) {
            // These are the values' own words, which the test goes through.
            let _ = layer.set(key, &value);
        }
        layer
    }

    /// The keys that it says something of, and what, as it would be written.
    pub fn said(&self) -> impl Iterator<Item = (Key, String)> + '_ {
        Key::ALL.into_iter().filter_map(|key| self.text(key).map(|value| (key, value)))
    }

    /// Takes a value in.
    ///
    /// # Errors
    /// What the key's value may be, where this one is not.
    pub fn set(&mut self, key: Key, value: &str) -> Result<(), String> {
        match key {
            Key::To => self.to = Some(words(value, "it is HOST:PORT")?),
            Key::Protocol => self.protocol = Some(choice(value)?),
            Key::Padding => self.padding = Some(choice(value)?),
            Key::Framing => self.framing = Some(choice(value)?),
            Key::Terminator => self.terminator = Some(choice(value)?),
            Key::Ca => self.ca = Some(words(value, "it is the path of a certificate in PEM")?.into()),
            Key::AuthMessage => self.auth_message = Some(choice(value)?),
            Key::KeyForm => self.key_form = Some(choice(value)?),
            Key::KeyLengthBytes => self.key_length_bytes = Some(choice(value)?),
            Key::Empty => self.empty = Some(choice(value)?),
            Key::NameAs => self.name_as = Some(choice(value)?),
            Key::Pin => self.pin = Some(pin(value)?),
            Key::Expect => self.expect = Some(words(value, "it is a common name")?),
        }
        Ok(())
    }

    /// What it says of a key, as it would be written. A path that is not UTF-8 loses bytes.
    #[must_use]
    pub fn text(&self, key: Key) -> Option<String> {
        match key {
            Key::To => self.to.clone(),
            Key::Protocol => self.protocol.as_ref().map(name),
            Key::Padding => self.padding.as_ref().map(name),
            Key::Framing => self.framing.as_ref().map(name),
            Key::Terminator => self.terminator.as_ref().map(name),
            Key::Ca => self.ca.as_ref().map(|ca| ca.to_string_lossy().into_owned()),
            Key::AuthMessage => self.auth_message.as_ref().map(name),
            Key::KeyForm => self.key_form.as_ref().map(name),
            Key::KeyLengthBytes => self.key_length_bytes.as_ref().map(name),
            Key::Empty => self.empty.as_ref().map(name),
            Key::NameAs => self.name_as.as_ref().map(name),
            Key::Pin => self.pin.clone(),
            Key::Expect => self.expect.clone(),
        }
    }
}

impl From<Speak> for Layer {
    fn from(flags: Speak) -> Self {
        Self {
            to: flags.to,
            protocol: flags.protocol,
            padding: flags.padding,
            framing: flags.framing,
            terminator: flags.terminator,
            ca: flags.ca,
            auth_message: flags.auth_message,
            key_form: flags.key_form,
            key_length_bytes: flags.key_length_bytes,
            empty: flags.empty,
            name_as: flags.name_as,
            pin: flags.pin,
            expect: flags.expect,
        }
    }
}

fn words(value: &str, allowed: &str) -> Result<String, String> {
    if value.trim().is_empty() { Err(allowed.to_owned()) } else { Ok(value.to_owned()) }
}

/// In one spelling, as the flag has it.
fn pin(value: &str) -> Result<String, String> {
    crate::cli::pin(value).map_err(|_| "it is sha256: and 64 hexadecimal digits".to_owned())
}

fn choice<T: ValueEnum>(value: &str) -> Result<T, String> {
    T::from_str(value, true).map_err(|_| {
        let all: Vec<String> = T::value_variants().iter().map(name).collect();
        format!("it is one of {}", all.join(", "))
    })
}

/// As on the command line. No value of ours is hidden from it, so each has a name.
fn name<T: ValueEnum>(value: &T) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}
