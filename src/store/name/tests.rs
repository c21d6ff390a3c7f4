#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

fn name(text: &str) -> FileName {
    FileName::from_wire(text.as_bytes()).unwrap()
}

#[test]
fn keeps_the_part_behind_the_last_separator() {
    let longest = "n".repeat(255);
    for (wire, kept) in [
        (&b"a.txt"[..], "a.txt"),
        (b"/etc/passwd", "passwd"),
        (b"../../.ssh/authorized_keys", "authorized_keys"),
        (b"C:\\Users\\me\\a.txt", "a.txt"),
        (b"a/b\\c", "c"),
        (b"a\\b/c", "c"),
        (b"../con/a.txt", "a.txt"),
        (b"a\0b/c.txt", "c.txt"),
        (".bashrc".as_bytes(), ".bashrc"),
        ("..txt".as_bytes(), "..txt"),
        ("größe 文件 🦀".as_bytes(), "größe 文件 🦀"),
        (b"a\x1b[2J\n.txt", "a\x1b[2J\n.txt"),
        (b"trailing. ", "trailing. "),
        (b"-rf", "-rf"),
        (longest.as_bytes(), &longest),
        // Similar to a device.
        (b"console", "console"),
        (b"COM", "COM"),
        (b"COM10", "COM10"),
        (b"com1x.txt", "com1x.txt"),
        (b"a.con", "a.con"),
        (b" con", " con"),
        (b"CONIN", "CONIN"),
        // Similar to an unfinished file.
        (b".upseal", ".upseal"),
        (b"upseal-1.part", "upseal-1.part"),
    ] {
        assert_eq!(FileName::from_wire(wire).unwrap().as_str(), kept);
    }
}

#[test]
fn keeps_a_long_path_with_a_short_name() {
    let path = format!("{}/a.txt", "d".repeat(5000));
    assert_eq!(name(&path).as_str(), "a.txt");
}

#[test]
fn refuses_what_cannot_be_a_name() {
    use NameError::{Empty, NotUtf8, Nul, TooLong};
    let (long, wide) = ("n".repeat(256), "ü".repeat(128));
    for (wire, error) in [
        (&b""[..], Empty),
        (b"/", Empty),
        (b"dir/", Empty),
        (b"dir\\", Empty),
        (b"ab\xff.txt", NotUtf8 { at: 2 }),
        (b"\xed\xa0\x80", NotUtf8 { at: 0 }),
        (b"caf\xc3", NotUtf8 { at: 3 }),
        (b"\xff/a.txt", NotUtf8 { at: 0 }),
        (b"a\0.txt", Nul { at: 1 }),
        (b"\0", Nul { at: 0 }),
        (long.as_bytes(), TooLong { bytes: 256 }),
        (wide.as_bytes(), TooLong { bytes: 256 }),
    ] {
        assert_eq!(FileName::from_wire(wire), Err(error), "{wire:?}");
    }
}

#[test]
fn refuses_dots_and_spaces_alone() {
    for wire in [".", "..", "...", " ", ".. ", ". .", "a/..", "..\\..", "dir/."] {
        assert!(matches!(FileName::from_wire(wire.as_bytes()), Err(NameError::Blank { .. })), "{wire:?}");
    }
}

#[test]
fn a_portable_server_refuses_devices_whatever_their_case_and_extension() {
    for wire in [
        "CON",
        "con",
        "Prn",
        "AUX",
        "nul",
        "COM0",
        "com1",
        "COM9",
        "LPT0",
        "lpt5",
        "LPT9",
        "CONIN$",
        "conout$",
        "COM¹",
        "lpt³",
        "con.txt",
        "NUL.tar.gz",
        "aux.",
        "aux...",
        "con ",
        "con .txt",
        "con . ",
        "lpt1  .x",
        "dir/nul",
        "dir\\COM3.log",
    ] {
        let device = name(wire);
        assert!(matches!(device.check(Portability::Windows), Err(NameError::Device { .. })), "{wire:?}");
        assert_eq!(device.check(Portability::ThisSystem), Ok(()));
    }
}

