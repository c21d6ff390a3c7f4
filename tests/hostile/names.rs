//! Names and paths that try to leave the store's folder or to replace what is in it.
//!
//! The folder holds files, folders, links and a pipe. Beside it lies a folder with the same names that no upload may
//! touch. Each name is sent as a name alone, as a path, and as a path into each planted thing; after each upload
//! everything that was there is compared.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use upseal::Policy;
use upseal::event::Variant;

use crate::common::{message, words};
use crate::server::{End, Server};
use crate::speaker::{Challenge, Speaker};

/// The content of each upload; no planted file has it.
const SENT: &[u8] = b"sent by a stranger";

/// One entry of a folder, exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    inode: u64,
    mode: u32,
    links: u64,
    /// Content of a file, target of a link.
    content: Vec<u8>,
}

/// Reads a folder and everything in it, and follows no link.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Entry> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let there = fs::symlink_metadata(&path).unwrap();
        let content = if there.is_symlink() {
            fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
        } else if there.is_file() {
            fs::read(&path).unwrap()
        } else {
            Vec::new()
        };
        // The links of a folder count the folders in it.
        let links = if there.is_dir() { 0 } else { there.nlink() };
        if there.is_dir() {
            all.extend(tree(&path));
        }
        all.insert(path, Entry { inode: there.ino(), mode: there.mode(), links, content });
    }
    all
}

/// Names of what is planted in the store: files, folders, and links to a file, a folder, nothing, itself and the store.
const PLANTED: [&str; 12] = [
    "file",
    "file.txt",
    "folder",
    "link-to-file",
    "link-to-folder",
    "link-to-nothing",
    "link-to-itself",
    "link-to-parent",
    "link-to-root",
    "link-inside",
    "pipe",
    "folder/deep",
];

