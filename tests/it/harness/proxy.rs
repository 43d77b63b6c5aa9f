use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// An address that stays the same while the server behind it comes and goes, and counts who knocks.
#[derive(Clone)]
pub(crate) struct Proxy {
    address: SocketAddr,
    behind: watch::Sender<Option<SocketAddr>>,
    mute: Arc<AtomicBool>,
    no_streams: Arc<AtomicBool>,
    knocks: watch::Receiver<u64>,
}

impl Proxy {
    /// A proxy with nothing behind it; it ends with the runtime.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (count, knocks) = watch::channel(0);
        let proxy = Self {
            address,
            behind: watch::Sender::new(None),
            mute: Arc::default(),
            no_streams: Arc::default(),
            knocks,
        };
        tokio::spawn(proxy.clone().serve(listener, count));
        proxy
    }

    /// Puts a server behind it, or none; connections to another end.
    pub(crate) fn put(&self, server: Option<SocketAddr>) {
        self.behind.send_replace(server);
    }

    /// Lets requests through and breaks the connection where an answer would come back.
    pub(crate) fn mute(&self, mute: bool) {
        self.mute.store(mute, Ordering::SeqCst);
    }

    /// Lets no WebSocket through, as some companies' proxies do.
    pub(crate) fn refuse_streams(&self) {
        self.no_streams.store(true, Ordering::SeqCst);
    }

    /// Its URL.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections were made so far.
    pub(crate) fn knocks(&self) -> watch::Receiver<u64> {
        self.knocks.clone()
    }

    async fn serve(self, listener: TcpListener, count: watch::Sender<u64>) {
        let mut pairs = JoinSet::new();
        loop {
            let Ok((near, _)) = listener.accept().await else { return };
            count.send_modify(|count| *count += 1);
            let mut behind = self.behind.subscribe();
            let server = *behind.borrow_and_update();
            let Some(server) = server else { continue };
            let (mute, no_streams) = (self.mute.clone(), self.no_streams.load(Ordering::SeqCst));
            pairs.spawn(async move {
                let pair = async {
                    if !(no_streams && refused(&near).await) {
                        between(near, server, mute).await;
                    }
                };
                tokio::select! {
                    () = pair => {}
                    _ = behind.changed() => {}
                }
            });
            while pairs.try_join_next().is_some() {}
        }
    }
}

/// Whether somebody asked for the stream, who then was sent away.
async fn refused(near: &TcpStream) -> bool {
    const WANTED: &[u8] = b"GET /api/v1/stream";
    let mut start = [0; WANTED.len()];
    // What is looked at stays where it is.
    while near.peek(&mut start).await.is_ok_and(|seen| seen > 0 && seen < WANTED.len()) {
        tokio::task::yield_now().await;
    }
    if start != WANTED {
        return false;
    }
    let answer = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    // The socket of somebody who asks so little takes so little at once.
    near.writable().await.is_ok() && near.try_write(answer).is_ok()
}

/// Carries bytes both ways until either side ends.
async fn between(mut near: TcpStream, server: SocketAddr, mute: Arc<AtomicBool>) {
    let Ok(mut far) = TcpStream::connect(server).await else { return };
    let (mut from_near, mut to_near) = near.split();
    let (mut from_far, mut to_far) = far.split();
    let answers = async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match from_far.read(&mut buffer).await {
                Ok(read) if read > 0 && !mute.load(Ordering::SeqCst) => {
                    if to_near.write_all(&buffer[..read]).await.is_err() {
                        return;
                    }
                }
                _ => return,
            }
        }
    };
    tokio::select! {
        _ = copy(&mut from_near, &mut to_far) => {}
        () = answers => {}
    }
}
