//! Nothing that `init` prints is ever in the log, however much is logged.

use std::time::Duration;

use bellwether_sdk::{Client, Context};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::program::{Program, Site, own_address};
use crate::harness::{Backend, FLAGS, PASSWORD, PRODUCTION, configured, hello, on_each, within};

/// Every kind of request there is, right ones and wrong ones.
async fn work(server: &Program, site: &Site) {
    server.call(Method::POST, FLAGS).json(&json!({"key": "feature.a", "type": "boolean"})).await.expect(201);
    server.call(Method::POST, FLAGS).json(&json!({"key": "-", "type": "x", "y": site.token()})).await.faults();
    let rollout = configured(PRODUCTION, "feature.a", "/rollout");
    server.call(Method::PUT, &rollout).json(&json!({"percentage": 50})).await.expect(200);
    server.call(Method::GET, "/api/v1/audit").await.expect(200);
    for secret in site.all_secrets() {
        let one_off = format!("{secret}x");
        for credential in [secret, &one_off] {
            let bearer = server.call(Method::GET, FLAGS).by(credential).await;
            assert!(matches!(bearer.status.as_u16(), 200 | 401 | 403));
            server.call(Method::GET, FLAGS).header("authorization", credential).await.problem(401, "unauthenticated");
            let basic = format!("Basic {credential}");
            server.call(Method::GET, FLAGS).header("authorization", &basic).await.problem(401, "unauthenticated");
            let path = "/ofrep/v1/evaluate/flags/feature.a";
            let context = json!({"context": {"targetingKey": "u"}});
            server.call(Method::POST, path).by_nobody().header("x-api-key", credential).json(&context).await;
            server.call(Method::GET, "/api/v1/snapshot").by(credential).await;
            server.call(Method::GET, "/api/v1/stream").by(credential).await;
            server.call(Method::POST, "/api/v1/measurements").by(credential).json(&json!({})).await;
            server.call(Method::POST, FLAGS).by(credential).body("{").await;
            server.call(Method::GET, "/none").by(credential).await.problem(404, "not_found");
        }
    }
}

/// An SDK's whole life, and that of one with a key that is almost right.
async fn services(server: &Program, site: &Site) {
    let key = site.server_key(PRODUCTION);
    for (key, right) in [(key.to_owned(), true), (format!("{key}x"), false)] {
        let builder = Client::builder(server.origin(), key).application("checkout").reconnect_within(Duration::ZERO);
        let client = builder.connect().unwrap();
        let ready = client.wait_ready(if right { Duration::from_secs(45) } else { Duration::from_millis(200) });
        assert_eq!(ready.await, right);
        let request = client.scope(&Context::new("user-1"));
        request.bool("feature.a", false);
        request.finish(false, "GET /");
        client.close(Duration::from_secs(45)).await;
    }
}

/// What the HTTP libraries themselves refuse.
async fn nonsense(server: &Program, site: &Site) {
    for head in
        ["GET / HTTP/1.1\r\nAuthorization: Bearer {}\r\n", "GET /{} HTTP/9\r\n", "{}\r\n", "POST / HTTP/1.1\r\n{}: x"]
    {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        let text = format!("{}\r\n\u{1}\r\n", head.replace("{}", site.token()));
        // The server may have refused before all of it is written.
        let _ = socket.write_all(text.as_bytes()).await;
        let _ = within("the end of the answer", socket.read_to_end(&mut Vec::new())).await;
    }
    // Upgraded to a WebSocket, with the key in the head and in the first frame.
    let key = site.server_key(PRODUCTION);
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "GET /api/v1/stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nAuthorization: Bearer {key}\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut greeting = hello(&Value::Null);
    greeting["instance"] = json!(key);
    let text = greeting.to_string();
    let length = u16::try_from(text.len()).unwrap().to_be_bytes();
    // A masked text frame whose mask is zero.
    socket.write_all(&[&[0x81, 0xfe], &length[..], &[0; 4], &text.as_bytes()[..10]].concat()).await.unwrap();
}

on_each!(no_secret_is_ever_logged, async |backend: Backend| {
    let site = Site::new(backend).await;
    let libraries = "trace,actix_http=trace,actix_web=trace,actix_server=trace,tungstenite=trace,\
                     tokio_tungstenite=trace,hyper_util=trace,reqwest=trace,diesel=trace,mio=trace";
    for log in ["trace", libraries] {
        let server = Program::serve(&site, own_address(), log).await;
        let fresh = log == "trace";
        if fresh {
            work(&server, &site).await;
        }
        services(&server, &site).await;
        nonsense(&server, &site).await;
        let (code, said) = server.end_by("TERM").await;
        assert_eq!(code, 0);
        assert!(said.contains("\"level\":\"TRACE\""), "everything is logged");
        assert!(!said.contains("panicked"), "{said}");
        for secret in site.all_secrets().into_iter().chain([PASSWORD]) {
            // The end of it would be enough to harm.
            let (_, end) = secret.split_at(secret.len() - 20);
            if let Some(at) = said.find(end) {
                panic!("a secret is in the log: {}", said[..at].lines().last().unwrap_or_default());
            }
        }
    }
});
