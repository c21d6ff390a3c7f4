//! Bytes of another implementation, replayed (`tests/transcripts/make.py` recorded them).

use std::path::Path;

use upseal::crypto::challenge;
use upseal::net::handshake::AnswerDecoder;
use upseal::net::upload::unix_now;
use upseal::trust::Anchor;

use crate::common::{ca, words};
use crate::memory::{Pieces, receive};

/// One connection between two Python peers.
struct Transcript {
    name: String,
    /// Name, size, SHA-256 in hex.
    files: Vec<(String, usize, String)>,
    client: Vec<u8>,
    /// Empty where the answer is of no interest.
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
                side.extend(
                    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()),
                );
            }
            _ => panic!("{}: {line:?}", path.display()),
        }
    }
    transcript
}

/// All of a kind.
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
fn the_server_has_every_file_of_every_transcript() {
    let all = transcripts("upload-");
    assert!(all.len() > 200, "only {} transcripts", all.len());
    for (seed, transcript) in (0..).zip(&all) {
        for pieces in [Pieces::Single, Pieces::Random(seed), Pieces::Random(!seed)] {
            // A server of its own each time, so that nothing is a repetition of what came before.
            let outcome = receive(&transcript.client, pieces);
            assert_eq!(outcome.refusals, [""; 0], "{}, {pieces:?}", transcript.name);
            let stored: Vec<(String, usize, String)> = outcome
                .stored
                .0
                .iter()
                .map(|(name, content)| {
                    (name.clone(), content.len(), upseal::digest::Digest::of(content).to_string())
                })
                .collect();
            let mut files = transcript.files.clone();
            files.sort();
            assert_eq!(stored, files, "{}, {pieces:?}", transcript.name);
        }
    }
}

#[test]
fn the_client_believes_every_answer_of_the_transcripts_however_it_is_cut() {
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
            let (key, _) = anchor.check(&answer.certificate, unix_now()).unwrap();
            challenge::verify(&key, message, &answer.signature).unwrap();
            assert!(challenge::verify(&key, &message[1..], &answer.signature).is_err());
        }
    }
}
