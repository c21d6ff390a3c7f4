//! A client that takes its answer a byte at a time.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use super::*;
use crate::net::interrupter::Interrupter;
use crate::net::stream::Stream;

/// Time in which the client takes a byte.
const EACH: Duration = Duration::from_millis(100);

/// Stream whose client asks for a proof, and takes a byte of the answer each time. Its clock moves with the bytes.
struct Sipping {
    question: Vec<u8>,
    now: Instant,
    taken: Arc<Mutex<u32>>,
}

impl Read for Sipping {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.question.len().min(buffer.len());
        buffer[..n].copy_from_slice(&self.question[..n]);
        self.question.drain(..n);
        if n > 0 { Ok(n) } else { Err(io::ErrorKind::TimedOut.into()) }
    }
}

impl Write for Sipping {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.now += EACH;
        *self.taken.lock() += 1;
        Ok(bytes.len().min(1))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Sipping {
    fn set_deadline(&mut self, _: Option<Instant>) -> io::Result<()> {
        Ok(())
    }

    fn now(&self) -> Instant {
        self.now
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
fn an_answer_that_is_taken_too_slowly_ends_after_its_time() {
    let (folder, log) = (tempfile::tempdir().unwrap(), Arc::new(EventLog::default()));
    let taken = Arc::new(Mutex::new(0));
    let client = Sipping { question: message(3, b"hello"), now: Instant::now(), taken: Arc::clone(&taken) };
    let service = service(identity(), folder.path(), &log);
    let connection = Connection::new(Box::new(client), service.policy.deadlines.idle);
    Session::new(&service, connection, SessionId(1), "client".to_owned()).run();
    // The answer has more than a thousand bytes; 60 s are enough for 600.
    assert_eq!(*taken.lock(), 600);
    let refused = log.take().into_iter().any(|event| matches!(event, Event::Refused { .. }));
    assert!(refused, "the log does not say so");
}
