//! A byte stream with a deadline, that another thread can interrupt.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt;

use super::dial;

/// Bytes of a small buffer, of which Linux makes twice as many: about 2.5 MB/s at 50 ms of round
/// trip, above what a core's CP1 needs.
const LITTLE: usize = 64 << 10;

/// How often a blocked write looks whether it was interrupted. Only reads can be woken without a word
/// to the peer: shutting down the writing side would be an end in order, which it must not be.
const LOOK: Duration = Duration::from_millis(50);

/// Bytes that a refusal reads at once, to drop them.
const DROPPED: usize = 16 << 10;

/// What a connection needs of its transport: TCP today, TLS later.
pub trait Stream: Read + Write + Send {
    /// From now on a read or write that is not done by then fails with `TimedOut`.
    fn set_deadline(&mut self, at: Option<Instant>) -> io::Result<()>;

    /// A handle that stops this stream from another thread, even in a blocked write.
    fn interrupter(&self) -> Interrupter;

    /// Writes, and says that more follows soon, so that it may wait for that: small files share packets.
    fn write_more(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes)
    }

    /// This side's address, by which a server of ours in this process knows us.
    fn local(&self) -> Option<SocketAddr> {
        None
    }

    /// Whether the kernel can move bytes between this stream and a file ([`Stream::write_from`],
    /// [`Stream::read_to`]): not in TLS, nor on every system.
    fn splices(&self) -> bool {
        false
    }

    /// Writes up to `most` bytes of `file`, from its position on, without copying them into this process.
    /// 0: the file has ended.
    fn write_from(&mut self, _file: BorrowedFd<'_>, _most: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Reads up to `most` bytes into a pipe, as [`Stream::write_from`] does. 0: the peer has ended in order.
    fn read_to(&mut self, _pipe: BorrowedFd<'_>, _most: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Says that nothing more will be written; reading goes on.
    fn finish_writing(&mut self) -> io::Result<()>;

    /// Keeps few bytes in the kernel's buffers: where the server takes long over each block (CP1),
    /// the sender's progress would otherwise run megabytes ahead of it. A convenience of what is
    /// shown; failing, it says nothing.
    fn buffer_little(&mut self);

    /// Ends the stream so that the peer cannot take it for an end in order (TCP: a reset).
    fn reset(&mut self);

    /// Takes back [`Stream::reset`]: dropping the stream ends it in order again.
    fn end_in_order(&mut self) {}

    /// A handle that stops a blocked read from another thread, as [`Stream::interrupter`] does, and leaves the
    /// stream usable: a refusal can still be sent ([`Stream::refuse`]).
    fn pauser(&mut self) -> Interrupter {
        self.interrupter()
    }

    /// Forgets the [`Stream::pauser`]; a stopped stream reads again.
    fn resume(&mut self) {}

    /// Whether a read would return at once: bytes have come, the peer has ended, or the stream is broken.
    fn is_readable(&mut self) -> bool {
        false
    }

    /// Refuses what the peer sent: sends `last`, writes nothing more, reads and drops what still comes until the peer
    /// ends or `patience` is over, and then resets the stream. Without the wait, a reset could overtake `last`.
    fn refuse(&mut self, last: &[u8], _patience: Duration) {
        // It fails when the peer has gone, and then the reason does not matter.
        let _ = self.write_all(last);
        self.reset();
    }

    /// Ends this side after the peer's end, and waits at most `patience` until the peer's system has confirmed every
    /// byte. A peer that ended *before* it was sent everything shows itself here: its system resets the stream.
    ///
    /// # Errors
    /// The stream was reset, or nothing was confirmed in time.
    fn finish(&mut self, _patience: Duration) -> io::Result<()> {
        self.finish_writing()
    }
}

/// Stops a stream, or the wait for one, from another thread. Clones act on the same stream.
#[derive(Clone, Default)]
pub struct Interrupter {
    raised: Arc<AtomicBool>,
    act: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Interrupter {
    /// One that does `act` besides being raised.
    pub fn new(act: impl Fn() + Send + Sync + 'static) -> Self {
        Self { raised: Arc::default(), act: Some(Arc::new(act)) }
    }

    /// Stops the stream: what blocks in it returns at once.
    pub fn interrupt(&self) {
        self.raised.store(true, Ordering::SeqCst);
        if let Some(act) = &self.act {
            act();
        }
    }

    /// Whether somebody did.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.raised.load(Ordering::SeqCst)
    }
}

impl fmt::Debug for Interrupter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interrupter").field("raised", &self.is_raised()).finish_non_exhaustive()
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
    /// Stops reads only; a blocked read looks at it now and then ([`Stream::pauser`]).
    pauser: Option<Interrupter>,
    deadline: Option<Instant>,
    /// Whether the socket's two timeouts were set for the deadline.
    armed: bool,
}

