//! A web service whose canary is watched without a word about it in the handler:
//!
//! ```sh
//! BELLWETHER_URL=http://127.0.0.1:8080 BELLWETHER_SERVER_KEY=bw_sdk_… cargo run --example actix --features actix
//! curl -X POST -H 'X-User: user-42' http://127.0.0.1:3000/pay/7
//! ```
#![expect(clippy::print_stdout, reason = "it shows something")]

use std::env;
use std::error::Error;
use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, post, web};
use bellwether_sdk::actix::{FlagsMiddleware, RequestFlags};
use bellwether_sdk::{Client, Context};

/// How long it took and how it ended is reported as `POST /pay/{order}`, to the canary if that served the flag.
#[post("/pay/{order}")]
async fn pay(flags: RequestFlags, order: web::Path<u32>) -> HttpResponse {
    if !flags.bool("canary.new-payment-processor", false) {
        HttpResponse::Ok().body(format!("order {order} is paid"))
    } else if order.is_multiple_of(10) {
        HttpResponse::BadGateway().body("the new processor has its faults")
    } else {
        HttpResponse::Ok().body(format!("order {order} is paid by the new processor"))
    }
}

fn user_of(request: &HttpRequest) -> String {
    request.headers().get("x-user").and_then(|user| user.to_str().ok()).unwrap_or("nobody").to_owned()
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let flags = Client::builder(env::var("BELLWETHER_URL")?, env::var("BELLWETHER_SERVER_KEY")?)
        .application("actix-example")
        .connect()?;
    flags.wait_ready(Duration::from_secs(10)).await;

    let client = flags.clone();
    let server = HttpServer::new(move || {
        App::new().wrap(FlagsMiddleware::new(client.clone(), |request| Context::new(user_of(request)))).service(pay)
    })
    .bind(env::var("LISTEN").as_deref().unwrap_or("127.0.0.1:3000"))?;
    for address in server.addrs() {
        println!("listening on http://{address}");
    }
    server.run().await?;
    flags.close(Duration::from_secs(5)).await; // sends what is left
    Ok(())
}
