//! An HTTP client that does as little as it can: requests are bytes made beforehand, answers are cut out by their length.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) token: String,
    /// Its `Content-Type`.
    pub(crate) media: &'static str,
    pub(crate) body: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Request {
    fn bytes(&self) -> Vec<u8> {
        let Self { method, path, token, media, body } = self;
        let length = body.len();
        format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nIf-Match: *\r\n\
             User-Agent: bench/1\r\nAccept: */*\r\nContent-Type: {media}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

/// Sends one request.
pub(crate) async fn exchange(address: SocketAddr, request: &Request) -> anyhow::Result<Answer> {
    let mut connection = Connection { stream: TcpStream::connect(address).await?, received: Vec::new() };
    connection.stream.write_all(&request.bytes()).await?;
    let (status, head, length) = connection.answer().await?;
    let body = connection.received.get(head..head + length).context("the body is there")?.to_vec();
    Ok(Answer { status, body })
}

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    /// Reads one answer: its status, and how long its head and body are.
    async fn answer(&mut self) -> anyhow::Result<(u16, usize, usize)> {
        self.received.clear();
        loop {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                bail!("the connection was closed");
            }
            let Some(head) = find(&self.received, b"\r\n\r\n") else { continue };
            let head = head + 4;
            let text = std::str::from_utf8(self.received.get(..head).context("the head")?)?;
            let length = length(text)?;
            while self.received.len() < head + length {
                if self.stream.read_buf(&mut self.received).await? == 0 {
                    bail!("the connection was closed");
                }
            }
            let text = std::str::from_utf8(self.received.get(..head).context("the head")?)?;
            let status = text.split(' ').nth(1).context("a status")?.parse()?;
            return Ok((status, head, length));
        }
    }
}

fn find(bytes: &[u8], end: &[u8]) -> Option<usize> {
    bytes.windows(end.len()).position(|window| window == end)
}

fn length(head: &str) -> anyhow::Result<usize> {
    for line in head.split("\r\n") {
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("content-length")
        {
            return Ok(value.parse()?);
        }
    }
    Ok(0)
}

/// Connections that each have one request under way.
pub(crate) struct Load {
    connections: Vec<Connection>,
    request: Vec<u8>,
}

impl Load {
    /// Opens them.
    pub(crate) async fn connect(address: SocketAddr, request: &Request, count: usize) -> anyhow::Result<Self> {
        let mut connections = Vec::with_capacity(count);
        for _ in 0..count {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            connections.push(Connection { stream, received: Vec::with_capacity(64 << 10) });
        }
        Ok(Self { connections, request: request.bytes() })
    }

    /// Sends the request over and over for about `turn`; how often, and how long it took.
    pub(crate) async fn run(&mut self, turn: Duration) -> anyhow::Result<(u64, Duration)> {
        let started = Instant::now();
        let request = self.request.as_slice();
        let counts = futures_util::future::try_join_all(self.connections.iter_mut().map(async |connection| {
            let mut count = 0_u64;
            while started.elapsed() < turn {
                connection.stream.write_all(request).await?;
                let (status, ..) = connection.answer().await?;
                ensure!((200..300).contains(&status), "the answer is {status}");
                count += 1;
            }
            anyhow::Ok(count)
        }))
        .await?;
        Ok((counts.into_iter().sum(), started.elapsed()))
    }
}
