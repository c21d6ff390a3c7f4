//! upseal uploads files to a server that proves who it is, and shows what each kind of encryption
//! costs.
//!
//! The map, in reading order:
//!
//! - [`event`]: what is asked and what happened; the only thing that the screen and the log see
//! - [`cost`]: the size of a file in a dialect, in blocks and in bytes on the wire
//! - [`meter`]: the counters of one transfer, all that the hot path touches
//! - [`pipeline`]: ordered, bounded stages on named threads, which all large transfers go through
//! - [`crypto`]: plaintext to the body of one MODE 1 and back; identities; AP's challenge
//! - [`trust`]: whether a certificate holds, and what the user should know of it
//! - [`net`]: the wire, the two walks over it, and the server
//! - [`store`]: where received files come to rest
//! - [`history`]: what was sent and received, and the replay memory
//! - [`transfer`]: the queue, the worker, the race: Command in, Event out
//! - [`lab`]: the attacks of PROTOCOL.md, played on uploads of our own
//! - [`report`]: a race's result as a page, a picture or numbers
//! - [`messages`]: what a person reads: amounts, escaped text, sentences
//! - [`digest`], [`spreadsheet`]: SHA-256 digests, records of CSV
//! - [`files`], [`folders`], [`clock`]: atomic replacement and locks, the program's places, the time
//! - [`signals`]: which signals end the program
//! - [`cli`], [`command`], [`output`]: the command line, its subcommands, and what they print
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