fn plant(server: &Server) {
    let (outside, inside) = (server.around().join("outside"), server.folder());
    for folder in [&outside, &inside] {
        fs::create_dir_all(folder.join("folder/deep")).unwrap();
        for name in ["file", "file.txt", "folder/file", "folder/deep/file"] {
            fs::write(folder.join(name), format!("planted as {name}")).unwrap();
        }
    }
    for (name, target) in [
        ("link-to-file", "../outside/file"),
        ("link-to-folder", "../outside"),
        ("link-to-nothing", "../outside/created"),
        ("link-to-itself", "link-to-itself"),
        ("link-to-parent", ".."),
        ("link-to-root", "/"),
        ("link-inside", "folder"),
        ("folder/link-to-folder", "../../outside"),
        ("folder/link-to-nothing", "../../outside/created"),
    ] {
        symlink(target, inside.join(name)).unwrap();
    }
    rustix::fs::mknodat(
        rustix::fs::CWD,
        inside.join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
}

/// Returns hostile names, of one part or several.
#[rustfmt::skip] // a name in each line would hide the groups
#[allow(clippy::too_many_lines, reason = "a table")]
fn names() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    let mut add = |name: &str| all.push(name.as_bytes().to_vec());
    // Ways up and out, in the notations of several systems.
    for up in [
        "..", ".", "...", ". .", " ..", ".. ", "..\u{0}", "..;", "%2e%2e", "..%2f", "..%5c", "%252e%252e", "․․",
        "‥", "．．", "..\u{200b}", "\u{feff}..", "..\n", "\u{2025}", "\u{ff0e}\u{ff0e}", "..\u{ad}",
    ] {
        for rest in ["", "/", "/file", "\\file", "/../file", "/../../etc/passwd", "/outside/file", "/outside/new"] {
            add(&format!("{up}{rest}"));
        }
        for before in ["/", "\\", "folder/", "folder\\", "./", "//", "new/", "folder/deep/", "\\\\host\\share\\"] {
            add(&format!("{before}{up}"));
            add(&format!("{before}{up}/outside/file"));
        }
    }
    // Absolute ones, drives, shares, devices, streams, and addresses.
    for absolute in [
        "/", "//", "///etc/passwd", "/etc/passwd", "/proc/self/cwd/x", "/dev/null", "/dev/fd/0", "~", "~/x", "~root/x",
        "C:", "C:\\x", "c:/x", "C:x", "\\\\?\\C:\\x", "\\\\.\\PhysicalDrive0", "\\\\host\\share\\x", "\\??\\C:\\x",
        "file:///etc/passwd", "http://host/x", "CON", "con.txt", "NUL", "nul.tar.gz", "AUX", "PRN", "COM1", "com¹",
        "LPT9.txt", "CONIN$", "CONOUT$", "CLOCK$", "file:stream", "file::$DATA", "file.txt:Zone.Identifier",
        "$MFT", "desktop.ini", "Thumbs.db", ".htaccess", ".git/config", ".git", ".ssh/authorized_keys", ".bashrc",
        "PROGRA~1", "FILE~1.TXT", "-rf", "--help", "-", "*", "?", "[a-z]", "$(id)", "`id`", "; id", "| id", "a&b",
    ] {
        add(absolute);
    }
    // Names that only look like another one, or fold to it.
    for alike in [
        "File", "FILE", "fIlE", "file ", " file", "file.", "file..", "file\u{200b}", "file\u{feff}", "\u{202e}elif",
        "fi\u{200d}le", "f\u{131}le", "ﬁle", "fıle", "ＦＩＬＥ", "fil\u{435}", "file\u{301}", "FILE.TXT", "File.Txt",
        "file.txt ", "file.txt.", "file\u{2024}txt", "folder ", "Folder", "FOLDER", "folder.", "folder\u{ad}",
        "straße", "STRASSE", "cafe\u{301}", "caf\u{e9}", "\u{212b}", "\u{c5}", "A\u{30a}", "\u{1e9e}", "İ", "ſ", "K",
        "file (2)", "file (2).txt", "file.txt (2)", "folder (2)", "file (99)", "file (100)", "file (02)",
    ] {
        add(alike);
    }
    // Control characters, directions of text, escapes of terminals, and text that ends a line or a field.
    for control in (0..0x20).chain([0x7f]) {
        let control = char::from(control);
        add(&format!("a{control}b"));
        add(&control.to_string());
        add(&format!("file{control}"));
    }
    for strange in [
        "\u{85}", "\u{9b}31m", "\u{2028}", "\u{2029}", "\u{202a}x", "\u{202d}x", "\u{2066}x\u{2069}", "\u{200e}x",
        "\u{61c}x", "txt.\u{202e}exe", "\u{1b}[2J", "\u{1b}]0;owned\u{7}", "\u{1b}P1$q\u{1b}\\", "a\rb", "a\r\nb",
        "a\tb", "\u{7}", "\u{8}\u{8}x", "\u{e000}", "\u{fffe}", "\u{ffff}", "\u{10ffff}", "\u{fffd}", "👩‍👩‍👧", "\u{300}",
        "{\"a\":1}", "a\",\"b\":\"c", "<script>", "'; DROP TABLE received; --", "=1+1", "@x", "%s%n", "upseal/1 file\n",
        "upseal/1 file\nname", "upseal/1 file\nname ", "upseal/1 file\nname ../x", "upseal/1 receipt",
    ] {
        add(strange);
    }
    // What the store itself uses.
    for own in [
        ".upseal-", ".upseal-shared.part", ".UPSEAL-shared.part", ".upseal-0123456789abcdef0123456789abcdef.part",
        "folder/.upseal-shared.part", ".upseal-x/file", "race-plain-x", "race-cp1-file", "enc_recv_file",
    ] {
        add(own);
    }
    // Lengths in bytes around the limits of a name and of a path.
    for length in [254, 255, 256, 257, 1023, 1024, 1025, 4095, 4096] {
        add(&"x".repeat(length));
        add(&format!("{}.txt", "x".repeat(length - 4)));
        add(&"é".repeat(length / 2));
        add(&"a/".repeat(length / 2));
        add(&format!("{}b", "a/".repeat((length - 1) / 2)));
        add(&"../".repeat(length / 3));
    }
    for parts in [63, 64, 65] {
        add(&vec!["d"; parts].join("/"));
    }
    // Into what is planted, under it, and in place of it.
    for planted in PLANTED {
        for rest in ["", "/", "/file", "/new", "/folder/file", "/deep/file", "/../file", "/./file", "//file", "\\file"] {
            add(&format!("{planted}{rest}"));
        }
        add(&format!("./{planted}"));
        add(&format!("new/../{planted}"));
    }
    // What is not text.
    for bytes in [
        &b"\xff"[..], b"a\xff", b"\xc0\xaf", b"..\xc0\xaf..", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xed\xa0\x80",
        b"\xed\xbf\xbf", b"\xf8\x88\x80\x80\x80", b"\xc3", b"caf\xe9", b"\xfe\xff\0a", b"folder/\xff", b"\xff/file",
        b"\x80", b"\xc1\x81", b"\xf4\x90\x80\x80",
    ] {
        all.push(bytes.to_vec());
    }
    all
}

