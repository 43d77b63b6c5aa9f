//! Something between two ends of a network that harms what it carries: it falls silent one way or both, delays, flips,
//! repeats, breaks off and breaks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

/// Bytes that are carried at once.
const CHUNK: usize = 16 * 1024;
/// Chunks that are on their way, one way of a connection.
const ON_THE_WAY: usize = 64;
/// Bytes that pass at once where few pass in a second.
const TRICKLE: usize = 512;

/// What is done to the bytes that go one way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fault {
    /// Bytes are taken, and wait until this is over.
    pub(crate) silent: bool,
    /// They arrive so much later, in order.
    pub(crate) delay: Duration,
    /// So many pass in a second; 0 for all.
    pub(crate) per_second: usize,
    /// One byte in so many has a bit flipped; 0 for none.
    pub(crate) flips: u32,
    /// One chunk in so many comes twice; 0 for none.
    pub(crate) repeats: u32,
    /// Of one chunk in so many a part arrives, and the connection is closed; 0 for none.
    pub(crate) truncates: u32,
    /// One chunk in so many resets the connection at both ends; 0 for none.
    pub(crate) resets: u32,
    /// The first bytes of each connection that nothing is done to but to let them wait.
    pub(crate) spares: usize,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// To the server.
    There,
    /// From the server.
    Back,
}

/// Carries bytes to one address.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    faults: [watch::Sender<Fault>; 2],
    cuts: watch::Sender<u64>,
    struck: Arc<AtomicU64>,
    loses: Arc<AtomicBool>,
}

/// What the connections of a relay have in common.
#[derive(Clone)]
struct Common {
    faults: [watch::Receiver<Fault>; 2],
    cuts: watch::Receiver<u64>,
    struck: Arc<AtomicU64>,
    loses: Arc<AtomicBool>,
}

/// One direction of a connection.
struct Carrier {
    way: Way,
    fault: watch::Receiver<Fault>,
    struck: Arc<AtomicU64>,
    /// Whether commits are lost from now on, and whether this connection has lost one.
    loses: Arc<AtomicBool>,
    lost: Arc<AtomicBool>,
    random: StdRng,
    carried: usize,
}

/// What becomes of a connection after some bytes.
#[derive(PartialEq, Eq)]
enum Next {
    More,
    Close,
    Reset,
}

impl Relay {
    /// One that harms nothing yet, until the runtime ends. What it does at random follows from `seed`.
    pub(crate) async fn to(server: SocketAddr, seed: u64) -> Self {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let faults = [watch::Sender::default(), watch::Sender::default()];
        let (cuts, cut) = watch::channel(0);
        let relay = Self { address, faults, cuts, struck: Arc::default(), loses: Arc::default() };
        let common = Common {
            faults: [relay.faults[0].subscribe(), relay.faults[1].subscribe()],
            cuts: cut,
            struck: relay.struck.clone(),
            loses: relay.loses.clone(),
        };
        tokio::spawn(async move {
            let mut seeds = StdRng::seed_from_u64(seed);
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(common.clone().connect(near, server, seeds.random()));
            }
        });
        relay
    }

    /// Does this to what goes one way from now on, in place of what was done before.
    pub(crate) fn harm(&self, way: Way, fault: Fault) {
        self.faults[way as usize].send_replace(fault);
    }

    /// Harms nothing any more.
    pub(crate) fn heal(&self) {
        self.flow(true);
    }

    /// Falls silent both ways, or harms nothing any more.
    pub(crate) fn flow(&self, flows: bool) {
        for way in [Way::There, Way::Back] {
            self.harm(way, Fault { silent: !flows, ..Fault::default() });
        }
    }

    /// Ends every connection that there is.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// How often anything was done to bytes.
    pub(crate) fn struck(&self) -> u64 {
        self.struck.load(Ordering::SeqCst)
    }

    /// Passes commits on, and breaks the connection where their answer would come back; or no longer.
    pub(crate) fn lose_commits(&self, loses: bool) {
        self.loses.store(loses, Ordering::SeqCst);
    }
}

