//! Replays recorded bytes of another implementation (see `tests/transcripts/make.py`).

use std::path::Path;

use data_encoding::HEXLOWER;
use upseal::Anchor;
use upseal::testing::clock;
use upseal::testing::crypto::verify_answer;
use upseal::testing::net::AnswerDecoder;

use crate::common::{ca, words};
use crate::memory::{Pieces, receive};

/// A recorded connection between two Python peers.
struct Transcript {
    name: String,
    /// Name, size in bytes, and SHA-256 in hexadecimal.
    files: Vec<(String, usize, String)>,
    client: Vec<u8>,
    /// Empty in transcripts of uploads.
    server: Vec<u8>,
}

fn read(path: &Path) -> Transcript {
    let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
    let mut transcript = Transcript { name, files: Vec::new(), client: Vec::new(), server: Vec::new() };
    let mut from_server = false;
    for line in std::fs::read_to_string(path).unwrap().lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["#", ..] => {}
            ["file", name, size, digest] => {
                transcript.files.push((name.to_owned(), size.parse().unwrap(), digest.to_owned()));
            }
            ["client"] => from_server = false,
            ["server"] => from_server = true,
            [hex] => {
                let side = if from_server { &mut transcript.server } else { &mut transcript.client };
                side.extend(HEXLOWER.decode(hex.as_bytes()).unwrap());
            }
            _ => panic!("{}: {line:?}", path.display()),
        }
    }
    transcript
}

/// Reads all transcripts whose file name begins with `kind`, sorted by name.
fn transcripts(kind: &str) -> Vec<Transcript> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| {
        path.extension().is_some_and(|extension| extension == "hex")
            && path.file_name().unwrap().to_str().unwrap().starts_with(kind)
    });
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

#[test]
fn the_server_stores_every_file_of_every_transcript() {
    let all = transcripts("upload-");
    assert!(all.len() > 200, "only {} transcripts", all.len());
    for (seed, transcript) in (0..).zip(&all) {
        for pieces in [Pieces::Single, Pieces::Random(seed), Pieces::Random(!seed)] {
            // A new server each time, so that no transcript counts as a replay of another.
            let outcome = receive(&transcript.client, pieces);
            assert_eq!(outcome.refusals, [""; 0], "{}, {pieces:?}", transcript.name);
            let stored: Vec<(String, usize, String)> = outcome
                .stored
                .0
                .iter()
                .map(|(name, content)| (name.clone(), content.len(), upseal::Digest::of(content).to_string()))
                .collect();
            let mut files = transcript.files.clone();
            files.sort();
            assert_eq!(stored, files, "{}, {pieces:?}", transcript.name);
        }
    }
}

#[test]
fn the_client_accepts_every_answer_of_the_transcripts_in_pieces_of_any_size() {
    let all = transcripts("answer-");
    assert!(all.len() >= 8, "only {} transcripts", all.len());
    let anchor = Anchor::load(&ca()).unwrap();
    for transcript in &all {
        assert!(transcript.client.starts_with(&words(&[3])), "{}", transcript.name);
        let length = u64::from_be_bytes(transcript.client[8..16].try_into().unwrap());
        let message = &transcript.client[16..16 + usize::try_from(length).unwrap()];
        for size in [1, 2, 7, 128, 1000, usize::MAX] {
            let mut decoder = AnswerDecoder::default();
            let answers: Vec<_> = transcript
                .server
                .chunks(size)
                .filter_map(|piece| {
                    let (taken, answer) = decoder.feed(piece).unwrap();
                    assert_eq!(taken, piece.len(), "{}, pieces of {size}", transcript.name);
                    answer
                })
                .collect();
            let [answer] = &answers[..] else { panic!("{}: {} answers", transcript.name, answers.len()) };
            let (key, _) = anchor.check(&answer.certificate, clock::unix_seconds()).unwrap();
            verify_answer(&key, message, &answer.signature).unwrap();
            assert!(verify_answer(&key, &message[1..], &answer.signature).is_err());
        }
    }
}
