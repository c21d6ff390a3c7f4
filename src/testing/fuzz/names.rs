//! Names of files, and their descriptions.

use std::path::{Component, Path};

use super::{Input, check_shown};
use crate::digest::Digest;
use crate::net::description::{describe, name_of, parse};
use crate::store::name::{MAX_BYTES, MAX_PARTS, MAX_PATH_BYTES, Portability};
use crate::store::{FileName, Meta};

/// Names from the wire: what is accepted stays inside the store, as do the names of copies, and shows what it is.
pub(super) fn names(data: &[u8]) {
    let mut input = Input(data);
    let number = u32::from(input.byte());
    let length = usize::from(input.byte()) % 8;
    let prefix = String::from_utf8_lossy(input.take(length));
    let wire = input.rest();
    for parsed in [FileName::from_wire(wire), FileName::from_path(wire)] {
        let name = match parsed {
            Ok(name) => name,
            Err(why) => {
                check_shown(&why.to_string());
                continue;
            }
        };
        assert_eq!(FileName::from_path(name.as_str().as_bytes()).as_ref(), Ok(&name), "it is its own form");
        check_name(&name);
        let copies = [
            name.numbered(number),
            Some(name.marked(Digest::of(wire))),
            Some(name.marked_at_random(u64::from(number))),
            name.with_prefix(&prefix).ok(),
        ];
        for copy in copies.into_iter().flatten() {
            check_name(&copy);
            assert_eq!(copy.folder(), name.folder(), "a copy lies beside its file");
            if prefix.is_empty() || !copy.leaf().starts_with(&*prefix) {
                assert!(name.may_become(copy.as_str()), "{name} may become {copy}");
            }
        }
        // What a server says of a name is text of the network too.
        let _ = name.may_become(&String::from_utf8_lossy(&data[data.len() / 2..]));
        if let Err(why) = name.check(Portability::Windows) {
            check_shown(&why.to_string());
        }
    }
}

fn check_name(name: &FileName) {
    let text = name.as_str();
    assert!(text.len() <= MAX_PATH_BYTES + MAX_BYTES && text.split('/').count() <= MAX_PARTS);
    let is_inside = |part: Component<'_>| matches!(part, Component::Normal(_));
    assert!(Path::new(text).components().all(is_inside), "{text:?} leaves the store");
    for part in text.split('/') {
        assert!((1..=MAX_BYTES).contains(&part.len()), "{part:?}");
        assert!(!part.contains(['\0', '\\']) && part != "." && part != "..", "{part:?}");
        assert!(!part.to_ascii_lowercase().starts_with(".upseal-"), "{part:?} is that of an unfinished file");
    }
    check_shown(&name.to_string());
}

/// Descriptions of files: what is understood is described by the same text, but for lines that are not known.
pub(super) fn descriptions(data: &[u8]) {
    let Ok(description) = parse(data) else { return };
    let Some(description) = description else {
        if let Ok(text) = str::from_utf8(data) {
            assert_eq!(name_of(text), text);
            let meta = Meta { modified: Some((-1, 999_999_999)), executable: true };
            let described = describe(text, meta);
            let read = parse(described.as_bytes()).unwrap().unwrap();
            assert_eq!((read.name, read.meta), (data, meta));
        }
        return;
    };
    assert!(data.ends_with(description.name));
    let Ok(name) = str::from_utf8(description.name) else { return };
    let again = describe(name, description.meta);
    assert_eq!(parse(again.as_bytes()), Ok(Some(description)));
    assert_eq!(name_of(&again), name);
}
