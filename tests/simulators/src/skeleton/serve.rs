//! Real HTTP over a listener; hyper directly, because a scripted fault must really cut the connection.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep};

use super::answer::Answer;
use super::limits::Ticket;

/// What can be served: a simulator.
pub trait Vendor: Clone + Send + Sync + 'static {
    /// Answers one call.
    fn answer(&self, request: &Request<Bytes>) -> Answer;
    /// Gives back the slot of a slow call.
    fn release(&self, ticket: Ticket);
}

/// Largest request body taken, in bytes; above any vendor's own limit.
const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// Serves until `shutdown` is done; open connections are then closed.
///
/// # Errors
/// When the listener fails.
pub async fn serve<V: Vendor>(vendor: V, listener: TcpListener, shutdown: impl Future<Output = ()> + Send) -> io::Result<()> {
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => return Ok(()),
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                connections.spawn(connection(vendor.clone(), stream));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection<V: Vendor>(vendor: V, stream: TcpStream) {
    let service = service_fn(move |request| respond(vendor.clone(), request));
    let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        // A cut connection ends here on purpose; anything else shows at the caller.
        tracing::debug!(%error, "simulated connection ended");
    }
}

/// The connection is to be cut.
#[derive(Debug)]
struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the connection is cut by a scripted fault")
    }
}

impl std::error::Error for Cut {}

async fn respond<V: Vendor>(vendor: V, request: Request<Incoming>) -> Result<Response<Sending>, Cut> {
    let (head, body) = request.into_parts();
    let body = http_body_util::Limited::new(body, LARGEST_BODY).collect().await.map_err(|_| Cut)?.to_bytes();
    match vendor.answer(&Request::from_parts(head, body)) {
        Answer::Response(response) => Ok(response.map(Sending::whole)),
        Answer::Dropped { .. } | Answer::Refused => Err(Cut),
        Answer::Slow { after, response, ticket } => {
            sleep(after.try_into().unwrap_or(Duration::ZERO)).await;
            vendor.release(ticket);
            Ok(response.map(Sending::whole))
        }
        Answer::Truncated(response) => Ok(response.map(Sending::cut)),
    }
}

/// How long the first half of a cut body is given to leave the socket.
const FLUSH: Duration = Duration::from_millis(20);

/// A body, whole or cut after its first bytes.
struct Sending {
    bytes: Option<Bytes>,
    cut: Option<Pin<Box<Sleep>>>,
}

impl Sending {
    fn whole(bytes: Bytes) -> Self {
        Self { bytes: Some(bytes).filter(|bytes| !bytes.is_empty()), cut: None }
    }

    fn cut(bytes: Bytes) -> Self {
        Self { cut: Some(Box::pin(sleep(FLUSH))), ..Self::whole(bytes) }
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if let Some(bytes) = self.bytes.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        match &mut self.cut {
            None => Poll::Ready(None),
            Some(pause) => {
                ready!(pause.as_mut().poll(context));
                Poll::Ready(Some(Err(Cut)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none() && self.cut.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.cut, &self.bytes) {
            (Some(_), _) => SizeHint::default(),
            (None, None) => SizeHint::with_exact(0),
            (None, Some(bytes)) => SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
        }
    }
}