impl Tcp {
    /// Wraps a connected socket.
    ///
    /// # Errors
    /// The socket is dead already, or descriptors are used up.
    pub fn new(socket: TcpStream) -> io::Result<Self> {
        // The four parts of an AP answer are four writes (PROTOCOL.md, "AP").
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

    /// Reaches `host:port`, at the first of its addresses that answers, for `patience` in all (`net::dial`).
    ///
    /// Resolving a name cannot be interrupted, so it happens on a thread of its own, which is left
    /// alone when `stop` is raised; it ends by itself.
    ///
    /// # Errors
    /// Nobody answers, the name means nothing, or `stop` was raised (`Interrupted`).
    pub fn connect(address: &str, patience: Duration, stop: &Interrupter) -> io::Result<Self> {
        let begun = Instant::now();
        let (sender, receiver) = sync_channel(1);
        let wanted = address.to_owned();
        thread::Builder::new().name("upseal-resolve".to_owned()).spawn(move || {
            // The receiver may have stopped waiting.
            let _ = sender.send(wanted.to_socket_addrs().map(dial::in_turn));
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

    /// A second handle to the same socket, for the case that no thread can be started to serve the first.
    pub(super) fn spare(&self) -> Self {
        let (socket, interrupter) = (Arc::clone(&self.socket), self.interrupter.clone());
        Self { socket, interrupter, pauser: None, deadline: None, armed: false }
    }

    /// Our address.
    ///
    /// # Errors
    /// The connection has ended already.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The other side's address.
    ///
    /// # Errors
    /// The connection has ended already.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.peer_addr()
    }

    /// Does `step` until it is done, the deadline has passed, or somebody interrupts it.
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
                // What a read gives then may be the interruption, and look like the peer's end.
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

    /// Sends what waits for more ([`Stream::write_more`]): Linux does when the option is set again.
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
        // With a linger of zero, closing sends a reset. Should it fail, the peer sees an end
        // without its MODE 2 having been answered; there is nothing better to do.
        let _ = sockopt::set_socket_linger(&*self.socket, Some(Duration::ZERO));
    }

    fn end_in_order(&mut self) {
        // Should it fail, the peer sees a reset: it claims too little, never too much.
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
        // Whatever fails here, the reset follows, and that is an answer too.
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
            // The system forgets the peer's address when both ends are confirmed, or by a reset, which leaves an error.
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
        let address = listener.local_addr().unwrap().to_string();
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
    fn an_interrupted_write_returns_although_nobody_reads() {
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
    fn an_interrupted_read_returns_and_tells_the_peer_nothing() {
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
    fn a_reset_is_no_end_in_order() {
        let (mut tcp, mut peer) = pair();
        let _outlives_it = tcp.interrupter();
        tcp.reset();
        drop(tcp);
        assert_eq!(peer.read(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    #[test]
    fn a_name_without_an_address_and_a_port_without_a_server_are_errors() {
        let stop = Interrupter::default();
        let refused = {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().to_string()
        };
        assert_eq!(
            Tcp::connect(&refused, Duration::from_secs(5), &stop).unwrap_err().kind(),
            io::ErrorKind::ConnectionRefused
        );
        assert!(Tcp::connect("127.0.0.1", Duration::from_secs(5), &stop).is_err(), "no port");
    }
}
