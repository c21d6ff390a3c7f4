use super::*;

/// A toy cipher: a block of K bytes whose first byte is the number of bytes that it holds.
const K: usize = 16;
const FULL: usize = 10;

fn seal(file: &[u8]) -> Vec<u8> {
    let mut chunks: Vec<&[u8]> = file.chunks(FULL).collect();
    if chunks.is_empty() {
        chunks.push(&[]);
    }
    let mut blocks = Vec::new();
    for chunk in chunks {
        let mut block = vec![0xee; K];
        block[0] = u8::try_from(chunk.len()).unwrap();
        block[1..=chunk.len()].copy_from_slice(chunk);
        blocks.extend(block);
    }
    blocks
}

fn written(framing: Framing, file: &[u8]) -> Vec<u8> {
    let blocks = seal(file);
    let count = (blocks.len() / K) as u64;
    let layout = Layout::of(framing, Terminator::of(framing), file.len() as u64, count, K as u64);
    let mut out: Vec<u8> = layout.m1.map(word).into_iter().flatten().collect();
    layout.frame(&blocks, K, &mut out);
    out.extend_from_slice(layout.terminator.bytes());
    let words = usize::from(layout.m1.is_some()) + if layout.pairs { blocks.len() / K } else { 0 };
    assert_eq!(out.len(), blocks.len() + words * WORD + layout.terminator.bytes().len());
    out
}

/// Reads a body, and what may follow it, from bytes that arrive in pieces of `size`.
fn read(input: &[u8], size: usize, said: Option<Framing>) -> Result<(Vec<u8>, usize), FramingError> {
    let (mut at, mut here) = (WORD, WORD);
    let mut body = Body::new(read_word(input).unwrap(), K as u64, said);
    let (mut sealed, mut plain) = (Vec::new(), Vec::new());
    loop {
        match body.next(&input[at..here], plain.len() as u64)? {
            Step::More if here == input.len() => return Ok((plain, at)),
            Step::More => here = (here + size).min(input.len()),
            Step::Skip(length) => at += length,
            Step::Blocks { skip, length } => {
                sealed.extend_from_slice(&input[at + skip..at + skip + length]);
                at += skip + length;
                for block in sealed.chunks_exact(K) {
                    plain.extend_from_slice(&block[1..=usize::from(block[0])]);
                }
                sealed.drain(..sealed.len() / K * K);
            }
            Step::End => {
                let Continuation::Blocks { k } = body.continuation() else { return Ok((plain, at)) };
                match input.get(at..).and_then(read_word) {
                    Some(value) if value == k => {
                        body = Body::one_more_block(k);
                        at += WORD;
                        here = here.max(at);
                    }
                    Some(TERMINATOR) => return Ok((plain, at + WORD)),
                    _ => return Ok((plain, at)),
                }
            }
        }
    }
}

const ALL: [Framing; 6] = [Framing::A, Framing::B, Framing::C, Framing::D, Framing::E, Framing::F];

#[test]
fn reads_what_every_framing_writes_in_pieces_of_any_size() {
    for framing in ALL {
        for length in [1, 9, 10, 11, 19, 20, 21, 95, 160] {
            let file: Vec<u8> = (0..length).map(|i: u8| i.wrapping_mul(7)).collect();
            let mut input = written(framing, &file);
            let end = input.len();
            input.extend(word(2));
            for (size, said) in
                [1, 3, 8, 16, 24, 1000].into_iter().zip([None, Some(framing)].into_iter().cycle())
            {
                let context = format!("framing {framing}, {length} bytes, pieces of {size}, {said:?}");
                let (plain, at) = read(&input, size, said).expect(&context);
                assert_eq!(plain, file, "{context}");
                assert_eq!(at, end, "{context}");
            }
        }
    }
}

#[test]
fn an_empty_file_is_one_empty_block_or_nothing() {
    for framing in ALL {
        let mut input = written(framing, b"");
        let end = input.len();
        input.extend(word(2));
        for said in [None, Some(framing)] {
            assert_eq!(read(&input, 1, said).unwrap(), (vec![], end), "framing {framing}, {said:?}");
        }
    }
    for nothing in [0, TERMINATOR] {
        let mut input = word(nothing).to_vec();
        input.extend(word(2));
        for said in ALL.map(Some).into_iter().chain([None]) {
            assert_eq!(read(&input, 1, said).unwrap(), (vec![], WORD), "{said:?}");
        }
    }
}

