//! The Rust SDK's middleware in a real actix-web server, reporting to a real Bellwether server.

use std::net::SocketAddr;

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Bytes};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use bellwether_core::window::Summary;
use bellwether_sdk::actix::{FlagsMiddleware, RequestFlags};
use bellwether_sdk::{Client, Context};
use futures_util::{StreamExt as _, stream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::harness::{PRODUCTION, TestApp, configured, eventually, on_both, within};
use crate::sdk::{are_counted, close, ready};

const CANARY: &str = "canary.a";

/// A web service with a canary.
struct Shop {
    address: SocketAddr,
    handle: ServerHandle,
    running: JoinHandle<std::io::Result<()>>,
    /// What the service has been told to forget: a handler or a body whose client is gone.
    forgotten: mpsc::UnboundedReceiver<&'static str>,
    http: reqwest::Client,
}

/// Says that it is gone.
struct Guest(mpsc::UnboundedSender<&'static str>, &'static str);

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.0.send(self.1);
    }
}

/// Each third order fails on the canary.
async fn pay(flags: RequestFlags, order: web::Path<u32>) -> HttpResponse {
    if flags.bool(CANARY, false) && order.is_multiple_of(3) {
        return HttpResponse::BadGateway().finish();
    }
    HttpResponse::Ok().body("paid")
}

async fn panics(flags: RequestFlags) -> HttpResponse {
    let new = flags.bool(CANARY, false);
    panic!("a handler's own fault, new or not: {new}")
}

async fn hangs(flags: RequestFlags, gone: web::Data<mpsc::UnboundedSender<&'static str>>) -> HttpResponse {
    let _guest = Guest(gone.get_ref().clone(), "handler");
    flags.bool(CANARY, false);
    std::future::pending().await
}

/// A body without an end, but for the client's.
async fn pours(flags: RequestFlags, gone: web::Data<mpsc::UnboundedSender<&'static str>>) -> HttpResponse {
    flags.bool(CANARY, false);
    let guest = Guest(gone.get_ref().clone(), "body");
    let water = stream::repeat(Bytes::from(vec![b'~'; 64 * 1024])).map(move |drop| {
        let _stays = &guest;
        Ok::<_, std::io::Error>(drop)
    });
    HttpResponse::Ok().streaming(water)
}

fn user_of(request: &HttpRequest) -> String {
    request.headers().get("x-user").map(|user| user.to_str().unwrap().to_owned()).unwrap_or_default()
}

impl Shop {
    fn open(client: &Client) -> Self {
        let (goes, forgotten) = mpsc::unbounded_channel();
        let client = client.clone();
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::new(goes.clone()))
                .wrap(FlagsMiddleware::new(client.clone(), |request| Context::new(user_of(request))))
                .route("/pay/{order}", web::post().to(pay))
                .route("/panics/{order}", web::get().to(panics))
                .route("/hangs", web::get().to(hangs))
                .route("/pours", web::get().to(pours))
        });
        // A handler ends with its connection.
        let server = server.workers(1).h1_allow_half_closed(false).disable_signals().bind("127.0.0.1:0").unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { address, handle, running: tokio::spawn(server), forgotten, http }
    }

    /// A request of `user`; its status, or none when the connection broke.
    async fn request(&self, method: reqwest::Method, path: &str, user: u32) -> Option<u16> {
        let request = self.http.request(method, format!("http://{}{path}", self.address));
        let answer = request.header("x-user", format!("user-{user}")).send().await.ok()?;
        let status = answer.status().as_u16();
        answer.bytes().await.ok()?;
        Some(status)
    }

    /// A request whose client leaves when the service has begun to answer, or after `wait` where it does not.
    async fn leave(&mut self, path: &str, answers: bool) -> &'static str {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: shop\r\nx-user: user-1\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        if answers {
            within("the answer's begin", socket.read_exact(&mut [0; 4_096])).await.unwrap();
        } else {
            // An answer of the only worker to somebody else shows that the request was taken up.
            assert_eq!(self.request(reqwest::Method::GET, "/none", 1).await, Some(404));
        }
        drop(socket);
        within("the end of what nobody waits for", self.forgotten.recv()).await.unwrap()
    }

    async fn shut(self) {
        within("the end of the service", self.handle.stop(true)).await;
        within("the end of the service", self.running).await.unwrap().unwrap();
    }
}

