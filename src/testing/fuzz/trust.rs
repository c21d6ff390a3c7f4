//! Certificates, and the file of known servers.

use std::fs;
use std::sync::LazyLock;

use base64_simd::STANDARD;

use super::server::Scratch;
use super::{IDENTITY, Input, NOW, check_shown, fixtures};
use crate::crypto::certificate::{Certificate, Purpose};
use crate::trust::known::KnownServers;
use crate::trust::{Anchor, facts, key};

/// The CAs of the fixtures.
static CAS: LazyLock<Vec<Anchor>> = LazyLock::new(|| {
    let files = ["identity-v1/cacsertificate.crt", "trust/ca.crt", "receipts/other-ca.crt"];
    let mut anchors: Vec<Anchor> =
        files.iter().map(|file| Anchor::load(&fixtures().join(file)).unwrap()).collect();
    anchors.push(Anchor::pinned(IDENTITY.server_key().fingerprint()));
    anchors
});

/// What our CAs signed in the fixtures, as DER.
static SIGNED: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut signed = Vec::new();
    for folder in ["identity-v1", "trust", "receipts"] {
        for entry in fs::read_dir(fixtures().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "crt") {
                signed.extend(Certificate::from_pem(&fs::read(path).unwrap()).map(|it| it.der().to_vec()));
            }
        }
    }
    signed
});

/// Certificates: only those that a CA signed are accepted, and nothing of them misleads who reads it.
pub(super) fn certificates(data: &[u8]) {
    let mut input = Input(data);
    let anchor = input.one_of(&[0, 1, 2, 3]);
    let purpose = input.one_of(&[Purpose::Server, Purpose::Receipts]);
    let pem = if input.byte() & 1 == 1 {
        let body = STANDARD.encode_to_string(input.rest());
        format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n").into_bytes()
    } else {
        input.rest().to_vec()
    };
    match facts::facts(&pem) {
        Ok(facts) => {
            for text in [&facts.subject, &facts.issuer, &facts.algorithm, &facts.key] {
                check_shown(text);
            }
            check_shown(&facts.not_before);
            check_shown(&facts.not_after);
        }
        Err(why) => check_shown(&why.to_string()),
    }
    let _ = (facts::common_name(&pem), facts::not_after(&pem), Anchor::from_pem(&pem).is_ok());
    let checked = CAS[anchor].check_for(purpose, &pem, *NOW);
    match &checked {
        Ok((found, proof)) => {
            assert_eq!(key(&pem).as_ref().ok(), Some(found));
            for text in [&proof.subject, &proof.issuer] {
                check_shown(text.as_str());
            }
            proof.warnings.iter().for_each(|warning| check_shown(warning.as_str()));
            let der = Certificate::from_pem(&pem).unwrap().der().to_vec();
            let is_pinned = anchor == 3 && *found == IDENTITY.server_key();
            assert!(is_pinned || SIGNED.contains(&der), "no CA signed this certificate");
        }
        Err(why) => check_shown(&why.to_string()),
    }
    assert_eq!(checked.is_ok(), CAS[anchor].check_for(purpose, &pem, *NOW).is_ok());
}

/// The file of known servers: an error names a line, and entries are unique.
pub(super) fn known_servers(data: &[u8]) {
    let scratch = Scratch::new();
    let path = scratch.path().join("known_servers");
    fs::write(&path, data).unwrap();
    let known = KnownServers::at(Some(path.clone()));
    match known.list() {
        Ok(entries) => {
            let keys: std::collections::BTreeSet<_> =
                entries.iter().map(|entry| (entry.address.to_string(), entry.ca.to_string())).collect();
            assert_eq!(keys.len(), entries.len(), "an address occurs twice under one CA");
            for entry in &entries {
                check_shown(&entry.address.to_string());
            }
            // Taking out an entry leaves the others as they are.
            if let Some(gone) = entries.first()
                && known.remove(&gone.address, Some(gone.ca)).is_ok()
            {
                assert_eq!(known.list().unwrap(), entries[1..]);
            }
        }
        Err(why) => {
            check_shown(&why.to_string());
            assert_eq!(fs::read(&path).unwrap(), data, "a file that cannot be read is left alone");
        }
    }
}
