//! The flags that say where a client connects and which dialect it uses. They are also the keys of presets, the
//! `UPSEAL_*` variables and the top of the configuration file.
//!
//! Every setting is one row of the table below: its flag with help text, its key, its type, and the field of
//! [`Dialect`] that it sets.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use strum::{IntoStaticStr, VariantArray};

use super::{KeepMeta, pin};
use crate::event::{
    AuthMessage, Destination, DestinationError, Dialect, EmptyFile, Framing, Jobs, KeyForm, KeyLength, Limit,
    NameAs, NoJobs, NoLimit, Padding, Terminator, Variant,
};

/// Heading of the options that some third-party servers need.
const THIRD_PARTY_SERVERS: &str = "Options for third-party servers";

/// Declares [`Setting`] and [`Layer`].
///
/// A row is `Setting field: Type`, then `=> field of Dialect` if it sets one, then `(read, write)` if its type is not an
/// enum of words.
macro_rules! settings {
    ($(
        $(#[$flag:meta])*
        $key:ident $field:ident: $type:ty $(=> $setting:ident)? $(, ($read:path, $write:path))?;
    )+) => {
        /// The name of a setting: the same on the command line, in the environment and in the file.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
        #[strum(serialize_all = "kebab-case")]
        pub enum Setting {
            $(#[doc = concat!("`--", stringify!($field), "`, with hyphens.")] $key,)+
        }

        /// What one source (flags, a preset, the environment, the top of the file) sets. `None`: not set by it.
        ///
        /// [`config`](crate::config) merges the sources. Clap must not read the environment itself, because
        /// then it could not distinguish a variable from a flag.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
        #[expect(clippy::doc_markdown, reason = "clap prints these words as they are")]
        pub(crate) struct Layer {
            $($(#[$flag])* pub $field: Option<$type>,)+
        }

        impl Layer {
            /// Fills what this layer leaves open from a weaker one.
            #[must_use]
            pub(crate) fn or(self, weaker: Self) -> Self {
                Self { $($field: self.$field.or(weaker.$field),)+ }
            }

            /// Sets a key to the value that is written as `text`.
            ///
            /// # Errors
            /// A description of the values that the key can have.
            pub(crate) fn set(&mut self, key: Setting, text: &str) -> Result<(), String> {
                match key {
                    $(Setting::$key => self.$field = Some(settings!(@read text $($read)?)?),)+
                }
                Ok(())
            }

            /// Returns the value of a key as text. A path that is not UTF-8 loses bytes.
            #[must_use]
            pub(crate) fn text(&self, key: Setting) -> Option<String> {
                match key {
                    $(Setting::$key => self.$field.as_ref().map(|value| settings!(@write value $($write)?)),)+
                }
            }

            /// Returns the dialect; settings that are not given have their defaults.
            #[must_use]
            pub(crate) fn dialect(&self) -> Dialect {
                let mut dialect = Dialect::default();
                $($(if let Some(value) = self.$field {
                    dialect.$setting = value.into();
                })?)+
                dialect
            }

            /// Returns the settings in which a dialect differs from another.
            fn differing(dialect: Dialect, other: Dialect) -> Self {
                let mut layer = Self::default();
                $($(if dialect.$setting != other.$setting {
                    layer.$field = dialect.$setting.into();
                })?)+
                layer
            }
        }
    };
    (@read $text:ident) => { choice($text) };
    (@read $text:ident $read:path) => { $read($text) };
    (@write $value:ident) => { word($value) };
    (@write $value:ident $write:path) => { $write($value) };
}

settings! {
    /// Server to connect to [default: 127.0.0.1:4321; in the UI: its own] [env: UPSEAL_TO]
    ///
    /// The default port is 4321. An IPv6 address is written in brackets. The link that a server prints is accepted too:
    /// upseal://HOST:PORT#sha256-PIN.
    #[arg(long, value_name = "HOST:PORT")]
    To to: Destination, (destination, Destination::to_string);
    /// Protocol variant [default: cp2] [env: UPSEAL_PROTOCOL]
    #[arg(short, long)]
    Protocol protocol: Variant => variant;
    /// RSA padding of CP1's blocks and CP2's session key [default: oaep] [env: UPSEAL_PADDING]
    #[arg(long)]
    Padding padding: Padding => padding;
    /// How CP1's blocks follow MODE 1 [default: A] [env: UPSEAL_FRAMING]
    #[arg(long, ignore_case = true)]
    Framing framing: Framing => framing;
    /// What follows CP1's last block in framings B to F [default: max in D, else none] [env: UPSEAL_TERMINATOR]
    #[arg(long, value_name = "BYTES", hide_short_help = true, help_heading = THIRD_PARTY_SERVERS)]
    Terminator terminator: Terminator => terminator;
    /// CA that the server's certificate must be signed by, PEM [default: certs/cacsertificate.crt] [env: UPSEAL_CA]
    #[arg(long, value_name = "FILE")]
    Ca ca: PathBuf, (path, path_text);
    /// What the server is asked to sign [default: ascii] [env: UPSEAL_AUTH_MESSAGE]
    #[arg(long, value_name = "FORM", hide_short_help = true, help_heading = THIRD_PARTY_SERVERS)]
    AuthMessage auth_message: AuthMessage => auth_message;
    /// How CP2's session key and token are written [default: fernet] [env: UPSEAL_KEY_FORM]
    #[arg(long, value_name = "FORM", hide_short_help = true, help_heading = THIRD_PARTY_SERVERS)]
    KeyForm key_form: KeyForm => key_form;
    /// Bytes of the length before CP2's session key [default: 8] [env: UPSEAL_KEY_LENGTH_BYTES]
    #[arg(long, value_name = "N", hide_short_help = true, help_heading = THIRD_PARTY_SERVERS)]
    KeyLengthBytes key_length_bytes: KeyLength => key_length;
    /// How CP1 sends an empty file [default: block] [env: UPSEAL_EMPTY]
    #[arg(long, value_name = "FORM", hide_short_help = true, help_heading = THIRD_PARTY_SERVERS)]
    Empty empty: EmptyFile => empty;
    /// What MODE 0 carries as the file's name [default: base] [env: UPSEAL_NAME_AS]
    #[arg(long, value_name = "FORM", hide_short_help = true, help_heading = THIRD_PARTY_SERVERS)]
    NameAs name_as: NameAs => name_as;
    /// Modification time and executable bit of files [default: keep] [env: UPSEAL_META]
    ///
    /// With keep they are sent to an upseal server that keeps them, in the clear, with AP, CP1 and CP2.
    #[arg(long, value_name = "WHAT", hide_short_help = true)]
    Meta meta: KeepMeta;
    /// Limit of the bytes that uploads send in a second [default: off] [env: UPSEAL_LIMIT]
    ///
    /// All bytes on the wire count: 5MiB/s, 500KB/s, 5MiB, or a number of bytes; at least 16KiB/s. Races ignore it.
    #[arg(long, value_name = "RATE")]
    Limit limit: Limit, (limit, Limit::to_string);
    /// Most connections that send files at the same time, 1 to 8 [default: 1] [env: UPSEAL_JOBS]
    ///
    /// Only an upseal server gets more than one, and only AP, CP1 and CP2 use more.
    #[arg(long, value_name = "N", hide_short_help = true)]
    Jobs jobs: Jobs, (jobs, Jobs::to_string);
    /// Require this server key [default: the known one, if any]
    #[arg(long, value_name = "sha256:HEX", value_parser = pin)]
    Pin pin: String, (pin_text, String::clone);
    /// Require this CN in the server's certificate [default: any]
    #[arg(long, value_name = "CN")]
    Expect expect: String, (common_name, String::clone);
}

impl Setting {
    /// Returns the key in the file, and after `--`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Returns the name of its environment variable.
    #[must_use]
    pub fn variable(self) -> String {
        format!("UPSEAL_{}", self.name().replace('-', "_").to_ascii_uppercase())
    }

    /// Returns whether it is about one server, so that it can be no default for others.
    #[must_use]
    pub const fn is_of_one_server(self) -> bool {
        matches!(self, Self::Pin | Self::Expect)
    }
}

impl Layer {
    /// Returns the flags that select a dialect: the variant, and every setting that is not the default. The padding
    /// and the framing are always named where the variant uses them.
    #[must_use]
    pub(crate) fn speaking(dialect: Dialect) -> Self {
        let is_cp1 = dialect.variant == Variant::Cp1;
        Self {
            protocol: Some(dialect.variant),
            padding: dialect.variant.is_secret().then_some(dialect.padding),
            framing: is_cp1.then_some(dialect.framing),
            terminator: dialect.terminator.filter(|_| is_cp1).map(|_| dialect.terminator()),
            ..Self::differing(dialect, Dialect::default())
        }
    }

    /// Takes the pin of the link in `to` as the pin.
    ///
    /// # Errors
    /// Another pin is given beside the link.
    pub(crate) fn with_link(mut self) -> Result<Self, TwoPins> {
        let Some(link) = self.to.as_ref().and_then(|to| to.pin) else { return Ok(self) };
        let pin = self.pin.get_or_insert_with(|| link.to_string());
        if pin.parse() == Ok(link) { Ok(self) } else { Err(TwoPins) }
    }

    /// Returns the keys that are set, with their values as text.
    pub(crate) fn said(&self) -> impl Iterator<Item = (Setting, String)> + '_ {
        Setting::VARIANTS.iter().filter_map(|key| self.text(*key).map(|value| (*key, value)))
    }
}

/// A link and a pin name different keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TwoPins;

fn not_blank(text: &str, allowed: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err(allowed.to_owned()) } else { Ok(text.to_owned()) }
}

fn destination(text: &str) -> Result<Destination, String> {
    text.parse().map_err(|why: DestinationError| why.forms().to_owned())
}

fn limit(text: &str) -> Result<Limit, String> {
    text.parse().map_err(|why: NoLimit| why.to_string())
}

fn jobs(text: &str) -> Result<Jobs, String> {
    text.parse().map_err(|why: NoJobs| why.to_string())
}

fn path(text: &str) -> Result<PathBuf, String> {
    not_blank(text, "expected the path of a certificate in PEM").map(PathBuf::from)
}

fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn common_name(text: &str) -> Result<String, String> {
    not_blank(text, "expected a common name")
}

fn pin_text(text: &str) -> Result<String, String> {
    pin(text).map_err(|_| "expected sha256: and 64 hexadecimal digits".to_owned())
}

pub(super) fn choice<T: ValueEnum>(text: &str) -> Result<T, String> {
    T::from_str(text, true).map_err(|_| {
        let all: Vec<String> = T::value_variants().iter().map(word).collect();
        format!("possible values: {}", all.join(", "))
    })
}

/// Returns a value as on the command line. No value is hidden there, so each has a name.
fn word<T: ValueEnum>(value: &T) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_dialect() -> impl Iterator<Item = Dialect> {
        let terminators = || [None].into_iter().chain(Terminator::VARIANTS.iter().copied().map(Some));
        let cp1 = Padding::VARIANTS.iter().flat_map(move |padding| {
            Framing::VARIANTS.iter().flat_map(move |framing| {
                terminators().map(move |terminator| (*padding, *framing, terminator))
            })
        });
        let common = |dialect: Dialect| {
            let names = NameAs::VARIANTS.iter();
            names.flat_map(move |name_as| {
                let messages = AuthMessage::VARIANTS.iter();
                messages.map(move |message| Dialect { name_as: *name_as, auth_message: *message, ..dialect })
            })
        };
        let cp1 = cp1.flat_map(|(padding, framing, terminator)| {
            EmptyFile::VARIANTS.iter().map(move |empty| Dialect {
                padding,
                framing,
                terminator,
                empty: *empty,
                ..Dialect::of(Variant::Cp1)
            })
        });
        let cp2 = KeyForm::VARIANTS.iter().flat_map(|key_form| {
            KeyLength::VARIANTS.iter().map(|key_length| Dialect {
                key_form: *key_form,
                key_length: *key_length,
                padding: Padding::Pkcs1v15,
                ..Dialect::of(Variant::Cp2)
            })
        });
        [Dialect::of(Variant::Plain), Dialect::of(Variant::Ap)]
            .into_iter()
            .chain(cp1)
            .chain(cp2)
            .flat_map(common)
    }

    #[test]
    fn the_flags_of_a_dialect_select_it_again() {
        for dialect in every_dialect() {
            let layer = Layer::speaking(dialect);
            // Framing A has no pairs, so that a terminator has no effect there.
            let meant = Dialect { terminator: dialect.terminator.map(|_| dialect.terminator()), ..dialect };
            assert_eq!(layer.dialect(), meant, "{layer:?}");
            let mut written = Layer::default();
            for (key, text) in layer.said() {
                written.set(key, &text).unwrap();
            }
            assert_eq!(written, layer, "{dialect:?}");
        }
    }

    #[test]
    fn the_flags_of_a_dialect_leave_out_what_is_the_default() {
        let words = |dialect| -> Vec<String> {
            Layer::speaking(dialect).said().map(|(key, text)| format!("{} {text}", key.name())).collect()
        };
        assert_eq!(words(Dialect::of(Variant::Plain)), ["protocol plain"]);
        assert_eq!(words(Dialect::of(Variant::Cp2)), ["protocol cp2", "padding oaep"]);
        assert_eq!(words(Dialect::of(Variant::Cp1)), ["protocol cp1", "padding oaep", "framing A"]);
        let unused = Dialect { padding: Padding::Pkcs1v15, framing: Framing::F, ..Dialect::of(Variant::Ap) };
        assert_eq!(words(unused), ["protocol ap"]);
    }
}
