//! What the queue does with several files: what is confirmed when.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use upseal::event::{Dialect, Event, State, Variant};

use crate::common::{Client, Host, is_opened, is_state, job_track};

/// Bytes of a file before which everything that was sent is confirmed.
const LARGE: u64 = 16 << 20;

#[test]
fn small_files_are_confirmed_before_a_large_one_begins() {
    for variant in [Variant::Ap, Variant::Cp2] {
        let mut host = Host::start();
        let mut client = Client::start();
        for name in ["a.txt", "b.txt", "d.txt"] {
            client.write(name, name.as_bytes());
        }
        client.sparse("c.bin", LARGE + 1);
        // The server takes nothing of the large file before the test lets it.
        host.hold("c.bin");
        client.upload(&["a.txt", "b.txt", "c.bin", "d.txt"], &host.target(), Dialect::of(variant));
        client.events.until(is_state(3, State::Sending));
        for id in [1, 2] {
            let states = client.events.states(job_track(id));
            assert!(matches!(states.last(), Some(State::Stored { .. })), "{variant}, {id}: {states:?}");
        }
        host.open_gate();
        assert!(client.finish_all(4).iter().all(State::has_arrived), "{variant}");
        client.shut_down();
        host.stop();
        assert_eq!(host.events.count(is_opened), 1, "{variant}: one connection");
    }
}

#[test]
fn files_up_to_16_mib_do_not_wait_for_a_confirmation() {
    let mut host = Host::start();
    let mut client = Client::start();
    client.write("a.txt", b"a");
    client.sparse("b.bin", LARGE);
    client.upload(&["a.txt", "b.bin"], &host.target(), Dialect::of(Variant::Ap));
    assert!(client.finish_all(2).iter().all(State::has_arrived));
    host.stop();
    assert_eq!(
        host.events.count(|event| matches!(event, Event::Receipted { files: 2, .. })),
        1,
        "one receipt for both: {:#?}",
        host.events.seen
    );
}