/// Returns the bytes of an upload of [`SENT`] under this M2 of MODE 0.
fn upload(speaker: &Speaker, m2: &[u8]) -> Vec<u8> {
    let whole = speaker.speak(&[("N", SENT)]);
    let at = whole.windows(17).position(|bytes| bytes == message(0, b"N")).unwrap();
    [&whole[..at], &message(0, m2), &whole[at + 17..]].concat()
}

/// Sends a name, and checks that nothing happened but a refusal or one new file inside. Returns whether it was stored.
fn check(server: &Server, before: &BTreeMap<PathBuf, Entry>, m2: &[u8], speaker: &Speaker) -> bool {
    let refused = server.play(&upload(speaker, m2), End::InOrder);
    let what = format!("{:?} {:?}", String::from_utf8_lossy(m2), speaker.challenge);
    let after = tree(server.around());
    for (path, entry) in before {
        assert_eq!(after.get(path), Some(entry), "{what} changed {path:?}");
    }
    let new: Vec<(&PathBuf, &Entry)> = after.iter().filter(|(path, _)| !before.contains_key(*path)).collect();
    for (path, entry) in &new {
        assert!(path.starts_with(server.folder()), "{what} is at {path:?}");
        let there = fs::symlink_metadata(path).unwrap();
        assert!(there.is_dir() || (there.is_file() && entry.content == SENT), "{what} made {path:?}");
        let name = path.file_name().unwrap().to_str().expect("a name of UTF-8");
        assert!(!name.to_ascii_lowercase().starts_with(".upseal-"), "{what} is at {path:?}");
    }
    let files: Vec<&PathBuf> =
        new.iter().filter(|(_, new)| new.content == SENT).map(|(path, _)| *path).collect();
    let is_race = m2.windows(5).any(|bytes| bytes == b"race-");
    match &refused[..] {
        [] => assert!(files.len() == 1 || (is_race && files.is_empty()), "{what} is at {files:?}"),
        [line] => {
            assert_eq!(new, [], "{what} was refused: {line}");
            assert!(!line.chars().any(char::is_control), "{what}: {line:?}");
        }
        more => panic!("{what}: {more:?}"),
    }
    // The folder as it was, for the next name.
    for path in &files {
        fs::remove_file(path).unwrap();
    }
    for (path, _) in new.iter().rev().filter(|(path, _)| path.is_dir()) {
        fs::remove_dir(path).unwrap();
    }
    refused.is_empty()
}

#[test]
fn no_name_leaves_the_folder_or_replaces_what_is_in_it() {
    let names = names();
    assert!(names.len() >= 300, "{} names", names.len());
    let mut stored = 0;
    for paths in [true, false] {
        let server = Server::new(Policy { paths, ..Policy::default() });
        plant(&server);
        let before = tree(server.around());
        for name in &names {
            for challenge in [None, Some(Challenge::Hello)] {
                let speaker = match challenge {
                    None => Speaker::of(Variant::Plain),
                    Some(challenge) => Speaker { challenge, ..Speaker::of(Variant::Ap) },
                };
                stored += u32::from(check(&server, &before, name, &speaker));
                let described = [&b"upseal/1 file\nmtime 1.000000000\nmode x\nname "[..], name].concat();
                stored += u32::from(check(&server, &before, &described, &speaker));
            }
        }
    }
    assert!(stored > 1000, "only {stored} were stored");
}

/// The same name again and again, and as a path, beside files that are there: each becomes a copy of its own.
#[test]
fn a_name_that_is_taken_is_given_to_a_copy() {
    let server = Server::new(Policy::default());
    plant(&server);
    let before = tree(server.around());
    for planted in PLANTED {
        let name = planted.rsplit('/').next().unwrap();
        for round in 0..3_u8 {
            let bytes = [message(0, name.as_bytes()), words(&[1, 1]), vec![round], words(&[2])].concat();
            assert_eq!(server.play(&bytes, End::InOrder), [""; 0], "{name}");
        }
    }
    let after = tree(server.around());
    assert!(before.iter().all(|(path, entry)| after.get(path) == Some(entry)));
    assert_eq!(after.len(), before.len() + 3 * PLANTED.len());
}
