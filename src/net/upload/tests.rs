//! Tests of a server that takes a byte now and then.

use std::io::{self, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::net::connection::Connection;
use crate::net::interrupter::Interrupter;
use crate::net::stream::Stream;

/// Stream whose peer takes a byte every millisecond, and sends nothing.
struct Dripping;

impl Read for Dripping {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::TimedOut.into())
    }
}

impl Write for Dripping {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        thread::sleep(Duration::from_millis(1));
        Ok(bytes.len().min(1))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Dripping {
    fn set_deadline(&mut self, _: Option<Instant>) -> io::Result<()> {
        Ok(())
    }

    fn interrupter(&self) -> Interrupter {
        Interrupter::default()
    }

    fn finish_writing(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn buffer_little(&mut self) {}

    fn reset(&mut self) {}
}

#[test]
fn a_server_that_takes_a_byte_now_and_then_does_not_hold_an_upload() {
    let connection = Connection::new(Box::new(Dripping), SEND_PATIENCE);
    let Start::Plain(mut upload) = Start::new(connection, Dialect::of(Variant::Plain)) else {
        unreachable!()
    };
    assert_eq!(upload.pace, Pace::new(1024, SEND_PATIENCE), "the pace of every upload");
    upload.pace = Pace::new(1 << 20, Duration::from_millis(50));
    let content = vec![7; 100_000];
    let mut content = &content[..];
    let sent = upload.file("a.bin", Content::Reader(&mut content), 100_000, &Meter::default());
    let Err(UploadError::Cut { cause: Some(cause), .. }) = sent else { panic!("{sent:?}") };
    assert_eq!(cause.to_string(), "too slow: fewer than 52428 bytes in 0.05 s");
}
