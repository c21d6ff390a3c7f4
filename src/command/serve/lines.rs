//! The lines of the text log, each with its level and its session.

use crate::cli::LogLevel;
use crate::event::{Blame, Escaped, Event, SessionId, Track, escape};
use crate::messages::{server, trust, units};
use crate::output;

/// A line of the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) level: LogLevel,
    /// Whether it is a result: a received file.
    pub(super) is_result: bool,
    pub(super) text: String,
}

/// Returns the level of an event; `None`: it has no line.
pub(super) const fn level(event: &Event) -> Option<LogLevel> {
    Some(match event {
        Event::Refused { blame: Blame::System, .. } => LogLevel::Error,
        Event::Refused { .. } | Event::Warned { .. } => LogLevel::Warn,
        Event::Listening { .. } | Event::Received { .. } | Event::Note { .. } => LogLevel::Info,
        Event::SessionOpened { .. }
        | Event::SessionProved { .. }
        | Event::SessionClosed { .. }
        | Event::Receipted { .. }
        | Event::Receiving { .. } => LogLevel::Debug,
        _ => return None,
    })
}

/// Returns the session that an event is about.
pub(super) const fn session(event: &Event) -> Option<SessionId> {
    match event {
        Event::Received { track: Track::Receiving(session, _), .. }
        | Event::Receiving { track: Track::Receiving(session, _), .. }
        | Event::Refused { session, .. }
        | Event::SessionOpened { session, .. }
        | Event::SessionProved { session }
        | Event::SessionClosed { session }
        | Event::Receipted { session, .. } => Some(*session),
        Event::Warned { session, .. } => *session,
        _ => None,
    }
}

/// Returns the lines of an event. With `plain`, they are whole sentences.
pub(super) fn lines(event: &Event, plain: bool) -> Vec<Line> {
    let Some(level) = level(event) else { return Vec::new() };
    let mut texts = Vec::new();
    match event {
        Event::Listening { address, store, identity } => {
            texts.push(server::listening(address, &Escaped::path(store)));
            texts.extend(identity.as_ref().map(|proof| format!("as {}", trust::introduction(proof))));
        }
        Event::Received { peer, name, kept, size, variant, digest, seconds, .. } => {
            let received = server::received(name, *size, &variant.to_string(), *kept, peer, *seconds);
            let digest = digest.as_ref().map(|digest| format!("sha256 {digest}"));
            let columns: Vec<String> = received.into_iter().chain(digest).collect();
            texts.push(match (plain, &columns[..]) {
                (true, [name, rest @ ..]) => format!("file {name}: {}", rest.join(", ")),
                _ => columns.join("  "),
            });
        }
        Event::Refused { peer, name, why, .. } => texts.push(server::refused(peer, name.as_ref(), why)),
        Event::Warned { peer, name, text, .. } => {
            texts.push(server::warned(peer.as_deref(), name.as_ref(), text));
        }
        Event::Note { text } => texts.push(escape(text).to_string()),
        Event::SessionOpened { peer, .. } => texts.push(format!("connected: {}", escape(peer))),
        Event::SessionProved { .. } => texts.push("proved the identity to the client".to_owned()),
        Event::SessionClosed { .. } => texts.push("disconnected".to_owned()),
        Event::Receipted { files, .. } => {
            texts.push(format!("gave receipts for {}", units::count(*files as u64, "file")));
        }
        Event::Receiving { peer, name, variant, .. } => {
            texts.push(format!("receiving {name} from {} by {variant}", escape(peer)));
        }
        _ => {}
    }
    let is_result = matches!(event, Event::Received { .. });
    let about = session(event).map(|session| format!(" (s{})", session.0)).unwrap_or_default();
    let line = |text: String| {
        let text = format!("{text}{about}");
        Line { level, is_result, text: if plain { output::sentences(&text) } else { text } }
    };
    texts.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{RefusalKind, Variant};

    fn refused(blame: Blame) -> Event {
        Event::Refused {
            session: SessionId(12),
            track: None,
            peer: "127.0.0.1:5".to_owned(),
            name: None,
            blame,
            kind: RefusalKind::Malformed,
            why: "at byte 8: mode 7".to_owned(),
            is_cut: false,
            at_ms: 0,
        }
    }

    #[test]
    fn every_line_of_a_session_has_its_number_and_what_this_machine_failed_at_is_an_error() {
        let text = "refused from 127.0.0.1:5: at byte 8: mode 7 (s12)".to_owned();
        let line = |level| vec![Line { level, is_result: false, text: text.clone() }];
        assert_eq!(lines(&refused(Blame::Peer), false), line(LogLevel::Warn));
        assert_eq!(lines(&refused(Blame::System), false), line(LogLevel::Error));
        let session = SessionId(12);
        for event in [
            Event::SessionOpened { session, peer: "127.0.0.1:5".to_owned() },
            Event::SessionProved { session },
            Event::Receipted { session, files: 3 },
            Event::SessionClosed { session },
            Event::Receiving {
                track: Track::Receiving(session, 1),
                peer: "127.0.0.1:5".to_owned(),
                name: escape("a\n.txt"),
                variant: Variant::Cp2,
            },
        ] {
            let lines = lines(&event, false);
            assert_eq!(lines.len(), 1, "{event:?}");
            assert!(lines[0].level == LogLevel::Debug && lines[0].text.ends_with(" (s12)"), "{lines:?}");
            assert!(!lines[0].text.contains('\n'), "{lines:?}");
        }
        assert!(lines(&Event::Ended, false).is_empty());
    }
}
