//! The same flags through OpenFeature:
//!
//! ```sh
//! BELLWETHER_URL=http://127.0.0.1:8080 BELLWETHER_SERVER_KEY=bw_sdk_… \
//!     cargo run --example openfeature --features openfeature
//! ```
#![expect(clippy::print_stdout, reason = "it shows something")]

use std::env;
use std::error::Error;
use std::time::Duration;

use bellwether_sdk::Client;
use bellwether_sdk::openfeature::BellwetherProvider;
use open_feature::{EvaluationContext, OpenFeature};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::builder(env::var("BELLWETHER_URL")?, env::var("BELLWETHER_SERVER_KEY")?)
        .application("openfeature-example")
        .connect()?;
    client.wait_ready(Duration::from_secs(10)).await;

    let mut openfeature = OpenFeature::singleton_mut().await;
    openfeature.set_provider(BellwetherProvider::new(client.clone())).await;
    let flags = openfeature.create_client();
    drop(openfeature);

    let user = EvaluationContext::default().with_targeting_key("user-42").with_custom_field("country", "NO");
    match flags.get_bool_details("feature.new-dashboard", Some(&user), None).await {
        Ok(told) => println!("new dashboard: {} ({})", told.value, told.reason.unwrap_or_default()),
        Err(error) => println!("new dashboard: false ({}: {})", error.code, error.message.unwrap_or_default()),
    }
    println!("page size: {}", flags.get_int_value("page.size", Some(&user), None).await.unwrap_or(20));

    client.close(Duration::from_secs(5)).await;
    Ok(())
}
