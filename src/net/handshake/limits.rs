//! Limits that our server announces before it receives files.

use std::fmt;

use super::server_words;
use crate::event::{Dialect, Padding, Variant};
use crate::net::description;
use crate::net::refusal::Refusal;
use crate::net::service::Policy;
use crate::store::FileName;
use crate::store::name::Portability;

/// Limits that a server announced when it proved itself (`maxfile=`, `accept=`, `padding=`, `names=`). They are not
/// signed: an attacker who changes them can prevent an upload, which an attacker on the path can do anyway.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// Size of the largest accepted file, in bytes; `None`: not announced.
    max_file: Option<u64>,
    /// Accepted variants; `None`: not announced.
    variants: Option<Vec<Variant>>,
    /// Accepted paddings of CP1's blocks; `None`: not announced.
    paddings: Option<Vec<Padding>>,
    /// Names that are refused, beyond those that no server stores.
    portability: Portability,
    /// Whether files are stored under their paths.
    paths: bool,
    /// Whether the times and the executable bits of files are kept.
    meta: bool,
}

/// Value of `names=` where names that Windows cannot store are refused.
const PORTABLE: &str = "portable";

const VARIANTS: [(Variant, &str); 4] =
    [(Variant::Plain, "plain"), (Variant::Ap, "ap"), (Variant::Cp1, "cp1"), (Variant::Cp2, "cp2")];
const PADDINGS: [(Padding, &str); 2] = [(Padding::Oaep, "oaep"), (Padding::Pkcs1v15, "pkcs1v15")];

impl Limits {
    /// Returns the limits of a server with this policy.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        Self {
            max_file: Some(policy.max_file),
            variants: Some(policy.variants.clone()),
            paddings: Some(
                PADDINGS
                    .map(|(padding, _)| padding)
                    .into_iter()
                    .filter(|p| policy.paddings.contains(*p))
                    .collect(),
            ),
            portability: policy.portability,
            paths: policy.paths,
            meta: policy.meta,
        }
    }

    /// Parses the line before the PEM in a server's answer. Values that are not understood count as not announced.
    #[must_use]
    pub fn parse(certificate: &[u8]) -> Self {
        let mut limits = Self::default();
        for word in server_words(certificate) {
            match word.split_once('=') {
                Some(("maxfile", bytes)) => limits.max_file = bytes.parse().ok(),
                Some(("accept", names)) => limits.variants = read(names, &VARIANTS),
                Some(("padding", names)) => limits.paddings = read(names, &PADDINGS),
                Some(("names", PORTABLE)) => limits.portability = Portability::Windows,
                Some(("paths", "1")) => limits.paths = true,
                Some(("meta", "1")) => limits.meta = true,
                _ => {}
            }
        }
        limits
    }

    /// Returns the reason for which every file in this dialect would be refused, if there is one.
    #[must_use]
    pub fn refuse_dialect(&self, dialect: Dialect) -> Option<Refusal> {
        let lacks = |variants: &Vec<Variant>| !variants.contains(&dialect.variant);
        let lacks_padding = |paddings: &Vec<Padding>| !paddings.contains(&dialect.padding);
        if self.variants.as_ref().is_some_and(lacks) {
            return Some(Refusal::Variant);
        }
        let is_refused = dialect.variant == Variant::Cp1 && self.paddings.as_ref().is_some_and(lacks_padding);
        is_refused.then_some(Refusal::Policy)
    }

    /// Returns the reason for which a file of this name, or with this description, would be refused, if there is one.
    #[must_use]
    pub fn refuse_name(&self, name: &str) -> Option<Refusal> {
        let name = match description::parse(name.as_bytes()) {
            Ok(Some(file)) => FileName::from_path(file.name).ok(),
            _ => Some(FileName::from_wire(name.as_bytes()).ok()?),
        };
        let Some(name) = name else { return Some(Refusal::Name) };
        name.check(self.portability).is_err().then_some(Refusal::Name)
    }

    /// Returns whether the server stores files under their paths.
    #[must_use]
    pub const fn keeps_paths(&self) -> bool {
        self.paths
    }

    /// Returns whether the server keeps the times and the executable bits of files.
    #[must_use]
    pub const fn keeps_meta(&self) -> bool {
        self.meta
    }

    /// Returns the size of the largest accepted file in bytes, if the server announced it.
    #[must_use]
    pub const fn max_file(&self) -> Option<u64> {
        self.max_file
    }

    /// Returns the accepted variants, or paddings, as flags name them, separated by commas.
    #[must_use]
    pub fn accepted(&self, refusal: Refusal) -> String {
        match refusal {
            Refusal::Variant => names(self.variants.as_deref(), &VARIANTS),
            _ => names(self.paddings.as_deref(), &PADDINGS),
        }
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(bytes) = self.max_file {
            write!(f, " maxfile={bytes}")?;
        }
        if let Some(variants) = &self.variants {
            write!(f, " accept={}", names(Some(variants), &VARIANTS))?;
        }
        if let Some(paddings) = &self.paddings {
            write!(f, " padding={}", names(Some(paddings), &PADDINGS))?;
        }
        if self.portability == Portability::Windows {
            write!(f, " names={PORTABLE}")?;
        }
        if self.paths {
            f.write_str(" paths=1")?;
        }
        if self.meta {
            f.write_str(" meta=1")?;
        }
        Ok(())
    }
}

