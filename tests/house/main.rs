//! Rules about the repository itself: the arrows between rooms are those of ARCHITECTURE.md, no file names a document
//! that does not exist, the checklist of the interfaces names tests that exist, and the language of comments, messages and pages follows CONTRIBUTING.md.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod arrows;
mod checklist;
mod language;
mod references;
mod tree;
