//! Limits that the extensions of a certificate set (RFC 5280, 4.2).
//!
//! `x509-parser` treats an extension that it cannot parse as absent, and ignores bytes after a value. An extension
//! that limits a certificate must not vanish in this way, so those that upseal evaluates are decoded here a second
//! time, as strict DER.

use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::{Decode, Encode as _};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    BasicConstraints, CertificatePolicies, ExtendedKeyUsage, KeyUsage, NameConstraints, SubjectAltName,
};
use x509_parser::prelude::{FromDer as _, TbsCertificate};
use x509_parser::x509::X509Name;

use super::{TrustError, shown};
use crate::crypto::attributes;
use crate::crypto::certificate::{Purpose, RECEIPTS_USE};
use crate::messages::escape;

const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const DOCUMENT_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap(RECEIPTS_USE);
const ANY_PURPOSE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");
const EMAIL_ADDRESS: &str = "1.2.840.113549.1.9.1";

/// The extensions that upseal evaluates; `None` if the certificate does not have it.
pub(super) struct Limits {
    basic: Option<BasicConstraints>,
    usage: Option<KeyUsage>,
    purposes: Option<ExtendedKeyUsage>,
    alternative_names: Option<SubjectAltName>,
    constraints: Option<NameConstraints>,
}

impl Limits {
    /// Reads the extensions of a server's or a CA's certificate.
    ///
    /// # Errors
    /// An extension that is evaluated is malformed, critical or not; or another one is critical.
    pub(super) fn of(certificate: &TbsCertificate<'_>) -> Result<Self, TrustError> {
        let limits = Self {
            basic: decode(certificate, "basic constraints")?,
            usage: decode(certificate, "key usage")?,
            purposes: decode(certificate, "extended key usage")?,
            alternative_names: decode(certificate, "subject alternative name")?,
            constraints: decode(certificate, "name constraints")?,
        };
        // A client without a policy of its own accepts every policy.
        decode::<CertificatePolicies>(certificate, "certificate policies")?;
        let malformed = |extension| Err(TrustError::MalformedExtension { extension });
        // RFC 5280, 4.2.1.12 and 4.2.1.10: neither may be empty, which their types cannot express.
        if limits.purposes.as_ref().is_some_and(|purposes| purposes.0.is_empty()) {
            return malformed("extended key usage");
        }
        let subtrees = |constraints: &NameConstraints| {
            let of = |subtrees: &Option<Vec<_>>| subtrees.as_ref().map(Vec::len);
            [of(&constraints.permitted_subtrees), of(&constraints.excluded_subtrees)]
        };
        if let Some([permitted, excluded]) = limits.constraints.as_ref().map(subtrees)
            && (permitted == Some(0) || excluded == Some(0) || permitted.or(excluded).is_none())
        {
            return malformed("name constraints");
        }
        let evaluated = [
            BasicConstraints::OID,
            KeyUsage::OID,
            ExtendedKeyUsage::OID,
            SubjectAltName::OID,
            NameConstraints::OID,
            CertificatePolicies::OID,
        ];
        let unknown = certificate.iter_extensions().find(|extension| {
            extension.critical && !evaluated.iter().any(|known| known.as_bytes() == extension.oid.as_bytes())
        });
        match unknown {
            None => Ok(limits),
            Some(extension) => Err(TrustError::CriticalExtension { oid: extension.oid.to_id_string() }),
        }
    }

    /// Returns whether the certificate may sign others. Without an extension nothing forbids it.
    pub(super) fn permits_certifying(&self) -> bool {
        self.basic.as_ref().is_none_or(|basic| basic.ca)
            && self.usage.as_ref().is_none_or(KeyUsage::key_cert_sign)
    }

