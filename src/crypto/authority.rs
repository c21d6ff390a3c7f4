//! A certificate authority: for `upseal certs init` and `certs sign`, and for the embedded server.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use rsa::RsaPrivateKey;
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::{EncodePrivateKey as _, LineEnding};
use rsa::sha2::Sha256;
use x509_cert::SubjectPublicKeyInfo;
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{Builder as _, CertificateBuilder};
use x509_cert::certificate::TbsCertificate;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Decode as _, Encode as _, EncodePem as _};
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectKeyIdentifier,
};
use x509_cert::ext::{Extension, ToExtension as _};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::SubjectPublicKeyInfoRef;
use x509_cert::time::{Time, Validity};
use zeroize::Zeroizing;

use super::certificate::{Certificate, Purpose, RECEIPTS_USE};
use super::identity::Identity;
use super::key_files::{
    self, CA_FILE, CA_PRIVATE_KEY_FILE, CERTIFICATE_FILE, IdentityError, KEY_BITS, PRIVATE_KEY_FILE,
};
use super::receipt_key::{RECEIPT_BITS_MIN, RECEIPT_CERTIFICATE_FILE, RECEIPT_PRIVATE_KEY_FILE, ReceiptKey};
use crate::digest::Digest;

/// Size of a CA's key in bits.
const AUTHORITY_BITS: usize = 2048;

/// Size of the embedded server's key in bits.
pub(crate) const THROWAWAY_BITS: usize = 1024;

/// Common name in the embedded server's certificates.
const THROWAWAY_NAME: &str = "upseal embedded server";

/// Validity of the embedded server's certificates in days; they outlive every run of a program.
const THROWAWAY_DAYS: u32 = 365;

/// Validity of the CA that [`init`] creates: ten years.
const AUTHORITY_DAYS: u32 = 3650;

/// How much earlier than now certificates become valid, for peers whose clocks are behind.
const EARLIER: Duration = Duration::from_secs(3600);

const DAY: u64 = 24 * 3600;

/// A CA: an RSA key of 2048 bits and its self-signed certificate.
pub struct Authority {
    key: SigningKey<Sha256>,
    name: Name,
    /// Key identifier from the CA's certificate; `None` if it is computed from the key.
    key_id: Option<SubjectKeyIdentifier>,
    certificate_pem: String,
    private_key_pem: Zeroizing<String>,
}

impl Authority {
    /// Creates a CA, valid from an hour ago for `days` days.
    pub fn new(common_name: &str, days: u32) -> Result<Self, IdentityError> {
        let name = name(common_name)?;
        let own = new_key(AUTHORITY_BITS)?;
        let private_key_pem = own.to_pkcs8_pem(LineEnding::LF).map_err(issue)?;
        let public = SubjectPublicKeyInfo::from_key(own.as_public_key()).map_err(issue)?;
        let key = SigningKey::new(own);
        let role = Role::Authority { name: name.clone() };
        let certificate_pem = certificate(role, public, days, &key)?;
        Ok(Self { key, name, key_id: None, certificate_pem, private_key_pem })
    }

    /// Loads a CA from its certificate and its private key (PKCS #8 or PKCS #1). They must be a pair, and the
    /// certificate must be that of a CA.
    pub fn load(certificate: &Path, private_key: &Path) -> Result<Self, IdentityError> {
        let pem = key_files::read(certificate)?;
        let own = key_files::private_key(private_key, &key_files::read(private_key)?)?;
        let not_a_ca = |why: &dyn std::fmt::Display| IdentityError::NotACa {
            path: certificate.into(),
            why: why.to_string(),
        };
        let read = Certificate::from_pem(&pem).map_err(|why| not_a_ca(&why))?;
        let read = x509_cert::Certificate::from_der(read.der()).map_err(|why| not_a_ca(&why))?;
        let tbs = read.tbs_certificate();
        if tbs.get_extension::<BasicConstraints>().ok().flatten().is_some_and(|(_, basic)| !basic.ca) {
            return Err(not_a_ca(&"its certificate may not sign others"));
        }
        let public = SubjectPublicKeyInfo::from_key(own.as_public_key()).map_err(issue)?;
        if *tbs.subject_public_key_info() != public {
            return Err(IdentityError::Mismatch {
                certificate: certificate.into(),
                key: private_key.into(),
                certified: fingerprint(tbs.subject_public_key_info())?,
                own: fingerprint(&public)?,
            });
        }
        let private_key_pem = own.to_pkcs8_pem(LineEnding::LF).map_err(issue)?;
        Ok(Self {
            key: SigningKey::new(own),
            name: tbs.subject().clone(),
            key_id: tbs.get_extension().ok().flatten().map(|(_, id)| id),
            certificate_pem: String::from_utf8_lossy(&pem).into_owned(),
            private_key_pem,
        })
    }

