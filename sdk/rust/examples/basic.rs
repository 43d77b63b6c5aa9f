//! Flags, and a request whose outcome a canary learns:
//!
//! ```sh
//! BELLWETHER_URL=http://127.0.0.1:8080 BELLWETHER_SERVER_KEY=bw_sdk_… cargo run --example basic
//! ```
#![expect(clippy::print_stdout, reason = "it shows something")]

use std::env;
use std::error::Error;
use std::time::Duration;

use bellwether_sdk::{Client, Context};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let flags = Client::builder(env::var("BELLWETHER_URL")?, env::var("BELLWETHER_SERVER_KEY")?)
        .application("basic-example")
        .connect()?;
    // Nobody has to wait: until flags arrive, defaults answer.
    if !flags.wait_ready(Duration::from_secs(10)).await {
        println!("no server answers; these are defaults");
    }
    let _changes = flags.on_change(|changed| println!("revision {}: {}", changed.revision, changed.flags.join(", ")));

    let user = Context::new("user-42").set("country", "NO").set("plan", "pro");
    let dashboard = flags.bool_detail("feature.new-dashboard", &user, false);
    println!("new dashboard: {} ({})", dashboard.value, dashboard.reason.name());
    println!("page size: {}", flags.integer("page.size", &user, 20));

    for order in 0..100 {
        let request = flags.scope(&Context::new(format!("user-{order}")));
        let timer = request.timer();
        let outcome = if request.bool("canary.new-payment-processor", false) { pay_new(order) } else { pay_old(order) };
        timer.stop();
        request.finish(outcome.is_ok(), "POST /pay");
    }

    flags.close(Duration::from_secs(5)).await;
    println!("100 requests reported");
    Ok(())
}

fn pay_old(_order: u32) -> Result<(), &'static str> {
    Ok(())
}

fn pay_new(order: u32) -> Result<(), &'static str> {
    if order.is_multiple_of(10) { Err("the new processor has its faults") } else { Ok(()) }
}
