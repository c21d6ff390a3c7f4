//! upseal uploads files to a server that proves its identity, and shows what each kind of encryption costs.
//!
//! Modules are private, except [`event`], whose names are the vocabulary of every front end. What the binary, tests and
//! benches use is listed here; [`testing`] hands on inner items to tests.
//!
//! The modules, in reading order:
//!
//! - [`event`]: commands, events and the values in them; the only thing that the screen and the log see
//! - [`cost`]: the size of a file in a dialect, in blocks and in bytes on the wire
//! - [`estimate`]: how long a transfer will take, from what earlier ones took
//! - [`meter`]: the counters of one transfer, all that the hot path touches
//! - [`pipeline`]: ordered, bounded stages on named threads, for large files
//! - [`crypto`]: encryption and decryption of the body of one MODE 1, identities, AP's challenge
//! - [`trust`]: verification of certificates, and known servers
//! - [`net`]: the wire, the client's and the server's side of a connection, and the server
//! - [`store`]: durable storage of received files
//! - [`history`]: the history of sent and received files, and the replay memory
//! - [`scan`]: the files of a folder to upload
//! - [`transfer`]: the queue, the worker and the race; takes commands, reports events
//! - [`lab`]: the attacks of docs/protocol.md, run on this computer only
//! - [`report`]: the result of a race as a page, a picture or numbers
//! - [`hues`]: the colours of lanes and stages
//! - [`messages`]: amounts and the sentences that more than one front end shows
//! - [`digest`], [`spreadsheet`], [`qr`]: SHA-256 digests, CSV records, QR codes
//! - [`files`], [`folders`], [`clock`]: atomic replacement and locks, places of the program's files, the wall clock
//! - [`signals`]: signals that end the program
//! - [`cli`], [`command`], [`output`]: the command line, its subcommands, and their output
//! - [`config`]: flags, presets, the environment and the file as one value
//! - `ui` (feature `tui`): the terminal front end

#![cfg_attr(not(feature = "tui"), allow(dead_code, unused_imports, reason = "only the screen uses them"))]

mod cli;
mod clock;
mod command;
mod config;
mod cost;
mod crypto;
mod digest;
mod estimate;
pub mod event;
mod files;
mod folders;
mod history;
mod hues;
mod lab;
mod messages;
mod meter;
mod metrics;
mod net;
mod output;
mod pipeline;
mod qr;
mod report;
mod scan;
mod signals;
mod spreadsheet;
mod store;
#[doc(hidden)]
pub mod testing;
mod transfer;
mod trust;
#[cfg(feature = "tui")]
mod ui;

// The program.
pub use self::command::run;

// An upload, from the queue down to one connection.
pub use self::meter::Meter;
pub use self::net::Observer;
pub use self::net::connection::Connection;
pub use self::net::interrupter::Interrupter;
pub use self::net::stream::{Stream, Tcp};
pub use self::net::upload::{Confirmation, Content, SentFile, Stamp, Start, Upload, UploadError};
pub use self::transfer::{EmbeddedOptions, FirstMeeting, Options, Transfer};

// A server and where it stores files.
pub use self::net::admission::Admission;
pub use self::net::budget::PaddingBudget;
pub use self::net::deadlines::Deadlines;
pub use self::net::disk::DiskLimits;
pub use self::net::door::{Door, Proxies, Ranges};
pub use self::net::penalties::Penalize;
pub use self::net::server::{Lifetime, Server};
pub use self::net::service::{Policy, Reply, Service};
pub use self::net::work::Work;
pub use self::store::{Folder, Incoming, Meta, Nowhere, Pending, Published, Store, StoreError, Ticket};

// Keys, certificates, and who is trusted.
pub use self::crypto::authority::Authority;
pub use self::crypto::identity::Identity;
pub use self::crypto::padding::Paddings;
pub use self::crypto::server_key::ServerKey;
pub use self::crypto::{Open, Seal};
pub use self::digest::{Digest, FileDigest};
pub use self::trust::Anchor;
pub use self::trust::known::{KnownServers, Offered};
