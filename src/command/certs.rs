//! `upseal certs`: creates and signs certificates, and shows them.

use std::path::Path;

use super::known::anchor;
use super::usage;
use crate::cli::Certs;
use crate::clock;
use crate::crypto::authority;
use crate::crypto::authority::Authority;
use crate::crypto::certificate::Purpose;
use crate::crypto::identity::{CA_FILE, CA_PRIVATE_KEY_FILE, IdentityError};
use crate::crypto::request::{self, RequestError};
use crate::event::{Fault, FaultKind};
use crate::messages::word_rows;
use crate::output;
use crate::trust::facts::facts;

/// Runs the subcommand, and prints what to do with each file it wrote.
///
/// # Errors
/// A file already exists, cannot be read or written, or has unexpected content: exit code 5.
pub(crate) fn run(command: Certs) -> Result<u8, Fault> {
    match command {
        Certs::Init { dir, bits, days } => init(&dir, bits, days),
        Certs::Csr { dir, cn: Some(cn), bits, .. } => csr(&dir, &cn, bits),
        Certs::Csr { dir, cn: None, bits, .. } => receipt_csr(&dir, bits),
        Certs::Sign { request, ca_dir, ca, ca_key, days, out } => {
            let ca = ca.unwrap_or_else(|| ca_dir.join(CA_FILE));
            let ca_key = ca_key.unwrap_or_else(|| ca_dir.join(CA_PRIVATE_KEY_FILE));
            sign(&request, &ca, &ca_key, days, out.as_deref())
        }
        Certs::Show { file, ca } => show(&file, ca.as_deref()),
    }
}

fn init(dir: &Path, bits: u32, days: u32) -> Result<u8, Fault> {
    let written = authority::init(dir, bits as usize, days).map_err(|e| local(&e))?;
    for path in written {
        output::line(&path.display().to_string());
    }
    output::remark(&format!(
        "give {}/cacsertificate.crt to the senders; keep the three private keys secret",
        dir.display()
    ));
    Ok(0)
}

fn csr(dir: &Path, name: &str, bits: u32) -> Result<u8, Fault> {
    let written = request::csr(dir, name, bits as usize).map_err(|e| local(&e))?;
    for path in written {
        output::line(&path.display().to_string());
    }
    output::remark(&format!(
        "send {dir}/server.csr to the CA, keep the private key secret, and save the signed certificate as \
         {dir}/server_signed.crt",
        dir = dir.display()
    ));
    Ok(0)
}

fn receipt_csr(dir: &Path, bits: u32) -> Result<u8, Fault> {
    let written = request::receipt_csr(dir, bits as usize).map_err(|e| match e {
        IdentityError::ReceiptKeySize { .. } => usage(e.to_string(), "leave out --bits"),
        e => local(&e),
    })?;
    for path in written {
        output::line(&path.display().to_string());
    }
    output::remark(&format!(
        "send {dir}/receipt.csr to the CA, keep the private key secret, and save the signed certificate as \
         {dir}/receipt_signed.crt; from its next start the server signs receipts with this key",
        dir = dir.display()
    ));
    Ok(0)
}

fn sign(csr: &Path, ca: &Path, ca_key: &Path, days: u32, out: Option<&Path>) -> Result<u8, Fault> {
    let authority = Authority::load(ca, ca_key).map_err(|e| local(&e))?;
    let asked = request::load(csr).map_err(|e| local(&e))?;
    let pem = request::sign(&asked, &authority, days).map_err(|e| match e {
        RequestError::Identity(e) => local(&e),
        e => fault(format!("cannot sign {}: {e}", csr.display())),
    })?;
    match out {
        Some(path) => {
            request::write_certificate(path, &pem).map_err(|e| local(&e))?;
            output::line(&path.display().to_string());
        }
        None => output::line(pem.trim_end()),
    }
    let signed = facts(pem.as_bytes()).map_err(|e| fault(e.to_string()))?;
    output::remark(&format!(
        "signed {}: {}{}, until {}, pin sha256:{}; compare the pin with the requester",
        signed.subject,
        signed.key,
        if signed.is_for_receipts { " for receipts only" } else { "" },
        signed.not_after,
        signed.fingerprint
    ));
    Ok(0)
}

fn show(file: &Path, ca: Option<&Path>) -> Result<u8, Fault> {
    let pem = request::load(file).map_err(|e| local(&e))?;
    let facts = facts(&pem).map_err(|e| fault(format!("{}: {e}", file.display())))?;
    let words = facts.fingerprint.to_string();
    let purpose = if facts.is_for_receipts { Purpose::Receipts } else { Purpose::Server };
    for (name, value) in [
        ("subject", facts.subject),
        ("issuer", facts.issuer),
        ("version", format!("X.509 version {}", facts.version)),
        ("key", facts.key),
        ("valid", format!("{} to {}", facts.not_before, facts.not_after)),
        ("signature", facts.algorithm),
        ("pin", format!("sha256:{}", facts.fingerprint)),
    ] {
        output::line(&format!("{name:<10} {value}"));
    }
    for (at, row) in word_rows(&words, 69).iter().enumerate() {
        output::line(&format!("{:<10} {row}", if at == 0 { "words" } else { "" }));
    }
    let Some(ca) = ca else { return Ok(0) };
    let (verdict, warnings, code) = match anchor(ca)?.check_for(purpose, &pem, clock::unix_seconds()) {
        Ok((_, proof)) if purpose == Purpose::Receipts => {
            ("accepted under this CA, for receipts only".to_owned(), proof.warnings, 0)
        }
        Ok((_, proof)) => ("accepted under this CA".to_owned(), proof.warnings, 0),
        Err(why) => (format!("refused: {why}"), Vec::new(), FaultKind::Unproven.exit_code()),
    };
    output::line(&format!("{:<10} {verdict}", "verdict"));
    for warning in warnings {
        output::line(&format!("{:<10} {warning}", "note"));
    }
    Ok(code)
}

fn local(error: &IdentityError) -> Fault {
    fault(error.to_string())
}

fn fault(what: String) -> Fault {
    Fault::local(what)
}
