//! Servers that cannot prove who they are: the client says why, and sends them nothing of a file.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use rsa::RsaPrivateKey;
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::{DecodePrivateKey as _, LineEnding};
use rsa::sha2::Sha256;
use upseal::Authority;
use upseal::event::{Dialect, Event, Fault, FaultKind, State, Target, Variant};
use x509_cert::SubjectPublicKeyInfo;
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{Builder as _, CertificateBuilder};
use x509_cert::certificate::TbsCertificate;
use x509_cert::der::EncodePem as _;
use x509_cert::ext::Extension;
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::SubjectPublicKeyInfoRef;
use x509_cert::time::Validity;

use crate::common::{
    Client, Host, IDENTITY, Peer, accept, ca, fixtures, is_alone, job_track, listen, message, noise, words,
};

/// Bytes that depend on what the client sent.
type FromHello<'a> = dyn Fn(&[u8]) -> Vec<u8> + 'a;

/// The answer to MODE 3: two blobs.
fn answer(signature: &[u8], certificate: &[u8]) -> Vec<u8> {
    let length = |blob: &[u8]| words(&[blob.len() as u64]);
    [&length(signature), signature, &length(certificate), certificate].concat()
}

fn certificate(name: &str) -> Vec<u8> {
    std::fs::read(fixtures(name)).unwrap()
}

/// Uploads to a server that is only a socket and gives this answer to what it is asked to sign.
///
/// Whatever the answer, the client must fail with the exit code 4, and the server must see MODE 3,
/// MODE 2 and the end, on one connection.
fn unproven(variant: Variant, ca: PathBuf, answer: &FromHello<'_>) -> Fault {
    let (listener, _) = listen();
    let address = listener.local_addr().unwrap().into();
    let target = Target::server(address, Some(ca));
    let mut client = Client::start();
    client.write("secret.txt", &noise(500, 1));
    client.upload(&["secret.txt"], &target, Dialect::of(variant));

    let mut peer = accept(&listener);
    assert_eq!(peer.read(16), words(&[3, 128]), "MODE 3 and a hello come first");
    let hello = peer.read(128);
    assert!(hello.starts_with(b"upseal/1 "));
    peer.send(&answer(&hello));
    assert_eq!(peer.read_to_end(), (words(&[2]), true), "nothing but MODE 2");

    let State::Failed(fault) = client.finish(1) else { panic!("{variant}: it believed that") };
    client.shut_down();
    let states = client.events.states(job_track(1));
    assert_eq!(states, [State::Connecting, State::Proving, State::Failed(fault.clone())]);
    assert_eq!(client.events.count(|event| matches!(event, Event::Proven { .. })), 0);
    assert_eq!((fault.kind, fault.kind.exit_code()), (FaultKind::Unproven, 4), "{fault}");
    assert!(fault.advice.as_str().contains("nothing of the file was sent"), "{fault}");
    assert!(is_alone(&listener), "never again with a weaker variant");
    fault
}

const PROVING: [Variant; 3] = [Variant::Ap, Variant::Cp1, Variant::Cp2];

#[test]
fn a_certificate_that_does_not_hold_is_refused_with_its_reason() {
    let genuine = certificate("identity-v1/server_signed.crt");
    let twice = [&genuine[..], &genuine].concat();
    let trailing = [&genuine[..], b"and more"].concat();
    for (certificate, words) in [
        (certificate("trust/wrong-ca.crt"), "was issued by CN=TEST other CA, but the CA is CN=TEST CA"),
        (certificate("trust/same-name.crt"), "names the CA as its issuer, but was not signed by it"),
        (certificate("trust/self-signed.crt"), "is self-signed"),
        (certificate("trust/sha1.crt"), "signed with SHA-1"),
        (twice, "several certificates"),
        (trailing, "other bytes follow the certificate"),
    ] {
        for variant in PROVING {
            let fault =
                unproven(variant, ca(), &|hello| answer(&IDENTITY.sign(hello).unwrap(), &certificate));
            assert!(fault.what.as_str().contains("certificate is not accepted"), "{fault}");
            assert!(fault.what.as_str().contains(words), "expected {words:?}, got {fault}");
        }
    }
}

#[test]
fn a_server_of_another_ca_is_refused_although_its_answer_is_right() {
    let genuine = certificate("identity-v1/server_signed.crt");
    for variant in PROVING {
        let other = fixtures("trust/brief-ca.crt");
        let fault = unproven(variant, other, &|hello| answer(&IDENTITY.sign(hello).unwrap(), &genuine));
        assert!(fault.what.as_str().contains("was issued by CN=TEST CA"), "{fault}");
        assert!(fault.advice.as_str().contains("--ca"), "{fault}");
    }
}

