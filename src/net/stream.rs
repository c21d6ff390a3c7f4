//! Byte streams with a deadline that another thread can interrupt, and TCP as one of them.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt;

use super::dial;
use super::interrupter::Interrupter;
use crate::event::ServerAddress;

/// Bytes of a small kernel buffer, which Linux doubles: about 2.5 MB/s at a round trip of 50 ms, more than CP1 needs
/// on one core.
const LITTLE: usize = 64 << 10;

/// Interval at which a blocked write checks whether it was interrupted. Only reads can be woken without a sign to the
/// peer: shutting down the writing side would be an end in order.
const LOOK: Duration = Duration::from_millis(50);

/// Bytes that a refusal reads, and drops, at once.
const DROPPED: usize = 16 << 10;

/// Transport of a connection: TCP today, TLS later.
pub trait Stream: Read + Write + Send {
    /// Returns the time by which its deadlines are measured. A simulated network has a time of its own, so whatever waits
    /// for the peer reads the time here. A stream that wraps another one must forward it.
    fn now(&self) -> Instant {
        Instant::now()
    }

    /// Makes reads and writes that are not done by `at` fail with `TimedOut`.
    fn set_deadline(&mut self, at: Option<Instant>) -> io::Result<()>;

    /// Returns a handle that stops this stream from another thread, even in a blocked write.
    fn interrupter(&self) -> Interrupter;

    /// Writes bytes that may wait for more, which follow soon: small files share packets.
    fn write_more(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes)
    }

    /// Returns this side's address, by which the embedded server identifies the client. A stream that wraps another one
    /// must forward it.
    fn local(&self) -> Option<SocketAddr> {
        None
    }

    /// Returns whether the kernel can move bytes between this stream and a file ([`Stream::write_from`],
    /// [`Stream::read_to`]): not in TLS, and not on every system.
    fn splices(&self) -> bool {
        false
    }

    /// Writes up to `most` bytes of `file`, from its position on, without copying them into this process. Returns 0 at
    /// the end of the file.
    fn write_from(&mut self, _file: BorrowedFd<'_>, _most: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Reads up to `most` bytes into a pipe without copying them into this process. Returns 0 if the peer has ended in
    /// order.
    fn read_to(&mut self, _pipe: BorrowedFd<'_>, _most: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Ends the writing side; reading goes on.
    fn finish_writing(&mut self) -> io::Result<()>;

    /// Makes the kernel's buffers small. Where the server needs long for each block (CP1), the sender's progress would
    /// otherwise run megabytes ahead of it. Only the display depends on it, so a failure is ignored.
    fn buffer_little(&mut self);

    /// Makes dropping the stream end it in a way that the peer cannot take for an end in order (TCP: a reset).
    fn reset(&mut self);

    /// Takes back [`Stream::reset`]: dropping the stream ends it in order again.
    fn end_in_order(&mut self) {}

    /// Returns a handle that stops a blocked read from another thread and leaves the stream usable: a refusal can still be
    /// sent ([`Stream::refuse`]).
    fn pauser(&mut self) -> Interrupter {
        self.interrupter()
    }

    /// Takes back the [`Stream::pauser`]; a stopped stream can be read again.
    fn resume(&mut self) {}

    /// Returns whether a read would return at once: bytes have come, the peer has ended, or the stream is broken.
    fn is_readable(&mut self) -> bool {
        false
    }

    /// Sends `last`, reads and drops what still comes until the peer ends or `patience` is over, and then resets the
    /// stream. Without the wait, the reset could overtake `last`.
    fn refuse(&mut self, last: &[u8], _patience: Duration) {
        // This fails if the peer has closed the connection; then no reason is needed.
        let _ = self.write_all(last);
        self.reset();
    }

    /// Ends this side after the peer's end, and waits at most `patience` until the peer's system has acknowledged every
    /// byte. If the peer ended *before* everything was sent, its system resets the stream now.
    ///
    /// # Errors
    /// The stream was reset, or the bytes were not acknowledged in time.
    fn finish(&mut self, _patience: Duration) -> io::Result<()> {
        self.finish_writing()
    }
}

/// A TCP connection.
///
/// An [`Interrupter`] of it may outlive it: it holds the socket only weakly, so that dropping the
/// `Tcp` closes the connection.
#[derive(Debug)]
pub struct Tcp {
    socket: Arc<TcpStream>,
    interrupter: Interrupter,
    /// Stops reads only ([`Stream::pauser`]); a blocked read checks it every [`LOOK`].
    pauser: Option<Interrupter>,
    deadline: Option<Instant>,
    /// Whether the socket's two timeouts are set for the deadline.
    armed: bool,
}

impl Tcp {
    /// Wraps a connected socket.
    ///
    /// # Errors
    /// The socket is closed, or no descriptor is left.
    pub fn new(socket: TcpStream) -> io::Result<Self> {
        // The four parts of an AP answer are four packets (docs/protocol.md, section AP).
        socket.set_nodelay(true)?;
        let socket = Arc::new(socket);
        let weak = Arc::downgrade(&socket);
        let interrupter = Interrupter::new(move || {
            if let Some(socket) = weak.upgrade() {
                // It fails only when the connection has ended already.
                let _ = socket.shutdown(Shutdown::Read);
            }
        });
        Ok(Self { socket, interrupter, pauser: None, deadline: None, armed: false })
    }

    /// Connects to a server, at the first of its host's IP addresses that answers, within `patience` (`net::dial`).
    ///
    /// Resolving a name cannot be interrupted, so it runs on its own thread. If `stop` is raised, that thread is
    /// abandoned and ends by itself.
    ///
    /// # Errors
    /// No address answers, the name cannot be resolved, or `stop` was raised (`Interrupted`).
    pub fn connect(address: &ServerAddress, patience: Duration, stop: &Interrupter) -> io::Result<Self> {
        let begun = Instant::now();
        let (sender, receiver) = sync_channel(1);
        let (host, port) = (address.host().to_owned(), address.port());
        thread::Builder::new().name("upseal-resolve".to_owned()).spawn(move || {
            // The receiver may have stopped waiting.
            let _ = sender.send((host.as_str(), port).to_socket_addrs().map(dial::in_turn));
        })?;
        let give_up = begun + patience + Duration::from_secs(5);
        let addresses = loop {
            match receiver.recv_timeout(Duration::from_millis(20)) {
                _ if stop.is_raised() => return Err(io::ErrorKind::Interrupted.into()),
                Ok(resolved) => break resolved?,
                Err(RecvTimeoutError::Timeout) if Instant::now() < give_up => {}
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            }
        };
        let left = patience.saturating_sub(begun.elapsed());
        let connect = |address, left| TcpStream::connect_timeout(&address, left);
        dial::first_of(&addresses, left, dial::STAGGER, stop, connect).and_then(Self::new)
    }

    /// Returns a second handle to the same socket, in case no thread can be started to serve the first.
    pub(super) fn spare(&self) -> Self {
        let (socket, interrupter) = (Arc::clone(&self.socket), self.interrupter.clone());
        Self { socket, interrupter, pauser: None, deadline: None, armed: false }
    }

    /// Returns this side's address.
    ///
    /// # Errors
    /// The connection has ended.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Returns the peer's address.
    ///
    /// # Errors
    /// The connection has ended.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.peer_addr()
    }

    /// Repeats `step` until it succeeds, fails, the deadline passes, or the stream is interrupted.
    fn until_deadline(&mut self, mut step: impl FnMut(&TcpStream) -> io::Result<usize>) -> io::Result<usize> {
        loop {
            if !self.armed {
                let left = self.deadline.map(|at| {
                    // A zero timeout would be refused; it would mean "none".
                    at.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
                });
                let read =
                    if self.pauser.is_some() { Some(left.map_or(LOOK, |left| left.min(LOOK))) } else { left };
                self.socket.set_read_timeout(read)?;
                self.socket.set_write_timeout(Some(left.map_or(LOOK, |left| left.min(LOOK))))?;
                self.armed = true;
            }
            if self.interrupter.is_raised() || self.pauser.as_ref().is_some_and(Interrupter::is_raised) {
                return Err(stopped());
            }
            match step(&self.socket) {
                // The read may have returned because of the interruption, which looks like the peer's end.
                _ if self.interrupter.is_raised() => return Err(stopped()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    match self.deadline {
                        Some(at) if Instant::now() >= at => return Err(io::ErrorKind::TimedOut.into()),
                        // The socket's timeout was set for an earlier moment.
                        _ => self.armed = false,
                    }
                }
                done => return done,
            }
        }
    }
}

