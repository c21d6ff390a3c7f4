//! x
pub mod connection;
pub mod framing;
pub mod handshake;
pub mod stream;
pub mod wire;