#[test]
fn a_certificate_out_of_its_time_is_refused_with_the_date() {
    let day = Duration::from_secs(24 * 3600);
    let now = SystemTime::now();
    let authority = Authority::new("TEST dates", 30).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.crt");
    std::fs::write(&ca, authority.certificate_pem()).unwrap();
    for (from, to, words) in [
        (now - 30 * day, now - day, "the certificate expired on 20"),
        (now + day, now + 30 * day, "the certificate is not valid before 20"),
    ] {
        let dated = dated(&authority, from, to);
        for variant in PROVING {
            let fault = unproven(variant, ca.clone(), &|hello| {
                answer(&IDENTITY.sign(hello).unwrap(), dated.as_bytes())
            });
            assert!(fault.what.as_str().contains(words), "expected {words:?}, got {fault}");
        }
    }
    // The same with a time that holds, so that it was the time.
    let good = dated(&authority, now - day, now + day);
    let (listener, _) = listen();
    let address = listener.local_addr().unwrap().into();
    let mut client = Client::start();
    client.write("a.txt", b"hello");
    client.upload(&["a.txt"], &Target::server(address, Some(ca)), Dialect::of(Variant::Ap));
    let mut peer = accept(&listener);
    let hello = peer.read(144).split_off(16);
    peer.send(&answer(&IDENTITY.sign(&hello).unwrap(), good.as_bytes()));
    client.events.until(|event| matches!(event, Event::Proven { .. }));
    assert_eq!(peer.read_upload().0, [message(0, b"a.txt"), message(1, b"hello"), words(&[2])].concat());
}

#[test]
fn a_signature_over_anything_else_is_refused() {
    let genuine = certificate("identity-v1/server_signed.crt");
    let over: [&FromHello<'_>; 4] = [
        &|_| b"Client Request SecureStore ID".to_vec(),
        &|_| Vec::new(),
        &|hello| hello[..127].to_vec(),
        &|hello| [hello, b"0"].concat(),
    ];
    for signed in over {
        for variant in PROVING {
            let fault =
                unproven(variant, ca(), &|hello| answer(&IDENTITY.sign(&signed(hello)).unwrap(), &genuine));
            assert!(fault.what.as_str().contains("the signature was not made over our message"), "{fault}");
        }
    }
}

#[test]
fn a_signature_with_a_bit_flipped_or_a_byte_missing_is_refused() {
    let genuine = certificate("identity-v1/server_signed.crt");
    for at in [0, 63, 127] {
        let fault = unproven(Variant::Ap, ca(), &|hello| {
            let mut signature = IDENTITY.sign(hello).unwrap();
            signature[at] ^= 1;
            answer(&signature, &genuine)
        });
        assert!(fault.what.as_str().contains("the signature was not made over our message"), "{fault}");
    }
    let fault = unproven(Variant::Ap, ca(), &|hello| answer(&IDENTITY.sign(hello).unwrap()[..127], &genuine));
    assert!(fault.what.as_str().contains("the signature has 127 bytes"), "{fault}");
}

/// The flaw of a fixed message: a recorded answer can be replayed.
#[test]
fn an_answer_recorded_from_another_connection_is_refused() {
    let host = Host::start();
    for variant in PROVING {
        // The real server answers another client, word for word as this client asks.
        let fault = unproven(variant, ca(), &|hello| {
            let mut other = hello.to_vec();
            other[20] = if other[20] == b'0' { b'1' } else { b'0' };
            let mut peer = Peer::connect(host.address());
            peer.send(&message(3, &other));
            let (signature, certificate) = (peer.read_blob(), peer.read_blob());
            assert!(peer.hang_up().1);
            answer(&signature, &certificate)
        });
        assert!(fault.what.as_str().contains("the signature was not made over our message"), "{fault}");
        assert!(fault.advice.as_str().contains("replaying"), "{fault}");
    }
}

