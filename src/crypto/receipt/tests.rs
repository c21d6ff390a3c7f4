#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::crypto::testing::{RSA_1024, RSA_2048, random};

fn digest(byte: u8) -> Digest {
    Digest([byte; 32])
}

fn request() -> Request {
    Request { nonce: [1; 32], hello: Some(digest(2)), files: 3..=4, sealed_salt: Some(vec![5; 128]) }
}

fn stored(ordinal: u64, name: &str) -> Entry {
    let fate = Fate::Stored {
        protocol: Variant::Cp2,
        size: 812,
        digest: digest(9),
        name: name.to_owned(),
        named: Named::Stored,
    };
    Entry { ordinal, fate }
}

fn statement() -> Statement {
    Statement {
        request: request().digest(),
        key: RSA_1024.server_key().fingerprint(),
        receipt_key: None,
        time: 1_800_000_000,
        entries: vec![stored(3, "a b.txt"), Entry { ordinal: 4, fate: Fate::Missing(Reason::Quota) }],
    }
}

#[test]
fn a_request_has_the_bytes_of_the_protocol() {
    let request = Request { sealed_salt: Some(vec![0xff; 3]), ..request() };
    let text = format!(
        "upseal/1 receipt\nnonce {}\nhello {}\nfiles 3 4\nsalt ////\n",
        "01".repeat(32),
        "02".repeat(32)
    );
    assert_eq!(request.to_text(), text);
    assert_eq!(Request::parse(text.as_bytes()), Some(request));
    let plain = Request { hello: None, sealed_salt: None, ..self::request() };
    assert!(plain.to_text().ends_with("\nhello -\nfiles 3 4\nsalt -\n"));
    assert_eq!(Request::parse(plain.to_text().as_bytes()), Some(plain));
}

#[test]
fn a_request_is_parsed_only_if_every_byte_matches() {
    let text = request().to_text();
    for (at, byte) in text.bytes().enumerate() {
        let mut other = text.clone().into_bytes();
        other[at] = byte ^ 1;
        // Another digit gives another request; any other change is refused.
        if let Some(parsed) = Request::parse(&other) {
            assert_eq!(parsed.to_text().into_bytes(), other);
        }
        assert_eq!(Request::parse(&text.as_bytes()[..at]), None);
    }
    for (from, to) in [
        ("files 3 4", "files 4 3"),
        ("files 3 4", "files 0 4"),
        ("files 3 4", "files 3 259"),
        ("files 3 4", "files 03 4"),
        ("files 3 4", "files +3 4"),
        ("files 3 4", "files 3  4"),
        ("files 3 4", "files 3 99999999999999999999"),
        ("nonce 01", "nonce 0A"),
        ("\n", "\r\n"),
        ("upseal/1 receipt\n", ""),
    ] {
        assert_eq!(Request::parse(text.replace(from, to).as_bytes()), None, "{to}");
    }
    assert_eq!(Request::parse(format!("{text}\n").as_bytes()), None);
    assert!(Request::parse(text.replace("files 3 4", "files 3 258").as_bytes()).is_some());
}

#[test]
fn the_salt_of_a_request_decrypts_only_with_the_servers_key() {
    for identity in [&*RSA_1024, &*RSA_2048] {
        let (request, salt) = Request::new(None, 1..=1, Some(&identity.server_key())).unwrap();
        let sealed = request.sealed_salt.unwrap();
        assert_eq!(identity.open_receipt_salt(&sealed).0, salt.unwrap());
    }
    let (request, salt) = Request::new(None, 1..=1, Some(&RSA_1024.server_key())).unwrap();
    let mut sealed = request.sealed_salt.unwrap();
    sealed[60] ^= 1;
    // The client does not learn that it did not decrypt: the digests are those of another salt.
    let salt = salt.unwrap();
    let [one, other] = [0, 1].map(|_| RSA_1024.open_receipt_salt(&sealed).0);
    assert!(one != salt && other != salt && one != other);
    assert_eq!(Request::new(None, 1..=1, None).unwrap().1, None);
}

