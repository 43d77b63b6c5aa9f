use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// An address that stays the same while the server behind it comes and goes, and counts who knocks.
#[derive(Clone)]
pub(crate) struct Proxy {
    address: SocketAddr,
    behind: Arc<Mutex<Option<SocketAddr>>>,
    knocks: watch::Receiver<u64>,
}

impl Proxy {
    /// A proxy with nothing behind it; it ends with the runtime.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let behind: Arc<Mutex<Option<SocketAddr>>> = Arc::default();
        let (count, knocks) = watch::channel(0);
        tokio::spawn(serve(listener, behind.clone(), count));
        Self { address, behind, knocks }
    }

    /// Puts a server behind it, or none.
    pub(crate) fn put(&self, server: Option<SocketAddr>) {
        *self.behind.lock().unwrap() = server;
    }

    /// Its URL.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections were made so far.
    pub(crate) fn knocks(&self) -> watch::Receiver<u64> {
        self.knocks.clone()
    }
}

async fn serve(listener: TcpListener, behind: Arc<Mutex<Option<SocketAddr>>>, count: watch::Sender<u64>) {
    let mut pairs = JoinSet::new();
    loop {
        let Ok((mut near, _)) = listener.accept().await else { return };
        count.send_modify(|count| *count += 1);
        let server = *behind.lock().unwrap();
        let Some(server) = server else { continue };
        pairs.spawn(async move {
            if let Ok(mut far) = TcpStream::connect(server).await {
                // However the connection ends, it ends on both sides.
                let _ = copy_bidirectional(&mut near, &mut far).await;
            }
        });
        while pairs.try_join_next().is_some() {}
    }
}
