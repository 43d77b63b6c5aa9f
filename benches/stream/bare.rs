//! What is measured against: one thread that writes the same bytes to every connection, one after the other.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::Context as _;

use super::frame;

/// Makes this program be the broadcaster: followed by how many connect, and by the bytes of each message.
pub(crate) const ARGUMENT: &str = "--bare-broadcaster";

/// The broadcaster, which ends with its value.
pub(crate) struct Bare {
    child: Child,
    input: ChildStdin,
    pub(crate) address: SocketAddr,
}

impl Bare {
    /// Starts it as another process.
    pub(crate) fn start(connections: usize, bytes: usize) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([ARGUMENT, &connections.to_string(), &bytes.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("its output")?).read_line(&mut line)?;
        let input = child.stdin.take().context("its input")?;
        Ok(Self { child, input, address: line.trim().parse()? })
    }

    /// Has it write to everybody.
    pub(crate) fn broadcast(&mut self) -> anyhow::Result<()> {
        self.input.write_all(b"\n")?;
        Ok(self.input.flush()?)
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Is the broadcaster.
pub(crate) fn serve(arguments: &[String]) -> anyhow::Result<()> {
    let [connections, bytes] = arguments else { anyhow::bail!("{ARGUMENT} takes two numbers") };
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", listener.local_addr()?)?;
    out.flush()?;
    let mut readers = Vec::new();
    for _ in 0..connections.parse()? {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        readers.push(stream);
    }
    let frame = frame::text(bytes.parse()?);
    for line in std::io::stdin().lock().lines() {
        line?;
        for reader in &mut readers {
            reader.write_all(&frame)?;
        }
    }
    Ok(())
}
