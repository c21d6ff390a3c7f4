//! What an attack did, as plain values, and what PROTOCOL.md says that it does.
//!
//! [`expected`] is the second table of PROTOCOL.md in these words. Nothing here looks at it while an attack is
//! played: a [`Play`] is judged by what was seen, and compared afterwards.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::event::Variant;

/// A row of PROTOCOL.md's second table, "attack on the path".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attack {
    /// Read the content.
    Content,
    /// Read the name and size.
    Name,
    /// Flip a bit of the body.
    Flip,
    /// Drop, repeat, reorder blocks.
    Blocks,
    /// Cut the connection.
    Cut,
    /// Swap the name, swap whole bodies.
    Swap,
    /// Replace everything with one's own upload.
    Replace,
    /// Replay a recorded session to our server.
    Session,
    /// Replay a recorded AP answer to our client.
    Answer,
    /// Relay AP to the real server.
    Relay,
    /// Another certificate of the same CA.
    SameCa,
    /// Another CA, expired, self-signed.
    OtherCa,
}

impl Attack {
    /// All of them, in the table's order.
    pub const ALL: [Self; 12] = [
        Self::Content,
        Self::Name,
        Self::Flip,
        Self::Blocks,
        Self::Cut,
        Self::Swap,
        Self::Replace,
        Self::Session,
        Self::Answer,
        Self::Relay,
        Self::SameCa,
        Self::OtherCa,
    ];

    /// As PROTOCOL.md calls it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Content => "read the content",
            Self::Name => "read the name and size",
            Self::Flip => "flip a bit of the body",
            Self::Blocks => "drop, repeat, reorder blocks",
            Self::Cut => "cut the connection",
            Self::Swap => "swap the name, swap whole bodies",
            Self::Replace => "replace everything with one's own upload",
            Self::Session => "replay a recorded session to our server",
            Self::Answer => "replay a recorded AP answer to our client",
            Self::Relay => "relay AP to the real server",
            Self::SameCa => "another certificate of the same CA",
            Self::OtherCa => "another CA, expired, self-signed",
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was read.
    Read,
    /// Not a piece of it was found in what passed by.
    Hidden,
    /// The server keeps something else than what was sent, under the name that was sent.
    StoredAltered,
    /// The server keeps it under a name that was not sent with it.
    StoredUnderIt,
    /// The server keeps what the attacker sent, as if the sender had.
    Works,
    /// The server refused it and keeps nothing of it.
    Refused,
    /// The server keeps nothing.
    NothingStored,
    /// The server keeps it once more.
    StoredAgain,
    /// The server says that it has it already, and keeps one.
    SameIsDone,
    /// The client did not take who answered for its server, and sent nothing of the file.
    Distrusted,
    /// The same, and without the pin it would have sent the file.
    CaughtByPin,
    /// The client took somebody else for its server, and sent the file.
    Believed,
    /// The server keeps what was sent, as if nothing had been done.
    NoEffect,
    /// None of these.
    Unclear,
}

impl Outcome {
    /// A word or two, 12 characters at the most.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Hidden => "hidden",
            Self::StoredAltered => "altered",
            Self::StoredUnderIt => "misfiled",
            Self::Works => "replaced",
            Self::Refused => "refused",
            Self::NothingStored => "not stored",
            Self::StoredAgain => "stored again",
            Self::SameIsDone => "same is done",
            Self::Distrusted => "distrusted",
            Self::CaughtByPin => "pin catches",
            Self::Believed => "believed",
            Self::NoEffect => "no effect",
            Self::Unclear => "unclear",
        }
    }

    /// What the word means, for a legend.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Read => "whoever is on the path has it",
            Self::Hidden => "nothing of it was found in what passed by",
            Self::StoredAltered => "the server keeps something else under the sent name",
            Self::StoredUnderIt => "the server keeps it under a name not sent with it",
            Self::Works => "the server keeps the attacker's file as the sender's",
            Self::Refused => "the server refused it and keeps nothing",
            Self::NothingStored => "the server keeps nothing",
            Self::StoredAgain => "the server keeps a second copy",
            Self::SameIsDone => "the server has it already, and keeps one copy",
            Self::Distrusted => "the client sent nothing of the file: exit code 4",
            Self::CaughtByPin => "distrusted by the pin alone: the CA's signature holds",
            Self::Believed => "the client took somebody else for its server",
            Self::NoEffect => "the server keeps what was sent",
            Self::Unclear => "none of these",
        }
    }

    /// Whether the attacker got what he wanted.
    #[must_use]
    pub const fn harms(self) -> bool {
        matches!(
            self,
            Self::Read
                | Self::StoredAltered
                | Self::StoredUnderIt
                | Self::Works
                | Self::StoredAgain
                | Self::Believed
                | Self::Unclear
        )
    }

    /// Whether something else than what was sent came to rest: "of the writing kind".
    #[must_use]
    pub const fn writes(self) -> bool {
        matches!(self, Self::StoredAltered | Self::StoredUnderIt | Self::Works)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What the sender learns when he asks for a receipt, the same attack played once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Receipt {
    /// He gets one, and it says what he sent.
    Holds,
    /// He gets none that holds: his upload failed, and says why.
    Noticed,
    /// His uploads count as arrived although the server does not keep what he sent.
    Deceived,
}

impl Receipt {
    /// One word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Noticed => "noticed",
            Self::Deceived => "deceived",
        }
    }
}

