//! The pages over HTTP: one thread, GET only.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{Semaphore, oneshot};

use super::{Checks, Metrics};

/// Time for a request's header. A client that is silent does not keep its connection longer.
const HEADER: Duration = Duration::from_secs(5);
/// Time for one connection.
const CONNECTION: Duration = Duration::from_secs(60);
/// Connections at once; further ones are closed.
const CONNECTIONS: usize = 64;
/// Pause after a failed `accept`.
const BREATH: Duration = Duration::from_millis(100);

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// The server of the pages. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct Page {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the pages show.
#[derive(Debug, Clone)]
struct Shown {
    metrics: Arc<Metrics>,
    checks: Arc<Checks>,
}

impl Page {
    /// Starts the thread.
    ///
    /// # Errors
    /// The listener is closed, or no thread or descriptor is left.
    pub(crate) fn start(
        listener: TcpListener,
        metrics: Arc<Metrics>,
        checks: Arc<Checks>,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let (stop, stopped) = oneshot::channel();
        let shown = Shown { metrics, checks };
        let thread = thread::Builder::new().name("upseal-metrics".to_owned()).spawn(move || {
            // The end of the runtime ends its tasks.
            runtime.spawn(serve(listener, shown));
            let _ = runtime.block_on(stopped);
            runtime.shutdown_background();
        })?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Returns the address that the listener is bound to.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: tokio::net::TcpListener, shown: Shown) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            tokio::time::sleep(BREATH).await;
            continue;
        };
        let Ok(place) = Arc::clone(&free).try_acquire_owned() else { continue };
        let shown = shown.clone();
        tokio::spawn(async move {
            let answers = service_fn(move |request| {
                let shown = shown.clone();
                async move { Ok::<_, Infallible>(answer(&shown, &request).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER)
                .max_buf_size(8192)
                .serve_connection(TokioIo::new(socket), answers);
            // A client that breaks off is not an error of the server.
            let _ = tokio::time::timeout(CONNECTION, connection).await;
            drop(place);
        });
    }
}

async fn answer(shown: &Shown, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if request.method() != Method::GET {
        let mut refused = response(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET\n".to_owned());
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
        return refused;
    }
    match request.uri().path() {
        "/metrics" => response(StatusCode::OK, OPEN_METRICS, shown.metrics.text(&shown.checks)),
        "/health/live" => response(StatusCode::OK, TEXT, "live\n".to_owned()),
        "/health/ready" => {
            let checks = Arc::clone(&shown.checks);
            // A disk that hangs must not keep the other pages waiting.
            match tokio::task::spawn_blocking(move || checks.ready()).await {
                Ok(Ok(())) => response(StatusCode::OK, TEXT, "ready\n".to_owned()),
                Ok(Err(why)) => response(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{why}\n")),
                Err(_) => response(StatusCode::SERVICE_UNAVAILABLE, TEXT, "the check failed\n".to_owned()),
            }
        }
        _ => response(
            StatusCode::NOT_FOUND,
            TEXT,
            "there are /metrics, /health/live and /health/ready\n".to_owned(),
        ),
    }
}

fn response(status: StatusCode, kind: HeaderValue, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    use super::*;
    use crate::net::budget::PaddingBudget;
    use crate::net::service::{Policy, Service};
    use crate::store::Nowhere;
    use crate::testing::EventLog;

    fn page() -> (Page, Arc<Checks>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let metrics = Arc::new(Metrics::new());
        let checks = Arc::new(Checks::of(&Service {
            policy: Policy::default(),
            identity: None,
            store: Arc::new(Nowhere),
            ciphertext: None,
            history: None,
            budget: PaddingBudget::default(),
            observer: Arc::new(EventLog::default()),
        }));
        (Page::start(listener, metrics, Arc::clone(&checks)).unwrap(), checks)
    }

    fn ask(page: &Page, method: &str, path: &str) -> (String, String) {
        let mut socket = TcpStream::connect(page.address()).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        write!(socket, "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        socket.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    #[test]
    fn the_pages_answer_get_only() {
        let (page, checks) = page();
        let (head, body) = ask(&page, "GET", "/metrics");
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("application/openmetrics-text"), "{head}");
        assert!(body.contains("upseal_build_info{version=") && body.ends_with("# EOF\n"), "{body}");
        assert!(ask(&page, "GET", "/health/live").0.starts_with("HTTP/1.1 200"));
        assert!(ask(&page, "GET", "/health/ready").0.starts_with("HTTP/1.1 200"));
        checks.drain();
        let (head, body) = ask(&page, "GET", "/health/ready");
        assert!(head.starts_with("HTTP/1.1 503"), "{head}");
        assert_eq!(body, "the server finishes its sessions and stops\n");
        assert!(ask(&page, "GET", "/health/live").0.starts_with("HTTP/1.1 200"), "draining is not dead");
        assert!(ask(&page, "GET", "/").0.starts_with("HTTP/1.1 404"));
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            assert!(ask(&page, method, "/metrics").0.starts_with("HTTP/1.1 405"), "{method}");
        }
    }

    #[test]
    fn clients_that_stall_do_not_hold_up_others() {
        let (page, _) = page();
        let stalled: Vec<_> = (0..CONNECTIONS / 2)
            .map(|_| {
                let mut socket = TcpStream::connect(page.address()).unwrap();
                socket.write_all(b"GET /metrics HTTP/1.1\r\nHos").unwrap();
                socket
            })
            .collect();
        assert!(ask(&page, "GET", "/metrics").0.starts_with("HTTP/1.1 200"));
        drop(stalled);
    }

    #[test]
    fn a_client_that_sends_no_header_is_disconnected() {
        let (page, _) = page();
        let mut silent = TcpStream::connect(page.address()).unwrap();
        silent.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut said = Vec::new();
        // Ended by the server: an answer or nothing, but not this test's own patience.
        let end = silent.read_to_end(&mut said);
        assert!(
            !matches!(&end, Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)),
            "{end:?}"
        );
    }
}