    /// Returns the CA's certificate, which clients need for `--ca`.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Returns the CA's private key, PKCS #8.
    #[must_use]
    pub fn private_key_pem(&self) -> &str {
        &self.private_key_pem
    }

    pub(super) const fn name(&self) -> &Name {
        &self.name
    }

    /// Signs a certificate for a key.
    pub(super) fn certify(
        &self,
        purpose: Purpose,
        subject: Name,
        public: SubjectPublicKeyInfo,
        days: u32,
    ) -> Result<String, IdentityError> {
        let (issuer, issuer_id) = (self.name.clone(), self.key_id.clone());
        certificate(Role::Leaf { purpose, name: subject, issuer, issuer_id }, public, days, &self.key)
    }

    /// Creates a server's key of `bits` bits and its certificate.
    pub fn issue(&self, common_name: &str, bits: usize, days: u32) -> Result<Issued, IdentityError> {
        self.issue_for(Purpose::Server, common_name, &new_key(bits)?, days)
    }

    /// Creates a receipt key of `bits` bits, and its certificate, for the server with this common name.
    ///
    /// # Errors
    /// The name or the size is not supported, or there is no randomness.
    pub fn issue_receipt_key(
        &self,
        common_name: &str,
        bits: usize,
        days: u32,
    ) -> Result<Issued, IdentityError> {
        self.issue_for(Purpose::Receipts, common_name, &new_key(bits)?, days)
    }

    fn issue_for(
        &self,
        purpose: Purpose,
        common_name: &str,
        key: &RsaPrivateKey,
        days: u32,
    ) -> Result<Issued, IdentityError> {
        let subject = name(common_name)?;
        let public = SubjectPublicKeyInfo::from_key(key.as_public_key()).map_err(issue)?;
        Ok(Issued {
            certificate_pem: self.certify(purpose, subject, public, days)?,
            private_key_pem: key.to_pkcs8_pem(LineEnding::LF).map_err(issue)?,
        })
    }
}

/// A certificate and its private key.
pub struct Issued {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// The private key, PKCS #8 in PEM.
    pub private_key_pem: Zeroizing<String>,
}

/// Creates an identity for the embedded server, in memory: a key of 1024 bits under a new CA of 2048 bits, with a
/// receipt key. Returns it with the CA's certificate. The CA's key is dropped.
pub fn throwaway() -> Result<(Identity, String), IdentityError> {
    // The receipt key's primes take as long to find as the CA's, so both searches run at the same time.
    thread::scope(|scope| {
        let receipts = scope.spawn(|| new_key(RECEIPT_BITS_MIN));
        let (authority, identity) = throwaway_server(THROWAWAY_BITS)?;
        let receipts = receipts.join().map_err(|_| issue("the search for primes panicked"))??;
        let issued = authority.issue_for(Purpose::Receipts, THROWAWAY_NAME, &receipts, THROWAWAY_DAYS)?;
        let receipts = ReceiptKey::from_pem(
            &issued.certificate_pem,
            &issued.private_key_pem,
            identity.certificate_pem(),
        )?;
        Ok((identity.with_receipt_key(receipts), authority.certificate_pem))
    })
}

