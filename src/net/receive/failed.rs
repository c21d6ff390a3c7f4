//! Errors of a session with the file that they are about, and how they are reported.

use super::arriving::Arriving;
use super::{REFUSAL_PATIENCE, ReceiveError, Session};
use crate::clock;
use crate::event::{Event, Track};
use crate::net::refusal::{Notice, Refusal};
use crate::store::FileName;

/// Why a session ended early, and which file that is about.
#[derive(Debug)]
pub(super) struct Failed {
    /// `None`: no single file.
    file: Option<Box<FailedFile>>,
    pub(super) why: ReceiveError,
}

/// The file that a failure is about.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct FailedFile {
    /// Its track; `None` before its body has begun.
    pub(super) track: Option<Track>,
    /// Its number in the connection, from 1; `None` where the failure is not about this one file alone.
    pub(super) ordinal: Option<u64>,
    /// Its name, if the operator is shown one.
    pub(super) name: Option<FileName>,
    /// The published file that more was to be added to, and that stays as it is.
    pub(super) stays: Option<FileName>,
}

impl FailedFile {
    /// A file that was announced by MODE 0, and of which nothing else has come.
    pub(super) fn announced(name: FileName) -> Self {
        Self { name: Some(name), ..Self::default() }
    }

    /// A file that was refused with its MODE 0 or 1.
    pub(super) fn refused(ordinal: u64, name: Option<FileName>) -> Self {
        Self { ordinal: Some(ordinal), name, ..Self::default() }
    }

    /// A published file that cannot be amended.
    pub(super) fn published(name: FileName) -> Self {
        Self { stays: Some(name), ..Self::default() }
    }
}

impl From<&Arriving> for FailedFile {
    fn from(file: &Arriving) -> Self {
        let Track::Receiving(_, ordinal) = file.track else {
            return Self { track: Some(file.track), ..Self::announced(file.came_as.clone()) };
        };
        Self {
            track: Some(file.track),
            ordinal: Some(ordinal),
            name: Some(file.came_as.clone()),
            stays: file.amends.clone(),
        }
    }
}

/// An error about no single file, until [`About::about`] names one.
impl<E: Into<ReceiveError>> From<E> for Failed {
    fn from(why: E) -> Self {
        Self { file: None, why: why.into() }
    }
}

impl Failed {
    pub(super) fn of(file: FailedFile, why: impl Into<ReceiveError>) -> Self {
        Self { file: Some(Box::new(file)), why: why.into() }
    }

    /// Names the file, unless one is named already.
    pub(super) fn or_about(mut self, file: impl FnOnce() -> Option<FailedFile>) -> Self {
        self.file = self.file.or_else(|| file().map(Box::new));
        self
    }

    /// Returns the file; without a name or anything else if the failure is about no single file.
    pub(super) fn file(&self) -> FailedFile {
        self.file.as_deref().cloned().unwrap_or_default()
    }

    /// Returns the file that the refusal names. Of the reasons to refuse a file before its body, only its name and its size
    /// are about that file alone.
    pub(super) fn refused_file(&self) -> Option<u64> {
        let file = self.file.as_ref()?;
        let is_alone =
            file.track.is_some() || matches!(self.why, ReceiveError::Name(_) | ReceiveError::TooLarge { .. });
        file.ordinal.filter(|_| is_alone)
    }

    fn is_begun(&self) -> bool {
        self.file.as_ref().is_some_and(|file| file.track.is_some())
    }
}

/// Names the file that an error is about.
pub(super) trait About<T> {
    /// Names this file, unless the error names one already.
    fn about(self, file: &Arriving) -> Result<T, Failed>;
}

impl<T, E: Into<Failed>> About<T> for Result<T, E> {
    fn about(self, file: &Arriving) -> Result<T, Failed> {
        self.map_err(|why| why.into().or_about(|| Some(file.into())))
    }
}

impl Session<'_> {
    /// Reports a failure to the operator, and refuses the client.
    pub(super) fn fail(&mut self, failed: &Failed) {
        let is_leaving = matches!(failed.why, ReceiveError::Leaving);
        if is_leaving || (self.connection.is_interrupted() && !failed.is_begun()) {
            // The server was stopped between two messages: nothing is reported as refused. But what the client sent
            // may not have been read.
            return self.refuse(Refusal::Busy);
        }
        let FailedFile { track, name, stays, .. } = failed.file();
        let why = &failed.why;
        let stays = stays.map(|name| format!("; {name} stays as it was published")).unwrap_or_default();
        self.service.observer.event(Event::Refused {
            session: self.id,
            track,
            peer: self.peer.clone(),
            name: name.as_ref().map(FileName::escaped),
            blame: why.blame(),
            kind: why.kind(),
            why: format!("{}{stays}", why.line(self.offset())),
            is_cut: matches!(why, ReceiveError::Cut { .. } | ReceiveError::Late { .. }),
            at_ms: clock::unix_ms(),
        });
        let reason = match why {
            _ if self.connection.is_interrupted() => Refusal::Busy,
            // A server without a key serves Plain only.
            ReceiveError::Order { .. } if self.service.identity.is_none() => Refusal::Variant,
            why => why.refusal(failed.is_begun()),
        };
        self.refuse(Notice { reason, file: failed.refused_file() });
    }

    /// Ends the connection by a refusal: one byte, the reason if the client sent our hello, and a reset.
    pub fn refuse(&mut self, notice: impl Into<Notice>) {
        self.connection.refuse(&notice.into().bytes(self.client.hello.is_some()), REFUSAL_PATIENCE);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::event::SessionId;

    fn name() -> FileName {
        FileName::from_wire(b"a.txt").unwrap()
    }

    fn too_large() -> ReceiveError {
        ReceiveError::TooLarge { offset: 0, size: 2, limit: 1 }
    }

    fn cut() -> ReceiveError {
        ReceiveError::Cut { offset: 0, source: None }
    }

    #[test]
    fn the_innermost_file_stays_the_one_that_an_error_is_about() {
        let (inner, outer) = (FailedFile::announced(name()), FailedFile::refused(2, None));
        let failed = Failed::from(cut()).or_about(|| Some(inner.clone())).or_about(|| Some(outer));
        assert_eq!(failed.file(), inner);
        assert!(Failed::from(cut()).or_about(|| None).file.is_none());
    }

    #[test]
    fn before_the_body_only_a_name_or_a_size_is_about_one_file() {
        let refused =
            |why: ReceiveError| Failed::of(FailedFile::refused(7, Some(name())), why).refused_file();
        assert_eq!(refused(too_large()), Some(7));
        assert_eq!(refused(FileName::from_wire(b"..").unwrap_err().into()), Some(7));
        assert_eq!(refused(cut()), None);
        let track = Some(Track::Receiving(SessionId(1), 7));
        let begun = FailedFile { track, ..FailedFile::refused(7, Some(name())) };
        assert_eq!(Failed::of(begun, cut()).refused_file(), Some(7));
        assert_eq!(Failed::from(too_large()).refused_file(), None);
    }
}