fn stopped() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "stopped from this side")
}

impl Read for Tcp {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.until_deadline(|mut socket| socket.read(buffer))
    }
}

impl Write for Tcp {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.until_deadline(|mut socket| socket.write(bytes))
    }

    /// Sends bytes that wait for more ([`Stream::write_more`]): Linux does so when the option is set again.
    fn flush(&mut self) -> io::Result<()> {
        self.socket.set_nodelay(true)
    }
}

impl Stream for Tcp {
    fn local(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()
    }

    fn set_deadline(&mut self, at: Option<Instant>) -> io::Result<()> {
        self.armed = self.armed && self.deadline == at;
        self.deadline = at;
        Ok(())
    }

    fn interrupter(&self) -> Interrupter {
        self.interrupter.clone()
    }

    #[cfg(target_os = "linux")]
    fn write_more(&mut self, bytes: &[u8]) -> io::Result<usize> {
        use rustix::net::SendFlags;
        let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
        self.until_deadline(|socket| Ok(rustix::net::send(socket, bytes, flags)?))
    }

    #[cfg(target_os = "linux")]
    fn splices(&self) -> bool {
        true
    }

    #[cfg(target_os = "linux")]
    fn write_from(&mut self, file: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
        self.until_deadline(|socket| Ok(rustix::fs::sendfile(socket, file, None, most)?))
    }

    #[cfg(target_os = "linux")]
    fn read_to(&mut self, pipe: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
        use rustix::pipe::{SpliceFlags, splice};
        self.until_deadline(|socket| Ok(splice(socket, None, pipe, None, most, SpliceFlags::MOVE)?))
    }