#[test]
fn a_hello_is_never_asked_twice() {
    let (listener, target) = listen();
    let mut hellos = Vec::new();
    for variant in PROVING.into_iter().cycle().take(6) {
        let mut client = Client::start();
        client.write("a.txt", b"hello");
        client.upload(&["a.txt"], &target, Dialect::of(variant));
        let mut peer = accept(&listener);
        hellos.push(peer.read(144).split_off(16 + 16));
        drop(peer);
        assert!(matches!(client.finish(1), State::Failed(_)));
    }
    for hello in &hellos {
        assert_eq!(hellos.iter().filter(|other| *other == hello).count(), 1);
        let digits = hello.iter().collect::<std::collections::HashSet<_>>();
        assert!(digits.len() > 8, "random digits, {:?}", String::from_utf8_lossy(hello));
    }
}

#[test]
fn bytes_that_are_no_answer_are_rejected() {
    let genuine = certificate("identity-v1/server_signed.crt");
    for (answer, words) in [
        (answer(&[7; 128], &[8; 128]), "expected one part with a certificate, got 0"),
        (answer(&genuine, &genuine), "expected one part with a certificate, got 2"),
        (words(&[1 << 20]), "part of the answer to MODE 3 too long: 1048576 bytes"),
    ] {
        let fault = unproven(Variant::Cp2, ca(), &|_| answer.clone());
        assert!(fault.what.as_str().contains(words), "expected {words:?}, got {fault}");
    }
}

#[test]
fn a_server_that_hangs_up_instead_of_answering_is_unproven() {
    for cut in [0, 1, 8, 100, 136] {
        let (listener, target) = listen();
        let mut client = Client::start();
        client.write("a.txt", b"hello");
        client.upload(&["a.txt"], &target, Dialect::of(Variant::Cp2));
        let mut peer = accept(&listener);
        let hello = peer.read(144).split_off(16);
        let whole = answer(&IDENTITY.sign(&hello).unwrap(), IDENTITY.certificate_pem());
        peer.send(&whole[..cut]);
        assert_eq!(peer.hang_up(), (words(&[2]), true));
        let State::Failed(fault) = client.finish(1) else { panic!("it believed {cut} bytes") };
        assert_eq!(fault.kind, FaultKind::Unproven, "{fault}");
        assert!(fault.what.as_str().contains("the server closed the connection"), "{fault}");
    }
}

#[test]
fn a_server_that_proves_itself_is_introduced() {
    let host = Host::start();
    let mut client = Client::start();
    client.write("a.txt", b"hello");
    client.upload(&["a.txt"], &host.target(), Dialect::of(Variant::Ap));
    let Event::Proven { address, proof, .. } =
        client.events.until(|event| matches!(event, Event::Proven { .. }))
    else {
        unreachable!()
    };
    assert_eq!(address, host.address().into());
    assert_eq!(proof.subject, "CN=TEST server,O=TEST,C=SG");
    assert_eq!(proof.fingerprint, IDENTITY.server_key().fingerprint().to_string());
    assert_eq!(proof.warnings.len(), 2, "version 1 and 1024 bits: {:?}", proof.warnings);
    assert!(client.finish(1).has_arrived());
}

/// A certificate for [`IDENTITY`]'s key, valid from one time to another.
fn dated(authority: &Authority, from: SystemTime, to: SystemTime) -> String {
    let pem = std::fs::read_to_string(fixtures("identity-v1/server_private_key.pem")).unwrap();
    let own = RsaPrivateKey::from_pkcs8_pem(&pem).unwrap();
    let public = SubjectPublicKeyInfo::from_key(own.as_public_key()).unwrap();
    let signer =
        SigningKey::<Sha256>::new(RsaPrivateKey::from_pkcs8_pem(authority.private_key_pem()).unwrap());
    let validity = Validity::new(from.try_into().unwrap(), to.try_into().unwrap());
    CertificateBuilder::new(Dated, SerialNumber::from(1_u32), validity, public)
        .and_then(|builder| {
            builder.build_with_rng::<_, rsa::pkcs1v15::Signature, _>(&signer, &mut UnwrapErr(SysRng))
        })
        .unwrap()
        .to_pem(LineEnding::LF)
        .unwrap()
}

struct Dated;

impl BuilderProfile for Dated {
    fn get_issuer(&self, _subject: &Name) -> Name {
        "CN=TEST dates".parse().unwrap()
    }

    fn get_subject(&self) -> Name {
        "CN=TEST dated server".parse().unwrap()
    }

    fn build_extensions(
        &self,
        _own: SubjectPublicKeyInfoRef<'_>,
        _issuer: SubjectPublicKeyInfoRef<'_>,
        _tbs: &TbsCertificate,
    ) -> x509_cert::builder::Result<Vec<Extension>> {
        Ok(Vec::new())
    }
}
