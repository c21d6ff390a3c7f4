//! How a server of this process is made, also a second time.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use crate::crypto::identity::Identity;
use crate::event::{Event, Fault};
use crate::net::Observer;
use crate::net::budget::PaddingBudget;
use crate::net::server::{Lifetime, Server};
use crate::net::service::{Policy, Service};
use crate::transfer::dialer::Embedded;

/// A server that can be started.
pub(crate) struct Prepared {
    pub listener: TcpListener,
    pub service: Service,
    pub lifetime: Lifetime,
    /// How this program's own uploads reach it; `None`: there are none.
    pub embedded: Option<Embedded>,
    /// The events to report once it runs; the first one is [`Event::Listening`].
    pub events: Vec<Event>,
}

/// What a server that was stopped leaves to the next one.
#[derive(Clone)]
pub(crate) struct Former {
    pub address: SocketAddr,
    pub identity: Option<Arc<Identity>>,
    pub policy: Policy,
    /// The count of blocks that attacked the key.
    pub budget: PaddingBudget,
    pub embedded: Option<Embedded>,
}

impl Former {
    /// Describes a server that runs.
    pub(super) fn of(server: &Server, embedded: Option<Embedded>) -> Self {
        let service = server.service();
        Self {
            address: server.address(),
            identity: service.identity.clone(),
            policy: service.policy.clone(),
            budget: service.budget.clone(),
            embedded,
        }
    }
}

/// Prepares a server: opens its folder and its history, loads its identity, and binds its socket.
pub(crate) trait Source: Send + Sync {
    /// Prepares the server. `former` is the one that ran before, if there was one: its address, identity and rules are kept.
    ///
    /// # Errors
    /// The reason, with advice.
    fn prepare(&self, observer: Arc<dyn Observer>, former: Option<&Former>) -> Result<Prepared, Fault>;

    /// Prepares a server for other computers, with the same folder and the identity in `identity`, which is made there if
    /// there is none. Its first event is [`Event::Shared`].
    ///
    /// # Errors
    /// The reason, with advice; also if this server cannot be shared.
    fn share(&self, observer: Arc<dyn Observer>, identity: &Path) -> Result<Prepared, Fault>;
}

/// Connections that wait to be accepted at most, if the system allows so many. With the 128 of the standard library, a burst
/// of connections makes the system drop an honest client's first packet, which that client sends again after a second.
const WAITING: i32 = 4096;

/// Binds the address of the former server, or else the first of these that is free.
pub(crate) fn bind(former: Option<&Former>, addresses: &[SocketAddr]) -> io::Result<TcpListener> {
    let first = former.map(|former| former.address);
    let mut failed = None;
    for address in first.iter().chain(addresses) {
        match TcpListener::bind(address) {
            Ok(listener) => {
                rustix::net::listen(&listener, WAITING)?;
                return Ok(listener);
            }
            Err(error) => {
                failed.get_or_insert(error);
            }
        }
    }
    Err(failed.unwrap_or_else(|| io::Error::new(io::ErrorKind::AddrNotAvailable, "no address")))
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::time::Duration;

    use super::*;

    #[test]
    fn many_clients_may_connect_before_the_first_is_accepted() {
        let most: usize =
            std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap().trim().parse().unwrap();
        let listener = bind(None, &["127.0.0.1:0".parse().unwrap()]).unwrap();
        let address = listener.local_addr().unwrap();
        let connect = |_| TcpStream::connect_timeout(&address, Duration::from_secs(20)).unwrap();
        let waiting: Vec<TcpStream> = (0..most.min(300)).map(connect).collect();
        assert_eq!(waiting.len(), most.min(300));
        // Each is complete: the system has not merely kept its first packet.
        listener.set_nonblocking(true).unwrap();
        (0..waiting.len()).for_each(|_| drop(listener.accept().unwrap()));
    }
}
