//! Uploads over real TCP on loopback, in one process: the client's threads, the server's, a folder.
//!
//! - `whole`: every protocol with files of every awkward size; many files, many connections; the race
//! - `again`: files that are sent again, and the earlier receipt
//! - `amended`: CP1 files of which more came after they were published
//! - `connections`: several connections at once
//! - `cost`: the predicted size of an upload is what its connection carries
//! - `options`: server options: prefixes, kept ciphertext, forms of the answer to MODE 3
//! - `paths`: folders, kept or flattened
//! - `meta`: modification times and executable bits
//! - `pieces`: the same bytes glued, in single bytes, cut, with MODE 2 twice or never
//! - `refused`: refusals, after which nothing of the file is published
//! - `relied`: files that a receipt or another client relies on
//! - `proof`: servers that cannot prove who they are
//! - `known`: servers with another key than the expected one
//! - `queued`: several files: confirmations before large files, the limit of all uploads, pauses
//! - `meeting`: servers that were never met, and the user's answer
//! - `returns`: files that are sent again, servers that go and come back
//! - `delivered`: what does not count as delivered: late or early ends, surplus bytes, refusals behind a proxy
//! - `reasons`: reasons of refusals, and which files the client does not resend
//! - `hosting`: the server of this process accepts other variants, and is restarted
//! - `ends`: files that are sent and not confirmed, and files that change meanwhile

#[path = "../common/mod.rs"]
mod common;

mod again;
mod amended;
mod connections;
mod cost;
mod delivered;
mod ends;
mod hosting;
mod known;
mod meeting;
mod meta;
mod options;
mod paths;
mod pieces;
mod proof;
mod queued;
mod reasons;
mod refused;
mod relied;
mod returns;
mod whole;