/// Creates an identity with a key of `bits` bits and without a receipt key, for a server whose files are measured and
/// not kept. A large key takes seconds.
pub(crate) fn throwaway_of(bits: usize) -> Result<(Identity, String), IdentityError> {
    let (authority, identity) = throwaway_server(bits)?;
    Ok((identity, authority.certificate_pem))
}

fn throwaway_server(bits: usize) -> Result<(Authority, Identity), IdentityError> {
    let authority = Authority::new(&numbered("upseal demonstration CA")?, THROWAWAY_DAYS)?;
    let issued = authority.issue(THROWAWAY_NAME, bits, THROWAWAY_DAYS)?;
    let identity = Identity::from_pem(&issued.certificate_pem, &issued.private_key_pem)?;
    Ok((authority, identity))
}

/// Creates a CA (2048 bits, ten years), a server's key (`bits`, `days`) and a receipt key (at least 2048 bits), and
/// writes the three certificates and keys into `dir`, which is created (0700) if it is missing. Private keys get mode
/// 0600. If any of the six files exists, none is written.
pub(crate) fn init(dir: &Path, bits: usize, days: u32) -> Result<Vec<PathBuf>, IdentityError> {
    let files = [
        CA_FILE,
        CA_PRIVATE_KEY_FILE,
        CERTIFICATE_FILE,
        PRIVATE_KEY_FILE,
        RECEIPT_CERTIFICATE_FILE,
        RECEIPT_PRIVATE_KEY_FILE,
    ]
    .map(|name| dir.join(name));
    // Checked before the search for primes, to fail early. `create_new` below is the actual protection.
    if let Some(path) = files.iter().find(|path| path.symlink_metadata().is_ok()) {
        return Err(IdentityError::Exists { path: path.clone() });
    }
    let authority = Authority::new(&numbered("upseal CA")?, AUTHORITY_DAYS)?;
    let issued = authority.issue("upseal server", bits, days)?;
    let receipts = authority.issue_receipt_key("upseal server", bits.max(RECEIPT_BITS_MIN), days)?;
    create_folder(dir)?;
    let [ca, ca_key, server, server_key, receipt, receipt_key] = files;
    write_all_new([
        (ca, &authority.certificate_pem, 0o644),
        (ca_key, &authority.private_key_pem, 0o600),
        (server, &issued.certificate_pem, 0o644),
        (server_key, &issued.private_key_pem, 0o600),
        (receipt, &receipts.certificate_pem, 0o644),
        (receipt_key, &receipts.private_key_pem, 0o600),
    ])
}

/// Creates an identity for a server that clients know by its pin: a key of `bits` bits under a new CA, whose own key is
/// dropped, so that it certifies nothing else. There is no receipt key, because a pin does not name one. Writes the two
/// certificates and the key into `dir` as [`init`] does.
pub(crate) fn init_pinned(dir: &Path, bits: usize, days: u32) -> Result<Vec<PathBuf>, IdentityError> {
    let authority = Authority::new(&numbered("upseal share CA")?, days)?;
    let issued = authority.issue("upseal share", bits, days)?;
    create_folder(dir)?;
    write_all_new([
        (dir.join(CA_FILE), &authority.certificate_pem, 0o644),
        (dir.join(CERTIFICATE_FILE), &issued.certificate_pem, 0o644),
        (dir.join(PRIVATE_KEY_FILE), &issued.private_key_pem, 0o600),
    ])
}

/// Returns the fingerprint of any key, as [`ServerKey::fingerprint`](super::server_key::ServerKey::fingerprint) does.
fn fingerprint(key: &SubjectPublicKeyInfo) -> Result<String, IdentityError> {
    Ok(Digest::of(&key.to_der().map_err(issue)?).to_string())
}

/// Creates a folder for keys if it is missing.
pub(super) fn create_folder(dir: &Path) -> Result<(), IdentityError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|why| IdentityError::Unwritable { path: dir.into(), why })
}

