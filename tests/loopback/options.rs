//! Server options: prefixes, kept ciphertext, and forms of the answer to MODE 3 for certain clients.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use upseal::event::{Dialect, Framing, KeyForm, Padding, Variant};
use upseal::{
    Anchor, Connection, Content, FileDigest, Folder, Interrupter, Meter, Policy, Reply, SentFile, Stamp,
    Start, Store, Tcp, UploadError,
};

use crate::common::{Files, Host, IDENTITY, K, PATIENCE, Peer, ca, contents, message, noise, upload, words};

#[test]
fn a_prefix_stands_before_the_received_name() {
    let mut host = Host::with(Policy { prefix: "recv_".to_owned(), ..Policy::default() });
    for content in [b"one", b"two", b"one"] {
        upload(host.address(), Dialect::of(Variant::Cp2), "dir/a.txt", content).unwrap();
    }
    host.stop();
    assert_eq!(host.stored(), Files::of([("recv_a.txt", &b"one"[..]), ("recv_a (2).txt", b"two")]));
    assert_eq!(host.events.received()[0].name, "recv_a.txt");
}

#[test]
fn a_lane_of_a_race_is_not_kept_with_a_prefix_either() {
    let mut host = Host::with(Policy { prefix: "recv_".to_owned(), ..Policy::default() });
    upload(host.address(), Dialect::of(Variant::Plain), "race-plain-a.txt", b"one").unwrap();
    host.stop();
    assert_eq!(host.stored(), Files::none());
}

/// Sends a file whose ciphertext both sides keep. Returns what the client and the server kept.
fn keep(dialect: Dialect, content: &[u8]) -> (Files, Files) {
    let [here, there] = [0, 1].map(|_| tempfile::tempdir().unwrap());
    let store = |path| Arc::new(Folder::open(path).unwrap()) as Arc<dyn Store>;
    let mut host = Host::keeping(Policy::default(), Some(Arc::clone(&IDENTITY)), Some(store(there.path())));
    let tcp = Tcp::connect(&host.address().into(), PATIENCE, &Interrupter::default()).unwrap();
    let mut upload = Start::new(Connection::new(Box::new(tcp), PATIENCE), dialect)
        .proven_by(&Anchor::load(&ca()).unwrap())
        .unwrap();
    upload.keep_ciphertext(store(here.path()));
    let meter = Meter::default();
    upload.file("a.bin", Content::Reader(&mut &*content), content.len() as u64, &meter).unwrap();
    upload.close(&meter).unwrap();
    host.stop();
    assert_eq!(host.events.refusals(), [""; 0]);
    assert_eq!(host.stored(), Files::one("a.bin", content));
    (contents(here.path()), contents(there.path()))
}

#[test]
fn both_sides_keep_the_same_ciphertext() {
    let content = noise(200, 1);
    for padding in [Padding::Oaep, Padding::Pkcs1v15] {
        for framing in [Framing::A, Framing::B, Framing::C, Framing::D, Framing::E, Framing::F] {
            let dialect = Dialect { padding, framing, ..Dialect::of(Variant::Cp1) };
            let (here, there) = keep(dialect, &content);
            let blocks = if padding == Padding::Oaep { 4 } else { 2 };
            assert_eq!(here.get("enc_a.bin").len(), blocks * K, "{dialect:?}");
            assert_eq!(there, Files::one("enc_recv_a.bin", here.get("enc_a.bin")), "{dialect:?}");
        }
    }
    for key_form in [KeyForm::Fernet, KeyForm::Raw] {
        let dialect = Dialect { key_form, ..Dialect::of(Variant::Cp2) };
        let (here, there) = keep(dialect, &content);
        let token = here.get("enc_a.bin");
        assert_eq!(token.starts_with(b"gAAAA"), key_form == KeyForm::Fernet);
        assert_eq!(there, Files::one("enc_recv_a.bin", token), "{dialect:?}");
    }
}

