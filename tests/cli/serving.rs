//! `upseal serve`: which client `--once` counts, the listening address, exposed keys, and signals.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;

use rustix::process::Signal;
use upseal::event::{Dialect, Variant};

use super::common::{self, Files, Peer, contents, fixtures};
use super::{Home, words};

const PLAIN: &str = "serve --json --accept plain --bind 127.0.0.1:0";

#[test]
fn a_server_started_by_nohup_goes_on_when_the_terminal_hangs_up() {
    let home = Home::new();
    let mut server = home.start_by_nohup(words(PLAIN, &[]));
    let address: SocketAddr = server.address().parse().unwrap();
    let mut peer = Peer::connect(address);
    peer.send(&[common::message(0, b"half.txt"), common::words(&[1, 10]), b"01234".to_vec()].concat());
    server.json(|event| event["event"] == "receiving" && event["name"] == "half.txt");
    server.signal(Signal::HUP);
    // A server that reacts to SIGHUP would end during these.
    for n in 0..20 {
        common::upload(address, Dialect::of(Variant::Plain), &format!("{n}.txt"), b"hello").unwrap();
    }
    peer.send(&[b"56789".to_vec(), common::words(&[2])].concat());
    assert_eq!(peer.read_to_end(), (Vec::new(), true), "the file is whole, and the end is in order");
    server.signal(Signal::TERM);
    assert_eq!(server.finish().code, Some(0));
    let stored = contents(&home.path("recv_files"));
    assert_eq!((stored.names().len(), stored.get("half.txt").len()), (21, 10));
}

#[test]
fn an_upload_started_by_nohup_goes_on_when_the_terminal_hangs_up() {
    let home = Home::new();
    let (listener, _) = common::listen();
    let address = listener.local_addr().unwrap().to_string();
    std::fs::File::create(home.path("big.bin")).unwrap().set_len(common::BIG).unwrap();
    let line = ["send", "--json", "-p", "plain", "--digest", "none", "--to", &address, "big.bin"];
    let mut program = home.start_by_nohup(line);
    let mut peer = common::accept(&listener);
    program.json(|event| event["event"] == "progress" && event["wire_bytes"] != 0);
    program.signal(Signal::HUP);
    // All of it: MODE 0 and the name, MODE 1 and its length, the file, MODE 2.
    let sent = 16 + "big.bin".len() + 16 + usize::try_from(common::BIG).unwrap() + 8;
    assert_eq!(peer.read(sent)[sent - 8..], [0, 0, 0, 0, 0, 0, 0, 2]);
    drop(peer);
    let outcome = program.finish();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
}

#[test]
fn a_connection_without_a_complete_message_is_not_the_client_of_once() {
    let home = Home::new();
    let mut server = home.start(words(&format!("{PLAIN} --once"), &[]));
    let address: SocketAddr = server.address().parse().unwrap();
    let scans: [&[u8]; 5] = [
        b"",
        b"\0\0\0\0",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05a.t",
    ];
    for scan in scans {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.write_all(scan).unwrap();
        drop(socket);
        server.json(|event| event["event"] == "session_closed");
    }
    common::upload(address, Dialect::of(Variant::Plain), "a.txt", b"hello").unwrap();
    let outcome = server.finish();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(contents(&home.path("recv_files")), Files::one("a.txt", b"hello"));
}

#[test]
fn a_client_that_sends_only_mode_2_is_the_client_of_once() {
    let home = Home::new();
    let mut server = home.start(words(&format!("{PLAIN} --once"), &[]));
    let address: SocketAddr = server.address().parse().unwrap();
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(&common::words(&[2])).unwrap();
    assert_eq!(server.finish().code, Some(0));
}

#[test]
fn a_host_name_can_be_bound_and_is_loopback_if_its_addresses_are() {
    let home = Home::new();
    let mut server = home.start(words("serve --json --once --accept plain --bind localhost:0", &[]));
    let address = server.address();
    assert!(address.starts_with("127.0.0.1:"), "IPv4 first, as the default address: {address}");
    common::upload(address.parse().unwrap(), Dialect::of(Variant::Plain), "a.txt", b"hello").unwrap();
    assert_eq!(server.finish().code, Some(0));
    // On loopback all variants are accepted by default, so a key is needed.
    let outcome = home.run(&["serve", "--bind", "localhost:0"]);
    assert_eq!(outcome.code, Some(5), "{outcome:?}");
}

#[test]
fn a_private_key_readable_by_others_is_a_warning_or_with_strict_modes_an_error() {
    let home = Home::new();
    let certs = home.path("certs");
    std::fs::create_dir(&certs).unwrap();
    for name in ["server_signed.crt", "server_private_key.pem", "cacsertificate.crt"] {
        let from = fixtures("identity-v1").join(name);
        if from.exists() {
            std::fs::copy(from, certs.join(name)).unwrap();
        }
    }
    let key = certs.join("server_private_key.pem");
    let warned = |mode: u32, flags: &str| {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        let mut server = home.start(words(&format!("serve --json --once --bind 127.0.0.1:0 {flags}"), &[]));
        let address = server.address().parse().unwrap();
        common::upload(address, Dialect::of(Variant::Plain), "a.txt", b"hello").unwrap();
        let outcome = server.finish();
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        outcome.out.lines().any(|line| {
            line.contains("\"warned\"")
                && line.contains("server_private_key.pem")
                && line.contains("mode")
                && line.contains("chmod 600")
        })
    };
    assert!(warned(0o644, "") && warned(0o640, "") && warned(0o602, ""));
    assert!(!warned(0o600, "") && !warned(0o400, "--strict-modes"));
    for mode in [0o644, 0o640, 0o604] {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        let outcome = home.run(&["serve", "--strict-modes", "--bind", "127.0.0.1:0"]);
        assert_eq!(outcome.code, Some(5), "{outcome:?}");
        assert!(
            outcome.err.contains("server_private_key.pem") && outcome.err.contains("chmod 600"),
            "{outcome:?}"
        );
    }
    // The CA's key can certify any server.
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::copy(&key, certs.join("ca_private_key.pem")).unwrap();
    std::fs::set_permissions(certs.join("ca_private_key.pem"), std::fs::Permissions::from_mode(0o644))
        .unwrap();
    let outcome = home.run(&["serve", "--strict-modes", "--bind", "127.0.0.1:0"]);
    assert_eq!(outcome.code, Some(5), "{outcome:?}");
    assert!(outcome.err.contains("ca_private_key.pem"), "{outcome:?}");
}
