//! The identity of a server: its certificate, its keys, and how clients with its CA see them.

use std::path::Path;
use std::sync::Arc;

use crate::cli::Serve;
use crate::clock;
use crate::crypto::certificate::Purpose;
use crate::crypto::identity::Identity;
use crate::crypto::key_files;
use crate::crypto::receipt_key::{RECEIPT_CERTIFICATE_FILE, RECEIPT_PRIVATE_KEY_FILE};
use crate::crypto::request::RECEIPT_REQUEST_FILE;
use crate::digest::Digest;
use crate::event::{Fault, Proof, Variant};
use crate::history::Validity;
use crate::messages::shell_word;
use crate::trust::{Anchor, facts};

/// What the folder of `--certs` holds.
pub(super) struct Own {
    /// Certificate and keys; `None`: there are none, and no accepted variant needs them.
    pub(super) identity: Option<Arc<Identity>>,
    /// The CA, and the identity as a client with this CA sees it; `None` without the CA's file, or if clients do not accept
    /// the certificate.
    pub(super) introduced: Option<(Anchor, Proof)>,
    /// Fingerprint of the key by which clients authenticate the server, if it has one.
    pub(super) pin: Option<Digest>,
    /// Keys that other users of this machine can use.
    pub(super) exposed: Vec<String>,
    /// Why clients will not accept its certificates.
    pub(super) remarks: Vec<String>,
}

impl Own {
    /// Loads the identity of a server that accepts these variants.
    ///
    /// # Errors
    /// There is none and a variant needs one; or its files are exposed, and `--strict-modes` is given.
    pub(super) fn load(args: &Serve, variants: &[Variant]) -> Result<Self, Fault> {
        let needs_identity = variants.iter().any(|variant| variant.authenticates());
        let identity = match Identity::load(&args.certs) {
            Ok(identity) => Some(Arc::new(identity)),
            Err(_) if !needs_identity => None,
            Err(e) => {
                let advice = "or accept only unencrypted uploads with --accept plain";
                return Err(Fault::local(e.to_string()).with_advice(advice));
            }
        };
        let exposed = check_modes(args, identity.as_deref())?;
        let mut remarks = Vec::new();
        let introduced = identity.as_deref().and_then(|identity| introduce(args, identity, &mut remarks));
        let pin = identity.as_deref().filter(|_| needs_identity).map(|own| own.server_key().fingerprint());
        Ok(Self { identity, introduced, pin, exposed, remarks })
    }

    /// Returns the key and when its certificate ends, by which what must not be replayed is remembered.
    pub(super) fn validity(&self) -> Validity {
        let own = self.identity.as_deref();
        let until = own.and_then(|own| facts::not_after(own.certificate_pem())).unwrap_or(i64::MAX);
        Validity { until, key: own.map(|own| own.server_key().fingerprint().into()) }
    }
}

/// Returns the CA, and the identity as a client with this CA sees it; `None` if the CA's file is missing. Adds to `remarks`
/// what clients will not accept.
fn introduce(args: &Serve, identity: &Identity, remarks: &mut Vec<String>) -> Option<(Anchor, Proof)> {
    let anchor = Anchor::load(&args.certs.join("cacsertificate.crt")).ok()?;
    if let Some(receipts) = identity.receipt_key()
        && let Err(e) = anchor.check_for(Purpose::Receipts, receipts.certificate_pem(), clock::unix_seconds())
    {
        remarks.push(format!("clients will not accept this server's receipts: {e}"));
    }
    match anchor.check(identity.certificate_pem(), clock::unix_seconds()) {
        Ok((_, proof)) => Some((anchor, proof)),
        Err(e) => {
            remarks.push(format!("clients will not accept this server's certificate: {e}"));
            None
        }
    }
}

/// Returns what the operator of a server without a receipt key can do to give receipts.
pub(super) fn receipt_advice(certs: &Path) -> String {
    let dir = shell_word(&certs.to_string_lossy());
    if certs.join(RECEIPT_PRIVATE_KEY_FILE).exists() {
        return format!(
            "have {dir}/{RECEIPT_REQUEST_FILE} signed by the CA and put the certificate into \
             {dir}/{RECEIPT_CERTIFICATE_FILE}, or serve --accept-padding oaep"
        );
    }
    format!(
        "run upseal certs csr --receipts --dir {dir} and have {RECEIPT_REQUEST_FILE} signed by the CA (upseal certs sign), \
         or serve --accept-padding oaep"
    )
}

/// Returns a warning for each private key that other users of this machine can use.
///
/// # Errors
/// There is one, and `--strict-modes` is given.
fn check_modes(args: &Serve, identity: Option<&Identity>) -> Result<Vec<String>, Fault> {
    if identity.is_none() {
        return Ok(Vec::new());
    }
    let mut warnings = Vec::new();
    for key in key_files::exposed(&args.certs) {
        let remedy = format!("chmod 600 {}", shell_word(&key.path.to_string_lossy()));
        if args.strict_modes {
            return Err(
                Fault::local(key.to_string()).with_advice(format!("{remedy}, or leave out --strict-modes"))
            );
        }
        warnings.push(format!("{key}; {remedy}"));
    }
    Ok(warnings)
}
