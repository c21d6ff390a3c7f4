//! `upseal health`: what its exit code says.

use super::common::{self, Host, accept, listen, unused_address};
use super::{Home, ca_argument, words};

#[test]
fn health_is_0_for_the_known_server_and_sends_no_file() {
    let home = Home::new();
    let host = Host::start();
    let address = host.address().to_string();
    let outcome = home.run(&["health", &address, "--ca", &ca_argument()]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.out.starts_with(&format!("{address} proved to be CN=")), "{outcome:?}");
    let outcome = home.run(&["health", &address, "--ca", &ca_argument(), "--json"]);
    let answer: serde_json::Value = serde_json::from_str(outcome.out.trim()).unwrap();
    assert_eq!(answer["address"], address.as_str());
    assert_eq!(answer["proof"]["bits"], 1024, "{answer}");
    assert!(host.stored().names().is_empty());
}

#[test]
fn health_tells_an_absent_a_wrong_and_a_busy_server_apart() {
    let home = Home::new();
    let (_held, absent) = unused_address();
    let absent = absent.to_string();
    let run = |args: &[&str]| home.run(&[&["health"], args, &["--ca", &ca_argument()]].concat());
    assert_eq!(run(&[&absent]).code, Some(3));

    let host = Host::start();
    let wrong = format!("sha256:{}", "0".repeat(64));
    let outcome = run(&[&host.address().to_string(), "--pin", &wrong]);
    assert_eq!(outcome.code, Some(4), "{outcome:?}");

    let (listener, _) = listen();
    let address = listener.local_addr().unwrap().to_string();
    let asking = home.start(words("health {to} --ca {ca}", &[("to", &address), ("ca", &ca_argument())]));
    let mut peer = accept(&listener);
    let challenge = peer.read(16);
    assert_eq!(challenge[..8], common::words(&[3])[..]);
    peer.send(b"\xffupseal/1 refused busy\n");
    drop(peer);
    let outcome = asking.finish();
    assert_eq!(outcome.code, Some(6), "{outcome:?}");
}
