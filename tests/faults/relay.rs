//! Something between a server and its database that can fall silent, as a network does.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Carries bytes to one address while it flows. Silent, it takes connections and bytes and passes nothing on.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    flows: watch::Sender<bool>,
}

impl Relay {
    /// One that flows, until the runtime ends.
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (flows, flowing) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let flowing = flowing.clone();
                tokio::spawn(async move {
                    let Ok(far) = TcpStream::connect(server).await else { return };
                    let (from_near, to_near) = near.into_split();
                    let (from_far, to_far) = far.into_split();
                    tokio::spawn(carry(from_near, to_far, flowing.clone()));
                    carry(from_far, to_near, flowing).await;
                });
            }
        });
        Self { address, flows }
    }

    /// Falls silent, or flows again.
    pub(crate) fn flow(&self, flows: bool) {
        self.flows.send_replace(flows);
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut flowing: watch::Receiver<bool>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read) = from.read(&mut buffer).await {
        let flows = flowing.wait_for(|flows| *flows).await.is_ok();
        if read == 0 || !flows || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