#[test]
fn an_early_end_by_coincidence_is_corrected_by_one_more_block() {
    // Framing B with as many blocks as the first block has bytes: taken for C after one block.
    let file = vec![5; FULL * FULL];
    let input = written(Framing::B, &file);
    assert_eq!(read_word(&input), Some(FULL as u64));
    assert_eq!(read(&input, 7, None).unwrap(), (file, input.len()));
}

/// Every M1 that is ambiguous without a hello: a body ends where the named framing ends, not before.
#[test]
fn a_named_framing_leaves_nothing_to_coincidence() {
    for (framing, length) in [
        (Framing::B, FULL * FULL), // as many blocks as the first has bytes
        (Framing::B, K * FULL),    // as many blocks as a block has encrypted bytes
        (Framing::C, K),           // as many bytes as one block encrypted
        (Framing::C, 2 * K),       // as two
        (Framing::D, 3 * FULL),    // the last block is full
    ] {
        let file = vec![5; length];
        let input = written(framing, &file);
        let mut body = Body::new(read_word(&input).unwrap(), K as u64, Some(framing));
        let (mut at, mut blocks) = (WORD, 0);
        loop {
            match body.next(&input[at..], (blocks / K * FULL).min(length) as u64).unwrap() {
                Step::Skip(length) => at += length,
                Step::Blocks { skip, length } => {
                    at += skip + length;
                    blocks += length;
                }
                Step::More => panic!("framing {framing}, {length} bytes: wants more at {at}"),
                Step::End => break,
            }
        }
        assert_eq!(at, input.len(), "framing {framing}, {length} bytes");
        assert_eq!(body.continuation(), Continuation::No, "framing {framing}, {length} bytes");
    }
}

/// The number of certain pairs never exceeds the end; with full blocks all pairs are certain.
#[test]
fn certain_pairs_belong_to_the_body() {
    for framing in [None, Some(Framing::B), Some(Framing::C), Some(Framing::F)] {
        for m1 in [1, 2, 7, 16, 40, 48, 400, 4000] {
            for each in [0, 1, FULL as u64 - 3, FULL as u64] {
                let mut body = Body::new(m1, K as u64, framing);
                let input: Vec<u8> = word(K as u64).into_iter().chain([1; K]).collect();
                let (mut pairs, mut certain) = (0, 0);
                // Empty blocks would never end C.
                while pairs < 5000 {
                    let said = pairs + body.certain_pairs(&input, pairs * each, FULL);
                    assert!(pairs == 0 || said >= certain, "{framing:?} {m1} {each} {pairs}");
                    certain = said;
                    match body.next(&input, pairs * each) {
                        Ok(Step::Blocks { skip: WORD, length: K }) => pairs += 1,
                        Ok(Step::End) | Err(_) => break,
                        Ok(step) => panic!("{step:?}"),
                    }
                }
                assert!(pairs == 5000 || certain <= pairs, "{framing:?} {m1} {each}: {certain} of {pairs}");
            }
        }
    }
    let mut body = Body::new(100, K as u64, Some(Framing::B));
    assert_eq!(body.certain_pairs(&[], 0, FULL), 100, "none need be here");
    body.skip_pairs(60);
    assert_eq!(body.certain_pairs(&[], 0, FULL), 40);
}

#[test]
fn pairs_without_an_announced_end_are_certain_when_their_length_is_at_hand() {
    let mut input = Vec::new();
    Layout::of(Framing::E, Terminator::None, 35, 4, K as u64).frame(&seal(&[1; 35]), K, &mut input);
    let terminated =
        Body { shape: Shape::Terminated { left: 0 }, ..Body::new(K as u64, K as u64, Some(Framing::D)) };
    let mut continued = Body::one_more_block(K as u64);
    assert_eq!(continued.certain_pairs(&input, 0, FULL), 0, "within a block");
    assert_eq!(continued.next(&[1; K], 0).unwrap(), Step::Blocks { skip: 0, length: K });
    assert_eq!(continued.next(&input, 0).unwrap(), Step::End);
    for body in [&terminated, &continued] {
        assert_eq!(body.certain_pairs(&input, 0, FULL), 4);
        assert_eq!(body.certain_pairs(&input[..2 * (K + WORD) + WORD], 0, FULL), 3);
        assert_eq!(body.certain_pairs(&input[..2 * (K + WORD) + WORD - 1], 0, FULL), 2);
        let ended = [&input[..K + WORD], &word(2), &input].concat();
        assert_eq!(body.certain_pairs(&ended, 0, FULL), 1, "up to a MODE");
    }
}