    /// Checks that the certificate may be used for a purpose; both purposes are signatures. Without an extension
    /// nothing limits its use.
    pub(super) fn check_use(&self, purpose: Purpose) -> Result<(), TrustError> {
        if self.usage.as_ref().is_some_and(|usage| !usage.digital_signature()) {
            return Err(TrustError::OtherUse { extension: "key usage", lacks: "digitalSignature" });
        }
        let (wanted, lacks) = match purpose {
            Purpose::Server => (SERVER_AUTH, "serverAuth"),
            Purpose::Receipts => (DOCUMENT_SIGNING, "documentSigning"),
        };
        let is_named = self.purposes.as_ref().is_some_and(|purposes| purposes.0.contains(&wanted));
        let is_any = self.purposes.as_ref().is_none_or(|purposes| purposes.0.contains(&ANY_PURPOSE));
        if !is_named && !is_any {
            return Err(TrustError::OtherUse { extension: "extended key usage", lacks });
        }
        // A CA that cannot certify an extended key usage for receipts must at least not have certified a key that
        // decrypts.
        let decrypts =
            self.usage.as_ref().is_some_and(|usage| usage.key_encipherment() || usage.data_encipherment());
        if purpose == Purpose::Receipts && !is_named && decrypts {
            return Err(TrustError::MayDecrypt);
        }
        Ok(())
    }

    /// Checks that the name constraints of the CA, whose limits these are, permit every name of a server's
    /// certificate.
    pub(super) fn check_names(&self, leaf: &TbsCertificate<'_>, limits: &Self) -> Result<(), TrustError> {
        let Some(constraints) = &self.constraints else { return Ok(()) };
        let permitted = constraints.permitted_subtrees.as_deref().unwrap_or_default();
        let excluded = constraints.excluded_subtrees.as_deref().unwrap_or_default();
        for name in names(leaf, limits) {
            let refused = |checked| TrustError::NameConstraint { name: name.shown(), checked };
            let same_form = |base: &&GeneralName| name.is_of_form(base);
            // RFC 5280, 4.2.1.10: a depth, or a form that is not evaluated, refuses a name of that form.
            let of_form = permitted.iter().chain(excluded).filter(|tree| same_form(&&tree.base));
            for tree in of_form {
                if tree.minimum != 0 || tree.maximum.is_some() || !name.is_evaluated() {
                    return Err(refused(false));
                }
            }
            if excluded.iter().any(|tree| name.is_within(&tree.base, Letters::Alike)) {
                return Err(refused(true));
            }
            let mut bases = permitted.iter().map(|tree| &tree.base).filter(same_form).peekable();
            if bases.peek().is_some() && !bases.any(|base| name.is_within(base, Letters::Exact)) {
                return Err(refused(true));
            }
        }
        Ok(())
    }
}

/// Decodes the value of one extension as strict DER. `x509-parser` has checked that it does not occur twice.
fn decode<T>(certificate: &TbsCertificate<'_>, name: &'static str) -> Result<Option<T>, TrustError>
where
    T: AssociatedOid + for<'a> Decode<'a>,
{
    let extension = certificate.iter_extensions().find(|found| found.oid.as_bytes() == T::OID.as_bytes());
    extension
        .map(|found| T::from_der(found.value))
        .transpose()
        .map_err(|_| TrustError::MalformedExtension { extension: name })
}

/// How two names are compared. Both ways err towards refusing a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Letters {
    /// Case and the number of spaces are ignored: for excluded names.
    Alike,
    /// Bytes are compared: for permitted names.
    Exact,
}

/// A name in a certificate.
enum Name<'a> {
    Subject(&'a X509Name<'a>),
    /// An `emailAddress` in the subject counts as a mail address.
    SubjectMail(&'a X509Name<'a>),
    Alternative(&'a GeneralName),
}

/// Returns all names of a certificate: the subject, if it is not empty, and the alternative names.
fn names<'a>(leaf: &'a TbsCertificate<'a>, limits: &'a Limits) -> Vec<Name<'a>> {
    let subject = leaf.subject();
    let mut names = Vec::new();
    if subject.iter().next().is_some() {
        names.push(Name::Subject(subject));
    }
    if subject.iter_attributes().any(|attribute| attribute.attr_type().to_id_string() == EMAIL_ADDRESS) {
        names.push(Name::SubjectMail(subject));
    }
    names.extend(limits.alternative_names.iter().flat_map(|names| &names.0).map(Name::Alternative));
    names
}

