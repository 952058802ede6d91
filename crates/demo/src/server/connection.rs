//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use middleware_chain::{ChainService, ResponseBody};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::activity::{ActiveBody, Activity};
use super::answer::answer;
use super::stream::Stream;
use super::summary::Tally;
use super::{Limits, Peer};

/// Few, because each one may hold an answer that the client does not take, for as long as the write
/// timeout.
const STREAMS_MAX: u32 = 20;

/// How long a connection without a request may take to end: longer than a stream lingers.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Serves one connection until the client closes it, breaks a limit, or is done after the stop.
pub(super) async fn serve(
    socket: TcpStream,
    requests: Requests,
    limits: Limits,
    stop: CancellationToken,
) {
    // An answer of a few hundred bytes must not wait for the acknowledgement of the one before.
    // It fails only on a socket that is closed already, which shows at the first read.
    let _closed = socket.set_nodelay(true);
    let activity = Activity::new();
    let begun = activity.clone();
    let service = service_fn(move |request| requests.answer(&begun, request));

    let builder = builder(&limits);
    let io = TokioIo::new(Stream::new(socket, limits.write_timeout));
    let mut connection = pin!(builder.serve_connection(io, service));
    // hyper's own header timeout starts at the first byte of HTTP/1. It covers neither the time
    // before, in which the protocol's version is made out, nor HTTP/2.
    let mut idle = pin!(activity.idle_for(limits.header_timeout));
    let mut stalled = pin!(activity.stalled_for(limits.write_timeout));
    let mut is_closing = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(error = &*error as &dyn Error, "connection ended");
                }
                return;
            }
            () = idle.as_mut() => if is_closing { return },
            () = stalled.as_mut() => {
                tracing::debug!("a client does not take its answer");
                return;
            }
            () = stop.cancelled(), if !is_closing => {}
        }
        // Requests that are under way finish. A client that is silent, or in the midst of its
        // headers, is not waited for.
        is_closing = true;
        connection.as_mut().graceful_shutdown();
        idle.set(activity.idle_for(CLOSE_TIMEOUT));
    }
}

/// What the requests of a connection share.
#[derive(Debug, Clone)]
pub(super) struct Requests {
    pub(super) service: ChainService<Router>,
    pub(super) peer: Peer,
    pub(super) tally: Arc<Tally>,
}

impl Requests {
    /// Answers one of them. It is under way from the call on, before any poll.
    fn answer(
        &self,
        activity: &Activity,
        mut request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<ActiveBody<ResponseBody<Body>>>, Infallible>> + use<>
    {
        let under_way = activity.begin();
        let Self {
            service,
            peer,
            tally,
        } = self.clone();
        request.extensions_mut().insert(peer);
        async move {
            let response = answer(service, &tally, request).await;
            Ok(response.map(|body| ActiveBody::new(body, under_way)))
        }
    }
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.header_bytes_max);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX))
        .keep_alive_interval(limits.header_timeout)
        .keep_alive_timeout(limits.header_timeout);
    builder
}
