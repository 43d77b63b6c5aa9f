//! Something between a server and its database that can fall silent, as a network does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Carries bytes to one address while it flows. Silent, it takes connections and bytes and passes nothing on.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    flows: watch::Sender<bool>,
    loses: Arc<AtomicBool>,
}

/// One direction of a connection.
struct Way {
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    flowing: watch::Receiver<bool>,
}

impl Relay {
    /// One that flows, until the runtime ends.
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (flows, flowing) = watch::channel(true);
        let loses = Arc::new(AtomicBool::new(false));
        let losing = loses.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (flowing, losing) = (flowing.clone(), losing.clone());
                tokio::spawn(async move {
                    let Ok(far) = TcpStream::connect(server).await else { return };
                    let (from_near, to_near) = near.into_split();
                    let (from_far, to_far) = far.into_split();
                    let lost = Arc::new(AtomicBool::new(false));
                    let (there, back) = (lost.clone(), lost);
                    let way = Way { from: from_near, to: to_far, flowing: flowing.clone() };
                    tokio::spawn(way.carry(move |bytes| {
                        let commits = bytes.windows(6).any(|word| word == b"COMMIT");
                        there.fetch_or(commits && losing.load(Ordering::SeqCst), Ordering::SeqCst);
                        true
                    }));
                    let way = Way { from: from_far, to: to_near, flowing };
                    way.carry(move |_| !back.load(Ordering::SeqCst)).await;
                });
            }
        });
        Self { address, flows, loses }
    }

    /// Falls silent, or flows again.
    pub(crate) fn flow(&self, flows: bool) {
        self.flows.send_replace(flows);
    }

    /// Passes commits on, and breaks the connection where their answer would come back; or no longer.
    pub(crate) fn lose_commits(&self, loses: bool) {
        self.loses.store(loses, Ordering::SeqCst);
    }
}

impl Way {
    /// Carries bytes to the end, or to those that may not pass.
    async fn carry(mut self, passes: impl Fn(&[u8]) -> bool) {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(read) = self.from.read(&mut buffer).await {
            let flows = self.flowing.wait_for(|flows| *flows).await.is_ok();
            let bytes = &buffer[..read];
            if read == 0 || !flows || !passes(bytes) || self.to.write_all(bytes).await.is_err() {
                return;
            }
        }
    }
}