/// What the server has as the failures of a release, most frequent first.
async fn labels(app: &TestApp, release: &str) -> Vec<(String, u64)> {
    let since = chrono::DateTime::UNIX_EPOCH;
    let windows = app.services().measurements.closed(release.to_owned(), since, bellwether::clock::now()).await;
    let cells = windows.unwrap().into_iter().flat_map(|window| window.cells);
    let mut labels = std::collections::BTreeMap::<String, u64>::new();
    for (_, summary) in cells {
        if let Summary::Ratio(ratio) = summary {
            for (label, count) in ratio.labels {
                *labels.entry(label).or_default() += count;
            }
        }
    }
    labels.into_iter().collect()
}

on_both!(requests_are_reported_by_themselves, async |app| {
    let release = app.start_canary(PRODUCTION, CANARY).await;
    let client = ready(&app).await;
    let mut shop = Shop::open(&client);
    let (mut treatment, mut control, mut failures) = ((0, 0), (0, 0), 0);
    for order in 0..200 {
        let new = client.bool(CANARY, &Context::new(format!("user-{order}")), false);
        let status = shop.request(reqwest::Method::POST, &format!("/pay/{order}"), order).await.unwrap();
        let arm = if new { &mut treatment } else { &mut control };
        *arm = (arm.0 + 1, arm.1 + u64::from(status == 502));
        failures += u64::from(status == 502);
    }
    assert!(treatment.1 > 10 && control.0 > 50 && control.1 == 0, "{treatment:?} {control:?}");

    // Two panics, and two that were given up, whose time alone is known.
    for user in [1, 2] {
        let new = client.bool(CANARY, &Context::new(format!("user-{user}")), false);
        assert_eq!(shop.request(reqwest::Method::GET, &format!("/panics/{user}"), user).await, None);
        let arm = if new { &mut treatment } else { &mut control };
        *arm = (arm.0 + 1, arm.1 + 1);
    }
    assert_eq!(shop.leave("/hangs", false).await, "handler");
    assert_eq!(shop.leave("/pours", true).await, "body");
    shop.shut().await;
    close(client).await;

    let times = treatment.0 + control.0 + 2;
    are_counted(&app, &release, (treatment.0, treatment.1, control.0, control.1, times)).await;
    let expected = [("GET /panics/{order} panic".to_owned(), 2), ("POST /pay/{order} 502".to_owned(), failures)];
    assert_eq!(labels(&app, &release).await, expected);
});

on_both!(a_canary_that_fails_is_rolled_back, async |app| {
    app.start_canary(PRODUCTION, CANARY).await;
    let client = ready(&app).await;
    let shop = Shop::open(&client);
    let mut orders = 0..;
    eventually("the rollback", async || {
        for order in orders.by_ref().take(50) {
            shop.request(reqwest::Method::POST, &format!("/pay/{order}"), order).await.unwrap();
        }
        let view = app.get(&configured(PRODUCTION, CANARY, "/canary")).await.expect(200);
        (view["state"] == "rolled_back").then_some(())
    })
    .await;
    // Everyone is back to the old one, and the service is well.
    let mut revisions = client.revisions();
    let newest = app.revision(PRODUCTION).await;
    within("the rollback's arrival", revisions.wait_for(|at| at.is_some_and(|at| at >= newest))).await.unwrap();
    assert_eq!(shop.request(reqwest::Method::POST, "/pay/3", 3).await, Some(200));
    shop.shut().await;
    close(client).await;
});