#[test]
fn a_statement_has_the_bytes_of_the_protocol() {
    let text = format!(
        "upseal/1 stored\nrequest {}\nkey {}\ntime 2027-01-15T08:00:00Z\n\
         file 3 cp2 812 {} a%20b.txt\nmissing 4 quota\n",
        request().digest(),
        RSA_1024.server_key().fingerprint(),
        "09".repeat(32),
    );
    assert_eq!(statement().to_text(), text);
    let followed = format!("{text}-----BEGIN");
    assert_eq!(Statement::parse(&followed, 3..=4), Ok((statement(), "-----BEGIN")));
}

#[test]
fn a_statement_names_the_receipt_key_after_the_servers() {
    let with = Statement { receipt_key: Some(digest(3)), ..statement() };
    let line = format!("\nreceipt-key {}\ntime ", "03".repeat(32));
    let text = with.to_text();
    assert_eq!(text, statement().to_text().replacen("\ntime ", &line, 1));
    assert_eq!(Statement::parse(&text, 3..=4), Ok((with, "")));
    for (from, to) in [("receipt-key 03", "receipt-key 0G"), ("receipt-key 03", "receipt-key 3")] {
        let error = Statement::parse(&text.replacen(from, to, 1), 3..=4).unwrap_err();
        assert_eq!((error.line, error.expected), (4, "`receipt-key` and 64 hexadecimal digits"), "{to}");
    }
    let twice = text.replacen("\ntime ", &line, 1);
    assert_eq!(Statement::parse(&twice, 3..=4).unwrap_err().line, 5);
    let elsewhere = statement().to_text().replacen("\nfile ", &line.replacen("time", "file", 1), 1);
    assert_eq!(Statement::parse(&elsewhere, 3..=4).unwrap_err().line, 5, "after the time");
}

#[test]
fn a_statement_is_parsed_only_if_every_byte_matches() {
    let text = statement().to_text();
    for at in 0..text.len() {
        assert!(Statement::parse(&text[..at], 3..=4).is_err(), "{at}");
    }
    for (line, from, to) in [
        (1, "upseal/1 stored", "upseal/1 stored "),
        (2, "request ", "request  "),
        (3, "key ", "Key "),
        (4, "08:00:00Z", "08:00:00+00:00"),
        (4, "08:00:00Z", "08:00:00.5Z"),
        (4, "T08", "t08"),
        (5, "file 3", "file 2"),
        (5, "file 3", "file 03"),
        (5, " cp2 ", " CP2 "),
        (5, " cp2 ", " cp3 "),
        (5, " 812 ", " -812 "),
        (5, " 812 ", " +812 "),
        (5, " 812 ", " 0812 "),
        (5, "file 3", "file +3"),
        (5, " 812 ", " 812 812 "),
        (5, "a%20b.txt", "a b.txt"),
        (5, "a%20b.txt", "a%2a.txt"),
        (5, "a%20b.txt", "%61.txt"),
        (5, "a%20b.txt", "%ff"),
        (6, "missing 4", "missing 5"),
        (6, "quota", "because"),
    ] {
        let other = text.replacen(from, to, 1);
        assert_ne!(other, text, "{from}");
        let error = Statement::parse(&other, 3..=4).unwrap_err();
        assert_eq!(error.line, line, "{to}: {error}");
    }
    // A digest is 64 lowercase digits without a prefix, although a pin may be written otherwise.
    let lines: Vec<&str> = text.lines().collect();
    for (line, before) in [(2, "request "), (3, "key "), (5, "file 3 cp2 812 ")] {
        let digest = &lines[line - 1][before.len()..][..64];
        for other in [
            digest.to_uppercase(),
            format!("sha256:{digest}"),
            format!("sha256:{}", &digest[..57]),
            digest[..63].to_owned(),
            format!("{digest}0"),
            format!("{}g", &digest[..63]),
            String::new(),
        ] {
            if other != digest {
                let error = Statement::parse(&text.replacen(digest, &other, 1), 3..=4).unwrap_err();
                assert_eq!(error.line, line, "{other}: {error}");
            }
        }
    }
    assert_eq!(Statement::parse(&text, 3..=5).unwrap_err().line, 7);
    assert_eq!(Statement::parse(&text, 4..=4).unwrap_err().line, 5);
}