#[test]
fn plain_and_ap_keep_no_ciphertext() {
    for variant in [Variant::Plain, Variant::Ap] {
        assert_eq!(keep(Dialect::of(variant), b"hello"), (Files::none(), Files::none()));
    }
}

/// The ciphertext of an amended file is that of the whole file.
#[test]
fn an_amended_file_keeps_all_its_ciphertext() {
    let there = tempfile::tempdir().unwrap();
    let store = Arc::new(Folder::open(there.path()).unwrap());
    let mut host = Host::keeping(Policy::default(), Some(Arc::clone(&IDENTITY)), Some(store));
    let mut peer = Peer::connect(host.address());
    let blocks: Vec<Vec<u8>> = [40, 62].map(|length| crate::amended::block(&noise(length, 1))).to_vec();
    let pair = |block: &[u8]| [words(&[K as u64]), block.to_vec()].concat();
    peer.send(&[message(3, b"no hello"), message(0, b"a.bin"), words(&[1]), pair(&blocks[0])].concat());
    crate::amended::wait_for_a_file(&mut host);
    peer.send(&[pair(&blocks[1]), words(&[2])].concat());
    assert!(peer.hang_up().1, "{:?}", host.events.refusals());
    host.stop();
    assert_eq!(contents(there.path()), Files::one("enc_recv_a.bin", &blocks.concat()));
}

#[test]
fn a_refused_body_leaves_no_ciphertext() {
    let there = tempfile::tempdir().unwrap();
    let store = Arc::new(Folder::open(there.path()).unwrap());
    let mut host = Host::keeping(Policy::default(), Some(Arc::clone(&IDENTITY)), Some(store));
    let mut peer = Peer::connect(host.address());
    let mut block = crate::amended::block(b"hello");
    block[50] ^= 1;
    let m1 = words(&[1, 2 * K as u64]);
    let good = crate::amended::block(b"hello");
    peer.send(&[message(3, b"no hello"), message(0, b"a.bin"), m1, good, block].concat());
    assert!(!peer.hang_up().1);
    host.stop();
    assert_eq!(contents(there.path()), Files::none());
    assert_eq!(host.stored(), Files::none());
}

#[test]
fn the_certificate_may_come_first_and_with_gaps() {
    let reply = Reply { gap: Duration::from_millis(20), certificate_first: true };
    let mut host = Host::with(Policy { reply, ..Policy::default() });
    let mut peer = Peer::connect(host.address());
    peer.send(&message(3, b"Client Request SecureStore ID"));
    // One part for each read, as the client does that needs this.
    let parts: Vec<Vec<u8>> = (0..4).map(|_| peer.read_some()).collect();
    assert_eq!(parts[1], IDENTITY.certificate_pem());
    assert_eq!(parts[0], words(&[parts[1].len() as u64]));
    assert_eq!(parts[2], words(&[K as u64]));
    assert_eq!(parts[3].len(), K);
    drop(peer);
    upload(host.address(), Dialect::of(Variant::Cp2), "a.txt", b"hello").unwrap();
    host.stop();
    assert_eq!(host.stored(), Files::one("a.txt", b"hello"));
}

/// Sends `size` bytes of a file unhashed, so that the kernel may move them.
fn unhashed(host: &Host, variant: Variant, file: &File, size: u64) -> Result<SentFile, UploadError> {
    let tcp = Tcp::connect(&host.address().into(), PATIENCE, &Interrupter::default()).unwrap();
    let mut upload = Start::new(Connection::new(Box::new(tcp), PATIENCE), Dialect::of(variant))
        .proven_by(&Anchor::load(&ca()).unwrap())
        .unwrap();
    upload.set_digest(FileDigest::None);
    if variant.authenticates() {
        assert!(!upload.gives_receipts());
    }
    let meter = Meter::default();
    let sent = upload.file("a.bin", Content::File(file), size, &meter)?;
    assert_eq!((meter.file_bytes(), meter.wire_bytes()), (size, upload.wire_len("a.bin", size)));
    upload.close(&meter)?;
    Ok(sent)
}

