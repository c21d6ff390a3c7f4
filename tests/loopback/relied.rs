//! A file that a receipt or another client relies on stays byte for byte, whatever its first sender does.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use upseal::event::{Dialect, Event, Kept, Named, State, Variant};
use upseal::testing::receipt::{Fate, Receipt};
use upseal::{Anchor, Confirmation, Connection, Content, Digest, Interrupter, Meter, Policy, Start, Tcp};

use crate::amended::{begin, kept, pair, wait_for_a_file};
use crate::common::{Client, Files, Host, PATIENCE, ca, noise, words};

/// Sends one file and asks for its receipt; returns the name and the digest that the receipt states.
fn receipted(host: &Host, name: &str, content: &[u8]) -> (String, Digest) {
    let receipt = receipt(host, name, content);
    let Fate::Stored { digest, name, .. } = &receipt.statement.entries[0].fate else {
        panic!("{:?}", receipt.statement)
    };
    (name.clone(), *digest)
}

fn receipt(host: &Host, name: &str, content: &[u8]) -> Receipt {
    let address = host.address().into();
    let tcp = Tcp::connect(&address, PATIENCE, &Interrupter::default()).unwrap();
    let anchor = Anchor::load(&ca()).unwrap();
    let mut upload = Start::new(Connection::new(Box::new(tcp), PATIENCE), Dialect::of(Variant::Ap))
        .proven_by(&anchor)
        .unwrap();
    upload.file(name, Content::Reader(&mut &*content), content.len() as u64, &Meter::default()).unwrap();
    let Confirmation::Receipt(receipt) = upload.receipts(1..=1, None).unwrap() else { panic!("no receipt") };
    *receipt
}

/// The attack: the attacker stores the expected content first and keeps the connection; the victim's upload is
/// answered "already here" with a receipt; one more block of the attacker's would replace the file.
#[test]
fn a_file_that_a_receipt_relies_on_is_not_replaced_by_the_block_of_its_first_sender() {
    let mut host = Host::start();
    let content = noise(100, 1);
    let mut attacker = begin(&host, "a.bin");
    attacker.send(&pair(&content[..40]));
    wait_for_a_file(&mut host);
    let (name, digest) = receipted(&host, "a.bin", &content[..40]);
    assert_eq!((name.as_str(), digest), ("a.bin", Digest::of(&content[..40])));
    attacker.send(&[pair(&content[40..]), words(&[2])].concat());
    assert!(attacker.hang_up().1, "{:?}", host.events.refusals());
    host.stop();
    assert_eq!(host.stored(), Files::of([("a.bin", &content[..40]), ("a (2).bin", &content)]));
    assert_eq!(kept(&host), [Kept::New, Kept::Same, Kept::Renamed]);
}

/// The attacker's amendment has begun, and is not published yet, when the victim's file comes.
#[test]
fn a_file_that_becomes_relied_on_while_it_is_amended_stays() {
    let mut host = Host::start();
    let content = noise(100, 1);
    let mut attacker = begin(&host, "a.bin");
    attacker.send(&pair(&content[..40]));
    wait_for_a_file(&mut host);
    let more = pair(&content[40..]);
    attacker.send(&more[..60]);
    host.events.until(|event| matches!(event, Event::Receiving { .. }));
    assert_eq!(receipted(&host, "a.bin", &content[..40]).1, Digest::of(&content[..40]));
    attacker.send(&[&more[60..], &words(&[2])].concat());
    assert!(attacker.hang_up().1, "{:?}", host.events.refusals());
    host.stop();
    assert_eq!(host.stored(), Files::of([("a.bin", &content[..40]), ("a (2).bin", &content)]));
}

/// The guesses: a client uploads what another client may have uploaded, and reads its receipt.
#[test]
fn a_receipt_does_not_reveal_whether_a_file_of_that_name_or_content_was_there() {
    use Kept::{New, Renamed, Same};
    let mut host =
        Host::with(Policy { names: Named::Wanted, prefix: "recv_".to_owned(), ..Policy::default() });
    receipted(&host, "salary.txt", b"salary: 4711");
    // Every receipt differs in the request, with its nonce, and the time.
    let lines = |name: &str, content: &[u8]| {
        let text = receipt(&host, name, content).text;
        let lines = text.lines().filter(|line| !line.starts_with("request ") && !line.starts_with("time "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let content = b"salary: 4711";
    let there = lines("salary.txt", content);
    let digest = Digest::of(content);
    assert_eq!(there.last().unwrap(), &format!("accepted 1 ap 12 {digest} salary.txt"));
    // The same file, the name alone, the content alone, neither: only what the client has sent differs.
    for (name, content) in [
        ("salary.txt", &b"salary: 4711"[..]),
        ("salary.txt", b"salary: 4712"),
        ("other.txt", b"salary: 4711"),
        ("new.txt", b"new"),
    ] {
        let expected: Vec<String> = there
            .iter()
            .map(|line| {
                if line.starts_with("accepted") {
                    format!("accepted 1 ap {} {} {name}", content.len(), Digest::of(content))
                } else {
                    line.clone()
                }
            })
            .collect();
        assert_eq!(lines(name, content), expected);
    }
    host.stop();
    // In the folder each file is stored once, and each upload is reported to the operator.
    assert_eq!(kept(&host), [New, Same, Same, Renamed, New, New]);
    let names = ["recv_new.txt", "recv_other.txt", "recv_salary (2).txt", "recv_salary.txt"];
    assert_eq!(host.stored().names(), names);
}

#[test]
fn a_client_says_what_the_name_in_a_receipt_is() {
    for (named, stated) in [(Named::Wanted, "a.bin"), (Named::Stored, "a (2).bin")] {
        let mut host = Host::with(Policy { names: named, ..Policy::default() });
        host.put("a.bin", b"another");
        let mut client = Client::start();
        client.write("a.bin", b"content");
        client.upload(&["a.bin"], &host.target(), Dialect::of(Variant::Ap));
        let state = client.finish(1);
        assert_eq!(state, State::Stored { name: stated.into(), named, receipt: None, earlier: None });
        host.stop();
    }
}
