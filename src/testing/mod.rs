//! Fakes, and the inner items that integration tests, benches and examples need. Not a part of the program.
//!
//! - [`ScriptedStream`]: a [`Stream`](crate::Stream) whose peer follows a script
//! - [`EventLog`]: an [`Observer`](crate::Observer) that keeps every event

pub mod fuzz;
mod observer;
#[cfg(test)]
mod sipping;
mod stream;

pub use self::observer::EventLog;
#[cfg(test)]
pub(crate) use self::sipping::Sipping;
pub use self::stream::{Act, Finally, Pieces, ScriptedStream, Step, Transcript};

/// The wall clock.
pub mod clock {
    pub use crate::clock::{simulate, unix_ms, unix_seconds};
}

/// Size of a file on the wire.
pub mod cost {
    pub use crate::cost::wire_len;
}

/// Certificates and AP's answers.
pub mod crypto {
    pub use crate::crypto::authority::throwaway;
    pub use crate::crypto::challenge::verify as verify_answer;
    pub use crate::crypto::identity::Unwrapped;
}

/// CP2's tokens.
pub mod fernet {
    pub use crate::crypto::fernet::kernel::base64::Base64;
    pub use crate::crypto::fernet::kernel::{Backend, Decryption, Encryption, Hash, STEP};
    pub use crate::crypto::fernet::{SessionKey, TokenOpener, TokenSealer, token_len};
}

/// The history of sent and received files.
pub mod history {
    pub use crate::history::serving::Serving;
    pub use crate::history::{
        Announced, Direction, Entry, Filter, History, Outcome, PendingReceipt, Received, Sent, repair,
    };
}

/// Attacks and their outcomes.
pub mod lab {
    pub use crate::lab::outcome::{Attack, Cell, Outcome, Receipt};
    pub use crate::lab::{LabError, run, run_some};
}

/// Sentences about a race.
pub mod messages {
    pub use crate::messages::race::sentence;
}

/// The parts of a connection.
pub mod net {
    pub use crate::net::budget::{PER_KEY, PER_NETWORK};
    pub use crate::net::handshake::{AnswerDecoder, HELLO_RANDOM, Offer};
    pub use crate::net::receive::{Session, open_bodies_on_one_thread};
    pub use crate::net::record::{FIRST, LAST, Recorder, tapped};
    pub use crate::net::refusal::{Heard, REFUSED, hear};
    pub use crate::net::upload::SEND_PATIENCE;
}

/// The padding checks, to be timed.
pub mod padding {
    pub use crate::crypto::padding::probe::{K, padded, unpad};
}

/// Receipts and the key that signs them.
pub mod receipt {
    pub use crate::crypto::receipt::{Entry, Fate, Reason, Receipt, Request, Statement, salted, verify};
    pub use crate::crypto::receipt_key::ReceiptKey;
}

/// A race's report.
pub mod report {
    pub use crate::report::{MARK, RaceReport, Row, rows};
}

/// RSA in batches, and CP1's blocks.
pub mod rsa {
    pub use crate::crypto::rsa_batch::probe::Probe;
    pub use crate::crypto::rsa_batch::{Backend, PrivateBatch, PublicBatch, Raw};
    pub use crate::crypto::rsa_blocks::{BlockSealer, open_blocks};
}

/// Signals that end the program.
pub mod signals {
    pub use crate::signals::ending;
}

/// Names of files, and what happens on the disk below a folder.
pub mod store {
    pub use crate::store::folder::faults::{Disk, DiskWatch};
    pub use crate::store::name::Portability;
    pub use crate::store::{Announce, Catalogue, Coming, Record};
}

/// Keys of certificates.
pub mod trust {
    pub use crate::trust::key;
}
