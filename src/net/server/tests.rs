//! Tests of the accept loop.

use std::io::Read as _;
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::*;
use crate::crypto::authority;
use crate::crypto::identity::Identity;
use crate::digest::Digest;
use crate::event::Event;
use crate::history::{History, Seen, Serving};
use crate::net::Observer;
use crate::net::budget::PaddingBudget;
use crate::net::service::Policy;
use crate::store::{Folder, Nowhere};
use crate::testing::EventLog;
use crate::trust::facts;

/// An accept loop that has not begun.
fn accept_loop(log: Arc<EventLog>, history: Option<Arc<Serving>>, upkeep: Upkeep) -> Accept {
    let service = Service {
        policy: Policy::default(),
        identity: None,
        store: Arc::new(Nowhere),
        ciphertext: None,
        history,
        budget: PaddingBudget::default(),
        observer: log,
    };
    let (woken, wake) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
    Accept {
        listener: Some(TcpListener::bind("127.0.0.1:0").unwrap()),
        woken,
        lifetime: Lifetime::UntilStopped,
        shared: Arc::new(Shared {
            state: Mutex::default(),
            service: Mutex::new(Arc::new(service)),
            queue: Arc::default(),
            disk: Arc::default(),
            turns: AtomicU64::default(),
            wake,
        }),
        threads: Vec::new(),
        numbers: Arc::default(),
        stack: STACK,
        upkeep,
        checked: None,
        tally: Tally::default(),
        waiting: VecDeque::new(),
        heralds: Heralds::default(),
        refused: VecDeque::new(),
        reserve: accept::reserve(),
    }
}

#[test]
fn the_accept_loop_maintains_the_history() {
    let folder = tempfile::tempdir().unwrap();
    let history = Arc::new(History::open(&folder.path().join("history.db")).unwrap());
    let (serving, _) = Serving::open(Arc::clone(&history), folder.path(), i64::MAX, 0).unwrap();
    history.remember(&[(Seen::Token, Digest([1; 32]))], 1000).unwrap();
    let upkeep = Upkeep::new(Duration::ZERO, Instant::now());
    let mut accept = accept_loop(Arc::default(), Some(serving), upkeep);
    let address = accept.listener.as_ref().unwrap().local_addr().unwrap();
    let client = TcpStream::connect(address).unwrap();
    accept.turn(true).unwrap();
    assert!(!history.is_seen(Seen::Token, Digest([1; 32])).unwrap());
    drop(client);
    accept.threads.drain(..).for_each(|thread| thread.join().unwrap());
}

#[test]
fn certificates_that_end_soon_are_reported_at_the_start_and_once_a_day() {
    const DAY: i64 = 24 * 60 * 60;
    let log = Arc::new(EventLog::default());
    let mut accept = accept_loop(Arc::clone(&log), None, Upkeep::new(UPKEEP, Instant::now()));
    let (identity, _) = authority::throwaway().unwrap();
    let end = facts::not_after(identity.certificate_pem()).unwrap();
    let serve = |accept: &Accept, identity: Identity| {
        let mut service = accept.shared.service.lock();
        let policy = Policy::default();
        *service = Arc::new(Service { identity: Some(Arc::new(identity)), ..service.with_policy(policy) });
    };
    serve(&accept, identity);
    let warnings = |accept: &mut Accept, now: i64| {
        accept.check_certificates(now);
        let text = log.take().into_iter().map(|event| match event {
            Event::Warned { text, .. } => text,
            event => panic!("{event:?}"),
        });
        text.collect::<Vec<_>>()
    };
    assert_eq!(warnings(&mut accept, end - 40 * DAY), [""; 0], "early enough");
    assert_eq!(warnings(&mut accept, end - 3 * DAY), [""; 0], "not at each connection");
    accept.maintain();
    let soon = warnings(&mut accept, end - 12 * DAY);
    assert_eq!(soon.len(), 2, "{soon:?}");
    assert!(soon[0].starts_with("the server's certificate ends in 12 days; then clients refuse"), "{soon:?}");
    assert!(soon[1].starts_with("the receipt key's certificate ends in 12 days;"), "{soon:?}");
    accept.maintain();
    let ended = warnings(&mut accept, end + 2 * DAY + 1);
    assert!(ended[0].contains("certificate ended 2 days ago; clients refuse this server"), "{ended:?}");
    // Another identity is checked at once.
    let (other, _) = authority::throwaway().unwrap();
    serve(&accept, other);
    assert_eq!(warnings(&mut accept, end - DAY / 2).len(), 2);
}