/// Sends a whole file that was changed after its stamp was taken.
fn changed(host: &Host, variant: Variant, digest: FileDigest, path: &Path, change: &[u8]) -> UploadError {
    let file = File::options().read(true).write(true).open(path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
    let before = file.metadata().unwrap();
    std::fs::write(path, change).unwrap();
    let tcp = Tcp::connect(&host.address().into(), PATIENCE, &Interrupter::default()).unwrap();
    let mut upload = Start::new(Connection::new(Box::new(tcp), PATIENCE), Dialect::of(variant))
        .proven_by(&Anchor::load(&ca()).unwrap())
        .unwrap();
    upload.set_digest(digest);
    let content = Content::Whole(&file, Stamp::of(&before));
    upload.file("a.bin", content, before.len(), &Meter::default()).unwrap_err()
}

#[test]
fn a_file_that_changed_is_never_published() {
    for variant in Variant::ALL {
        for digest in [FileDigest::Sha256, FileDigest::None] {
            for size in [5, 20_000, 600_000] {
                let mut host = Host::with(Policy { digest: FileDigest::None, ..Policy::default() });
                let temp = tempfile::tempdir().unwrap();
                let path = temp.path().join("source");
                std::fs::write(&path, noise(size, 1)).unwrap();
                let error = changed(&host, variant, digest, &path, &noise(size, 2));
                assert!(matches!(error, UploadError::Changed), "{variant}, {size}: {error}");
                let error = changed(&host, variant, digest, &path, &noise(size + 3, 3));
                let promised = size as u64;
                assert!(
                    matches!(error, UploadError::Grown { promised: p, now } if (p, now) == (promised, promised + 3)),
                    "{variant}, {size}: {error}"
                );
                host.stop();
                assert_eq!(host.stored(), Files::none(), "{variant}, {size}");
            }
        }
    }
}

#[test]
fn unhashed_files_of_every_size_arrive() {
    for variant in [Variant::Plain, Variant::Ap, Variant::Cp2] {
        for size in [0, 1, (256 << 10) - 1, 256 << 10, (256 << 10) + 1, (3 << 20) + 7] {
            let mut host = Host::with(Policy { digest: FileDigest::None, ..Policy::default() });
            let content = noise(size, 1);
            let temp = tempfile::tempdir().unwrap();
            let path = temp.path().join("source");
            std::fs::write(&path, &content).unwrap();
            let sent = unhashed(&host, variant, &File::open(&path).unwrap(), size as u64).unwrap();
            host.stop();
            assert_eq!((sent.ordinal, sent.digest), (1, None));
            assert_eq!(host.stored(), Files::one("a.bin", &content), "{variant}, {size}");
            assert_eq!(host.events.received()[0].digest, "", "{variant}, {size}");
        }
    }
}

/// CP1 is always hashed.
#[test]
fn blocks_are_hashed_whatever_the_option_says() {
    let mut host = Host::with(Policy { digest: FileDigest::None, ..Policy::default() });
    upload(host.address(), Dialect::of(Variant::Cp1), "a.bin", b"hello").unwrap();
    host.stop();
    assert_eq!(host.events.received()[0].digest, upseal::Digest::of(b"hello").to_string());
}

#[test]
fn an_unhashed_file_that_is_shorter_than_announced_is_not_published() {
    for variant in [Variant::Plain, Variant::Ap, Variant::Cp2] {
        let mut host = Host::with(Policy { digest: FileDigest::None, ..Policy::default() });
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("source");
        std::fs::write(&path, noise(1 << 20, 1)).unwrap();
        let error = unhashed(&host, variant, &File::open(&path).unwrap(), 2 << 20).unwrap_err();
        assert!(matches!(error, UploadError::Shrunk { promised: 2_097_152, got: 1_048_576 }), "{error}");
        host.stop();
        assert_eq!(host.stored(), Files::none(), "{variant}");
    }
}
