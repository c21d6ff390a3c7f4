//! How much of the server's disk clients may take.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use upseal::event::{Dialect, Event, Variant};
use upseal::testing::net::REFUSED;
use upseal::{DiskLimits, Policy};

use crate::common::{self, Host, Peer, message, words};
use crate::program::{self, Home};

fn host(disk: DiskLimits) -> Host {
    Host::with(Policy { disk: disk.into(), ..Policy::default() })
}

fn plain(host: &Host, name: &str, content: &[u8]) -> std::io::Result<()> {
    common::upload(host.address(), Dialect::of(Variant::Plain), name, content)
}

fn why(host: &mut Host) -> String {
    let Event::Refused { why, .. } = host.events.until(|event| matches!(event, Event::Refused { .. })) else {
        unreachable!()
    };
    why
}

#[test]
fn an_address_has_a_quota_of_files_and_bytes() {
    let mut host = host(DiskLimits { files: Some(3), bytes: Some(1000), ..DiskLimits::default() });
    plain(&host, "a.bin", &[1; 600]).unwrap();
    assert!(plain(&host, "b.bin", &[1; 401]).is_err());
    let said = why(&mut host);
    assert!(
        said.contains("127.0.0.1 would have sent more than 1000 B in a day (--quota-per-address)"),
        "{said}"
    );
    // CP1 announces no size in this framing, so the bytes count when they come.
    let cp1 = Dialect { framing: upseal::event::Framing::D, ..Dialect::of(Variant::Cp1) };
    assert!(common::upload(host.address(), cp1, "c.bin", &[1; 500]).is_err());
    assert!(why(&mut host).contains("--quota-per-address"));
    plain(&host, "d.bin", &[1; 10]).unwrap();
    assert!(plain(&host, "e.bin", b"").is_err());
    let said = why(&mut host);
    assert!(said.contains("127.0.0.1 has sent 3 files in a day (--quota-per-address)"), "{said}");
    host.stop();
    assert_eq!(host.stored().names(), ["a.bin", "d.bin"]);
}

#[test]
fn what_is_on_its_way_counts_for_the_total_of_the_store() {
    let home = Home::new();
    let line = "serve --json --accept plain --bind 127.0.0.1:0 --max-total 100KiB";
    let mut server = home.start(program::words(line, &[]));
    let address = server.address().parse().unwrap();
    let mut slow = Peer::connect(address);
    slow.send(&[message(0, b"slow.bin"), words(&[1, 80 << 10]), b"a".to_vec()].concat());
    server.json(|event| event["event"] == "receiving");
    let second = vec![7; 30 << 10];
    let plain = Dialect::of(Variant::Plain);
    assert!(common::upload(address, plain, "second.bin", &second).is_err());
    let refused = server.json(|event| event["event"] == "refused");
    let said = refused["why"].as_str().unwrap();
    assert!(said.contains("the store would have more than 100 KiB (--max-total)"), "{said}");
    drop(slow);
    server.json(|event| event["event"] == "refused");
    common::upload(address, plain, "second.bin", &second).unwrap();
}

#[test]
fn some_of_the_disk_stays_free() {
    let home = Home::new();
    let line = "serve --json --accept plain --bind 127.0.0.1:0 --min-free 8000TiB";
    let mut server = home.start(program::words(line, &[]));
    let address = server.address().parse().unwrap();
    let mut client = Peer::connect(address);
    client.send(&[message(0, b"a.txt"), words(&[1, 1]), b"a".to_vec()].concat());
    assert_eq!(client.read_to_end().0, [REFUSED]);
    let refused = server.json(|event| event["event"] == "refused");
    let said = refused["why"].as_str().unwrap();
    assert!(said.contains("stay free (--min-free)"), "{said}");
    assert_eq!(refused["blame"], "system", "the operator has to act");
}

#[test]
fn a_kept_ciphertext_counts_for_the_size_of_a_file() {
    let home = Home::new();
    let certs = common::fixtures("identity-v1").to_string_lossy().into_owned();
    let line = "serve --json --bind 127.0.0.1:0 --max-file 1000 --keep-ciphertext kept --certs {certs}";
    let mut server = home.start(program::words(line, &[("certs", &certs)]));
    let address = server.address().parse().unwrap();
    // 62 bytes are 128 of ciphertext.
    let cp1 = Dialect::of(Variant::Cp1);
    common::upload(address, cp1, "a.bin", &[7; 434]).unwrap();
    assert!(common::upload(address, cp1, "b.bin", &[7; 435]).is_err());
    let refused = server.json(|event| event["event"] == "refused");
    let said = refused["why"].as_str().unwrap();
    assert!(said.contains("1 KiB (at most 1000 B, --max-file)"), "{said}");
}