fn read<T: Copy>(names: &str, all: &[(T, &str)]) -> Option<Vec<T>> {
    let value = |name: &str| all.iter().find(|(_, known)| *known == name).map(|(value, _)| *value);
    // A later version may know more values; a list without a known one is not understood.
    let values: Vec<T> = names.split(',').filter_map(value).collect();
    (!values.is_empty()).then_some(values)
}

fn names<T: PartialEq>(values: Option<&[T]>, all: &[(T, &'static str)]) -> String {
    let is_in = |value: &T| values.is_some_and(|values| values.contains(value));
    all.iter().filter(|(value, _)| is_in(value)).map(|(_, name)| *name).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::padding::Paddings;
    use crate::net::handshake::{ReceiptOffer, receipt_offer, server_line};

    #[test]
    fn the_server_line_states_the_limits() {
        let policy = Policy {
            variants: vec![Variant::Ap, Variant::Cp2],
            paddings: Paddings::OAEP,
            max_file: 1000,
            ..Policy::default()
        };
        let limits = Limits::of(&policy);
        let line = server_line(true, 900, &limits);
        assert_eq!(
            line,
            "upseal/1 server receipts=1 idle=900 maxfile=1000 accept=ap,cp2 padding=oaep paths=1 meta=1\n"
        );
        assert_eq!(Limits::parse(line.as_bytes()), limits);
        assert_eq!(receipt_offer(line.as_bytes()), ReceiptOffer::Given);
        assert_eq!(limits.max_file(), Some(1000));
        assert_eq!(limits.refuse_dialect(Dialect::of(Variant::Cp1)), Some(Refusal::Variant));
        assert_eq!(limits.refuse_dialect(Dialect::of(Variant::Cp2)), None);
        let all = Limits::of(&Policy { paddings: Paddings::OAEP, ..Policy::default() });
        let pkcs = |variant| Dialect { padding: Padding::Pkcs1v15, ..Dialect::of(variant) };
        assert_eq!(all.refuse_dialect(pkcs(Variant::Cp1)), Some(Refusal::Policy));
        assert_eq!(all.refuse_dialect(pkcs(Variant::Cp2)), None, "MODE 4 takes either");
    }

    #[test]
    fn a_server_that_refuses_names_announces_it() {
        let policy = |portability| Limits::of(&Policy { portability, ..Policy::default() });
        let line = server_line(true, 900, &policy(Portability::Windows));
        assert!(line.contains(" names=portable "), "{line}");
        let limits = Limits::parse(line.as_bytes());
        for (name, refused) in [("con", true), ("aux.c", true), ("a:b", true), ("a.txt", false), ("", false)]
        {
            assert_eq!(limits.refuse_name(name).is_some(), refused, "{name:?}");
        }
        let line = server_line(true, 900, &policy(Portability::ThisSystem));
        assert!(!line.contains("names="), "{line}");
        assert_eq!(Limits::parse(line.as_bytes()).refuse_name("con"), None);
    }

    #[test]
    fn folders_and_times_are_announced_apart() {
        for (paths, meta, words) in
            [(true, false, " paths=1\n"), (false, true, "oaep meta=1\n"), (false, false, "oaep\n")]
        {
            let limits = Limits::of(&Policy { paths, meta, paddings: Paddings::OAEP, ..Policy::default() });
            let line = server_line(true, 900, &limits);
            assert!(line.ends_with(words), "{line}");
            let limits = Limits::parse(line.as_bytes());
            assert_eq!((limits.keeps_paths(), limits.keeps_meta()), (paths, meta));
        }
    }

    #[test]
    fn a_line_without_known_limits_refuses_nothing() {
        for line in [
            &b"-----BEGIN CERTIFICATE-----"[..],
            b"upseal/1 server receipts=1 idle=900\n",
            b"upseal/1 server maxfile=many accept=cp9 padding=\n",
            b"upseal/2 server maxfile=1 accept=ap\n",
        ] {
            assert_eq!(Limits::parse(line), Limits::default());
            assert_eq!(Limits::parse(line).refuse_dialect(Dialect::of(Variant::Cp1)), None);
        }
    }
}
