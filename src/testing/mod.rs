//! Fakes for this crate's own tests, integration tests and benches. Not a part of the program.
//!
//! - [`ScriptedStream`]: a [`Stream`](crate::net::stream::Stream) whose peer follows a script
//! - [`EventLog`]: an [`Observer`](crate::net::Observer) that keeps every event

mod observer;
mod stream;

pub use self::observer::EventLog;
pub use self::stream::{Act, Finally, Pieces, ScriptedStream, Step, Transcript};