impl Common {
    async fn connect(self, near: TcpStream, server: SocketAddr, seed: u64) {
        let mut cuts = self.cuts.clone();
        cuts.mark_unchanged();
        let Ok(far) = TcpStream::connect(server).await else { return };
        // What is delayed is delayed here alone.
        let _ = (near.set_nodelay(true), far.set_nodelay(true));
        let (from_near, to_near) = near.into_split();
        let (from_far, to_far) = far.into_split();
        let lost = Arc::new(AtomicBool::new(false));
        let carrier = |way: Way| Carrier {
            way,
            fault: self.faults[way as usize].clone(),
            struck: self.struck.clone(),
            loses: self.loses.clone(),
            lost: lost.clone(),
            random: StdRng::seed_from_u64(seed ^ way as u64),
            carried: 0,
        };
        let (mut there, mut back) = (carrier(Way::There), carrier(Way::Back));
        let (mut from_near, mut to_near, mut from_far, mut to_far) = (from_near, to_near, from_far, to_far);
        let next = tokio::select! {
            next = there.carry(&mut from_near, &mut to_far) => next,
            next = back.carry(&mut from_far, &mut to_near) => next,
            _ = cuts.changed() => Next::Close,
        };
        if next == Next::Reset {
            for end in [to_near.as_ref(), to_far.as_ref()] {
                // Whoever has gone already needs none.
                let _ = end.set_zero_linger();
            }
        }
    }
}

impl Carrier {
    /// Carries bytes to the end.
    async fn carry(&mut self, from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf) -> Next {
        let (sender, receiver) = mpsc::channel(ON_THE_WAY);
        let fault = self.fault.clone();
        let take = async {
            let mut buffer = vec![0; CHUNK];
            while let Ok(read @ 1..) = from.read(&mut buffer).await {
                let due = Instant::now() + fault.borrow().delay;
                if sender.send((due, buffer[..read].to_vec())).await.is_err() {
                    break;
                }
            }
            drop(sender);
            std::future::pending::<Next>().await
        };
        tokio::select! {
            next = take => next,
            next = self.give(receiver, to) => next,
        }
    }

    async fn give(&mut self, mut taken: mpsc::Receiver<(Instant, Vec<u8>)>, to: &mut OwnedWriteHalf) -> Next {
        while let Some((due, bytes)) = taken.recv().await {
            sleep_until(due).await;
            let Ok(fault) = self.fault.wait_for(|fault| !fault.silent).await.map(|fault| *fault) else {
                return Next::Close;
            };
            let next = self.pass(fault, bytes, to).await;
            if next != Next::More {
                return next;
            }
        }
        Next::Close
    }

    /// Passes a chunk on, or what a fault makes of it.
    async fn pass(&mut self, fault: Fault, mut bytes: Vec<u8>, to: &mut OwnedWriteHalf) -> Next {
        if self.loses_commit(&bytes) {
            return Next::Close;
        }
        let spared = fault.spares.saturating_sub(self.carried).min(bytes.len());
        self.carried += bytes.len();
        let mut next = Next::More;
        let harmed = bytes.len() - spared;
        if harmed > 0 {
            for byte in &mut bytes[spared..] {
                if self.once_in(fault.flips) {
                    *byte ^= 1 << self.random.random_range(0..8);
                }
            }
            if self.once_in(fault.repeats) {
                bytes.extend_from_within(spared..);
            }
            if self.once_in(fault.truncates) {
                bytes.truncate(spared + self.random.random_range(0..harmed));
                next = Next::Close;
            }
            if self.once_in(fault.resets) {
                return Next::Reset;
            }
        }
        if fault.per_second == 0 {
            return if to.write_all(&bytes).await.is_err() { Next::Close } else { next };
        }
        for piece in bytes.chunks(TRICKLE) {
            sleep(Duration::from_secs_f64(piece.len() as f64 / fault.per_second as f64)).await;
            if to.write_all(piece).await.is_err() {
                return Next::Close;
            }
        }
        next
    }

    /// Whether it strikes, which happens once in so many times.
    fn once_in(&mut self, many: u32) -> bool {
        let strikes = many > 0 && self.random.random_range(0..many) == 0;
        self.struck.fetch_add(u64::from(strikes), Ordering::SeqCst);
        strikes
    }

    /// Whether these bytes are the answer to a commit that may not come back.
    fn loses_commit(&self, bytes: &[u8]) -> bool {
        let losing = self.loses.load(Ordering::SeqCst);
        match self.way {
            Way::There => {
                let commits = losing && bytes.windows(6).any(|word| word == b"COMMIT");
                self.lost.fetch_or(commits, Ordering::SeqCst);
                false
            }
            Way::Back => self.lost.load(Ordering::SeqCst),
        }
    }
}
