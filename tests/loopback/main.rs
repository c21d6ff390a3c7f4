//! Uploads over real TCP on loopback, in one process: the client's threads, the server's, a folder.
//!
//! - `whole`: every protocol with files of every awkward size; many files, many connections; the race
//! - `amended`: CP1 files of which more came when they were published
//! - `options`: what a server does when it is told to
//! - `pieces`: the same bytes glued, in single bytes, cut, with MODE 2 twice or never
//! - `refused`: what the server refuses, and that it publishes nothing of it
//! - `relied`: files that a receipt or another client relies on
//! - `proof`: servers that cannot prove who they are
//! - `known`: servers that are others than the one that is meant
//! - `returns`: files that are sent again, servers that go and come back
//! - `ends`: what is sent and not confirmed; files that change meanwhile

#[path = "../common/mod.rs"]
mod common;

mod amended;
mod ends;
mod known;
mod options;
mod pieces;
mod proof;
mod refused;
mod relied;
mod returns;
mod whole;
