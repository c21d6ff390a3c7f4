//! A client that takes its answer a byte at a time.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::*;
use crate::testing::Sipping;

#[test]
fn an_answer_that_is_taken_too_slowly_ends_after_its_time() {
    let (folder, log) = (tempfile::tempdir().unwrap(), Arc::new(EventLog::default()));
    let client = Sipping::new(message(3, b"hello"), Duration::from_millis(100));
    let taken = client.taken();
    let service = service(identity(), folder.path(), &log);
    let connection = Connection::new(Box::new(client), service.policy.deadlines.idle);
    Session::new(&service, connection, SessionId(1), "client".to_owned()).run();
    // The answer has more than a thousand bytes; 60 s are enough for 600. One more byte is the refusal.
    assert_eq!(taken.load(Ordering::Relaxed), 601);
    let refused = log.take().into_iter().any(|event| matches!(event, Event::Refused { .. }));
    assert!(refused, "the log does not say so");
}
