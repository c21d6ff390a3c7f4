//! Folders between our client and our server: kept, flattened, and what a stranger can do with paths.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use upseal::Policy;
use upseal::event::{
    Command, Dialect, Event, FolderId, FolderOrder, FolderRules, State, Target, Track, Variant,
};

use super::common::{Client, Files, Host, listen, message, words};

fn fill(client: &Client, files: &[(&str, &[u8])]) {
    for (name, content) in files {
        let path = client.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

fn order(client: &Client, id: u32, folder: &str, target: &Target, variant: Variant) -> FolderOrder {
    FolderOrder {
        id: FolderId(id),
        path: client.path(folder),
        rules: FolderRules::default(),
        target: target.clone(),
        dialect: Dialect::of(variant),
    }
}

/// Sends a folder of `files` files and returns their final states and the notes on the way.
fn send(client: &mut Client, order: FolderOrder, files: u32) -> (Vec<State>, Vec<String>) {
    let id = order.id;
    client.ask(Command::UploadFolder(order));
    let (mut states, mut notes) = (Vec::new(), Vec::new());
    while states.len() < files as usize {
        match client.events.next() {
            Event::State { track: Track::Job(job), state } if state.is_final() => {
                assert!(job > id.job(0) && job <= id.job(files));
                states.push(state);
            }
            Event::Note { text } => notes.push(text),
            _ => {}
        }
    }
    (states, notes)
}

const TREE: [(&str, &[u8]); 3] =
    [("tree/a.txt", b"one"), ("tree/sub/a.txt", b"two"), ("tree/sub/deep/b.txt", b"three")];

#[test]
fn paths_are_kept_with_receipts_and_a_second_time_nothing_is_stored_again() {
    for variant in [Variant::Ap, Variant::Cp1, Variant::Cp2] {
        let (mut host, mut client) = (Host::start(), Client::start());
        fill(&client, &TREE);
        let past = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        let file = fs::File::options().write(true).open(client.path("tree/a.txt")).unwrap();
        file.set_permissions(fs::Permissions::from_mode(0o4755)).unwrap();
        file.set_modified(past).unwrap();
        for round in 1..=2 {
            let order = order(&client, round, "tree", &host.target(), variant);
            let (states, notes) = send(&mut client, order, 3);
            let names: Vec<&str> = states
                .iter()
                .map(|state| match state {
                    State::Stored { name, .. } => name.as_str(),
                    other => panic!("{variant}: {other:?}"),
                })
                .collect();
            assert_eq!(names, TREE.map(|(name, _)| name), "{variant}");
            assert_eq!(notes, Vec::<String>::new());
        }
        host.stop();
        assert_eq!(host.stored(), Files::of(TREE), "{variant}");
        let metadata = |path: &Path| fs::metadata(path.join("tree/a.txt")).unwrap();
        let (here, there) = (metadata(&client.path("")), metadata(host.folder()));
        assert_eq!(here.modified().unwrap(), there.modified().unwrap(), "{variant}");
        assert_eq!(there.permissions().mode() & 0o100, 0o100, "{variant}: the executable bit is kept");
        let plain = fs::metadata(host.folder().join("tree/sub/a.txt")).unwrap();
        assert_eq!(plain.permissions().mode() & 0o111, 0, "{variant}");
    }
}

#[test]
fn a_server_that_flattens_gets_names_alone_and_the_client_says_so() {
    let mut host = Host::with(Policy { paths: false, ..Policy::default() });
    let mut client = Client::start();
    fill(&client, &TREE);
    let order = order(&client, 1, "tree", &host.target(), Variant::Cp2);
    let (states, notes) = send(&mut client, order, 3);
    assert!(states.iter().all(|state| matches!(state, State::Stored { .. })), "{states:?}");
    assert_eq!(
        notes,
        [
            "the server does not keep folders: the files of tree get their names alone",
            "tree/a.txt and tree/sub/a.txt have the same name; if they differ, the server keeps the second as a copy"
        ]
    );
    host.stop();
    assert_eq!(
        host.stored(),
        Files::of([("a.txt", &b"one"[..]), ("a (2).txt", b"two"), ("b.txt", b"three")])
    );
}

#[test]
fn a_server_that_says_nothing_of_paths_gets_the_same_bytes_as_ever() {
    let (listener, target) = listen();
    let client = Client::start();
    fill(&client, &[("tree/sub/a.txt", b"one")]);
    client.ask(Command::UploadFolder(order(&client, 1, "tree", &target, Variant::Plain)));
    let (mut peer, _) = listener.accept().unwrap();
    let mut bytes = vec![0; 8 + 8 + 5 + 8 + 8 + 3 + 8];
    peer.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes, [message(0, b"a.txt"), message(1, b"one"), words(&[2])].concat());
}

#[test]
fn a_description_of_a_client_without_a_hello_is_a_name_like_any_other() {
    let mut host = Host::start();
    let mut stranger = TcpStream::connect(host.address()).unwrap();
    for name in ["upseal/1 file\nname x/y", "/etc/passwd", "../../up", "a\\b"] {
        stranger.write_all(&[message(0, name.as_bytes()), message(1, name.as_bytes())].concat()).unwrap();
    }
    stranger.write_all(&words(&[2])).unwrap();
    assert_eq!(stranger.read(&mut [0; 1]).unwrap(), 0, "an end in order");
    host.stop();
    assert_eq!(host.stored().names(), ["b", "passwd", "up", "y"]);
}

/// What is planted in the store while the server runs does not lead out of it.
#[test]
fn a_planted_link_does_not_lead_out_of_the_store() {
    let (mut host, mut client) = (Host::start(), Client::start());
    fill(&client, &TREE);
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path(), host.folder().join("tree")).unwrap();
    let order = order(&client, 1, "tree", &host.target(), Variant::Cp2);
    let (states, _) = send(&mut client, order, 3);
    assert!(states.iter().all(State::has_arrived), "{states:?}");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    fs::remove_file(host.folder().join("tree")).unwrap();
    host.stop();
    let names = ["tree (2)/a.txt", "tree (2)/sub/a.txt", "tree (2)/sub/deep/b.txt"];
    assert_eq!(host.stored().names(), names);
}