#[test]
fn rejects_bytes_that_are_impossible_in_the_named_framing() {
    let block = [9; 40];
    for (framing, m1, error) in [
        (Framing::A, 17, FramingError::NoWholeBlocks { m1: 17, k: 16 }),
        (Framing::D, 32, FramingError::BlockLength { k: 16, got: 32 }),
        (Framing::E, 32, FramingError::BlockLength { k: 16, got: 32 }),
        (Framing::B, 32, FramingError::BlockLength { k: 16, got: u64::from_be_bytes([9; 8]) }),
        (Framing::C, 32, FramingError::BlockLength { k: 16, got: u64::from_be_bytes([9; 8]) }),
        (Framing::F, 32, FramingError::BlockLength { k: 16, got: u64::from_be_bytes([9; 8]) }),
    ] {
        let mut body = Body::new(m1, K as u64, Some(framing));
        assert_eq!(body.next(&block, 0).unwrap_err(), error, "framing {framing}");
    }
}

#[test]
fn rejects_lengths_that_fit_no_framing() {
    let input: Vec<u8> = word(K as u64 + 1).into_iter().chain([9; 40]).collect();
    assert_eq!(read(&input, 40, None).unwrap_err(), FramingError::NoWholeBlocks { m1: 17, k: 16 });

    let mut input = word(5).to_vec();
    Layout { m1: None, pairs: true, terminator: Terminator::None }.frame(&seal(b"0123456789"), K, &mut input);
    input.extend(word(17));
    assert_eq!(read(&input, 40, None).unwrap_err(), FramingError::BlockLength { k: 16, got: 17 });

    let mut input = word(3).to_vec();
    Layout { m1: None, pairs: true, terminator: Terminator::None }.frame(&seal(&[1; 35]), K, &mut input);
    // 10, 20, 30 bytes and 1, 2 blocks are not 3; three blocks are.
    assert_eq!(read(&input, 1000, None).unwrap().0.len(), 35, "the fourth block continues");
}

#[test]
fn rejects_pairs_that_pass_every_end() {
    let mut body = Body::new(1, 16, None);
    let mut input = word(16).to_vec();
    input.extend([1; 16]);
    assert_eq!(body.next(&input, 0).unwrap(), Step::Blocks { skip: 8, length: 16 });
    assert_eq!(body.next(&[], 10).unwrap(), Step::End, "one block is B");

    let mut body = Body::new(3, 16, None);
    for pairs in 1..=2 {
        assert_eq!(body.next(&input, pairs * 10 - 10).unwrap(), Step::Blocks { skip: 8, length: 16 });
    }
    assert_eq!(body.next(&input, 20).unwrap(), Step::Blocks { skip: 8, length: 16 });
    body.shape = Shape::Pairs { left: 0, count: 4 };
    assert_eq!(body.next(&input, 40).unwrap_err(), FramingError::NoEnd { m1: 3, pairs: 4 });
}

/// The decrypted bytes so far may be of another body: they do not end a body that has not begun.
#[test]
fn a_body_does_not_end_before_its_first_block() {
    let pair: Vec<u8> = word(K as u64).into_iter().chain([1; K]).collect();
    for framing in [None, Some(Framing::B), Some(Framing::C), Some(Framing::F)] {
        for m1 in [1, 5, FULL as u64] {
            let mut body = Body::new(m1, K as u64, framing);
            let step = body.next(&pair, m1).unwrap();
            assert_eq!(step, Step::Blocks { skip: WORD, length: K }, "{framing:?} {m1}");
        }
    }
}