/// Writes new files with their modes, all or none. An existing file is an error.
pub(super) fn write_all_new<const N: usize>(
    files: [(PathBuf, &str, u32); N],
) -> Result<Vec<PathBuf>, IdentityError> {
    let mut written = Vec::new();
    for (path, text, mode) in files {
        if let Err(why) = write_new(&path, text, mode) {
            // Only files that this call created; they are useless without the others.
            for path in &written {
                drop(std::fs::remove_file(path));
            }
            return Err(match why.kind() {
                io::ErrorKind::AlreadyExists => IdentityError::Exists { path },
                _ => IdentityError::Unwritable { path, why },
            });
        }
        written.push(path);
    }
    Ok(written)
}

/// Writes a new file and syncs it to disk. An existing file is an error.
pub(super) fn write_new(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    let done = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if done.is_err() {
        drop(std::fs::remove_file(path));
    }
    done
}

/// Appends a random number to a CA's name, so that a client can report that it has the wrong CA.
fn numbered(name: &str) -> Result<String, IdentityError> {
    let number = getrandom::u32().map_err(|_| rsa::Error::Rng)?;
    Ok(format!("{name} {number:08x}"))
}

pub(super) fn new_key(bits: usize) -> Result<RsaPrivateKey, IdentityError> {
    if !KEY_BITS.contains(&bits) {
        return Err(IdentityError::Size { bits });
    }
    Ok(RsaPrivateKey::new(&mut UnwrapErr(SysRng), bits)?)
}

/// Returns `CN=…` with every byte as a hexadecimal pair, so that nothing in it is syntax (RFC 4514, 2.4).
pub(super) fn name(common_name: &str) -> Result<Name, IdentityError> {
    if !(1..=64).contains(&common_name.chars().count()) {
        return Err(IdentityError::Name { name: common_name.into() });
    }
    let pairs: Vec<String> = common_name.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    format!("CN={}", pairs.concat()).parse().map_err(issue)
}

fn certificate(
    role: Role,
    public: SubjectPublicKeyInfo,
    days: u32,
    signer: &SigningKey<Sha256>,
) -> Result<String, IdentityError> {
    let now = SystemTime::now();
    let end = now + Duration::from_secs(u64::from(days) * DAY);
    let validity =
        Validity::new(Time::try_from(now - EARLIER).map_err(issue)?, Time::try_from(end).map_err(issue)?);
    let serial = SerialNumber::generate(&mut UnwrapErr(SysRng));
    CertificateBuilder::new(role, serial, validity, public)
        .and_then(|builder| {
            builder.build_with_rng::<_, rsa::pkcs1v15::Signature, _>(signer, &mut UnwrapErr(SysRng))
        })
        .map_err(issue)?
        .to_pem(LineEnding::LF)
        .map_err(issue)
}

pub(super) fn issue(why: impl std::fmt::Display) -> IdentityError {
    IdentityError::Issue { why: why.to_string() }
}

/// Returns the extended key usage of a receipt key's certificate.
pub(super) fn receipts_use() -> ExtendedKeyUsage {
    ExtendedKeyUsage(vec![ObjectIdentifier::new_unwrap(RECEIPTS_USE)])
}

/// Role of a certificate, which determines its extensions (RFC 5280, 4.2.1).
enum Role {
    Authority { name: Name },
    Leaf { purpose: Purpose, name: Name, issuer: Name, issuer_id: Option<SubjectKeyIdentifier> },
}

impl BuilderProfile for Role {
    fn get_issuer(&self, _subject: &Name) -> Name {
        match self {
            Self::Authority { name } => name.clone(),
            Self::Leaf { issuer, .. } => issuer.clone(),
        }
    }

    fn get_subject(&self) -> Name {
        match self {
            Self::Authority { name } | Self::Leaf { name, .. } => name.clone(),
        }
    }