    fn finish_writing(&mut self) -> io::Result<()> {
        self.socket.shutdown(Shutdown::Write)
    }

    fn buffer_little(&mut self) {
        let _ = sockopt::set_socket_send_buffer_size(&*self.socket, LITTLE);
        let _ = sockopt::set_socket_recv_buffer_size(&*self.socket, LITTLE);
    }

    fn reset(&mut self) {
        // With a linger of zero, closing sends a reset. If this fails, the peer sees an end without an answer to its
        // MODE 2; nothing better can be done.
        let _ = sockopt::set_socket_linger(&*self.socket, Some(Duration::ZERO));
    }

    fn end_in_order(&mut self) {
        // If this fails, the peer sees a reset: it claims too little, never too much.
        let _ = sockopt::set_socket_linger(&*self.socket, None);
    }

    fn pauser(&mut self) -> Interrupter {
        let pauser = Interrupter::default();
        self.pauser = Some(pauser.clone());
        self.armed = false;
        pauser
    }

    fn resume(&mut self) {
        self.armed &= self.pauser.take().is_none();
    }

    fn is_readable(&mut self) -> bool {
        let mut fds = [PollFd::new(&*self.socket, PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut fds, Some(&now)).is_ok_and(|ready| ready > 0)
    }

    fn refuse(&mut self, last: &[u8], patience: Duration) {
        self.reset();
        let until = Instant::now() + patience;
        let left = || Some(until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero());
        let mut socket = &*self.socket;
        // Whatever fails here, the reset follows, which is a refusal too.
        let _ = socket.set_write_timeout(Some(patience.max(Duration::from_millis(1))));
        if socket.write_all(last).is_err() {
            return;
        }
        let mut dropped = [0; DROPPED];
        while let Some(left) = left() {
            let read = socket.set_read_timeout(Some(left)).and_then(|()| socket.read(&mut dropped));
            match read {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => return,
            }
        }
    }

    fn finish(&mut self, patience: Duration) -> io::Result<()> {
        let until = Instant::now() + patience;
        let mut pause = Duration::from_millis(1);
        let ended = self.socket.shutdown(Shutdown::Write);
        loop {
            if let Some(error) = self.socket.take_error()? {
                return Err(error);
            }
            ended.as_ref().map_err(|error| io::Error::from(error.kind()))?;
            // The system forgets the peer's address when both ends are acknowledged, or after a reset, which leaves an
            // error.
            if self.socket.peer_addr().is_err() {
                return self.socket.take_error()?.map_or(Ok(()), Err);
            }
            if self.interrupter.is_raised() {
                return Err(stopped());
            }
            if Instant::now() >= until {
                return Err(io::ErrorKind::TimedOut.into());
            }
            thread::sleep(pause);
            pause = (2 * pause).min(LOOK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn pair() -> (Tcp, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().into();
        let tcp = Tcp::connect(&address, Duration::from_secs(5), &Interrupter::default()).unwrap();
        (tcp, listener.accept().unwrap().0)
    }

    #[test]
    fn a_passed_deadline_is_timed_out() {
        let (mut tcp, _peer) = pair();
        tcp.set_deadline(Some(Instant::now() + Duration::from_millis(30))).unwrap();
        assert_eq!(tcp.read(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(tcp.read(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn an_interrupted_write_returns_although_the_peer_does_not_read() {
        let (mut tcp, _peer) = pair();
        let interrupter = tcp.interrupter();
        let writer = thread::spawn(move || {
            let chunk = vec![0; 1 << 20];
            loop {
                if let Err(error) = tcp.write_all(&chunk) {
                    return error.kind();
                }
            }
        });
        interrupter.interrupt();
        assert_eq!(writer.join().unwrap(), io::ErrorKind::ConnectionAborted);
        assert!(interrupter.is_raised());
    }

    #[test]
    fn an_interrupted_read_returns_and_sends_the_peer_nothing() {
        let (mut tcp, mut peer) = pair();
        let interrupter = tcp.interrupter();
        let reader = thread::spawn(move || (tcp.read(&mut [0; 8]).map_err(|e| e.kind()), tcp));
        interrupter.interrupt();
        let (result, mut tcp) = reader.join().unwrap();
        assert_eq!(result, Err(io::ErrorKind::ConnectionAborted));
        assert_eq!(tcp.write(&[0; 8]).unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        peer.set_nonblocking(true).unwrap();
        assert_eq!(peer.read(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::WouldBlock, "no end in order");
    }

    #[test]
    fn a_reset_is_not_an_orderly_end() {
        let (mut tcp, mut peer) = pair();
        let _outlives_it = tcp.interrupter();
        tcp.reset();
        drop(tcp);
        assert_eq!(peer.read(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    #[test]
    fn a_port_without_a_server_is_an_error() {
        let stop = Interrupter::default();
        let refused = {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().into()
        };
        assert_eq!(
            Tcp::connect(&refused, Duration::from_secs(5), &stop).unwrap_err().kind(),
            io::ErrorKind::ConnectionRefused
        );
    }
}
