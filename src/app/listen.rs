//! Listening: each connection is the stream's or HTTP's.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use actix_http::HttpService;
use actix_server::{Server, ServerHandle};
use actix_service::{Service, ServiceFactory, fn_factory, fn_service, map_config};
use actix_web::dev::AppConfig;
use actix_web::middleware::from_fn;
use actix_web::{App, web};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

use super::{SHUTDOWN, StartError};
use crate::http::request;
use crate::http::traffic::Traffic;
use crate::stream::Front;

/// Largest head of a request is the framework's 128 KiB; a head takes at most this long to arrive.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// How long a connection stays for an answer to be read to its end before it is closed.
const FAREWELL: Duration = Duration::from_secs(5);
/// Connections that may wait to be accepted; systems hold it against a bound of their own.
const BACKLOG: u32 = 4_096;

/// An address that is listened on.
pub(super) struct Listener {
    pub(super) address: SocketAddr,
    pub(super) server: ServerHandle,
    pub(super) serving: JoinHandle<io::Result<()>>,
}

/// Takes the address; whoever connects waits until the server listens, up to as many as come back at once after a
/// restart.
pub(super) fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // As the standard library does: the server may start again although connections of the one before linger.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)?.into_std()
    };
    listen().map_err(|reason| StartError::Bind { address, reason })
}

/// Serves by so many threads, or one for each core; `front` has the first look at each connection.
pub(super) fn listen(
    listener: TcpListener,
    workers: usize,
    traffic: Traffic,
    front: Option<Front>,
    routes: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
) -> Result<Listener, StartError> {
    let failed = |reason| StartError::Listen { reason };
    let address = listener.local_addr().map_err(failed)?;
    let mut builder = Server::build().shutdown_timeout(SHUTDOWN).disable_signals();
    if workers > 0 {
        builder = builder.workers(workers);
    }
    let going = builder.graceful_shutdown_signal();
    let factory = move || {
        let (traffic, routes, front, going) = (traffic.clone(), routes.clone(), front.clone(), going.clone());
        let app = App::new()
            .wrap(from_fn(move |request, next| request::surround(traffic.clone(), request, next)))
            .configure(routes);
        let http = HttpService::build()
            .client_request_timeout(HEAD_DEADLINE)
            .client_disconnect_timeout(FAREWELL)
            .graceful_shutdown_signal(move || {
                let going = going.clone();
                async move { going.notified().await }
            })
            .local_addr(address)
            .finish(map_config(app, |()| AppConfig::default()))
            .tcp();
        let http = Rc::new(http);
        fn_factory(move || {
            let (http, front) = (http.clone(), front.clone());
            async move {
                let http = Rc::new(http.new_service(()).await?);
                Ok::<_, ()>(fn_service(move |connection: TcpStream| {
                    let (http, front) = (http.clone(), front.clone());
                    async move {
                        let connection = match front {
                            Some(front) => front.take(connection).await,
                            None => Some(connection),
                        };
                        let Some(connection) = connection else { return Ok(()) };
                        http.call(connection).await
                    }
                }))
            }
        })
    };
    let running = builder.listen("http", listener, factory).map_err(failed)?.run();
    Ok(Listener { address, server: running.handle(), serving: tokio::spawn(running) })
}