#[test]
fn every_name_survives_its_line() {
    for name in ["a", "ü 日本 🎉", "a\nfile 4 plain 0 x", "100 %", "\u{202e}\u{1b}[31m", "~._-", "a/b"] {
        let line = stored(1, name).to_string();
        assert_eq!(line.matches('\n').count(), 1, "{line:?}");
        assert_eq!(Entry::parse(line.strip_suffix('\n').unwrap()), Some(stored(1, name)));
    }
}

#[test]
fn only_a_receipts_signature_is_accepted() {
    let text = statement().to_text();
    let key = RSA_1024.server_key();
    let signature = RSA_1024.sign_receipt(text.as_bytes()).unwrap();
    assert!(verify(&key, &text, &signature));
    // A signature of a server that signs everything: AP's salt has the maximum length.
    assert!(!verify(&key, &text, &RSA_1024.sign(text.as_bytes()).unwrap()));
    for salt_len in [0, 20, 31, 33, 64, 94] {
        let other = crate::crypto::challenge::sign_salted(RSA_1024.batch(), text.as_bytes(), salt_len);
        assert!(!verify(&key, &text, &other.unwrap()), "a salt of {salt_len}");
    }
    assert!(!verify(&RSA_2048.server_key(), &text, &signature));
    assert!(!verify(&key, &text, &signature[1..]) && !verify(&key, &text, &[]));
    for at in 0..text.len() {
        let mut other = text.clone().into_bytes();
        other[at] ^= 1;
        let other = String::from_utf8(other).unwrap();
        assert!(!verify(&key, &other, &signature), "byte {at} altered");
    }
}

#[test]
fn a_salted_digest_does_not_confirm_a_guess_of_the_file() {
    let file = Digest::of(b"hello");
    let salt: [u8; 32] = random(32).try_into().unwrap();
    assert_eq!(salted(None, file), file);
    assert_ne!(salted(Some(&salt), file), file);
    assert_eq!(salted(Some(&salt), file), Digest::of(&[&salt[..], &file.0[..]].concat()));
    assert_ne!(salted(Some(&salt), file), salted(Some(&[0; 32]), file));
}

#[test]
fn a_name_in_a_statement_has_at_most_1024_bytes() {
    for (name, is_read) in [
        ("x".repeat(1024), true),
        ("x".repeat(1025), false),
        // 341 characters of three bytes each, and three characters for each byte: 3,069 characters.
        ("\u{65e5}".repeat(341), true),
        // 3,072 characters.
        (format!("{}\u{fc}\u{fc}", "\u{65e5}".repeat(340)), true),
        ("\u{65e5}".repeat(342), false),
        ("(1) ".repeat(25_000), false),
    ] {
        let line = stored(1, &name).to_string();
        assert_eq!(Entry::parse(line.trim_end()).is_some(), is_read, "{} bytes", name.len());
    }
}

#[test]
fn an_empty_file_has_a_line() {
    let line = stored(1, "a").to_string().replace(" 812 ", " 0 ");
    let Some(Entry { fate: Fate::Stored { size, .. }, .. }) = Entry::parse(line.trim_end()) else {
        panic!("{line}")
    };
    assert_eq!(size, 0);
    assert_eq!(Entry::parse(line.trim_end().replace(" 0 ", " 00 ").as_str()), None);
}