/// One way to play an attack, played.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Play {
    /// Which way, in a few words.
    pub way: String,
    /// What was seen, judged.
    pub outcome: Outcome,
    /// What was seen: at the sender, at the server, on the path.
    pub seen: String,
    /// Whether the sender counts it as arrived when he asks for no receipt; `None` where there is no sender, or
    /// nothing that should arrive.
    pub believed: Option<bool>,
    /// With receipts; `None` where nobody sends anything that a receipt could be for.
    pub receipt: Option<Receipt>,
    /// What the sender was told then; empty without one.
    pub told: String,
}

/// An attack against a variant: a cell of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// The row.
    pub attack: Attack,
    /// The column.
    pub variant: Variant,
    /// What PROTOCOL.md says, any of these; none: there is no such attack.
    pub expected: Vec<Outcome>,
    /// What a receipt must be worth.
    pub expected_receipt: Option<Receipt>,
    /// Each way to play it.
    pub plays: Vec<Play>,
    /// Whether every play came out as expected.
    pub as_expected: bool,
}

impl Cell {
    /// Compares what was seen with PROTOCOL.md.
    #[must_use]
    pub fn new(attack: Attack, variant: Variant, plays: Vec<Play>) -> Self {
        let expected = expected(attack, variant).to_vec();
        let expected_receipt = expected_receipt(attack, variant);
        let holds = |play: &Play| expected.contains(&play.outcome) && play.receipt == expected_receipt;
        let as_expected = plays.iter().all(holds) && plays.is_empty() == expected.is_empty();
        Self { attack, variant, expected, expected_receipt, plays, as_expected }
    }

    /// The different outcomes, in the order in which they came.
    #[must_use]
    pub fn observed(&self) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for play in &self.plays {
            if !outcomes.contains(&play.outcome) {
                outcomes.push(play.outcome);
            }
        }
        outcomes
    }

    /// What receipts were worth: the worst of all plays.
    #[must_use]
    pub fn receipt(&self) -> Option<Receipt> {
        let of =
            |wanted| self.plays.iter().find_map(|play| play.receipt.filter(|receipt| *receipt == wanted));
        of(Receipt::Deceived).or_else(|| of(Receipt::Noticed)).or_else(|| of(Receipt::Holds))
    }
}

/// PROTOCOL.md, the second table of "What the variants protect".
#[must_use]
pub const fn expected(attack: Attack, variant: Variant) -> &'static [Outcome] {
    use Attack as A;
    use Outcome as O;
    use Variant::{Ap, Cp1, Cp2, Plain};

    match (attack, variant) {
        // There is no AP in Plain.
        (A::Answer | A::Relay | A::SameCa | A::OtherCa, Plain) => &[],
        (A::Content, Plain | Ap) | (A::Name, _) | (A::Relay, Ap) => &[O::Read],
        (A::Content | A::Relay, Cp1 | Cp2) => &[O::Hidden],
        (A::Flip, Plain | Ap) | (A::Blocks, Plain | Ap | Cp1) => &[O::StoredAltered],
        // "Block garbled or refused".
        (A::Flip, Cp1) => &[O::Refused, O::StoredAltered],
        (A::Flip | A::Blocks, Cp2) | (A::Session, Cp1 | Cp2) => &[O::Refused],
        (A::Cut, _) => &[O::NothingStored],
        (A::Swap, _) => &[O::StoredUnderIt],
        (A::Replace, _) => &[O::Works],
        (A::Session, Plain | Ap) => &[O::StoredAgain, O::SameIsDone],
        (A::Answer | A::OtherCa, _) => &[O::Distrusted],
        (A::SameCa, _) => &[O::CaughtByPin],
    }
}

/// "With receipts every 'stored altered', 'stored under it' and 'works' of the writing kind is noticed by the
/// sender." So is what the server refused or never got; reading is not, and the receipt holds.
#[must_use]
pub const fn expected_receipt(attack: Attack, variant: Variant) -> Option<Receipt> {
    use Attack as A;

    match (attack, variant) {
        (A::Relay, Variant::Plain) | (A::Session | A::Answer | A::SameCa | A::OtherCa, _) => None,
        (A::Content | A::Name | A::Relay, _) => Some(Receipt::Holds),
        (A::Flip | A::Blocks | A::Cut | A::Swap | A::Replace, _) => Some(Receipt::Noticed),
    }
}
