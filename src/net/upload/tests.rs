//! Tests of a server that takes a byte now and then.

use std::time::Duration;

use super::*;
use crate::net::connection::Connection;
use crate::testing::Sipping;

#[test]
fn a_server_that_takes_a_byte_now_and_then_does_not_hold_an_upload() {
    let connection =
        Connection::new(Box::new(Sipping::new(Vec::new(), Duration::from_millis(1))), SEND_PATIENCE);
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
