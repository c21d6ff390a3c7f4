//! Sentences about our server: where it listens, what it received, refused and warns of.

use super::{Escaped, escape, units};
use crate::event::Kept;

/// Says where our server listens and where received files go. An empty `store` means nowhere: the server exists for
/// one race.
#[must_use]
pub(crate) fn listening(address: &str, store: &Escaped) -> String {
    let address = escape(address);
    if store.is_empty() {
        format!("listening on {address} for this race only")
    } else {
        format!("listening on {address}, storing in {store}")
    }
}

/// Returns how a received file was stored, in one or two words.
#[must_use]
pub(crate) const fn kept(kept: Kept) -> &'static str {
    match kept {
        Kept::New => "stored",
        Kept::Renamed => "renamed",
        Kept::Same => "already here",
        Kept::Amended => "amended",
        Kept::Discarded => "discarded",
    }
}

/// Says how a received file was stored.
#[must_use]
pub(crate) const fn kept_long(kept: Kept) -> &'static str {
    match kept {
        Kept::New => "stored under this name",
        Kept::Renamed => "stored under this name, because another file has the name that was sent",
        Kept::Same => "not stored again: a file with this name and SHA-256 is already here",
        Kept::Amended => "replaced by a longer version: more bytes arrived after it was published",
        Kept::Discarded => "not kept: it was a lane of a race",
    }
}

/// Says that our server received a file: its name, its size, the variant, and `received from 127.0.0.1:5 in 0.02 s`.
#[must_use]
pub(crate) fn received(
    name: &Escaped,
    size: u64,
    variant: &str,
    kept: Kept,
    peer: &str,
    seconds: f64,
) -> [String; 4] {
    let fate = match kept {
        Kept::New => "received",
        Kept::Renamed => "received under another name",
        Kept::Same => "received again, already here,",
        Kept::Amended => "amended, more bytes received",
        Kept::Discarded => "received in a race, not kept,",
    };
    let from = format!("{fate} from {} in {}", escape(peer), units::seconds(seconds));
    [name.to_string(), units::bytes(size), variant.to_owned(), from]
}

/// Says what our server refused: `refused a.txt from 127.0.0.1:5: …`.
#[must_use]
pub(crate) fn refused(peer: &str, name: Option<&Escaped>, why: &str) -> String {
    let name = name.map_or_else(String::new, |name| format!("{name} "));
    format!("refused {name}from {}: {}", escape(peer), escape(why))
}

/// Formats a warning for the operator of our server: `warning: a.txt from 127.0.0.1:5: …`.
#[must_use]
pub(crate) fn warned(peer: Option<&str>, name: Option<&Escaped>, text: &str) -> String {
    let about = match (name, peer.map(escape)) {
        (Some(name), Some(peer)) => format!("{name} from {peer}: "),
        (Some(name), None) => format!("{name}: "),
        (None, Some(peer)) => format!("{peer}: "),
        (None, None) => String::new(),
    };
    format!("warning: {about}{}", escape(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fate_of_a_received_file_has_a_label_and_a_sentence() {
        use Kept::{Amended, Discarded, New, Renamed, Same};
        let all = [New, Renamed, Same, Amended, Discarded];
        assert_eq!(all.map(kept), ["stored", "renamed", "already here", "amended", "discarded"]);
        assert_eq!(
            all.map(|kept| received(&escape("a\n"), 7, "CP2", kept, "h:5", 0.02).join("  ")),
            [
                "a\\n  7 B  CP2  received from h:5 in 0.02 s",
                "a\\n  7 B  CP2  received under another name from h:5 in 0.02 s",
                "a\\n  7 B  CP2  received again, already here, from h:5 in 0.02 s",
                "a\\n  7 B  CP2  amended, more bytes received from h:5 in 0.02 s",
                "a\\n  7 B  CP2  received in a race, not kept, from h:5 in 0.02 s",
            ]
        );
        assert!(all.iter().all(|kept| kept_long(*kept).len() < 76), "one line at 80 columns");
    }

    #[test]
    fn refusals_and_warnings_name_the_file_and_the_peer_if_there_are_any() {
        assert_eq!(
            refused("h:5", Some(&escape("a\u{1b}")), "too large"),
            "refused a\\u{1b} from h:5: too large"
        );
        assert_eq!(refused("h:5", None, "too large"), "refused from h:5: too large");
        for (peer, name, text) in [
            (Some("h:5"), Some("a"), "warning: a from h:5: x\\n"),
            (Some("h:5"), None, "warning: h:5: x\\n"),
            (None, Some("a"), "warning: a: x\\n"),
            (None, None, "warning: x\\n"),
        ] {
            let name = name.map(escape);
            assert_eq!(warned(peer, name.as_ref(), "x\n"), text);
        }
        assert_eq!(listening("h:5", &escape("in\n")), "listening on h:5, storing in in\\n");
        assert_eq!(listening("h:5", &escape("")), "listening on h:5 for this race only");
    }
}
