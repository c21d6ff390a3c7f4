//! Failures as the user sees them: what happened, who has to act, what to do, and the exit code.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Escaped;

/// The party that has to change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Blame {
    /// The other side of the connection, or the network in between.
    Peer,
    /// The user who gave the command.
    User,
    /// This machine: disk, memory, file descriptors, processor.
    System,
}

/// The kind of a failure. Each kind has an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The transfer failed part-way: exit code 1.
    Broken,
    /// The server stored something other than what was sent: exit code 1. Events call it `broken`.
    #[serde(rename = "broken", skip_deserializing)]
    Altered,
    /// Every byte was sent, and the server did not confirm it: exit code 1.
    Unconfirmed,
    /// The command line, environment or configuration is invalid: exit code 2.
    Usage,
    /// No server could be reached: exit code 3.
    Unreachable,
    /// The server's identity could not be verified, or its key changed: exit code 4.
    Unproven,
    /// A local file or folder could not be used: exit code 5.
    Local,
    /// The server refused the file: exit code 6.
    Refused,
    /// The user stopped it: exit code 130.
    Interrupted,
}

impl FaultKind {
    /// Returns the exit code of the headless commands.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Broken | Self::Altered | Self::Unconfirmed => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::Unproven => 4,
            Self::Local => 5,
            Self::Refused => 6,
            Self::Interrupted => 130,
        }
    }
}

/// A failure: what happened, who has to act, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The kind, which decides the exit code.
    pub kind: FaultKind,
    /// The party that has to change something.
    pub blame: Blame,
    /// What happened, with its operands.
    pub what: Escaped,
    /// What to do next; empty if there is nothing to say.
    pub advice: Escaped,
}

/// Constructors for each kind with its usual blame and no advice.
impl Fault {
    /// Creates a fault without advice.
    #[must_use]
    pub fn new(kind: FaultKind, blame: Blame, what: impl Into<Escaped>) -> Self {
        Self { kind, blame, what: what.into(), advice: Escaped::default() }
    }

    /// Creates a fault for a transfer that the peer or the network broke off.
    #[must_use]
    pub fn broken(what: impl Into<Escaped>) -> Self {
        Self::new(FaultKind::Broken, Blame::Peer, what)
    }

    /// Creates a fault for work that this machine could not do (thread, memory, random numbers).
    #[must_use]
    pub fn system(what: impl Into<Escaped>) -> Self {
        Self::new(FaultKind::Broken, Blame::System, what)
    }

    /// Creates a fault for a file that the server has in another form than it was sent.
    #[must_use]
    pub fn altered(what: impl Into<Escaped>) -> Self {
        Self::new(FaultKind::Altered, Blame::Peer, what)
    }

    /// Creates a fault for a file that was sent whole and not confirmed.
    #[must_use]
    pub fn unconfirmed(what: impl Into<Escaped>) -> Self {
        Self::new(FaultKind::Unconfirmed, Blame::Peer, what)
    }

    /// Creates a fault for invalid flags, variables or configuration.
    #[must_use]
    pub fn usage(what: impl Into<Escaped>) -> Self {
        Self::new(FaultKind::Usage, Blame::User, what)
    }

    /// Creates a fault for a server that could not be reached.
    #[must_use]
    pub fn unreachable(what: impl Into<Escaped>) -> Self {
        Self::new(FaultKind::Unreachable, Blame::Peer, what)
    }

    /// Creates a fault for a server whose identity could not be verified.
    #[must_use]
    pub fn unproven(what: impl Into<Escaped>) -> Self {
        Self::new(FaultKind::Unproven, Blame::Peer, what)
    }

    /// Creates a fault for a local file or folder that the user has to change.
    #[must_use]
    pub fn local(what: impl Into<Escaped>) -> Self {
        Self::new(FaultKind::Local, Blame::User, what)
    }

    /// Creates a fault for a file that the server refused.
    #[must_use]
    pub fn refused(what: impl Into<Escaped>) -> Self {
        Self::new(FaultKind::Refused, Blame::Peer, what)
    }

    /// Creates a fault for work that the user stopped.
    #[must_use]
    pub fn interrupted(what: impl Into<Escaped>) -> Self {
        Self::new(FaultKind::Interrupted, Blame::User, what)
    }

    /// Replaces the blame.
    #[must_use]
    pub fn with_blame(self, blame: Blame) -> Self {
        Self { blame, ..self }
    }

    /// Sets what to do next.
    #[must_use]
    pub fn with_advice(self, advice: impl Into<Escaped>) -> Self {
        Self { advice: advice.into(), ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what.as_str())?;
        if !self.advice.is_empty() {
            write!(f, " ({})", self.advice)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each constructor's kind and blame, and the exit code that scripts rely on.
    #[test]
    fn constructors_have_their_kind_blame_and_exit_code() {
        for (fault, kind, blame, code) in [
            (Fault::broken("x"), FaultKind::Broken, Blame::Peer, 1),
            (Fault::system("x"), FaultKind::Broken, Blame::System, 1),
            (Fault::altered("x"), FaultKind::Altered, Blame::Peer, 1),
            (Fault::unconfirmed("x"), FaultKind::Unconfirmed, Blame::Peer, 1),
            (Fault::usage("x"), FaultKind::Usage, Blame::User, 2),
            (Fault::unreachable("x"), FaultKind::Unreachable, Blame::Peer, 3),
            (Fault::unproven("x"), FaultKind::Unproven, Blame::Peer, 4),
            (Fault::local("x"), FaultKind::Local, Blame::User, 5),
            (Fault::refused("x"), FaultKind::Refused, Blame::Peer, 6),
            (Fault::interrupted("x"), FaultKind::Interrupted, Blame::User, 130),
        ] {
            assert_eq!((fault.kind, fault.blame, fault.kind.exit_code()), (kind, blame, code));
            assert_eq!(fault.to_string(), "x");
            let helped = fault.with_blame(Blame::System).with_advice("do y");
            assert_eq!((helped.blame, helped.to_string().as_str()), (Blame::System, "x (do y)"));
        }
    }

    /// A fault is made of other faults and passes through `--json`; its text stays as it was escaped first.
    #[test]
    fn text_of_a_peer_is_escaped_once_however_it_reaches_the_reader() {
        let raw = "cannot read \u{1b}[2J\n\u{202e}.txt";
        let once = r"cannot read \u{1b}[2J\n\u{202e}.txt";
        let fault = Fault::local(raw).with_advice(raw);
        assert_eq!((fault.what.as_str(), fault.advice.as_str()), (once, once));
        assert_eq!(fault.to_string(), format!("{once} ({once})"));
        assert_eq!(Fault::broken(format!("{}", fault.what)).what, once);
        let event = serde_json::to_value(&fault).unwrap();
        assert_eq!((&event["what"], &event["advice"]), (&once.into(), &once.into()));
        assert_eq!(serde_json::from_value::<Fault>(event).unwrap(), fault);
        // An event of another program may not be escaped.
        let foreign = serde_json::json!({"kind": "local", "blame": "user", "what": raw, "advice": raw});
        assert_eq!(serde_json::from_value::<Fault>(foreign).unwrap(), fault);
    }

    /// `--json` has one word for both, so that the schema of events does not change.
    #[test]
    fn an_altered_file_is_called_broken_in_events() {
        let json = serde_json::to_string(&[FaultKind::Altered, FaultKind::Broken]).unwrap();
        assert_eq!(json, r#"["broken","broken"]"#);
        assert_eq!(serde_json::from_str::<FaultKind>(r#""broken""#).unwrap(), FaultKind::Broken);
    }
}
