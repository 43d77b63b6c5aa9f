//! What is measured against: actix-web with one worker, one route and a constant answer.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use actix_web::web::Bytes;
use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Context as _;

/// Makes this program be the server: followed by the path and the size of the answer.
pub(crate) const ARGUMENT: &str = "--bare-server";

/// The server, which ends with its value.
pub(crate) struct Bare {
    child: Child,
    address: SocketAddr,
}

impl Bare {
    /// Starts it as another process.
    pub(crate) fn start(path: &str, size: usize) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([ARGUMENT, path, &size.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("its output")?).read_line(&mut line)?;
        Ok(Self { child, address: line.trim().parse()? })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Is the server.
pub(crate) fn serve(arguments: &[String]) -> anyhow::Result<()> {
    let [path, size] = arguments else { anyhow::bail!("{ARGUMENT} takes a path and a size") };
    let answer = Bytes::from(vec![b' '; size.parse()?]);
    let path = path.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let server = HttpServer::new(move || {
            let answer = answer.clone();
            // The body is taken: a connection whose request was not read to its end is closed.
            let constant = move |_: Bytes| {
                let answer = answer.clone();
                async move { HttpResponse::Ok().content_type("application/json").body(answer) }
            };
            App::new().route(&path, web::post().to(constant))
        })
        .workers(1)
        .bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
        let address = *server.addrs().first().context("an address")?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{address}")?;
        out.flush()?;
        drop(out);
        Ok(server.run().await?)
    })
}
