//! Where an announced file may be: the names that a store may have given it.

use std::fs;
use std::io;
use std::path::Path;

use crate::history::Announced;
use crate::history::folder::{self, Found};
use crate::store::FileName;
use crate::store::name::LAST_COPY;

/// Returns the files that have one of the names that a store may have given an announced file. The number of names does
/// not depend on the number of files, except for a name of which all numbered copies exist: then the folder is listed.
pub(super) fn of(store: &Path, announced: &Announced) -> io::Result<Vec<(String, Found)>> {
    let name = |text: &str| FileName::from_path(text.as_bytes()).ok();
    let mut names: Vec<FileName> = announced.replaces.as_deref().and_then(name).into_iter().collect();
    if let Some(want) = name(&announced.want) {
        let want = there(store, &want)?;
        names.extend(want.candidates());
        names.extend(announced.digest.map(|digest| want.marked(digest)));
        if want.numbered(LAST_COPY).is_some_and(|last| is_taken(store, &last)) {
            names.extend(marked(store, &want)?);
        }
    }
    let mut found: Vec<(String, Found)> = Vec::new();
    for name in names {
        if let Some(file) = folder::look(store, name.as_str())?
            && found.iter().all(|(known, _)| known != name.as_str())
        {
            found.push((name.as_str().to_owned(), file));
        }
    }
    Ok(found)
}

/// Returns the name in the folder in which a store keeps it: where a file or a link has the name of a folder, that
/// folder has the name of a copy.
fn there(store: &Path, want: &FileName) -> io::Result<FileName> {
    let Some(folder) = want.folder() else { return Ok(want.clone()) };
    let mut path = Vec::new();
    for part in folder.split('/') {
        let Ok(wanted) = FileName::from_path(part.as_bytes()) else { return Ok(want.clone()) };
        let mut here = part.to_owned();
        for copy in wanted.candidates() {
            let parent = store.join(path.join("/"));
            match parent.join(copy.as_str()).symlink_metadata() {
                Ok(meta) if !meta.is_dir() => {}
                Ok(_) => {
                    copy.as_str().clone_into(&mut here);
                    break;
                }
                Err(why) if matches!(why.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                    break;
                }
                Err(why) => return Err(why),
            }
        }
        path.push(here);
    }
    Ok(want.in_folder(&path.join("/")))
}

fn is_taken(store: &Path, name: &FileName) -> bool {
    store.join(name.as_str()).symlink_metadata().is_ok()
}

/// Lists the copies with a digest or random digits in their names.
fn marked(store: &Path, want: &FileName) -> io::Result<Vec<FileName>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(store.join(want.folder().unwrap_or_default()))? {
        let leaf = entry?.file_name();
        let Some(Ok(leaf)) = leaf.to_str().map(|leaf| FileName::from_path(leaf.as_bytes())) else { continue };
        let name = want.folder().map_or_else(|| leaf.clone(), |folder| leaf.in_folder(folder));
        if want.may_become(name.as_str()) {
            names.push(name);
        }
    }
    Ok(names)
}