impl Name<'_> {
    fn is_of_form(&self, base: &GeneralName) -> bool {
        match self {
            Self::Subject(_) => matches!(base, GeneralName::DirectoryName(_)),
            Self::SubjectMail(_) => matches!(base, GeneralName::Rfc822Name(_)),
            Self::Alternative(name) => std::mem::discriminant(*name) == std::mem::discriminant(base),
        }
    }

    const fn is_evaluated(&self) -> bool {
        match self {
            Self::Subject(_) => true,
            Self::SubjectMail(_) => false,
            Self::Alternative(name) => matches!(
                name,
                GeneralName::DirectoryName(_) | GeneralName::DnsName(_) | GeneralName::IpAddress(_)
            ),
        }
    }

    /// Returns whether this name is in the subtree of `base`; `false` if it has another form.
    fn is_within(&self, base: &GeneralName, letters: Letters) -> bool {
        match (self, base) {
            (Self::Subject(name), GeneralName::DirectoryName(base)) => {
                parsed(base, |base| is_below(name, base, letters)).unwrap_or(letters == Letters::Alike)
            }
            (Self::Alternative(GeneralName::DirectoryName(name)), GeneralName::DirectoryName(base)) => {
                parsed(name, |name| parsed(base, |base| is_below(name, base, letters)))
                    .flatten()
                    .unwrap_or(letters == Letters::Alike)
            }
            (Self::Alternative(GeneralName::DnsName(name)), GeneralName::DnsName(base)) => {
                is_subdomain(name.as_str(), base.as_str())
            }
            (Self::Alternative(GeneralName::IpAddress(name)), GeneralName::IpAddress(base)) => {
                is_in_network(name.as_bytes(), base.as_bytes())
            }
            _ => false,
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Subject(name) | Self::SubjectMail(name) => shown(name),
            Self::Alternative(name) => match name {
                GeneralName::DnsName(text)
                | GeneralName::Rfc822Name(text)
                | GeneralName::UniformResourceIdentifier(text) => escape(text.as_str()).to_string(),
                GeneralName::IpAddress(bytes) => address(bytes.as_bytes()),
                GeneralName::DirectoryName(name) => {
                    parsed(name, shown).unwrap_or_else(|| "a directory name".to_owned())
                }
                _ => "an alternative name".to_owned(),
            },
        }
    }
}

/// Converts a name between the two crates; `None` if it cannot be encoded and parsed again.
fn parsed<T>(name: &x509_cert::name::Name, then: impl FnOnce(&X509Name<'_>) -> T) -> Option<T> {
    let der = name.to_der().ok()?;
    X509Name::from_der(&der).ok().map(|(_, name)| then(&name))
}

/// Returns whether `base` is a prefix of `name`. Values that are not text cannot be compared, and count against the
/// certificate.
fn is_below(name: &X509Name<'_>, base: &X509Name<'_>, letters: Letters) -> bool {
    let (Some(name), Some(base)) = (attributes(name), attributes(base)) else {
        return letters == Letters::Alike;
    };
    let same = |one: &[(String, &str)], other: &[(String, &str)]| match letters {
        Letters::Exact => one == other,
        Letters::Alike => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| one.0 == other.0 && plain(one.1) == plain(other.1))
        }
    };
    name.len() >= base.len() && name.iter().zip(&base).all(|(one, other)| same(one, other))
}

/// Folds case and spaces.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Returns whether a host is the domain or below it. An empty domain contains all hosts.
fn is_subdomain(host: &str, domain: &str) -> bool {
    let (host, domain) = (host.to_ascii_lowercase(), domain.to_ascii_lowercase());
    let domain = domain.trim_start_matches('.');
    let Some(before) = host.trim_end_matches('.').strip_suffix(domain) else { return false };
    before.is_empty() || domain.is_empty() || before.ends_with('.')
}

/// Returns whether an address is in a network, which is encoded as an address and a mask.
fn is_in_network(address: &[u8], network: &[u8]) -> bool {
    let (base, mask) = network.split_at(network.len() / 2);
    let masked = |bytes: &[u8]| bytes.iter().zip(mask).map(|(byte, mask)| byte & mask).collect::<Vec<_>>();
    network.len() == 2 * address.len() && masked(address) == masked(base)
}

fn address(bytes: &[u8]) -> String {
    let v4 = <[u8; 4]>::try_from(bytes).map(|bytes| std::net::Ipv4Addr::from(bytes).to_string());
    let v6 = || <[u8; 16]>::try_from(bytes).map(|bytes| std::net::Ipv6Addr::from(bytes).to_string());
    v4.or_else(|_| v6()).unwrap_or_else(|_| "an address of a wrong length".to_owned())
}
