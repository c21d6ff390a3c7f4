//! The predicted size of every upload is the number of bytes that its connection carries.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use strum::VariantArray as _;
use upseal::event::{Dialect, EmptyFile, Framing, KeyForm, KeyLength, Padding, Terminator, Variant};
use upseal::testing::cost;
use upseal::{Anchor, Connection, Content, Interrupter, Meter, Policy, Start, Tcp};

use crate::common::{Host, K, PATIENCE, ca, noise};

/// Every combination of settings that has an effect on the length of a file.
fn dialects() -> Vec<Dialect> {
    let mut all = vec![Dialect::of(Variant::Plain), Dialect::of(Variant::Ap)];
    let terminators = Terminator::VARIANTS.iter().copied().map(Some);
    let terminators: Vec<Option<Terminator>> = [None].into_iter().chain(terminators).collect();
    for &padding in Padding::VARIANTS {
        for &framing in Framing::VARIANTS {
            for &terminator in &terminators {
                for &empty in EmptyFile::VARIANTS {
                    all.push(Dialect { padding, framing, terminator, empty, ..Dialect::of(Variant::Cp1) });
                }
            }
        }
        for &key_form in KeyForm::VARIANTS {
            for &key_length in KeyLength::VARIANTS {
                all.push(Dialect { padding, key_form, key_length, ..Dialect::of(Variant::Cp2) });
            }
        }
    }
    all
}

/// Sizes at the boundaries of RSA blocks, of Fernet's AES blocks and base64 groups, and of the client's steps.
fn sizes(dialect: Dialect) -> Vec<u64> {
    let full = match dialect.padding {
        Padding::Oaep => 62,
        Padding::Pkcs1v15 => 117,
    };
    match dialect.variant {
        Variant::Cp1 => vec![0, 1, full - 1, full, full + 1, 3 * full, 3 * full + 1],
        _ => vec![0, 1, 14, 15, 16, 17, 31, 32, 33, 47, 48, 49, (256 << 10) - 1, 256 << 10, (256 << 10) + 1],
    }
}

/// Passes one connection on to `server`; returns the bytes that the client sent.
fn counting(server: SocketAddr) -> (SocketAddr, JoinHandle<u64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let count = thread::spawn(move || {
        let mut client = listener.accept().unwrap().0;
        let mut server = TcpStream::connect(server).unwrap();
        for socket in [&client, &server] {
            socket.set_nodelay(true).unwrap();
        }
        let (mut answers, mut back) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let answers = thread::spawn(move || {
            let _ = io::copy(&mut answers, &mut back);
            let _ = back.shutdown(Shutdown::Write);
        });
        let count = io::copy(&mut client, &mut server).unwrap();
        let _ = server.shutdown(Shutdown::Write);
        answers.join().unwrap();
        count
    });
    (address, count)
}

/// Sends files of these sizes over one connection; returns all bytes that the client sent.
fn sent(host: &Host, dialect: Dialect, sizes: &[u64]) -> u64 {
    let (address, count) = counting(host.address());
    let tcp = Tcp::connect(&address.into(), PATIENCE, &Interrupter::default()).unwrap();
    let mut upload = Start::new(Connection::new(Box::new(tcp), PATIENCE), dialect)
        .proven_by(&Anchor::load(&ca()).unwrap())
        .unwrap();
    for &size in sizes {
        let (name, meter) = (format!("{size}.bin"), Meter::default());
        let content = noise(usize::try_from(size).unwrap(), size);
        upload.file(&name, Content::Reader(&mut &*content), size, &meter).unwrap();
        let predicted = cost::wire_len(dialect, name.len() as u64, size, K as u64);
        assert_eq!(meter.wire_bytes(), predicted, "{dialect:?}, {size} bytes");
    }
    // Without MODE 2: after some terminators the server would wait 10 s for more.
    upload.flush().unwrap();
    drop(upload);
    count.join().unwrap()
}

/// The connection without a file is subtracted: authentication and MODE 4.
fn check(host: &Host, dialect: Dialect) {
    let sizes = sizes(dialect);
    let around = sent(host, dialect, &[]);
    let predicted: u64 = sizes
        .iter()
        .map(|&size| cost::wire_len(dialect, format!("{size}.bin").len() as u64, size, K as u64))
        .sum();
    assert_eq!(sent(host, dialect, &sizes) - around, predicted, "{dialect:?}, sizes {sizes:?}");
}

#[test]
fn the_predicted_length_of_every_upload_is_what_its_connection_carries() {
    let mut host = Host::with(Policy::default());
    let dialects = dialects();
    thread::scope(|scope| {
        for share in dialects.chunks(dialects.len().div_ceil(8)) {
            let host = &host;
            scope.spawn(move || share.iter().for_each(|dialect| check(host, *dialect)));
        }
    });
    host.stop();
}