#[test]
fn a_server_without_clients_reports_its_certificate_at_its_start() {
    let authority = authority::Authority::new("CA", 365).unwrap();
    let issued = authority.issue("server", 1024, 10).unwrap();
    let identity = Identity::from_pem(&issued.certificate_pem, &issued.private_key_pem).unwrap();
    let log = Arc::new(EventLog::default());
    let accept = accept_loop(Arc::clone(&log), None, Upkeep::new(UPKEEP, Instant::now()));
    let service = accept.shared.service.lock().with_policy(Policy::default());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let service = Arc::new(Service { identity: Some(Arc::new(identity)), ..service });
    let server = Server::start(listener, service, Lifetime::UntilStopped).unwrap();
    let is_said =
        |event: &Event| matches!(event, Event::Warned { text, .. } if text.contains("certificate ends in "));
    assert!(log.wait_for(is_said).is_some());
    drop(server);
}

#[test]
fn a_session_without_a_thread_is_refused_and_reset() {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(EventLog::default());
    let service = Service {
        policy: Policy::default(),
        identity: None,
        store: Arc::new(Folder::open(folder.path()).unwrap()),
        ciphertext: None,
        history: None,
        budget: PaddingBudget::default(),
        observer: Arc::clone(&log) as Arc<dyn Observer>,
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    // No system has enough memory for this stack.
    let server =
        Server::sized(listener, Arc::new(service), Lifetime::UntilStopped, Arc::default(), 1 << 60).unwrap();
    let mut client = TcpStream::connect(server.address()).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut said = Vec::new();
    let end = client.read_to_end(&mut said);
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(said, [0xff]);
    let note = log.wait_for(|event| matches!(event, Event::Note { .. })).unwrap();
    assert!(matches!(&note, Event::Note { text } if text.contains("cannot accept a connection")), "{note:?}");
}

#[test]
fn a_client_for_which_no_descriptor_is_left_is_refused_and_the_reserve_is_kept() {
    let mut accept = accept_loop(Arc::default(), None, Upkeep::new(UPKEEP, Instant::now()));
    let address = accept.listener.as_ref().unwrap().local_addr().unwrap();
    let mut client = TcpStream::connect(address).unwrap();
    let calls = AtomicU64::new(0);
    accept
        .accept(|listener| match calls.fetch_add(1, Ordering::Relaxed) {
            0 => Err(io::Error::from(rustix::io::Errno::MFILE)),
            _ => listener.accept(),
        })
        .unwrap();
    let mut said = Vec::new();
    assert_eq!(client.read_to_end(&mut said).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(said, [0xff]);
    assert!(accept.reserve.is_some(), "for the next one");
    let text = accept.tally.line(Instant::now()).unwrap();
    assert!(text.contains("1 refused: no file descriptor is left (ulimit -n)"), "{text}");
}

#[test]
fn an_accept_loop_that_does_not_go_round_is_noticed() {
    let mut accept = accept_loop(Arc::default(), None, Upkeep::new(UPKEEP, Instant::now()));
    let control = Control { shared: Arc::clone(&accept.shared) };
    assert_eq!([control.turns(), control.turns()], [0, 0]);
    // A request wakes the loop, also where no client comes.
    accept.turn(true).unwrap();
    accept.shared.state.lock().stopping = true;
    accept.run();
    assert_eq!(control.turns(), 1);
}

#[test]
fn clients_in_the_queue_are_refused_when_the_socket_closes() {
    let accept = accept_loop(Arc::default(), None, Upkeep::new(UPKEEP, Instant::now()));
    let address = accept.listener.as_ref().unwrap().local_addr().unwrap();
    accept.listener.as_ref().unwrap().set_nonblocking(true).unwrap();
    let mut clients: Vec<TcpStream> = (0..3).map(|_| TcpStream::connect(address).unwrap()).collect();
    Control { shared: Arc::clone(&accept.shared) }.drain();
    accept.run();
    for client in &mut clients {
        let mut said = Vec::new();
        assert_eq!(client.read_to_end(&mut said).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(said, [0xff]);
    }
    assert!(TcpStream::connect(address).is_err(), "the address is free");
}
