//! The results of attacks, and the expected ones, as plain values.
//!
//! [`expected`] is the table of docs/protocol.md, section Attacks. A [`Play`] is judged by what was observed, and only
//! then compared with the table.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::event::Variant;

/// An attack on the path: a row of the table in docs/protocol.md, section Attacks.
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
    /// Replace everything with an upload of the attacker's.
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
    /// All attacks, in the order of the table.
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

    /// Returns the name of the attack in the table.
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

/// The result of an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The attacker read it.
    Read,
    /// No piece of it was found in the bytes on the path.
    Hidden,
    /// The server stored something other than what was sent, under the sent name.
    StoredAltered,
    /// The server stored it under a name that was not sent with it.
    StoredUnderIt,
    /// The server stored the attacker's file as the sender's.
    Works,
    /// The server refused it and stored nothing.
    Refused,
    /// The server stored nothing.
    NothingStored,
    /// The server stored a second copy.
    StoredAgain,
    /// The server has the file already, and kept one copy.
    SameIsDone,
    /// The client rejected the server's identity, and sent nothing of the file.
    Distrusted,
    /// The client rejected the server's key because of the pin alone: without it, it would have sent the file.
    CaughtByPin,
    /// The client accepted the attacker's identity, and sent the file.
    Believed,
    /// The server stored what was sent; the attack had no effect.
    NoEffect,
    /// The observations do not fit any other outcome.
    Unclear,
}

impl Outcome {
    /// Returns a short name, of at most 12 characters.
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
            Self::SameIsDone => "already here",
            Self::Distrusted => "distrusted",
            Self::CaughtByPin => "pin catches",
            Self::Believed => "believed",
            Self::NoEffect => "no effect",
            Self::Unclear => "unclear",
        }
    }

    /// Returns the meaning of the short name, for a legend.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Read => "an eavesdropper can read it",
            Self::Hidden => "no part of it was found in the bytes on the path",
            Self::StoredAltered => "the server stored something else under the sent name",
            Self::StoredUnderIt => "the server stored it under a name not sent with it",
            Self::Works => "the server stored the attacker's file as the sender's",
            Self::Refused => "the server refused it and stored nothing",
            Self::NothingStored => "the server stored nothing",
            Self::StoredAgain => "the server stored a second copy",
            Self::SameIsDone => "the server has it already, and kept one copy",
            Self::Distrusted => "the client sent nothing of the file (exit code 4)",
            Self::CaughtByPin => "only the pin does not match: the CA's signature is valid",
            Self::Believed => "the client accepted the attacker's identity",
            Self::NoEffect => "the server stored what was sent",
            Self::Unclear => "none of these",
        }
    }

    /// Returns whether the attack succeeded.
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

    /// Returns whether the server stored something other than what was sent.
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

/// What the sender learns if it requests a receipt and the attack is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Receipt {
    /// The sender gets a valid receipt for what it sent.
    Holds,
    /// The sender gets no valid receipt; its upload fails with a reason.
    Noticed,
    /// The sender's uploads count as arrived, although the server does not have what was sent.
    Deceived,
}

impl Receipt {
    /// Returns a short name.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Holds => "valid",
            Self::Noticed => "noticed",
            Self::Deceived => "deceived",
        }
    }

    /// Returns the meaning of the short name, for a legend.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Holds => "the sender has a receipt for what it sent",
            Self::Noticed => "the sender's upload failed, so the sender knows",
            Self::Deceived => "the sender believes that all is well, and it is not",
        }
    }
}

/// The result of one way to run an attack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Play {
    /// The way, in a few words.
    pub way: String,
    /// The outcome, judged from what was observed.
    pub outcome: Outcome,
    /// What was observed at the sender, at the server and on the path.
    pub seen: String,
    /// Whether the sender counts the file as arrived without a receipt; `None` if there is no sender, or nothing that
    /// should arrive.
    pub believed: Option<bool>,
    /// What a receipt adds; `None` if there is nothing that a receipt could be for.
    pub receipt: Option<Receipt>,
    /// What the client reported in the run with receipts; empty if there was none.
    pub told: String,
}

/// The results of an attack against a variant: a cell of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// The attack: the row.
    pub attack: Attack,
    /// The variant: the column.
    pub variant: Variant,
    /// The expected outcomes, any of which is right; empty if the attack does not apply to the variant.
    pub expected: Vec<Outcome>,
    /// What a receipt is expected to add.
    pub expected_receipt: Option<Receipt>,
    /// The results, one for each way to run the attack.
    pub plays: Vec<Play>,
    /// Whether every result is as expected.
    pub as_expected: bool,
}

impl Cell {
    /// Compares results with the expected ones.
    #[must_use]
    pub fn new(attack: Attack, variant: Variant, plays: Vec<Play>) -> Self {
        let expected = expected(attack, variant).to_vec();
        let expected_receipt = expected_receipt(attack, variant);
        let holds = |play: &Play| expected.contains(&play.outcome) && play.receipt == expected_receipt;
        let as_expected = plays.iter().all(holds) && plays.is_empty() == expected.is_empty();
        Self { attack, variant, expected, expected_receipt, plays, as_expected }
    }

    /// Returns the distinct outcomes, in the order in which they were observed.
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

    /// Returns what receipts added: the worst of all results.
    #[must_use]
    pub fn receipt(&self) -> Option<Receipt> {
        let of =
            |wanted| self.plays.iter().find_map(|play| play.receipt.filter(|receipt| *receipt == wanted));
        of(Receipt::Deceived).or_else(|| of(Receipt::Noticed)).or_else(|| of(Receipt::Holds))
    }
}

/// Returns the expected outcomes: the table in docs/protocol.md, section Attacks.
#[must_use]
pub(crate) const fn expected(attack: Attack, variant: Variant) -> &'static [Outcome] {
    use Attack as A;
    use Outcome as O;
    use Variant::{Ap, Cp1, Cp2, Plain};

    match (attack, variant) {
        // There is no AP in Plain.
        (A::Answer | A::Relay | A::SameCa | A::OtherCa, Plain) => &[],
        (A::Content, Plain | Ap) | (A::Name, _) | (A::Relay, Ap) => &[O::Read],
        (A::Content | A::Relay, Cp1 | Cp2) => &[O::Hidden],
        (A::Flip, Plain | Ap) | (A::Blocks, Plain | Ap | Cp1) => &[O::StoredAltered],
        // The block is refused, or garbled if its padding is valid by chance.
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

/// Returns what a receipt is expected to add. With receipts the sender notices every change of the stored file, and every
/// file that the server refused or did not get. It does not notice a reader: then the receipt is valid.
#[must_use]
pub(crate) const fn expected_receipt(attack: Attack, variant: Variant) -> Option<Receipt> {
    use Attack as A;

    match (attack, variant) {
        (A::Relay, Variant::Plain) | (A::Session | A::Answer | A::SameCa | A::OtherCa, _) => None,
        (A::Content | A::Name | A::Relay, _) => Some(Receipt::Holds),
        (A::Flip | A::Blocks | A::Cut | A::Swap | A::Replace, _) => Some(Receipt::Noticed),
    }
}
