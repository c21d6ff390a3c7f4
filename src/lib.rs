//! upseal uploads files to a server that proves its identity, and shows what each kind of encryption costs.
//!
//! The modules, in reading order:
//!
//! - [`event`]: commands, events and the values in them; the only thing that the screen and the log see
//! - [`cost`]: the size of a file in a dialect, in blocks and in bytes on the wire
//! - [`meter`]: the counters of one transfer, all that the hot path touches
//! - [`pipeline`]: ordered, bounded stages on named threads, for large files
//! - [`crypto`]: encryption and decryption of the body of one MODE 1, identities, AP's challenge
//! - [`trust`]: verification of certificates, and known servers
//! - [`net`]: the wire, the client's and the server's side of a connection, and the server
//! - [`store`]: durable storage of received files
//! - [`history`]: the history of sent and received files, and the replay memory
//! - [`transfer`]: the queue, the worker and the race; takes commands, reports events
//! - [`lab`]: the attacks of docs/protocol.md, run on this computer only
//! - [`report`]: the result of a race as a page, a picture or numbers
//! - [`messages`]: amounts and the sentences that more than one front end shows
//! - [`digest`], [`spreadsheet`]: SHA-256 digests, CSV records
//! - [`files`], [`folders`], [`clock`]: atomic replacement and locks, places of the program's files, the wall clock
//! - [`signals`]: signals that end the program
//! - [`cli`], [`command`], [`output`]: the command line, its subcommands, and their output
//! - [`config`]: flags, presets, the environment and the file as one value
//! - `ui` (feature `tui`): the terminal front end

pub mod cli;
pub mod clock;
pub mod command;
pub mod config;
pub mod cost;
pub mod crypto;
pub mod digest;
pub mod event;
pub mod files;
pub mod folders;
pub mod history;
pub mod lab;
pub mod messages;
pub mod meter;
pub mod net;
pub mod output;
pub mod pipeline;
pub mod report;
pub mod signals;
pub mod spreadsheet;
pub mod store;
#[doc(hidden)]
pub mod testing;
pub mod transfer;
pub mod trust;
#[cfg(feature = "tui")]
pub mod ui;
