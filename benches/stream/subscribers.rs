//! Many subscribers in one thread, each a bare socket that cuts out frames: what they cost is the same whoever sends.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::crowd::now;
use super::frame::{self, Cut};

/// Longest wait for all to have something.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many connect at once.
const AT_ONCE: usize = 64;
/// Bytes read at once, by all in turns.
const BUFFER: usize = 64 << 10;
/// What the system keeps for a reader that does not read.
const SMALL: u32 = 4 << 10;

/// Subscribers that read, and some that do not.
pub(crate) struct Subscribers {
    count: usize,
    round: Rc<Round>,
    /// Kept open.
    _stalled: Vec<TcpStream>,
}

/// Frames of text since the round began.
#[derive(Default)]
struct Round {
    expected: Cell<usize>,
    /// When each had it, in time since 1970.
    times: RefCell<Vec<Duration>>,
    /// Length of the last message with its head.
    length: Cell<usize>,
    lost: Cell<usize>,
    complete: Notify,
}

/// How a subscriber makes itself known.
#[derive(Clone, Debug)]
pub(crate) enum Greeting {
    /// A WebSocket with this key for the stream.
    Stream(String),
    /// None.
    Plain,
}

impl Subscribers {
    /// Connects `reading` and `stalled` of them and waits until all are ready.
    pub(crate) async fn connect(
        address: SocketAddr,
        greeting: Greeting,
        reading: usize,
        stalled: usize,
    ) -> anyhow::Result<Self> {
        let round = Rc::new(Round::default());
        let mut rest = Vec::new();
        for from in (0..reading + stalled).step_by(AT_ONCE) {
            let until = (from + AT_ONCE).min(reading + stalled);
            let some = (from..until).map(|number| open(address, &greeting, number, number >= reading));
            for (number, stream) in (from..until).zip(futures_util::future::try_join_all(some).await?) {
                if number < reading {
                    spawn_local(read(stream, round.clone()));
                } else {
                    rest.push(stream);
                }
            }
        }
        Ok(Self { count: reading, round, _stalled: rest })
    }

    /// Begins to wait for one message that each gets.
    pub(crate) fn expect(&self) {
        self.round.expected.set(self.count);
        self.round.times.borrow_mut().clear();
    }

    /// Waits until all have it: its length in bytes, and when each had it.
    pub(crate) async fn heard(&self) -> anyhow::Result<(usize, Vec<Duration>)> {
        let received = || self.round.times.borrow().len();
        let wait = async {
            while received() < self.count {
                self.round.complete.notified().await;
            }
        };
        let complete = timeout(PATIENCE, wait).await;
        ensure!(complete.is_ok(), "{} of {} have it, {} are gone", received(), self.count, self.round.lost.get());
        Ok((self.round.length.get(), self.round.times.borrow().clone()))
    }
}

async fn open(address: SocketAddr, greeting: &Greeting, number: usize, small: bool) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if small {
        socket.set_recv_buffer_size(SMALL)?;
    }
    let mut stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    let Greeting::Stream(key) = greeting else { return Ok(stream) };
    stream.write_all(upgrade(key).as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    ensure!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    let hello = format!(
        r#"{{"type":"hello","sdk":"bench/1","instance":"i{number}","application":"bench","have":null,"clock":"2026-01-01T00:00:00Z"}}"#
    );
    stream.write_all(&frame::masked(frame::TEXT, hello.as_bytes())).await?;
    // Ready, and resync: it has nothing.
    let (mut received, mut frames) = (Vec::new(), 0);
    while frames < 2 {
        ensure!(stream.read_buf(&mut received).await? > 0, "the stream was closed");
        frames = 0;
        let mut rest = received.as_slice();
        while let Cut::Frame { length, .. } = frame::cut(rest) {
            frames += 1;
            rest = rest.get(length..).unwrap_or_default();
        }
    }
    Ok(stream)
}

fn upgrade(key: &str) -> String {
    format!(
        "GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: bellwether.v1\r\n\r\n"
    )
}

/// Counts messages to the end of the connection.
async fn read(mut stream: TcpStream, round: Rc<Round>) {
    if follow(&mut stream, &round).await.is_err() {
        round.lost.set(round.lost.get() + 1);
    }
}

async fn follow(stream: &mut TcpStream, round: &Round) -> anyhow::Result<()> {
    thread_local! {
        static SHARED: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER]);
    }
    // What of a frame has arrived: its head until that is whole, then only how much is missing.
    let (mut head, mut missing) = (Vec::new(), 0_usize);
    loop {
        stream.readable().await?;
        let mut pong = false;
        let outcome = SHARED.with_borrow_mut(|buffer| -> anyhow::Result<()> {
            let read = match stream.try_read(buffer) {
                Ok(0) => bail!("the end"),
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let mut rest = buffer.get(..read).unwrap_or_default();
            while !rest.is_empty() {
                if missing > 0 {
                    let taken = missing.min(rest.len());
                    (missing, rest) = (missing - taken, rest.get(taken..).unwrap_or_default());
                    if missing == 0 {
                        round.count();
                    }
                    continue;
                }
                let (byte, more) = rest.split_first().context("a byte")?;
                head.push(*byte);
                rest = more;
                if let Some((opcode, length)) = frame::head(&head) {
                    match opcode {
                        frame::TEXT => {
                            missing = length;
                            round.length.set(head.len() + length);
                        }
                        frame::PING => pong = true,
                        _ => bail!("a frame of kind {opcode}"),
                    }
                    head.clear();
                }
            }
            Ok(())
        });
        outcome?;
        if pong {
            stream.write_all(&frame::masked(frame::PONG, b"")).await?;
        }
    }
}

impl Round {
    fn count(&self) {
        self.times.borrow_mut().push(now());
        if self.times.borrow().len() >= self.expected.get() {
            self.complete.notify_one();
        }
    }
}
