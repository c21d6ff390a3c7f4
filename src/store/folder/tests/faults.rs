//! Every operation on the disk fails, one after another: no file is published that is not whole, none is lost that was
//! said to be stored, and afterwards everything works again.

use super::*;
use crate::store::folder::faults::plan::Fault;
use crate::store::{Published, Ticket};

/// An upload of the story.
type Upload = (&'static str, usize);

/// Files that are committed together, larger than what is written at once, in folders, of one name, and the same twice.
const TOGETHER: [Upload; 10] = [
    ("a.txt", 10),
    ("a.txt", 11),
    ("a.txt", 10),
    ("here.txt", 20),
    ("here.txt", 21),
    ("empty", 0),
    ("in/folder/b.txt", 30),
    ("in/folder/b.txt", 31),
    ("in/c.txt", 40),
    ("large", (1 << 20) + 7),
];

fn content(length: usize) -> Vec<u8> {
    length.to_be_bytes().repeat(length.div_ceil(8))[..length].to_vec()
}

/// Returns a folder in memory where that is possible: hundreds of thousands of files are synced.
fn in_memory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// What one run of the story came to: what was said of each upload.
type Said = Vec<(String, Vec<u8>, Result<Stored, StoreError>)>;

fn path(text: &str) -> FileName {
    FileName::from_path(text.as_bytes()).unwrap()
}

/// Begins a file, writes it in two parts, and commits it.
fn send(folder: &Folder, (text, length): Upload) -> Result<Ticket, StoreError> {
    let whole = content(length);
    let mut pending = folder.begin(&Incoming { name: path(text), size: Some(length as u64) })?;
    let (first, second) = whole.split_at(length / 3);
    pending.write(first)?;
    pending.write(second)?;
    Ok(pending.commit(Some(Digest::of(&whole))))
}

/// Sends files together, one that comes through a pipe, and one that is continued.
fn story(folder: &Folder) -> Said {
    let begun: Vec<_> = TOGETHER.into_iter().map(|upload| (upload, send(folder, upload))).collect();
    let mut said: Said = begun
        .into_iter()
        .map(|((text, length), ticket)| (text.to_owned(), content(length), ticket.and_then(Ticket::wait)))
        .collect();
    said.push(("piped".to_owned(), content(500), piped(folder)));
    let whole = content(60);
    let beginning = send(folder, ("more.txt", 50)).and_then(Ticket::wait);
    if let Ok(stored) = &beginning {
        let digest = Some(Digest::of(&content(50)));
        let of = Published { want: path("more.txt"), stored: stored.clone(), size: 50, digest };
        let amended = folder.amend(&of).and_then(|mut pending| {
            pending.write(b"and more")?;
            let whole = [content(50), b"and more".to_vec()].concat();
            pending.commit(Some(Digest::of(&whole))).wait()
        });
        said.push(("more.txt".to_owned(), [content(50), b"and more".to_vec()].concat(), amended));
    }
    said.push(("last.txt".to_owned(), whole, send(folder, ("last.txt", 60)).and_then(Ticket::wait)));
    said
}

/// Sends a file whose bytes the kernel moves.
fn piped(folder: &Folder) -> Result<Stored, StoreError> {
    let (out, into) = rustix::pipe::pipe().unwrap();
    rustix::io::write(&into, &content(500)).unwrap();
    let mut pending = folder.begin(&Incoming { name: path("piped"), size: None })?;
    pending.write_from(out.as_fd(), 500)?;
    pending.commit(Some(Digest::of(&content(500)))).wait()
}

/// Returns the files of a folder and of the folders in it.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            all.extend(files(&entry.path()).into_iter().map(|(inner, is)| (format!("{name}/{inner}"), is)));
        } else {
            all.push((name, fs::read(entry.path()).unwrap()));
        }
    }
    all
}

/// Compares a folder with what was said of each file.
fn check(folder: &Path, said: &Said, what: &str) {
    let there = files(folder);
    for (name, is) in &there {
        let is_sent = |(text, sent, _): &(String, Vec<u8>, _)| is == sent && path(text).may_become(name);
        let is_beginning = name.starts_with("more") && *is == content(50);
        let is_planted = name == "here.txt" && is == b"planted";
        let is_draft = name.contains(UNFINISHED_PREFIX);
        assert!(is_planted || is_beginning || is_draft || said.iter().any(is_sent), "{what}: {name}");
    }
    assert!(there.contains(&("here.txt".to_owned(), b"planted".to_vec())), "{what}: it was replaced");
    for (text, sent, result) in said {
        match result {
            Ok(stored) => {
                let name = stored.name.as_str().to_owned();
                assert!(there.iter().any(|(at, is)| *at == name && is == sent), "{what}: {name} is lost");
            }
            Err(StoreError::Failed { .. } | StoreError::Full { .. }) => {}
            Err(StoreError::Torn { .. }) => panic!("{what}: {text} was committed though a write had failed"),
            Err(error) => panic!("{what}: {text}: {error}"),
        }
    }
}

#[test]
fn every_operation_that_fails_is_a_refusal_and_nothing_else() {
    let mut failed: Vec<Disk> = Vec::new();
    let mut runs = 0;
    for fault in Fault::ALL {
        for (durability, named) in [(Durability::Group, false), (Durability::File, true)] {
            for number in 0.. {
                let temp = in_memory();
                fs::write(temp.path().join("here.txt"), b"planted").unwrap();
                let folder = open(temp.path(), durability, named);
                let faults = Arc::clone(&folder.root().faults);
                faults.fail(number, fault);
                let said = story(&folder);
                let fired = faults.heal();
                runs += 1;
                let what = format!("operation {number}: {fired:?} {fault:?} {durability:?} {named}");
                check(temp.path(), &said, &what);
                // The disk is well again: every upload is stored.
                let again = story(&folder);
                assert!(again.iter().all(|(_, _, result)| result.is_ok()), "{what}: {again:?}");
                check(temp.path(), &[said, again].into_iter().flatten().collect(), &what);
                drop(folder);
                drop(Folder::open(temp.path()).unwrap());
                let left = files(temp.path());
                // A process that another test starts has our lock until it executes its program, so the folder can look
                // shared.
                let is_left =
                    |(name, _): &&(String, Vec<u8>)| name.starts_with(UNFINISHED_PREFIX) && name != SHARED;
                let left: Vec<_> = left.iter().filter(is_left).collect();
                assert!(left.is_empty(), "{what}: {left:?}");
                failed.extend(&fired);
                if fired.is_empty() {
                    break;
                }
            }
        }
    }
    let every = [
        Disk::Create,
        Disk::Write,
        Disk::Splice,
        Disk::Permit,
        Disk::SyncFile,
        Disk::SyncAll,
        Disk::Name,
        Disk::Replace,
        Disk::SyncNames,
        Disk::Look,
        Disk::Read,
        Disk::Copy,
        Disk::Enter,
    ];
    for one in every {
        assert!(failed.contains(&one), "{one:?} never failed");
    }
    assert!(runs > 500, "only {runs} runs");
}