#[test]
fn a_portable_server_refuses_what_windows_cannot_store() {
    for (text, what) in [
        ("a<b", '<'),
        ("a>b", '>'),
        ("a:b", ':'),
        ("a\"b", '"'),
        ("a|b", '|'),
        ("a?b", '?'),
        ("*.txt", '*'),
        ("a\n.txt", '\n'),
        ("a.txt.", '.'),
        ("a.txt ", ' '),
    ] {
        let refused = NameError::NotPortable { name: text.to_owned(), what };
        assert_eq!(name(text).check(Portability::Windows), Err(refused), "{text:?}");
        assert_eq!(name(text).check(Portability::ThisSystem), Ok(()));
    }
    for text in ["a.txt", ".bashrc", "größe 文件.txt", "console", "a (2).txt", "COM10"] {
        assert_eq!(name(text).check(Portability::Windows), Ok(()), "{text:?}");
    }
}

#[test]
fn refuses_the_names_of_unfinished_files() {
    for wire in [".upseal-00ff.part", ".upseal-", ".UPSEAL-x", "dir/.upseal-lock"] {
        assert!(
            matches!(FileName::from_wire(wire.as_bytes()), Err(NameError::Unfinished { .. })),
            "{wire:?}"
        );
    }
}

#[test]
fn reasons_are_escaped() {
    let words = |wire: &[u8]| FileName::from_wire(wire).unwrap_err().to_string();
    assert_eq!(words(b"a/"), "the file's name is empty");
    assert_eq!(words(b"caf\xe9"), "the file's name is not UTF-8 (byte 3)");
    assert_eq!(words(&[b'n'; 300]), "the file's name has 300 bytes (supported: 1 to 255)");
    assert_eq!(words(b"a\0"), "the file's name contains a NUL (byte 1)");
    assert_eq!(words(b".. "), "the file's name \".. \" consists of dots and spaces only");
    let portable = |text| name(text).check(Portability::Windows).unwrap_err().to_string();
    assert_eq!(portable("nul.\x1b"), r#"the file's name "nul.\u{1b}" is the name of a device"#);
    assert_eq!(
        portable("a\x1b?"),
        r#"the file's name "a\u{1b}?" contains \u{1b}, which Windows does not accept"#
    );
    assert_eq!(words(b".upseal-\n"), r#"the file's name ".upseal-\n" is reserved for unfinished files"#);
}

#[test]
fn shows_itself_escaped() {
    assert_eq!(name("a\x1b[2J\u{202e}.txt").to_string(), r"a\u{1b}[2J\u{202e}.txt");
    assert_eq!(format!("{:>6}", name("a.b")), "   a.b");
}

#[test]
fn numbers_go_before_the_extension() {
    for (plain, second) in [
        ("a.txt", "a (2).txt"),
        ("archive.tar.gz", "archive (2).tar.gz"),
        ("archive.TAR.zst", "archive (2).TAR.zst"),
        ("a.b.c", "a.b (2).c"),
        ("notes", "notes (2)"),
        (".bashrc", ".bashrc (2)"),
        (".config.toml", ".config (2).toml"),
        (".tar.gz", ".tar (2).gz"),
        ("a.", "a. (2)"),
        ("v1.2 draft", "v1.2 draft (2)"),
        ("a.txt~", "a.txt~ (2)"),
        ("a.abcdefghijklmnop", "a (2).abcdefghijklmnop"),
        ("a.abcdefghijklmnopq", "a.abcdefghijklmnopq (2)"),
        ("файл.док", "файл (2).док"),
        ("a (2).txt", "a (2) (2).txt"),
        ("..txt", ". (2).txt"),
    ] {
        assert_eq!(name(plain).numbered(2).unwrap().as_str(), second);
    }
    assert_eq!(name("a.txt").numbered(99).unwrap().as_str(), "a (99).txt");
}

#[test]
fn copies_beyond_the_numbered_ones_have_a_digest_in_their_names() {
    let digest = Digest::of(b"one");
    let digits = &digest.to_string()[..8];
    for (plain, marked) in [
        ("a.txt", format!("a {digits}.txt")),
        ("archive.tar.gz", format!("archive {digits}.tar.gz")),
        (".bashrc", format!(".bashrc {digits}")),
    ] {
        assert_eq!(name(plain).marked(digest).as_str(), marked);
        assert!(name(plain).may_become(&marked));
    }
    assert_eq!(name("a.txt").marked_at_random(0xabc).as_str(), "a 0000000000000abc.txt");
    let long = name(&format!("{}.{}", "n".repeat(238), "e".repeat(16)));
    for copy in [long.marked(digest), long.marked_at_random(u64::MAX)] {
        assert!(copy.as_str().len() <= 255 && copy.as_str().ends_with(".eeeeeeeeeeeeeeee"), "{copy}");
        assert!(long.may_become(copy.as_str()));
        assert_eq!(FileName::from_wire(copy.as_str().as_bytes()), Ok(copy));
    }
}

#[test]
fn copies_are_numbered_from_two_up_to_a_limit() {
    for number in [0, 1, 100, 10_000, u32::MAX] {
        assert_eq!(name("a.txt").numbered(number), None);
    }
    let first = name("a.txt");
    let mut candidates = first.candidates();
    assert_eq!(candidates.next().unwrap().as_str(), "a.txt");
    assert_eq!(candidates.next().unwrap().as_str(), "a (2).txt");
    assert_eq!(candidates.last().unwrap().as_str(), "a (99).txt");
}

#[test]
fn a_numbered_name_fits_and_keeps_its_extension() {
    for (plain, second) in [
        ("n".repeat(255), format!("{} (2)", "n".repeat(251))),
        (format!("{}.txt", "n".repeat(251)), format!("{} (2).txt", "n".repeat(247))),
        (format!("{}.txt", "n".repeat(247)), format!("{} (2).txt", "n".repeat(247))),
        // 127 × 2 + 1 bytes; 251 is in the middle of a character.
        (format!("{}n", "ü".repeat(127)), format!("{} (2)", "ü".repeat(125))),
        // 63 × 4 + 3; 251 is 3 bytes into the 63rd.
        (format!("{}nnn", "🦀".repeat(63)), format!("{} (2)", "🦀".repeat(62))),
        (format!("{}.tar.gz", "文".repeat(82)), format!("{} (2).tar.gz", "文".repeat(81))),
    ] {
        let numbered = name(&plain).numbered(2).unwrap();
        assert_eq!(numbered.as_str(), second);
        for number in [2, 9, 99] {
            let numbered = name(&plain).numbered(number).unwrap();
            assert!(numbered.as_str().len() <= 255);
            assert_eq!(FileName::from_wire(numbered.as_str().as_bytes()), Ok(numbered));
        }
    }
}

#[test]
fn a_prefix_gives_a_valid_name_or_none() {
    let name = |text: &str| FileName::from_wire(text.as_bytes()).unwrap();
    let prefixed = |text: &str, prefix: &str| name(text).with_prefix(prefix);
    assert_eq!(prefixed("a.txt", "recv_"), Ok(name("recv_a.txt")));
    assert_eq!(prefixed("a.txt", ""), Ok(name("a.txt")));
    // The extension stays; the stem is cut at a character.
    let long = format!("{}.tar.gz", "ü".repeat(124));
    let cut = prefixed(&long, "enc_recv_").unwrap();
    assert_eq!(cut, name(&format!("enc_recv_{}.tar.gz", "ü".repeat(119))));
    assert!(cut.as_str().len() <= MAX_BYTES);
    let too_long = "x".repeat(255);
    assert!(matches!(prefixed("a.txt", &too_long), Err(NameError::TooLong { .. })));
    for bad in ["in/", "in\\", "../"] {
        assert!(matches!(prefixed("a.txt", bad), Err(NameError::Separator { .. })), "{bad}");
    }
    assert!(matches!(prefixed("a.txt", ".upseal-"), Err(NameError::Unfinished { .. })));
}

#[test]
fn a_server_may_number_a_name_and_put_its_prefix_before_it_and_no_more() {
    let name = FileName::from_wire(b"docs/plan.tar.gz").unwrap();
    for there in [
        "plan.tar.gz",
        "plan (2).tar.gz",
        "recv_plan.tar.gz",
        "recv_plan (17).tar.gz",
        "a (3) plan.tar.gz",
        "plan (9999).tar.gz",
        "plan 0123abcd.tar.gz",
        "recv_plan 0123456789abcdef.tar.gz",
    ] {
        assert!(name.may_become(there), "{there}");
    }
    for there in [
        "plan.tar",
        "plan.tar.gz2",
        "old.tar.gz",
        "plan (1).tar.gz",
        "plan (02).tar.gz",
        "plan2.tar.gz",
        "",
        "plan (10000).tar.gz",
        "plan 0123abc.tar.gz",
        "plan 0123ABCD.tar.gz",
        "plan 0123456789abcde.tar.gz",
        "plan 0123abcd 2.tar.gz",
    ] {
        assert!(!name.may_become(there), "{there}");
    }
    // Past 255 bytes the stem is cut.
    let long = FileName::from_wire(format!("{}.txt", "é".repeat(125)).as_bytes()).unwrap();
    let there = long.with_prefix("recv_").unwrap().numbered(2).unwrap();
    assert!(long.may_become(there.as_str()) && there.as_str().len() <= MAX_BYTES);
}

/// A hostile server chooses the name that is compared: beyond the limit nothing is tried.
#[test]
fn a_name_that_no_store_can_have_is_never_a_copy() {
    let name = FileName::from_wire(b"a.txt").unwrap();
    for there in ["a (2).txt", "recv_a.txt", "recv_a (7).txt"] {
        assert!(name.may_become(there), "{there}");
    }
    let prefix = "p".repeat(MAX_BYTES - "a.txt".len());
    assert!(name.may_become(&format!("{prefix}a.txt")));
    assert!(!name.may_become(&format!("{prefix}pa.txt")), "256 bytes");
    assert!(!name.may_become(&format!("{}a.txt", "(2) ".repeat(25_000))));
}

#[test]
fn a_path_is_taken_whole_or_refused() {
    for good in
        ["a", "a/b", "a/b/c.txt", " a/..b/c..", "a/x:y", "a/con", &["d"; 64].join("/"), "／/․․/\u{202e}x"]
    {
        let name = FileName::from_path(good.as_bytes()).unwrap();
        assert_eq!(name.as_str(), good);
        assert_eq!(name.leaf(), good.rsplit('/').next().unwrap());
    }
    assert_eq!(FileName::from_path(b"a/b/c").unwrap().folder(), Some("a/b"));
    assert_eq!(FileName::from_path(b"a").unwrap().folder(), None);
    let long = "x".repeat(256);
    for bad in [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "../a",
        "a/../b",
        "a/..",
        "./a",
        "a/./b",
        "a/. ./b",
        "a/ /b",
        "a\\b",
        "..\\a",
        "C:\\a",
        "a/b\0c",
        ".upseal-x/a",
        "a/.UPSEAL-x",
        "a/.Upseal-shared.part",
        &["d"; 65].join("/"),
        &format!("a/{long}"),
        &format!("{long}/a"),
        &vec!["x".repeat(200); 6].join("/"),
    ] {
        assert!(FileName::from_path(bad.as_bytes()).is_err(), "{bad:?}");
    }
    assert!(matches!(FileName::from_path(b"a/\xff"), Err(NameError::NotUtf8 { at: 2 })));
    let name = |text: &str| FileName::from_path(text.as_bytes()).unwrap();
    for bad in ["con/a", "a/aux.c", "a:/b", "a/b.", "a /b"] {
        assert!(name(bad).check(Portability::Windows).is_err(), "{bad}");
        name(bad).check(Portability::ThisSystem).unwrap();
    }
}

#[test]
fn copies_and_prefixes_stay_in_their_folder() {
    let name = FileName::from_path(b"a.d/b.tar.gz").unwrap();
    assert_eq!(name.numbered(2).unwrap().as_str(), "a.d/b (2).tar.gz");
    assert_eq!(name.with_prefix("recv_").unwrap().as_str(), "a.d/recv_b.tar.gz");
    assert_eq!(name.marked(Digest::of(b"")).as_str(), "a.d/b e3b0c442.tar.gz");
    for (there, may) in [
        ("a.d/b.tar.gz", true),
        ("a.d/b (2).tar.gz", true),
        ("a.d/recv_b (7).tar.gz", true),
        ("a (2).d/b.tar.gz", true),
        ("b.tar.gz", false),
        ("c.d/b.tar.gz", false),
        ("recv_a.d/b.tar.gz", false),
        ("a.d/x/b.tar.gz", false),
    ] {
        assert_eq!(name.may_become(there), may, "{there}");
    }
    assert!(!FileName::from_wire(b"b").unwrap().may_become("a/b"));
}