    fn build_extensions(
        &self,
        own: SubjectPublicKeyInfoRef<'_>,
        issuer: SubjectPublicKeyInfoRef<'_>,
        tbs: &TbsCertificate,
    ) -> x509_cert::builder::Result<Vec<Extension>> {
        let (ca, usage) = match self {
            Self::Authority { .. } => (true, KeyUsages::KeyCertSign | KeyUsages::CRLSign),
            // AP signs; CP2 encrypts a key, CP1 the data.
            Self::Leaf { purpose: Purpose::Server, .. } => (
                false,
                KeyUsages::DigitalSignature | KeyUsages::KeyEncipherment | KeyUsages::DataEncipherment,
            ),
            Self::Leaf { purpose: Purpose::Receipts, .. } => (false, KeyUsages::DigitalSignature.into()),
        };
        let subject = tbs.subject();
        let issuer_id = match self {
            Self::Leaf { issuer_id: Some(own), .. } => own.clone(),
            _ => SubjectKeyIdentifier::try_from(issuer)?,
        };
        let issuer_id = AuthorityKeyIdentifier { key_identifier: Some(issuer_id.0), ..Default::default() };
        let mut extensions = vec![
            BasicConstraints { ca, path_len_constraint: None }.to_extension(subject, &[])?,
            KeyUsage(usage).to_extension(subject, &[])?,
            SubjectKeyIdentifier::try_from(own)?.to_extension(subject, &[])?,
            issuer_id.to_extension(subject, &[])?,
        ];
        if let Self::Leaf { purpose: Purpose::Receipts, .. } = self {
            extensions.push(receipts_use().to_extension(subject, &[])?);
        }
        Ok(extensions)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use x509_cert::der::asn1::OctetString;

    use super::*;
    use crate::crypto::identity::Identity;
    use crate::trust::Anchor;

    fn tbs(pem: &str) -> TbsCertificate {
        let read = Certificate::from_pem(pem.as_bytes()).unwrap();
        x509_cert::Certificate::from_der(read.der()).unwrap().tbs_certificate().clone()
    }

    #[test]
    fn a_certificate_names_its_ca_s_key_as_the_ca_s_certificate_does() {
        let mut authority = Authority::new("CA", 30).unwrap();
        let (_, own) =
            tbs(&authority.certificate_pem).get_extension::<SubjectKeyIdentifier>().unwrap().unwrap();
        let other = SubjectKeyIdentifier(OctetString::new([1, 2, 3]).unwrap());
        for (key_id, expected) in [(None, own), (Some(other.clone()), other)] {
            authority.key_id = key_id;
            let issued = authority.issue("server", 1024, 30).unwrap();
            let (_, named) =
                tbs(&issued.certificate_pem).get_extension::<AuthorityKeyIdentifier>().unwrap().unwrap();
            assert_eq!(named.key_identifier, Some(expected.0));
        }
    }

    #[test]
    fn files_are_written_all_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two, missing] = ["one", "two", "missing/three"].map(|name| folder.path().join(name));
        std::fs::write(&two, "mine").unwrap();
        let error = write_all_new([(one.clone(), "1", 0o600), (two.clone(), "2", 0o600)]).unwrap_err();
        assert!(matches!(&error, IdentityError::Exists { path } if *path == two), "{error}");
        assert_eq!(std::fs::read(&two).unwrap(), b"mine");
        let error = write_all_new([(one.clone(), "1", 0o600), (missing.clone(), "3", 0o600)]).unwrap_err();
        assert!(matches!(&error, IdentityError::Unwritable { path, .. } if *path == missing), "{error}");
        assert!(!one.exists());
        assert_eq!(write_all_new([(one.clone(), "1", 0o600)]).unwrap(), [one]);
    }

    #[test]
    fn an_identity_for_a_pin_is_three_files_that_load() {
        let folder = tempfile::tempdir().unwrap();
        let written = init_pinned(folder.path(), 1024, 30).unwrap();
        assert_eq!(
            written,
            [CA_FILE, CERTIFICATE_FILE, PRIVATE_KEY_FILE].map(|name| folder.path().join(name))
        );
        let identity = Identity::load(folder.path()).unwrap();
        assert!(identity.receipt_key().is_none());
        let anchor = Anchor::load(&folder.path().join(CA_FILE)).unwrap();
        anchor.check(identity.certificate_pem(), crate::clock::unix_seconds()).unwrap();
    }
}
